import { z } from 'zod';
import { flag, maybe, name, num, rows, text } from './read.ts';

/** One row of `/nodes/N/replication` and what it means at a time (FACTS 4.3). Pure. */

const jobRow = z.object({
  id: z.string().regex(/^\d+-\d+$/),
  guest: num.optional().catch(undefined),
  source: maybe(name),
  target: name,
  schedule: maybe(text),
  disable: flag.catch(false),
  remove_job: maybe(text),
  last_sync: num.catch(0),
  last_try: num.catch(0),
  next_sync: num.catch(0),
  fail_count: num.catch(0),
  duration: num.catch(0),
  pid: maybe(num),
  error: maybe(text),
});
export type JobRow = z.output<typeof jobRow>;

export function readJobRows(data: unknown): JobRow[] {
  return rows(jobRow, data);
}

export type JobStateName = 'ok' | 'failing' | 'overdue' | 'never-synced' | 'running' | 'disabled' | 'being-removed';

export interface JobState {
  readonly id: string;
  readonly state: JobStateName;
  /** Epoch seconds of the START of the last good run. */
  readonly lastSync?: number;
  /** Seconds since then: what would be lost now. */
  readonly ageSeconds?: number;
  readonly overdue: boolean;
  readonly failCount?: number;
  /** Seconds of data at risk while it fails. */
  readonly exposureSeconds?: number;
  /** Epoch seconds; absent when it is not tried: the target is offline. */
  readonly nextTry?: number;
  readonly rootCause?: string;
}

/** Before this an epoch is no time of a sync: 0, 1, 300 and the schedule counted from 1970 (ODDITIES 71). */
const REAL_TIME = 1_000_000_000;

/** `row`: as Proxmox sends it. `lines`: the job's log, if read. Undefined when the row is no replication job. */
export function jobState(row: unknown, now: number, lines: readonly string[] = []): JobState | undefined {
  const job = readJobRows([row])[0];
  return job ? stateOf(job, now, lines) : undefined;
}

export function stateOf(job: JobRow, now: number, lines: readonly string[] = []): JobState {
  const synced = job.last_sync >= REAL_TIME;
  const ageSeconds = synced ? Math.max(0, Math.round(now - job.last_sync)) : undefined;
  const overdue = isOverdue(job, now);
  const cause = job.fail_count > 0 ? rootCause(lines, job) : undefined;
  return {
    id: job.id,
    state: nameOf(job, synced, overdue),
    overdue,
    ...(synced ? { lastSync: job.last_sync } : {}),
    ...(ageSeconds === undefined ? {} : { ageSeconds }),
    ...(job.fail_count > 0 ? { failCount: job.fail_count } : {}),
    ...(job.fail_count > 0 && ageSeconds !== undefined ? { exposureSeconds: ageSeconds } : {}),
    ...(job.fail_count > 0 && job.next_sync >= REAL_TIME ? { nextTry: job.next_sync } : {}),
    ...(cause ? { rootCause: cause } : {}),
  };
}

function nameOf(job: JobRow, synced: boolean, overdue: boolean): JobStateName {
  if (job.remove_job !== undefined) return 'being-removed';
  if (job.disable) return 'disabled';
  if (job.pid !== undefined) return 'running';
  if (job.fail_count > 0) return 'failing';
  if (!synced) return 'never-synced';
  return overdue ? 'overdue' : 'ok';
}

/** Only a run that was due at a real time can be late. */
function isOverdue(job: JobRow, now: number): boolean {
  if (job.disable || job.remove_job !== undefined || job.pid !== undefined || job.fail_count > 0) return false;
  if (job.last_sync < REAL_TIME || job.next_sync < REAL_TIME) return false;
  return now > job.next_sync + 2 * job.duration + 60;
}

type Ends = Pick<JobRow, 'source' | 'target' | 'error'>;

const CAUSES: readonly (readonly [RegExp, (ends: Ends) => string])[] = [
  [/cannot receive.*(out of space|no space left)|cannot receive.*quota/i, ({ target }) => `out of space on ${target}`],
  [/cannot create snapshot.*(out of space|no space)/i, ({ source }) => `out of space on ${source ?? 'the source'}`],
  [/out of space|no space left on device|quota exceeded/i, ({ target }) => `out of space on ${target}`],
  [/no common base snapshot/i, ({ target }) => `no common snapshot with ${target}: the job must be made anew`],
  [/host key verification failed/i, ({ target }) => `ssh host key of ${target} not accepted`],
  [/permission denied \(publickey/i, ({ target }) => `ssh to ${target} refused the key`],
  [
    /no route to host|connection (refused|timed out)|network is unreachable/i,
    ({ target }) => `${target} not reachable`,
  ],
  [/connection (closed|reset)|broken pipe/i, ({ target }) => `connection to ${target} broke`],
  [/dataset is busy|target is busy/i, ({ target }) => `dataset busy on ${target}`],
  [/destination .* (has been modified|exists)/i, ({ target }) => `dataset on ${target} was changed there`],
  [/dataset does not exist|no such (volume|storage)|storage '[^']*' (does not exist|is not available)/i, missingPart],
  [/i\/o error|input\/output error|pool.*suspended/i, () => 'I/O error in the pool'],
  [/unable to acquire|got timeout|lock request/i, () => 'a lock was not free in time'],
  [/no quorum|cluster not ready/i, () => 'no quorum'],
];

function missingPart({ target }: Ends): string {
  return `volume or storage missing (source or ${target})`;
}

/** Why it fails, in a few words; undefined when neither log nor error says. The error only repeats a long command. */
export function rootCause(lines: readonly string[], ends: Ends): string | undefined {
  const last = lines.slice(lastStart(lines)).map((line) => line.replace(/^\S+ \S+ \d+-\d+: /, ''));
  const told = [...last.filter((line) => !/^(end replication job|command '|\(remote)/.test(line)), ends.error ?? ''];
  for (const [pattern, words] of CAUSES) if (told.some((line) => pattern.test(line))) return words(ends);
  // ssh itself failed: the last thing in the command was the ssh call.
  if (/ssh .*failed: exit code 255\s*$/.test(ends.error ?? '')) return `${ends.target} not reachable by ssh`;
  return undefined;
}

function lastStart(lines: readonly string[]): number {
  return Math.max(
    0,
    lines.findLastIndex((line) => /: start replication job/.test(line)),
  );
}
