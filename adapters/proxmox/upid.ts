/** `UPID:node:pid:pstart:starttime:type:id:user[!token]:`; pstart has 9 digits after 497 days of uptime (ODDITIES 53). */
export interface Upid {
  readonly node: string;
  /** Epoch seconds of the node's clock. */
  readonly startedAt: number;
  readonly type: string;
  /** A vmid for guest tasks, empty for jobs over several guests. */
  readonly id: string;
  /** `bot@pve!chatops`. */
  readonly who: string;
}

const shape =
  /^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/;

export function readUpid(text: unknown): Upid | undefined {
  const match = typeof text === 'string' ? shape.exec(text) : null;
  if (!match) return undefined;
  const [, node, start, type, id, who] = match;
  return { node: node!, startedAt: Number.parseInt(start!, 16), type: type!, id: id!, who: who! };
}
