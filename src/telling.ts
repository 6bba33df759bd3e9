import { brokenCard, requestCard } from './cards.ts';
import type { Card } from './contracts/card.ts';
import type { Place, Reply } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { RequestRecord, RequestState, StepRecord } from './contracts/records.ts';
import type { Store, StoredStep } from './contracts/store.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { People } from './people.ts';
import { type Planning, rootOf } from './planning.ts';
import type { Registry } from './registry.ts';
import type { Config } from './settings.ts';

/** Log lines edit the card at most this often, milliseconds; changes of state always do. */
const LOG_EDIT = 1000;
/** Cards of requests that ended longer ago are not looked at again when the bot starts, milliseconds. */
const REDRAWN = 24 * 3_600_000;
const OPEN = ['waiting', 'approved', 'running', 'undoing', 'in-doubt'] as const;
const OVER = ['done', 'failed', 'denied', 'withdrawn', 'expired', 'superseded'] as const;
const LOUD: ReadonlySet<RequestState> = new Set(['waiting', 'failed', 'in-doubt']);

export interface TellingParts {
  readonly config: Config;
  readonly store: Store;
  readonly people: People;
  readonly registry: Registry;
  readonly planning: Planning;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Log;
}

/** The one card of a request, drawn from what the store holds, and the thread below it. */
export class Telling {
  readonly #parts: TellingParts;
  readonly #logEdits = new Map<string, number>();
  readonly #drawing = new Map<string, Promise<void>>();

  constructor(parts: TellingParts) {
    this.#parts = parts;
  }

  /** Draws the card anew from what the store holds. */
  async changed(id: string, log?: string): Promise<void> {
    const now = this.#parts.clock.now();
    if (log !== undefined) {
      if (now - (this.#logEdits.get(id) ?? 0) < LOG_EDIT) return;
      this.#logEdits.set(id, now);
    }
    await this.#inTurn(id, async () => {
      const request = await this.#parts.store.request(id);
      if (!request) return;
      if (request.endedAt !== undefined) this.#logEdits.delete(id);
      await this.#show(request, await this.#parts.store.steps(id), log);
    });
  }

  /** Shows a request as it stands; `reply` carries its first post. */
  async show(request: RequestRecord, steps: readonly StepRecord[], log?: string, reply?: Reply): Promise<void> {
    await this.#inTurn(request.id, () => this.#show(request, steps, log, reply));
  }

  /**
   * Draws again what may have changed while nobody could say so: a process can die between a change and the wish for
   * its card. A card that looks as it did is not sent.
   */
  async redraw(): Promise<void> {
    const { clock, store } = this.#parts;
    const open = await store.requests({ states: OPEN, limit: 500 });
    const over = await store.requests({ states: OVER, limit: 100 });
    const since = clock.now() - REDRAWN;
    for (const { id } of [...over.filter((request) => (request.endedAt ?? request.createdAt) > since), ...open])
      await this.changed(id);
  }

  /** One drawing of a card after the other: each reads the store when its turn comes, so the last one is the newest. */
  async #inTurn(id: string, draw: () => Promise<void>): Promise<void> {
    const before = this.#drawing.get(id) ?? Promise.resolve();
    const mine = before.then(draw, draw);
    this.#drawing.set(id, mine);
    try {
      await mine;
    } finally {
      if (this.#drawing.get(id) === mine) this.#drawing.delete(id);
    }
  }

  async #show(request: RequestRecord, steps: readonly StepRecord[], log?: string, reply?: Reply): Promise<void> {
    if (await this.#quiet(request)) return;
    await this.#parts.outbox.show(`card/${request.id}`, request.place, await this.#card(request, steps, log), reply);
  }

  /** What a schedule does by itself is told when people are needed, and from then on to its end. */
  async #quiet({ actor, id, state }: RequestRecord): Promise<boolean> {
    if (actor.platform !== 'bot' || LOUD.has(state)) return false;
    return (await this.#parts.store.message(`card/${id}`)) === undefined;
  }

  async #card(request: RequestRecord, steps: readonly StepRecord[], log?: string): Promise<Card> {
    const { people, planning, registry, config } = this.#parts;
    const command = registry.commands.get(request.command);
    const asker = request.state === 'waiting' ? (await people.identify(request.actor)).person : undefined;
    const needs = asker ? planning.judge(request, request.votes, asker, request.place).needs : [];
    try {
      return requestCard(request, {
        command: command && 'plan' in command ? command : undefined,
        requester: request.requester,
        nameOf: (id) => people.nameOf(id),
        zone: config.clusters[request.cluster]?.zone ?? 'UTC',
        root: rootOf(request.place, config),
        needs,
        steps,
        ...(log ? { log } : {}),
      });
    } catch (error) {
      this.#parts.log.error({ run: request.id, error: String((error as Error).stack) }, 'a card could not be drawn');
      return brokenCard(request.id);
    }
  }

  /** A step with a task, or with a log, leaves it in the thread of the card. */
  async stepEnded(request: RequestRecord, step: StoredStep, log: readonly string[]): Promise<void> {
    const posted = (await this.#parts.store.message(`card/${request.id}`))?.posted;
    if (!posted || (step.upid === undefined && log.length === 0)) return;
    const card: Card = {
      title: `${step.says}: ${step.state}`,
      tone: step.state === 'done' ? 'plain' : 'bad',
      lines: step.note.split('\n').slice(0, 5),
      ...(log.length > 0 ? { code: [log.slice(-40).join('\n')] } : {}),
      ...(step.upid === undefined ? {} : { footer: step.upid }),
    };
    const place: Place = {
      platform: posted.platform,
      channel: posted.channel,
      thread: posted.thread ?? posted.message,
    };
    await this.#parts.outbox.show(`thread/${request.id}/${step.n}`, place, card);
  }
}
