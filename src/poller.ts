import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import type { PbsConnection } from './contracts/pbs.ts';
import { LostLead, type Store } from './contracts/store.ts';
import type { News, Observation } from './contracts/watch.ts';
import type { Log } from './log.ts';
import { type PollCounts, Watch } from './poll.ts';
import type { Config } from './settings.ts';
import type { WatchMemory } from './watch/index.ts';

export interface PollerParts {
  readonly config: Config;
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  readonly pbs: ReadonlyMap<string, PbsConnection>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Must bear the same news twice; resolves when they are kept. None: the cluster was looked at. */
  readonly onNews: (cluster: string, news: readonly News[]) => Promise<void>;
  /** The journal is out of reach or another process leads. */
  readonly onBroken: (error: unknown) => void;
}

/** Longest wait between two looks, while nothing is due: silence is news too. Milliseconds. */
const AT_LEAST = 10_000;
/** Between two looks at a cluster that gives no answer. */
const LONGEST_BACK_OFF = 30_000;
/** Seconds. */
const LATELY = 900;
/** However much is heard, a cluster is not looked at more often than this. */
const BREATH = 2_000;

/**
 * Looks at every cluster, each in its own rhythm and never twice at once. Only the leader may start it. What is seen goes
 * through the watch; its news go out as soon as they are stored.
 */
export class Poller {
  readonly #parts: PollerParts;
  readonly #watches = new Map<string, Watch>();
  readonly #stop = new AbortController();
  readonly #naps = new Map<string, AbortController>();
  #loops: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(parts: PollerParts) {
    this.#parts = parts;
    for (const [name, connection] of parts.clusters)
      if (parts.config.clusters[name]?.watch.enabled) this.#watches.set(name, new Watch(name, connection, parts));
  }

  start(): void {
    this.#loops = Promise.all([...this.#watches.values()].map((watch) => this.#loop(watch)));
  }

  /** One look at whatever is due, now. */
  async poll(cluster: string): Promise<void> {
    await this.#watches.get(cluster)?.round();
  }

  /** Something was said of it from outside: that is told at once, and the cluster is looked at. */
  async hear(observation: Observation): Promise<void> {
    await this.#watches.get(observation.cluster)?.hear(observation);
    this.#naps.get(observation.cluster)?.abort();
  }

  /** What is known of a cluster now; undefined before the first look. */
  memory(cluster: string): WatchMemory | undefined {
    return this.#watches.get(cluster)?.memory;
  }

  /** A guest as it was last seen. */
  guest(cluster: string, vmid: number) {
    return this.memory(cluster)?.world.guests[vmid];
  }

  /** The replica that is oldest, of jobs that were seen lately. */
  vitals(cluster: string): { readonly replication?: { readonly job: string; readonly lastSync: number } } {
    const now = this.#parts.clock.now() / 1000;
    const syncs = Object.entries(this.memory(cluster)?.world.syncs ?? {}).filter(([, { at }]) => now - at < LATELY);
    const [oldest] = syncs.sort(([, a], [, b]) => a.lastSync - b.lastSync);
    return oldest ? { replication: { job: oldest[0], lastSync: oldest[1].lastSync } } : {};
  }

  /** By cluster, since the start. */
  counts(): ReadonlyMap<string, PollCounts> {
    return new Map([...this.#watches].map(([name, watch]) => [name, watch.counts]));
  }

  /** Ends when the looks under way have ended and what they found is stored. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stop.abort();
    for (const nap of this.#naps.values()) nap.abort();
    await this.#loops;
    for (const watch of this.#watches.values())
      await watch.keep().catch((error: unknown) => {
        // Another process leads: it has looked itself since.
        if (!(error instanceof LostLead)) throw error;
      });
  }

  async #loop(watch: Watch): Promise<void> {
    const { clock, onBroken, config } = this.#parts;
    const least = Math.min(AT_LEAST, (config.clusters[watch.cluster]?.watch.status ?? 10) * 1000);
    try {
      // Hundreds of clusters do not begin in the same second.
      await clock.wait(Math.random() * Math.min(least, 20 * this.#watches.size), this.#stop.signal);
      let due = clock.now();
      while (!this.#stop.signal.aborted) {
        watch.counts.lag = Math.max(0, clock.now() - due);
        const nap = new AbortController();
        this.#naps.set(watch.cluster, nap);
        const begun = clock.now();
        await watch.round();
        const pause = watch.misses === 0 ? least : Math.min(LONGEST_BACK_OFF, least * watch.misses);
        // A jitter, downwards: nothing is asked later than promised.
        due = clock.now() + pause * (1 - 0.05 * Math.random());
        if (!this.#stop.signal.aborted) await clock.wait(due - clock.now(), nap.signal);
        if (!nap.signal.aborted) continue;
        due = begun + BREATH;
        await clock.wait(Math.max(0, due - clock.now()), this.#stop.signal);
        due = Math.max(due, clock.now());
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) onBroken(error);
    }
  }
}
