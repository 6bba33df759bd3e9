import { z } from 'zod';
import type { Observation } from '../contracts/watch.ts';
import { maybe, name, num, pathOf, rows, text } from './read.ts';
import { readUpid } from './upid.ts';
import { noisy } from './vzdump-log.ts';

/** Backup tasks as they are gathered from lists, states and pages of their log. Plain JSON. */

export interface BackupTask {
  upid: string;
  node: string;
  start: number;
  end?: number;
  user: string;
  token?: string;
  /** How it ended; absent while it runs. */
  exit?: string;
  /** By line number; noise is left out. */
  lines: Record<number, string>;
  /** Lines 1 to this were seen. */
  upTo: number;
  /** Pages were left out. */
  gap?: true;
  /** The line `TASK …` was seen, or all there is after the end. */
  whole?: true;
  /** When its end was seen, and when it was last looked at. */
  endSeen?: number;
  lookedAt: number;
  /** Looks in a row that found no such task. */
  missing?: number;
}

export interface TaskMemory {
  tasks: Record<string, BackupTask>;
  /** UPIDs that were told, and when they began. */
  told: Record<string, number>;
  /** By node: the start of the newest task seen. */
  newest: Record<string, number>;
}

const listRow = z.object({
  upid: name,
  type: maybe(text),
  starttime: maybe(num),
  endtime: maybe(num),
  status: maybe(text),
  exitstatus: maybe(text),
});

const FIRST_LOOK = 26 * 3600;
const KEPT = 8 * 86_400;
const LINES_KEPT = 4000;

const TASK_PATH = /^\/nodes\/[^/]+\/tasks\/([^/]+)\/(status|log)$/;

export function wantsTasks(endpoint: string): boolean {
  const path = pathOf(endpoint);
  if (path === '/cluster/tasks' || /^\/nodes\/[^/]+\/tasks$/.test(path)) return true;
  const found = TASK_PATH.exec(path);
  return found !== null && readUpid(decoded(found[1]!))?.type === 'vzdump';
}

/** What an answer tells of backup tasks, written into `memory`. */
export function gather(memory: TaskMemory, { endpoint, status, data, at }: Observation): void {
  const path = pathOf(endpoint);
  const found = TASK_PATH.exec(path);
  if (found) {
    one(memory, decoded(found[1]!), { status, data, at, ...(found[2] === 'log' ? { limit: limitOf(endpoint) } : {}) });
    return;
  }
  if (status !== 200) return;
  const told = rows(listRow, data).flatMap((row) => {
    const upid = readUpid(row.upid);
    return upid?.type === 'vzdump' ? [{ row, upid }] : [];
  });
  const newest = Math.max(0, ...told.map(({ upid }) => upid.start));
  for (const { row, upid } of told) {
    if (row.upid in memory.told) continue;
    const ended = row.status !== undefined && row.status !== 'RUNNING';
    const since =
      memory.newest[upid.node] === undefined
        ? Math.min(at || newest, newest) - FIRST_LOOK
        : memory.newest[upid.node]! - KEPT / 2;
    // What ended long before the first look is no news.
    if (!(row.upid in memory.tasks) && ended && upid.start < since) continue;
    const task = taskOf(memory, row.upid, at);
    if (row.endtime !== undefined) task.end = row.endtime;
    if (ended) ends(task, row.status!, at);
  }
  for (const { upid } of told) memory.newest[upid.node] = Math.max(memory.newest[upid.node] ?? 0, upid.start);
}

interface Answer {
  readonly status: number;
  readonly data?: unknown;
  readonly at: number;
  /** Of a page of the log: how many lines were asked for. */
  readonly limit?: number;
}

