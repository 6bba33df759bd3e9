import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeProgramSha256, nodeVerbs } from '../adapters/shell/node/program.ts';
import { type Simulator, startSimulator } from '../adapters/simulator/index.ts';
import type { WorldSpec } from '../adapters/simulator/types.ts';
import { type NodeWorld, OPEN_CONFIG, openNode } from './bascule-node/world.ts';
import { newKey } from './shell-server.ts';

/**
 * The simulator's stand-in of bascule-node against the real perl program: the same requests to both, in two worlds
 * that hold the same, must be answered with the same words and exit codes.
 */
let real: NodeWorld;
let simulator: Simulator;

const spec: WorldSpec = {
  nodes: [{ name: 'ovh1' }],
  storages: [{ id: 'local-zfs', type: 'zfspool', content: ['rootdir'], total: 1e12 }],
  guests: [
    { vmid: 103, node: 'ovh1', name: 'web' },
    { vmid: 104, node: 'ovh1', name: 'other' },
  ],
};

const files: Readonly<Record<string, string>> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nolga:x:1000:1000:Olga:/home/olga:/bin/bash\nodd:x:1001:1001::/home/olga/../x:/bin/bash\n',
  'etc/shadow': 'root:*:1:0:99999:7:::\nwww-data:*:1:0:99999:7:::\nolga:$y$x:1:0:99999:7::1:\nodd:!:1:0:99999:7:::\n',
  'etc/group': 'root:x:0:\nsudo:x:27:olga\n',
  'etc/app.conf': 'live\n',
  'etc/big/one': '1',
  'etc/big/two': '22',
  'etc/binary': 'a\0b',
  'etc/text': 'grüße\n\u001b[31m',
  'bin/bash': 'x',
};
const start = 1_795_000_000;
const snapshots = [
  { name: 's1', at: start + 11, text: 'one\n' },
  { name: 's2', at: start + 12, text: 'two\n' },
];

/** Puts a file into both containers, or into one snapshot of both; times are whole seconds. */
function put(path: string, text: string, from = 'live'): void {
  for (const root of roots(from)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    utimesSync(join(root, path), start, start);
  }
}

function roots(from: string): string[] {
  return from === 'live'
    ? [real.inside(''), simulator.files(103)]
    : [real.inside(`.zfs/snapshot/${from}`), simulator.snapshotFiles(103, from)];
}

const conf = (more = ''): string =>
  `hostname: web\nrootfs: local-zfs:subvol-103-disk-0,size=8G\nunprivileged: 1\n${more}\n[s2]\nrootfs: x\n`;

beforeEach(async () => {
  simulator = await startSimulator({ pve: '9.2', world: spec, speed: 0, ssh: { programSha256: nodeProgramSha256() } });
  const guest = simulator.world.guest(103)!;
  guest.snapshots = [{ name: 's2', description: '', snaptime: snapshots[1]!.at, config: {} }];
  guest.onDisk = [{ name: 's1', at: snapshots[0]!.at }];
  simulator.hands('ovh1').config!.vmids = ['100-103'];
  real = openNode();
  allow({});
  real.guest(103, conf());
  real.write('passwd', 'root:x:0:0:root:/root:/bin/bash\nbascule-jump:x:998:998::/nonexistent:/usr/sbin/nologin\n');
  real.write('datasets', `rpool/data/subvol-103-disk-0\tfilesystem\t1\t1\tyes\t${real.inside('')}\t1000000000\n`);
  const disk = simulator.disks.root(guest);
  real.write(
    'snapshots',
    disk.snapshots
      .map(({ name, at, guid }) => `rpool/data/subvol-103-disk-0@${name}\t${at}\t1\t1\t${guid}\t0\n`)
      .join(''),
  );
  for (const from of ['live', 's1', 's2'])
    for (const root of roots(from)) {
      if (root !== real.inside('')) rmSync(root, { recursive: true, force: true });
      mkdirSync(root, { recursive: true });
    }
  for (const folder of ['etc/sudoers.d', 'home/olga/.ssh', 'root', 'var/lib'])
    for (const root of roots('live')) mkdirSync(join(root, folder), { recursive: true });
  for (const [path, text] of Object.entries(files)) put(path, text);
  for (const { name, text } of snapshots) put('etc/app.conf', text, name);
});
afterEach(async () => {
  real.remove();
  await simulator.close();
});

