import type { z } from 'zod';
import type { ProbeAnswer } from '../../src/contracts/cluster.ts';
import { fillHoles, MARKER, type Probe } from '../../src/contracts/plan.ts';
import { guestWord, reads } from './calls.ts';
import type { Asker } from './client.ts';
import { hasMarker } from './guest-config.ts';
import {
  answer,
  configOf,
  type OurTask,
  ourTask,
  type Spot,
  type Timed,
  unlessMissing,
  wherever,
} from './probe-look.ts';
import { readAs, SnapshotRows } from './schema.ts';
import { succeeded, wasKilled } from './tasks.ts';

type Asked<K extends Probe['kind']> = Extract<Probe, { readonly kind: K }>;
type Row = z.output<typeof SnapshotRows>[number];

/** What the guest says about one name: the row, if there is one, and the lock that a cut-off task leaves. */
interface Seen {
  readonly row?: Row;
  readonly lock?: string;
}

/** undefined when the guest is not there. */
async function lookAt(client: Asker, spot: Spot, snapshot: string): Promise<Seen | undefined> {
  const read = reads.snapshots(spot.node, spot.type, spot.vmid);
  const answered = await unlessMissing(client.get(read));
  if (!answered) return undefined;
  const rows = readAs(SnapshotRows, answered.data, client.attempt(read));
  const config = await configOf(client, spot);
  return { row: rows.find((row) => row.name === snapshot && row.name !== 'current'), lock: config?.['lock'] };
}

const ended = (task: OurTask) => `task ${task.upid} ended: ${task.exit}`;
const taskOf = (type: Spot['type'], verb: string) => `${type === 'lxc' ? 'vz' : 'qm'}${verb}`;

/**
 * The entry is there with its description before the disks are snapshotted (`snapstate: prepare`) and usable before
 * the lock is gone (PROBES.md 3).
 */
export async function snapshotExists(
  client: Asker,
  wanted: Asked<'snapshot-exists'>,
  trace: Timed,
): Promise<ProbeAnswer> {
  const task = await ourTask(client, wanted, [taskOf(wanted.type, 'snapshot')], trace);
  if (task?.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  const name = `snapshot ${wanted.snapshot} of ${guestWord(wanted.type, wanted.vmid)}`;
  const also = task ? `; ${ended(task)}` : '';
  const found = await wherever(client, wanted, (asker, spot) => lookAt(asker, spot, wanted.snapshot));
  if (!found) return answer('unknown', `${guestWord(wanted.type, wanted.vmid)} is not there${also}`, task?.upid);
  const { row, lock } = found.seen;
  if (!row) return noSnapshot(name, task, also);
  if (!hasMarker(row.description, fillHoles(MARKER, trace)))
    return answer('already', `${name} exists without our mark${also}`, task?.upid);
  const whole = !row.snapstate && (lock !== 'snapshot' || (task && succeeded(task.exit)));
  if (whole) return answer('done', `${name} is there and carries our mark`, task?.upid);
  const half = `${name} carries our mark, but is ${row.snapstate ? `half made (${row.snapstate})` : 'under the lock snapshot'}`;
  // An ordinary failure cleans up after itself, so unless ours was killed an earlier call of ours is still at it.
  return answer(task && wasKilled(task.exit) ? 'partial' : 'unknown', `${half}${also}`, task?.upid);
}

/** An ordinary failure cleans up after itself; one that ended OK does not just vanish. */
function noSnapshot(name: string, task: OurTask | undefined, also: string): ProbeAnswer {
  if (task && succeeded(task.exit))
    return answer('unknown', `there is no ${name}, yet ${ended(task)}: somebody has deleted it`, task.upid);
  return answer('absent', `there is no ${name}${also}`, task?.upid);
}

/** Gone is gone, whoever did it; `already` is said only of a namesake made since, which is somebody else's. */
export async function snapshotGone(client: Asker, wanted: Asked<'snapshot-gone'>, trace: Timed): Promise<ProbeAnswer> {
  const task = await ourTask(client, wanted, [taskOf(wanted.type, 'delsnapshot')], trace);
  if (task?.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  const guest = guestWord(wanted.type, wanted.vmid);
  const also = task ? `; ${ended(task)}` : '';
  const found = await wherever(client, wanted, (asker, spot) => lookAt(asker, spot, wanted.snapshot));
  if (!found) return answer('unknown', `${guest} is not there${also}`, task?.upid);
  const { row, lock } = found.seen;
  const name = `snapshot ${wanted.snapshot} of ${guest}`;
  if (!row) return answer('done', `there is no ${name}${also}`, task?.upid);
  if (!isThis(row, wanted.identity, trace))
    return answer('already', `${name} is another one than it was: somebody made it since`, task?.upid);
  if (row.snapstate === 'delete' || lock === 'snapshot-delete')
    return answer(task ? 'partial' : 'unknown', `${name} is half deleted${also}`, task?.upid);
  return answer('absent', `${name} is still there${also}`, task?.upid);
}

function isThis(row: Row, identity: string, trace: Timed): boolean {
  if (identity.includes('{run}')) return hasMarker(row.description, fillHoles(identity, trace));
  if (identity.startsWith('bascule:')) return hasMarker(row.description, identity);
  return `at ${row.snaptime ?? 0}` === identity;
}

/** A rollback that failed on its way leaves the guest stopped and locked (PVE::AbstractConfig, snapshot_rollback). */
export async function rolledBack(
  client: Asker,
  wanted: Asked<'snapshot-rolled-back'>,
  trace: Timed,
): Promise<ProbeAnswer> {
  const type = taskOf(wanted.type, 'rollback');
  const task = await ourTask(client, wanted, [type], trace);
  const guest = guestWord(wanted.type, wanted.vmid);
  if (!task) return answer('absent', `no ${type} task of ours for ${guest}`);
  if (task.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  if (succeeded(task.exit)) return answer('done', ended(task), task.upid);
  const found = await wherever(client, wanted, configOf);
  if (found?.seen['lock'] === 'rollback')
    return answer('partial', `${guest} is stopped and locked (rollback), half rolled back; ${ended(task)}`, task.upid);
  return answer(wasKilled(task.exit) ? 'unknown' : 'absent', ended(task), task.upid);
}
