import { NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import { COMMAND, openShell } from '../../adapters/shell/index.ts';
import { systemClock } from '../../src/clock.ts';
import { newKey, startShellServer } from '../shell-server.ts';
import { median } from './stats.ts';

export interface ShellTimes {
  /** Milliseconds for each request through the pool, and for each plain ssh2 exec with the same input. */
  readonly ours: readonly number[];
  readonly bare: readonly number[];
}

export const request = { verb: 'hello', mode: 'run', id: 'bench', args: {} } as const;
const line = `${JSON.stringify({ v: 1, ...request })}\n`;

/**
 * One request and its answer over a connection that is already there: through the pool, and as bare as ssh2 allows
 * (exec, write, gather, parse), with noDelay. Both talk to the same server in this process, in turns, so that what
 * else the machine does falls on both alike.
 */
export async function benchShell(warmUp: number, count: number): Promise<{ alone: ShellTimes; crowd: ShellTimes }> {
  const key = newKey();
  const server = await startShellServer({ authorized: key.public });
  const login = { host: '127.0.0.1', port: server.port };
  const quiet = () => {};
  const shell = openShell({
    nodes: { node: { ...login, hostKeys: [server.hostKey] } },
    user: 'bascule',
    key: key.private,
    clock: systemClock,
    log: { info: quiet, warn: quiet, error: quiet },
  });
  const bare = await new NodeSSH().connect({ ...login, username: 'bascule', privateKey: key.private });
  const connection = bare.connection!;
  connection.setNoDelay(true);
  connection.on('error', quietly); // node-ssh stops listening once it is ready
  const ours = () => shell.ask('node', request, { looks: true });
  const plain = () => plainExec(connection);
  try {
    await duel(ours, plain, warmUp, 1);
    await duel(ours, plain, warmUp / 4, 4);
    return { alone: await duel(ours, plain, count, 1), crowd: await duel(ours, plain, count / 4, 4) };
  } finally {
    await shell.close();
    bare.dispose();
    await server.close();
  }
}

/** `rounds` times `width` at once on either side, turn by turn. */
async function duel(ours: () => Promise<unknown>, bare: () => Promise<unknown>, rounds: number, width: number) {
  const times = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const first = round % 2 === 0;
    await crowd(first ? ours : bare, width, first ? times.ours : times.bare);
    await crowd(first ? bare : ours, width, first ? times.bare : times.ours);
  }
  return times;
}

async function crowd(ask: () => Promise<unknown>, width: number, times: number[]): Promise<void> {
  const timed = async () => {
    const start = performance.now();
    await ask();
    times.push(performance.now() - start);
  };
  await Promise.all(Array.from({ length: width }, timed));
}

export function plainExec(connection: Client): Promise<unknown> {
  return new Promise((resolve, reject) => {
    connection.exec(COMMAND, (error, channel) => {
      if (error) return reject(error);
      const chunks: Buffer[] = [];
      channel.on('data', (chunk: Buffer) => chunks.push(chunk));
      channel.stderr.on('data', quietly);
      channel.on('close', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      channel.end(line);
    });
  });
}

export const quietly = () => {};

if (import.meta.main) {
  const { alone, crowd } = await benchShell(200, 2000);
  for (const [what, times] of Object.entries({ alone, crowd }))
    process.stdout.write(
      `${what}: ours ${median(times.ours).toFixed(3)} ms, bare ${median(times.bare).toFixed(3)} ms, ratio ${(median(times.ours) / median(times.bare)).toFixed(3)}\n`,
    );
}
