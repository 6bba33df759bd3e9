import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Lets in one at a time, each in a turn of the event loop of its own. When thirty people press enter at once, all
 * that has arrived is acknowledged before the next command gets to work; without this the last of them would wait
 * for the journal writes of all others, and platforms give an acknowledgement three seconds.
 */
export class Turnstile {
  #last: Promise<unknown> = Promise.resolve();

  enter(): Promise<unknown> {
    this.#last = this.#last.then(() => nextTurn());
    return this.#last;
  }
}
