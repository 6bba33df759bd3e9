import { DateTime } from 'luxon';

/** `from` and `to` as `22:00`, local to the cluster; over midnight where `to` is not later. `days`: those it begins on. */
export interface QuietHours {
  readonly from: string;
  readonly to: string;
  /** 1 (Monday) to 7; undefined: every day. */
  readonly days?: readonly number[] | undefined;
  /** Criticals are told all the same. */
  readonly breakThrough: boolean;
}

/**
 * When the quiet of `now` ends, epoch milliseconds; undefined: it is not quiet. They hold through both changes of the
 * clocks: a time that is skipped in spring is the moment of the jump, one that comes twice in autumn begins with the
 * first and ends with the second.
 */
export function quietUntil({ from, to, days }: QuietHours, zone: string, now: number): number | undefined {
  const today = DateTime.fromMillis(now, { zone }).startOf('day');
  for (const back of [1, 0]) {
    const day = today.minus({ days: back });
    if (days && !days.includes(day.weekday)) continue;
    const [start] = moments(day, from);
    const [, end] = moments(to > from ? day : day.plus({ days: 1 }), to);
    if (start <= now && now < end) return end;
  }
  return undefined;
}

/** The first and the last moment at which clocks show that time of that day. */
export function moments(day: DateTime, time: string): readonly [number, number] {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  const { year, month, day: date } = day;
  const at = DateTime.fromObject({ year, month, day: date, hour, minute }, { zone: day.zone });
  if (at.hour !== hour || at.minute !== minute) {
    const jump = jumpBefore(at);
    return [jump, jump];
  }
  const all = at.getPossibleOffsets().map((one) => one.toMillis());
  return [Math.min(...all), Math.max(...all)];
}

/** The jump of the clocks in the three hours before: luxon moves a time that is skipped on by as much. */
function jumpBefore(at: DateTime): number {
  let [before, after] = [at.toMillis() - 3 * 3_600_000, at.toMillis()];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (DateTime.fromMillis(middle, { zone: at.zone }).offset === at.offset) after = middle;
    else before = middle;
  }
  return after;
}

/** The next time clocks show that time, epoch milliseconds. */
export function nextTime(time: string, zone: string, now: number): number {
  const today = DateTime.fromMillis(now, { zone }).startOf('day');
  for (let day = today; ; day = day.plus({ days: 1 })) {
    const [at] = moments(day, time);
    if (at > now) return at;
  }
}
