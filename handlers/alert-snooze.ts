import { DateTime } from 'luxon';
import { defineCommand } from '../src/contracts/command.ts';
import { incident, optional, reason, snoozeFor } from './options.ts';
import { dateTime } from './parts/units.ts';

/** Hour of the day at which a morning begins. */
const MORNING = 8;

export const alertSnooze = defineCommand({
  name: 'alert snooze',
  summary: 'Hear no more of an incident for an hour, or until morning',
  examples: ['alert snooze id:k3f9w for:1h', 'alert snooze id:k3f9w for:morning reason:"disk ordered"'],
  options: {
    id: incident,
    for: optional(snoozeFor, 'How long: 1h (default), 30min, 2d, or until morning'),
    reason: optional(reason),
  },
  positional: ['id'],
  action: 'alert.snooze',
  risk: 'control',
  incident: 'id',
  needsCluster: false,
  async tell({ for: length = 3600, reason = '' }, { clock, hands, incident, zone }) {
    const now = clock.now();
    const until = length === 'morning' ? nextMorning(now, zone) : now + length * 1000;
    await hands.snooze(until, reason);
    return {
      title: `${incident.id} is quiet until ${dateTime(until, zone).slice(5, 16)}`,
      tone: 'good',
      lines: ['Its card goes on telling how it stands; reminders begin again when the time is over'],
    };
  },
});

/** Epoch ms. */
export function nextMorning(now: number, zone: string): number {
  const today = DateTime.fromMillis(now, { zone }).startOf('day').set({ hour: MORNING });
  const next = today.toMillis() > now ? today : today.plus({ days: 1 }).set({ hour: MORNING });
  return next.toMillis();
}
