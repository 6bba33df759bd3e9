import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeSetup } from '../../../adapters/shell/setup.ts';
import { ALL_VERBS } from '../../bascule-node/world.ts';

/**
 * A real node as far as Debian goes: the set-up script as it is printed, OpenSSH, sudo, LXC with an unprivileged
 * container, and real read-only snapshots of btrfs. Only pct and zfs are small stand-ins, since they exist on Proxmox
 * alone (see the scripts beside this).
 */
const here = new URL('.', import.meta.url).pathname;
const STANDINS = ['/usr/sbin/pct', '/usr/sbin/zfs'];
const POOL = '/var/lib/bascule-test';
export const VMID = 990_103;
export const ROOTFS = `${POOL}/rpool/subvol-${VMID}-disk-0`;

const programs = [
  '/usr/sbin/sshd',
  '/usr/bin/sudo',
  '/usr/bin/lxc-start',
  '/usr/bin/newuidmap',
  '/usr/bin/perlcritic',
  '/usr/bin/setfacl',
  '/usr/bin/setfattr',
  '/usr/bin/ansible-playbook',
  '/usr/bin/btrfs',
];

/** A program of this machine's own in the place of a stand-in. */
const taken = (path: string): boolean => existsSync(path) && !readFileSync(path, 'latin1').includes('# Stands in for');

/** Why a node cannot be made of this machine, or must not; undefined when it can. */
export function notHere(): string | undefined {
  const missing = programs.filter((path) => !existsSync(path));
  if (process.getuid?.() !== 0) return 'only root can make containers and accounts';
  if (missing.length > 0) return `missing: ${missing.join(', ')}`;
  if (STANDINS.some(taken)) return `this machine has its own ${STANDINS.filter(taken).join(' and ')}`;
  // They make accounts and write below /etc: nobody's own machine is changed without being asked.
  return process.env['BASCULE_CI'] === '1' ? undefined : 'it changes this machine: set BASCULE_CI=1 to have it';
}

/** Why these tests cannot run here; undefined when they can. In CI they must. */
export function unfit(): string | undefined {
  const why = notHere();
  if (why === undefined) return undefined;
  if (process.env['BASCULE_CI'] === '1') throw new Error(`the node tests must run in CI: ${why}`);
  console.log(`the tests of the node's helper are skipped: ${why}`);
  return why;
}

export const sh = (program: string, ...argv: string[]): string =>
  execFileSync(program, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function ran(program: string, argv: readonly string[], stdin: string | Uint8Array = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
    child.stdin.on('error', () => undefined); // a refused login closes it early
    child.stdin.end(stdin);
  });
}

export interface Stage {
  readonly folder: string;
  readonly port: number;
  /** As the bot would: over SSH, through the forced command and sudo. */
  // biome-ignore lint/suspicious/noExplicitAny: the answer's shape is what the tests are about
  ask(verb: string, args: object, mode?: string, id?: string): Promise<any>;
  ssh(argv: readonly string[], stdin?: string | Uint8Array): Promise<Ran>;
  container(what: 'start' | 'stop'): void;
  /** A new snapshot of the container's volume in the place of an older one, still to be written to; its folder. */
  snapshot(name: string): string;
  /** From here on the snapshot is read-only, as ZFS's are from the beginning. */
  seal(name: string): void;
  /** Runs inside the container. */
  inside(...argv: string[]): string;
  close(): Promise<void>;
}

export const VERBS = ALL_VERBS;

const LOCK = '/run/bascule-test.pid';

