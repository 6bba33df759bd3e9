/** What Proxmox says is missing: `Permission check failed (/vms/103, VM.PowerMgmt)`; several after `|`: one is enough. */
export interface MissingRight {
  readonly path?: string;
  readonly privileges: readonly string[];
}

/** Reads the message of a 403, and only what is safe to paste into a root shell; 500s may hold the same text (PROBES.md 7, pool add). */
export function missingRight(message: string): MissingRight | undefined {
  if (!/permission check failed/i.test(message)) return undefined;
  const match = /permission check failed \((\/[\w./:-]*), ([A-Za-z.|]+)\)/i.exec(message);
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
  const at = /^[\w./:-]+$/.test(path) ? path : '/';
  return (
    `pveum role add ${role} --privs '${wanted.join(',')}' && ` +
    `pveum acl modify ${at} --roles ${role} --users '${id.split('!', 1)[0]}' --tokens '${id}'`
  );
}

/** Our rights as Proxmox lists them: path → privilege → 1 where it goes down to the paths below, else 0. */
export type Rights = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Whether a privilege is held at `path`, from above or, with `anywhere`, on anything below it. */
export function holds(rights: Rights, privilege: string, path: string, anywhere = false): boolean {
  return Object.entries(rights).some(([at, privileges]) => {
    if (!(privilege in privileges)) return false;
    if (at === path || (anywhere && at.startsWith(`${path}/`))) return true;
    const above = at === '/' || path.startsWith(`${at}/`);
    return above && Number(privileges[privilege]) === 1;
  });
}
