import type { Card } from '../../src/contracts/card.ts';
import type { Posted } from '../../src/contracts/chat.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { retryAfterMs, type SlackApi } from './api.ts';
import { NO_MARKUP } from './posting.ts';
import { renderCard } from './render.ts';

/**
 * Edits in place: at most one per message and `everyMs`, the latest content wins, and the final content always
 * arrives. An edit may be repeated after a lost answer, since it sets the whole content.
 */
export function editor(api: SlackApi, now: () => number, everyMs: number) {
  const open = new Map<string, Edit>();

  /** Sends what is wanted until nothing newer is; one of these runs per message. */
  const run = async (edit: Edit, posted: Posted) => {
    try {
      while (edit.wanted) {
        const since = now() - edit.at;
        if (since < everyMs && since >= 0) await api.wait(everyMs - since);
        const { card, settled } = edit.wanted;
        edit.wanted = undefined;
        edit.at = now();
        await attempt(posted, card, edit, settled);
      }
    } catch (error) {
      for (const one of edit.wanted?.settled ?? []) one.reject(error);
      edit.wanted = undefined;
    } finally {
      edit.running = false;
      edit.idle.resolve();
    }
  };

  const attempt = async (posted: Posted, card: Card, edit: Edit, settled: Settle[]) => {
    for (let tries = 1; ; tries++) {
      try {
        const { text, blocks } = renderCard(card);
        await api.once('chat.update', { channel: posted.channel, ts: posted.message, text, blocks, ...NO_MARKUP });
        for (const one of settled) one.resolve();
        return;
      } catch (error) {
        const pause = retryAfterMs(error) ?? (unsure(error) && tries < TRIES ? 1000 * 2 ** (tries - 1) : undefined);
        if (pause === undefined || tries > 10 * TRIES) {
          for (const one of settled) one.reject(error);
          return;
        }
        try {
          await api.wait(pause);
        } catch (stop) {
          for (const one of settled) one.reject(stop);
          throw stop;
        }
        // Something newer came meanwhile: that is sent instead, and settles these callers too.
        if (edit.wanted) {
          edit.wanted.settled.push(...settled);
          return;
        }
      }
    }
  };

  return {
    /** Resolves once this content, or a later one, is what people see. */
    update(posted: Posted, card: Card): Promise<void> {
      const key = `${posted.channel} ${posted.message}`;
      const edit = open.get(key) ?? {
        at: Number.NEGATIVE_INFINITY,
        running: false,
        idle: Promise.withResolvers<void>(),
      };
      open.set(key, edit);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      edit.wanted = { card, settled: [...(edit.wanted?.settled ?? []), { resolve, reject }] };
      if (!edit.running) {
        edit.running = true;
        edit.idle = Promise.withResolvers<void>();
        void run(edit, posted);
      }
      for (const [old, { running, at }] of open) if (!running && now() - at > everyMs) open.delete(old);
      return promise;
    },
    /** Resolves when no edit is under way, or after `withinMs`: a long 429 must not hold up a stop. */
    async idle(withinMs: number): Promise<void> {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, withinMs);
      const all = Promise.all([...open.values()].filter(({ running }) => running).map(({ idle }) => idle.promise));
      await Promise.race([all, late.promise]);
      clearTimeout(timer);
    },
  };
}

interface Edit {
  /** When the last edit was sent. */
  at: number;
  running: boolean;
  wanted?: { card: Card; settled: Settle[] };
  idle: PromiseWithResolvers<void>;
}

interface Settle {
  resolve(): void;
  reject(error: unknown): void;
}

const TRIES = 5;

const unsure = (error: unknown): boolean => error instanceof Failed && error.failure.sent !== 'refused';