/** The same /etc/bascule-node.json on both. */
function allow(more: object): void {
  const config = { ...OPEN_CONFIG, vmids: ['100-103'], verbs: [...nodeVerbs()], ...more };
  real.allow(config);
  simulator.hands('ovh1').config = config as never;
}

const stopped = (): void => {
  real.write('state', 'STOPPED\n');
  simulator.world.guest(103)!.running = false;
};
const locked = (lock: string, description = '', bare = false): void => {
  const guest = simulator.world.guest(103)!;
  guest.lock = lock;
  if (description) guest.config.description = description;
  if (bare) Object.assign(guest, { config: {}, snapshots: [] });
  const words = description === '' ? '' : `#${encodeURIComponent(description)}\n`;
  real.guest(103, bare ? `lock: ${lock}\n` : words + conf(`lock: ${lock}\n`));
};

/** What cannot be the same: where things are, and what this machine's disk makes of them. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value)
    .replaceAll(real.folder, '')
    .replaceAll('/root//', '/')
    .replaceAll('/root/etc/', '/etc/')
    .replaceAll('/root/var/', '/var/')
    // The make-believe useradd numbers accounts as it likes.
    .replace(/account alice, uid \d+/g, 'account alice, uid N')
    .replace(/("name":"alice"[^}]*?"uid":)\d+/g, '$11')
    .replace(/"\/jump\//g, '"/etc/ssh/bascule-jump/')
    .replaceAll('/bascule-node.json', '/etc/bascule-node.json')
    .replaceAll('/etc/etc/', '/etc/')
    .replace(/\.authorized_keys\.[0-9a-f]{16}/g, '.authorized_keys.X')
    .replace(/dd: failed to open .*?File exists/g, 'dd: exists');
  return JSON.parse(text, (key, inner) => {
    if (['uid', 'gid'].includes(key) && inner !== 1000 && inner !== 1001) return 'an id';
    if (key === 'identity') return 'an identity';
    if (key === 'undoUntil') return Math.round(inner / 1000);
    if (key === 'size' && inner > 1000) return 'a folder';
    if (['used', 'refer'].includes(key)) return 'bytes';
    if (key === 'mode' || key === 'links') return 'a mode';
    if (key === 'mtime' && inner !== start) return 'now';
    return inner;
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the answer's shape is what the tests are about
type Result = any;

const request = (verb: string, args: object, mode = 'run'): string =>
  JSON.stringify({ v: 1, id: 'run-1', verb, mode, args });

/** Asks both, one request after the other. Their answers must be the same; gives each result or error. */
async function all(requests: readonly (string | Uint8Array)[]): Promise<Result[]> {
  const mine = requests.map((each) => simulator.hands('ovh1').answer(Buffer.from(each)));
  const theirs = await real.many(requests);
  expect(theirs).toHaveLength(requests.length);
  for (const [index, { code, stdout }] of mine.entries()) {
    expect(stdout).toMatch(/^[\x20-\x7e]+\n$/);
    const { code: wanted, answer } = theirs[index]!;
    const label = String(requests[index]).slice(0, 300);
    expect({ code, answer: plain(JSON.parse(stdout)) }, label).toEqual({ code: wanted, answer: plain(answer) });
  }
  return theirs.map(({ answer }) => (answer.ok ? answer.result : answer.error));
}

const both = async (verb: string, args: object, mode = 'run'): Promise<Result> =>
  (await all([request(verb, args, mode)]))[0];

