import { DateTime } from 'luxon';
import type { Snapshot } from '../../src/contracts/cluster.ts';
import type { SnapshotClass, SnapshotRule } from '../../src/contracts/house.ts';
import { MARK } from './snapshots.ts';

/** Scheduled snapshots: which are due, which are past their time. Pure; times in epoch seconds. */

export const CLASSES: readonly SnapshotClass[] = ['hourly', 'daily', 'weekly', 'monthly'];
const PERIOD = { hourly: 'hour', daily: 'day', weekly: 'week', monthly: 'month' } as const;

/** In UTC, so that no name comes twice when the clocks go back. */
export function scheduledName(kind: SnapshotClass, at: number): string {
  return `bascule-${kind}-${DateTime.fromSeconds(at, { zone: 'utc' }).toFormat("yyyyMMdd'T'HHmm")}`;
}

/** First line of its description; the run's mark follows. */
export const scheduledNote = (kind: SnapshotClass): string => `scheduled ${kind}`;

/** As {@link scheduledName} makes them; people cannot give such names. */
export const SCHEDULED = /^bascule-(hourly|daily|weekly|monthly)-(\d{8}T\d{4})$/;

/** Its class, only when name, description and mark all say that the schedule made it. */
export function scheduledAs({ name, description }: Pick<Snapshot, 'name' | 'description'>): SnapshotClass | undefined {
  const kind = SCHEDULED.exec(name)?.[1] as SnapshotClass | undefined;
  if (!kind || !MARK.test(description)) return undefined;
  return description.split('\n')[0]?.trim() === scheduledNote(kind) ? kind : undefined;
}

/** When it was made; by its name where Proxmox does not tell. */
export function takenAt({ name, at }: Pick<Snapshot, 'name' | 'at'>): number {
  if (at > 0) return at;
  const stamp = SCHEDULED.exec(name)?.[2] ?? '';
  return DateTime.fromFormat(stamp, "yyyyMMdd'T'HHmm", { zone: 'utc' }).toSeconds();
}

/** Seconds by class. */
export type Keep = SnapshotRule['keep'];

/** What the rules that name this guest keep of each class: the longest of them. Undefined: no rule names it. */
export function keepOf(
  guest: { readonly vmid: number; readonly tags: readonly string[] },
  rules: readonly SnapshotRule[],
): Keep | undefined {
  const tags = new Set(guest.tags.map((tag) => tag.toLowerCase()));
  const own = rules.filter(
    ({ vmids, tags: wanted }) => vmids.includes(guest.vmid) || wanted.some((tag) => tags.has(tag.toLowerCase())),
  );
  if (own.length === 0) return undefined;
  const longest = (kind: SnapshotClass) => Math.max(...own.map(({ keep }) => keep[kind] ?? 0));
  return Object.fromEntries(CLASSES.filter((kind) => longest(kind) > 0).map((kind) => [kind, longest(kind)]));
}

export interface Upkeep {
  /** Classes of which a snapshot is due. */
  readonly make: readonly SnapshotClass[];
  /** Past their time, oldest first. */
  readonly remove: readonly Snapshot[];
}

/** A snapshot dated further ahead than this was made while a clock was wrong, and must not stop the schedule. */
const AHEAD = 3600;

/**
 * A class is due when its newest snapshot is from before this hour, day, week or month of the cluster's zone: what
 * was missed meanwhile is not made up for. The newest of a class stays, however old, until a newer one is there.
 */
export function upkeepOf(all: readonly Snapshot[], keep: Keep, now: number, zone: string): Upkeep {
  const make: SnapshotClass[] = [];
  const remove: Snapshot[] = [];
  for (const kind of CLASSES) {
    const seconds = keep[kind];
    if (seconds === undefined) continue;
    const own = all.filter((each) => each.usable && scheduledAs(each) === kind);
    const dated = own.filter((each) => takenAt(each) <= now + AHEAD).sort((a, b) => takenAt(a) - takenAt(b));
    const newest = dated.at(-1);
    const begun = DateTime.fromSeconds(now, { zone }).startOf(PERIOD[kind]).toSeconds();
    if (newest === undefined || takenAt(newest) < begun) make.push(kind);
    remove.push(...dated.filter((each) => each !== newest && takenAt(each) + seconds <= now));
  }
  return { make, remove: remove.sort((a, b) => takenAt(a) - takenAt(b)) };
}

/** Until when the schedule keeps it; undefined: it is not the schedule's, or no rule keeps its class any more. */
export function keptUntil(snapshot: Snapshot, keep: Keep | undefined): number | undefined {
  const kind = scheduledAs(snapshot);
  const seconds = kind && keep?.[kind];
  return seconds === undefined ? undefined : takenAt(snapshot) + seconds;
}
