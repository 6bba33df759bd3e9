import type { Guest, HaService, Membership } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import type { GuestType, Risk } from '../../src/contracts/plan.ts';
import { spareNodes } from './quorum.ts';

/** Dangers that several commands look for. */

/** The HA service of a guest, if HA manages it. */
export async function haServiceOf(
  { view }: Pick<PlanContext, 'view'>,
  guest: Pick<Guest, 'type' | 'vmid'>,
): Promise<HaService | undefined> {
  const sid = haSid(guest);
  return (await view.haServices()).find((service) => service.sid === sid);
}

export function haSid(guest: { readonly type: GuestType; readonly vmid: number }): string {
  return `${guest.type === 'lxc' ? 'ct' : 'vm'}:${guest.vmid}`;
}

export function noSpareNode(membership: Membership, consequence: string): readonly Risk[] {
  if (membership.members.length <= 1 || spareNodes(membership) > 0) return [];
  return [{ code: 'quorum-margin-0', says: `no node to spare: one more down and ${consequence}` }];
}

const PROD = new Set(['prod', 'production']);

export function prodTag(guest: Pick<Guest, 'tags'>): readonly Risk[] {
  const tag = guest.tags.find((candidate) => PROD.has(candidate.toLowerCase()));
  return tag === undefined ? [] : [{ code: 'prod-tag', says: `tagged ${tag}: people depend on it` }];
}
