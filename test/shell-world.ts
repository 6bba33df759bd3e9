import { afterEach } from 'vitest';
import { openShell, type Shell, type ShellOptions } from '../adapters/shell/index.ts';
import type { Clock } from '../src/contracts/clock.ts';
import { Failed, type Failure } from '../src/contracts/failure.ts';
import { newKey, type ShellServer, type ShellServerOptions, startShellServer } from './shell-server.ts';

/** Time stands still until a test lets it pass. */
export interface TurnedClock extends Clock {
  /** Milliseconds until each sleeper wakes, soonest first. */
  pending(): number[];
  pass(ms: number): void;
}

export function turnedClock(): TurnedClock {
  let now = 1_000_000;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  return {
    now: () => now,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          sleepers.delete(sleeper);
          resolve();
        };
        const sleeper = { at: now + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
      }),
    pending: () => [...sleepers].map(({ at }) => at - now).sort((a, b) => a - b),
    pass(ms) {
      now += ms;
      for (const { at, wake } of [...sleepers].sort((a, b) => a.at - b.at)) if (at <= now) wake();
    },
  };
}

export const botKey = newKey();

export interface Opened {
  readonly shell: Shell;
  readonly clock: TurnedClock;
  readonly logged: { level: string; fields: Record<string, unknown>; text: string }[];
}

/** A shell to one node, `ovh1`, on this server. */
export function openTo(server: Pick<ShellServer, 'port' | 'hostKey'>, more: Partial<ShellOptions> = {}): Opened {
  const clock = turnedClock();
  const logged: Opened['logged'] = [];
  const note = (level: string) => (fields: object, text: string) => {
    logged.push({ level, fields: fields as Record<string, unknown>, text });
  };
  const shell = openShell({
    nodes: { ovh1: { host: '127.0.0.1', port: server.port, hostKeys: [server.hostKey] } },
    user: 'bascule',
    ...('agent' in more ? {} : { key: botKey.private }),
    clock,
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    ...more,
  });
  return { shell, clock, logged };
}

/** Servers and shells of one test file; `open` is closed after each test, the last opened first. */
export function nodesAndShells() {
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });
  return {
    open,
    async node(more: Partial<ShellServerOptions> = {}): Promise<ShellServer> {
      const server = await startShellServer({ authorized: botKey.public, ...more });
      open.push(() => server.close());
      return server;
    },
    to(server: Pick<ShellServer, 'port' | 'hostKey'>, more: Partial<ShellOptions> = {}): Opened {
      const opened = openTo(server, more);
      open.push(() => opened.shell.close());
      return opened;
    },
  };
}

/** What a promise fails with; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    (value) => new Error(`it did not fail but answered ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Failed)) throw error;
  return error.failure;
}

export const run = (args = {}, id = 'r1') => ({ verb: 'user.create', mode: 'run', id, args }) as const;
export const probe = (args = {}, id = 'p1') => ({ verb: 'user.create', mode: 'probe', id, args }) as const;
