import { request } from 'undici';
import type { Clock } from './contracts/clock.ts';
import type { Log } from './log.ts';

export interface DeadManParts {
  /** Of an outside monitor that raises the alarm when nothing comes. Its path may be a secret: it is never logged. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this process leads. */
  readonly leading: () => boolean;
  /** Looks at clusters since the start; undefined: none is watched. */
  readonly looks: () => number | undefined;
}

const EVERY = 60_000;
const TIMEOUT = 10_000;

/** Says every minute that the bot leads and looks; says nothing otherwise, so that somebody outside hears of it. */
export class DeadMan {
  readonly #parts: DeadManParts;
  readonly #stop = new AbortController();
  #looks = -1;
  #loop: Promise<void> = Promise.resolve();

  constructor(parts: DeadManParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** One ping, if all is well; whether it was heard. */
  async ping(): Promise<boolean> {
    const { url, log, leading, looks } = this.#parts;
    const now = looks();
    const idle = now !== undefined && now === this.#looks;
    this.#looks = now ?? -1;
    if (!leading() || idle) return false;
    try {
      const { statusCode, body } = await request(url, {
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT)]),
      });
      await body.dump();
      if (statusCode < 400) return true;
      log.warn({ status: statusCode }, 'the dead-man monitor refused the ping');
    } catch (error) {
      const { code, name } = error as { code?: string; name?: string };
      if (!this.#stop.signal.aborted) log.warn({ error: code ?? name }, 'the dead-man monitor cannot be reached');
    }
    return false;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.ping();
      await this.#parts.clock.wait(EVERY, this.#stop.signal);
    }
  }
}
