import { seconds } from './clock.ts';
import { nextRun, parseSchedule } from './schedule.ts';
import type { ClusterState, Guest, NodeState, ReplicationJob, ReplicationState } from './state.ts';
import type { World } from './world.ts';

/** The replication scheduler of every node. Jobs run without task, as in Proxmox. */

export interface RunSettings {
  /** Milliseconds of one run. */
  runMs: number;
}

export const blankState = (): ReplicationState => ({ lastSync: 0, lastTry: 0, lastNode: '', failCount: 0, log: [] });

export const stateOn = (node: NodeState, id: string): ReplicationState => node.replication.get(id) ?? blankState();

/** Volumes that would be sent; throws Proxmox's complaint for one that cannot be. */
export function replicatable(world: World, state: ClusterState, guest: Guest): string[] {
  const disks = Object.entries(guest.config).filter(([key]) =>
    /^(rootfs|mp\d+|scsi\d+|virtio\d+|sata\d+|ide\d+|efidisk0)$/.test(key),
  );
  const volumes: string[] = [];
  for (const [, value] of disks) {
    const [volid = '', ...rest] = String(value).split(',');
    if (rest.includes('replicate=0') || rest.includes('media=cdrom')) continue;
    if (volid.startsWith('/'))
      throw new Error(`unable to replicate mountpoint type '${volid.startsWith('/dev/') ? 'device' : 'bind'}'`);
    const storage = state.storages.get(volid.split(':')[0] ?? '');
    if (storage?.shared) continue;
    if (storage?.type !== 'zfspool') throw new Error(`missing replicate feature on volume '${volid}'`);
    if (world.volumes.some((volume) => volume.volid === volid && volume.node === guest.node)) volumes.push(volid);
  }
  return volumes;
}

/** After a guest moved to its replica, the job turns round: the old source becomes the target. */
export function settle(job: ReplicationJob, guest: Guest): void {
  if (job.source === guest.node) return;
  if (job.target === guest.node && job.source !== undefined) job.target = job.source;
  job.source = guest.node;
}

/** Epoch seconds; 1 while marked for removal, 0 when failing and the target is away. */
export function nextSync(job: ReplicationJob, state: ReplicationState, targetOnline: boolean): number {
  if (job.removeJob) return 1;
  if (state.failCount > 0) {
    if (!targetOnline) return 0;
    return state.lastTry + (state.failCount <= 3 ? 300 * state.failCount : 1800);
  }
  const schedule = parseSchedule(job.schedule ?? '*/15');
  return schedule ? nextRun(schedule, state.lastTry) : 0;
}

const stamp = (world: World) => new Date(world.clock.now()).toISOString().slice(0, 19).replace('T', ' ');

export class ReplicationScheduler {
  readonly #world: World;
  readonly #settings: RunSettings;
  readonly #cancels = new Set<() => void>();

  constructor(world: World, settings: RunSettings) {
    this.#world = world;
    this.#settings = settings;
  }

  /** What each node's scheduler does at a full minute. */
  round(): void {
    const { nodes, state } = this.#world;
    for (const job of [...state.jobs.values()]) {
      const guest = state.guests.get(job.guest);
      if (!guest) {
        state.jobs.delete(job.id);
        continue;
      }
      const node = nodes.get(guest.node);
      if (!node?.powered || !this.#world.quorate(node.name)) continue;
      settle(job, guest);
      if (job.removeJob) this.#remove(job, node);
      else if (!job.disable) this.#runIfDue(job, guest, node);
    }
  }

  #remove(job: ReplicationJob, node: NodeState): void {
    if (job.removeJob === 'full') {
      if (!this.#world.reaches(node.name, job.target)) return;
      for (const volume of [...this.#world.volumes]) {
        if (volume.vmid === job.guest && volume.node === job.target && volume.content !== 'backup')
          this.#world.dropVolume(volume.volid, job.target);
      }
    }
    this.#world.state.jobs.delete(job.id);
    node.replication.delete(job.id);
  }

  #runIfDue(job: ReplicationJob, guest: Guest, node: NodeState): void {
    const state = stateOn(node, job.id);
    const targetOnline = this.#world.reaches(node.name, job.target);
    const due = nextSync(job, state, targetOnline);
    const now = seconds(this.#world.clock);
    if (state.runningSince !== undefined || due === 0 || due > now) return;
    node.replication.set(job.id, state);
    state.runningSince = this.#world.clock.now();
    const started = now;
    const cancel = this.#world.clock.after(this.#settings.runMs, () => {
      this.#cancels.delete(cancel);
      if (node.powered) this.#finish(job, guest, node, state, started);
      else state.runningSince = undefined;
    });
    this.#cancels.add(cancel);
  }

