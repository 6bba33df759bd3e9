import type { Clock } from '../../src/contracts/clock.ts';

interface Alarm {
  readonly at: number;
  readonly ring: () => void;
}

/**
 * Many deadlines over one sleep of the clock, since nearly all of them are cancelled within milliseconds and
 * cancelling a sleep costs more than the rest of a request. A sleep is never cut short: it finds out what is due
 * when it ends, and sleeps on while there is anything left.
 */
export class Alarms {
  readonly #clock: Clock;
  readonly #alarms = new Set<Alarm>();
  readonly #closing = new AbortController();
  #sleeps = new Set<number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rings once after `ms` unless cancelled first. Returns what cancels it. */
  set(ms: number, ring: () => void): () => void {
    const alarm = { at: this.#clock.now() + ms, ring };
    this.#alarms.add(alarm);
    this.#sleepUntil(alarm.at);
    return () => {
      this.#alarms.delete(alarm);
    };
  }

  /** Nothing rings any more. */
  close(): void {
    this.#alarms.clear();
    this.#closing.abort();
  }

  #sleepUntil(at: number): void {
    if (this.#closing.signal.aborted) return;
    for (const sleep of this.#sleeps) if (sleep <= at) return;
    this.#sleeps.add(at);
    void this.#clock.wait(at - this.#clock.now(), this.#closing.signal).then(() => {
      this.#sleeps.delete(at);
      this.#ring();
    });
  }

  #ring(): void {
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const alarm of [...this.#alarms]) {
      if (alarm.at > now) next = Math.min(next, alarm.at);
      else if (this.#alarms.delete(alarm)) alarm.ring();
    }
    if (next < Number.POSITIVE_INFINITY) this.#sleepUntil(next);
  }
}
