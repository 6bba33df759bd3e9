import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Simulator, startSimulator } from '../../adapters/simulator/index.ts';
import { root, watchOnly } from '../docs/write.ts';
import { type FakeSlack, startSlack } from '../platforms/slack.ts';
import { until } from './stage.ts';

/**
 * The image without a Docker engine: what the Dockerfile copies, in a clean folder, installed the way it installs,
 * and started. Nothing of the development tree is in reach.
 */
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
/** Files and folders that the Dockerfile takes from the repository. */
const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \.\/\S*$/gm)].flatMap(([, names]) => names!.split(' '));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

let place: string;
let app: string;
const running: ChildProcess[] = [];

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'bascule-install-'));
  app = join(place, 'app');
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
    .toString()
    .split('\0')
    .filter((file) => copied.some((name) => file === name || file.startsWith(`${name}/`)))
    .filter((file) => existsSync(join(root, file)));
  for (const file of files) {
    mkdirSync(dirname(join(app, file)), { recursive: true });
    copyFileSync(join(root, file), join(app, file));
  }
  const [, command] = /^RUN (npm ci [^&]+)/m.exec(dockerfile)!;
  execFileSync('sh', ['-c', `${command} --prefer-offline`], { cwd: app, stdio: 'pipe' });
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly ended: Promise<number | null>;
}

/** Runs the installed bot with nothing of this process's environment but the path. */
function bascule(args: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: app,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  return { child, out: () => out, ended: new Promise((done) => child.once('close', (code) => done(code))) };
}

describe('a production install', () => {
  test('holds what is needed to run, and nothing that only tests need', () => {
    const installed = (name: string) => existsSync(join(app, 'node_modules', name, 'package.json'));
    expect(Object.keys(manifest.dependencies).filter((name) => !installed(name))).toEqual([]);
    const tools = ['vitest', 'typescript', '@biomejs/biome', 'playwright-core', 'fast-check', 'node'];
    expect(tools.filter((name) => name in manifest.devDependencies && installed(name))).toEqual([]);
    expect(existsSync(join(app, 'test'))).toBe(false);
  });

  test('explains itself', async () => {
    const { out, ended } = bascule(['--help']);
    expect(await ended).toBe(0);
    for (const verb of [
      'demo',
      'start',
      'setup slack',
      'setup discord',
      'policy check',
      'policy explain',
      'config schema',
    ])
      expect(out()).toContain(`bascule ${verb}`);
  });

  test('does not start without a config, and says what to do', async () => {
    const { out, ended } = bascule(['start']);
    expect(await ended).toBe(1);
    expect(out()).toContain('bascule.yaml cannot be read (ENOENT)');
    expect(out()).toContain('--config');
    expect(out()).not.toMatch(/\bat .*\.ts:\d+/);
  });

  test('prints the Slack manifest and checks the policies while there is no token yet, as README.md has it', async () => {
    const file = join(place, 'first.yaml');
    copyFileSync(join(root, 'bascule.example.yaml'), file);
    const [, later] = /```ini\n((?:\w+=later\n)+)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))!;
    const env = Object.fromEntries(
      later!
        .trim()
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    );
    const setup = bascule(['setup', 'slack', '--config', file], env);
    expect(await setup.ended).toBe(0);
    const { features, settings } = JSON.parse(setup.out()) as Record<string, Record<string, unknown>>;
    expect(features!['slash_commands']).toMatchObject([{ command: '/pve' }]);
    expect(settings!['socket_mode_enabled']).toBe(true);
    const check = bascule(['policy', 'check', '--config', file], env);
    expect(await check.ended).toBe(0);
    expect(check.out()).toContain('The policies are valid');
  });

  test('runs the demo', async () => {
    const { out, child, ended } = bascule(['demo']);
    const url = await until('the demo prints its address', () => /http:\/\/127\.0\.0\.1:\d+\//.exec(out())?.[0]);
    expect((await fetch(url)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(out().trim().split('\n')).toHaveLength(1);
  });
});

describe('the watch-only config of bascule.example.yaml, in a production install', () => {
  let simulator: Simulator;
  let slack: FakeSlack;
  beforeAll(async () => {
    simulator = await startSimulator({ pve: '9.2', taskMs: 20 });
    slack = await startSlack();
    slack.clock.freeze();
  });
  afterAll(async () => {
    await slack?.stop();
    await simulator?.close();
  });

  test('becomes ready, answers, writes nothing but its store, and ends when told', async () => {
    const data = join(place, 'data');
    const home = join(place, 'home');
    for (const folder of [data, home]) mkdirSync(folder);
    const port = await freePort();
    const config = parse(watchOnly()) as WatchOnly;
    config.slack.apiUrl = slack.apiUrl;
    config.clusters['home']!.urls = simulator.urls;
    config.clusters['home']!.fingerprints = [simulator.fingerprint];
    config.health = { port };
    writeFileSync(join(data, 'bascule.yaml'), stringify(config));
    const secrets = {
      SLACK_BOT_TOKEN: slack.botToken,
      SLACK_APP_TOKEN: slack.appToken,
      PVE_TOKEN: simulator.token('bascule@pve!watch'),
    };
    const before = listing(app);
    const { child, out, ended } = bascule(['start', '--config', join(data, 'bascule.yaml')], {
      HOME: home,
      TMPDIR: home,
      ...secrets,
    });
    const status = async (path: string) =>
      fetch(`http://127.0.0.1:${port}${path}`).then(
        (answer) => answer.status,
        () => 0,
      );
    await until(
      'it is ready',
      async () => {
        if (child.exitCode !== null) throw new Error(`it ended:\n${out()}`);
        return (await status('/readyz')) === 200 || undefined;
      },
      120,
    );
    expect(slack.sockets.connections.length, 'connections of a bot that calls itself ready').toBeGreaterThan(0);
    expect(await status('/healthz')).toBe(200);

    const [alice] = Object.values(config.people);
    const person = slack.user(alice!.slack, { name: 'alice' });
    await person.says('/pve quorum', { channel: 'C000OPS' }).acked();
    await slack.shows('C000OPS', 'QUORATE 4/4', { as: alice!.slack });
    await person.says('/pve ct start 115', { channel: 'C000OPS' }).acked();
    await slack.shows('C000OPS', 'read-only mode', { as: alice!.slack });
    expect(simulator.effects.all).toEqual([]);

    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(listing(app)).toEqual(before);
    expect(readdirSync(home)).toEqual([]);
    expect(readdirSync(data).sort()).toEqual(['bascule.yaml', 'var']);
    for (const secret of Object.values(secrets)) expect(out()).not.toContain(secret.split('=').at(-1));
  });
});

