import type { Effect, Filling, GuestType, Json, Probe } from './plan.ts';
import type { Observation } from './watch.ts';

export type { GuestType } from './plan.ts';

/**
 * Looking at a cluster. Nothing here changes anything. A view lives for one request and remembers what it was
 * told, so that one answer is drawn from one look. All methods throw Failed; names are matched without regard
 * to case and come back as Proxmox spells them.
 */
export interface ClusterView {
  /** Our name of the cluster, as in the config. */
  readonly name: string;
  version(): Promise<PveVersion>;
  /** Votes and members as a quorate node tells them; when none is quorate, as the node that answered tells them. */
  membership(): Promise<Membership>;
  nodes(): Promise<readonly Node[]>;
  node(name: string): Promise<NodeDetail>;
  /** Guests without templates, sorted by vmid. */
  guests(): Promise<readonly Guest[]>;
  /** By vmid or name; throws not-found with near names, conflict when a name is not unique. */
  findGuest(wanted: string, type?: GuestType): Promise<Guest>;
  guestDetail(guest: Pick<Guest, 'vmid' | 'node' | 'type'>): Promise<GuestDetail>;
  /** Every storage of one node, with what it holds and how much is free there. */
  storages(node: string): Promise<readonly Storage[]>;
  /** CT templates on that node's storages, newest name first. */
  templates(node: string): Promise<readonly Template[]>;
  bridges(node: string): Promise<readonly string[]>;
  /** Smallest free vmid outside `skip`, within `range` if given; asks Proxmox, since guests may be hidden from our token. */
  nextVmid(skip: ReadonlySet<number>, range?: readonly [number, number]): Promise<number>;
  vmidFree(vmid: number): Promise<boolean>;
  replicationJobs(): Promise<readonly ReplicationJob[]>;
  /** State of the jobs of guests that are on that node now; epoch seconds, 0 = never. */
  replicationState(node: string): Promise<readonly ReplicationState[]>;
  haServices(): Promise<readonly HaService[]>;
  /** Finished backups of a guest over the storages we may read; empty may also mean: no right to see them. */
  backups(guest: Pick<Guest, 'vmid' | 'node'>): Promise<readonly Backup[]>;
  /** Finished backups of all guests on one storage, as that node sees it; none of guests whose backups we may not read. */
  storedBackups(node: string, storage: string): Promise<readonly StoredBackup[]>;
  /** Backup jobs as they are configured; throws no-privilege without Sys.Audit. */
  backupJobs(): Promise<readonly BackupJob[]>;
  /** Backups that run on that node now, our own and, with Sys.Audit, those of others. */
  runningBackups(node: string): Promise<readonly RunningBackup[]>;
  /** Snapshots that Proxmox knows; replication's own and those made with zfs or rbd on the node are not among them (ODDITIES 96). */
  snapshots(guest: Pick<Guest, 'vmid' | 'node' | 'type'>): Promise<Snapshots>;
  /** Whether every volume of the guest can be snapshotted; one that cannot spoils it for the whole guest. */
  canSnapshot(guest: Pick<Guest, 'vmid' | 'node' | 'type'>): Promise<boolean>;
  /** Milliseconds that a node's clock is ahead of ours; our token needs Sys.Audit there. */
  clockAhead(node: string): Promise<number>;
  /**
   * What a folder of a container's backup on PBS holds; throws not-found when there is no such folder. `path` is as
   * inside the container, `volid` of {@link backups}.
   */
  backupFiles(node: string, storage: string, volid: string, path: string): Promise<readonly BackupFile[]>;
  /** A file out of a backup on PBS, at most `limit` bytes of it. */
  backupFile(node: string, storage: string, volid: string, path: string, limit: number): Promise<Uint8Array>;
  /** Our token's own privileges: path → privilege names. */
  permissions(): Promise<ReadonlyMap<string, ReadonlySet<string>>>;
}

/** One configured cluster: a fresh view per request, and the hands that only the engine may hold. */
export interface ClusterConnection {
  readonly name: string;
  view(): ClusterView;
  /**
   * One GET as it is answered, of the first node that answers: for the watch. `endpoint` with its query:
   * `/nodes/ovh1/tasks?limit=50`. `not`: nodes that are not to be asked; the one that answers then is asked first from
   * now on. Never throws.
   */
  look(endpoint: string, options?: { readonly not?: readonly string[] }): Promise<Observation>;
  readonly hands: Cluster;
  close(): Promise<void>;
}

