import type { GuestName, News, WatchWorld } from '../contracts/watch.ts';
import { longestGap } from './backup-jobs.ts';
import { called, span } from './ha-memory.ts';
import { type JobRow, stateOf } from './replication-job.ts';

/** What a replication job's row says now, against what was told of it before. */

export interface Known {
  row: JobRow;
  /** First seen, and first seen never to have run. */
  since: number;
  looks: number;
  /** The end of its last log. */
  log?: string[];
  logTry?: number;
  logAskedAt?: number;
  /** The incident that is open, and how far it was told. */
  open?: { kind: 'replication-failed' | 'replication-overdue' | 'replication-never-run'; at: number; cause?: string };
  /** Its target was in trouble until then. */
  heldUntil?: number;
  folded?: true;
  removing?: true;
  missed: number;
}

/** Seconds that a job may need to find its target again after that was away. */
const SETTLE = 600;
const NEVER_RUN_LIMIT = 7200;

export type Untold = Omit<News, 'cluster'>;

export function incidentOf(id: string): string {
  return `replication/${id}`;
}

export function guestOf(row: Pick<JobRow, 'id' | 'guest'>, world: Pick<WatchWorld, 'guests'>): GuestName {
  const vmid = row.guest ?? Number(row.id.split('-')[0]);
  const known = world.guests[vmid];
  return { vmid, ...(known?.name ? { name: known.name } : {}), ...(known?.type ? { type: known.type } : {}) };
}

/** What every news of a job says. */
export function about(row: JobRow, at: number, world: WatchWorld) {
  return {
    incident: incidentOf(row.id),
    jobId: row.id,
    guest: guestOf(row, world),
    ...(row.source ? { from: row.source } : {}),
    to: row.target,
    at,
  };
}

/** A job's state now against what was told of it. */
export function judged(known: Known, at: number, world: WatchWorld): Untold[] {
  const { row } = known;
  const state = stateOf(row, at, known.logTry === row.last_try ? known.log : []);
  if (state.state === 'being-removed') known.removing = true;
  if (row.target in world.trouble) known.heldUntil = at + SETTLE;
  if (state.state === 'failing') return failing(known, at, world);
  if (state.state === 'running') return [];
  delete known.folded;
  if (known.open && state.state !== 'overdue' && state.state !== 'never-synced')
    return recovered(known, at, world, state.state);
  if (state.state === 'overdue') return late(known, at, world);
  if (state.state === 'never-synced') return neverRun(known, at, world);
  return [];
}

export function failing(known: Known, at: number, world: WatchWorld): Untold[] {
  const { row } = known;
  const { target } = row;
  if (target in world.trouble) return folded(known, at, world);
  if (known.heldUntil !== undefined && at < known.heldUntil) return [];
  const lastSync = row.last_sync || world.syncs[row.id]?.lastSync || 0;
  const exposure = lastSync > 0 ? Math.max(0, at - lastSync) : undefined;
  const grave = row.fail_count >= world.limits.replicationMisses || (exposure ?? 0) >= world.limits.replicationSeconds;
  if (!grave && !known.open) return [];
  const state = stateOf({ ...row, last_sync: lastSync }, at, known.logTry === row.last_try ? known.log : []);
  const before = known.open;
  if (before?.kind === 'replication-failed' && (before.cause ?? '') === (state.rootCause ?? before.cause ?? ''))
    return [];
  known.open = {
    kind: 'replication-failed',
    at: before?.at ?? at,
    ...(state.rootCause ? { cause: state.rootCause } : {}),
  };
  const { guest, ...rest } = about(row, at, world);
  return [
    {
      kind: 'replication-failed',
      severity: 'error',
      phase: before ? 'goes-on' : 'opens',
      ...rest,
      guest,
      text: [
        `Replication ${row.id} of ${called(guest)} → ${target} fails, ${row.fail_count} in a row`,
        ...(state.rootCause ? [state.rootCause] : []),
        exposure === undefined
          ? 'No copy there yet'
          : `If ${row.source ?? 'its node'} dies now, ${span(exposure)} are lost`,
      ].join('\n'),
      facts: {
        failCount: row.fail_count,
        ...(lastSync > 0 ? { lastSync } : {}),
        ...(exposure === undefined ? {} : { exposureSeconds: exposure }),
        ...(state.nextTry === undefined ? {} : { nextTry: state.nextTry }),
        ...(state.rootCause ? { rootCause: state.rootCause } : {}),
        ...(row.error ? { error: row.error.slice(0, 500) } : {}),
      },
    },
  ];
}

/** It fails because its target is the node that is gone: nobody is told twice. */
function folded(known: Known, at: number, world: WatchWorld): Untold[] {
  if (known.folded) return [];
  known.folded = true;
  const { guest, ...rest } = about(known.row, at, world);
  return [
    {
      kind: 'replication-followup-of-failover',
      severity: 'info',
      phase: 'goes-on',
      ...rest,
      guest,
      incident: `node/${known.row.target}`,
      text: `Replication ${known.row.id} of ${called(guest)} waits for ${known.row.target}`,
      facts: { failCount: known.row.fail_count },
    },
  ];
}

function recovered(known: Known, at: number, world: WatchWorld, state: string): Untold[] {
  const { row, open } = known;
  delete known.open;
  const { guest, ...rest } = about(row, at, world);
  const how = state === 'ok' ? `last good run ${span(at - row.last_sync)} ago` : state.replace('-', ' ');
  return [
    {
      kind: 'replication-recovered',
      severity: 'info',
      phase: 'ends',
      ...rest,
      guest,
      startedAt: open!.at,
      endedAt: at,
      text: `Replication ${row.id} of ${called(guest)} → ${row.target}: ${how}`,
      facts: { ...(row.last_sync > 0 ? { lastSync: row.last_sync } : {}), state },
    },
  ];
}

function late(known: Known, at: number, world: WatchWorld): Untold[] {
  const { row } = known;
  // Jobs of a node run one after the other; and our clock may be ahead for a moment.
  if (known.open || at < row.next_sync + 2 * row.duration + 300 || known.looks === 2) return [];
  if ((row.source ?? '') in world.trouble) return [];
  const { guest, ...rest } = about(row, at, world);
  known.open = { kind: 'replication-overdue', at };
  return [
    {
      kind: 'replication-overdue',
      severity: 'warning',
      phase: 'opens',
      ...rest,
      guest,
      text: `Replication ${row.id} of ${called(guest)} → ${row.target} is ${span(at - row.next_sync)} late\nLast good run ${span(at - row.last_sync)} ago`,
      facts: { lastSync: row.last_sync, exposureSeconds: Math.max(0, at - row.last_sync), due: row.next_sync },
    },
  ];
}

function neverRun(known: Known, at: number, world: WatchWorld): Untold[] {
  const { row } = known;
  // A switched job begins again at 0; its own failures tell more.
  const limit = Math.max(
    NEVER_RUN_LIMIT,
    /^\*\/\d+$/.test(row.schedule ?? '*/15') ? 0 : longestGap(row.schedule) + 3600,
  );
  if (known.open || at - known.since < limit || row.target in world.trouble) return [];
  const { guest, ...rest } = about(row, at, world);
  known.open = { kind: 'replication-never-run', at };
  return [
    {
      kind: 'replication-never-run',
      severity: 'warning',
      phase: 'opens',
      ...rest,
      guest,
      text: `Replication ${row.id} of ${called(guest)} → ${row.target} has never run: no copy there`,
      facts: { watchedSeconds: at - known.since },
    },
  ];
}
