import type { Caller } from './call.ts';
import { seconds } from './clock.ts';
import type { Faults, TaskFault } from './faults.ts';
import type { World } from './world.ts';

export interface Task {
  upid: string;
  node: string;
  pid: number;
  pstart: number;
  /** Epoch seconds. */
  starttime: number;
  endtime?: number;
  type: string;
  id: string;
  user: string;
  tokenid?: string;
  log: string[];
  status: 'running' | 'stopped';
  exitstatus?: string;
}

/** What a task's work sees. Throwing ends the task with the error's message as its exit status. */
export interface TaskRun {
  readonly upid: string;
  log(line: string): void;
  /** A warning: the task ends `WARNINGS: n`. */
  warn(line: string): void;
  /**
   * Lets `share` of a task's usual time pass. `stage` names the point, so that a test can kill the task there.
   * Rejects when the task is interrupted (clean up!); never comes back when it is killed.
   */
  pass(share: number, stage?: string): Promise<void>;
}

export type TaskWork = (run: TaskRun) => Promise<void>;

interface Running {
  interrupt: (error: Error) => void;
  kill: () => void;
}

const hex = (value: number, digits = 8) => value.toString(16).toUpperCase().padStart(digits, '0');
const rootCaller: Caller = { full: 'root@pam', user: 'root@pam' };

/** Tasks of all nodes; each node keeps its own list, newest first. */
export class Tasks {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #ms: number;
  readonly #byNode = new Map<string, Task[]>();
  readonly #running = new Map<string, Running>();
  #pid = 1200;

  constructor(world: World, faults: Faults, ms: number) {
    this.#world = world;
    this.#faults = faults;
    this.#ms = ms;
    world.onPowerLoss.push((node) => {
      for (const task of this.of(node.name)) if (task.status === 'running') this.kill(task.upid);
    });
  }

  of(node: string): Task[] {
    return this.#byNode.get(node) ?? [];
  }

  find(upid: string): Task | undefined {
    return [...this.#byNode.values()].flat().find((task) => task.upid === upid);
  }

  nextPid(): number {
    this.#pid += 1 + (this.#pid % 7);
    return this.#pid;
  }

  /** Starts the work and returns its UPID at once. Without a caller it is root@pam's, as HA's and the scheduler's are. */
  start(spec: { node: string; type: string; id: string; caller?: Caller }, work: TaskWork): string {
    const caller = spec.caller ?? rootCaller;
    const node = this.#world.node(spec.node);
    const pid = this.nextPid();
    const starttime = seconds(this.#world.clock);
    const pstart = Math.max(1, Math.floor((this.#world.clock.now() - node.bootedAt) / 10));
    const upid = `UPID:${spec.node}:${hex(pid)}:${hex(pstart)}:${hex(starttime)}:${spec.type}:${spec.id}:${caller.full}:`;
    const task: Task = {
      upid,
      node: spec.node,
      pid,
      pstart,
      starttime,
      type: spec.type,
      id: spec.id,
      user: caller.user,
      tokenid: caller.tokenid,
      log: [],
      status: 'running',
    };
    this.#byNode.set(spec.node, [task, ...this.of(spec.node)]);
    void this.#drive(task, work);
    return upid;
  }

  async #drive(task: Task, work: TaskWork): Promise<void> {
    const fault = this.#faults.takeTask(task);
    let warnings = 0;
    const controls: Running = { interrupt: () => {}, kill: () => {} };
    this.#running.set(task.upid, controls);
    const run: TaskRun = {
      upid: task.upid,
      log: (line) => task.log.push(line),
      warn: (line) => {
        warnings++;
        task.log.push(line);
      },
      pass: (share, stage) => this.#pass(task, controls, share, stage, fault),
    };
    controls.kill = () => this.#end(task, 'unexpected status');
    const delayed = fault?.delayMs;
    try {
      if (delayed !== undefined) await this.#sleep(task, controls, delayed);
      if (fault?.fail !== undefined && !fault.stage) throw new Error(fault.fail);
      await work(run);
      for (const line of fault?.warnings ?? []) run.warn(line);
      this.#end(task, warnings > 0 ? `WARNINGS: ${warnings}` : 'OK');
    } catch (error) {
      this.#end(task, error instanceof Error ? error.message : String(error));
    }
  }

  #pass(task: Task, controls: Running, share: number, stage: string | undefined, fault?: TaskFault): Promise<void> {
    const here = fault && (fault.stage === undefined || fault.stage === stage);
    if (here && fault.kill) {
      this.kill(task.upid);
      return new Promise(() => {});
    }
    if (here && fault.fail !== undefined) return Promise.reject(new Error(fault.fail));
    return this.#sleep(task, controls, share * this.#ms);
  }

  #sleep(task: Task, controls: Running, ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#world.clock.after(ms, () => {
        if (task.status === 'running') resolve();
      });
      controls.interrupt = (error) => {
        cancel();
        reject(error);
      };
      controls.kill = () => {
        cancel();
        this.#end(task, 'unexpected status');
      };
    });
  }

  #end(task: Task, exitstatus: string): void {
    if (task.status === 'stopped') return;
    task.status = 'stopped';
    task.endtime = seconds(this.#world.clock);
    task.exitstatus = exitstatus;
    this.#running.delete(task.upid);
    if (exitstatus === 'unexpected status') return;
    const good = exitstatus === 'OK' || exitstatus.startsWith('WARNINGS: ');
    task.log.push(good ? `TASK ${exitstatus}` : `TASK ERROR: ${exitstatus}`);
  }

  /** SIGKILL: nothing is cleaned up, the status is `unexpected status`. */
  kill(upid: string): void {
    this.#running.get(upid)?.kill();
  }

  /** What DELETE /nodes/N/tasks/UPID does: the work gets an error and cleans up. */
  interrupt(upid: string): void {
    this.#running.get(upid)?.interrupt(new Error('received interrupt'));
  }

  /** Stops every timer; for the end of a test. */
  stop(): void {
    for (const upid of [...this.#running.keys()]) this.kill(upid);
  }
}