/** The same in one mode after the other. */
const modes = (verb: string, args: object, ...names: string[]): Promise<Result[]> =>
  all(names.map((mode) => request(verb, args, mode)));

const marker = 'bascule:run-1';
const key = () => newKey().public.trim().split(' ').slice(0, 2).join(' ');
const ids = { vmid: 103 };

describe('both tell the same', () => {
  test('of themselves', async () => {
    const said = await both('hello', {});
    expect(said.known).toEqual(nodeVerbs());
  });

  test('of requests that are none, or not allowed', async () => {
    const said = await all([
      '',
      'rm -rf /',
      '[]',
      `{"v":1,"id":"a","verb":"hello","args":{"a":${'['.repeat(8)}${']'.repeat(8)}}}`,
      '{"v":2}',
      '{"v":"1"}',
      '{"v":1,"id":"../x"}',
      '{"v":1,"id":"a"}',
      '{"v":1,"id":"a","verb":"ct.destroy"}',
      '{"v":1,"id":"a","verb":"hello","mode":"force"}',
      '{"v":1,"id":"a","verb":"hello"}',
      '{"v":1,"id":"a","verb":"hello","args":[]}',
      '{"v":1,"id":"a","verb":"hello","args":{},"sudo":true}',
      '{"v":1,"id":"a","verb":"hello","args":{"vmid":103}}',
      '{"v":1,"id":"a","verb":"ct.users","args":{"vmid":"103"}}',
      '{"v":1,"id":"a","verb":"ct.users","args":{"vmid":103.5}}',
      '{"v":1,"id":"a","verb":"ct.users","args":{"vmid":1}}',
      '{"v":1,"id":"a","verb":"ct.users","args":{}}',
      '{"v":1,"id":"a","verb":"ct.users","args":{"vmid":104}}',
      '{"v":1,"id":"a","verb":"hello","mode":"probe","args":{}}',
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      '{"v":1,"id":"a","verb":"\\ud800"}',
    ]);
    for (const { kind } of said) expect(kind).toMatch(/^(bad-input|forbidden)$/);
  });

  test('of a request that is too large', async () => {
    const large = `{"v":1,"id":"${'x'.repeat(270_000)}"}`;
    const { code, answer } = await real.call(large);
    const told = simulator.hands('ovh1').answer(Buffer.from(large));
    expect([told.code, JSON.parse(told.stdout)]).toEqual([code, answer]);
  });

  test('of what the node does not allow', async () => {
    allow({ verbs: ['hello'], sudo: false, jump: [] });
    await both('hello', {});
    expect(await both('ct.users', ids)).toMatchObject({ kind: 'forbidden' });
    allow({ sudo: false, scripts: ['0'.repeat(64)] });
    expect(await both('ct.user.ensure', { ...ids, user: 'alice', marker, sudo: true })).toMatchObject({
      kind: 'forbidden',
    });
    expect(await both('ct.script', { ...ids, run: 'r', script: '#!/bin/sh\n' })).toMatchObject({ kind: 'forbidden' });
  });

  test('of a guest that is not there, and one that is stopped', async () => {
    const args = { user: 'alice', marker, lines: [] };
    const about = (vmid: number) => [
      request('ct.users', { vmid }),
      request('ct.keys.set', { vmid, ...args }, 'probe'),
      request('ct.script', { vmid, run: 'r', script: '#!/bin/sh\n' }),
    ];
    const elsewhere = await all([...about(102), request('file.versions', { vmid: 102, path: '/x' })]);
    for (const { kind } of elsewhere) expect(kind).toBe('not-found');
    stopped();
    for (const { kind } of await all(about(103))) expect(kind).toBe('conflict');
  });
});

