import { Cron } from 'croner';
import { DateTime } from 'luxon';

/** Every hour, whatever the day. */
const HOURLY = /^\S+ \* \* \* \*$/;

/**
 * When a cron pattern of five fields is due next, in a zone, epoch milliseconds. Croner only counts here; its timers are
 * never started, since deadlines are rows. A time of day that the clocks skip in spring comes right after the gap, and
 * one that comes twice in autumn comes once. What is due every hour counts hours and not clocks: croner would leave out
 * the second 2:15 of autumn, and with it an hour (measured with croner 10.0.1).
 */
export function nextDue(pattern: string, zone: string, now: number): number {
  const { offset } = DateTime.fromMillis(now, { zone });
  const where = HOURLY.test(pattern.trim()) ? { utcOffset: offset } : { timezone: zone };
  const next = new Cron(pattern, { mode: '5-part', ...where }).nextRun(new Date(now));
  if (!next) throw new Error('it is never due');
  return next.getTime();
}

/** Why a pattern cannot be used; undefined for a sound one. */
export function badPattern(pattern: string, zone: string): string | undefined {
  try {
    nextDue(pattern, zone, Date.UTC(2026, 0, 1));
    return undefined;
  } catch (error) {
    return `${JSON.stringify(pattern)} is no cron pattern of five fields (${(error as Error).message})`;
  }
}
