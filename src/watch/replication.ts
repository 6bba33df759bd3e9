import { z } from 'zod';
import type { Observation, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { called } from './ha-memory.ts';
import { isHook } from './notification.ts';
import { pathOf, rows, text } from './read.ts';
import { type JobRow, readJobRows, stateOf } from './replication-job.ts';
import { mailed } from './replication-mail.ts';
import { about, failing, guestOf, incidentOf, judged, type Known, type Untold } from './replication-news.ts';

/** Replication jobs: made, switched, failing, overdue, gone. A dead node's jobs belong to the node's own incident. */

export interface ReplicationMemory {
  jobs: Record<string, Known>;
  /** Whether a whole list was ever seen: from then on, what is new is new. */
  begun: boolean;
  mailed: Record<string, NonNullable<Known['open']>>;
  /** Notifications that were told, by job and count. */
  heard: string[];
}

const NODE = /^\/nodes\/[^/]+\/replication$/;
const STATUS = /^\/nodes\/[^/]+\/replication\/(\d+-\d+)\/status$/;
const LOG = /^\/nodes\/[^/]+\/replication\/(\d+-\d+)\/log$/;

export const replicationWatcher: Watcher<ReplicationMemory> = {
  name: 'replication',
  blank: { jobs: {}, begun: false, mailed: {}, heard: [] },
  wants(endpoint) {
    const path = pathOf(endpoint);
    return isHook(path) || path === '/cluster/replication' || [NODE, STATUS, LOG].some((known) => known.test(path));
  },
  see(before, observation, world): Step<ReplicationMemory> {
    if (observation.status !== 200) return { memory: unread(before, observation), news: [] };
    const memory = structuredClone(before);
    const news = seen(memory, observation, world);
    return { memory, news: news.map((one) => ({ ...one, cluster: world.cluster })) };
  },
};

/** A log that cannot be read is not asked for again before the next try. */
function unread(memory: ReplicationMemory, { endpoint }: Observation): ReplicationMemory {
  const known = memory.jobs[LOG.exec(pathOf(endpoint))?.[1] ?? ''];
  if (!known) return memory;
  const { log: _, ...rest } = known;
  return { ...memory, jobs: { ...memory.jobs, [known.row.id]: { ...rest, logTry: known.row.last_try } } };
}

function seen(memory: ReplicationMemory, observation: Observation, world: WatchWorld): Untold[] {
  const { endpoint, data, at } = observation;
  const path = pathOf(endpoint);
  if (isHook(path)) return mailed(memory, observation, world);
  const log = LOG.exec(path);
  if (log) return logged(memory, log[1]!, data, at, world);
  if (path === '/cluster/replication') return listed(memory, data, at);
  const told = readJobRows(STATUS.test(path) ? [data] : data);
  const switched: { job: string; from: string; to: string; row: JobRow; wasSynced: boolean }[] = [];
  const news: Untold[] = [];
  for (const row of told) {
    const known = memory.jobs[row.id];
    if (!known) {
      const open = memory.mailed[row.id];
      memory.jobs[row.id] = { row, since: at, looks: 1, missed: 0, ...(open ? { open } : {}) };
      delete memory.mailed[row.id];
      news.push(...created(memory, row, at, world));
    } else {
      const from = known.row.source;
      if (from && row.source && from !== row.source)
        switched.push({ job: row.id, from, to: row.source, row, wasSynced: known.row.last_sync > 0 });
      known.row = row;
      known.looks += 1;
      known.missed = 0;
    }
  }
  news.push(...turned(switched, at, world));
  for (const row of told) news.push(...judged(memory.jobs[row.id]!, at, world));
  return news;
}

/** On the first look everything is old, except what would have run within the hour. */
function created(memory: ReplicationMemory, row: JobRow, at: number, world: WatchWorld): Untold[] {
  const neverTried = row.last_sync === 0 && row.last_try === 0 && row.fail_count === 0;
  if (!neverTried || row.disable || row.remove_job !== undefined) return [];
  if (!memory.begun && row.next_sync > 3600) return [];
  const { guest, ...rest } = about(row, at, world);
  return [
    {
      kind: 'replication-job-created',
      severity: 'info',
      phase: 'note',
      ...rest,
      guest,
      text: `Replication ${row.id} of ${called(guest)} → ${row.target} was added${row.schedule ? `, ${row.schedule}` : ''}; not protected before its first run`,
    },
  ];
}

/** Jobs that now run from another node: one news for all that moved together. */
function turned(
  switched: readonly { job: string; from: string; to: string; row: JobRow; wasSynced: boolean }[],
  at: number,
  world: WatchWorld,
): Untold[] {
  const groups = new Map<string, (typeof switched)[number][]>();
  for (const one of switched) {
    const key = JSON.stringify([one.from, one.to, one.row.last_sync > 0]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group): Untold => {
    const { from, to, row } = group[0]!;
    const kept = row.last_sync > 0;
    const lost = from in world.trouble || !kept;
    const jobs = group.map(({ job }) => job);
    return {
      kind: 'replication-direction-switched',
      severity: lost ? 'notice' : 'info',
      incident: from in world.trouble ? `node/${from}` : incidentOf(jobs[0]!),
      phase: from in world.trouble ? 'goes-on' : 'note',
      from,
      to,
      at,
      jobId: jobs.length === 1 ? jobs[0]! : null,
      guests: group.map((one) => guestOf(one.row, world)),
      text: lost
        ? `Replication ${jobs.join(', ')} now runs ${to} → ${row.target}: it overwrites what only ${from} still has when that returns`
        : `Replication ${jobs.join(', ')} now runs ${to} → ${row.target}; the guest was moved`,
      facts: { jobs, newTarget: row.target, lastSyncKept: kept, cause: lost ? 'failover' : 'planned migration' },
    };
  });
}

/** The configured jobs: what is in no list any more was removed; an empty list once may be a hiccup (ODDITIES 23). */
function listed(memory: ReplicationMemory, data: unknown, at: number): Untold[] {
  if (!Array.isArray(data)) return [];
  memory.begun = true;
  const there = new Set(rows(z.object({ id: text }), data).map(({ id }) => id));
  const news: Untold[] = [];
  for (const [id, known] of Object.entries(memory.jobs)) {
    if (there.has(id)) {
      known.missed = 0;
      continue;
    }
    known.missed += 1;
    if (!known.removing && known.missed < 2) continue;
    delete memory.jobs[id];
    const { source, target } = known.row;
    news.push({
      kind: 'replication-job-removed',
      severity: 'info',
      incident: incidentOf(id),
      phase: known.open ? 'ends' : 'note',
      jobId: id,
      guest: { vmid: known.row.guest ?? Number(id.split('-')[0]) },
      ...(source ? { from: source } : {}),
      to: target,
      at,
      text: `Replication ${id} → ${target} was removed`,
    });
  }
  return news;
}

const logLine = z.object({ t: text });

function logged(memory: ReplicationMemory, id: string, data: unknown, at: number, world: WatchWorld): Untold[] {
  const known = memory.jobs[id];
  if (!known) return [];
  known.log = rows(logLine, data)
    .map(({ t }) => t.slice(0, 300))
    .slice(-30);
  known.logTry = known.row.last_try;
  return stateOf(known.row, at).state === 'failing' ? failing(known, at, world) : [];
}

/** Logs of failing jobs whose last try was not read yet. */
export function replicationsToLookAt(memory: ReplicationMemory): string[] {
  return Object.values(memory.jobs).flatMap(({ row, logTry }) =>
    row.fail_count > 0 && row.source && logTry !== row.last_try
      ? [`/nodes/${row.source}/replication/${row.id}/log?limit=0`]
      : [],
  );
}