describe('both agree on accounts', () => {
  const alice = { ...ids, user: 'alice', marker, sudo: true };

  test('from the first look to the last', async () => {
    put(
      'home/olga/.ssh/authorized_keys',
      `# mine\n${key()} olga@laptop\nfrom="10.0.0.0/8" ${key()} x y\n${key()} ${marker} note\nno key\n`,
    );
    const { users } = await both('ct.users', ids);
    expect(users.map(({ name }: { name: string }) => name)).toEqual(['olga', 'odd']);
    await modes('ct.user.ensure', alice, 'probe', 'dry-run', 'run', 'probe', 'run');
    await modes('ct.user.ensure', { ...alice, sudo: false }, 'probe', 'dry-run', 'run', 'probe');
    await both('ct.user.ensure', { ...alice, marker: 'bascule:run-2', sudo: false }, 'probe');
    await modes('ct.user.remove', { ...ids, user: 'alice', home: 'remove' }, 'probe', 'dry-run', 'run', 'probe', 'run');
    await both('ct.users', ids);
  });

  test('that are not ours, or of the system, or have no sudo to get', async () => {
    const olga = { ...ids, user: 'olga', marker, sudo: false };
    expect(await both('ct.user.ensure', olga)).toMatchObject({ kind: 'conflict' });
    expect(await both('ct.user.ensure', { ...olga, adopt: true })).toMatchObject({ made: false });
    expect(await both('ct.user.remove', { ...ids, user: 'olga', home: 'keep' })).toMatchObject({ kind: 'conflict' });
    for (const user of ['root', 'www-data'])
      expect(await both('ct.user.ensure', { ...olga, user, adopt: true })).toMatchObject({ kind: 'forbidden' });
    for (const root of roots('live')) rmSync(join(root, 'etc/sudoers.d'), { recursive: true });
    expect(await both('ct.user.ensure', alice)).toMatchObject({ kind: 'conflict' });
    await both('ct.user.ensure', { ...alice, user: 'Alice' });
  });

  test('in a container without its files', async () => {
    for (const root of roots('live')) rmSync(join(root, 'etc/shadow'));
    expect((await both('ct.users', ids)).kind).toBe('refused');
  });
});

