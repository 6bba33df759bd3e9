import type { Automation } from '../src/contracts/automation.ts';
import type { Command } from '../src/contracts/command.ts';
import { alertAck } from './alert-ack.ts';
import { alertList } from './alert-list.ts';
import { alertShow } from './alert-show.ts';
import { alertSilence } from './alert-silence.ts';
import { alertSnooze } from './alert-snooze.ts';
import { alertTest } from './alert-test.ts';
import { alertUnsilence } from './alert-unsilence.ts';
import { approvalList } from './approval-list.ts';
import { approvalShow } from './approval-show.ts';
import { auditShow } from './audit-show.ts';
import { accessReconcile } from './automations/access-reconcile.ts';
import { keyDrift } from './automations/key-drift.ts';
import { queuedGrants } from './automations/queued-grants.ts';
import { snapshots } from './automations/snapshots.ts';
import { backupList } from './backup-list.ts';
import { backupRun } from './backup-run.ts';
import { clusterStatus } from './cluster-status.ts';
import { ctCreate } from './ct-create.ts';
import { ctDestroy } from './ct-destroy.ts';
import { ctList } from './ct-list.ts';
import { ctReboot } from './ct-reboot.ts';
import { ctShow } from './ct-show.ts';
import { ctShutdown } from './ct-shutdown.ts';
import { ctStart } from './ct-start.ts';
import { ctStop } from './ct-stop.ts';
import { ctUnlock } from './ct-unlock.ts';
import { fileRestore } from './file-restore.ts';
import { fileShow } from './file-show.ts';
import { fileUndo } from './file-undo.ts';
import { fileVersions } from './file-versions.ts';
import { help } from './help.ts';
import { nodeList } from './node-list.ts';
import { nodeShow } from './node-show.ts';
import { personAdd } from './person-add.ts';
import { personList } from './person-list.ts';
import { personProve } from './person-prove.ts';
import { personRemove } from './person-remove.ts';
import { quorum } from './quorum.ts';
import { replicationAdd } from './replication-add.ts';
import { replicationDisable } from './replication-disable.ts';
import { replicationEnable } from './replication-enable.ts';
import { replicationList } from './replication-list.ts';
import { replicationRemove } from './replication-remove.ts';
import { replicationRun } from './replication-run.ts';
import { runCancel } from './run-cancel.ts';
import { runShow } from './run-show.ts';
import { snapshotCreate } from './snapshot-create.ts';
import { snapshotDelete } from './snapshot-delete.ts';
import { snapshotKeep } from './snapshot-keep.ts';
import { snapshotList } from './snapshot-list.ts';
import { snapshotRollback } from './snapshot-rollback.ts';
import { sshAdopt } from './ssh-adopt.ts';
import { sshExtend } from './ssh-extend.ts';
import { sshGrant } from './ssh-grant.ts';
import { sshKeep } from './ssh-keep.ts';
import { sshKeys } from './ssh-keys.ts';
import { sshRevoke } from './ssh-revoke.ts';
import { sshSync } from './ssh-sync.ts';
import { sshWho } from './ssh-who.ts';
import { vmList } from './vm-list.ts';
import { vmReboot } from './vm-reboot.ts';
import { vmShow } from './vm-show.ts';
import { vmShutdown } from './vm-shutdown.ts';
import { vmStart } from './vm-start.ts';
import { vmStop } from './vm-stop.ts';
import { whoami } from './whoami.ts';

/** Everything that can be asked of the bot, sorted by name. */
export const commands: readonly Command[] = [
  alertAck,
  alertList,
  alertShow,
  alertSilence,
  alertSnooze,
  alertTest,
  alertUnsilence,
  approvalList,
  approvalShow,
  auditShow,
  backupList,
  backupRun,
  clusterStatus,
  ctCreate,
  ctDestroy,
  ctList,
  ctReboot,
  ctShow,
  ctShutdown,
  ctStart,
  ctStop,
  ctUnlock,
  fileRestore,
  fileShow,
  fileUndo,
  fileVersions,
  help,
  nodeList,
  nodeShow,
  personAdd,
  personList,
  personProve,
  personRemove,
  quorum,
  replicationAdd,
  replicationDisable,
  replicationEnable,
  replicationList,
  replicationRemove,
  replicationRun,
  runCancel,
  runShow,
  snapshotCreate,
  snapshotDelete,
  snapshotKeep,
  snapshotList,
  snapshotRollback,
  sshAdopt,
  sshExtend,
  sshGrant,
  sshKeep,
  sshKeys,
  sshRevoke,
  sshSync,
  sshWho,
  vmList,
  vmReboot,
  vmShow,
  vmShutdown,
  vmStart,
  vmStop,
  whoami,
];

/** Everything that is done on a schedule, sorted by name. */
export const automations: readonly Automation[] = [accessReconcile, keyDrift, queuedGrants, snapshots];
