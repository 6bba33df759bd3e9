import type { Card } from './contracts/card.ts';
import type { Chat, Place, Platform, Reply } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import { Failed } from './contracts/failure.ts';
import type { Store } from './contracts/store.ts';
import type { Log } from './log.ts';

/** Waits between tries while a platform is down, milliseconds; the last one repeats. */
const TRIES = [1000, 2000, 5000, 15_000, 60_000, 300_000] as const;

/**
 * Messages that must arrive: what a message should show is stored first, then sent, then edited in place until
 * it shows the latest wish. Survives restarts; never posts a message twice (Chat.post with `perhaps`).
 */
export class Outbox {
  readonly #store: Store;
  readonly #chats: ReadonlyMap<Platform, Chat>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #busy = new Map<string, { again: boolean; done: Promise<void> }>();
  readonly #stop = new AbortController();

  constructor(parts: { store: Store; chats: readonly Chat[]; clock: Clock; log: Log }) {
    this.#store = parts.store;
    this.#chats = new Map(parts.chats.map((chat) => [chat.platform, chat]));
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Wants `key` to show `card`; resolves when the wish is stored, delivery goes on by itself. `reply` carries the first post. */
  async show(key: string, place: Place, card: Card, reply?: Reply): Promise<void> {
    await this.#store.wish({ key, place, card, at: this.#clock.now() });
    this.#deliver(key, reply);
  }

  /** Takes up what an earlier process left undelivered. */
  async resume(): Promise<void> {
    for (const message of await this.#store.undelivered()) this.#deliver(message.key);
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0) await Promise.allSettled([...this.#busy.values()].map((work) => work.done));
  }

  stop(): void {
    this.#stop.abort();
  }

  #deliver(key: string, reply?: Reply): void {
    const busy = this.#busy.get(key);
    if (busy) {
      busy.again = true;
      return;
    }
    const work = { again: true, done: Promise.resolve() };
    this.#busy.set(key, work);
    work.done = this.#work(key, work, reply);
  }

  async #work(key: string, work: { again: boolean }, reply?: Reply): Promise<void> {
    for (let tries = 0; work.again && !this.#stop.signal.aborted; ) {
      work.again = false;
      try {
        await this.#send(key, tries === 0 ? reply : undefined);
        reply = undefined;
        tries = 0;
      } catch (error) {
        const wait = TRIES[Math.min(tries, TRIES.length - 1)] ?? 300_000;
        tries += 1;
        this.#log.warn(
          { key, tries, error: error instanceof Failed ? error.failure : String(error) },
          'a message could not be delivered; it is tried again',
        );
        await this.#clock.wait(wait, this.#stop.signal);
        work.again = true;
      }
    }
    // In the same breath as the last look at `again`: a wish that came in between would never be sent.
    this.#busy.delete(key);
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
      return;
    }
    await this.#store.sending(key);
    const posted =
      (await reply?.(message.card, key)) ??
      (await chat.post(message.place, message.card, key, message.perhaps || reply !== undefined));
    await this.#store.delivered(key, posted, message.version);
  }
}
