import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDiscord } from '../../adapters/discord/index.ts';
import { connectProxmox } from '../../adapters/proxmox/index.ts';
import { startSimulator } from '../../adapters/simulator/index.ts';
import { createSlack } from '../../adapters/slack/index.ts';
import { startDiscord } from '../platforms/discord.ts';
import { startSlack } from '../platforms/slack.ts';
import { type Postgres, startPostgres } from '../postgres.ts';
import { hurried, OPS, openWorld, PEOPLE, type World, type WorldOptions } from '../world.ts';

/**
 * Every secret the bot holds, looked for in everything it says: logs, messages, audit, store, standard output and
 * error, and the errors themselves. The config file alone may hold them.
 */
const main = resolve(import.meta.dirname, '../../src/main.ts');

let postgres: Postgres | undefined;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres?.stop());

/** A secret in the shapes it could leak in. */
function shapes(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('hex'),
  ];
}

function expectNone(secrets: readonly string[], where: string, text: string): void {
  for (const secret of secrets)
    for (const shape of shapes(secret)) {
      const at = text.indexOf(shape);
      if (at >= 0) throw new Error(`a secret is in ${where}: …${text.slice(Math.max(0, at - 200), at)}[HERE]`);
    }
}

const secretOf = (token: string): string => token.slice(token.indexOf('=') + 1);
const looks = (value: unknown): string => inspect(value, { depth: 20, showHidden: true, maxStringLength: null });

/** Everything one person or another ever saw, with what the wire carried beside the text. */
function allMessages(world: World): string {
  const seen = Object.values(PEOPLE).flatMap(({ slack: as }) => world.slack.messages(OPS, { as }));
  return JSON.stringify([seen, Object.values(PEOPLE).map(({ slack }) => world.slack.home(slack) ?? null)]);
}

async function everyTable(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(`select tablename from pg_tables where schemaname = 'public'`);
    expect(rows.length).toBeGreaterThan(8);
    const all: unknown[] = [];
    for (const { tablename } of rows) all.push((await client.query(`select * from "${tablename}"`)).rows);
    return JSON.stringify(all);
  } finally {
    await client.end();
  }
}

/** A long day: every kind of request, refusal and failure. */
async function broadSession(world: World): Promise<void> {
  const { oscar, alice, vera, mallory, simulator } = world;
  const token = secretOf(world.config.clusters['off']!.token);
  for (const text of ['help', 'whoami', 'quorum', 'cluster status', 'node list', 'ct list', 'audit show', 'xyzzy'])
    await oscar.says(text);
  await mallory.says('ct list');
  await vera.says('ct start vmid:103');
  await oscar.reads('off: QUORATE');
  await oscar.says('ct create hostname:secretive node:ovh1');
  await alice.clicks('Approve', 'secretive');
  await world.becomes('done', 'ct create');

  simulator.onTask({ type: 'vzcreate' }, { fail: 'storage is on fire' });
  await oscar.says('ct create hostname:burning node:ovh1');
  await alice.clicks('Approve', 'burning');
  await world.becomes('failed', 'ct create');

  const troubles: readonly (() => void)[] = [
    () => simulator.failNext({ path: '/cluster/status' }, { status: 401, reason: 'authentication failure' }),
    () =>
      simulator.failNext(
        { path: '/cluster/status' },
        { status: 403, reason: 'Permission check failed (/, Sys.Audit)' },
      ),
    () => simulator.failNext({ path: '/cluster/status' }, { status: 500, reason: 'died', body: '<html>' }),
    () => simulator.failNext({ path: '/cluster/status' }, { status: 595, reason: 'No route to host' }),
    // A proxy that echoes what it was sent.
    () =>
      simulator.failNext(
        { path: '/cluster/status' },
        { status: 400, reason: `bad header PVEAPIToken=b@pve!o=${token}` },
      ),
    () =>
      simulator.failNext(
        { path: '/cluster/status' },
        { status: 400, reason: 'no', body: { message: `PVEAPIToken ${token}`, errors: { authorization: token } } },
      ),
    () => simulator.onRequest({ path: '/cluster/status' }, { kind: 'drop' }),
  ];
  for (const trouble of troubles) {
    trouble();
    const before = oscar.sees().length;
    await oscar.says('quorum');
    await world.slack.waitFor(() => oscar.sees().length > before, 'an answer in spite of trouble');
  }
  // The troubles were met, and what was echoed is told without the secret.
  await oscar.reads('bad header');
  world.slack.failNext('chat.postMessage', { kind: 'http', status: 502, stored: true });
  world.slack.failNext('chat.update', { kind: 'error', error: 'internal_error' });
  await oscar.says('ct create hostname:lost-answer node:ovh2');
  await alice.reads('lost-answer');
  for (const node of simulator.nodes) await simulator.unplug(node);
  const before = oscar.sees().length;
  await oscar.says('quorum');
  await oscar.says('ct create hostname:dark node:ovh1');
  await world.slack.waitFor(() => oscar.sees().length >= before + 2, 'answers in the dark');
  for (const node of simulator.nodes) await simulator.plug(node);
  const id = String(world.config.clusters['off']!.token.split('=')[0]);
  simulator.expireToken(id);
  const last = oscar.sees().length;
  await oscar.says('node list');
  await world.slack.waitFor(() => oscar.sees().length > last, 'an answer to an expired token');
  await world.settled();
}

