import type { Watcher } from '../contracts/watch.ts';
import { type BackupsMemory, backupsToLookAt, backupsWatcher } from './backups.ts';
import { blindWatcher } from './blind.ts';
import { cephWatcher } from './ceph.ts';
import { certificatesWatcher } from './certificates.ts';
import { coverageWatcher } from './coverage.ts';
import { createdWatcher } from './created.ts';
import { type GuestsMemory, guestsToLookAt, guestsWatcher } from './guests.ts';
import { notificationsWatcher } from './notifications.ts';
import { pbsWatcher } from './pbs.ts';
import { type ReplicationMemory, replicationsToLookAt, replicationWatcher } from './replication.ts';
import { storageWatcher } from './storage.ts';
import { updatesWatcher } from './updates.ts';
import { zfsWatcher } from './zfs.ts';

/** Everything but nodes, HA and quorum, in the order it is told. */
export const restWatchers: readonly Watcher[] = [
  notificationsWatcher,
  backupsWatcher,
  coverageWatcher,
  replicationWatcher,
  storageWatcher,
  zfsWatcher,
  cephWatcher,
  guestsWatcher,
  createdWatcher,
  pbsWatcher,
  certificatesWatcher,
  updatesWatcher,
  blindWatcher,
].map((one) => one as unknown as Watcher);

/**
 * Endpoints worth one GET now because of what was seen: logs of ended backups, of failing replications, the config of
 * a guest that seems down. `parts`: the watchers' memories by name. Each is asked again only after a while.
 */
export function alsoLook(parts: Readonly<Record<string, object>>, at: number): string[] {
  const of = <M>(watcher: { readonly name: string; readonly blank: M }) =>
    (parts[watcher.name] as M | undefined) ?? watcher.blank;
  return [
    ...backupsToLookAt(of<BackupsMemory>(backupsWatcher), at),
    ...replicationsToLookAt(of<ReplicationMemory>(replicationWatcher)),
    ...guestsToLookAt(of<GuestsMemory>(guestsWatcher), at),
  ];
}