/** Changing a cluster. Only running steps hold one, and it refuses any call outside their approved plan. */
export interface Cluster {
  readonly name: string;
  /**
   * Makes the call, its holes filled. Failed.failure.sent tells whether it may have been executed. `onLog` hears how a
   * long one gets on.
   */
  send(call: Effect, onLog?: (line: string) => void): Promise<Answer>;
  /** Follows a task to its end, tolerating unreachable nodes for two minutes; throws Failed sent unknown after that. */
  followTask(upid: string, onLog?: (line: string) => void): Promise<TaskEnd>;
  probe(probe: Probe, trace: Trace): Promise<ProbeAnswer>;
}

/** What a call answered: the UPID of the task it started, or nothing. */
export interface Answer {
  readonly upid?: string;
  /** What it did, in one line for people. */
  readonly says?: string;
  /** Lines for the thread, such as a script's output. */
  readonly log?: readonly string[];
  /** Small facts for the result card, such as the name a file got; kept with the step. */
  readonly result?: Json;
  /** It was so already: nothing was changed, so there is nothing to take back. */
  readonly already?: boolean;
}

export interface TaskEnd {
  /** `OK` and `WARNINGS: n` are success; everything else is not (ODDITIES 46). */
  readonly ok: boolean;
  readonly warnings: number;
  /** The exit status in Proxmox's words. */
  readonly exit: string;
  /** `unexpected status`: the task was killed hard and its effects are unknown. */
  readonly killed: boolean;
  /** The last lines of the log. */
  readonly log: readonly string[];
}

/** What a probe needs to know about the step it asks for. */
export interface Trace extends Filling {
  /** When the intent was committed, epoch milliseconds. */
  readonly intentAt: number;
  readonly upid?: string;
}

export interface ProbeAnswer {
  /**
   * done: so, and by this run. already: so, but not by us or not provably. absent: not so.
   * running: a task of ours is still at it (`upid`). partial: ours, half made. unknown: cannot be told now.
   */
  readonly state: 'done' | 'already' | 'absent' | 'running' | 'partial' | 'unknown';
  /** What was looked at and seen, one short line for people. */
  readonly evidence: string;
  readonly upid?: string;
  /** Of a call that changes nothing when it is repeated: asking again tells for sure, or brings it to its end. */
  readonly again?: boolean;
}

export interface PveVersion {
  readonly major: number;
  readonly minor: number;
  /** As printed by the node, for example `9.2.11`. */
  readonly text: string;
}

export interface Membership {
  /** Proxmox's own name of the cluster; undefined for a stand-alone host. */
  readonly clusterName?: string;
  /** The node that gave this answer. */
  readonly asked: string;
  /** When, epoch milliseconds. */
  readonly at: number;
  readonly quorate: boolean;
  readonly members: readonly Member[];
  readonly qdevice?: { readonly state: string; readonly votes: number; readonly connected: boolean };
  /** Votes that exist, that are present, and floor(expected / 2) + 1. */
  readonly expected: number;
  readonly present: number;
  readonly needed: number;
  /** False when votes had to be assumed as one each (the vote list could not be read). */
  readonly votesKnown: boolean;
  /** Nodes that answered but without quorum while another node has it. */
  readonly cutOff: readonly string[];
}

export interface Member {
  readonly name: string;
  readonly online: boolean;
  readonly votes: number;
  readonly address?: string;
}

export interface Node {
  readonly name: string;
  readonly online: boolean;
  /** Fraction 0..1. */
  readonly cpu?: number;
  readonly cores?: number;
  /** Bytes. */
  readonly memoryUsed?: number;
  readonly memoryTotal?: number;
  /** Seconds. */
  readonly uptime?: number;
}

export interface NodeDetail extends Node {
  readonly pveVersion?: string;
  readonly kernel?: string;
  readonly load?: readonly number[];
  /** Root file system, bytes. */
  readonly rootUsed?: number;
  readonly rootTotal?: number;
}

export interface Guest {
  readonly vmid: number;
  readonly type: GuestType;
  readonly name: string;
  readonly node: string;
  /** `unknown` when its node is down: not the same as stopped (ODDITIES 22). */
  readonly status: 'running' | 'stopped' | 'paused' | 'unknown';
  readonly tags: readonly string[];
  readonly pool?: string;
  readonly lock?: string;
  /** Raw CRM state when HA manages it. */
  readonly hastate?: string;
  readonly template: boolean;
  readonly cores?: number;
  /** Bytes. */
  readonly memoryUsed?: number;
  readonly memoryTotal?: number;
  readonly disk?: number;
  readonly diskTotal?: number;
  /** Seconds. */
  readonly uptime?: number;
}

