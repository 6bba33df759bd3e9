import type { Clock } from './contracts/clock.ts';
import type { Answer, Cluster, ProbeAnswer, Trace } from './contracts/cluster.ts';
import { Failed, type Failure } from './contracts/failure.ts';
import { type Effect, isNodeCall, type Probe } from './contracts/plan.ts';
import type { StoredStep } from './contracts/store.ts';

/**
 * One journaled call. Order on disk: intent, effect, result. A call whose answer is lost is in doubt exactly as
 * after a crash: probe; done → go on; absent → repeat only where Proxmox itself refuses a second one; anything
 * unclear waits for a person. What a step may do is only what its plan holds.
 */
export interface StepWork {
  readonly call: Effect;
  readonly probe: Probe;
  readonly repeat: 'refused' | 'never';
  readonly settle?: { readonly probe: Probe; readonly seconds: number };
}

export interface StepTools {
  readonly hands: Cluster;
  readonly clock: Clock;
  readonly run: string;
  readonly signal: AbortSignal;
  /** Commits the row and its audit entry in one transaction. */
  write(row: StoredStep, kind: string): Promise<void>;
  onLog(line: string): void;
}

/** Thrown when the bot stops while a step is under way; the journal holds what the next process needs. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const GOES_ON = 'the bot stops; the next start goes on from here';

/** Waits between looks after a lost answer, milliseconds: two minutes in all. */
const LOOKS = [100, 400, 1000, 2000, 3000, 5000, 8000, 10_000, 15_000, 15_000, 20_000, 20_000, 20_000] as const;
/** A helper that lost us goes on for as long as its call may take; it is looked for that long, this often, milliseconds. */
const LATE_LOOK = 30_000;
/** A bot that stops still hears the answer of a helper that is nearly done, milliseconds. */
const GRACE = 5000;
/** Looks in a row that must say "absent" before it is believed enough to repeat a call that Proxmox would refuse twice. */
const ABSENT_LOOKS = 3;
const MOST_SENDS = 3;
const SETTLE_LOOK = 1000;

/** Probes that ask for a state which may hold without us; for them "already so" ends the step well. */
const STATE_PROBES: readonly Probe['kind'][] = [
  'guest-running',
  'guest-config',
  'replication-disabled',
  'replication-gone',
  'node-verb',
  'book',
];

/** Brings the step to done, failed or in-doubt and resolves its final row. Resumes from whatever state the row is in. */
export async function performStep(work: StepWork, row: StoredStep, tools: StepTools): Promise<StoredStep> {
  return new Step(work, row, tools).perform();
}

class Step {
  readonly #work: StepWork;
  readonly #tools: StepTools;
  #row: StoredStep;

  constructor(work: StepWork, row: StoredStep, tools: StepTools) {
    this.#work = work;
    this.#row = row;
    this.#tools = tools;
  }

  async perform(): Promise<StoredStep> {
    if (this.#row.state !== 'pending' && this.#row.state !== 'intent') return this.#row;
    if (this.#row.state === 'pending') return this.#send();
    return this.#row.upid
      ? this.#follow(this.#row.upid)
      : this.#recover('the bot was restarted while this call was under way');
  }

  get #trace(): Trace {
    const { startedAt, upid } = this.#row;
    return { run: this.#tools.run, intentAt: startedAt ?? this.#tools.clock.now(), ...(upid ? { upid } : {}) };
  }

  async #save(patch: Partial<StoredStep>, kind: string): Promise<StoredStep> {
    this.#row = { ...this.#row, ...patch };
    await this.#tools.write(this.#row, kind);
    return this.#row;
  }

  #end(state: 'done' | 'failed' | 'in-doubt', note: string, ours: boolean): Promise<StoredStep> {
    return this.#save({ state, note, ours, endedAt: this.#tools.clock.now() }, 'result');
  }

