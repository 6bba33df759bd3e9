import type { Guest } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import { attempt } from './guests.ts';

/**
 * Proxmox lets whoever may make snapshots roll back as well (PROBES.md 7: either privilege is enough). We take the
 * narrower privilege as the site's word that it wants rollbacks from chat at all, and do nothing without it.
 * Returns undefined when our token holds it, and the reason when that cannot be read.
 */
export async function mayRollBack(
  { everything }: PlanContext,
  guest: Pick<Guest, 'vmid' | 'pool'>,
  what: string,
): Promise<string | undefined> {
  const rights = await attempt(() => everything.permissions());
  if ('failed' in rights) return rights.failed;
  if (rights.value.size === 0) return 'the token sees none of its own rights';
  const path = `/vms/${guest.vmid}`;
  // What stands lower down replaces what stands above; a pool adds to its guests.
  const own = rights.value.get(path) ?? rights.value.get('/vms') ?? rights.value.get('/');
  const pool = guest.pool ? rights.value.get(`/pool/${guest.pool}`) : undefined;
  if (own?.has(PRIVILEGE) || pool?.has(PRIVILEGE)) return undefined;
  return fail('no-privilege', {
    what,
    why: `the bot's token lacks ${PRIVILEGE} on ${path}, and without it nothing is rolled back from chat`,
    next: `whoever wants rollbacks, on a node: pveum role add BasculeRollback --privs ${PRIVILEGE}; pveum acl modify /vms --roles BasculeRollback --users USER@REALM --tokens 'USER@REALM!TOKEN'`,
  });
}

const PRIVILEGE = 'VM.Snapshot.Rollback';
