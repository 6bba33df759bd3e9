import { type Call, label } from './call.ts';
import { replicatable, stateOn } from './replication.ts';
import type { Guest, ReplicationJob, Snapshot } from './state.ts';
import type { TaskRun } from './tasks.ts';
import { haltGuest } from './world.ts';

/**
 * What the tasks of snapshots do, in the order of PVE::AbstractConfig. An ordinary failure of a create cleans up;
 * a killed one, and any delete or rollback that fails on its way, leaves its lock.
 */

const snapshotStorages = new Set(['zfspool', 'btrfs', 'rbd', 'lvmthin']);

/** Every disk with its key and volume; CD drives are none. */
function disksOf(guest: Guest): (readonly [key: string, volid: string])[] {
  return Object.entries(guest.config)
    .filter(
      ([key, value]) => /^(rootfs|(mp|scsi|virtio|sata|ide)\d+|efidisk0)$/.test(key) && !/media=cdrom/.test(`${value}`),
    )
    .map(([key, value]) => [key, String(value).split(',')[0] ?? ''] as const);
}

const storageType = (call: Call, volid: string): string | undefined =>
  call.state.storages.get(volid.split(':')[0] ?? '')?.type;

/** One disk that cannot spoils it for the whole guest. */
export const canSnapshot = (call: Call, guest: Guest): boolean =>
  disksOf(guest).every(([, volid]) => volid.endsWith('.qcow2') || snapshotStorages.has(storageType(call, volid) ?? ''));

const zfsDisks = (call: Call, guest: Guest): string[] =>
  disksOf(guest).flatMap(([, volid]) => (storageType(call, volid) === 'zfspool' ? [volid] : []));

function find(guest: Guest, name: string): Snapshot {
  const snapshot = guest.snapshots.find((each) => each.name === name);
  if (!snapshot) throw new Error(`snapshot '${name}' does not exist`);
  return snapshot;
}

function checkLock(guest: Guest): void {
  if (guest.lock !== undefined) throw new Error(`${label(guest.kind)} is locked (${guest.lock})`);
}

const now = (call: Call): number => Math.floor(call.world.clock.now() / 1000);

function happened(call: Call, kind: string, guest: Guest, name: string, run: TaskRun): void {
  const id = `${guest.vmid}/${name}`;
  call.effects.add({ kind, id, node: guest.node, by: call.caller.full, at: call.world.clock.now(), upid: run.upid });
}

export async function createSnapshot(call: Call, guest: Guest, name: string, run: TaskRun): Promise<void> {
  await run.pass(0.1, 'working');
  if (guest.template) throw new Error(`you can't take a snapshot if it's a template`);
  checkLock(guest);
  if (guest.snapshots.some((each) => each.name === name)) throw new Error(`snapshot name '${name}' already used`);
  if (!canSnapshot(call, guest)) throw new Error('snapshot feature is not available');
  const { description = '' } = call.params;
  const text = description === '' || description.endsWith('\n') ? description : `${description}\n`;
  const made: Snapshot = {
    name,
    description: text,
    snaptime: now(call),
    snapstate: 'prepare',
    config: { ...guest.config, description: text },
    ...(guest.parent !== undefined && { parent: guest.parent }),
    ...(call.params.vmstate === '1' && guest.running && { vmstate: true }),
  };
  guest.lock = 'snapshot';
  guest.snapshots.push(made);
  try {
    if (guest.kind === 'qemu')
      for (const [key, volid] of disksOf(guest)) run.log(`snapshotting 'drive-${key}' (${volid})`);
    await run.pass(0.4, 'prepared');
  } catch (error) {
    guest.snapshots = guest.snapshots.filter((each) => each !== made);
    guest.lock = undefined;
    throw error;
  }
  made.snapstate = undefined;
  guest.lock = undefined;
  guest.parent = name;
  happened(call, 'snapshot', guest, name, run);
  await run.pass(0.1, 'committed');
}

const jobsOf = (call: Call, guest: Guest): ReplicationJob[] =>
  [...call.state.jobs.values()].filter((job) => job.guest === guest.vmid && !job.removeJob);

