import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PermissionFlagsBits } from 'discord.js';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { demoWorld } from '../adapters/simulator/demo-world.ts';
import type { WorldSpec } from '../adapters/simulator/types.ts';
import { slackManifest } from '../adapters/slack/index.ts';
import { habit } from '../handlers/habits.ts';
import { automations, commands } from '../handlers/index.ts';
import { cluster as clusterOption } from '../handlers/options.ts';
import { parseConfig } from '../src/config.ts';
import { checkOptions, missingOptions, parseText } from '../src/parse.ts';
import { makeRegistry } from '../src/registry.ts';
import { configSchema } from '../src/settings.ts';
import { settings } from './docs/settings.ts';
import { documents, root, watchOnly } from './docs/write.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

const read = (file: string) => readFileSync(join(root, file), 'utf8');
const README = read('README.md');
const EXAMPLE = read('bascule.example.yaml');
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'handlers/README.md',
  'policies/README.md',
  'adapters/README.md',
  'adapters/shell/node/README.md',
  'adapters/simulator/README.md',
];
const ENV = {
  SLACK_BOT_TOKEN: 'xoxb-1',
  SLACK_APP_TOKEN: 'xapp-1',
  SLACK_SIGNING_SECRET: 'signs',
  DISCORD_BOT_TOKEN: 'discord-1',
  PVE_TOKEN: 'bascule@pve!watch=secret',
  GITHUB_TOKEN: 'x',
  PVE_HOOK_SECRET: 'longer-than-sixteen-characters',
  PBS_TOKEN: 'bascule@pbs!watch:secret',
  NODE_KEY: '-----BEGIN OPENSSH PRIVATE KEY-----',
  DATABASE_URL: 'postgresql://127.0.0.1/bascule',
};
const registry = makeRegistry(commands, ['off', 'home'], clusterOption);

describe('what the documents repeat is what the code says', () => {
  test.each(Object.keys(documents))('%s: if this fails, run npm run docs', (file) => {
    expect(read(file), 'run npm run docs').toBe(documents[file]!());
  });

  test('every setting is explained', () => {
    expect(settings().length).toBeGreaterThan(40);
    expect(settings().filter(({ about }) => about.length < 5)).toEqual([]);
  });
});

describe('what the documents name exists', () => {
  test.each(PAGES)('links of %s lead somewhere', (page) => {
    const text = read(page);
    const dead = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path, anchor] = target.split('#');
        const file = path ? join(dirname(page), path) : page;
        if (!existsSync(join(root, file))) return true;
        return anchor !== undefined && !anchors(read(file)).includes(anchor);
      });
    expect(dead).toEqual([]);
  });

  test.each(['README.md', 'CONTRIBUTING.md', 'handlers/README.md', 'policies/README.md', 'adapters/README.md'])(
    'files named in %s',
    (page) => {
      const named = [...read(page).matchAll(/`((?:src|test|handlers|policies|adapters|\.ci)\/[\w./-]*)`/g)].map(
        ([, path]) => path!,
      );
      const invented = new Set(['handlers/noun-verb.ts']);
      expect(named.filter((path) => !invented.has(path) && !existsSync(join(root, path)))).toEqual([]);
    },
  );

  test.each(PAGES)('npm scripts named in %s', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(page).matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('verbs of bascule named in README.md are those of its help', async () => {
    const usage = read('src/main.ts');
    const named = [
      ...README.matchAll(
        /(?:bascule --|src\/main\.ts) ((?:start|setup|doctor|policy|config|demo)(?: [a-z]+)?|replay)/g,
      ),
    ];
    expect(named.length).toBeGreaterThan(5);
    expect(named.map(([, verb]) => verb!).filter((verb) => !usage.includes(`bascule ${verb}`))).toEqual([]);
  });

  test('every example of a command can be typed', () => {
    const typed = [
      ...commands.flatMap(({ examples }) => examples),
      ...[README, ...PAGES.map(read)].flatMap((text) =>
        [
          ...text.matchAll(
            /`(?:\/pve )?((?:ct|vm|node|cluster|replication|quorum|snapshot|ssh|person|file|alert|backup)(?: [a-z]+)?(?: \w+:\S+)+)`/g,
          ),
        ].map(([, line]) => line!),
      ),
      ...[...README.matchAll(/`\/pve ([a-z :]+)`/g)].map(([, line]) => line!).filter((line) => !line.includes('…')),
      ...[...README.matchAll(/^\/pve (.+)$/gm)].map(([, line]) => line!),
    ];
    expect(typed.length).toBeGreaterThan(40);
    for (const line of typed) {
      const parsed = parseText(line, registry, habit, '/pve ');
      expect(missingOptions(parsed), line).toEqual([]);
      expect(() => checkOptions(parsed, '/pve '), line).not.toThrow();
    }
  });

  test('habits that README.md promises to understand are understood', () => {
    for (const line of ['pct list', 'pvecm status']) {
      expect(README).toContain(`\`${line}\``);
      expect(parseText(line, registry, habit, '/pve ').command.risk).toBe('read');
    }
  });
});

