import type { GuestType } from '../../src/contracts/plan.ts';
import { apiPath } from '../../src/contracts/steps.ts';

/**
 * Every question we ever ask Proxmox. A test holds each of them against the API description of 8.4 and of 9.2, so
 * a path or parameter that one of them does not know must name its version in `only`.
 */
export interface Read {
  /** For people: `the guests` could not be read. */
  readonly says: string;
  /** Below /api2/json, encoded. */
  readonly path: string;
  readonly query: { readonly [name: string]: string | number };
  /** The major version this exists in, when not in both. */
  readonly only?: 8 | 9;
}

const read = (says: string, segments: readonly (string | number)[], query: Read['query'] = {}): Read => ({
  says,
  path: apiPath(...segments),
  query,
});

/** `CT 103`, `VM 200`: for texts about a guest whose name is not at hand. */
export const guestWord = (type: GuestType, vmid: number): string => `${type === 'lxc' ? 'CT' : 'VM'} ${vmid}`;

export const reads = {
  version: () => read('the version', ['version']),
  permissions: () => read('our own rights', ['access', 'permissions']),
  clusterStatus: () => read('the cluster status', ['cluster', 'status']),
  clusterNodes: () => read('the vote list', ['cluster', 'config', 'nodes']),
  qdevice: () => read('the QDevice', ['cluster', 'config', 'qdevice']),
  resources: () => read('the guests and nodes', ['cluster', 'resources']),
  nextVmid: () => read('the next free vmid', ['cluster', 'nextid']),
  vmidFree: (vmid: number) => read(`whether vmid ${vmid} is free`, ['cluster', 'nextid'], { vmid }),
  haStatus: () => read('the HA status', ['cluster', 'ha', 'status', 'current']),
  replicationJobs: () => read('the replication jobs', ['cluster', 'replication']),
  replicationJob: (id: string) => read(`replication job ${id}`, ['cluster', 'replication', id]),
  nodeStatus: (node: string) => read(`the status of ${node}`, ['nodes', node, 'status']),
  nodeTime: (node: string) => read(`the clock of ${node}`, ['nodes', node, 'time']),
  /** any_bridge: Linux and Open vSwitch bridges, not SDN vnets. */
  bridges: (node: string) => read(`the bridges of ${node}`, ['nodes', node, 'network'], { type: 'any_bridge' }),
  storages: (node: string) => read(`the storages of ${node}`, ['nodes', node, 'storage']),
  content: (node: string, storage: string, content: 'vztmpl') =>
    read(`the content of ${storage} on ${node}`, ['nodes', node, 'storage', storage, 'content'], { content }),
  backups: (node: string, storage: string, vmid: number) =>
    read(`the backups of ${vmid} in ${storage}`, ['nodes', node, 'storage', storage, 'content'], {
      content: 'backup',
      vmid,
    }),
  storedBackups: (node: string, storage: string) =>
    read(`the backups in ${storage}`, ['nodes', node, 'storage', storage, 'content'], { content: 'backup' }),
  backupJobs: () => read('the backup jobs', ['cluster', 'backup']),
  runningBackups: (node: string) =>
    read(`the backups running on ${node}`, ['nodes', node, 'tasks'], { source: 'active', typefilter: 'vzdump' }),
  /** `filepath` is `/` for the archives, or base64 of `/root.pxar.didx/etc` (FACTS 6). */
  backupFiles: (node: string, storage: string, volume: string, filepath: string) =>
    read(`the files in ${volume}`, ['nodes', node, 'storage', storage, 'file-restore', 'list'], { volume, filepath }),
  backupFile: (node: string, storage: string, volume: string, filepath: string) =>
    read(`a file out of ${volume}`, ['nodes', node, 'storage', storage, 'file-restore', 'download'], {
      volume,
      filepath,
    }),
  replicationState: (node: string) => read(`the replication state of ${node}`, ['nodes', node, 'replication']),
  replicationStatus: (node: string, id: string) =>
    read(`the state of replication job ${id}`, ['nodes', node, 'replication', id, 'status']),
  guestConfig: (node: string, type: GuestType, vmid: number) =>
    read(`the configuration of ${guestWord(type, vmid)}`, ['nodes', node, type, vmid, 'config']),
  guestStatus: (node: string, type: GuestType, vmid: number) =>
    read(`the status of ${guestWord(type, vmid)}`, ['nodes', node, type, vmid, 'status', 'current']),
  snapshots: (node: string, type: GuestType, vmid: number) =>
    read(`the snapshots of ${guestWord(type, vmid)}`, ['nodes', node, type, vmid, 'snapshot']),
  canSnapshot: (node: string, type: GuestType, vmid: number) =>
    read(`whether ${guestWord(type, vmid)} can be snapshotted`, ['nodes', node, type, vmid, 'feature'], {
      feature: 'snapshot',
    }),
  /** source=all: the default shows no running task (ODDITIES 48). `since` is in seconds of the node's clock. */
  tasks: (node: string, vmid: number, since: number) =>
    read(`the tasks of ${vmid} on ${node}`, ['nodes', node, 'tasks'], { source: 'all', vmid, since, limit: 100 }),
  taskStatus: (node: string, upid: string) => read('the task', ['nodes', node, 'tasks', upid, 'status']),
  taskLog: (node: string, upid: string, start: number, limit: number) =>
    read('the log of the task', ['nodes', node, 'tasks', upid, 'log'], { start, limit }),
} as const;
