import type { Json } from './plan.ts';

/**
 * What was seen from outside, when, and through whom: one answer (or none) of one call. The same shape as a recorded
 * timeline, so that replaying one runs the very code that watches.
 */
export interface Observation {
  readonly cluster: string;
  /** Epoch seconds by the bot's clock. */
  readonly at: number;
  /** The node that was asked; `pbs:<name>` for a PBS. */
  readonly via: string;
  /** With its query: `/nodes/ovh1/tasks?typefilter=vzdump`. */
  readonly endpoint: string;
  /** 0: no TCP connection. 595 to 599: the asked node could not reach the other one. */
  readonly status: number;
  /** The answer's `data`, foreign and unchecked; undefined when there was no JSON. */
  readonly data?: unknown;
  readonly error?: string;
}

export type Severity = 'info' | 'notice' | 'warning' | 'error' | 'critical';

/** Names of `events/README.md`, and ours for what it does not name. */
export type NewsKind =
  | 'ha-failover'
  | 'ha-failover-failed'
  | 'ha-failback'
  | 'planned-migration'
  | 'service-relocated-after-start-failure'
  | 'service-error'
  | 'recovery-stalled'
  | 'fencing-stalled'
  | 'node-lost'
  | 'node-back'
  | 'node-unreachable-brief'
  | 'node-reboot'
  | 'node-shutdown'
  | 'node-maintenance'
  | 'node-back-from-maintenance'
  | 'node-fencing-started'
  | 'node-fenced'
  | 'ha-disarmed'
  | 'ha-armed'
  | 'ha-master-changed'
  | 'quorum-lost'
  | 'quorum-restored'
  | 'qdevice-lost'
  | 'qdevice-back'
  | 'votes-unexpected'
  | 'votes-expected'
  | 'link-down'
  | 'link-up'
  | 'backup-succeeded'
  | 'backup-succeeded-with-warnings'
  | 'backup-partial'
  | 'backup-failed'
  | 'backup-aborted'
  | 'backup-node-died'
  | 'backup-not-covered'
  | 'backup-covered'
  | 'backup-too-old'
  | 'backup-recent'
  | 'backup-verify-failed'
  | 'backup-verify-finished'
  | 'backup-sync-failed'
  | 'backup-sync-finished'
  | 'datastore-gc-finished'
  | 'datastore-gc-failed'
  | 'datastore-prune-finished'
  | 'datastore-prune-failed'
  | 'replication-failed'
  | 'replication-recovered'
  | 'replication-overdue'
  | 'replication-never-run'
  | 'replication-followup-of-failover'
  | 'replication-job-created'
  | 'replication-job-removed'
  | 'replication-direction-switched'
  | 'storage-full'
  | 'storage-offline'
  | 'storage-ok'
  | 'zfs-degraded'
  | 'zfs-ok'
  | 'ceph-health'
  | 'ceph-ok'
  | 'certificate-expiring'
  | 'certificate-ok'
  | 'updates-available'
  | 'system-mail'
  | 'test'
  | 'ct-created'
  | 'guest-down'
  | 'guest-up'
  | 'guest-locked'
  | 'cluster-blind'
  | 'cluster-seen'
  | 'unparseable-notification';

export interface GuestName {
  readonly vmid: number;
  readonly type?: 'lxc' | 'qemu';
  readonly name?: string;
  readonly sid?: string;
}

/** Seconds of data that a guest lost: between a and b; null: unknown; [0, 0]: none. */
export interface DataLoss {
  readonly basis: string;
  readonly lastSync?: number;
  readonly lastAlive?: number;
  readonly seconds: readonly [number, number] | null;
}

