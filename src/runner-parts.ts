import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import type { Failure } from './contracts/failure.ts';
import type { RequestRecord } from './contracts/records.ts';
import type { ShellConnection } from './contracts/shell.ts';
import type { Store, StoredStep } from './contracts/store.ts';
import type { Log } from './log.ts';

/** What the runner asks of the rest before the first step, and tells it while it goes. */
export interface RunnerSide {
  /** Plans again, checks guards and votes once more. A failure ends the request with nothing changed; `superseded` means a new card was made; `waiting`: votes fell away. */
  lastCheck(
    request: RequestRecord,
  ): Promise<
    | { readonly go: true }
    | { readonly go: false; readonly failure?: Failure; readonly became?: 'superseded' | 'waiting' }
  >;
  /** Something people see has changed. */
  changed(id: string, log?: string): Promise<void>;
  /** A step or an undo ended. */
  stepEnded(request: RequestRecord, step: StoredStep, log: readonly string[]): Promise<void>;
}

export interface RunnerParts {
  readonly store: Store;
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  /** By our name of the cluster; only those whose nodes can be reached over SSH. */
  readonly shells: ReadonlyMap<string, ShellConnection>;
  readonly clock: Clock;
  readonly log: Log;
  readonly side: RunnerSide;
  /** The journal can no longer be written (another leader, disk gone): the process must end. */
  readonly onBroken: (error: unknown) => void;
}
