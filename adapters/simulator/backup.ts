import { randomUUID } from 'node:crypto';
import { audit, broken, type Call, needQuorum, needs, type Route } from './call.ts';
import { seconds } from './clock.ts';
import { splitList } from './formats.ts';
import { visible } from './guest-rows.ts';
import { nextRun, parseSchedule } from './schedule.ts';
import type { BackupJob } from './state.ts';
import { flag, format, oneOf, optional, text } from './verify.ts';
import { guestName } from './world.ts';

/** Backup jobs as configuration; nothing runs them, vzdump.ts makes single backups. Sub-objects arrive parsed. */
function jobRow(call: Call, job: BackupJob): unknown {
  const schedule = parseSchedule(job.schedule);
  return {
    id: job.id,
    type: 'vzdump',
    enabled: job.enabled ? 1 : 0,
    schedule: job.schedule,
    storage: job.storage,
    mode: job.mode,
    ...(job.vmid === 'all' ? { all: 1 } : { vmid: job.vmid }),
    ...(job.comment !== undefined && { comment: job.comment }),
    ...(job.compress !== undefined && { compress: job.compress }),
    ...(job.pruneBackups && { 'prune-backups': job.pruneBackups }),
    'next-run': schedule ? nextRun(schedule, seconds(call.world.clock)) : 0,
  };
}

function create(call: Call): null {
  const {
    id = randomUUID(),
    storage = 'local',
    schedule = '00:00',
    vmid = 'all',
    comment,
    mode = 'snapshot',
    compress,
    enabled,
  } = call.params;
  if (!call.state.storages.has(storage)) throw broken(`storage '${storage}' does not exist`);
  if (call.state.backupJobs.has(id)) throw broken(`Job '${id}' already exists`);
  needQuorum(call, `cfs-lock 'file-jobs_cfg' error: no quorum!`);
  const prune = call.params['prune-backups'];
  const pruneBackups =
    prune === undefined
      ? undefined
      : Object.fromEntries(prune.split(',').map((part) => part.split('=') as [string, string]));
  call.state.backupJobs.set(id, {
    id,
    storage,
    schedule,
    vmid,
    comment,
    mode,
    compress,
    enabled: enabled !== '0',
    pruneBackups,
  });
  return null;
}

/** Guests in no job; one in a disabled job counts as covered, and templates are listed. */
function uncovered(call: Call): unknown[] {
  const jobs = [...call.state.backupJobs.values()];
  if (jobs.some((job) => job.vmid === 'all')) return [];
  const covered = new Set(jobs.flatMap((job) => splitList(job.vmid)));
  return [...call.state.guests.values()]
    .filter((guest) => !covered.has(String(guest.vmid)) && visible(call, guest))
    .map((guest) => ({ vmid: guest.vmid, type: guest.kind, name: guestName(guest) }));
}

export const backupRoutes: Route[] = [
  {
    method: 'GET',
    path: '/cluster/backup',
    rules: {},
    may: audit,
    run: (call) => [...call.state.backupJobs.values()].map((job) => jobRow(call, job)),
  },
  {
    method: 'POST',
    path: '/cluster/backup',
    may: needs(() => '/', 'Sys.Modify'),
    run: create,
    rules: {
      id: optional(format('pve-configid')),
      storage: optional(format('pve-storage-id')),
      schedule: optional(format('pve-calendar-event', { maxLength: 128 })),
      vmid: optional(format('pve-vmid-list')),
      comment: optional(text({ maxLength: 512 })),
      mode: optional(oneOf('snapshot', 'suspend', 'stop')),
      compress: optional(oneOf('0', '1', 'gzip', 'lzo', 'zstd')),
      enabled: flag,
      'prune-backups': optional(format('prune-backups')),
      all: flag,
    },
  },
  { method: 'GET', path: '/cluster/backup-info/not-backed-up', rules: {}, may: audit, run: uncovered },
];
