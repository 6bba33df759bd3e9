/**
 * Proxmox calendar events: `[WEEKDAYS] [[YYYY-]MM-DD] [HH[,|..|/step][:MM]] [UTC]` and the named ones. A number group
 * without a colon is minutes, so `mon..fri 22` is minute 22 of every hour.
 */
export interface Schedule {
  weekdays?: Set<number>;
  date?: { year?: Set<number>; month: Set<number>; day: Set<number> };
  hours: Set<number>;
  minutes: Set<number>;
  utc: boolean;
}

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const named: Record<string, string> = {
  minutely: '*:*',
  hourly: '*:00',
  daily: '00:00',
  weekly: 'mon 00:00',
  monthly: '*-1 00:00',
  quarterly: '1,4,7,10-1 00:00',
  yearly: '1-1 00:00',
  annually: '1-1 00:00',
  semiannually: '1,7-1 00:00',
  'semi-annually': '1,7-1 00:00',
};

function parseField(text: string, min: number, max: number): Set<number> | undefined {
  const out = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(?:(\*)|(\d+)(?:\.\.(\d+))?)?(?:\/(\d+))?$/.exec(part);
    if (!match || part === '') return undefined;
    const step = match[4] === undefined ? undefined : Number(match[4]);
    const start = match[2] === undefined ? min : Number(match[2]);
    const end = match[3] !== undefined ? Number(match[3]) : match[2] === undefined || step !== undefined ? max : start;
    if (start < min || end > max || start > end || step === 0) return undefined;
    for (let value = start; value <= end; value += step ?? 1) out.add(value);
  }
  return out;
}

function parseWeekdays(text: string): Set<number> | undefined {
  const out = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const ends = part.split('..').map((name) => (/^[a-z]{3,}$/.test(name) ? dayNames.indexOf(name.slice(0, 3)) : -1));
    if (ends.length > 2 || ends.includes(-1)) return undefined;
    const from = ends[0] as number;
    const to = ends[1] ?? from;
    for (let day = from; ; day = (day + 1) % 7) {
      out.add(day);
      if (day === to) break;
    }
  }
  return out;
}

function parseDate(text: string): Schedule['date'] | undefined {
  const parts = text.split('-');
  if (parts.length < 2 || parts.length > 3) return undefined;
  const day = parseField(parts.at(-1) as string, 1, 31);
  const month = parseField(parts.at(-2) as string, 1, 12);
  const year = parts.length === 3 ? parseField(parts[0] as string, 1970, 2200) : undefined;
  if (!day || !month || (parts.length === 3 && !year)) return undefined;
  return { month, day, year };
}

export function parseSchedule(text: string): Schedule | undefined {
  const words = (named[text.trim().toLowerCase()] ?? text).trim().split(/\s+/);
  const schedule: Schedule = { hours: parseField('*', 0, 23)!, minutes: new Set([0]), utc: false };
  if (words.at(-1)?.toUpperCase() === 'UTC') {
    schedule.utc = true;
    words.pop();
  }
  if (words.length === 0 || words[0] === '') return undefined;
  if (/^[a-z]/i.test(words[0] as string)) {
    schedule.weekdays = parseWeekdays(words.shift() as string);
    if (!schedule.weekdays) return undefined;
  }
  if (words[0]?.includes('-')) {
    schedule.date = parseDate(words.shift() as string);
    if (!schedule.date) return undefined;
  }
  if (words.length > 1) return undefined;
  const time = words[0];
  if (time === undefined) {
    schedule.hours = new Set([0]);
    return schedule;
  }
  const parts = time.split(':');
  if (parts.length > 3) return undefined;
  const hours = parts.length > 1 ? parseField(parts[0] as string, 0, 23) : schedule.hours;
  const minutes = parseField((parts.length > 1 ? parts[1] : parts[0]) as string, 0, 59);
  if (!hours || !minutes || (parts[2] !== undefined && !parseField(parts[2], 0, 59))) return undefined;
  return { ...schedule, hours, minutes };
}

/** Epoch seconds of the first run after `after` (epoch seconds), in UTC; 0 when none within five years. */
export function nextRun(schedule: Schedule, after: number): number {
  let at = Math.floor(after / 60) * 60 + 60;
  const end = after + 5 * 366 * 86400;
  while (at < end) {
    const time = new Date(at * 1000);
    const { weekdays, date, hours, minutes } = schedule;
    const dayFits =
      (!weekdays || weekdays.has(time.getUTCDay())) &&
      (!date ||
        (date.day.has(time.getUTCDate()) &&
          date.month.has(time.getUTCMonth() + 1) &&
          (!date.year || date.year.has(time.getUTCFullYear()))));
    if (!dayFits) at = (Math.floor(at / 86400) + 1) * 86400;
    else if (!hours.has(time.getUTCHours())) at = (Math.floor(at / 3600) + 1) * 3600;
    else if (!minutes.has(time.getUTCMinutes())) at += 60;
    else return at;
  }
  return 0;
}
