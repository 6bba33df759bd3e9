import { coverageWatcher } from '../watch/coverage.ts';
import type { WatchMemory } from '../watch/index.ts';
import type { Vitals } from './digest.ts';

/** The oldest last good backup of any guest there is; empty before the first look. */
export function oldestBackup(memory: WatchMemory | undefined): Pick<Vitals, 'backup'> {
  if (!memory) return {};
  const { guests } = memory.world;
  const { good } = (memory.parts[coverageWatcher.name] ?? coverageWatcher.blank) as typeof coverageWatcher.blank;
  const [oldest] = Object.entries(good)
    .map(([vmid, at]) => ({ vmid: Number(vmid), at }))
    .filter(({ vmid }) => guests[vmid])
    .sort((a, b) => a.at - b.at);
  const name = oldest && guests[oldest.vmid]?.name;
  return oldest ? { backup: { ...oldest, ...(name ? { name } : {}) } } : {};
}