/** One thing that happened, or changed its state. Pure data; also one line of `bascule replay --json`. */
export interface News {
  readonly kind: NewsKind;
  readonly severity: Severity;
  readonly cluster: string;
  /** What it is about; news of one `incident` become one thread: `node/ovh2`, `replication/103-0`, `backup/<job>`. */
  readonly incident: string;
  /**
   * opens or goes on: the incident is open. ends: it is over. note: worth a line (in the digest), never an incident
   * of its own.
   */
  readonly phase: 'opens' | 'goes-on' | 'ends' | 'note';
  readonly guest?: GuestName;
  readonly guests?: readonly (GuestName & {
    readonly result?: string;
    readonly error?: string;
    readonly seconds?: number;
    readonly bytes?: number | null;
    readonly archive?: string | null;
  })[];
  readonly from?: string;
  readonly to?: string;
  readonly node?: string;
  /** Epoch seconds, as true as can be known. */
  readonly at?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly dataLoss?: DataLoss;
  readonly jobId?: string | null;
  /** One or a few short lines for people, the decisive fact first. */
  readonly text: string;
  /** Whatever else is known: `cause`, `failCount`, `fencedAt`, `reason`, `percent` …; top level in `replay --json`. */
  readonly facts?: { readonly [name: string]: Json };
}

/**
 * One part of the watch: a pure step from what it remembers and an observation to what it remembers now and what is
 * new. `memory` is plain JSON and lives in the store, so that a restart neither repeats nor loses news.
 */
export interface Watcher<M extends object = object> {
  readonly name: string;
  /** What it remembers before it has seen anything. */
  readonly blank: M;
  /** Whether that endpoint is for it. */
  wants(endpoint: string): boolean;
  /** Sees also the answers of a node without quorum, which tell of a frozen past. */
  readonly frozen?: boolean;
  see(memory: M, observation: Observation, world: Readonly<WatchWorld>): Step<M>;
  /** Time passes without an answer: silence, deadlines. Called at least every 10 s. */
  pass?(memory: M, at: number, world: Readonly<WatchWorld>): Step<M>;
}

export interface Step<M> {
  readonly memory: M;
  readonly news: readonly News[];
}

/** What watchers may know of each other; filled by those that own it, in their order. */
export interface WatchWorld {
  readonly cluster: string;
  readonly limits: WatchLimits;
  /** By node: online as a quorate node tells it, and the last sign of life (epoch seconds). */
  readonly nodes: Readonly<
    Record<string, { readonly online: boolean; readonly lastAlive?: number; readonly state?: string }>
  >;
  /** By vmid, from /cluster/resources; names are kept when the node that told them is gone. */
  readonly guests: Readonly<
    Record<
      number,
      GuestName & {
        readonly node: string;
        readonly status: string;
        readonly lock?: string;
        readonly tags: readonly string[];
        readonly pool?: string;
        readonly hastate?: string;
      }
    >
  >;
  /** By job: the last `last_sync` seen while all was well. */
  readonly syncs: Readonly<
    Record<
      string,
      {
        readonly guest: number;
        readonly source?: string;
        readonly target: string;
        readonly lastSync: number;
        readonly at: number;
      }
    >
  >;
  /** Nodes with an open node incident, and since when: others fold their follow-ups into it. */
  readonly trouble: Readonly<Record<string, number>>;
}

export interface WatchLimits {
  /** Fractions; news at `storageFull`, over only below `storageFull - hysteresis`. */
  readonly storageFull: number;
  readonly hysteresis: number;
  /** Seconds. */
  readonly backupTooOld: number;
  readonly certificate: number;
  readonly blind: number;
  /** Misses or seconds before a failing replication is an incident. */
  readonly replicationMisses: number;
  readonly replicationSeconds: number;
}

/** What is remembered of a cluster, and the news that came of it and that nobody has taken yet. */
export interface StoredWatch {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Plain JSON. */
  readonly memory: object;
  readonly untaken: readonly News[];
}

/**
 * What the store does for the watch: each verb is one transaction. News are stored together with the memory they came
 * of, so that a killed process neither loses them nor finds them anew; whoever takes them must bear the same ones twice.
 */
export interface WatchRows {
  watchMemory(cluster: string): Promise<StoredWatch | undefined>;
  /** (leader) Writes the row whole. */
  saveWatch(cluster: string, stored: StoredWatch): Promise<void>;
  /** (leader) Everything untaken was taken. */
  newsTaken(cluster: string): Promise<void>;
}
