import { Access } from './access.ts';
import { accessRoutes } from './access-api.ts';
import { backupRoutes } from './backup.ts';
import { buildWorld } from './build-world.ts';
import type { Route } from './call.ts';
import { makeCertificate } from './certificate.ts';
import { realClock } from './clock.ts';
import { clusterRoutes } from './cluster.ts';
import { addHiddenSnapshots, addPbs, handMade } from './demo-past.ts';
import { demoWorld } from './demo-world.ts';
import { Disks } from './disks.ts';
import { Effects, Faults } from './faults.ts';
import { fileRestoreRoutes } from './file-restore.ts';
import { guestRoutes } from './guest-api.ts';
import { haRoutes } from './ha-api.ts';
import { healthRoutes } from './health-api.ts';
import { createRoutes } from './lxc-create.ts';
import { nodeRoutes } from './node-api.ts';
import { poolRoutes } from './pool.ts';
import { powerRoutes } from './power.ts';
import { qemuRoutes } from './qemu.ts';
import { replicationRoutes } from './replication-api.ts';
import { Router } from './router.ts';
import { Listener, type SeenRequest } from './server.ts';
import { Simulation } from './simulation.ts';
import { Simulator } from './simulator.ts';
import { snapshotRoutes } from './snapshot.ts';
import type { SshOptions, SshSide } from './ssh-side.ts';
import { storageRoutes } from './storage.ts';
import { taskRoutes } from './task-api.ts';
import { Tasks } from './tasks.ts';
import type { Clock, Pve, WorldSpec } from './types.ts';
import { vzdumpRoutes } from './vzdump.ts';

export { HandClock } from './clock.ts';
export { basculeRights, demoWorld } from './demo-world.ts';
export type {
  Effect,
  RequestFault,
  RequestMatch,
  ShellFault,
  ShellMatch,
  TaskFault,
  TaskMatch,
} from './faults.ts';
export type { SimulatedGithub } from './github.ts';
export type { Hands, HandsConfig, HandsLine, ScriptEnd } from './hands.ts';
export type { SeenRequest } from './server.ts';
export { Simulator } from './simulator.ts';
export type { SeenCall, SshAddress } from './ssh.ts';
export type { SshOptions } from './ssh-side.ts';
export type { Clock, Pve, WorldSpec } from './types.ts';

export interface SimulatorOptions {
  pve: Pve;
  /** Port of the first node's listener; 0 takes any. The other nodes always take any. */
  port?: number;
  host?: string;
  /** Default: the demo world. */
  world?: WorldSpec;
  /** How long a usual task takes. Default 400. */
  taskMs?: number;
  clock?: Clock;
  /**
   * HA's and the replication scheduler's time constants are divided by this. Default 10: a round every 6 s, a dead
   * node's guests back after about 15 s. 0 stops both; then only haRound() and replicationRound() move them.
   */
  speed?: number;
  /** How long a refused login is held back. Proxmox: 3000; default 0. */
  authDelayMs?: number;
  /** How long a call passed on to an unreachable node takes. Proxmox: about 3000; default 0. */
  unreachableMs?: number;
  /** Also opens an sshd for every node, with the stand-in of bascule-node behind it. */
  ssh?: SshOptions;
  /** Also starts a small GitHub on loopback where alice, oscar and nina have keys. */
  github?: boolean;
  /** A Proxmox Backup Server as storage `pbs`, with container backups that can be looked into. */
  pbs?: boolean;
  /** The containers have a past: snapshots that no API shows, and accounts that somebody made by hand. */
  past?: boolean;
}

/** Everything that is served, for both versions. */
export const routes = (fingerprint: string, pem = ''): Route[] => [
  ...clusterRoutes,
  ...accessRoutes,
  ...nodeRoutes(() => fingerprint),
  ...storageRoutes,
  ...guestRoutes,
  ...createRoutes,
  ...powerRoutes,
  ...taskRoutes,
  ...replicationRoutes,
  ...haRoutes,
  ...poolRoutes,
  ...backupRoutes,
  ...snapshotRoutes,
  ...vzdumpRoutes,
  ...qemuRoutes,
  ...fileRestoreRoutes,
  ...healthRoutes(() => pem),
];

/** Starts the world and one HTTPS listener per node. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const clock = options.clock ?? realClock;
  const host = options.host ?? '127.0.0.1';
  const world = buildWorld(options.world ?? demoWorld(options.pve), options.pve, clock);
  const faults = new Faults();
  const effects = new Effects();
  if (options.pbs) addPbs(world);
  if (options.past) addHiddenSnapshots(world);
  const github = options.github ? await (await import('./github.ts')).startGithub() : undefined;
  const disks = new Disks(world, options.past ? ({ vmid }) => handMade(vmid, github) : undefined);
  const taskMs = options.taskMs ?? 400;
  const tasks = new Tasks(world, faults, taskMs);
  const sim = new Simulation({ world, tasks, access: new Access(clock), faults, effects, disks });
  const names = [...world.nodes.keys()];
  const certificate = makeCertificate(
    [...names, 'localhost'],
    ['127.0.0.1', ...(/^\d+(\.\d+){3}$/.test(host) && host !== '127.0.0.1' ? [host] : [])],
  );
  const router = new Router(sim, routes(certificate.fingerprint, certificate.cert));
  const requests: SeenRequest[] = [];
  const listeners = new Map<string, Listener>();
  for (const [index, name] of names.entries()) {
    const listener = new Listener(name, sim, router, {
      host,
      port: index === 0 ? (options.port ?? 0) : 0,
      certificate,
      seen: requests,
      authDelayMs: options.authDelayMs ?? 0,
      unreachableMs: options.unreachableMs ?? 0,
    });
    await listener.listen();
    listeners.set(name, listener);
  }
  const ssh = options.ssh && (await openSsh(sim, host, options.ssh));
  return new Simulator({
    taskMs,
    speed: options.speed ?? 10,
    sim,
    listeners,
    requests,
    fingerprint: certificate.fingerprint,
    certificate: certificate.cert,
    ssh,
    github,
  });
}

/** Loaded only when wanted: its library is as large as all of the rest. */
async function openSsh(sim: Simulation, host: string, options: SshOptions): Promise<SshSide> {
  const side = new (await import('./ssh-side.ts')).SshSide(sim, host, options);
  await side.listen();
  return side;
}
