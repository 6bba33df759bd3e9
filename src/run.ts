import { Failed } from './contracts/failure.ts';
import { isNodeCall, MARKER, type PlannedStep, type UndoCall } from './contracts/plan.ts';
import type { RequestRecord, RequestState } from './contracts/records.ts';
import type { NewAudit, StoredStep } from './contracts/store.ts';
import { guardedHands } from './guard.ts';
import { runHands } from './hands.ts';
import type { RunnerParts } from './runner-parts.ts';
import { performStep, type StepTools } from './step.ts';

/** Undo rows are kept behind the plan's own steps. */
const UNDO_FROM = 1000;

/** One run from wherever its journal stands to its end. */
export class Run {
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
    const { id, plan, approvedAt } = request;
    this.#hands = guardedHands(runHands(connection, id, parts), plan, { run: id, approvedAt });
  }

  async finish(): Promise<void> {
    this.#rows = [...(await this.#parts.store.steps(this.#request.id))];
    if (this.#state === 'undoing') return this.#undo(this.#failedNote());
    const failed: string[] = [];
    const doubts: (readonly [PlannedStep, StoredStep])[] = [];
    for (const [n, planned] of this.#request.plan.steps.entries()) {
      if (await this.#parts.store.stopAsked(this.#request.id)) return this.#startUndo('stopped on request');
      const lacks = planned.needs?.find((name) => !this.#worked(name));
      if (lacks !== undefined) {
        failed.push(`${planned.says}: not tried, since ${lacks} did not work`);
        continue;
      }
      const row = await this.#perform(n, planned.name, planned.says, planned);
      if (row.state === 'in-doubt' && !planned.alone) return this.#inDoubt(planned, row);
      if (row.state === 'done') continue;
      // Whoever answers in riddles, such as root of one container, must not keep a leaver in all the others.
      if (row.state === 'in-doubt') doubts.push([planned, row]);
      else if (!planned.alone) return this.#startUndo(`${planned.name} failed: ${row.note}`);
      else failed.push(`${planned.says}: ${row.note}`);
    }
    // Asked for while the last step ran; a run without a way back is done all the same.
    const wayBack = this.#request.plan.steps.some((step) => (step.undo ?? []).length > 0);
    if (wayBack && (await this.#parts.store.stopAsked(this.#request.id))) return this.#startUndo('stopped on request');
    if (doubts.length > 0) return this.#someInDoubt(doubts, failed);
    if (failed.length === 0) return this.#end('done', '', []);
    const note = [`${failed.length} of ${this.#request.plan.steps.length} steps did not work`, ...failed].join('\n');
    await this.#end('failed', note, await this.#unclear());
  }

  #worked(name: string): boolean {
    return this.#rows.some((row) => row.n < UNDO_FROM && row.name === name && row.state === 'done');
  }

  /** What steps that stand for themselves may have left half done. */
  async #unclear(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const [n, planned] of this.#request.plan.steps.entries()) {
      const row = this.#rows.find((candidate) => candidate.n === n);
      if (!planned.alone || !row || row.state === 'pending' || row.state === 'done') continue;
      const there = await this.#isThere(planned, row);
      if (there.state !== 'no') left.push(`${planned.name}: ${there.evidence}`, ...this.#byHand(planned));
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
    const { name, state, upid, note, result, sent, ours } = step;
    const entry: NewAudit = {
      at: this.#parts.clock.now(),
      id: this.#request.id,
      kind,
      who: 'bot',
      body: { step: name, state, upid: upid ?? null, note, sent, ours, ...(result === undefined ? {} : { result }) },
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
        left.push(`${planned.name}: ${there.evidence}`, ...this.#byHand(planned));
        continue;
      }
      const remains = await this.#takeBack(n, planned, planned.undo ?? []);
      if (remains.length > 0) left.push(...remains, ...this.#byHand(planned));
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
      if (planned.goesWith === undefined || !row || row.state === 'pending' || row.state === 'undone') continue;
      const taker = this.#rows.find((other) => other.n < UNDO_FROM && other.name === planned.goesWith);
      const done = row.state === 'done';
      if (taker?.state === 'undone') {
        if (done) await this.#write({ ...row, state: 'undone' }, 'undone');
        continue;
      }
      const there = await this.#isThere(planned, row);
      if (there.state !== 'no') left.push(`${planned.name} stays with it: ${there.evidence}`);
    }
    return left;
  }

  /** Did this step leave something of ours? A finished step that was "so already" is not ours to take back. */
  async #isThere(
    planned: PlannedStep,
    row: StoredStep,
  ): Promise<{ readonly state: 'yes' | 'no' | 'unclear'; readonly evidence: string }> {
    if (row.state === 'undone') return { state: 'no', evidence: '' };
    if (row.state === 'done' && row.ours && planned.probe.kind === 'book') return this.#stillNoted(planned, row);
    // A lost answer, and then it was so: by our first try, or by somebody else.
    if (row.state === 'done' && !row.ours && row.sent > 1 && isNodeCall(planned.call))
      return { state: 'unclear', evidence: `${row.note}; it may have been this run, and was not taken back` };
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

  /** What was there before must not be put over what another run has written since. */
  async #stillNoted(planned: PlannedStep, row: StoredStep) {
    if (this.#rows.some((other) => other.n === UNDO_FROM + row.n * 10 && other.state !== 'pending'))
      return { state: 'yes', evidence: 'its undo was begun' } as const;
    const seen = await this.#probe(planned.probe, row);
    return { state: seen.state === 'done' ? 'yes' : 'unclear', evidence: seen.evidence } as const;
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

  /** Where to look: the helper on a node writes down every call of a run and how it ended. */
  #byHand({ byHand = [], call }: PlannedStep): readonly string[] {
    const { id } = this.#request;
    const lines = byHand.map((line) => line.replaceAll('{run}', id));
    return isNodeCall(call) ? [...lines, `ssh root@${call.node} journalctl -t bascule-node -g ${id}`] : lines;
  }

  async #inDoubt(planned: PlannedStep, row: StoredStep): Promise<void> {
    const left = [`${planned.says}: ${row.note}`, ...this.#byHand(planned)];
    const later = this.#request.plan.steps.slice(row.n + 1).map((step) => step.says);
    if (later.length > 0) left.push(`Not begun: ${later.join('; ')}`);
    await this.#end('in-doubt', `nobody knows whether "${planned.name}" took effect`, left);
  }

  /** All that stands for itself was tried; of these nobody knows. */
  async #someInDoubt(
    doubts: readonly (readonly [PlannedStep, StoredStep])[],
    failed: readonly string[],
  ): Promise<void> {
    const named = doubts.map(([{ name }]) => `"${name}"`).join(', ');
    const left = doubts.flatMap(([{ says, byHand = [] }, { note }]) => [`${says}: ${note}`, ...byHand]);
    await this.#end('in-doubt', `nobody knows whether ${named} took effect`, [...left, ...failed]);
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
