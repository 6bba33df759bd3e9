import { z } from 'zod';
import type { Json } from '../contracts/plan.ts';
import type { News, NewsKind, Severity, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { isHook, labelled, type Notification, readNotification } from './notification.ts';
import { maybe, name, num, pathOf, rows, text } from './read.ts';
import { readUpid } from './upid.ts';

/** What a backup server does with its datastores: verify, prune, garbage collection, sync, tape; from its tasks or its mails. */

export interface PbsMemory {
  /** UPIDs that were told, and when they began. */
  told: Record<string, number>;
  /** By server: the start of the newest task seen. */
  newest: Record<string, number>;
  /** Incidents that are open. */
  open: string[];
  /** What was told lately, by whichever came first. */
  heard: { key: string; at: number; good: boolean }[];
}

type Work = 'verify' | 'prune' | 'gc' | 'sync' | 'tape-backup';

const KINDS: Readonly<Record<Work, readonly [good: NewsKind, bad: NewsKind]>> = {
  verify: ['backup-verify-finished', 'backup-verify-failed'],
  prune: ['datastore-prune-finished', 'datastore-prune-failed'],
  gc: ['datastore-gc-finished', 'datastore-gc-failed'],
  sync: ['backup-sync-finished', 'backup-sync-failed'],
  'tape-backup': ['backup-succeeded', 'backup-failed'],
};

const WORKERS: Readonly<Record<string, Work>> = {
  verify: 'verify',
  verificationjob: 'verify',
  verify_group: 'verify',
  verify_snapshot: 'verify',
  prune: 'prune',
  prunejob: 'prune',
  garbage_collection: 'gc',
  sync: 'sync',
  syncjob: 'sync',
  'tape-backup': 'tape-backup',
  'tape-backup-job': 'tape-backup',
};

interface Done {
  readonly work: Work;
  readonly good: boolean;
  /** Done, but not all is well. */
  readonly doubtful?: boolean;
  readonly datastore: string;
  readonly at: number;
  readonly startedAt?: number;
  readonly jobId?: string;
  readonly reason?: string;
  readonly facts: { readonly [name: string]: Json };
}

const FIRST_LOOK = 26 * 3600;
const KEPT = 8 * 86_400;
const SAME = 180;

const taskRow = z.object({ upid: name, starttime: maybe(num), endtime: num, status: text });

export const pbsWatcher: Watcher<PbsMemory> = {
  name: 'pbs',
  blank: { told: {}, newest: {}, open: [], heard: [] },
  wants: (endpoint) => isHook(endpoint) || /^\/nodes\/[^/]+\/tasks$/.test(pathOf(endpoint)),
  see(before, { endpoint, via, status, data, at }, world): Step<PbsMemory> {
    const hook = isHook(endpoint);
    if (status !== 200 || !(hook || via.startsWith('pbs:'))) return { memory: before, news: [] };
    const memory = structuredClone(before);
    const done = hook ? mailed(readNotification(data), at) : polled(memory, via, data, at);
    return { memory, news: done.flatMap((one) => tell(memory, one, world)) };
  },
};

function polled(memory: PbsMemory, via: string, data: unknown, at: number): Done[] {
  const told = rows(taskRow, data).flatMap((row) => {
    const upid = readUpid(row.upid);
    return upid && upid.type in WORKERS ? [{ row, upid }] : [];
  });
  const newest = Math.max(0, ...told.map(({ upid }) => upid.start));
  const known = memory.newest[via];
  const since = known === undefined ? Math.min(at || newest, newest) - FIRST_LOOK : known - KEPT / 2;
  if (told.length > 0) memory.newest[via] = Math.max(known ?? 0, newest);
  for (const [upid, start] of Object.entries(memory.told))
    if (start < (known ?? newest) - KEPT) delete memory.told[upid];
  return told.flatMap(({ row, upid }): Done[] => {
    if (row.upid in memory.told || upid.start < since) return [];
    memory.told[row.upid] = upid.start;
    const work = WORKERS[upid.type]!;
    const parts = upid.id.split(':');
    const warned = /^WARNINGS: /.test(row.status);
    const good = row.status === 'OK' || (warned && work !== 'sync');
    // syncjob: remote, its store, our store, namespace, job; the others begin with our store.
    const remote = work === 'sync' && parts.length >= 3;
    const jobId = parts.length > 1 ? parts.at(-1) : undefined;
    return [
      {
        work,
        good,
        doubtful: warned,
        datastore: (remote ? parts[2] : parts[0]) || 'unknown',
        at: row.endtime,
        startedAt: upid.start,
        ...(jobId ? { jobId } : {}),
        ...(good ? {} : { reason: warned ? 'some groups were not synced' : row.status }),
        facts: { upid: row.upid, ...(remote ? { remote: parts[0]! } : {}) },
      },
    ];
  });
}

function mailed(notification: Notification | undefined, at: number): Done[] {
  const type = notification?.type;
  if (!notification || type === undefined || !(type in KINDS)) return [];
  const work = type as Work;
  const { title, severity, jobId } = notification;
  const good = severity !== 'error' && !/failed/i.test(title);
  const bad = Number(labelled(notification, 'Still bad chunks') ?? labelled(notification, 'Leftover bad chunks') ?? 0);
  const remote = labelled(notification, 'Remote');
  const remoteStore = labelled(notification, 'Remote Store');
  const pool = notification.fields['media-pool'];
  const broken = listAfter(notification.message, /failed on these snapshots/i);
  const reason = good ? undefined : reasonIn(notification, broken);
  return [
    {
      work,
      good,
      doubtful: bad > 0,
      datastore:
        notification.datastore ?? labelled(notification, 'Datastore') ?? /'([^']+)'/.exec(title)?.[1] ?? 'unknown',
      at: notification.timestamp ?? at,
      ...(jobId ? { jobId } : {}),
      ...(reason ? { reason } : {}),
      facts: {
        ...(notification.hostname ? { hostname: notification.hostname } : {}),
        ...(remote ? { remote } : {}),
        ...(remoteStore ? { remoteStore } : {}),
        ...(pool ? { mediaPool: pool } : {}),
        ...(bad > 0 ? { stillBadChunks: bad } : {}),
        ...(broken.length > 0 ? { snapshots: broken.slice(0, 50) } : {}),
        source: 'notification',
      },
    },
  ];
}

