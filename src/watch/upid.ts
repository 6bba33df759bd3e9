/** A task id of PVE, or of PBS, which has one field more (FACTS 2.1). */
export interface Upid {
  readonly node: string;
  /** Epoch seconds. */
  readonly start: number;
  readonly type: string;
  /** A vmid, a datastore, anything; empty for a backup of several guests. */
  readonly id: string;
  readonly user: string;
  readonly token?: string;
}

const PVE = /^UPID:([A-Za-z0-9-]+):[0-9A-F]{8}:[0-9A-F]{8,9}:([0-9A-F]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/i;
const PBS =
  /^UPID:([A-Za-z0-9-]+):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8,16}:([0-9A-F]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/i;

export function readUpid(text: string): Upid | undefined {
  const found = PVE.exec(text) ?? PBS.exec(text);
  if (!found) return undefined;
  const [, node, start, type, id, who] = found;
  const [user, token] = who!.split('!', 2);
  return {
    node: node!,
    start: Number.parseInt(start!, 16),
    type: type!,
    // PBS writes what is no letter as \x3a.
    id: id!.replace(/\\x([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
    user: user!,
    ...(token ? { token } : {}),
  };
}

/** OK, or done with warnings (ODDITIES 46). */
export function succeeded(exit: string): boolean {
  return exit === 'OK' || /^WARNINGS: \d+$/.test(exit);
}
