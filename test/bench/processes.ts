import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** One program under measurement, in a process of its own. */
export interface Running {
  /** Milliseconds of `performance.now()` at which it was started. */
  readonly startedAt: number;
  /** Rejects with what it printed when it ends before `work` does. */
  during<T>(work: Promise<T>): Promise<T>;
  /** The first line it prints that holds this; rejects when it ends before. */
  prints(part: string): Promise<string>;
  /** Resident memory, MB (10^6 bytes), as the kernel counts it. */
  resident(): number;
  end(): Promise<void>;
}

const root = join(import.meta.dirname, '../..');
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Runs a file of this repository; what it writes to standard error is shown when it ends early. */
export function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Running {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...flags, join(root, file), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.add(child);
  const lines: string[] = [];
  const looking = new Set<() => void>();
  const wake = () => {
    for (const look of looking) look();
  };
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > 200) lines.shift();
      wake();
    });
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      alive.delete(child);
      resolve();
      wake();
    }),
  );
  let ending = false;
  const broke = ended.then(() => {
    if (!ending) throw new Error(`${file} ended too early:\n${lines.join('\n')}`);
  });
  broke.catch(() => undefined);
  return {
    startedAt,
    during: (work) => Promise.race([work, broke.then(() => work)]),
    prints: (part) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const line = lines.find((one) => one.includes(part));
          if (line !== undefined) resolve(line);
          else if (alive.has(child)) return;
          else reject(new Error(`${file} ended before it printed "${part}":\n${lines.join('\n')}`));
          looking.delete(look);
        };
        looking.add(look);
        look();
      }),
    resident() {
      const kilobytes = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      return (Number(kilobytes) * 1024) / 1e6;
    },
    async end() {
      ending = true;
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(late);
    },
  };
}
