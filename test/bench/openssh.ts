import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { NodeSSH } from 'node-ssh';
import { openShell } from '../../adapters/shell/index.ts';
import { systemClock } from '../../src/clock.ts';
import { plainExec, quietly, request } from './shell.ts';

const SSHD = '/usr/sbin/sshd';

const ORDERS = [
  ['ours', 'bare', 'master'],
  ['bare', 'ours', 'master'],
] as const;

/** Why there is nothing to compare with; undefined when there is. */
export function noOpenSsh(): string | undefined {
  if (!existsSync(SSHD) || !existsSync('/usr/bin/ssh')) return 'openssh-server and openssh-client are not installed';
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) return 'there is no /run/sshd, so no sshd ever ran here';
  return undefined;
}

export interface OpenSshTimes {
  /** Milliseconds of each request through the pool, as a bare ssh2 exec, and by `ssh` through a ControlMaster. */
  readonly ours: readonly number[];
  readonly bare: readonly number[];
  readonly master: readonly number[];
}

/**
 * One request and its answer over a connection that is already there, with OpenSSH's own sshd as the other side. The
 * forced command is `cat` of an answer, so that what is measured is the way and not the work.
 */
export async function benchOpenSsh(folder: string, warmUp: number, count: number): Promise<OpenSshTimes> {
  const server = await startSshd(join(folder, 'openssh'));
  const { user, port, key } = server;
  const shell = openShell({
    nodes: { node: { host: '127.0.0.1', port, hostKeys: [server.hostKey] } },
    user,
    key: readFileSync(key, 'utf8'),
    clock: systemClock,
    log: { info: quietly, warn: quietly, error: quietly },
  });
  const bare = await new NodeSSH().connect({ host: '127.0.0.1', port, username: user, privateKeyPath: key });
  const connection = bare.connection!;
  connection.setNoDelay(true);
  connection.on('error', quietly); // node-ssh stops listening once it is ready
  const master = await startMaster(server);
  const ways = {
    ours: () => shell.ask('node', request, { looks: true }),
    bare: () => plainExec(connection),
    master: master.ask,
  };
  const times = { ours: [] as number[], bare: [] as number[], master: [] as number[] };
  try {
    for (let round = 0; round < warmUp + count; round += 1) {
      // Each comes after each other equally often: what follows a new process finds cold caches.
      for (const way of ORDERS[round % ORDERS.length]!) {
        const start = performance.now();
        await ways[way]();
        if (round >= warmUp) times[way].push(performance.now() - start);
      }
    }
    return times;
  } finally {
    await shell.close();
    bare.dispose();
    await master.close();
    await server.close();
  }
}

interface Sshd {
  readonly folder: string;
  readonly port: number;
  readonly user: string;
  readonly key: string;
  readonly hostKey: string;
  close(): Promise<void>;
}

/** sshd for whoever runs this, on a loopback port of its own: it changes nothing of the machine. */
async function startSshd(folder: string): Promise<Sshd> {
  mkdirSync(folder, { mode: 0o700 });
  const at = (name: string) => join(folder, name);
  for (const name of ['host', 'key']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  writeFileSync(at('answer'), `${JSON.stringify({ v: 1, ok: true, id: request.id, result: {} })}\n`);
  writeFileSync(at('authorized_keys'), `restrict,command="cat ${at('answer')}" ${readFileSync(at('key.pub'), 'utf8')}`);
  const port = await freePort();
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'PermitRootLogin forced-commands-only',
    `SetEnv HOME=${folder}`, // bash under sshd reads ~/.bashrc, which would be measured too
  ];
  writeFileSync(at('config'), `${config.join('\n')}\n`);
  const child = spawn(SSHD, ['-D', '-e', '-f', at('config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text) => {
      said += text;
      if (said.includes('Server listening')) resolve();
    });
    child.on('exit', () => reject(new Error(`sshd did not start: ${said}`)));
  });
  return {
    folder,
    port,
    user: userInfo().username,
    key: at('key'),
    hostKey: fingerprint(at('host.pub')),
    close: () => ended(child),
  };
}

/** `ssh` once in the background, and then one `ssh` for each request, over the connection that it holds. */
async function startMaster({ folder, port, user, key }: Sshd) {
  const host = readFileSync(join(folder, 'host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${port} ${host}\n`);
  const socket = join(folder, 'master');
  const options = ['-F', 'none', '-p', String(port), '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`];
  const target = [...options, '-o', 'BatchMode=yes', '-i', key, '-S', socket, `${user}@127.0.0.1`];
  const child = spawn('ssh', ['-M', '-N', ...target], { stdio: 'ignore' });
  for (let tries = 0; !existsSync(socket); tries += 1) {
    if (tries > 200 || child.exitCode !== null) throw new Error('the ControlMaster did not start');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const ask = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const client = spawn('ssh', [...target, 'anything'], { stdio: ['pipe', 'pipe', 'ignore'] });
      const chunks: Buffer[] = [];
      client.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      client.on('error', reject).on('close', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      client.stdin.on('error', quietly); // the forced command reads nothing
      client.stdin.end(`${JSON.stringify({ v: 1, ...request })}\n`);
    });
  return { ask, close: () => ended(child) };
}

/** `SHA256:…` of a public key file. */
export const fingerprint = (file: string): string =>
  execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ')[1]!;

function ended(child: ReturnType<typeof spawn>): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.removeAllListeners('exit').on('exit', () => resolve());
    child.kill();
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
