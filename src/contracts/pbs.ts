import type { Observation } from './watch.ts';

/** One Proxmox Backup Server, to be looked at only. */
export interface PbsConnection {
  readonly name: string;
  /** Its newest tasks and how full its datastores are, as answered; `via` is `pbs:<name>`. Never throws. */
  look(): Promise<readonly Omit<Observation, 'cluster'>[]>;
  close(): Promise<void>;
}
