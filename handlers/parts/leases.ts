import { DateTime } from 'luxon';
import type { Grant } from '../../src/contracts/books.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { HouseRules } from '../../src/contracts/house.ts';
import { stampTime } from '../../src/contracts/plan.ts';
import { span } from './units.ts';

/** How long access lasts, and how that is told. */

/** Seconds; what nobody says is the house's lease. Throws bad-input when it is more than the house allows. */
export function leaseOf(expires: number | undefined, { ssh }: Pick<HouseRules, 'ssh'>, what: string): number {
  const seconds = expires ?? ssh.lease;
  if (seconds <= ssh.longest) return seconds;
  return fail('bad-input', {
    what,
    why: `${span(seconds)} is longer than the house rules allow`,
    next: `ask for at most expires:${compact(ssh.longest)}`,
  });
}

/** Seconds as an option takes them: `30d`, `90m`. */
export function compact(seconds: number): string {
  if (seconds % 86_400 === 0) return `${seconds / 86_400}d`;
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

/** `Sat 2026-11-21 18:30 CET`; the year and the zone, since leases outlive a day and people sit elsewhere. */
export function moment(at: number, zone: string): string {
  return DateTime.fromMillis(at, { zone }).setLocale('en-GB').toFormat('ccc yyyy-MM-dd HH:mm ZZZZ');
}

export const stampText = (stamp: string, zone: string): string => moment(stampTime(stamp), zone);

/** `until Sat …`, `ENDED Sat …` or `until it is revoked`. */
export function untilText({ until }: Pick<Grant, 'until'>, now: number, zone: string): string {
  if (until === undefined) return 'until it is revoked';
  return `${stampTime(until) > now ? 'until' : 'ENDED'} ${stampText(until, zone)}`;
}