describe('both agree on keys', () => {
  const olga = { ...ids, user: 'olga', marker };
  const file = 'home/olga/.ssh/authorized_keys';
  const same = () => {
    const [text, mine] = roots('live').map((root) => readFileSync(join(root, file), 'latin1'));
    expect(mine).toBe(text);
    return text;
  };

  test('and accounts only in the container that is meant: the number may be another’s by now', async () => {
    const [mac, other] = ['BC:24:11:00:01:03', 'BC:24:11:99:99:99'];
    const account = { ...ids, user: 'alice' };
    const calls = (of: string) =>
      [
        ['ct.user.ensure', { ...account, marker, sudo: false, mac: of }],
        ['ct.keys.set', { ...account, marker, lines: [], mac: of }],
        ['ct.user.remove', { ...account, home: 'keep', mac: of }],
      ] as const;
    delete simulator.world.guest(103)!.config['net0'];
    for (const [verb, args] of calls(mac)) expect(await both(verb, args)).toMatchObject({ kind: 'changed' });
    const net0 = `name=eth0,bridge=vmbr0,hwaddr=${mac.toLowerCase()},ip=dhcp`;
    simulator.world.guest(103)!.config['net0'] = net0;
    real.guest(103, conf(`net0: ${net0}\n`));
    for (const mode of ['run', 'probe', 'dry-run'])
      for (const [verb, args] of calls(other))
        expect(await both(verb, args, mode)).toMatchObject({
          kind: 'changed',
          why: `its network card net0 is ${mac}, not ${other}: it is another container`,
        });
    for (const [verb, args] of calls(mac)) expect((await both(verb, args, 'probe')).kind).not.toBe('changed');
    expect(await both('ct.user.remove', { ...account, home: 'keep', mac: mac.toLowerCase() })).toMatchObject({
      kind: 'bad-input',
    });
  });

  test('and leave foreign lines byte for byte', async () => {
    put(file, `# mine\n  ${key()} bascule:run-1x \n\tbroken line\r\n${key()} olga, no newline`);
    const lines = [`restrict,pty,expiry-time="20991231Z" ${key()} ${marker}`, `${key()} ${marker}`];
    await modes('ct.keys.set', { ...olga, lines }, 'probe', 'dry-run', 'run', 'probe', 'run');
    expect(same()).toContain('broken line\r\n');
    await modes('ct.keys.set', { ...olga, lines: lines.slice(1) }, 'probe', 'run', 'probe');
    await modes('ct.keys.set', { ...olga, lines: [] }, 'probe', 'run', 'probe');
    same();
  });

  test('that are taken over and given back', async () => {
    const [first, second, third] = [key(), key(), key()];
    put(file, `${first} olga@old\n  ${second}\nfrom="10.0.0.1" ${third} x\n`);
    const lines = [`${first} ${marker}`, `${second} ${marker}`];
    for (const foreign of ['adopt', 'release'])
      await modes('ct.keys.set', { ...olga, lines, foreign }, 'probe', 'dry-run', 'run', 'probe', 'run');
    same();
    expect(await both('ct.keys.set', { ...olga, lines: [`${third} ${marker}`], foreign: 'adopt' })).toMatchObject({
      kind: 'changed',
    });
    await both('ct.keys.set', { ...olga, lines: [`restrict ${first} ${marker}`], foreign: 'adopt' });
    await both('ct.keys.set', { ...olga, lines, foreign: 'steal' });
  });

  test('of nobody, of an odd home, and behind a symbolic link', async () => {
    expect(await both('ct.keys.set', { ...olga, user: 'nobody1', lines: [] })).toMatchObject({ kind: 'not-found' });
    expect(await both('ct.keys.set', { ...olga, user: 'odd', lines: [] })).toMatchObject({ kind: 'refused' });
    for (const root of roots('live')) symlinkSync('/etc/passwd', join(root, file));
    expect(await both('ct.keys.set', { ...olga, lines: [] })).toMatchObject({ kind: 'refused' });
  });

  const rsa = (bits: number): string => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
    const str = (bytes: Buffer): Buffer => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const number = (text: string) => str(Buffer.concat([Buffer.from([0]), Buffer.from(text, 'base64url')]));
    const exponent = str(Buffer.from(jwk.e!, 'base64url'));
    return `ssh-rsa ${Buffer.concat([str(Buffer.from('ssh-rsa')), exponent, number(jwk.n!)]).toString('base64')}`;
  };
  const good = key();
  const [type, base64] = good.split(' ') as [string, string];
  test('and refuse lines that might open more', async () => {
    const lines = [
      `command="id" ${good} ${marker}`,
      `restrict,tunnel="0" ${good} ${marker}`,
      `expiry-time="20260101Z",command="id\\"" ${good} ${marker}`,
      `expiry-time="202611210000" ${good} ${marker}`,
      `permitopen="db.internal:5432" ${good} ${marker}`,
      `${good} bascule:run-2`,
      `${good} ${marker} and more`,
      `ssh-dss ${base64} ${marker}`,
      `ssh-ed25519-cert-v01@openssh.com ${base64} ${marker}`,
      `ssh-rsa ${base64} ${marker}`,
      `${type} ${base64.slice(0, -8)} ${marker}`,
      `${type} ${base64.replace(/A/g, '*')} ${marker}`,
      `# ${good} ${marker}`,
      `${rsa(1024)} ${marker}`,
      `${good} ${marker}é`,
    ];
    const said = await all(lines.map((line) => request('ct.keys.set', { ...olga, lines: [line] })));
    for (const { kind } of said) expect(kind).toBe('bad-input');
  });

  test('and take sound ones, once each', async () => {
    const line = `restrict,from="10.0.0.0/8,!10.1.1.1",permitopen="10.1.0.103:22" ${rsa(2048)} ${marker}`;
    await both('ct.keys.set', { ...olga, lines: [line] });
    expect(await both('ct.keys.set', { ...olga, lines: [line, line] })).toMatchObject({ kind: 'bad-input' });
    same();
  });

  test('of jump accounts', async () => {
    const jump = { user: 'bascule-jump', marker };
    const open = (end: string, port: number) =>
      `restrict,port-forwarding,permitopen="10.1.0.103:${port}",expiry-time="${end}Z"`;
    const mine = key();
    const lines = [`${open('20991231', 22)} ${mine} ${marker}`];
    await modes('jump.keys.set', { ...jump, lines }, 'probe', 'dry-run', 'run', 'probe', 'run');
    const other = { user: 'bascule-jump', marker: 'bascule:run-2' };
    const soon = [`${open('20980101', 23)} ${mine} bascule:run-2`, `${open('20970101', 23)} ${key()} bascule:run-2`];
    await modes('jump.keys.set', { ...other, lines: soon }, 'run', 'probe', 'run');
    expect(simulator.hands('ovh1').jumpKeys.get('bascule-jump')).toBe(real.read('jump/bascule-jump'));
    await both('jump.keys.set', { ...jump, lines }, 'probe');
    const wrong = [
      `pty,${lines[0]}`,
      lines[0]!.replace('restrict,', ''),
      lines[0]!.replace(/,permitopen="[^"]*"/, ''),
      lines[0]!.replace('restrict', 'restrict,port-forwarding'),
    ];
    const refused = await all(wrong.map((line) => request('jump.keys.set', { ...jump, lines: [line] })));
    for (const { kind } of refused) expect(kind).toBe('bad-input');
    expect(await both('jump.keys.set', { ...jump, user: 'root', lines: [] })).toMatchObject({ kind: 'forbidden' });
    await both('jump.keys.set', { ...jump, lines: [] });
    expect(simulator.hands('ovh1').jumpKeys.get('bascule-jump')).toBe(real.read('jump/bascule-jump'));
  });
});

