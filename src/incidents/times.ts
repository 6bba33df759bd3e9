import { DateTime } from 'luxon';

/** Times on cards of incidents: clocks, since "12 min ago" would have to be edited every minute. */

/** Seconds as `45 s`, `2m03`, `1h05`, `3 d 4 h`. */
export function lasted(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number: number) => String(number).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** Epoch seconds as `13:41:21`, with the day where it is another than that of `now`. */
export function clock(at: number, zone: string, now = at * 1000): string {
  const then = DateTime.fromSeconds(at, { zone });
  return then.toFormat(then.hasSame(DateTime.fromMillis(now, { zone }), 'day') ? 'HH:mm:ss' : 'ccc d LLL HH:mm', {
    locale: 'en',
  });
}

/** Epoch milliseconds as `Tue 02:14`. */
export function dayAndTime(at: number, zone: string): string {
  return DateTime.fromMillis(at, { zone }).toFormat('ccc HH:mm', { locale: 'en' });
}
