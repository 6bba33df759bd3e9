import type {
  Guest,
  GuestDetail,
  ReplicationJob,
  ReplicationState,
  Snapshot,
  Snapshots,
} from '../../src/contracts/cluster.ts';
import type { PlanContext, ReadContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Guard, Risk } from '../../src/contracts/plan.ts';
import { attempt } from './guests.ts';
import { count, size, span } from './units.ts';

/** What Proxmox knows of snapshots, and the traps of ZFS beneath them (FACTS 6). */

type Looking = Pick<ReadContext | PlanContext, 'view' | 'clock' | 'root'>;

/** `bascule`: carries the mark of a run. `auto …`: named as proxmox-autosnap does. */
export function madeBy({ name, description }: Snapshot): 'bascule' | 'hand' | `auto ${string}` {
  const auto = AUTO.exec(name)?.[1];
  if (auto) return `auto ${auto}`;
  return MARK.test(description) ? 'bascule' : 'hand';
}

/** `autodaily261112020001` */
export const AUTO = /^auto(hourly|daily|weekly|monthly|yearly)\d{12}$/;
/** The marker of any run, as MARKER leaves it. */
export const MARK = /(?<![\w-])bascule:[\w-]+/;

/** What people wrote, without our mark. */
export function remark({ description }: Snapshot): string {
  return description.replaceAll(new RegExp(MARK, 'g'), '').trim().split('\n')[0] ?? '';
}

export function ageOf(snapshot: Snapshot, { clock }: Pick<Looking, 'clock'>): string {
  return snapshot.at > 0 ? `${span(clock.now() / 1000 - snapshot.at)} old` : 'of unknown age';
}

export function overview({ all }: Snapshots, context: Pick<Looking, 'clock'>): string {
  const newest = all.at(-1);
  return newest ? `${count(all.length, 'snapshot')}, newest ${newest.name}, ${ageOf(newest, context)}` : 'none';
}

/** The snapshot of that name, whole, and the guard that it is this one. */
export function findSnapshot(
  list: Snapshots,
  wanted: string,
  guest: Guest,
  what: string,
  { root }: Pick<Looking, 'root'>,
): { readonly snapshot: Snapshot; readonly guard: Guard } {
  const snapshot = list.all.find((each) => each.name === wanted);
  if (!snapshot) {
    const alike = list.all.filter((each) => each.name.toLowerCase().startsWith(wanted.toLowerCase().slice(0, 3)));
    return fail('not-found', {
      what,
      why: `it has no snapshot ${wanted} that Proxmox knows of`,
      next:
        alike.length > 0
          ? `did you mean ${alike
              .slice(-3)
              .map((each) => each.name)
              .join(' or ')}?`
          : `${root}snapshot list vmid:${guest.vmid} shows them`,
    });
  }
  if (!snapshot.usable) {
    return fail('conflict', {
      what,
      why: `snapshot ${wanted} is half made or half deleted`,
      next: `if no task is at it any more, on ${guest.node}: ${guest.type === 'lxc' ? 'pct' : 'qm'} delsnapshot ${guest.vmid} ${wanted} --force 1`,
    });
  }
  return {
    snapshot,
    guard: { code: `snapshot:${wanted}@${snapshot.at}`, says: `snapshot ${wanted} is the one that was seen` },
  };
}

/** Storages of the guest's disks, and whether one is ZFS; `unknown` when our token may not see storages. */
export interface Ground {
  readonly zfs: boolean | 'unknown';
  /** `local-zfs 412 GiB`, for people. */
  readonly free: string;
  /** Storages with less than a tenth free. */
  readonly tight: readonly string[];
}

export async function groundOf(detail: GuestDetail, { view }: Pick<Looking, 'view'>): Promise<Ground> {
  const storages = await attempt(() => view.storages(detail.node));
  if ('failed' in storages) return { zfs: 'unknown', free: `cannot be read: ${storages.failed}`, tight: [] };
  const ids = new Set(detail.volumes.map((volume) => volume.storage));
  const own = storages.value.filter((storage) => ids.has(storage.id));
  const known = own.filter((storage) => storage.free !== undefined);
  return {
    zfs: own.length === 0 ? 'unknown' : own.some((storage) => storage.type === 'zfspool'),
    free: known.map((storage) => `${storage.id} ${size(storage.free ?? 0)}`).join(', ') || 'unknown',
    tight: known
      .filter((storage) => (storage.total ?? 0) > 0 && storage.free! < storage.total! / 10)
      .map(({ id }) => id),
  };
}

export interface Copy {
  readonly job: ReplicationJob;
  /** Undefined when the node does not tell. */
  readonly state?: ReplicationState;
}

/** The replication jobs of a guest, with what its node says of their last runs. */
export async function copiesOf(guest: Guest, { view }: Pick<Looking, 'view'>): Promise<readonly Copy[]> {
  const jobs = (await view.replicationJobs()).filter((job) => job.guest === guest.vmid && !job.removing);
  if (jobs.length === 0) return [];
  const states = await attempt(() => view.replicationState(guest.node));
  return jobs.map((job) => {
    const state = 'value' in states ? states.value.find((each) => each.id === job.id) : undefined;
    return { job, ...(state ? { state } : {}) };
  });
}

export const targetsOf = (copies: readonly Copy[]): string =>
  copies.map(({ job }) => `${job.id} to ${job.target}`).join(', ');

/** For people: Proxmox itself waits ten seconds for a run to end before it gives up. */
export function busyText(copies: readonly Copy[]): string | undefined {
  const running = copies.filter(({ state }) => state?.running).map(({ job }) => job.id);
  return running.length > 0 ? `${running.join(', ')} runs now; Proxmox waits 10 s for it` : undefined;
}

/** ZFS keeps what is deleted as long as a snapshot holds it. */
export function littleRoom({ tight }: Ground): readonly Risk[] {
  if (tight.length === 0) return [];
  const says = `less than a tenth of ${tight.join(', ')} is free: a snapshot keeps all that is deleted after it`;
  return [{ code: 'little-room', says }];
}
