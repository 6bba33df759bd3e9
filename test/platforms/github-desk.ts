import {
  type Github,
  type GithubEvent,
  type GithubOptions,
  openGithub,
  type Remembered,
} from '../../adapters/github/index.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import { Failed, type Failure } from '../../src/contracts/failure.ts';
import { type GithubPlatform, githubPlatform } from './github.ts';

export const START = Date.UTC(2026, 2, 14, 9, 26);
export const MINUTE = 60_000;

/** A clock that stands still until a test turns it; who waits is woken when the time has come. */
export interface HandClock extends Clock {
  turn(ms: number): void;
  /** How many wait now. */
  readonly waiting: number;
}

export function handClock(): HandClock {
  let now = START;
  const waiting = new Set<{ at: number; wake: () => void }>();
  return {
    now: () => now,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const one = {
          at: now + ms,
          wake: () => {
            waiting.delete(one);
            resolve();
          },
        };
        waiting.add(one);
        signal?.addEventListener('abort', one.wake, { once: true });
      }),
    turn(ms) {
      now += ms;
      for (const one of [...waiting]) if (one.at <= now) one.wake();
    },
    get waiting() {
      return waiting.size;
    },
  };
}

/** A GitHub on loopback, the adapter in front of it, what it stored and what it logged. */
export interface GithubDesk {
  readonly there: GithubPlatform;
  readonly clock: HandClock;
  readonly stored: Map<string, Remembered>;
  readonly logged: GithubEvent[];
  /** A new adapter over the same store, as after a restart. */
  open(more?: Partial<GithubOptions>): Github;
  /** Paths asked so far, as on api.github.com. */
  paths(): readonly string[];
  close(): Promise<void>;
}

export async function githubDesk(): Promise<GithubDesk> {
  const clock = handClock();
  const there = await githubPlatform(clock.now);
  const stored = new Map<string, Remembered>();
  const logged: GithubEvent[] = [];
  const opened: Github[] = [];
  return {
    there,
    clock,
    stored,
    logged,
    open(more = {}) {
      const github = openGithub({
        apiUrl: there.apiUrl,
        clock,
        // Through JSON, as the store keeps it.
        remember: {
          read: async (login) => structuredClone(stored.get(login)),
          write: async (login, what) => void stored.set(login, JSON.parse(JSON.stringify(what))),
        },
        log: (event) => logged.push(event),
        ...more,
      });
      opened.push(github);
      return github;
    },
    paths: () => there.asked.map((one) => one.path.replace('/api/v3', '')),
    async close() {
      await Promise.all(opened.map((one) => one.close()));
      await there.close();
    },
  };
}

/** How a piece of work fails; throws when it does not, or not as expected failures do. */
export async function failure(work: Promise<unknown> | (() => unknown)): Promise<Failure> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof Failed) return error.failure;
    throw error;
  }
  throw new Error('it did not fail');
}
