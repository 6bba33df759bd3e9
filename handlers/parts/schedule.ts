/**
 * The calendar events of Proxmox: `[WEEKDAYS] [[YYYY-]MM-DD] [HH:MM] [UTC]`, or a named one (FACTS 4.2).
 * Checked here because Proxmox's own answer to a bad one is only "value does not look like a valid calendar event",
 * and because one valid form means something else than its writer thinks (see {@link TRAP}).
 */
type Reading = { readonly value: string } | { readonly problem: string };

const NAMED = new Set([
  'minutely',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'quarterly',
  'yearly',
  'annually',
  'semiannually',
  'semi-annually',
]);

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const LONGEST = 128;

/**
 * A number without a colon is minutes: `mon..fri 22` is minute 22 of every hour, although Proxmox's manual says
 * 10 PM (ODDITIES 74). Whoever means that minute can write `*:22`, which nobody misreads.
 */
const TRAP = 'a number without a colon is minutes to Proxmox';

/** Reads a calendar event; the value is what goes to Proxmox, with single blanks. */
export function readSchedule(text: string): Reading {
  const value = text.trim().replace(/ +/g, ' ');
  const problem = value.length > LONGEST ? `the schedule is longer than ${LONGEST} characters` : problemOf(value);
  return problem === undefined ? { value } : { problem };
}

function problemOf(value: string): string | undefined {
  if (NAMED.has(value)) return undefined;
  const words = value.split(' ');
  if (words.at(-1) === 'UTC') words.pop();
  if (words.length === 0) return 'the schedule names no time';
  const days = /^[a-z]/i.test(words[0]!) ? words.shift()! : undefined;
  if (days !== undefined && !isWeekdays(days)) return `"${days.slice(0, 40)}" is neither weekdays nor a named schedule`;
  const date = words[0]?.includes('-') ? words.shift()! : undefined;
  if (date !== undefined && !isDate(date)) return `"${date.slice(0, 40)}" is not a date: MM-DD or YYYY-MM-DD`;
  const time = words.shift();
  if (words.length > 0)
    return `"${words.join(' ').slice(0, 40)}" is too much: weekdays, date, time, UTC, in this order`;
  return time === undefined ? undefined : problemOfTime(time, days);
}

function problemOfTime(time: string, days: string | undefined): string | undefined {
  const parts = time.split(':');
  if (parts.length > 3) return `"${time.slice(0, 40)}" is not a time`;
  if (parts.length === 3 && !/^0?0$/.test(parts.pop()!))
    return 'replication cannot be timed to the second, write HH:MM';
  const minutes = parts.pop()!;
  const hours = parts.pop();
  if (hours !== undefined && !numbers(hours, 0, 23)) return `"${hours.slice(0, 40)}" is not an hour from 0 to 23`;
  const set = numbers(minutes, 0, 59);
  if (!set) return `"${minutes.slice(0, 40)}" is not a minute from 0 to 59`;
  if (hours === undefined && /^[\d.,]+$/.test(minutes) && Math.max(...set) <= 23) {
    const before = days === undefined ? '' : `${days} `;
    return `"${before}${time}" is minute ${minutes} of every hour (${TRAP}): write ${before}${minutes}:00 for the hour or ${before}*:${minutes} for the minute`;
  }
  return undefined;
}

function isWeekdays(text: string): boolean {
  return text.split(',').every((part) => {
    const ends = part.split('..');
    return ends.length <= 2 && ends.every(isWeekday);
  });
}

/** `mon`, `Monday`: three letters or more of the English name. */
function isWeekday(text: string): boolean {
  return text.length >= 3 && WEEKDAYS.some((day) => day.startsWith(text.toLowerCase()));
}

function isDate(text: string): boolean {
  const parts = text.split('-');
  if (parts.length < 2 || parts.length > 3) return false;
  const days = numbers(parts.at(-1)!, 1, 31);
  const months = numbers(parts.at(-2)!, 1, 12);
  if (!days || !months || (parts.length === 3 && !numbers(parts[0]!, 1970, 2200))) return false;
  const first = Math.min(...days);
  return [...months].some((month) => first <= MONTH_DAYS[month - 1]!);
}

/** Reads `*`, or a list of `n`, `n..m`, `n/step`, and a star with a step. */
function numbers(text: string, least: number, most: number): Set<number> | undefined {
  if (text === '*') return range(least, most, 1);
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(?:(\d{1,4})\.\.(\d{1,4})|(\*|\d{1,4})\/(\d{1,4})|(\d{1,4}))$/.exec(part);
    if (!match) return undefined;
    const [, from, to, start, step, single] = match;
    const first = Number(from ?? (start === '*' ? least : start) ?? single);
    const last = to !== undefined ? Number(to) : step !== undefined ? most : first;
    const by = Number(step ?? 1);
    if (first < least || last > most || first > last || by < 1 || by > most) return undefined;
    for (const value of range(first, last, by)) found.add(value);
  }
  return found;
}

function range(from: number, to: number, by: number): Set<number> {
  const found = new Set<number>();
  for (let value = from; value <= to; value += by) found.add(value);
  return found;
}
