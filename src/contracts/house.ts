/** House rules for new containers; every value is from the config, the defaults are in src/config.ts. */
export interface HouseRules {
  readonly ct: CtRules;
  readonly ssh: SshRules;
  /** Post-install scripts by name. */
  readonly scripts: Readonly<Record<string, { readonly text: string; readonly sha256: string }>>;
  /** Which guests get snapshots on a schedule, and how long those are kept. */
  readonly snapshots: readonly SnapshotRule[];
}

/** People's access to containers. */
export interface SshRules {
  /** Seconds a grant lasts when nobody says, and the most anybody may ask for. */
  readonly lease: number;
  readonly longest: number;
  /** Whether sudo may be asked for at all; policy decides for whom. */
  readonly sudo: boolean;
  /** The node people jump through; undefined: they find their own way to the container. */
  readonly jump?: {
    readonly node: string;
    readonly account: string;
    /** How people reach it from outside, for the `ssh -J` line. */
    readonly host: string;
    readonly port: number;
  };
  /** What becomes of a key that its owner took away from GitHub: ask, or end it at once as Automation::key-drift. */
  readonly removedKeys: 'ask' | 'apply';
}

/** Classes are kept for so many seconds; a class that is not named is not made. */
export interface SnapshotRule {
  /** Guests by vmid or by tag. */
  readonly vmids: readonly number[];
  readonly tags: readonly string[];
  readonly keep: { readonly [C in SnapshotClass]?: number };
}

export type SnapshotClass = 'hourly' | 'daily' | 'weekly' | 'monthly';

export interface CtRules {
  /** First and last CTID that may be given out; undefined: the next free one of the cluster. */
  readonly range?: readonly [number, number];
  /** Template name or its beginning; the newest match on the node's storages is taken. */
  readonly template: string;
  /** Storage id of the root disk. */
  readonly storage: string;
  /** GiB. */
  readonly disk: number;
  readonly cores: number;
  /** MiB. */
  readonly memory: number;
  /** MiB. */
  readonly swap: number;
  readonly bridge: string;
  /** IPv4 with prefix length; `{vmid}` is replaced by the CTID, for example `10.1.0.{vmid}/24`. */
  readonly address: string;
  readonly gateway: string;
  /** Blank-separated; undefined: the node's own. */
  readonly nameserver?: string;
  readonly searchdomain?: string;
  readonly unprivileged: boolean;
  readonly onboot: boolean;
  readonly protection: boolean;
  readonly tags: readonly string[];
  readonly pool?: string;
  /** Nodes to replicate to, first that is not the guest's own; empty: no replication. */
  readonly replicateTo: readonly string[];
  /** Calendar event of the replication job, for example an asterisk, a slash and 5. */
  readonly replicateSchedule: string;
}
