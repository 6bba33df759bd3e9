import type { WatchLimits } from './contracts/watch.ts';
import type { WatchRules } from './settings.ts';
import { DEFAULT_LIMITS } from './watch/index.ts';

export const limitsOf = (watch: WatchRules): WatchLimits => ({
  ...DEFAULT_LIMITS,
  storageFull: watch.storageFull / 100,
  backupTooOld: watch.backupTooOld,
  certificate: watch.certificate,
  blind: watch.blind,
  replicationSeconds: watch.replicationFailing,
});
