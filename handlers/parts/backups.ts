import type { BackupJob, Guest, Storage, StoredBackup } from '../../src/contracts/cluster.ts';
import { Failed } from '../../src/contracts/failure.ts';

/** Which backup jobs take a guest along, and when its last good backup is too old. */

export function covers(job: BackupJob, guest: Pick<Guest, 'vmid' | 'pool' | 'node'>): boolean {
  if (job.node !== undefined && job.node !== guest.node) return false;
  if (job.all) return !job.exclude.includes(guest.vmid);
  if (job.pool !== undefined) return job.pool === guest.pool;
  return job.vmids.includes(guest.vmid);
}

const DAY = 86_400;
/** A backup takes its time, and a day has up to 25 hours. */
const GRACE = 2 * 3600;
const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Seconds between two runs of a job at most, by its calendar event; a day unless it names days. */
export function longestGap(schedule: string): number {
  const text = schedule.trim().toLowerCase();
  if (/^week/.test(text)) return 7 * DAY;
  if (/^month/.test(text) || /(^|\s)(\*|\d{4})-\S+-\S+|(^|\s)\*-\d/.test(text)) return 31 * DAY;
  const days = daysOf(text.split(/\s+/)[0] ?? '');
  if (days.length === 0) return DAY;
  return DAY * Math.max(...days.map((day, index) => (((days[index + 1] ?? days[0]! + 7) - day + 6) % 7) + 1));
}

/** `mon..fri,sun` as 0 to 6, ascending; empty when it names no days. */
function daysOf(text: string): readonly number[] {
  if (!/^[a-z.,]+$/.test(text)) return [];
  const days = text.split(',').flatMap((part) => {
    const [from, to = from] = part.split('..').map((name) => WEEK.indexOf(name.slice(0, 3)));
    if (from === undefined || to === undefined || from < 0 || to < 0) return [];
    return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, index) => (from + index) % 7);
  });
  return [...new Set(days)].sort((a, b) => a - b);
}

/** Seconds after which the last good backup of a guest is overdue: by the enabled job that runs most often. */
export function tooOld(jobs: readonly BackupJob[]): number {
  const gaps = jobs.filter((job) => job.enabled).map((job) => longestGap(job.schedule));
  return (gaps.length > 0 ? Math.min(...gaps) : DAY) + GRACE;
}

/** What a verify found broken is no backup. */
export const isGood = (backup: StoredBackup): boolean => backup.verified !== 'failed' && backup.at > 0;

export function newestGood(backups: readonly StoredBackup[]): StoredBackup | undefined {
  return backups.filter(isGood).toSorted((a, b) => b.at - a.at)[0];
}

export const takesBackups = (storage: Storage): boolean => storage.content.includes('backup');

/** Undefined when we may not see them: our token then lacks Sys.Audit. */
export async function jobsIfSeen(look: () => Promise<readonly BackupJob[]>): Promise<readonly BackupJob[] | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Failed && error.failure.kind === 'no-privilege') return undefined;
    throw error;
  }
}
