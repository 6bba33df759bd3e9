import type { Guest, Snapshot } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import type { SnapshotClass } from '../../src/contracts/house.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { attempt } from './guests.ts';
import { type Keep, keepOf, SCHEDULED, scheduledName, upkeepOf } from './retention.ts';
import { copiesOf } from './snapshots.ts';

/** What the schedule of snapshots has to do now, guest by guest, and what it leaves alone with the reason. */

export interface GuestWork {
  readonly guest: Guest;
  readonly make: readonly { readonly kind: SnapshotClass; readonly name: string }[];
  readonly remove: readonly Snapshot[];
}

export interface SnapshotWork {
  readonly guests: readonly GuestWork[];
  readonly left: readonly LeftAlone[];
  /** Guests with work that did not fit into this plan. */
  readonly later: number;
}

export interface LeftAlone {
  /** `CT 103 robotoff: it is locked (backup)`. */
  readonly says: string;
  /** It does not pass by itself, as a lock or an outage does. */
  readonly lasting: boolean;
}

export type Looking = Pick<PlanContext, 'view' | 'everything' | 'house' | 'clock' | 'zone' | 'reserved' | 'previous'>;

/** Guests in one plan: each is held by its run until that ends. */
export const MOST_GUESTS = 8;
/** Snapshots in one plan. */
export const MOST_STEPS = 40;
const AT_ONCE = 8;

export const classReserve = (cluster: string, vmid: number, kind: SnapshotClass): string =>
  `snapshot-class/${cluster}/${vmid}/${kind}`;
export const nameReserve = (cluster: string, vmid: number, name: string): string =>
  `snapshot/${cluster}/${vmid}/${name}`;

export async function snapshotWork(guests: readonly Guest[], context: Looking): Promise<SnapshotWork> {
  const kept = guests.flatMap((guest) => {
    const keep = keepOf(guest, context.house.snapshots);
    return keep ? [{ guest, keep }] : [];
  });
  const found: GuestWork[] = [];
  const left: LeftAlone[] = [];
  for (let at = 0; at < kept.length; at += AT_ONCE) {
    const batch = kept.slice(at, at + AT_ONCE);
    const looks = await Promise.all(batch.map(({ guest, keep }) => workOf(guest, keep, context)));
    for (const look of looks) {
      if (look.work) found.push(look.work);
      left.push(...look.left);
    }
  }
  return { ...bounded(found, context), left };
}

/** As the store names what a run holds. */
const lockOf = (cluster: string, vmid: number): string => `lock:guest/${cluster}/${vmid}`;

interface Look {
  readonly work?: GuestWork;
  readonly left: readonly LeftAlone[];
}

async function workOf(guest: Guest, keep: Keep, context: Looking): Promise<Look> {
  const { view, zone, clock } = context;
  const leave = (why: string): Look => ({ left: [{ says: `${guestLabel(guest)}: ${why}`, lasting: false }] });
  if (guest.lock) return leave(`it is locked (${guest.lock})`);
  // One plan waits for all of its guests: one that is held, perhaps in doubt, would keep the others waiting.
  if (context.reserved.has(lockOf(view.name, guest.vmid))) return leave('another run is at it, or is in doubt');
  const node = (await context.everything.nodes()).find(({ name }) => name === guest.node);
  if (!node?.online) return leave(`its node ${guest.node} is offline`);
  const list = await attempt(() => view.snapshots(guest));
  if ('failed' in list) return leave(`its snapshots cannot be read: ${list.failed}`);
  const now = Math.floor(clock.now() / 1000);
  const { make, remove } = upkeepOf(list.value.all, keep, now, zone);
  const left: LeftAlone[] = [];
  if (make.length + remove.length === 0) return { left: [] };
  if (await clocksApart(guest, context))
    return {
      left: [{ says: `${guestLabel(guest)}: the clock of ${guest.node} and the bot's are far apart`, lasting: true }],
    };
  const making = await makings(guest, make, list.value.all, now, context, left);
  const removing = await removals(guest, remove, context, left);
  return {
    left,
    ...(making.length + removing.length > 0 ? { work: { guest, make: making, remove: removing } } : {}),
  };
}

/** Beyond any drift, milliseconds. */
const FAR = 10 * 60_000;

/**
 * Snapshots are dated by their node and past their time by ours: a bot whose clock jumps would delete all but the newest.
 * Where our token may not see the clock, nobody can tell.
 */
async function clocksApart(guest: Guest, { everything }: Looking): Promise<boolean> {
  const ahead = await attempt(() => everything.clockAhead(guest.node));
  return 'value' in ahead && Math.abs(ahead.value) > FAR;
}