describe('the Dockerfile', () => {
  const sources = ['src', 'handlers', 'adapters', 'policies'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  );
  const texts = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

  test('copies every folder that production code imports or reads', () => {
    const reached = [...texts].flatMap(([file, text]) =>
      [...text.matchAll(/(?:from |import\(|import |new URL\()\s*['"](\.{1,2}\/[^'"]*)['"]/g)].map(([, path]) =>
        relative(root, resolve(root, dirname(file), path!)),
      ),
    );
    expect(reached.length).toBeGreaterThan(100);
    const missing = reached.filter((path) => !copied.some((name) => path === name || path.startsWith(`${name}/`)));
    expect(missing).toEqual([]);
  });

  test('installs every package that production code imports', () => {
    const builtIn = new Set(builtinModules);
    const packages = [...texts.values()].flatMap((text) =>
      [
        ...text.matchAll(
          /^(?:import|export)\b[^'"]*? from ['"]([^.'"][^'"]*)['"]|\bimport\(['"]([^.'"][^'"]*)['"]\)/gm,
        ),
      ].map(([whole, from, later]) => ({ whole, name: packageOf(from ?? later!) })),
    );
    const needed = new Set(
      packages
        .filter(({ whole, name }) => !/^import type/.test(whole) && !name.startsWith('node:') && !builtIn.has(name))
        .map(({ name }) => name),
    );
    expect(needed.size).toBeGreaterThan(8);
    expect([...needed].filter((name) => !(name in manifest.dependencies))).toEqual([]);
    expect(Object.keys(manifest.dependencies).filter((name) => !needed.has(name))).toEqual([]);
  });

  test('runs as somebody without rights, with a health check that asks what the bot serves', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    const [, path] = /HEALTHCHECK[\s\S]*127\.0\.0\.1:\d+(\/\w+)/.exec(dockerfile)!;
    expect(texts.get('src/health.ts')).toContain(`'${path}'`);
    expect(dockerfile).not.toMatch(/TOKEN|SECRET|PASSWORD/);
  });
});

interface WatchOnly {
  readonly slack: { apiUrl?: string };
  readonly clusters: Record<string, { urls: readonly string[]; fingerprints: readonly string[] }>;
  readonly people: Record<string, { readonly slack: string }>;
  health?: { readonly port: number };
}

const packageOf = (name: string): string =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');

/** Every file below a folder with its size and time of change. */
function listing(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => {
      const { size, mtimeMs } = statSync(file);
      return `${relative(folder, file)} ${size} ${mtimeMs}`;
    });
}

/** The bot's health address is a setting, so a number is needed beforehand. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
