import type { Card } from '../../src/contracts/card.ts';
import type { Posted } from '../../src/contracts/chat.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import { isTransient } from './failures.ts';

/** At most one edit of a message in this time (PLATFORMS.md §5.2). */
export const EDIT_EVERY_MS = 2000;
/** Waits before trying a broken edit again; discord.js has by then tried four times itself. */
const PATIENCE_MS = [2000, 4000, 8000, 16_000];

interface Slot {
  readonly posted: Posted;
  next?: Card;
  waiting: Waiter[];
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

export interface Edits {
  /** Resolves once this content or later content stands in the message. */
  update(posted: Posted, card: Card): Promise<void>;
  /** Sends what is waiting without further delay, and resolves when it is out. */
  flush(): Promise<void>;
}

/**
 * Edits messages: content that comes while an edit is under way replaces what was waiting, and the last content
 * always goes out. `send` may reject with what discord.js throws; a broken connection is tried again.
 */
export function edits(send: (posted: Posted, card: Card) => Promise<void>, clock: Clock): Edits {
  const slots = new Map<string, Slot>();
  const running = new Set<Promise<void>>();
  const hurry = new AbortController();

  async function deliver(slot: Slot): Promise<void> {
    for (let tries = 0; ; tries++) {
      const card = slot.next!;
      const waiting = slot.waiting;
      slot.next = undefined;
      slot.waiting = [];
      try {
        await send(slot.posted, card);
        for (const waiter of waiting) waiter.resolve();
        return;
      } catch (error) {
        const pause = PATIENCE_MS[tries];
        if (pause === undefined || !isTransient(error) || hurry.signal.aborted) {
          for (const waiter of waiting) waiter.reject(error);
          return;
        }
        await clock.wait(pause, hurry.signal);
        slot.next ??= card;
        slot.waiting = [...waiting, ...slot.waiting];
      }
    }
  }

  async function run(key: string, slot: Slot): Promise<void> {
    while (slot.next) {
      await deliver(slot);
      await clock.wait(EDIT_EVERY_MS, hurry.signal);
    }
    slots.delete(key);
  }

  function start(key: string, slot: Slot): void {
    slots.set(key, slot);
    const work = run(key, slot).finally(() => running.delete(work));
    running.add(work);
  }

  return {
    update(posted, card) {
      const key = `${posted.thread ?? posted.channel}/${posted.message}`;
      const slot = slots.get(key) ?? { posted, waiting: [] };
      slot.next = card;
      const done = new Promise<void>((resolve, reject) => slot.waiting.push({ resolve, reject }));
      if (!slots.has(key)) start(key, slot);
      return done;
    },
    async flush() {
      hurry.abort();
      await Promise.all(running);
    },
  };
}