function reasonIn({ message }: Notification, broken: readonly string[]): string | undefined {
  if (broken.length > 0) return `${broken.length} snapshot${broken.length === 1 ? '' : 's'} did not verify`;
  return /^.*\bfailed: (.+)$/im.exec(message)?.[1]?.trim();
}

/** The indented or dashed lines under a heading. */
function listAfter(message: string, heading: RegExp): string[] {
  const lines = message.split(/\r?\n/);
  const start = lines.findIndex((line) => heading.test(line));
  if (start < 0) return [];
  const rest = lines.slice(start + 1);
  const first = rest.findIndex((line) => /\S/.test(line));
  const end = rest.findIndex((line, i) => i > first && !/\S/.test(line));
  return rest
    .slice(Math.max(first, 0), end < 0 ? undefined : end)
    .flatMap((line) => line.replace(/^[\s*-]+/, '').trim() || []);
}

const WORDS: Readonly<Record<Work, string>> = {
  verify: 'Verification',
  prune: 'Prune',
  gc: 'Garbage collection',
  sync: 'Sync',
  'tape-backup': 'Tape backup',
};

function tell(memory: PbsMemory, done: Done, { cluster }: WatchWorld): News[] {
  const { work, good, doubtful, datastore, at, startedAt, jobId, reason, facts } = done;
  const incident = `pbs/${datastore}/${work}`;
  const key = `${incident}/${jobId ?? ''}`;
  if (memory.heard.some((one) => one.key === key && one.good === good && Math.abs(one.at - at) <= SAME)) return [];
  memory.heard = [...memory.heard.slice(-99), { key, at, good }];
  const isOpen = memory.open.includes(incident);
  if (good) memory.open = memory.open.filter((one) => one !== incident);
  else if (!isOpen) memory.open = [...memory.open, incident];
  const remote = typeof facts.remote === 'string' ? ` from ${facts.remote}` : '';
  const severity: Severity = good ? (doubtful ? 'warning' : 'info') : doubtful ? 'warning' : 'error';
  return [
    {
      kind: KINDS[work][good ? 0 : 1],
      severity,
      phase: good ? (isOpen ? 'ends' : 'note') : isOpen ? 'goes-on' : 'opens',
      cluster,
      incident,
      at,
      ...(startedAt === undefined ? {} : { startedAt, endedAt: at }),
      jobId: jobId ?? null,
      text: [
        `${WORDS[work]} of ${datastore}${remote}: ${good ? (doubtful ? 'done, with warnings' : 'done') : 'failed'}`,
        ...(reason ? [reason] : []),
        ...(facts.stillBadChunks ? [`${facts.stillBadChunks} chunks are still bad`] : []),
      ].join('\n'),
      facts: { datastore, ...(reason ? { reason } : {}), ...facts },
    },
  ];
}