  async #send(): Promise<StoredStep> {
    this.#stopHere();
    const startedAt = this.#row.startedAt ?? this.#tools.clock.now();
    await this.#save({ state: 'intent', sent: this.#row.sent + 1, startedAt, upid: undefined }, 'intent');
    let answer: Answer;
    try {
      answer = await this.#ask();
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      if (error.failure.sent === 'no')
        return this.#row.sent > 1
          ? this.#recover(words(error.failure))
          : this.#end('failed', this.#refusal(error.failure), false);
      if (error.failure.sent === 'refused') return this.#refused(error.failure);
      return this.#recover(words(error.failure));
    }
    for (const line of answer.log ?? []) this.#tellLog(line);
    if (answer.result !== undefined) this.#row = { ...this.#row, result: answer.result };
    if (answer.already) return this.#wasSo(answer.says ?? '');
    if (answer.upid === undefined) return this.#settle(answer.says ?? 'OK');
    await this.#save({ upid: answer.upid }, 'task');
    return this.#follow(answer.upid);
  }

  /** A node may work for an hour on one call; a bot that stops leaves it, since a probe tells what became of it. */
  #ask(): Promise<Answer> {
    const { call } = this.#work;
    const answer = this.#tools.hands.send(call, (line) => this.#tellLog(line));
    return isNodeCall(call) ? this.#unlessStopped(answer, GRACE) : answer;
  }

  /** Nothing to do any more. After a repeat that can mean that the first try got through. */
  async #wasSo(says: string): Promise<StoredStep> {
    const seen = this.#row.sent > 1 ? await this.#look(this.#work.probe) : undefined;
    return this.#settle(`was so already: ${says}`, seen?.state === 'done');
  }

  /** The other side said no. After a repeat that can mean that the first try got through; before, that it is so already. */
  async #refused(failure: Failure): Promise<StoredStep> {
    const byNode = isNodeCall(this.#work.call);
    // A helper answers yes to what is so already, so its no is one.
    if (byNode && this.#row.sent === 1) return this.#end('failed', this.#refusal(failure), false);
    const seen = await this.#look(this.#work.probe);
    if (seen.state === 'done' || (seen.state === 'running' && seen.upid)) return this.#believe(seen, words(failure));
    if (seen.state === 'already' && !byNode && STATE_PROBES.includes(this.#work.probe.kind))
      return this.#end('done', `was so already: ${seen.evidence}`, false);
    // Not so now, but the lost first call may still come: the silent window has no upper bound (PROBES.md 1).
    if ((seen.state === 'unknown' || seen.state === 'absent') && this.#row.sent > 1)
      return this.#recover(words(failure));
    return this.#end('failed', words(failure), false);
  }

  /** A node's own refusal knows what helps; one of the API mostly repeats what was asked. */
  #refusal(failure: Failure): string {
    return isNodeCall(this.#work.call) ? `${words(failure)}\nNext: ${failure.next}` : words(failure);
  }

  async #follow(upid: string): Promise<StoredStep> {
    try {
      const end = await this.#unlessStopped(this.#tools.hands.followTask(upid, (line) => this.#tellLog(line)));
      this.#stopHere();
      if (end.killed) return this.#recover(`the task was killed: ${end.exit}`);
      if (!end.ok) return this.#taskFailed([end.exit, ...end.log.slice(-3)].join('\n'));
      return this.#settle(end.exit);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      this.#stopHere();
      return this.#recover(words(error.failure));
    }
  }

  /** Some calls are refused only in their task: after a repeat that can mean that the first try got through. */
  async #taskFailed(note: string): Promise<StoredStep> {
    const seen = this.#row.sent > 1 ? await this.#look(this.#work.probe) : undefined;
    if (seen?.state === 'done') return this.#settle(seen.evidence);
    if (seen?.state === 'unknown') return this.#recover(note);
    return this.#end('failed', note, false);
  }

  #tellLog(line: string): void {
    if (!this.#tools.signal.aborted) this.#tools.onLog(line);
  }

  /** A task may take hours; a bot that stops does not wait for it, since its UPID is in the journal. */
  async #unlessStopped<T>(work: Promise<T>, grace = 0): Promise<T> {
    // Nobody listens to the look that is left behind; it ends when its connection is closed.
    work.catch(() => undefined);
    const { clock, signal } = this.#tools;
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = () => void (grace ? clock.wait(grace) : Promise.resolve()).then(() => reject(new Interrupted(GOES_ON)));
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
    stopped.catch(() => undefined);
    try {
      return await Promise.race([work, stopped]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #settle(note: string, ours = true): Promise<StoredStep> {
    const { settle } = this.#work;
    if (!settle) return this.#end('done', note, ours);
    const { clock, signal } = this.#tools;
    const until = clock.now() + settle.seconds * 1000;
    for (;;) {
      const seen = await this.#look(settle.probe);
      if (seen.state === 'done' || seen.state === 'already') return this.#end('done', note, ours);
      if (clock.now() >= until)
        return this.#end('failed', `accepted, but after ${settle.seconds} s: ${seen.evidence}`, ours);
      await clock.wait(SETTLE_LOOK, signal);
      this.#stopHere();
    }
  }

  /** What became of a call nobody saw the answer of? */
  async #recover(reason: string): Promise<StoredStep> {
    let absent = 0;
    let last = '';
    for (const wait of this.#waits()) {
      await this.#tools.clock.wait(wait, this.#tools.signal);
      this.#stopHere();
      const seen = await this.#look(this.#work.probe);
      last = seen.evidence;
      this.#tools.onLog(`finding out what became of it: ${seen.evidence}`);
      const open = seen.state === 'absent' || seen.again === true;
      absent = open ? absent + 1 : 0;
      if (seen.state === 'unknown') continue;
      if (!open) return this.#believe(seen, reason);
      if (absent < ABSENT_LOOKS) continue;
      if (this.#work.repeat === 'refused' && this.#row.sent < MOST_SENDS) return this.#send();
    }
    return this.#end('in-doubt', `${reason}; looked: ${last}. The call may still take effect`, false);
  }

  *#waits(): Generator<number> {
    yield* LOOKS;
    const { call } = this.#work;
    if (!isNodeCall(call)) return;
    const elapsed = this.#tools.clock.now() - (this.#row.startedAt ?? 0);
    for (let left = (call.seconds ?? 60) * 1000 - elapsed; left > 0; left -= LATE_LOOK) yield LATE_LOOK;
  }

  async #believe(seen: ProbeAnswer, reason: string): Promise<StoredStep> {
    if (seen.state === 'done') return this.#settle(seen.evidence);
    if (seen.state === 'running' && seen.upid) {
      await this.#save({ upid: seen.upid }, 'task');
      return this.#follow(seen.upid);
    }
    if (seen.state === 'already' && STATE_PROBES.includes(this.#work.probe.kind))
      return this.#end('done', `is so: ${seen.evidence}`, false);
    if (seen.state === 'running') return this.#end('in-doubt', `${reason}; looked: ${seen.evidence}`, false);
    return this.#end('failed', `${reason}; looked: ${seen.evidence}`, false);
  }

  async #look(probe: Probe): Promise<ProbeAnswer> {
    try {
      return await this.#tools.hands.probe(probe, this.#trace);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      return { state: 'unknown', evidence: words(error.failure) };
    }
  }

  #stopHere(): void {
    if (this.#tools.signal.aborted) throw new Interrupted(GOES_ON);
  }
}

function words(failure: Failure): string {
  return failure.why;
}
