import type { Grant } from '../../src/contracts/books.ts';
import type { CtKey, CtUser } from '../../src/contracts/shell.ts';
import { holds, shortType } from './drift.ts';
import { ctLines } from './grant-lines.ts';
import { accessOf, markerOf } from './grants.ts';

/**
 * What stands in the containers against what the book of grants says.
 * lost: ours and missing. wrong: ours and not as granted. unknown: our mark, but nothing in the book. foreign: not ours,
 * reported and never touched. ended: a lease is over and lines are left. gone: the granted container is no more.
 * unseen: nobody could look.
 */
export type FindingKind = 'lost' | 'wrong' | 'unknown' | 'foreign' | 'ended' | 'gone' | 'unseen';

export interface Finding {
  readonly kind: FindingKind;
  readonly vmid: number;
  /** The same for the same finding in every round. */
  readonly id: string;
  readonly says: string;
  readonly grant?: Grant;
}

export function finding(
  kind: FindingKind,
  vmid: number,
  says: string,
  { grant, mark = says }: { readonly grant?: Grant; readonly mark?: string } = {},
): Finding {
  return { kind, vmid, id: `${vmid}/${kind}/${mark}`, says, ...(grant ? { grant } : {}) };
}

/** Of one container that could be looked into. */
export function insideOf(
  vmid: number,
  users: readonly CtUser[],
  grants: readonly Grant[],
  now: number,
): readonly Finding[] {
  return [
    ...users.flatMap((user) => user.keys.flatMap((key) => ofLine(vmid, user, key, grants, now))),
    ...grants.flatMap((grant) =>
      ofGrant(
        grant,
        users.find(({ name }) => name === grant.user),
        now,
      ),
    ),
  ];
}

function ofLine(vmid: number, user: CtUser, key: CtKey, grants: readonly Grant[], now: number): readonly Finding[] {
  const line = `${vmid} ${user.name}: ${key.fingerprint ?? `"${key.unreadable ?? ''}"`}${key.type ? ` ${shortType(key.type)}` : ''}`;
  if (!key.ours || !key.marker) {
    const comment = key.comment ? ` (${key.comment})` : '';
    return [
      finding('foreign', vmid, `${line}${comment} is not the bot's`, {
        mark: `${line}${comment} ${key.options ?? ''}`,
      }),
    ];
  }
  const grant = grants.find((one) => one.user === user.name && markerOf(one) === key.marker);
  if (!grant) return [finding('unknown', vmid, `${line} carries ${key.marker}, which is in no book`)];
  // Told once, for the whole grant.
  if (!holds(grant, now)) return [];
  if (!grant.fingerprints.includes(key.fingerprint ?? ''))
    return [finding('wrong', vmid, `${line} was not granted, but carries ${key.marker}`, { grant })];
  const wanted = optionsOf(grant);
  if ((key.options ?? '') === wanted) return [];
  const how =
    key.options?.includes('expiry-time=') || wanted === '' ? `has ${key.options || 'no options'}` : 'has no end';
  return [finding('wrong', vmid, `${line} ${how}, granted was ${wanted || 'no end'}`, { grant })];
}

/** The options every line of this grant has inside its container. */
function optionsOf(grant: Grant): string {
  const [first = ''] = ctLines(accessOf(grant, ''));
  return grant.lines[0] === undefined ? '' : first.slice(0, first.indexOf(grant.lines[0])).trim();
}

function ofGrant(grant: Grant, user: CtUser | undefined, now: number): readonly Finding[] {
  const { vmid, person } = grant;
  const label = `${vmid} ${grant.user}`;
  const ours = user?.keys.filter(({ marker }) => marker === markerOf(grant)) ?? [];
  if (!holds(grant, now)) {
    const left = ours.length > 0 ? `, ${ours.length} ${ours.length === 1 ? 'line is' : 'lines are'} left` : '';
    return [finding('ended', vmid, `${label}: the lease of ${person} ended ${grant.until}${left}`, { grant })];
  }
  if (!user) return [finding('lost', vmid, `${label}: the account is gone; it was granted to ${person}`, { grant })];
  const troubles = user.troubles.map((why) => finding('unseen', vmid, `${label}: ${why}`, { grant }));
  // What sshd would refuse was read all the same; any other trouble means that lines may have gone unseen.
  if (user.troubles.some((why) => !why.endsWith('so sshd takes no key'))) return troubles;
  const lost = grant.fingerprints
    .filter((fingerprint) => !ours.some((key) => key.fingerprint === fingerprint))
    .map((fingerprint) =>
      finding('lost', vmid, `${label}: ${fingerprint} was granted to ${person}, but is not there`, { grant }),
    );
  return [...troubles, ...lost];
}
