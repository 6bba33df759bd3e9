import type { Incident } from '../contracts/incident.ts';

/** Minutes after it opened, and then after the reminder before; no more than these. */
const AFTER = [15, 45, 180] as const;

/** Whether somebody must be reminded now: critical, open, not held back, and nobody has taken it up. */
export function isReminderDue(incident: Incident, now: number): boolean {
  const { state, severity, acknowledged, snoozed, held, reminders, remindedAt, openedAt } = incident;
  if (state !== 'open' || severity !== 'critical' || acknowledged || held !== undefined) return false;
  if (snoozed && snoozed.until > now) return false;
  const wait = AFTER[reminders];
  return wait !== undefined && now - Math.max(openedAt, remindedAt ?? 0, snoozed?.until ?? 0) >= wait * 60_000;
}

export const remindersLeft = ({ reminders }: Incident): number => AFTER.length - reminders;