/** The stage takes accounts, programs and a container of the whole machine: one run at a time, others wait. */
async function alone(): Promise<void> {
  for (;;) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = existsSync(LOCK) ? readFileSync(LOCK, 'utf8') : '';
    if (/^\d+$/.test(holder) && !existsSync(`/proc/${holder}`)) rmSync(LOCK, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Long enough to wait for another run of these tests on the same machine. */
export const STAGE_TIMEOUT = 900_000;

export interface StageOptions {
  /** On ext4 snapshots are mere folders, and nothing can be cloned: what copying costs. */
  readonly on?: 'btrfs' | 'ext4';
}

export async function openStage({ on = 'btrfs' }: StageOptions = {}): Promise<Stage> {
  await alone();
  const folder = mkdtempSync(join(tmpdir(), 'bascule-system-'));
  try {
    clear();
    return await made(folder, on);
  } catch (error) {
    clear();
    rmSync(folder, { recursive: true, force: true });
    rmSync(LOCK, { force: true });
    throw error;
  }
}

const container = (...argv: string[]): string => sh('sh', join(here, 'container.sh'), ...argv).trim();

async function made(folder: string, on: 'btrfs' | 'ext4'): Promise<Stage> {
  for (const path of STANDINS) sh('install', '-m', '755', join(here, path.split('/').at(-1)!), path);
  sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'bot'));
  sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host'));
  const setup = nodeSetup({
    publicKey: readFileSync(join(folder, 'bot.pub'), 'utf8'),
    jump: 'bascule-jump',
    vmids: ['990100-990199'],
    verbs: VERBS,
    sudo: true,
  });
  writeFileSync(join(folder, 'setup.sh'), setup.script);
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // as ssh.service does before sshd looks at its config
  sh('sh', join(folder, 'setup.sh'));
  container('pool', on);
  container('make', String(VMID));
  container('start', String(VMID));
  const { port, stop } = await startSshd(folder);
  const known = readFileSync(join(folder, 'host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${port} ${known}\n`);
  const client = ['-F', 'none', '-p', String(port), '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`];
  const ssh = (argv: readonly string[], stdin?: string | Uint8Array): Promise<Ran> =>
    ran(
      'ssh',
      [...client, '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', join(folder, 'bot'), ...argv],
      stdin,
    );
  return {
    folder,
    port,
    ssh,
    ask: async (verb, args, mode = 'run', id = 'run-1') => {
      const { stdout, stderr } = await ssh(
        ['bascule@127.0.0.1', 'anything at all; id'],
        JSON.stringify({ v: 1, id, verb, mode, args }),
      );
      if (stdout === '') throw new Error(`no answer: ${stderr}`);
      return JSON.parse(stdout);
    },
    container: (what) => void container(what, String(VMID)),
    inside: (...argv) => sh('lxc-attach', '-n', String(VMID), '--clear-env', '--', ...argv),
    snapshot: (name) => container('snapshot', String(VMID), name),
    seal: (name) => void container('seal', String(VMID), name),
    close: async () => {
      await stop();
      clear();
      rmSync(folder, { recursive: true, force: true });
      rmSync(LOCK, { force: true });
    },
  };
}

/** Takes away everything a stage makes, also what one that was killed left behind. */
function clear(): void {
  container('remove', String(VMID));
  for (const path of [
    ...STANDINS,
    '/usr/local/sbin/bascule-node',
    '/etc/bascule-node.json',
    '/etc/sudoers.d/bascule',
    '/etc/ssh/sshd_config.d/50-bascule.conf',
    '/etc/ssh/bascule-keys',
    '/etc/ssh/bascule-jump',
    '/var/lib/bascule-node',
    POOL,
    '/run/bascule-node',
  ])
    rmSync(path, { recursive: true, force: true });
  const accounts = readFileSync('/etc/passwd', 'utf8');
  for (const name of ['bascule', 'bascule-jump']) {
    if (!accounts.includes(`\n${name}:`)) continue;
    sh('sh', '-c', `pkill -KILL -u ${name} || :`); // a session that still hangs would keep the account
    sh('userdel', name);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** sshd with this machine's own config and Bascule's part of it, on a port of its own. */
async function startSshd(folder: string): Promise<{ port: number; stop(): Promise<void> }> {
  const port = await freePort();
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  writeFileSync(
    join(folder, 'sshd_config'),
    `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${join(folder, 'host')}\nPidFile none\nUsePAM no\nPermitRootLogin no\nLogLevel VERBOSE\nMaxStartups 100\nInclude /etc/ssh/sshd_config.d/50-bascule.conf\n`,
  );
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text) => {
      said += text;
      if (said.includes('Server listening')) resolve();
    });
    child.on('exit', () => reject(new Error(`sshd did not start: ${said}`)));
  });
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit').on('exit', () => resolve());
        child.kill();
      }),
  };
}
