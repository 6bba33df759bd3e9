/** What Proxmox says is missing: `Permission check failed (/vms/103, VM.PowerMgmt)`; several after `|`: one is enough. */
export interface MissingRight {
  readonly path?: string;
  readonly privileges: readonly string[];
}

/** Reads the message of a 403; 500s may hold the same text (PROBES.md 7, pool add). */
export function missingRight(message: string): MissingRight | undefined {
  if (!/permission check failed/i.test(message)) return undefined;
  const match = /permission check failed \((\/[^,\s)]*), ([A-Za-z.|]+)\)/i.exec(message);
  return match ? { path: match[1], privileges: match[2]!.split('|') } : { privileges: [] };
}

/** `bot@pve!chatops=secret` → `bot@pve!chatops`. */
export const tokenId = (token: string): string => token.split('=', 1)[0]!;

/**
 * The line that grants it. A token with privilege separation has the intersection of its own and its user's
 * rights (FACTS §9), so both get the role.
 */
export function grantLine(path: string, privileges: readonly string[], token: string): string {
  const audit = privileges.find((name) => name.endsWith('.Audit'));
  const wanted = audit ? [audit] : privileges;
  const role = `Bascule-${wanted.join('-').replaceAll('.', '')}`.slice(0, 64);
  const id = tokenId(token);
  return (
    `pveum role add ${role} --privs '${wanted.join(',')}' && ` +
    `pveum acl modify ${path} --roles ${role} --users '${id.split('!', 1)[0]}' --tokens '${id}'`
  );
}

/** Whether a privilege is held at `path` itself, above it or, with `anywhere`, on anything below it. */
export function holds(
  rights: ReadonlyMap<string, ReadonlySet<string>>,
  privilege: string,
  path: string,
  anywhere = false,
): boolean {
  const under = path === '/' ? '/' : `${path}/`;
  for (const [at, privileges] of rights) {
    if (!privileges.has(privilege)) continue;
    if (at === path || at === '/' || path.startsWith(`${at}/`)) return true;
    if (anywhere && at.startsWith(under)) return true;
  }
  return false;
}
