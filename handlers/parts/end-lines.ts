import type { Grant } from '../../src/contracts/books.ts';
import { type Plan, stampTime } from '../../src/contracts/plan.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { stampText } from './leases.ts';
import { type Ending, type Held, onlyQueued } from './revoke-plan.ts';
import { count } from './units.ts';

/** What becomes of each grant that ends, one line each. */

export const nameOf = ({ vmid, user }: Pick<Grant, 'vmid' | 'user'>): string => `${vmid} ${user}`;

export const labelOf = ({ guest, grant }: Pick<Ending, 'guest' | 'grant'>): string =>
  guest ? guestLabel(guest) : `CT ${grant.vmid} ${grant.guest}`;

export function endLines(endings: readonly Ending[], held: Held, now: number, zone: string): readonly string[] {
  return [
    ...endings.map((ending) => endLine(ending, now, zone)),
    ...onlyQueued(held).map(({ grant }) => `CT ${grant.vmid} ${grant.guest}: what waited for it is forgotten`),
  ];
}

function endLine(ending: Ending, now: number, zone: string): string {
  const { grant, when, why, remove, rootGroup } = ending;
  const label = labelOf(ending);
  if (when === 'gone') return `${label}: ${why}; ${grant.jump ? 'the way in and our note end' : 'our note ends'}`;
  if (when === 'later') {
    const latest = grant.until !== undefined && stampTime(grant.until) > now;
    const end = latest ? `, at the latest ${stampText(grant.until!, zone)}` : '';
    return `${label}: ${why}: ${grant.jump ? 'the way in ends now, ' : ''}keys of ${grant.user} end when it runs${end}`;
  }
  const account = remove ? `the account ${grant.user} is removed` : `the account ${grant.user} stays`;
  const sudo = grant.sudo && !remove ? ', sudo too' : '';
  const root = rootGroup === undefined ? '' : `, and stays in the group ${rootGroup}`;
  return `${label}: keys${grant.jump ? ' and the way in' : ''} end${rootGroup === undefined ? sudo : ''}; ${account}${root}`;
}

/** What this cannot end, so that somebody does. */
export function leftLines(endings: readonly Ending[], hidden: number, cluster: string): readonly string[] {
  return [
    ...endings.flatMap(({ left }) => (left === undefined ? [] : [`LEFT: ${left}`])),
    ...(hidden > 0 ? [`LEFT on ${cluster}: ${count(hidden, 'grant')} in containers that you may not see`] : []),
  ];
}

/** Whether a part of it could not be done yet. */
export const someWaits = ({ risks }: Plan): boolean => risks.some(({ code }) => code === 'stopped');

export const laterRisk = (ending: Ending) => ({
  code: 'stopped',
  says: `the keys in ${labelOf(ending)} stay until it can be reached (${ending.why})`,
});