describe('bascule.example.yaml', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-docs-'));
  const file = join(folder, 'bascule.yaml');
  mkdirSync(join(folder, 'scripts'));
  writeFileSync(join(folder, 'scripts', 'base.sh'), '#!/bin/sh\napt-get update\n');
  afterAll(() => rmSync(folder, { recursive: true }));

  test('starts with a watch-only config of at most 15 lines', () => {
    const text = watchOnly();
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
    const config = parseConfig(text, 'bascule.yaml', ENV);
    expect(config.readonly).toBe(true);
    expect(Object.keys(config.clusters)).toHaveLength(1);
    expect([config.slack, config.discord].filter((one) => one !== undefined)).toHaveLength(1);
    expect(config.store).toEqual({ file: expect.stringContaining('bascule.sqlite') });
  });

  test('is valid as it stands', () => {
    expect(() => parseConfig(EXAMPLE, 'bascule.yaml', ENV)).not.toThrow();
  });

  test('every block that is commented out is valid in its place', () => {
    const base = watchOnly();
    const blocks = EXAMPLE.split(/^# -{10,}$/m)[1]!
      .split(/\n(?!#)/)
      .flatMap((paragraph) => alternatives(paragraph))
      .filter((block) => block.trim() !== '');
    expect(blocks.length).toBeGreaterThan(5);
    for (const block of blocks) {
      const keys = [...block.matchAll(/^(\w+):/gm)].map(([, key]) => key!);
      expect(keys, block).not.toEqual([]);
      expect(() => parseConfig(`${without(base, keys)}${block}\n`, file, ENV), block).not.toThrow();
    }
    const shown = new Set(blocks.flatMap((block) => [...block.matchAll(/^(\w+):/gm)].map(([, key]) => key!)));
    const missing = Object.keys(configSchema.shape).filter((key) => !shown.has(key) && !base.includes(`${key}:`));
    expect(missing).toEqual([]);
  });

  test('shows nodes, access, scripts, snapshots, alerts and schedules, and schedules that exist', () => {
    const [, block] = /^(# clusters:\n(?:#.*\n)+)/m.exec(EXAMPLE.split(/^# -{10,}$/m)[1]!) ?? [];
    const [text] = alternatives(block!);
    const { home } = parseConfig(`${without(watchOnly(), ['clusters'])}${text}\n`, file, ENV).clusters;
    expect(home?.shell?.nodes).toHaveProperty('ovh1');
    expect(home?.house.ssh.jump?.node).toBe('ovh1');
    expect(home?.house.scripts).toHaveProperty('base');
    expect(home?.house.snapshots).toHaveLength(1);
    expect(home?.alerts).toHaveLength(2);
    const [, lines] = /^# automations:\n((?:# {3}.*\n)+)/m.exec(EXAMPLE)!;
    const named = [...lines!.matchAll(/^# {3}([\w-]+):/gm)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(1);
    expect(named.filter((name) => !automations.some((one) => one.name === name))).toEqual([]);
  });
});

describe('the first hour', () => {
  test('the Discord invitation asks for exactly the rights that README.md names', () => {
    const number = BigInt(/permissions=(\d+)/.exec(README)![1]!);
    const held = Object.entries(PermissionFlagsBits)
      .filter(([, bit]) => (number & bit) === bit)
      .map(([name]) => name);
    const named = /The number stands for ([^.]+)\./.exec(README)![1]!.split(/, | and /);
    const flags = named.map((name) => name.replace(/^View Channels$/, 'View Channel').replaceAll(' ', ''));
    expect([...new Set(held.map((name) => name.toLowerCase()))].sort()).toEqual(
      flags.map((name) => name.toLowerCase()).sort(),
    );
  });

  test('the bot’s name to invite in Slack is that of the manifest', () => {
    const manifest = JSON.stringify(slackManifest(registry.menu, '/pve', { socket: true }));
    const [, name] = /"bot_user":\{"display_name":"([^"]+)"/.exec(manifest)!;
    expect(README).toContain(`/invite @${name}`);
  });

  test('no address, id or fingerprint is a real one', () => {
    const addresses = [...EXAMPLE.matchAll(/https:\/\/([\d.]+):/g)].map(([, address]) => address!);
    expect(addresses.filter((address) => !address.startsWith('192.0.2.'))).toEqual([]);
  });
});

/** The `pveum` lines of README.md as rights of a simulated cluster, for one version. */
function rightsOf(pve: '8.4' | '9.2'): Pick<WorldSpec, 'users' | 'roles' | 'tokens' | 'acl'> {
  const roles = new Map<string, string[]>();
  for (const [, id, privileges] of README.matchAll(/pveum role add (\w+) --privs '([^']+)'/g)) {
    const privs = privileges!.split(',');
    // README shows the roles for 9 first and then those that differ on 8.
    if (!roles.has(id!) || pve === '8.4') roles.set(id!, privs);
  }
  const grants = [
    ...README.matchAll(/^pveum acl modify (\S+) --roles (\w+)(?: --users '([^']+)')?(?: --tokens '([^']+)')?$/gm),
  ];
  return {
    users: [{ userid: 'bascule@pve' }],
    roles: [...roles].map(([id, privs]) => ({ id, privs })),
    tokens: [...README.matchAll(/^pveum user token add (\S+) (\w+) --privsep 1$/gm)].map(([, user, name]) => ({
      id: `${user}!${name}`,
      privsep: true,
    })),
    acl: grants.flatMap(([, path, role, user, token]) =>
      [user, token].flatMap((ugid) => (ugid ? [{ path: path!, role: role!, ugid }] : [])),
    ),
  };
}

describe.each(['8.4', '9.2'] as const)('the rights that README.md gives, on PVE %s', (pve) => {
  let world: World | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });
  const open = async (token: string, more: Partial<WorldOptions> = {}) => {
    const simulated = { ...demoWorld(pve), ...rightsOf(pve) };
    world = await openWorld({ pve, token, ...more, simulator: { world: simulated, ...more.simulator } });
    return world;
  };
  /** Alice asks; whoever the card names says yes. */
  const change = async (line: string, holds: string, command: string) => {
    const { alice, oscar, becomes, settled } = world!;
    await alice.says(line);
    const own = (await alice.reads(holds, 'Needs: ')).includes('confirmation by alice');
    await (own ? alice : oscar).clicks(own ? 'Run it' : 'Approve', holds);
    await becomes('done', command);
    await settled();
  };
  const refusedCalls = () =>
    world!.simulator.requests.filter(({ status, method }) => (status ?? 0) >= 400 && method !== 'GET');

  test('are enough to look at everything, and change nothing', async () => {
    const { vera, oscar, simulator } = await open('bascule@pve!watch', { config: { readonly: true } });
    const looks: [string, string][] = [
      ['cluster status', 'off'],
      ['quorum', 'QUORATE 4/4'],
      ['node list', 'ovh4'],
      ['node show ovh1', 'ovh1'],
      ['ct list', 'metabase'],
      ['ct show 110', 'metabase'],
      ['vm list', '201'],
      ['vm show 201', '201'],
      ['replication list', '103-0'],
      ['snapshot list 103', 'no snapshots'],
    ];
    for (const [line, shown] of looks) {
      const before = vera.sees().length;
      await vera.says(line);
      await vera.reads(shown);
      expect(vera.sees().slice(before).join('\n'), line).not.toMatch(/cannot be read|lacks|not allowed|pveum/);
    }
    const refused = simulator.requests.filter(({ status }) => (status ?? 0) >= 400);
    expect(refused).toEqual([]);
    await oscar.says('ct start 115');
    await oscar.reads('read-only mode');
    expect(simulator.effects.all).toEqual([]);
  });

  test('the first token cannot change anything even where the bot would', async () => {
    const { oscar, simulator, settled } = await open('bascule@pve!watch');
    await oscar.says('ct start 115');
    await oscar.clicks('Run it', 'matomo');
    await oscar.reads('VM.PowerMgmt');
    await settled();
    expect(simulator.effects.all).toEqual([]);
  });

  test('are enough for every change', async () => {
    const { guest } = await open('bascule@pve!operate');
    await change('ct create hostname:hello node:ovh1 vmid:130', 'Create CT 130', 'ct create');
    expect(guest(130)?.running).toBe(true);
    await change('replication disable 130-0', '130-0', 'replication disable');
    await change('replication enable 130-0', '130-0', 'replication enable');
    await change('replication remove 130-0', '130-0', 'replication remove');
    await change('replication add 130 ovh4', 'ovh4', 'replication add');
    await change('ct reboot 130', 'Reboot CT 130', 'ct reboot');
    await change('ct stop 130', 'Stop CT 130', 'ct stop');
    await change('ct start 130', 'Start CT 130', 'ct start');
    await change('ct shutdown 130', 'down CT 130', 'ct shutdown');
    await change('snapshot create 120 before', 'Make snapshot before of CT 120', 'snapshot create');
    await change('snapshot rollback 120 before', 'Roll CT 120', 'snapshot rollback');
    await change('snapshot delete 120 before', 'Delete snapshot before of CT 120', 'snapshot delete');
    await change('ct stop 120', 'Stop CT 120', 'ct stop');
    await change('ct destroy vmid:120 confirm:120', 'Destroy CT 120', 'ct destroy');
    expect(guest(120)).toBeUndefined();
    expect(refusedCalls()).toEqual([]);
  });

  test('are enough for files in backups, scheduled snapshots and containers with people', async () => {
    const ct = { replicateTo: ['ovh3', 'ovh1'] };
    const ssh = { jump: { node: 'ovh1', host: 'gate.example.org' } };
    const house = { ct, ssh, snapshots: [{ vmids: [104], keep: { daily: '5d' } }] };
    const { oscar, simulator, guest } = await open('bascule@pve!operate', {
      ssh: true,
      cluster: { house },
      simulator: { pbs: true },
    });
    await oscar.says('file versions vmid:103 path:/etc/nginx/nginx.conf');
    await oscar.reads('/etc/nginx/nginx.conf in CT 103', 'pbs:');
    await change('snapshot keep', 'make 1, delete 0', 'snapshot keep');
    await change('ct create hostname:crew node:ovh1 vmid:131 person:@alice docker:yes', 'Create CT 131', 'ct create');
    expect(guest(131)?.running).toBe(true);
    expect(simulator.requests.filter(({ status }) => status === 403)).toEqual([]);
    expect(refusedCalls()).toEqual([]);
  });
});

/** Headings as GitHub makes anchors of them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** A commented paragraph without its marks and prose; a key that comes twice makes two alternatives. */
function alternatives(paragraph: string): string[] {
  const lines = paragraph
    .split('\n')
    .filter((line) => /^# {1,}\S/.test(line))
    .map((line) => line.slice(2))
    .filter((line) => /^( +|\w+:( |$))/.test(line));
  const blocks: string[][] = [[]];
  const keys = new Set<string>();
  for (const line of lines) {
    const key = /^(\w+):/.exec(line)?.[1];
    if (key && keys.has(key)) blocks.push([]);
    if (key) keys.add(key);
    blocks.at(-1)!.push(line);
  }
  return blocks.map((block) => block.join('\n'));
}

/** A config without some of its top-level keys. */
function without(text: string, keys: readonly string[]): string {
  let drop = false;
  return text
    .split('\n')
    .filter((line) => {
      const key = /^(\w+):/.exec(line)?.[1];
      if (key) drop = keys.includes(key);
      return !drop;
    })
    .join('\n');
}
