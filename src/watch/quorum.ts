import type { Watcher } from '../contracts/watch.ts';
export const quorumWatcher: Watcher = {
  name: 'quorum',
  blank: {},
  wants: () => false,
  see: (memory) => ({ memory, news: [] }),
};
