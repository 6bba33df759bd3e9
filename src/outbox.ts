import type { Card } from './contracts/card.ts';
import type { Chat, Place, Platform, Reply } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import { Failed } from './contracts/failure.ts';
import type { Store } from './contracts/store.ts';
import type { Elsewhere } from './elsewhere.ts';
import type { Log } from './log.ts';

/** Waits between tries while a platform is down, milliseconds; the last one repeats. */
const TRIES = [1000, 2000, 5000, 15_000, 60_000, 300_000] as const;

/** By platform, since the start. */
export interface OutboxCounts {
  readonly delivered: ReadonlyMap<string, number>;
  readonly failed: ReadonlyMap<string, number>;
  /** Alerts told on another platform because theirs was away. */
  readonly elsewhere: ReadonlyMap<string, number>;
}

export interface OutboxParts {
  readonly store: Store;
  readonly chats: readonly Chat[];
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds after which a message that was never posted is a dead letter, and an alert is told elsewhere. */
  readonly limit?: number;
  /** Where an alert goes whose own place cannot be reached; undefined: nowhere, or it is no alert. */
  readonly elsewhere?: (key: string, place: Place) => Elsewhere | undefined;
}

/** Ten minutes. */
export const UNDELIVERED = 600_000;

/**
 * Messages that must arrive: what a message should show is stored first, then sent, then edited in place until
 * it shows the latest wish. Survives restarts; never posts a message twice (Chat.post with `perhaps`). In a thread
 * nothing overtakes what was said before it, unless the platform refuses just that.
 */