export interface GuestDetail extends Guest {
  readonly protection: boolean;
  readonly onboot: boolean;
  readonly unprivileged: boolean;
  readonly description: string;
  /** MAC of net0, upper case; the guest's identity as long as it lives. */
  readonly mac?: string;
  readonly networks: readonly NetworkCard[];
  readonly volumes: readonly Volume[];
  readonly swap?: number;
  readonly features?: string;
  readonly digest: string;
}

export interface NetworkCard {
  readonly name: string;
  readonly bridge?: string;
  /** CIDR, `dhcp` or `manual`. */
  readonly ip?: string;
  readonly gateway?: string;
  readonly mac?: string;
}

export interface Volume {
  /** `rootfs`, `mp0`, `scsi0` … */
  readonly key: string;
  readonly storage?: string;
  readonly volid: string;
  readonly size?: string;
  /** False for mount points with replicate=0. */
  readonly replicate: boolean;
  /** Where a container has it: `/`, `/srv/data`. */
  readonly mountpoint?: string;
}

export interface Storage {
  readonly id: string;
  /** Proxmox's type: `zfspool`, `dir`, `nfs`, `pbs` … */
  readonly type: string;
  readonly content: readonly string[];
  readonly shared: boolean;
  readonly active: boolean;
  /** Bytes. */
  readonly free?: number;
  readonly total?: number;
}

export interface Template {
  /** For ostemplate: `local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst`. */
  readonly volid: string;
  /** `debian-13-standard_13.1-2_amd64`. */
  readonly name: string;
  readonly storage: string;
}

export interface ReplicationJob {
  /** `103-0`. */
  readonly id: string;
  readonly guest: number;
  readonly source?: string;
  readonly target: string;
  readonly schedule: string;
  readonly disabled: boolean;
  readonly comment: string;
  /** Marked for removal; the id stays taken until the next scheduler round. */
  readonly removing: boolean;
}

export interface ReplicationState {
  readonly id: string;
  readonly guest: number;
  readonly source?: string;
  readonly target: string;
  readonly lastSync: number;
  readonly lastTry: number;
  readonly nextSync: number;
  readonly failCount: number;
  readonly error?: string;
  /** Seconds. */
  readonly duration?: number;
  readonly running: boolean;
}

export interface HaService {
  /** `ct:103`, `vm:200`. */
  readonly sid: string;
  readonly node: string;
  /** Raw CRM state, display state and requested state. */
  readonly crmState?: string;
  readonly state?: string;
  readonly requested?: string;
}

export interface Snapshots {
  /** Oldest first. */
  readonly all: readonly Snapshot[];
  /** Name of the one the guest has gone on from; undefined when there is none. */
  readonly base?: string;
}

export interface Snapshot {
  readonly name: string;
  /** Epoch seconds; with the name it is this very snapshot and no namesake. 0: not told. */
  readonly at: number;
  readonly description: string;
  readonly parent?: string;
  /** False while being made or deleted, and for good when that was cut off (`snapstate`, PROBES.md 3). */
  readonly usable: boolean;
  /** Holds a VM's memory too: rolled back to, the VM runs again from there. */
  readonly memory: boolean;
}

export interface Backup {
  readonly volid: string;
  readonly storage: string;
  /** Epoch seconds. */
  readonly at: number;
  readonly size: number;
}

export interface StoredBackup extends Backup {
  readonly vmid: number;
  /** No retention deletes it. */
  readonly protected: boolean;
  /** What the last verify on PBS said; undefined: none, or no PBS. */
  readonly verified?: 'ok' | 'failed';
}

export interface BackupJob {
  readonly id: string;
  readonly enabled: boolean;
  /** Calendar event, in the time of the node. */
  readonly schedule: string;
  readonly storage?: string;
  readonly compress?: string;
  /** Which guests: all (but `exclude`), those of a pool, or these. */
  readonly all: boolean;
  readonly pool?: string;
  readonly vmids: readonly number[];
  readonly exclude: readonly number[];
  /** Only guests that are on this node when it runs. */
  readonly node?: string;
}

export interface RunningBackup {
  readonly upid: string;
  /** Undefined: of several guests. */
  readonly vmid?: number;
  readonly ours: boolean;
}

export interface BackupFile {
  readonly name: string;
  /** `file`, `directory`, `symlink` … */
  readonly type: string;
  /** Bytes; only of files. */
  readonly size?: number;
  /** Epoch seconds. */
  readonly mtime?: number;
}