describe('both agree on a container’s config', () => {
  const docker = { ...ids, nesting: true, keyctl: true };

  test('and its features', async () => {
    simulator.world.guest(103)!.config.features = 'fuse=1,mount=nfs;cifs';
    real.guest(103, `features: fuse=1,mount=nfs;cifs\n${conf()}`);
    await modes('ct.features', docker, 'probe', 'dry-run', 'run', 'probe', 'run');
    await both('ct.features', { ...docker, keyctl: false }, 'probe');
    stopped();
    await both('ct.features', { ...docker, keyctl: false });
    await both('ct.features', ids);
    locked('backup');
    expect(await both('ct.features', docker)).toMatchObject({ kind: 'conflict' });
  });

  test('of a privileged one', async () => {
    delete simulator.world.guest(103)!.config.unprivileged;
    real.guest(103, 'hostname: x\n');
    expect(await both('ct.features', docker)).toMatchObject({ kind: 'refused' });
  });

  const upid = 'UPID:ovh1:00FFFFFF:00000001:5F00000A:vzcreate:103:bot@pve!chatops:';
  test('and who may take the lock of a create', async () => {
    await modes('ct.unlock', { ...ids, marker }, 'probe', 'run');
    locked('backup', `made by ${marker}`);
    expect(await both('ct.unlock', { ...ids, marker })).toMatchObject({ kind: 'forbidden' });
    locked('create', `made by ${marker}2`);
    expect(await both('ct.unlock', { ...ids, marker })).toMatchObject({ kind: 'forbidden' });
    locked('create', `made by ${marker} for olga`);
    await modes('ct.unlock', { ...ids, marker }, 'probe', 'dry-run', 'run', 'probe', 'run');
    await both('ct.unlock', { vmid: 102, marker }, 'probe');
  });

  test('and a bare lock, which needs the task that left it', async () => {
    locked('create', '', true);
    await both('ct.unlock', { ...ids, marker });
    await both('ct.unlock', { ...ids, marker, upid });
    await both('ct.unlock', { ...ids, marker, upid: upid.replace(':103:', ':104:') });
    await both('ct.unlock', { ...ids, marker, upid: 'UPID:x' });
  });

  test('and scripts, which run once', async () => {
    const args = { ...ids, run: 'run-1', script: '#!/bin/sh\necho done; echo oops >&2; exit 3\n' };
    await modes('ct.script', args, 'probe', 'dry-run', 'run', 'probe', 'run', 'dry-run');
    await both('ct.script', { ...args, run: 'run-2', script: 'echo x' });
    await both('ct.script', { ...args, run: 'run-2', minutes: 61 });
    await both('ct.script', { ...args, run: 'run-2', script: '#!/bin/sh\necho ü\n', minutes: 1 });
    for (const root of roots('live')) mkdirSync(join(root, 'var/lib/bascule/scripts/run-3'));
    await both('ct.script', { ...args, run: 'run-3' }, 'probe');
    expect(await both('ct.script', { ...args, run: 'run-3' })).toMatchObject({ kind: 'conflict' });
  });
});

