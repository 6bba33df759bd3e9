import type { Clock } from '../../src/contracts/clock.ts';
import type { TaskEnd } from '../../src/contracts/cluster.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { reads } from './calls.ts';
import type { Asker } from './client.ts';
import { count, readAs, TaskLog, TaskStatus, Tasks } from './schema.ts';
import { readUpid, type Upid } from './upid.ts';

/** Milliseconds. */
export interface Patience {
  /** First and longest pause between looks; each pause is half as long again as the one before. */
  readonly first: number;
  readonly longest: number;
  /** How long a task's node may be out of reach, or deny the task, before we give up. */
  readonly tolerance: number;
}

export const usualPatience: Patience = { first: 500, longest: 2_000, tolerance: 120_000 };

/** Lines kept of a log, and how many are asked for at once. */
const tailLines = 40;
const pageLines = 500;
const pagesPerLook = 10;

export interface TaskState {
  readonly running: boolean;
  /** Empty while it runs. */
  readonly exit: string;
}

/** Decided by the status of the task itself: after a node crash the list still says RUNNING (PROBES.md 4). */
export async function taskState(client: Asker, upid: string, node: string): Promise<TaskState> {
  const read = reads.taskStatus(node, upid);
  const { status, exitstatus } = readAs(TaskStatus, (await client.get(read)).data, client.attempt(read));
  return { running: status === 'running', exit: exitstatus ?? (status === 'running' ? '' : 'unknown') };
}

/** `WARNINGS: n` is success, everything else but `OK` is not (ODDITIES 46). */
export const succeeded = (exit: string): boolean => exit === 'OK' || /^WARNINGS: \d+$/.test(exit);

/** Killed hard: no result line in the log, or no log at all (PROBES.md 3, 4). What it did is unknown. */
export const wasKilled = (exit: string): boolean =>
  exit === 'unexpected status' || exit.startsWith('unable to read tail');

/** Follows a task at the node in its UPID, which may not be the node that was asked. */
export async function followTask(
  client: Asker,
  clock: Clock,
  patience: Patience,
  upid: string,
  onLog?: (line: string) => void,
): Promise<TaskEnd> {
  const { node } = needUpid(upid);
  const log = new LogReader(client, node, upid, onLog);
  let pause = patience.first;
  let silentSince: number | undefined;
  for (;;) {
    try {
      const state = await taskState(client, upid, node);
      silentSince = undefined;
      if (!state.running) return ended(state.exit, await log.finish());
      if (onLog) await log.tell();
    } catch (error) {
      if (silentSince === undefined) onLog?.(`${node} does not answer; waiting for it`);
      silentSince ??= clock.now();
      if (!passing(error)) throw lost(upid, error);
      if (clock.now() - silentSince >= patience.tolerance) throw lost(upid, error);
    }
    await clock.wait(pause, client.closing);
    pause = Math.min(pause * 1.5, patience.longest);
  }
}

function ended(exit: string, log: readonly string[]): TaskEnd {
  const warnings = Number(/^WARNINGS: (\d+)$/.exec(exit)?.[1] ?? 0);
  return { ok: succeeded(exit), warnings, exit, killed: wasKilled(exit), log };
}

/** The node may come back, and a task just started may not be known yet (ODDITIES 48). */
const passing = (error: unknown) =>
  error instanceof Failed && (error.failure.kind === 'unavailable' || error.failure.kind === 'not-found');

/** Whatever stops us from following, the task goes on without us. */
function lost(upid: string, error: unknown): unknown {
  if (!(error instanceof Failed)) return error;
  const { failure } = error;
  return new Failed(
    { ...failure, kind: 'in-doubt', what: `the task ${upid} could not be followed to its end`, sent: 'unknown' },
    { cause: error },
  );
}

function needUpid(upid: string): Upid {
  const read = readUpid(upid);
  if (read) return read;
  return fail('internal', {
    what: 'the task cannot be followed',
    why: `${JSON.stringify(upid.slice(0, 100))} is not a UPID`,
    next: 'look at the task list of the node',
    sent: 'unknown',
  });
}

/** Reads a log from the front, as far as somebody listens, and its end in any case. */
class LogReader {
  readonly #client: Asker;
  readonly #node: string;
  readonly #upid: string;
  readonly #onLog: ((line: string) => void) | undefined;
  #next = 0;
  #total = 0;
  #tail: string[] = [];

  constructor(client: Asker, node: string, upid: string, onLog: ((line: string) => void) | undefined) {
    this.#client = client;
    this.#node = node;
    this.#upid = upid;
    this.#onLog = onLog;
  }

  /** News for the listener; what cannot be read now is read at the end, which also says so. */
  async tell(): Promise<void> {
    try {
      await this.#catchUp();
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
    }
  }

  async #catchUp(): Promise<void> {
    for (let page = 0; page < pagesPerLook; page++) if ((await this.#page()) < pageLines) return;
  }

  /** The result is known already, so a log that cannot be read costs only the log. */
  async finish(): Promise<readonly string[]> {
    try {
      await this.#catchUp();
      if (this.#total > this.#next) {
        this.#next = Math.max(this.#next, this.#total - pageLines);
        await this.#page();
      }
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      return [...this.#tail, `(the log could not be read: ${error.failure.why})`];
    }
    return this.#tail;
  }

  async #page(): Promise<number> {
    const lines = await this.#lines(this.#next, pageLines);
    this.#next += lines.length;
    this.#tail = [...this.#tail, ...lines].slice(-tailLines);
    if (this.#onLog) for (const line of lines) this.#onLog(line);
    return lines.length;
  }

  async #lines(start: number, limit: number): Promise<string[]> {
    const read = reads.taskLog(this.#node, this.#upid, start, limit);
    const { data, total } = await this.#client.get(read);
    const rows = readAs(TaskLog, data, this.#client.attempt(read));
    // Nothing logged is one line `no content` (ODDITIES 50).
    this.#total = count(total);
    const empty = rows.length === 1 && rows[0]?.t === 'no content' && this.#total <= 1;
    return empty ? [] : rows.map((row) => (row.t ?? '').slice(0, 1_000));
  }
}

/** A task of ours: same token, right guest, begun no earlier than `sinceMs` (our clock, skew already taken off). */
export async function ourTasks(
  client: Asker,
  node: string,
  vmid: number,
  types: readonly string[],
  sinceMs: number,
): Promise<readonly string[]> {
  const since = Math.max(0, Math.floor(sinceMs / 1_000));
  const read = reads.tasks(node, vmid, since);
  const rows = readAs(Tasks, (await client.get(read)).data, client.attempt(read));
  return rows
    .map((row) => ({ text: row.upid ?? '', upid: readUpid(row.upid) }))
    .filter(({ upid }) => upid && upid.who === client.tokenId && upid.id === String(vmid))
    .filter(({ upid }) => types.includes(upid!.type) && upid!.startedAt >= since)
    .sort((a, b) => b.upid!.startedAt - a.upid!.startedAt)
    .map(({ text }) => text);
}
