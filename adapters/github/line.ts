import { Agent, errors, request } from 'undici';
import type { Clock } from '../../src/contracts/clock.ts';

/** What GitHub answered, whole. Redirects are not followed: a token must not travel on. */
export interface Reply {
  readonly status: number;
  header(name: string): string | undefined;
  readonly text: string;
}

/** There was no usable answer; `out` says why, to stand after "GitHub's API " or "its page ". */
export interface Out {
  readonly out: string;
}

export const isOut = (answer: object): answer is Out => 'out' in answer;

/** A login's keys are a few kB; 100 keys of the longest kind stay below this. */
const ANSWER_LIMIT = 1024 * 1024;
const CONNECT_MS = 5_000;
/** From the first byte asked to the last byte answered, so that a server that drips cannot hold anyone up. */
export const ANSWER_MS = 15_000;

/** Asks over HTTP with its own connections, timeouts and limits. */
export class Line {
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #closing = new AbortController();

  constructor(clock: Clock, ca?: string) {
    this.#clock = clock;
    this.#agent = new Agent({
      connect: { timeout: CONNECT_MS, ...(ca === undefined ? {} : { ca }) },
      allowH2: false,
      connections: 4,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
      maxResponseSize: ANSWER_LIMIT,
      maxHeaderSize: 32 * 1024,
    });
  }

  /** GETs, once more when a kept connection was cut under it. Never throws for anything the other side does. */
  async get(url: string, headers: Readonly<Record<string, string>>): Promise<Reply | Out> {
    const late = new AbortController();
    const done = new AbortController();
    void this.#clock.wait(ANSWER_MS, done.signal).then(() => late.abort());
    const signal = AbortSignal.any([late.signal, this.#closing.signal]);
    try {
      return await this.#once(url, headers, signal).catch((error: unknown) => {
        if (!wasCut(error)) throw error;
        return this.#once(url, headers, signal);
      });
    } catch (error) {
      if (this.#closing.signal.aborted) return { out: 'is no longer asked, since the bot stops' };
      return { out: late.signal.aborted ? `did not answer within ${ANSWER_MS / 1000} s` : whyOut(error) };
    } finally {
      done.abort();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
  }

  async #once(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Reply> {
    // GitHub refuses requests without a User-Agent.
    const response = await request(url, {
      dispatcher: this.#agent,
      headers: { 'user-agent': 'bascule', ...headers },
      signal,
    });
    const text = await response.body.text();
    const header = (name: string): string | undefined => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    return { status: response.statusCode, header, text };
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';

const wasCut = (error: unknown): boolean => ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(error));

/** Codes only: messages of the connection may hold addresses and certificates. */
function whyOut(error: unknown): string {
  if (error instanceof errors.ResponseExceededMaxSizeError) return 'answered far too much';
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError)
    return `did not answer within ${ANSWER_MS / 1000} s`;
  return `cannot be reached (${codeOf(error) || 'the connection failed'})`;
}
