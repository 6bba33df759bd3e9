import type { Watcher } from '../contracts/watch.ts';

/** Everything but nodes, HA and quorum: MEANING-REST appends its watchers here (`as unknown as Watcher`). */
export const restWatchers: readonly Watcher[] = [];
