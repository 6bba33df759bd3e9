import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeProgram } from '../../adapters/shell/node/program.ts';

/** A small node made of files: the real perl program, with make-believe pct, zfs and lxc-info beside it. */
export interface NodeWorld {
  readonly folder: string;
  /** Absolute path of something below the container's `/`. */
  inside(path: string): string;
  write(path: string, text: string): void;
  read(path: string): string;
  /** Replaces the node's own config; a text is written as it is. */
  allow(config: unknown): void;
  guest(vmid: number, config: string): void;
  /** One call of the program in its own process, as sudo would make it. */
  call(request: unknown, options?: { arguments?: readonly string[] }): Promise<Answered>;
  ask(verb: string, args: object, mode?: string): Promise<Answered>;
  /** Many requests through one process; the same code path as {@link call} after reading. */
  many(requests: readonly (string | Uint8Array)[]): Promise<Answered[]>;
  /** Argument lists that reached pct, with the environment it saw. */
  calls(): { argv: string[]; env: Record<string, string> }[];
  log(): string[];
  remove(): void;
}

export interface Answered {
  readonly code: number;
  // biome-ignore lint/suspicious/noExplicitAny: the answer's shape is what the tests are about
  readonly answer: any;
  readonly stderr: string;
}

export const ALL_VERBS = [
  'hello',
  'zfs.snapshots',
  'ct.users',
  'ct.user.ensure',
  'ct.user.remove',
  'ct.keys.set',
  'jump.keys.set',
  'ct.features',
  'ct.unlock',
  'ct.script',
  'quorum.facts',
  'file.versions',
  'file.stat',
  'file.show',
  'file.restore',
  'file.undo',
  'setup.facts',
];

export const OPEN_CONFIG = { v: 1, vmids: ['100-199'], verbs: ALL_VERBS, sudo: true, jump: ['bascule-jump'] };

const fakes = new URL('.', import.meta.url).pathname;
const harness = join(fakes, 'harness.pl');

export function openNode(extra: Record<string, unknown> = {}): NodeWorld {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-node-'));
  for (const name of [
    'guests',
    'tasks',
    'nodestate',
    'jump',
    'root/etc/sudoers.d',
    'root/home/olga/.ssh',
    'root/root',
    'root/bin',
    'root/var/lib',
  ])
    mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
  for (const name of ['pct', 'zfs', 'lxc-info']) {
    copyFileSync(join(fakes, name), join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
  const path = (name: string): string => join(folder, name);
  const program = path('bascule-node');
  writeFileSync(program, nodeProgram());
  chmodSync(program, 0o755);
  const settings = {
    self: program,
    config: path('bascule-node.json'),
    guests: path('guests'),
    tasks: path('tasks'),
    state: path('nodestate'),
    locks: path('locks'),
    jumpKeys: path('jump'),
    botKeys: path('botkeys'),
    sudoers: path('sudoers'),
    sshdConfig: path('sshd.conf'),
    passwd: path('passwd'),
    log: path('syslog'),
    programs: {
      pct: path('pct'),
      zfs: path('zfs'),
      'lxc-info': path('lxc-info'),
      'corosync-quorumtool': path('quorumtool'),
      sshd: path('sshd'),
      sudo: path('sudo'),
    },
    ...extra,
  };
  const world: NodeWorld = {
    folder,
    inside: (name) => join(folder, 'root', name),
    write: (name, text) => writeFileSync(path(name), text, { mode: 0o644 }),
    read: (name) => readFileSync(path(name), 'utf8'),
    allow: (config) =>
      writeFileSync(settings.config, typeof config === 'string' ? config : JSON.stringify(config), { mode: 0o644 }),
    guest: (vmid, config) => writeFileSync(path(`guests/${vmid}.conf`), config),
    call: async (request, options = {}) => {
      const text = typeof request === 'string' || request instanceof Uint8Array ? request : JSON.stringify(request);
      const ran = await run([harness, program, JSON.stringify(settings), ...(options.arguments ?? [])], text);
      return { code: ran.code, answer: JSON.parse(ran.stdout), stderr: ran.stderr };
    },
    ask: (verb, args, mode = 'run') => world.call({ v: 1, id: 'run-1', verb, mode, args }),
    many: async (requests) => {
      const lines = requests.map((request) => Buffer.from(request).toString('base64')).join('\n');
      const ran = await run([harness, program, JSON.stringify(settings), 'many'], `${lines}\n`);
      const answers = ran.stdout.split('\n').filter(Boolean);
      return answers.map((line) => {
        const blank = line.indexOf(' ');
        return { code: Number(line.slice(0, blank)), answer: JSON.parse(line.slice(blank + 1)), stderr: ran.stderr };
      });
    },
    calls: () =>
      existsSync(path('calls'))
        ? readFileSync(path('calls'), 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
            .map(([argv, env]) => ({ argv, env }))
        : [],
    log: () => (existsSync(path('syslog')) ? readFileSync(path('syslog'), 'utf8').trim().split('\n') : []),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  world.allow(OPEN_CONFIG);
  world.write('state', 'RUNNING\n');
  return world;
}

/** A process with text on its standard input. */
export function run(
  argv: readonly string[],
  stdin: string | Uint8Array,
  program = '/usr/bin/perl',
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, program === '/usr/bin/perl' ? ['-T', ...argv] : [...argv], {
      env: { ...process.env, SECRET_OF_THE_CALLER: 'hunter2' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
    // A program that answers before it has read everything closes its end; that is its right.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
  });
}
