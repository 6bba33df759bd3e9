import { fingerprint } from './contracts/plan.ts';
import type { RequestRecord } from './contracts/records.ts';
import { LostLead, type NewAudit } from './contracts/store.ts';
import { Run } from './run.ts';
import type { RunnerParts } from './runner-parts.ts';
import { Interrupted } from './step.ts';

/** Runs at the same time; each holds connections and polls. */
const MOST_RUNS = 8;
const CHANGED = 'the stored plan is not the one that was approved: somebody changed the store. Look at the audit';

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
      if (!this.#parts.clusters.has(request.cluster))
        return await this.#strand(
          request,
          `cluster ${request.cluster} is no longer in the config, so nobody can look what became of it`,
        );
      // Read again: sent back and approved once more during the last look, leases begin with the later approval.
      const begun = (await this.#parts.store.request(request.id)) ?? request;
      if (fingerprint(begun.plan) !== begun.fingerprint) return await this.#strand(begun, CHANGED);
      await new Run(this.#parts, begun, this.#stop.signal).finish();
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

  /** It cannot be gone on with, and nobody can look what became of it; no other run may wait for it. */
  async #strand(request: RequestRecord, note: string): Promise<void> {
    const rows = await this.#parts.store.steps(request.id);
    const begun = rows.filter((row) => row.state !== 'pending' && row.state !== 'undone');
    const left = [
      ...begun.map((row) => `${row.says}: ${row.state}${row.note ? `, ${row.note}` : ''}`),
      ...request.plan.steps.flatMap((step, n) => (begun.some((row) => row.n === n) ? (step.byHand ?? []) : [])),
    ];
    const endedAt = this.#parts.clock.now();
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
      const note = `${check.failure.why}. Nothing was changed\nNext: ${check.failure.next}`;
      await store.move(request.id, ['approved'], 'failed', { endedAt: at, note }, [
        entry('outcome', { state: 'failed', failure: check.failure }),
      ]);
    }
    await side.changed(request.id);
    return false;
  }
}