test('the search finds what it looks for', () => {
  const found = (text: string) => () => expectNone(['s3cret-one'], 'a text', text);
  for (const shape of shapes('s3cret-one')) expect(found(`x${shape}y`)).toThrow('a secret is in a text');
  expect(found('s3cret-two')).not.toThrow();
});

describe('a broad session leaks no secret', () => {
  const secretsOf = (world: World): string[] => [
    secretOf(world.config.clusters['off']!.token),
    world.slack.botToken,
    world.slack.appToken,
    world.slack.signingSecret,
    ...(postgres ? [postgres.password] : []),
  ];

  async function searched(options: WorldOptions): Promise<void> {
    const world = await openWorld(options);
    try {
      const secrets = secretsOf(world);
      await broadSession(world);
      const audit = await world.store.auditFrom(0, 10_000);
      expect(audit.length).toBeGreaterThan(20);
      expect(world.logged.length).toBeGreaterThan(0);
      expectNone(secrets, 'the log', world.logged.join(''));
      expectNone(secrets, 'a message', allMessages(world));
      expectNone(secrets, 'the audit', JSON.stringify(audit));
      const { store } = world.config;
      if ('url' in store) return expectNone(secrets, 'the database', await everyTable(store.url));
      const folder = resolve(store.file, '..');
      const files = readdirSync(folder);
      expect(files).toContain('bascule.sqlite');
      for (const file of files) expectNone(secrets, file, readFileSync(join(folder, file)).toString('latin1'));
    } finally {
      await world.close();
    }
  }

  test('over Socket Mode, with a store in a file', () => searched({}));
  test('over signed HTTP', () => searched({ http: true }));
  test('with PostgreSQL', async ({ skip }) => {
    if (!postgres) return skip('no PostgreSQL on this machine');
    await searched({ store: { url: await postgres.fresh() } });
  });
});

describe('an error holds no secret, however deep one looks', () => {
  test('errors of the Proxmox client', async () => {
    const simulator = await startSimulator({ pve: '9.2', taskMs: 20 });
    const token = simulator.token('bascule@pve!operate');
    const secret = secretOf(token);
    const said: unknown[] = [];
    const connect = (urls: readonly string[], fingerprint: string, with_ = token) =>
      connectProxmox({
        name: 'off',
        urls,
        token: with_,
        tls: { fingerprints: [fingerprint] },
        clock: hurried,

        onEvent: (event) => said.push(event),
      });
    const errorsOf = async (connection: ReturnType<typeof connect>) => {
      const error = await connection
        .view()
        .nodes()
        .then(
          () => undefined,
          (caught: unknown) => caught,
        );
      await connection.close();
      expect(error).toBeInstanceOf(Error);
      expectNone([secret], 'an error', looks(error));
    };
    try {
      await errorsOf(connect(simulator.urls, `${'AB:'.repeat(31)}AB`));
      await errorsOf(connect(['https://127.0.0.1:1'], simulator.fingerprint));
      await errorsOf(connect(simulator.urls, simulator.fingerprint, `nobody@pve!wrong=${secret}`));
      for (const [status, reason] of [
        [401, 'no'],
        [403, 'Permission check failed'],
        [500, `x ${token}`],
      ] as const) {
        simulator.failNext({ times: 20 }, { status, reason, body: { data: null, message: token } });
        await errorsOf(connect([simulator.urls[0]!], simulator.fingerprint));
        simulator.faults.clear();
      }
      expectNone([secret], 'an event', looks(said));
    } finally {
      await simulator.close();
    }
  });

  test('errors of Slack and Discord', async () => {
    const card = { title: 'x', tone: 'plain' } as const;
    const slack = await startSlack();
    const discord = await startDiscord();
    const events: unknown[] = [];
    const chats = [
      createSlack({
        botToken: slack.botToken,
        appToken: slack.appToken,
        apiUrl: slack.apiUrl,
        root: '/pve',
        log: (event) => events.push(event),
      }),
      createDiscord({
        botToken: discord.token,
        guildId: discord.guildId,
        apiUrl: discord.apiUrl,
        log: (event) => events.push(event),
      }),
      createSlack({
        botToken: `${slack.botToken}-wrong`,
        appToken: `${slack.appToken}-wrong`,
        apiUrl: slack.apiUrl,
        root: '/pve',
        log: (event) => events.push(event),
      }),
      createDiscord({
        botToken: `${discord.token}-wrong`,
        guildId: discord.guildId,
        apiUrl: discord.apiUrl,
        log: (event) => events.push(event),
      }),
    ];
    const secrets = [slack.botToken, slack.appToken, discord.token];
    try {
      slack.failNext(
        'chat.postMessage',
        { kind: 'http', status: 500, stored: false },
        { kind: 'error', error: 'not_in_channel' },
      );
      discord.failNext(
        'create-message',
        { kind: 'http', status: 500, stored: false },
        { kind: 'http', status: 403, stored: false },
      );
      for (const chat of [...chats, ...chats]) {
        const error = await chat
          .post(
            { platform: chat.platform, channel: chat.platform === 'slack' ? 'C000OPS' : discord.channel('ops') },
            card,
            'k',
            false,
          )
          .then(
            () => undefined,
            (caught: unknown) => caught,
          );
        if (error !== undefined) expectNone(secrets, `an error of ${chat.platform}`, looks(error));
      }
      expectNone(secrets, 'an event', looks(events));
    } finally {
      for (const chat of chats) await chat.stop();
      await slack.stop();
      await discord.stop();
    }
  });
});

