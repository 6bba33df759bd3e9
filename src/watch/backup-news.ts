import type { Json } from '../contracts/plan.ts';
import type { News, NewsKind, Severity, WatchWorld } from '../contracts/watch.ts';
import { span } from './ha-memory.ts';
import { succeeded } from './upid.ts';
import type { GuestBackup, VzdumpLog } from './vzdump-log.ts';

/** What a finished backup run means. */

export interface Verdict {
  readonly kind: NewsKind;
  readonly severity: Severity;
  /** Why the whole run failed, in as few words as there are. */
  readonly reason?: string;
  readonly nodeDied?: true;
  /** It ended before the first guest. */
  readonly allGuestsMissed?: true;
}

export function verdictOf(log: Pick<VzdumpLog, 'guests' | 'warnings' | 'errors'>, exit: string): Verdict {
  const ok = log.guests.some(({ result }) => result === 'ok');
  const bad = log.guests.some(({ result }) => result !== 'ok');
  if (exit === 'unexpected status')
    return {
      kind: 'backup-aborted',
      severity: 'error',
      reason: 'the node died, or the task was killed',
      nodeDied: true,
      ...(log.guests.length === 0 ? { allGuestsMissed: true } : {}),
    };
  if (/interrupted by signal|received interrupt/.test(exit))
    return { kind: 'backup-aborted', severity: 'warning', reason: 'interrupted by signal' };
  if (succeeded(exit) && !bad)
    return exit !== 'OK' || log.warnings.length > 0
      ? { kind: 'backup-succeeded-with-warnings', severity: 'warning' }
      : { kind: 'backup-succeeded', severity: 'info' };
  const own = exit === 'job errors' || succeeded(exit) ? log.errors.at(-1) : exit;
  return {
    kind: ok ? 'backup-partial' : 'backup-failed',
    severity: 'error',
    ...(own ? { reason: reasonIn(own) } : {}),
    ...(log.guests.length === 0 ? { allGuestsMissed: true } : {}),
  };
}

/** `could not activate storage 'backups': storage 'backups' is not online` says it twice. */
function reasonIn(error: string): string {
  return error.replace(/^could not activate storage '[^']*': /, '').trim();
}

export interface Run {
  readonly node: string;
  readonly jobId?: string;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly seconds?: number;
  /** As the exit status counts them; the log may be shorter. */
  readonly warnings?: number;
  readonly facts?: { readonly [name: string]: Json };
}

type Told = Pick<News, 'kind' | 'severity' | 'guests' | 'text' | 'facts' | 'node' | 'jobId'> & Partial<News>;

/** Everything of the news but its incident and phase. */
export function backupNews(verdict: Verdict, log: VzdumpLog, run: Run, world: Pick<WatchWorld, 'guests'>): Told {
  const guests = log.guests.map((guest) => named(guest, verdict, world));
  const okCount = guests.filter(({ result }) => result === 'ok').length;
  const failed = guests.filter(({ result }) => result === 'failed');
  const fullErrors = log.guests.flatMap(({ vmid, fullError }) => (fullError ? [[vmid, fullError] as const] : []));
  return {
    kind: verdict.kind,
    severity: verdict.severity,
    node: run.node,
    jobId: run.jobId ?? null,
    guests,
    ...(run.startedAt === undefined ? {} : { startedAt: run.startedAt }),
    ...(run.endedAt === undefined ? {} : { endedAt: run.endedAt, at: run.endedAt }),
    text: textOf(verdict, log, run, guests),
    facts: {
      okCount,
      failedCount: failed.length,
      todoCount: guests.filter(({ result }) => result === 'todo').length,
      ...(run.seconds === undefined ? {} : { durationSeconds: run.seconds }),
      pruned: log.pruned,
      warnings: Math.max(log.warnings.length, run.warnings ?? 0),
      ...(log.warnings.length > 0 ? { warningTexts: [...log.warnings] } : {}),
      ...(log.protected ? { protected: true } : {}),
      ...(verdict.reason ? { reason: verdict.reason } : {}),
      ...(verdict.nodeDied ? { nodeDied: true } : {}),
      ...(verdict.allGuestsMissed ? { allGuestsMissed: true } : {}),
      ...(log.command?.storage ? { storage: log.command.storage } : {}),
      ...(fullErrors.length > 0 ? { errors: Object.fromEntries(fullErrors) } : {}),
      ...run.facts,
    },
  };
}

type GuestNews = NonNullable<News['guests']>[number];

function named(guest: GuestBackup, verdict: Verdict, world: Pick<WatchWorld, 'guests'>): GuestNews {
  const { fullError: _, result, error, ...rest } = guest;
  const cut = result === 'open';
  const why = error ?? (cut ? (verdict.reason ?? 'the log says no more') : undefined);
  return {
    ...rest,
    name: guest.name ?? world.guests[guest.vmid]?.name ?? `VM ${guest.vmid}`,
    result: cut ? 'failed' : result,
    ...(why ? { error: why } : {}),
    ...(cut ? { bytes: null, archive: null } : {}),
  };
}

const LINES = 8;

function textOf(verdict: Verdict, log: VzdumpLog, run: Run, guests: readonly GuestNews[]): string {
  const called = run.jobId ? `${run.jobId} on ${run.node}` : `on ${run.node}`;
  const ok = guests.filter(({ result }) => result === 'ok').length;
  const took = run.seconds === undefined ? '' : `, ${span(run.seconds)}`;
  const end = verdict.kind === 'backup-aborted' ? (verdict.nodeDied ? ', node died' : ', aborted') : '';
  const head = verdict.allGuestsMissed
    ? `Backup ${called}: nothing was backed up${end}`
    : `Backup ${called}: ${ok}/${guests.length} OK${end}${took}`;
  const bad = guests
    .filter(({ result }) => result === 'failed')
    .map((one) => `${label(one)}: ${one.error ?? 'failed'}`);
  const todo = guests.filter(({ result }) => result === 'todo').map(label);
  return [
    head,
    ...(verdict.reason && bad.length === 0 ? [verdict.reason] : []),
    ...bad.slice(0, LINES),
    ...(bad.length > LINES ? [`and ${bad.length - LINES} more`] : []),
    ...(todo.length > 0 ? [`Never tried: ${todo.slice(0, 12).join(', ')}${todo.length > 12 ? ' …' : ''}`] : []),
    ...(verdict.kind === 'backup-succeeded-with-warnings' ? log.warnings.slice(0, 3) : []),
  ].join('\n');
}

function label({ vmid, name }: GuestNews): string {
  return name && name !== `VM ${vmid}` ? `${vmid} ${name}` : `${vmid}`;
}