  #finish(job: ReplicationJob, guest: Guest, node: NodeState, state: ReplicationState, started: number): void {
    const world = this.#world;
    state.duration = Math.max(0.05, (world.clock.now() - (state.runningSince ?? 0)) / 1000);
    state.runningSince = undefined;
    const say = (line: string) => state.log.push(`${stamp(world)} ${job.id}: ${line}`);
    state.log = [];
    const snapshot = `__replicate_${job.id}_${started}__`;
    say('start replication job');
    say(`guest => ${guest.kind === 'lxc' ? 'CT' : 'VM'} ${guest.vmid}, running => ${guest.running ? 1 : 0}`);
    try {
      const volumes = replicatable(world, world.state, guest);
      say(`volumes => ${volumes.join(',')}`);
      this.#send(job, node, volumes, snapshot, say);
      for (const volid of volumes)
        for (const told of world.onReplicated) told(job.id, volid, node.name, job.target, started);
      Object.assign(state, {
        lastSync: started,
        lastTry: started,
        failCount: 0,
        error: undefined,
        lostBase: undefined,
        lastNode: node.name,
      });
      say('end replication job');
    } catch (error) {
      Object.assign(state, { lastTry: started, failCount: state.failCount + 1, error: (error as Error).message });
      say(`end replication job with error: ${(error as Error).message}`);
      this.#notify(job, node, state);
    }
  }

  /** At the first, second and third failure, then hardly ever; never when it works again (FACTS 3.2). */
  #notify(job: ReplicationJob, node: NodeState, { failCount, lastSync, error }: ReplicationState): void {
    if (failCount > 3 && failCount % 48 !== 0) return;
    const message = [
      `Replication job '${job.id}' with target '${job.target}' and schedule '${job.schedule ?? '*/15'}' failed!`,
      '',
      `Last successful sync: ${new Date(lastSync * 1000).toISOString().slice(0, 19).replace('T', ' ')}`,
      'Next sync try: ERROR',
      `Failure count: ${failCount}`,
      '',
      'Error:',
      error ?? '',
      '',
    ].join('\n');
    const fields = { 'job-id': job.id, hostname: node.name };
    for (const tell of this.#world.onNotice)
      tell({ type: 'replication', severity: 'error', title: `Replication Job: '${job.id}' failed `, message, fields });
  }

  #send(job: ReplicationJob, node: NodeState, volumes: string[], snapshot: string, say: (line: string) => void): void {
    const world = this.#world;
    const target = world.nodes.get(job.target);
    if (!target || !world.reaches(node.name, job.target)) {
      throw new Error(
        `command '/usr/bin/ssh -e none -o 'BatchMode=yes' -o 'HostKeyAlias=${job.target}' root@${target?.ip} -- pvesr prepare-local-job ${job.id} ${volumes.join(' ')} --last_sync 0' failed: exit code 255`,
      );
    }
    for (const volid of volumes) {
      const storage = world.state.storages.get(volid.split(':')[0] ?? '');
      if (storage?.nodes && !storage.nodes.includes(job.target))
        throw new Error(`storage '${storage.id}' is not available on node '${job.target}'`);
      const source = world.volumes.find((each) => each.volid === volid && each.node === node.name);
      if (!source) throw new Error(`zfs error: cannot open '${volid}': dataset does not exist`);
      say(`create snapshot '${snapshot}' on ${volid}`);
      const copy = world.volumes.find((each) => each.volid === volid && each.node === job.target);
      say(`${copy ? 'incremental' : 'full'} sync '${volid}' (${snapshot})`);
      if (copy) copy.used = source.used;
      else world.volumes.push({ ...source, node: job.target });
    }
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }
}
