import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import { Failed, type Failure } from './contracts/failure.ts';
import { MARKER, type PlannedStep, type UndoCall } from './contracts/plan.ts';
import type { RequestRecord, RequestState } from './contracts/records.ts';
import { LostLead, type NewAudit, type Store, type StoredStep } from './contracts/store.ts';
import { guardedHands } from './guard.ts';
import type { Log } from './log.ts';
import { Interrupted, performStep, type StepTools } from './step.ts';

/** What the runner asks of the rest before the first step, and tells it while it goes. */
export interface RunnerSide {
  /** Plans again, checks guards and votes once more. A failure ends the request with nothing changed; `superseded` means a new card was made; `waiting`: votes fell away. */
  lastCheck(
    request: RequestRecord,
  ): Promise<
    | { readonly go: true }
    | { readonly go: false; readonly failure?: Failure; readonly became?: 'superseded' | 'waiting' }
  >;
  /** Something people see has changed. */
  changed(id: string, log?: string): Promise<void>;
  /** A step or an undo ended. */
  stepEnded(request: RequestRecord, step: StoredStep, log: readonly string[]): Promise<void>;
}

export interface RunnerParts {
  readonly store: Store;
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  readonly clock: Clock;
  readonly log: Log;
  readonly side: RunnerSide;
  /** The journal can no longer be written (another leader, disk gone): the process must end. */
  readonly onBroken: (error: unknown) => void;
}

/** Undo rows are kept behind the plan's own steps. */
const UNDO_FROM = 1000;
/** Runs at the same time; each holds connections and polls. */
const MOST_RUNS = 8;

/** Runs approved requests, one at a time per guest, and resumes what an earlier process left. Never plans. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #running = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #waking: Promise<void> = Promise.resolve();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Looks for requests that may run now. Cheap; call it whenever something may have become ready. */
  wake(): Promise<void> {
    this.#waking = this.#waking.then(() => this.#startReady()).catch((error: unknown) => this.#parts.onBroken(error));
    return this.#waking;
  }

  /** Resolves when no run is under way. */
  async settled(): Promise<void> {
    await this.#waking;
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.values()]);
  }

  /** Stops between looks; what is under way is in the journal. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.settled();
  }

  async #startReady(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const ready = await this.#parts.store.requests({ states: ['running', 'undoing', 'approved'], limit: 200 });
    for (const request of [...ready].reverse()) {
      if (this.#running.has(request.id) || this.#running.size >= MOST_RUNS) continue;
      const holder = await this.#parts.store.lock(request.id, request.plan.locks);
      if (holder !== undefined) {
        await this.#note(request, `waits for run ${holder} on the same guest`);
        continue;
      }
      // The list may be older than the end of this run, or than a last check that sent it back.
      const now = await this.#parts.store.request(request.id);
      if (now?.state !== request.state) continue;
      this.#running.set(request.id, this.#go(now));
    }
  }

  async #note(request: RequestRecord, note: string): Promise<void> {
    if (request.note === note) return;
    await this.#parts.store.move(request.id, [request.state], request.state, { note }, []);
    await this.#parts.side.changed(request.id);
  }

  async #go(request: RequestRecord): Promise<void> {
    try {
      if (request.state === 'approved' && !(await this.#begin(request))) return;
      if (!this.#parts.clusters.has(request.cluster)) return await this.#strand(request);
      await new Run(this.#parts, request, this.#stop.signal).finish();
    } catch (error) {
      if (error instanceof LostLead) this.#parts.onBroken(error);
      else if (!(error instanceof Interrupted)) {
        this.#parts.log.error(
          { run: request.id, error: String((error as Error).stack ?? error) },
          'a run broke; its journal is kept',
        );
        this.#parts.onBroken(error);
      }
    } finally {
      this.#running.delete(request.id);
      if (!this.#stop.signal.aborted) queueMicrotask(() => void this.wake());
    }
  }

  /** Its cluster left the config while it was under way: nobody can look any more, and no other run may wait for it. */
  async #strand(request: RequestRecord): Promise<void> {
    const rows = await this.#parts.store.steps(request.id);
    const begun = rows.filter((row) => row.state !== 'pending' && row.state !== 'undone');
    const left = [
      ...begun.map((row) => `${row.says}: ${row.state}${row.note ? `, ${row.note}` : ''}`),
      ...request.plan.steps.flatMap((step, n) => (begun.some((row) => row.n === n) ? (step.byHand ?? []) : [])),
    ];
    const endedAt = this.#parts.clock.now();
    const note = `cluster ${request.cluster} is no longer in the config, so nobody can look what became of it`;
    const upids = rows.flatMap((row) => (row.upid ? [row.upid] : []));
    await this.#parts.store.move(request.id, ['running', 'undoing'], 'in-doubt', { endedAt, note, left }, [
      { at: endedAt, id: request.id, kind: 'outcome', who: 'bot', body: { state: 'in-doubt', note, left, upids } },
    ]);
    await this.#parts.side.changed(request.id);
  }

  /** The one look before the first intent. */
  async #begin(request: RequestRecord): Promise<boolean> {
    const { store, clock, side } = this.#parts;
    const check = await side.lastCheck(request);
    const at = clock.now();
    const entry = (kind: string, body: NewAudit['body']): NewAudit => ({ at, id: request.id, kind, who: 'bot', body });
    if (check.go) {
      // Sent back and approved again meanwhile, it has lost its guest, perhaps to another run.
      if ((await store.lock(request.id, request.plan.locks)) !== undefined) return false;
      const moved = await store.move(request.id, ['approved'], 'running', { startedAt: at, note: '' }, [
        entry('run', { fingerprint: request.fingerprint }),
      ]);
      if (moved) await side.changed(request.id);
      return moved;
    }
    if (check.failure) {
      const note = `${check.failure.why}. Nothing was changed`;
      await store.move(request.id, ['approved'], 'failed', { endedAt: at, note }, [
        entry('outcome', { state: 'failed', failure: check.failure }),
      ]);
    }
    await side.changed(request.id);
    return false;
  }
}