async function makings(
  guest: Guest,
  due: readonly SnapshotClass[],
  all: readonly Snapshot[],
  now: number,
  context: Looking,
  left: LeftAlone[],
): Promise<GuestWork['make']> {
  const { view, reserved, previous } = context;
  const open = due.filter((kind) => !reserved.has(classReserve(view.name, guest.vmid, kind)));
  const named = open
    // Planned again, it is still the snapshot that was asked for, whatever the minute is by now.
    .map((kind) => ({ kind, name: plannedName(previous, guest.vmid, kind) ?? scheduledName(kind, now) }))
    .filter(({ name }) => !all.some((each) => each.name === name));
  if (named.length === 0) return [];
  const able = await attempt(() => view.canSnapshot(guest));
  if ('value' in able && able.value) return named;
  const why = 'failed' in able ? able.failed : 'a disk of it cannot be snapshotted, which spoils it for all';
  left.push({ says: `${guestLabel(guest)}: nothing is made, ${why}`, lasting: 'value' in able });
  return [];
}

/** Proxmox refuses to delete what replication needs as its base; that is known only where a job has no run of its own. */
async function removals(
  guest: Guest,
  past: readonly Snapshot[],
  context: Looking,
  left: LeftAlone[],
): Promise<GuestWork['remove']> {
  const { view, reserved } = context;
  const open = past.filter(({ name }) => !reserved.has(nameReserve(view.name, guest.vmid, name)));
  if (open.length === 0) return [];
  const copies = await attempt(() => copiesOf(guest, context));
  const unsure = 'failed' in copies ? [copies.failed] : [];
  const fresh = 'value' in copies ? copies.value.filter(({ state }) => !state || state.lastSync === 0) : [];
  if (unsure.length + fresh.length === 0) return open;
  const why = fresh.length > 0 ? `${fresh.map(({ job }) => job.id).join(', ')} has no finished run` : unsure.join('');
  const says = `${guestLabel(guest)}: ${open.length} past their time stay, replication may need them (${why})`;
  left.push({ says, lasting: fresh.length > 0 });
  return [];
}

/**
 * So many guests and snapshots as fit. Where there are more, another guest is first every hour: one that fails each
 * time must not keep the others waiting. Planned again, it is what was planned before, as far as it still holds.
 */
function bounded(found: readonly GuestWork[], context: Looking): Pick<SnapshotWork, 'guests' | 'later'> {
  const before = plannedItems(context.previous);
  if (before) {
    const same = found.map((work) => ({
      guest: work.guest,
      make: work.make.filter(({ name }) => before.has(itemOf(work.guest.vmid, 'make', name))),
      remove: work.remove.filter(({ name }) => before.has(itemOf(work.guest.vmid, 'remove', name))),
    }));
    return { guests: same.filter(({ make, remove }) => make.length + remove.length > 0), later: 0 };
  }
  const first = found.length > MOST_GUESTS ? Math.floor(context.clock.now() / 3_600_000) % found.length : 0;
  const turned = [...found.slice(first), ...found.slice(0, first)];
  const guests: GuestWork[] = [];
  let room = MOST_STEPS;
  for (const work of turned.slice(0, MOST_GUESTS)) {
    if (room < work.make.length + 1) break;
    const remove = work.remove.slice(0, room - work.make.length);
    room -= work.make.length + remove.length;
    guests.push({ ...work, remove });
  }
  guests.sort((a, b) => a.guest.vmid - b.guest.vmid);
  return { guests, later: found.length - guests.length };
}

const itemOf = (vmid: number, verb: 'make' | 'remove', name: string): string => `${vmid} ${verb} ${name}`;

/** What a plan of `snapshot keep` holds, as its intent lists it. */
export function itemsOf({ guest, make, remove }: GuestWork): readonly string[] {
  return [
    ...make.map(({ name }) => itemOf(guest.vmid, 'make', name)),
    ...remove.map(({ name }) => itemOf(guest.vmid, 'remove', name)),
  ];
}

function plannedItems(previous: Looking['previous']): ReadonlySet<string> | undefined {
  const items = previous?.intent['items'];
  return Array.isArray(items) ? new Set(items.map(String)) : undefined;
}

function plannedName(previous: Looking['previous'], vmid: number, kind: SnapshotClass): string | undefined {
  const mark = `${vmid} make `;
  const names = [...(plannedItems(previous) ?? [])].filter((item) => item.startsWith(mark));
  return names.map((item) => item.slice(mark.length)).find((name) => SCHEDULED.exec(name)?.[1] === kind);
}
