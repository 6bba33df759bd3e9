/** House rules for new containers; every value is from the config, the defaults are in src/config.ts. */
export interface HouseRules {
  readonly ct: CtRules;
}

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
