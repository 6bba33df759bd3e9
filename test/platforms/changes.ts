import { EventEmitter } from 'node:events';

/** Wakes waiters whenever something changed on a platform, so that tests need no sleeps. */
export interface Changes {
  changed(): void;
  /** Resolves with the first truthy value of `look`; throws with `what` and `dump()` after `timeoutMs` of real time. */
  waitFor<T>(look: () => T | Promise<T>, what?: string, timeoutMs?: number): Promise<Truthy<T>>;
}

export type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

export function changes(dump: () => string): Changes {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    changed: () => emitter.emit('change'),
    async waitFor(look, what = 'the condition', timeoutMs = 30_000) {
      const end = Date.now() + timeoutMs;
      for (;;) {
        const seen = await look();
        if (seen) return seen as Truthy<typeof seen>;
        if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}; seen:\n${dump()}`);
        await woken(emitter);
      }
    },
  };
}

/** The next change, or 25 ms: predicates may also look at things that are not on the platform. */
function woken(emitter: EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      emitter.off('change', done);
      resolve();
    };
    const timer = setTimeout(done, 25);
    emitter.once('change', done);
  });
}