describe('both agree on files', () => {
  test('in snapshots, hidden or not', async () => {
    const said = await both('zfs.snapshots', ids);
    expect(said.snapshots.map(({ hidden }: { hidden: boolean }) => hidden)).toEqual([true, false]);
    const { versions } = await both('file.versions', { ...ids, path: '/etc/app.conf' });
    expect(versions).toHaveLength(3);
    const path = '/etc/app.conf';
    const asked = [
      { pathBase64: Buffer.from(path).toString('base64') },
      { path, volume: 'subvol-103-disk-0' },
      { path, volume: 'subvol-104-disk-0' },
      { path: '/etc/nothing' },
    ];
    await all([
      ...asked.map((each) => request('file.versions', { ...ids, ...each })),
      ...['s1', 's2', 's9', 'live', '..'].map((from) => request('file.stat', { ...ids, path, from })),
      ...['s1', 's2', 's9', 'live', '..'].map((from) => request('file.show', { ...ids, path, from })),
    ]);
  });

  test('of every kind, without following a link', async () => {
    for (const root of roots('live')) {
      symlinkSync('/etc/big', join(root, 'etc/way'));
      symlinkSync('/etc/passwd', join(root, 'etc/last'));
      symlinkSync('../../../../../../etc', join(root, 'etc/up'));
      symlinkSync('nowhere', join(root, 'etc/dangling'));
      utimesSync(join(root, 'etc/big'), start, start);
    }
    put('etc/long', 'é'.repeat(50_000));
    const paths = 'text binary big long last way/one way/none up/passwd dangling/x app.conf/x'.split(' ');
    const live = (verb: string) => paths.map((path) => request(verb, { ...ids, path: `/etc/${path}`, from: 'live' }));
    await all([...live('file.show'), ...live('file.stat'), request('file.versions', { ...ids, path: '/etc/way/one' })]);
  });

  test('and refuse paths that lead elsewhere', async () => {
    const paths = [
      '/etc/../etc',
      '/etc//x',
      'etc/x',
      '/etc/.',
      '/.zfs/snapshot/s1',
      '/a\u0000b',
      '/a\nb',
      '',
      `/${'x'.repeat(300)}`,
    ];
    const said = await all(paths.map((path) => request('file.show', { ...ids, path, from: 's1' })));
    for (const { kind } of said) expect(kind).toBe('bad-input');
  });

  test('on what is no ZFS volume', async () => {
    simulator.world.guest(103)!.config.mp0 = '/host/dir,mp=/bind';
    real.guest(103, conf('mp0: /host/dir,mp=/bind\n'));
    expect(await both('file.versions', { ...ids, path: '/bind/x' })).toMatchObject({ kind: 'unavailable' });
    await both('file.versions', { ...ids, path: '/bindings' });
    await both('file.versions', { ...ids });
  });

  const restore = {
    ...ids,
    run: 'run-1',
    path: '/etc/app.conf',
    from: 's1',
    overwrite: true,
    stamp: '20261121T003152Z',
  };

  test('restored in place and undone', async () => {
    await modes('file.restore', restore, 'probe', 'dry-run', 'run', 'probe', 'run');
    expect(roots('live').map((root) => readFileSync(join(root, 'etc/app.conf'), 'utf8'))).toEqual(['one\n', 'one\n']);
    await both('file.show', { ...ids, path: '/etc', from: 'live' });
    await both('file.restore', { ...restore, path: '/etc/text' }, 'probe');
    await modes('file.undo', { ...ids, run: 'run-1' }, 'probe', 'dry-run', 'run', 'probe', 'run');
    expect(roots('live').map((root) => readFileSync(join(root, 'etc/app.conf'), 'utf8'))).toEqual(['live\n', 'live\n']);
    await both('file.show', { ...ids, path: '/etc', from: 'live' });
    expect(await both('file.undo', { ...ids, run: 'run-9' })).toMatchObject({ kind: 'not-found' });
  });

  test('restored beside, whole folders too, and what was changed since is not undone', async () => {
    put('etc/site/a/b', 'deep', 's2');
    const beside = { ...restore, from: 's2', overwrite: false, path: '/etc/site' };
    await modes('file.restore', beside, 'dry-run', 'run', 'probe');
    const name = 'etc/site.restored-20261121T003152Z';
    expect(roots('live').map((root) => readFileSync(join(root, name, 'a/b'), 'utf8'))).toEqual(['deep', 'deep']);
    for (const root of roots('live')) rmSync(join(root, name), { recursive: true });
    await both('file.restore', beside, 'probe');
    expect(await both('file.restore', beside)).toMatchObject({ kind: 'in-doubt' });
    expect(await both('file.undo', { ...ids, run: 'run-1' })).toMatchObject({ kind: 'changed' });
  });

  test('that cannot be restored', async () => {
    const guid = simulator.disks.root(simulator.world.guest(103)!).snapshot('s1')!.guid;
    const wrong = [
      { from: 'live' },
      { from: 's9' },
      { guid: '1' },
      { guid: 1 },
      { path: '/' },
      { path: '/etc/none' },
      { path: `/etc/${'x'.repeat(240)}` },
      { stamp: 'now' },
    ];
    const refused = await all(wrong.map((more) => request('file.restore', { ...restore, ...more })));
    for (const { kind } of refused) expect(kind).toMatch(/^(bad-input|not-found|changed|refused)$/);
    const free = (bytes: number) => {
      simulator.world.drain('ovh1', 'local-zfs');
      simulator.fillStorage('ovh1', 'local-zfs', bytes);
      real.write('datasets', real.read('datasets').replace(/\d+\n$/, `${bytes}\n`));
    };
    free(100);
    for (const told of await modes('file.restore', restore, 'dry-run', 'run'))
      expect(told).toMatchObject({ kind: 'conflict' });
    free(1_000_000);
    put('srv/data/x', 'x', 's1');
    expect(await both('file.restore', { ...restore, path: '/srv/data/x' })).toMatchObject({ kind: 'not-found' });
    put('srv/data', 'a file now');
    expect(await both('file.restore', { ...restore, path: '/srv/data/x' })).toMatchObject({ kind: 'refused' });
    put('etc/app.conf.restored-20261121T003152Z', 'in the way');
    expect(await both('file.restore', restore)).toMatchObject({ kind: 'conflict' });
    locked('backup');
    expect(await both('file.restore', { ...restore, guid })).toMatchObject({ kind: 'conflict' });
  });

  test('of a stopped container, as far as a dry run goes', async () => {
    stopped();
    const { would } = await both('file.restore', restore, 'dry-run');
    expect(would[0].command[0]).toBe('sandbox:');
  });
});