/** Replication holds the same lock while it runs; Proxmox waits ten seconds for it. */
async function waitForReplication(call: Call, guest: Guest, run: TaskRun, complaint: string): Promise<void> {
  const busy = () => jobsOf(call, guest).some((job) => stateOn(call.node, job.id).runningSince !== undefined);
  if (!busy()) return;
  await run.pass(2, 'waiting');
  if (busy()) throw new Error(complaint);
}

/** A job without a snapshot of its own on the disk may need this one as the base of its next run. */
function checkNeeded(call: Call, guest: Guest, name: string): void {
  if (jobsOf(call, guest).length === 0 || replicatable(call.world, call.state, guest).length === 0) return;
  for (const job of jobsOf(call, guest)) {
    const { lastSync, lostBase } = stateOn(call.node, job.id);
    if (lastSync === 0 || lostBase)
      throw new Error(`snapshot '${name}' needed by replication job '${job.id}' - run replication first`);
  }
}

export async function deleteSnapshot(call: Call, guest: Guest, name: string, run: TaskRun): Promise<void> {
  await run.pass(0.1, 'working');
  const force = call.params.force === '1';
  if (!force)
    await waitForReplication(call, guest, run, 'Failed to obtain guest migration lock - replication running?');
  const gone = find(guest, name);
  if (!force) checkNeeded(call, guest, name);
  checkLock(guest);
  guest.lock = 'snapshot-delete';
  gone.snapstate = 'delete';
  await run.pass(0.4, 'deleting');
  guest.snapshots = guest.snapshots.filter((each) => each !== gone);
  for (const each of guest.snapshots) if (each.parent === name) each.parent = gone.parent;
  if (guest.parent === name) guest.parent = gone.parent;
  guest.lock = undefined;
  happened(call, 'snapshot.delete', guest, name, run);
}

/** On ZFS only the newest can be gone back to. Newer ones of replication are taken away first, all others refuse it. */
function clearTheWay(call: Call, guest: Guest, wanted: Snapshot, run: TaskRun): void {
  const volumes = zfsDisks(call, guest);
  if (volumes.length === 0) return;
  const newer = guest.snapshots.slice(guest.snapshots.indexOf(wanted) + 1);
  const hidden = (guest.onDisk ?? []).filter((each) => each.at >= wanted.snaptime);
  if (newer.length + hidden.length > 0)
    throw new Error(`can't rollback, '${wanted.name}' is not most recent snapshot on '${volumes[0]}'`);
  let removed = false;
  for (const job of jobsOf(call, guest)) {
    const state = stateOn(call.node, job.id);
    if (state.lastSync < wanted.snaptime || state.lostBase) continue;
    for (const volid of volumes)
      run.log(`WARN: removing replication snapshot '${volid}@__replicate_${job.id}_${state.lastSync}__'`);
    state.lostBase = true;
    removed = true;
  }
  if (removed) run.log(`WARN: you shouldn't remove '${wanted.name}' before running the next replication!`);
}

export async function rollBack(call: Call, guest: Guest, name: string, run: TaskRun): Promise<void> {
  await run.pass(0.1, 'working');
  const lockFile = `/var/lock/pve-manager/pve-migrate-${guest.vmid}`;
  await waitForReplication(call, guest, run, `can't lock file '${lockFile}' - got timeout`);
  const wanted = find(guest, name);
  if (guest.template) throw new Error(`you can't rollback if vm is a template`);
  clearTheWay(call, guest, wanted, run);
  if (wanted.snapstate) throw new Error(`unable to rollback to incomplete snapshot (snapstate = ${wanted.snapstate})`);
  checkLock(guest);
  haltGuest(guest);
  guest.lock = 'rollback';
  await run.pass(0.4, 'rolling back');
  // The description and unused disks of now are kept.
  const kept = Object.entries(guest.config).filter(([key]) => key === 'description' || /^unused\d+$/.test(key));
  const { description: _description, ...before } = wanted.config;
  guest.config = { ...before, ...Object.fromEntries(kept) };
  guest.parent = name;
  guest.lock = undefined;
  for (const told of call.world.onRollback) told(guest, name);
  happened(call, 'rollback', guest, name, run);
  if (call.params.start !== '1' && !wanted.vmstate) return;
  guest.running = true;
  guest.pid = call.tasks.nextPid();
  guest.startedAt = call.world.clock.now();
}
