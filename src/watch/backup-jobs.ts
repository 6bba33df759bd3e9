import { z } from 'zod';
import { flag, maybe, name, num, rows, text } from './read.ts';
import type { Command } from './vzdump-log.ts';

/** A row of `/cluster/backup`. */
export interface BackupJob {
  readonly id: string;
  readonly enabled: boolean;
  readonly storage: string;
  readonly all: boolean;
  readonly vmids: readonly number[];
  readonly exclude: readonly number[];
  readonly pool?: string | undefined;
  readonly node?: string | undefined;
  readonly mode?: string | undefined;
  readonly schedule?: string | undefined;
  /** Epoch seconds; also told for disabled jobs. */
  readonly nextRun?: number | undefined;
}

const vmidList = z
  .union([z.string(), z.number()])
  .transform((list) =>
    String(list)
      .split(/[\s,;]+/)
      .filter((one) => /^\d+$/.test(one))
      .map(Number),
  )
  .catch([]);

const jobRow = z
  .object({
    id: name,
    enabled: flag.catch(true),
    storage: name.catch('local'),
    all: flag.catch(false),
    vmid: vmidList,
    exclude: vmidList,
    pool: maybe(name),
    node: maybe(name),
    mode: maybe(name),
    schedule: maybe(text),
    'next-run': maybe(num),
  })
  .transform(({ vmid, 'next-run': nextRun, ...job }): BackupJob => ({ ...job, vmids: vmid, nextRun }));

export function readJobs(data: unknown): BackupJob[] {
  return rows(jobRow, data);
}

/** Whether the job takes that guest along. */
export function covers(job: BackupJob, guest: { vmid: number; node?: string; pool?: string }): boolean {
  if (job.node && guest.node && job.node !== guest.node) return false;
  if (job.exclude.includes(guest.vmid)) return false;
  if (job.all) return true;
  if (job.pool) return job.pool === guest.pool;
  return job.vmids.includes(guest.vmid);
}

/** What is known of a run whose job is looked for. */
export interface RunTraits {
  readonly node: string;
  readonly start: number;
  readonly user: string;
  readonly token?: string;
  readonly command?: Command;
  /** The error that ended it: it may name the storage. */
  readonly exit?: string;
}

/**
 * The job behind a run. Proxmox does not tell (ODDITIES 52): the command line must fit a job, and where several fit,
 * the time of day must. Undefined rather than guessed.
 */
export function jobOf(jobs: readonly BackupJob[], run: RunTraits): string | undefined {
  if (run.user !== 'root@pam' || run.token) return undefined;
  const here = jobs.filter((job) => !job.node || job.node === run.node);
  const fitting = run.command
    ? here.filter((job) => fits(job, run.command!))
    : here.filter((job) => named(job, run.exit));
  if (fitting.length === 1) return fitting[0]!.id;
  const exact = fitting.filter((job) => run.command && sameSet(job.vmids, run.command.vmids));
  if (exact.length === 1) return exact[0]!.id;
  const timely = fitting.filter((job) => job.enabled && timeOfDayNear(job.nextRun, run.start));
  return timely.length === 1 ? timely[0]!.id : undefined;
}

function fits(job: BackupJob, command: Command): boolean {
  if (!command.scheduled || (command.storage && command.storage !== job.storage)) return false;
  if (command.mode && job.mode && command.mode !== job.mode) return false;
  if (command.all || command.pool) return command.all === job.all && command.pool === job.pool;
  return command.vmids.length > 0 && command.vmids.every((vmid) => job.vmids.includes(vmid));
}

function named(job: BackupJob, exit: string | undefined): boolean {
  return job.enabled && (exit ?? '').includes(`'${job.storage}'`);
}

function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

const DAY = 86_400;

/** Within ten minutes of the hour it runs at; a change of the clocks in between counts for nothing. */
function timeOfDayNear(nextRun: number | undefined, start: number): boolean {
  if (nextRun === undefined) return false;
  const apart = (((nextRun - start) % DAY) + DAY) % DAY;
  const distance = Math.min(apart, DAY - apart);
  return distance <= 600 || Math.abs(distance - 3600) <= 600;
}

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** The longest time between two runs, seconds, rounded up: a day for whatever runs daily or more often. */
export function longestGap(schedule: string | undefined): number {
  const words = (schedule ?? '').toLowerCase();
  if (/\byearly|annually|semi|quarterly/.test(words)) return 366 * DAY;
  if (/\bmonthly\b|(^|\s)(\S+-)?(\d+|\*)-\S+/.test(words)) return 31 * DAY;
  if (/\bweekly\b/.test(words)) return 7 * DAY;
  const days = weekdaysOf(words);
  if (days.length === 0) return DAY;
  const gaps = days.map((day, i) => ((days[(i + 1) % days.length]! - day + 6) % 7) + 1);
  return Math.max(...gaps) * DAY;
}

function weekdaysOf(words: string): number[] {
  const days = new Set<number>();
  for (const [, from, to] of words.matchAll(
    /\b(mon|tue|wed|thu|fri|sat|sun)\w*(?:\.\.(mon|tue|wed|thu|fri|sat|sun))?/g,
  )) {
    const first = WEEKDAYS.indexOf(from!);
    const last = to ? WEEKDAYS.indexOf(to) : first;
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return [...days].sort((a, b) => a - b);
}
