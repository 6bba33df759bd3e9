/**
 * Channels at once on one connection: with 4 sshd refused none, with 6 now and then, with 10 every tenth, although
 * MaxSessions is 10, since it frees a session late (SSH.md).
 */
export const CHANNELS = 4;
/** Long work leaves one channel free, so that looking never waits for a restore. */
export const CHANNELS_FOR_WORK = 3;

/** A place in the queue, and then a channel, until it is left. */
export interface Place {
  /** Undefined when it is this one's turn at once; rejects when the queue is closed first. */
  readonly ready: Promise<void> | undefined;
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

  take(work: boolean): Place {
    if (this.#closed === undefined && this.#queue.length === 0 && this.#hasRoom(work)) {
      this.#start(work);
      return { ready: undefined, leave: this.#leaving(work) };
    }
    const { promise: ready, resolve: start, reject: refuse } = Promise.withResolvers<void>();
    const waiting: Waiting = { work, start, refuse };
    if (this.#closed !== undefined) refuse(this.#closed);
    else this.#queue.push(waiting);
    this.#next();
    return { ready, leave: this.#leaving(work, waiting) };
  }

  /** Nobody gets a channel any more. */
  close(error: unknown): void {
    this.#closed = error;
    for (const { refuse } of this.#queue.splice(0)) refuse(error);
  }

  #hasRoom(work: boolean): boolean {
    return this.#busy < CHANNELS && (!work || this.#working < CHANNELS_FOR_WORK);
  }

  #start(work: boolean): void {
    this.#busy += 1;
    if (work) this.#working += 1;
  }

  #leaving(work: boolean, waiting?: Waiting): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const index = waiting ? this.#queue.indexOf(waiting) : -1;
      if (index >= 0) this.#queue.splice(index, 1);
      else if (this.#closed === undefined) this.#free(work);
    };
  }

  #free(work: boolean): void {
    this.#busy -= 1;
    if (work) this.#working -= 1;
    this.#next();
  }

  #next(): void {
    for (;;) {
      const index = this.#queue.findIndex(({ work }) => this.#hasRoom(work));
      if (index < 0) return;
      const [waiting] = this.#queue.splice(index, 1);
      this.#start(waiting!.work);
      waiting!.start();
    }
  }
}
