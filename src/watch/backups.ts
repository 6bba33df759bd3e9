import type { News, Observation, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { type BackupJob, jobOf, readJobs } from './backup-jobs.ts';
import { backupNews, verdictOf } from './backup-news.ts';
import {
  type BackupTask,
  forget,
  gather,
  linesOf,
  type TaskMemory,
  tasksToLookAt,
  wantsTasks,
} from './backup-tasks.ts';
import { isHook, readBackupNotification, readNotification } from './notification.ts';
import { pathOf } from './read.ts';
import { readVzdumpLog } from './vzdump-log.ts';

/** Backup runs: each is told once, when it has ended and its log is read; from the tasks, or the webhook if quicker. */

export interface BackupsMemory extends TaskMemory {
  jobs: BackupJob[];
  /** Open incidents: by key, by node, the guests without a good backup since; none named: all of them. */
  open: Record<string, Record<string, number[]>>;
  /** Runs that a webhook told, until their task is seen; and the reverse. */
  heard: { node: string; at: number; kind: string; vmid?: number }[];
}

/** Seconds after its end that a run waits for its log. */
const LOG_PATIENCE = 120;
/** Seconds a node must be away before a backup on it counts as dead. */
const DEAD_AFTER = 300;
const SAME_RUN = 180;
const HEARD_KEPT = 50;

export const backupsWatcher: Watcher<BackupsMemory> = {
  name: 'backups',
  blank: { jobs: [], tasks: {}, told: {}, newest: {}, open: {}, heard: [] },
  wants: (endpoint) => isHook(endpoint) || pathOf(endpoint) === '/cluster/backup' || wantsTasks(endpoint),
  see(before, observation, world) {
    const memory = structuredClone(before);
    if (isHook(observation.endpoint)) return told(memory, world, hook(memory, observation, world));
    if (pathOf(observation.endpoint) === '/cluster/backup') {
      if (observation.status === 200 && Array.isArray(observation.data)) memory.jobs = readJobs(observation.data);
      return { memory, news: [] };
    }
    gather(memory, observation);
    return told(memory, world, settle(memory, observation.at, world));
  },
  pass(before, at, world) {
    if (Object.keys(before.tasks).length === 0) return { memory: before, news: [] };
    const memory = structuredClone(before);
    return told(memory, world, settle(memory, at, world));
  },
};

export function backupsToLookAt(memory: BackupsMemory, at: number): string[] {
  return tasksToLookAt(memory, at);
}

type Untold = Omit<News, 'cluster'>;

function told(memory: BackupsMemory, world: WatchWorld, news: readonly Untold[]): Step<BackupsMemory> {
  return { memory, news: news.map((one) => ({ ...one, cluster: world.cluster })) };
}

/** Every task that is ripe: ended and read, or ended and read in vain, or gone with its node. */
function settle(memory: BackupsMemory, at: number, world: WatchWorld): Untold[] {
  const news: Untold[] = [];
  for (const task of Object.values(memory.tasks).sort((a, b) => a.start - b.start)) {
    if (task.exit === undefined && diedWithNode(task, at, world)) task.exit = 'unexpected status';
    if ((task.missing ?? 0) >= 5 && task.exit === undefined) {
      forget(memory, task);
      continue;
    }
    const late = task.endSeen !== undefined && at - task.endSeen >= LOG_PATIENCE;
    if (task.exit === undefined || !(task.whole || late || task.endSeen === undefined)) continue;
    forget(memory, task);
    news.push(...finished(memory, task, world));
  }
  return news;
}

/** Its end will never be written where anybody can read it. */
function diedWithNode(task: BackupTask, at: number, world: WatchWorld): boolean {
  const since = world.trouble[task.node];
  return since !== undefined && at - since >= DEAD_AFTER && world.nodes[task.node]?.online === false;
}

function finished(memory: BackupsMemory, task: BackupTask, world: WatchWorld): Untold[] {
  const log = readVzdumpLog(linesOf(task));
  const exit = task.exit!;
  const jobId = jobOf(memory.jobs, { ...task, exit, ...(log.command ? { command: log.command } : {}) });
  const verdict = verdictOf(log, exit);
  const seconds = duration(log.durationSeconds, task);
  const complete = task.whole && !task.gap;
  const warned = Number(/^WARNINGS: (\d+)$/.exec(exit)?.[1] ?? 0);
  const news = backupNews(
    verdict,
    log,
    {
      node: task.node,
      startedAt: task.start,
      warnings: warned,
      ...(jobId ? { jobId } : {}),
      ...(task.end === undefined ? {} : { endedAt: task.end }),
      ...(seconds === undefined ? {} : { seconds }),
      facts: {
        upid: task.upid,
        user: task.user,
        ...(task.token ? { token: task.token } : {}),
        ...(complete ? {} : { logIncomplete: true }),
      },
    },
    world,
  );
  const endedAt = task.end ?? task.start + (seconds ?? 0);
  if (alreadyHeard(memory, { node: task.node, at: endedAt, kind: verdict.kind })) return [];
  return placed(memory, news);
}

/** The log's own times, unless the clocks were changed meanwhile. */
function duration(logged: number | undefined, { start, end }: BackupTask): number | undefined {
  const ran = end === undefined ? undefined : end - start;
  if (logged === undefined) return ran;
  return ran !== undefined && Math.abs(ran - logged) > 3000 ? ran : logged;
}

function hook(memory: BackupsMemory, { data, at }: Observation, world: WatchWorld): Untold[] {
  const notification = readNotification(data);
  if (notification?.type !== 'vzdump' || !notification.hostname) return [];
  const { exit, ...log } = readBackupNotification(notification);
  const verdict = verdictOf(log, exit);
  const endedAt = notification.timestamp ?? at;
  if (alreadyHeard(memory, { node: notification.hostname, at: endedAt, kind: verdict.kind })) return [];
  const { jobId, hostname } = notification;
  const news = backupNews(
    verdict,
    log,
    {
      node: hostname,
      endedAt,
      ...(jobId ? { jobId } : {}),
      ...(log.durationSeconds === undefined
        ? {}
        : { seconds: log.durationSeconds, startedAt: endedAt - log.durationSeconds }),
      facts: { source: 'notification' },
    },
    world,
  );
  return placed(memory, news);
}

/** A run is told by its task and by a webhook, perhaps by several targets: the first one counts (ODDITIES 86). */
function alreadyHeard(memory: BackupsMemory, run: BackupsMemory['heard'][number]): boolean {
  const known = memory.heard.some(
    ({ node, at, kind }) => node === run.node && kind === run.kind && Math.abs(at - run.at) <= SAME_RUN,
  );
  if (!known) memory.heard = [...memory.heard.slice(1 - HEARD_KEPT), run];
  return known;
}

/** Which incident it opens, goes on with or ends: bad runs until each of their guests has a good backup again. */
function placed(memory: BackupsMemory, news: ReturnType<typeof backupNews>): Untold[] {
  const key = `backup/${news.jobId ?? news.node}`;
  const node = news.node!;
  const of = (good: boolean) =>
    (news.guests ?? []).filter(({ result }) => (result === 'ok') === good).map(({ vmid }) => vmid);
  const failed = news.severity === 'error' || news.kind === 'backup-aborted';
  const wasOpen = key in memory.open;
  const left = memory.open[key]?.[node] ?? [];
  // A run of one guest says nothing of the others.
  const whole = news.jobId !== null || (news.guests?.length ?? 0) > 1;
  const over = closed(memory, of(true), failed ? undefined : { key, node, whole });
  if (failed) {
    const bad = of(false);
    const missing = bad.length === 0 ? [] : [...new Set([...left.filter((vmid) => !of(true).includes(vmid)), ...bad])];
    memory.open[key] = { ...memory.open[key], [node]: missing };
  }
  const phase = failed ? (wasOpen ? 'goes-on' : 'opens') : over.includes(key) ? 'ends' : 'note';
  const others = over.filter((one) => one !== key);
  return [{ ...news, incident: key, phase }, ...others.map((incident) => coveredAgain(incident, news))];
}

/** The incidents that these good backups end. */
function closed(
  memory: BackupsMemory,
  good: readonly number[],
  run?: { key: string; node: string; whole: boolean },
): string[] {
  return Object.keys(memory.open).filter((key) => {
    const nodes = memory.open[key]!;
    for (const [node, missing] of Object.entries(nodes)) {
      const left = missing.filter((vmid) => !good.includes(vmid));
      const again = run?.key === key && run.node === node && (run.whole || missing.length === 0);
      if (again || (missing.length > 0 && left.length === 0)) delete nodes[node];
      else nodes[node] = left;
    }
    if (Object.keys(nodes).length > 0) return false;
    delete memory.open[key];
    return true;
  });
}

function coveredAgain(incident: string, { at, node }: ReturnType<typeof backupNews>): Untold {
  return {
    kind: 'backup-succeeded',
    severity: 'info',
    incident,
    phase: 'ends',
    ...(at === undefined ? {} : { at }),
    ...(node ? { node } : {}),
    text: 'All its guests have a good backup again',
  };
}
