import type { Task } from './tasks.ts';

/** Which requests a fault is for. Paths are without `/api2/json`; a string matches from its start. */
export interface RequestMatch {
  method?: string;
  path?: string | RegExp;
  node?: string;
  /** How many matching requests it hits. Default 1. */
  times?: number;
}

export type RequestFault =
  /** Answer this instead of doing anything. */
  | { kind: 'answer'; status: number; reason: string; body?: unknown }
  /** Do it, then close the connection without a word. */
  | { kind: 'lose-answer' }
  /** Close the connection without doing anything. */
  | { kind: 'drop' }
  /** Never answer; with `execute` do it all the same. */
  | { kind: 'hang'; execute?: boolean }
  /** Answer late. */
  | { kind: 'delay'; ms: number };

export interface TaskMatch {
  type?: string;
  id?: string;
  node?: string;
  times?: number;
}

export interface TaskFault {
  /** Wait before the work begins. */
  delayMs?: number;
  /** End with this error: at `stage`, else at once. */
  fail?: string;
  /** Kill without any clean-up: at `stage`, else at the first point. Stages of vzcreate: locked, complete. */
  kill?: boolean;
  stage?: string;
  /** Lines to warn with; the task ends `WARNINGS: n`. */
  warnings?: string[];
}

/** Which calls of the program on a node (over SSH) a fault is for. */
export interface ShellMatch {
  node?: string;
  verb?: string;
  mode?: 'run' | 'probe' | 'dry-run';
  /** How many matching calls it hits. Default 1. */
  times?: number;
}

export type ShellFault =
  /** Do it, then cut the connection without a word. */
  | { kind: 'lose-answer' }
  /** Cut the connection without doing anything. */
  | { kind: 'drop' }
  /** Never answer; with `execute` do it all the same. */
  | { kind: 'hang'; execute?: boolean }
  /** The program does nothing and says this; `kind` is one of its own kinds, such as `in-doubt`. */
  | { kind: 'fail'; failure: { kind: string; what: string; why: string; next: string } }
  /** Do nothing, answer exactly this. */
  | { kind: 'answer'; stdout: string; stderr?: string; code: number };

interface Armed<Match, Fault> {
  match: Match;
  fault: Fault;
  left: number;
}

/** Faults waiting for the requests and tasks they are for. */
export class Faults {
  readonly #requests: Armed<RequestMatch, RequestFault>[] = [];
  readonly #tasks: Armed<TaskMatch, TaskFault>[] = [];
  readonly #shell: Armed<ShellMatch, ShellFault>[] = [];

  onRequest(match: RequestMatch, fault: RequestFault): void {
    this.#requests.push({ match, fault, left: match.times ?? 1 });
  }

  onTask(match: TaskMatch, fault: TaskFault): void {
    this.#tasks.push({ match, fault, left: match.times ?? 1 });
  }

  onShell(match: ShellMatch, fault: ShellFault): void {
    this.#shell.push({ match, fault, left: match.times ?? 1 });
  }

  clear(): void {
    this.#shell.length = 0;
    this.#requests.length = 0;
    this.#tasks.length = 0;
  }

  takeRequest(method: string, path: string, node: string): RequestFault | undefined {
    return take(this.#requests, (match) => {
      const pathFits =
        match.path === undefined ||
        (typeof match.path === 'string' ? path.startsWith(match.path) : match.path.test(path));
      return pathFits && (match.method ?? method) === method && (match.node ?? node) === node;
    });
  }

  /** `verb` and `mode` are empty when the request could not be read. */
  takeShell(node: string, verb: string, mode: string): ShellFault | undefined {
    return take(
      this.#shell,
      (match) => (match.node ?? node) === node && (match.verb ?? verb) === verb && (match.mode ?? mode) === mode,
    );
  }

  takeTask(task: Task): TaskFault | undefined {
    return take(
      this.#tasks,
      (match) =>
        (match.type ?? task.type) === task.type &&
        (match.id ?? task.id) === task.id &&
        (match.node ?? task.node) === task.node,
    );
  }
}

function take<Match, Fault>(armed: Armed<Match, Fault>[], fits: (match: Match) => boolean): Fault | undefined {
  const index = armed.findIndex((each) => fits(each.match));
  const found = armed[index];
  if (!found) return undefined;
  found.left -= 1;
  if (found.left <= 0) armed.splice(index, 1);
  return found.fault;
}

/** Something that really happened in the world, once per time it happened. */
export interface Effect {
  /** `create`, `destroy`, `start`, `stop`, `shutdown`, `reboot`, `config`, `replication.create` … */
  kind: string;
  /** vmid, job id, sid … */
  id: string;
  node: string;
  /** `root@pam!rt` */
  by: string;
  /** Epoch milliseconds. */
  at: number;
  upid?: string;
}

/** The log of effects: how a test shows that nothing was done twice. */
export class Effects {
  readonly all: Effect[] = [];

  add(effect: Effect): void {
    this.all.push(effect);
  }

  count(kind: string, id?: string | number): number {
    return this.all.filter((effect) => effect.kind === kind && (id === undefined || effect.id === String(id))).length;
  }
}