function one(memory: TaskMemory, upid: string, { status, data, at, limit }: Answer): void {
  if (upid in memory.told || readUpid(upid)?.type !== 'vzdump') return;
  const known = memory.tasks[upid];
  if (known) known.lookedAt = at;
  if (status !== 200) {
    // A node that is away costs each look many seconds: not so soon again.
    if (known && (status === 0 || status >= 595)) known.lookedAt = at + 240;
    if (known && (status === 400 || status === 404 || status === 500)) known.missing = (known.missing ?? 0) + 1;
    return;
  }
  const task = taskOf(memory, upid, at);
  delete task.missing;
  if (limit !== undefined) {
    page(task, data, limit);
    // There is more to read at once.
    if (Array.isArray(data) && data.length >= limit) task.lookedAt = at - 60;
    return;
  }
  const read = rows(listRow, [data])[0];
  if (read?.status === 'stopped' && read.exitstatus !== undefined) ends(task, read.exitstatus, at);
}

function taskOf(memory: TaskMemory, upid: string, at: number): BackupTask {
  const known = memory.tasks[upid];
  if (known) return known;
  const { node, start, user, token } = readUpid(upid)!;
  const task: BackupTask = {
    upid,
    node,
    start,
    user,
    ...(token ? { token } : {}),
    lines: {},
    upTo: 0,
    lookedAt: at - 3600,
  };
  memory.tasks[upid] = task;
  return task;
}

function ends(task: BackupTask, exit: string, at: number): void {
  task.exit ??= exit;
  task.endSeen ??= at;
}

const line = z.object({ n: num, t: text });

/** Proxmox gives 50 lines unless told; 0 means all (ODDITIES 49). */
function limitOf(endpoint: string): number {
  const asked = Number(/[?&]limit=(\d+)/.exec(endpoint)?.[1] ?? 50);
  return asked === 0 ? Number.POSITIVE_INFINITY : asked;
}

function page(task: BackupTask, data: unknown, limit: number): void {
  if (!Array.isArray(data)) return;
  const read = rows(line, data).sort((a, b) => a.n - b.n);
  if (read.length === 0 || (read.length === 1 && read[0]!.t === 'no content')) {
    // A page behind the last line: there is no more.
    if (task.exit !== undefined) task.whole = true;
    return;
  }
  if (read[0]!.n > task.upTo + 1) task.gap = true;
  for (const { n, t } of read) if (!noisy(t) && Object.keys(task.lines).length < LINES_KEPT) task.lines[n] = t;
  const last = read.at(-1)!;
  task.upTo = Math.max(task.upTo, last.n);
  if (/^TASK (OK|WARNINGS: \d+|ERROR: )/.test(last.t)) {
    task.whole = true;
    task.lines[last.n] = last.t;
    task.exit ??= last.t.replace(/^TASK (ERROR: )?/, '');
  }
  // The log of a task that was killed has no last line.
  else if (task.exit !== undefined && read.length < limit) task.whole = true;
}

export function linesOf(task: BackupTask): string[] {
  return Object.keys(task.lines)
    .map(Number)
    .sort((a, b) => a - b)
    .map((n) => task.lines[n]!);
}

/** Nothing of it is asked or told again. */
export function forget(memory: TaskMemory, task: BackupTask): void {
  delete memory.tasks[task.upid];
  memory.told[task.upid] = task.start;
  const oldest = Math.max(...Object.values(memory.newest), task.start) - KEPT;
  for (const [upid, start] of Object.entries(memory.told)) if (start < oldest) delete memory.told[upid];
}

/** Answers worth a look now: how tasks ended, and the rest of their logs. */
export function tasksToLookAt(memory: TaskMemory, at: number): string[] {
  return Object.values(memory.tasks).flatMap((task) => {
    const base = `/nodes/${task.node}/tasks/${encodeURIComponent(task.upid)}`;
    if (task.exit === undefined) return at - task.lookedAt >= 60 ? [`${base}/status`] : [];
    return task.whole || at - task.lookedAt < 5 ? [] : [`${base}/log?start=${task.upTo}&limit=500`];
  });
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