/** One run from wherever its journal stands to its end. */
class Run {
  readonly #parts: RunnerParts;
  readonly #request: RequestRecord;
  readonly #hands: StepTools['hands'];
  readonly #signal: AbortSignal;
  #rows: StoredStep[] = [];
  #state: RequestState;

  constructor(parts: RunnerParts, request: RequestRecord, signal: AbortSignal) {
    this.#parts = parts;
    this.#request = request;
    this.#signal = signal;
    this.#state = request.state === 'approved' ? 'running' : request.state;
    const connection = parts.clusters.get(request.cluster);
    if (!connection)
      throw new Error(`run ${request.id} is for cluster ${request.cluster}, which is no longer in the config`);
    this.#hands = guardedHands(connection.hands, request.plan, request.id);
  }

  async finish(): Promise<void> {
    this.#rows = [...(await this.#parts.store.steps(this.#request.id))];
    if (this.#state === 'undoing') return this.#undo(this.#failedNote());
    const failed: string[] = [];
    for (const [n, planned] of this.#request.plan.steps.entries()) {
      if (await this.#parts.store.stopAsked(this.#request.id)) return this.#startUndo('stopped on request');
      const row = await this.#perform(n, planned.name, planned.says, planned);
      if (row.state === 'in-doubt') return this.#inDoubt(planned, row);
      if (row.state === 'done') continue;
      if (!planned.alone) return this.#startUndo(`${planned.name} failed: ${row.note}`);
      failed.push(`${planned.says}: ${row.note}`);
    }
    // Asked for while the last step ran; a run without a way back is done all the same.
    const wayBack = this.#request.plan.steps.some((step) => (step.undo ?? []).length > 0);
    if (wayBack && (await this.#parts.store.stopAsked(this.#request.id))) return this.#startUndo('stopped on request');
    if (failed.length === 0) return this.#end('done', '', []);
    const note = [`${failed.length} of ${this.#request.plan.steps.length} steps did not work`, ...failed].join('\n');
    await this.#end('failed', note, await this.#unclear());
  }

  /** What steps that stand for themselves may have left half done. */
  async #unclear(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const [n, planned] of this.#request.plan.steps.entries()) {
      const row = this.#rows.find((candidate) => candidate.n === n);
      if (!planned.alone || !row || row.state === 'pending' || row.state === 'done') continue;
      const there = await this.#isThere(planned, row);
      if (there.state !== 'no') left.push(`${planned.name}: ${there.evidence}`, ...(planned.byHand ?? []));
    }
    return left;
  }

  async #perform(n: number, name: string, says: string, work: Parameters<typeof performStep>[0]): Promise<StoredStep> {
    const known = this.#rows.find((row) => row.n === n);
    const fresh: StoredStep = {
      request: this.#request.id,
      n,
      name,
      says,
      state: 'pending',
      note: '',
      sent: 0,
      ours: false,
    };
    const log: string[] = [];
    const row = await performStep(work, known ?? fresh, {
      hands: this.#hands,
      clock: this.#parts.clock,
      run: this.#request.id,
      signal: this.#signal,
      write: (step, kind) => this.#write(step, kind),
      onLog: (line) => {
        log.push(line);
        this.#parts.side.changed(this.#request.id, line).catch(this.#parts.onBroken);
      },
    });
    if (row !== known) await this.#parts.side.stepEnded(this.#request, row, log);
    return row;
  }

  async #write(step: StoredStep, kind: string): Promise<void> {
    const { name, state, upid, note, sent, ours } = step;
    const entry: NewAudit = {
      at: this.#parts.clock.now(),
      id: this.#request.id,
      kind,
      who: 'bot',
      body: { step: name, state, upid: upid ?? null, note, sent, ours },
    };
    await this.#parts.store.writeStep(step, [entry]);
    this.#rows = [...this.#rows.filter((row) => row.n !== step.n), step];
    await this.#parts.side.changed(this.#request.id);
  }