describe('the program itself', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-secrets-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs `bascule start` until it ends, or until it printed `until`; resolves all it printed. */
  async function run(config: unknown, until?: string): Promise<string> {
    const file = join(folder, 'bascule.yaml');
    writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
    const child = spawn(process.execPath, [main, 'start', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const ended = new Promise<void>((done) => child.once('close', () => done()));
    const take = (chunk: Buffer) => {
      said += chunk.toString();
      if (until && said.includes(until)) child.kill('SIGTERM');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const limit = setTimeout(() => child.kill('SIGKILL'), 60_000);
    await ended;
    clearTimeout(limit);
    return said;
  }

  test('prints no secret when it starts, ends, or cannot start', async () => {
    const simulator = await startSimulator({ pve: '9.2', taskMs: 20 });
    const slack = await startSlack();
    const token = simulator.token('bascule@pve!operate');
    const secrets = [secretOf(token), slack.botToken, slack.appToken, 'pg-marked-password', 'wrong-marked-token'];
    const good = {
      slack: { botToken: slack.botToken, appToken: slack.appToken, apiUrl: slack.apiUrl },
      clusters: { off: { urls: simulator.urls, token, fingerprints: [simulator.fingerprint] } },
      store: { file: join(folder, 'bascule.sqlite') },
      log: 'trace',
    };
    const bad = (change: object) => ({ ...good, ...change });
    const text = JSON.stringify(good);
    try {
      const well = await run(good, 'bascule is ready');
      expect(well).toContain('bascule is ready');
      expect(well).toContain('drains and ends');
      expectNone(secrets, 'the output of a good start', well);
      const cases: Readonly<Record<string, unknown>> = {
        'a wrong Slack token': bad({
          slack: { ...good.slack, botToken: 'xoxb-wrong-marked-token', appToken: 'xapp-wrong-marked-token' },
        }),
        'PostgreSQL out of reach': bad({ store: { url: 'postgres://u:pg-marked-password@127.0.0.1:1/x' } }),
        'a PostgreSQL address that is none': bad({
          store: { url: 'postgres://u:pg-marked-password@127.0.0.1:port/x' },
        }),
        'an unknown key': bad({ redonly: true }),
        'tokens in the wrong place': bad({ slack: slack.botToken, people: { a: { roles: [token] } } }),
        'a file that ends too early': text.slice(0, text.indexOf(slack.appToken) + slack.appToken.length),
        'a certificate authority that is not there': bad({
          clusters: { off: { ...good.clusters.off, ca: '/nowhere' } },
        }),
        ...(postgres
          ? {
              'a wrong password': bad({
                store: { url: postgres.url.replace(postgres.password, 'pg-marked-password') },
              }),
            }
          : {}),
      };
      for (const [name, config] of Object.entries(cases)) {
        const said = await run(config, name === 'a wrong Slack token' ? 'invalid_auth' : undefined);
        expect([name, said.length > 0]).toEqual([name, true]);
        expectNone(secrets, `the output of ${name}`, said);
      }
    } finally {
      await slack.stop();
      await simulator.close();
    }
  });
});
