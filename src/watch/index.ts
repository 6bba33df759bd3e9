import type { News, Observation, Watcher, WatchLimits, WatchWorld } from '../contracts/watch.ts';
import { haWatcher, nodesOf, troubleOf } from './ha.ts';
import { quorumSaid } from './ha-answer.ts';
import { quorumWatcher } from './quorum.ts';
import { restWatchers } from './rest.ts';
import { blankWorld, type WorldMemory, worldAfter } from './world.ts';

/**
 * The watch: memory × observation → memory × news, pure. Memory is plain JSON; kept in the store it makes a restart
 * neither repeat nor lose news.
 */

/** Raised when what is kept changes its shape; older memory is begun anew. */
const VERSION = 1;

export interface WatchMemory {
  readonly version: typeof VERSION;
  readonly cluster: string;
  /** By node: whether it had quorum when it last said so. */
  readonly quorate: Readonly<Record<string, boolean>>;
  readonly world: WorldMemory;
  /** By the watcher's name. */
  readonly parts: Readonly<Record<string, object>>;
}

/** Every watcher, in the order they are told. */
export const watchers: readonly Watcher[] = [
  quorumWatcher as unknown as Watcher,
  haWatcher as unknown as Watcher,
  ...restWatchers,
];

export const DEFAULT_LIMITS: WatchLimits = {
  storageFull: 0.9,
  hysteresis: 0.03,
  backupTooOld: 26 * 3600,
  certificate: 14 * 86_400,
  blind: 120,
  replicationMisses: 3,
  replicationSeconds: 900,
};

export function blankMemory(cluster: string): WatchMemory {
  return { version: VERSION, cluster, quorate: {}, world: blankWorld, parts: {} };
}

/** Kept memory as it was read back; a blank one when it is of another version or not memory at all. */
export function readMemory(kept: unknown, cluster: string): WatchMemory {
  const memory = kept as Partial<WatchMemory> | null | undefined;
  if (typeof memory !== 'object' || memory === null || memory.version !== VERSION) return blankMemory(cluster);
  return memory as WatchMemory;
}

export interface Watched {
  readonly memory: WatchMemory;
  readonly news: readonly News[];
}

/**
 * What one answer means. An answer through a node without quorum describes a frozen past (FACTS 1.6): only watchers
 * that ask for such answers (`frozen`) see it.
 */
export function watch(memory: WatchMemory, seen: Observation, limits: WatchLimits = DEFAULT_LIMITS): Watched {
  // Whole seconds, as Proxmox counts them.
  const observation = Number.isInteger(seen.at) ? seen : { ...seen, at: Math.floor(seen.at) };
  const said = quorumSaid(observation);
  const quorate =
    said === undefined || said === memory.quorate[observation.via]
      ? memory.quorate
      : { ...memory.quorate, [observation.via]: said };
  const frozen = quorate[observation.via] === false;
  const world = frozen ? memory.world : worldAfter(memory.world, observation);
  const path = observation.endpoint;
  return step({ ...memory, quorate, world }, limits, (watcher, part, known) =>
    watcher.wants(path) && (!frozen || watcher.frozen) ? watcher.see(part, observation, known) : undefined,
  );
}

/** What it means that it is now `at`, epoch seconds. */
export function pass(memory: WatchMemory, at: number, limits: WatchLimits = DEFAULT_LIMITS): Watched {
  return step(memory, limits, (watcher, part, known) => watcher.pass?.(part, Math.floor(at), known));
}

type Told = (watcher: Watcher, part: object, world: WatchWorld) => ReturnType<Watcher['see']> | undefined;

function step(memory: WatchMemory, limits: WatchLimits, tell: Told): Watched {
  const parts: Record<string, object> = { ...memory.parts };
  const news: News[] = [];
  for (const watcher of watchers) {
    const ha = (parts[haWatcher.name] ?? haWatcher.blank) as typeof haWatcher.blank;
    const world: WatchWorld = {
      cluster: memory.cluster,
      limits,
      guests: memory.world.guests,
      syncs: memory.world.syncs,
      nodes: nodesOf(ha),
      trouble: troubleOf(ha),
    };
    const told = tell(watcher, parts[watcher.name] ?? watcher.blank, world);
    if (!told) continue;
    parts[watcher.name] = told.memory;
    news.push(...told.news);
  }
  return { memory: { ...memory, parts }, news };
}