  #failedNote(): string {
    const failed = this.#rows.find((row) => row.n < UNDO_FROM && row.state === 'failed');
    return failed ? `${failed.name} failed: ${failed.note}` : this.#request.note || 'stopped on request';
  }

  async #startUndo(note: string): Promise<void> {
    await this.#parts.store.move(this.#request.id, ['running'], 'undoing', { note }, [
      this.#entry('undo', { why: note }),
    ]);
    this.#state = 'undoing';
    await this.#parts.side.changed(this.#request.id);
    return this.#undo(note);
  }

  /** Takes back, in reverse, what is known to be ours; names everything else that is left. */
  async #undo(note: string): Promise<void> {
    const left: string[] = [];
    for (const [n, planned] of [...this.#request.plan.steps.entries()].reverse()) {
      const row = this.#rows.find((candidate) => candidate.n === n);
      if (!row || row.state === 'pending' || planned.alone || planned.goesWith !== undefined) continue;
      const there = await this.#isThere(planned, row);
      if (there.state === 'no') continue;
      if (there.state === 'unclear') {
        left.push(`${planned.name}: ${there.evidence}`, ...(planned.byHand ?? []));
        continue;
      }
      const remains = await this.#takeBack(n, planned, planned.undo ?? []);
      if (remains.length > 0) left.push(...remains, ...(planned.byHand ?? []));
      else if ((planned.undo ?? []).length > 0) await this.#write({ ...row, state: 'undone' }, 'undone');
      else left.push(`${planned.name} was done and has no way back: ${row.note}`);
    }
    await this.#end('failed', note, [...left, ...(await this.#carried()), ...(await this.#unclear())]);
  }

  /** What has gone with another step's undo, and what stays since that did not work. */
  async #carried(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const [n, planned] of this.#request.plan.steps.entries()) {
      const row = this.#rows.find((candidate) => candidate.n === n);
      if (planned.goesWith === undefined || row?.state !== 'done') continue;
      const taker = this.#rows.find((other) => other.n < UNDO_FROM && other.name === planned.goesWith);
      if (taker?.state === 'undone') await this.#write({ ...row, state: 'undone' }, 'undone');
      else if (row.ours) left.push(`${planned.name} stays with it: ${row.note}`);
    }
    return left;
  }

  /** Did this step leave something of ours? A finished step that was "so already" is not ours to take back. */
  async #isThere(
    planned: PlannedStep,
    row: StoredStep,
  ): Promise<{ readonly state: 'yes' | 'no' | 'unclear'; readonly evidence: string }> {
    if (row.state === 'undone') return { state: 'no', evidence: '' };
    if (row.state === 'done') return { state: row.ours ? 'yes' : 'no', evidence: row.note };
    const seen = await this.#probe(planned.probe, row);
    // Accepted, but it did not come in time (HA takes its own): nothing takes that wish back.
    if (seen.state === 'absent' && row.ours && (planned.undo ?? []).length === 0)
      return { state: 'unclear', evidence: `${row.note}; it may still take effect` };
    if (seen.state === 'absent') return { state: 'no', evidence: seen.evidence };
    if (seen.state === 'done' || (seen.state === 'already' && row.ours))
      return { state: 'yes', evidence: seen.evidence };
    // Killed half way, but it carries our marker: as good as finished, for taking it back.
    const marked = (planned.undo ?? []).find((undo) => undo.needsMarker);
    if (seen.state === 'partial' && marked && (await this.#notOurs(marked)) === undefined)
      return { state: 'yes', evidence: seen.evidence };
    // What is there was there before, or belongs to somebody else.
    if (seen.state === 'already') return { state: 'no', evidence: seen.evidence };
    return { state: 'unclear', evidence: seen.evidence };
  }

  async #takeBack(n: number, planned: PlannedStep, undo: readonly UndoCall[]): Promise<string[]> {
    for (const [k, call] of undo.entries()) {
      const at = UNDO_FROM + n * 10 + k;
      const name = `undo:${planned.name}:${k}`;
      const begun = this.#rows.find((row) => row.n === at && row.state !== 'pending');
      // Begun before a restart, its guest may be somebody else's by now; a destroy looks at the marker by itself.
      const resumed = begun?.state === 'intent' && call.probe.kind !== 'guest-gone';
      if (call.needsMarker && (!begun || resumed)) {
        const refusal = await this.#notOurs(call);
        if (refusal !== undefined && begun)
          await this.#write({ ...begun, state: 'failed', note: refusal, endedAt: this.#parts.clock.now() }, 'result');
        if (refusal === 'gone') continue;
        if (refusal !== undefined) return [`${call.says}: ${begun ? 'not repeated' : 'not done'}, ${refusal}`];
      }
      const row = await this.#perform(at, name, call.says, { call: call.call, probe: call.probe, repeat: 'refused' });
      if (row.state !== 'done') return [`${call.says} did not work: ${row.note}`];
    }
    return [];
  }

  /** The guest or snapshot an undo would touch must carry this run's marker; otherwise it is somebody else's by now. */
  async #notOurs(undo: UndoCall): Promise<string | 'gone' | undefined> {
    const { probe } = undo;
    if (!('vmid' in probe) || !('type' in probe)) return undefined;
    const { node, type, vmid } = probe;
    const seen = await this.#probe(
      probe.kind === 'snapshot-gone'
        ? { ...probe, identity: MARKER }
        : { kind: 'guest-gone', node, type, vmid, identity: MARKER },
    );
    if (seen.state === 'absent') return undefined;
    if (seen.state === 'done') return 'gone';
    return seen.evidence;
  }

  async #probe(probe: PlannedStep['probe'], row?: StoredStep) {
    try {
      const trace = {
        run: this.#request.id,
        intentAt: row?.startedAt ?? this.#request.startedAt ?? 0,
        ...(row?.upid ? { upid: row.upid } : {}),
      };
      return await this.#hands.probe(probe, trace);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      return { state: 'unknown' as const, evidence: error.failure.why };
    }
  }

  async #inDoubt(planned: PlannedStep, row: StoredStep): Promise<void> {
    const left = [`${planned.says}: ${row.note}`, ...(planned.byHand ?? [])];
    const later = this.#request.plan.steps.slice(row.n + 1).map((step) => step.says);
    if (later.length > 0) left.push(`Not begun: ${later.join('; ')}`);
    await this.#end('in-doubt', `nobody knows whether "${planned.name}" took effect`, left);
  }

  async #end(state: 'done' | 'failed' | 'in-doubt', note: string, left: readonly string[]): Promise<void> {
    const endedAt = this.#parts.clock.now();
    await this.#parts.store.move(this.#request.id, ['running', 'undoing'], state, { endedAt, note, left }, [
      this.#entry('outcome', { state, note, left, upids: this.#rows.flatMap((row) => (row.upid ? [row.upid] : [])) }),
    ]);
    await this.#parts.side.changed(this.#request.id);
  }

  #entry(kind: string, body: NewAudit['body']): NewAudit {
    return { at: this.#parts.clock.now(), id: this.#request.id, kind, who: 'bot', body };
  }
}
