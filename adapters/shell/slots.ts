/**
 * Channels at once on one connection: with 4 sshd refused none, with 6 now and then, with 10 every tenth, although
 * MaxSessions is 10, since it frees a session late (SSH.md).
 */
export const CHANNELS = 4;
/** Long work leaves one channel free, so that looking never waits for a restore. */
export const CHANNELS_FOR_WORK = 3;

/** A place in the queue, and then a channel, until it is left. */
export interface Place {
  /** Resolves when it is this one's turn; rejects when the queue is closed first. */
  readonly ready: Promise<void>;
  /** Out of the queue, or back with the channel. */
  leave(): void;
}

interface Waiting {
  readonly work: boolean;
  readonly start: () => void;
  readonly refuse: (error: unknown) => void;
}

/** First come, first served; work that must wait lets looking pass. */
export class Slots {
  #busy = 0;
  #working = 0;
  #queue: Waiting[] = [];
  #closed: unknown;

  get waiting(): number {
    return this.#queue.length;
  }

  take(work: boolean): Place {
    const { promise: ready, resolve: start, reject: refuse } = Promise.withResolvers<void>();
    const waiting: Waiting = { work, start, refuse };
    let left = false;
    if (this.#closed !== undefined) refuse(this.#closed);
    else this.#queue.push(waiting);
    this.#next();
    const leave = () => {
      if (left) return;
      left = true;
      if (this.#queue.includes(waiting)) this.#queue = this.#queue.filter((other) => other !== waiting);
      else if (this.#closed === undefined) this.#free(work);
    };
    return { ready, leave };
  }

  /** Nobody gets a channel any more. */
  close(error: unknown): void {
    this.#closed = error;
    for (const { refuse } of this.#queue.splice(0)) refuse(error);
  }

  #free(work: boolean): void {
    this.#busy -= 1;
    if (work) this.#working -= 1;
    this.#next();
  }

  #next(): void {
    while (this.#busy < CHANNELS) {
      const index = this.#queue.findIndex(({ work }) => !work || this.#working < CHANNELS_FOR_WORK);
      if (index < 0) return;
      const [waiting] = this.#queue.splice(index, 1);
      this.#busy += 1;
      if (waiting!.work) this.#working += 1;
      waiting!.start();
    }
  }
}
