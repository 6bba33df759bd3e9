import type { Grant } from '../../src/contracts/books.ts';
import { type Plan, stampTime } from '../../src/contracts/plan.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { stampText } from './leases.ts';
import type { Ending, Held } from './revoke-plan.ts';

/** What becomes of each grant that ends, one line each. */

export const nameOf = ({ vmid, user }: Pick<Grant, 'vmid' | 'user'>): string => `${vmid} ${user}`;

export const labelOf = ({ guest, grant }: Pick<Ending, 'guest' | 'grant'>): string =>
  guest ? guestLabel(guest) : `CT ${grant.vmid} ${grant.guest}`;

export function endLines(endings: readonly Ending[], held: Held, now: number, zone: string): readonly string[] {
  const only = held.queued.filter(({ grant }) => !held.grants.some((g) => nameOf(g) === nameOf(grant)));
  return [
    ...endings.map((ending) => endLine(ending, now, zone)),
    ...only.map(({ grant }) => `CT ${grant.vmid} ${grant.guest}: what waited for it is forgotten`),
  ];
}

function endLine(ending: Ending, now: number, zone: string): string {
  const { grant, when, why, remove } = ending;
  const label = labelOf(ending);
  if (when === 'gone') return `${label}: ${why}; ${grant.jump ? 'the way in and our note end' : 'our note ends'}`;
  if (when === 'later') {
    const latest = grant.until !== undefined && stampTime(grant.until) > now;
    const end = latest ? `, at the latest ${stampText(grant.until!, zone)}` : '';
    return `${label}: ${why}: ${grant.jump ? 'the way in ends now, ' : ''}keys of ${grant.user} end when it runs${end}`;
  }
  const account = remove ? `the account ${grant.user} is removed` : `the account ${grant.user} stays`;
  return `${label}: keys${grant.jump ? ' and the way in' : ''} end${grant.sudo && !remove ? ', sudo too' : ''}; ${account}`;
}

/** Whether a part of it could not be done yet. */
export const someWaits = ({ risks }: Plan): boolean => risks.some(({ code }) => code === 'stopped');

export const laterRisk = (ending: Ending) => ({
  code: 'stopped',
  says: `the keys in ${labelOf(ending)} stay until it can be reached (${ending.why})`,
});