export class Outbox {
  readonly #store: Store;
  readonly #chats: ReadonlyMap<Platform, Chat>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #busy = new Map<string, { again: boolean; done: Promise<void> }>();
  readonly #stop = new AbortController();
  readonly #limit: number;
  readonly #elsewhere: NonNullable<OutboxParts['elsewhere']>;
  /** By thread: resolves when the last message before has been said or given up its turn. */
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #counts = {
    delivered: new Map<string, number>(),
    failed: new Map<string, number>(),
    elsewhere: new Map<string, number>(),
  };

  constructor(parts: OutboxParts) {
    this.#limit = parts.limit ?? UNDELIVERED;
    this.#elsewhere = parts.elsewhere ?? (() => undefined);
    this.#store = parts.store;
    this.#chats = new Map(parts.chats.map((chat) => [chat.platform, chat]));
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Wants `key` to show `card`; resolves when the wish is stored, delivery goes on by itself. `reply` carries the first post. */
  async show(key: string, place: Place, card: Card, reply?: Reply): Promise<void> {
    await this.#store.wish({ key, place, card, at: this.#clock.now() });
    this.#deliver(key, place, reply);
  }

  /** Takes up what an earlier process left undelivered. */
  async resume(): Promise<void> {
    for (const { key, place } of await this.#store.undelivered()) this.#deliver(key, place);
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0) await Promise.allSettled([...this.#busy.values()].map((work) => work.done));
  }

  stop(): void {
    this.#stop.abort();
  }

  get counts(): OutboxCounts {
    return this.#counts;
  }

  /** What waits, for people: nothing but numbers and places. */
  async status(): Promise<readonly string[]> {
    const { backlog } = await this.#store.figures();
    const dead = await this.#store.deadLetters(this.#clock.now() - this.#limit, 100);
    const places = [...new Set(dead.map(({ place }) => `${place.platform} ${place.channel}`))];
    return [
      `undelivered messages: ${backlog}`,
      `dead letters: ${dead.length}${dead.length === 100 ? ' or more' : ''}${places.length > 0 ? ` (${places.join(', ')})` : ''}`,
    ];
  }

  #deliver(key: string, place: Place, reply?: Reply): void {
    const busy = this.#busy.get(key);
    if (busy) {
      busy.again = true;
      return;
    }
    const work = { again: true, done: Promise.resolve() };
    this.#busy.set(key, work);
    work.done = this.#inTurn(place, (said) => this.#work(key, place, work, said, reply));
  }

  /** Order is kept in threads only: in a channel one message waits for no other. */
  async #inTurn({ platform, channel, thread }: Place, work: (said: () => void) => Promise<void>): Promise<void> {
    if (thread === undefined) return work(() => undefined);
    const lane = `${platform}/${channel}/${thread}`;
    const before = this.#lanes.get(lane);
    const turn = Promise.withResolvers<void>();
    this.#lanes.set(lane, turn.promise);
    await before;
    try {
      await work(turn.resolve);
    } finally {
      turn.resolve();
      if (this.#lanes.get(lane) === turn.promise) this.#lanes.delete(lane);
    }
  }

  async #work(key: string, place: Place, work: { again: boolean }, said: () => void, reply?: Reply): Promise<void> {
    for (let tries = 0; work.again && !this.#stop.signal.aborted; ) {
      work.again = false;
      try {
        await this.#send(key, tries === 0 ? reply : undefined);
        reply = undefined;
        tries = 0;
        said();
      } catch (error) {
        const wait = TRIES[Math.min(tries, TRIES.length - 1)] ?? 300_000;
        tries += 1;
        count(this.#counts.failed, place.platform);
        this.#log.warn(
          { key, tries, error: error instanceof Failed ? error.failure : String(error) },
          'a message could not be delivered; it is tried again',
        );
        // A platform that is away takes nothing else either; one that refuses just this must not hold up the rest.
        if (error instanceof Failed && error.failure.sent === 'refused') said();
        await this.#tellElsewhere(key);
        await this.#clock.wait(wait, this.#stop.signal);
        work.again = true;
      }
    }
    // In the same breath as the last look at `again`: a wish that came in between would never be sent.
    this.#busy.delete(key);
  }

  /** An alert that nobody could read for too long, at its other place; it is edited there as it goes on. */
  async #tellElsewhere(key: string): Promise<void> {
    if (isCopy(key)) return;
    try {
      const message = await this.#store.message(key);
      if (!message || message.posted || this.#clock.now() - message.at < this.#limit) return;
      const { place, twin } = this.#elsewhere(key, message.place) ?? {};
      if (!place || !this.#chats.has(place.platform) || (twin && (await this.#store.message(twin)))) return;
      if (!(await this.#store.message(copyOf(key)))) count(this.#counts.elsewhere, place.platform);
      await this.show(copyOf(key), place, message.card);
    } catch (error) {
      this.#log.warn({ key, error: String(error) }, 'an alert could not be told elsewhere; that is tried again');
    }
  }

  /** A copy told elsewhere goes on with its original. */
  async #copyFollows(key: string, card: Card): Promise<void> {
    const copy = isCopy(key) ? undefined : await this.#store.message(copyOf(key));
    if (copy) await this.show(copy.key, copy.place, card);
  }

  /** A message that somebody deleted is not brought back, and not asked for again; everything else is tried again. */
  #gone(key: string, error: unknown): void {
    if (!(error instanceof Failed) || error.failure.kind !== 'not-found') throw error;
    this.#log.warn({ key, why: error.failure.why }, 'a message is gone; its later states are not shown');
  }

  async #send(key: string, reply?: Reply): Promise<void> {
    const message = await this.#store.message(key);
    if (!message) return;
    const chat = this.#chats.get(message.place.platform);
    if (!chat) return;
    if (message.posted) {
      // The wish looked like the one before.
      if (message.shows >= message.version) return;
      await chat.update(message.posted, message.card).catch((error: unknown) => this.#gone(key, error));
      await this.#store.delivered(key, message.posted, message.version);
      count(this.#counts.delivered, message.place.platform);
      await this.#copyFollows(key, message.card);
      return;
    }
    await this.#store.sending(key);
    const posted =
      (await reply?.(message.card, key)) ??
      (await chat.post(message.place, message.card, key, message.perhaps || reply !== undefined));
    await this.#store.delivered(key, posted, message.version);
    count(this.#counts.delivered, message.place.platform);
    await this.#copyFollows(key, message.card);
  }
}

const COPY = '/elsewhere';
const copyOf = (key: string): string => `${key}${COPY}`;
const isCopy = (key: string): boolean => key.endsWith(COPY);

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
