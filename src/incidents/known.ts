import { coverageWatcher } from '../watch/coverage.ts';
import type { WatchMemory } from '../watch/index.ts';
import type { Vitals } from './digest.ts';
import type { GuestMarks } from './routes.ts';

/** What the watch knows that incidents ask for. Before the first look it knows nothing. */

export function marksFrom(memory: WatchMemory | undefined, vmid: number): GuestMarks | undefined {
  const guest = memory?.world.guests[vmid];
  if (!guest) return undefined;
  const { tags, pool, node } = guest;
  return { tags, node, ...(pool ? { pool } : {}) };
}

/** The oldest good sync of any job, and the oldest last good backup of any guest there is. */
export function vitalsFrom(memory: WatchMemory | undefined): Vitals {
  if (!memory) return {};
  const { guests, syncs } = memory.world;
  const jobs = Object.entries(syncs).map(([job, { lastSync, target }]) => ({
    job: `${job.split('>')[0]} → ${target}`,
    lastSync,
  }));
  const replication = jobs.sort((a, b) => a.lastSync - b.lastSync)[0];
  const { good } = (memory.parts[coverageWatcher.name] ?? coverageWatcher.blank) as typeof coverageWatcher.blank;
  const oldest = Object.entries(good)
    .filter(([vmid]) => guests[Number(vmid)])
    .sort(([, a], [, b]) => a - b)[0];
  const [vmid, at] = oldest ?? [];
  const name = guests[Number(vmid)]?.name;
  return {
    ...(replication ? { replication } : {}),
    ...(vmid === undefined || at === undefined
      ? {}
      : { backup: { vmid: Number(vmid), at, ...(name ? { name } : {}) } }),
  };
}
