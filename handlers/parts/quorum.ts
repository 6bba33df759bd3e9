import type { Member, Membership } from '../../src/contracts/cluster.ts';
import type { Site } from '../../src/contracts/command.ts';

/** How many more nodes may fail, whichever they are, before quorum is lost; 0 when it is lost already. */
export function spareNodes(membership: Membership): number {
  const votes = up(membership).map((member) => member.votes);
  votes.sort((a, b) => b - a);
  let present = membership.present;
  let spare = 0;
  for (const vote of votes) {
    present -= vote;
    if (present < membership.needed) break;
    spare += 1;
  }
  // The last node standing may not fail, even when a QDevice alone would still have the votes.
  return Math.min(spare, Math.max(0, votes.length - 1));
}

function up(membership: Membership): readonly Member[] {
  return membership.members.filter((member) => member.online);
}

/** One part of a cluster that a cut link would leave on its own, with the votes that are up there now. */
export interface Side {
  readonly name: string;
  readonly votes: number;
}

export interface Cut {
  readonly sides: readonly Side[];
  /** One line for people: what a cut between the sites would do. */
  readonly says: string;
  /** True when no side would keep quorum for certain. */
  readonly fatal: boolean;
}

const RESET = 'active HA nodes reset within 60 s';

/**
 * What happens when every site is alone. Undefined with less than two sites in this cluster. Where a QDevice
 * stands is not in Proxmox's answers, so its vote is not given to any side.
 */
export function linkCut(membership: Membership, sites: readonly Site[]): Cut | undefined {
  const sides = sidesOf(membership, sites);
  if (sides.length < 2) return undefined;
  return { sides, ...foretell(membership, sides) };
}

function foretell(membership: Membership, sides: readonly Side[]): Pick<Cut, 'says' | 'fatal'> {
  const { needed } = membership;
  const standing = sides.filter((side) => side.votes > 0);
  if (membership.present < needed)
    return { says: 'Link cut: nothing more to lose, quorum is gone already', fatal: true };
  if (standing.length < 2) return { says: `Link cut changes nothing: only ${standing[0]?.name} is up`, fatal: false };
  const survivor = standing.find((side) => side.votes >= needed);
  if (survivor) {
    const others = standing.filter((side) => side !== survivor).map(counted);
    return {
      says: `Link cut = ${survivor.name} goes on (${survivor.votes}, need ${needed}); ${others.join(', ')} inquorate, ${RESET} there`,
      fatal: false,
    };
  }
  const extra = membership.qdevice?.connected ? membership.qdevice.votes : 0;
  const withDevice = standing.filter((side) => side.votes + extra >= needed);
  if (withDevice.length > 0) {
    const perhaps = withDevice.map((side) => `${side.name} (${side.votes}+${extra})`).join(' or ');
    return {
      says: `Link cut = only the side the QDevice votes for goes on: ${perhaps}, need ${needed}; where the QDevice stands is unknown. The other side is inquorate, ${RESET} there`,
      fatal: true,
    };
  }
  return { says: `Link cut = ${standing.length === 2 ? 'BOTH' : 'ALL'} sides inquorate, ${RESET}`, fatal: true };
}

const counted = (side: Side): string => `${side.name} (${side.votes})`;

/** Votes that are up, per site; nodes that no site names make a side of their own. */
function sidesOf(membership: Membership, sites: readonly Site[]): readonly Side[] {
  const siteOf = new Map(sites.flatMap((site) => site.nodes.map((node) => [node.toLowerCase(), site.name] as const)));
  const names = new Set<string>();
  const votes = new Map<string, number>();
  for (const member of membership.members) {
    const name = siteOf.get(member.name.toLowerCase()) ?? NOWHERE;
    names.add(name);
    votes.set(name, (votes.get(name) ?? 0) + (member.online ? member.votes : 0));
  }
  const order = [...sites.map((site) => site.name), NOWHERE].filter((name) => names.has(name));
  return order.map((name) => ({ name, votes: votes.get(name) ?? 0 }));
}

const NOWHERE = 'nodes without a site';
