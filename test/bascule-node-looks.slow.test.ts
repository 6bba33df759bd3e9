import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NodeWorld, openNode } from './bascule-node/world.ts';

/** Verbs that only look: at files in snapshots, without ever following a link, and at the quorum. */
let node: NodeWorld;
let volume: string;
let second: string;
beforeEach(() => {
  node = openNode();
  volume = join(node.folder, 'subvol-103-disk-0');
  second = join(node.folder, 'subvol-103-disk-1');
  for (const root of [volume, second])
    for (const snap of ['s1', 's2']) mkdirSync(join(root, '.zfs/snapshot', snap, 'etc'), { recursive: true });
  mkdirSync(join(volume, 'etc'));
  node.guest(
    103,
    'rootfs: local-zfs:subvol-103-disk-0,size=8G\nmp0: local-zfs:subvol-103-disk-1,mp=/srv/data\nmp1: /host/dir,mp=/bind\nunprivileged: 1\n\n[s2]\nrootfs: x\n',
  );
  const dataset = (name: string, root: string): string => `rpool/data/${name}\tfilesystem\t1\t2\tyes\t${root}\n`;
  node.write('datasets', dataset('subvol-103-disk-0', volume) + dataset('subvol-103-disk-1', second));
  const row = (name: string, snap: string, guid: number): string =>
    `rpool/data/${name}@${snap}\t16541280${guid}\t1\t1\t${guid}\t0\n`;
  node.write(
    'snapshots',
    ['subvol-103-disk-0', 'subvol-103-disk-1'].map((name) => row(name, 's1', 11) + row(name, 's2', 12)).join(''),
  );
});
afterEach(() => node.remove());

// biome-ignore lint/suspicious/noExplicitAny: the answer's shape is what the tests are about
const ask = async (verb: string, args: object): Promise<any> => (await node.ask(verb, { vmid: 103, ...args })).answer;

describe('file.versions', () => {
  test('tells which versions there are, newest first, and which are the same', async () => {
    writeFileSync(join(volume, '.zfs/snapshot/s1/etc/app.conf'), 'old');
    writeFileSync(join(volume, '.zfs/snapshot/s2/etc/app.conf'), 'new');
    writeFileSync(join(volume, 'etc/app.conf'), 'new');
    const { result } = await ask('file.versions', { path: '/etc/app.conf' });
    expect(result.versions.map((one: { from: string; hidden?: boolean }) => [one.from, one.hidden])).toEqual([
      ['live', null],
      ['s2', false],
      ['s1', true],
    ]);
    const [live, s2, s1] = result.versions;
    expect([live.sha256 === s2.sha256, s1.sha256 === s2.sha256]).toEqual([true, false]);
    expect(live.identity).not.toBe(s2.identity);
  });

  test('finds the volume of a mount point, and its own snapshots', async () => {
    mkdirSync(join(second, '.zfs/snapshot/s1/db'));
    writeFileSync(join(second, '.zfs/snapshot/s1/db/x'), 'x');
    const { result } = await ask('file.versions', { path: '/srv/data/db/x' });
    expect([result.volume, result.versions.length, result.absent]).toEqual(['subvol-103-disk-1', 1, 2]);
    expect((await ask('file.versions', { path: '/srv/database' })).result.volume).toBe('subvol-103-disk-0');
  });

  test('of a bind mount, or of no ZFS volume at all, are unavailable', async () => {
    expect((await ask('file.versions', { path: '/bind/x' })).error).toMatchObject({ kind: 'unavailable' });
    node.guest(103, 'rootfs: local-lvm:vm-103-disk-0,size=8G\n');
    expect((await ask('file.versions', { path: '/etc/x' })).error).toMatchObject({ kind: 'unavailable' });
  });

  test('of a replica are read by its volume', async () => {
    const replica = join(node.folder, 'subvol-107-disk-0');
    mkdirSync(join(replica, 'etc'), { recursive: true });
    writeFileSync(join(replica, 'etc/x'), 'x');
    node.write('datasets', `rpool/data/subvol-107-disk-0\tfilesystem\t1\t2\tyes\t${replica}\n`);
    node.write('snapshots', '');
    const look = (extra: object) => ask('file.versions', { vmid: 107, path: '/etc/x', ...extra });
    expect((await look({})).error).toMatchObject({ kind: 'not-found' });
    expect((await look({ volume: 'subvol-107-disk-0' })).result.versions).toHaveLength(1);
    expect((await look({ volume: 'subvol-103-disk-0' })).error).toMatchObject({ kind: 'bad-input' });
  });

  test('over 500 snapshots come in one call', async () => {
    const rows: string[] = [];
    for (let index = 0; index < 500; index += 1) {
      const folder = join(volume, '.zfs/snapshot', `auto${index}`, 'etc');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'app.conf'), String(index % 3));
      rows.push(`rpool/data/subvol-103-disk-0@auto${index}\t1\t1\t1\t${index}\t0`);
    }
    node.write('snapshots', rows.join('\n'));
    const { result } = await ask('file.versions', { path: '/etc/app.conf' });
    expect(result.versions).toHaveLength(500);
    expect(new Set(result.versions.map((one: { sha256: string }) => one.sha256)).size).toBe(3);
  });
});

describe('file.stat and file.show', () => {
  test('show text, tell binary from text, list folders, and weigh them', async () => {
    const etc = join(volume, '.zfs/snapshot/s1/etc');
    writeFileSync(join(etc, 'text'), 'grüße\n\u001b[31m');
    writeFileSync(join(etc, 'binary'), Buffer.from([0x66, 0, 0x66]));
    writeFileSync(join(etc, 'long'), 'é'.repeat(50_000));
    linkSync(join(etc, 'text'), join(etc, 'text2'));
    const show = async (path: string) => (await ask('file.show', { path, from: 's1' })).result;
    expect(await show('/etc/text')).toMatchObject({ type: 'file', text: 'grüße\n\\x1b[31m', whole: true, links: 2 });
    expect(await show('/etc/binary')).toMatchObject({ binary: true });
    const long = await show('/etc/long');
    expect([long.whole, /^é+$/.test(long.text)]).toEqual([false, true]);
    expect((await show('/etc')).names.map((row: { name: string }) => row.name)).toEqual([
      'binary',
      'long',
      'text',
      'text2',
    ]);
    expect((await ask('file.stat', { path: '/etc', from: 's1' })).result).toMatchObject({
      type: 'directory',
      entries: 4,
      complete: true,
    });
  });

  test('follow no link, and say where it leads inside', async () => {
    const etc = join(volume, '.zfs/snapshot/s1/etc');
    mkdirSync(join(etc, 'real'));
    writeFileSync(join(etc, 'real/x'), 'inside');
    symlinkSync('/etc/real', join(etc, 'way'));
    symlinkSync('/etc/passwd', join(etc, 'last'));
    symlinkSync('../../../../../../../../etc', join(etc, 'up'));
    const through = await ask('file.show', { path: '/etc/way/x', from: 's1' });
    expect(through.error).toMatchObject({ kind: 'refused', next: 'use the real path: /etc/real/x' });
    const last = await ask('file.show', { path: '/etc/last', from: 's1' });
    expect(last.result).toMatchObject({ type: 'symlink', target: '/etc/passwd' });
    expect(JSON.stringify(last)).not.toContain('root:');
    expect((await ask('file.show', { path: '/etc/up/passwd', from: 's1' })).error.kind).toBe('refused');
    expect((await ask('file.stat', { path: '/etc/up/passwd', from: 's1' })).error.kind).toBe('refused');
    expect((await ask('file.versions', { path: '/etc/up/passwd' })).result.versions).toEqual([]);
  });

  test.each([
    '/etc/../etc',
    '/etc//x',
    'etc/x',
    '/etc/.',
    '/.zfs/snapshot/s1',
    '/a\u0000b',
    '/a\nb',
    `/${'x'.repeat(300)}`,
  ])('refuse the path %j', async (path) => {
    expect((await ask('file.show', { path, from: 's1' })).error.kind).toBe('bad-input');
  });

  test('refuse a snapshot that is a path, and one that is not there', async () => {
    for (const from of ['..', '../s1', 's1/../../..', '.', ''])
      expect((await ask('file.show', { path: '/etc', from })).error.kind).toBe('bad-input');
    expect((await ask('file.show', { path: '/etc', from: 's9' })).error.kind).toBe('not-found');
    expect((await ask('file.show', { path: '/etc', pathBase64: 'L2V0Yw==', from: 's1' })).error.kind).toBe('bad-input');
    expect((await ask('file.show', { pathBase64: 'L2V0Yw==', from: 's1' })).result.type).toBe('directory');
  });
});

const states = new URL('../../shared/node/corosync/', import.meta.url).pathname;
if (!existsSync(states)) console.log('recordings of corosync are not here: skipped');
describe.skipIf(!existsSync(states))('quorum.facts', () => {
  const replay = async (path: string) => {
    const text = readFileSync(join(states, path), 'utf8');
    const code = /^## exit (\d+)/m.exec(text)![1];
    node.write('said', text.slice(text.indexOf('## stdout\n') + 10, text.indexOf('## stderr')));
    writeFileSync(join(node.folder, 'quorumtool'), `#!/bin/sh\ncat "$(dirname "$0")/said"; exit ${code}\n`, {
      mode: 0o755,
    });
    return (await node.ask('quorum.facts', {})).answer;
  };

  test('reads every recorded state as the text says it', async () => {
    const files = readdirSync(states, { recursive: true })
      .map(String)
      .filter((path) => path.endsWith('quorumtool-siH.txt'));
    expect(files.length).toBeGreaterThan(15);
    for (const file of files) {
      const text = readFileSync(join(states, file), 'utf8');
      const answer = await replay(file);
      const yes = /^Quorate: +Yes/m.test(text);
      if (!/^Quorate:/m.test(text)) {
        expect(answer.error.kind, file).toBe('unavailable');
        continue;
      }
      expect(answer.result.quorate, file).toBe(yes);
      expect(answer.result.members.length, file).toBe(text.match(/^0x/gm)!.length);
      expect(
        answer.result.members.filter((one: { local: boolean }) => one.local),
        file,
      ).toHaveLength(1);
    }
  });

  test('tells a node that lost its qdevice, with whom it sees and what is missing', async () => {
    const { result } = await replay('2n-qdevice-split/pve-b.quorumtool-siH.txt');
    expect(result).toEqual({
      quorate: false,
      expected: 3,
      total: 1,
      needed: 2,
      blocked: true,
      flags: ['Qdevice'],
      members: [
        { nodeid: 2, votes: 1, qdevice: 'A,NV,NMW', name: '10.10.0.2', local: true, votesWhenUp: null },
        { nodeid: 0, votes: 0, qdevice: null, name: 'Qdevice', local: false, votesWhenUp: 1 },
      ],
    });
  });
});

describe('file.restore', () => {
  const row = (free: number) =>
    node.write('datasets', `rpool/data/subvol-103-disk-0\tfilesystem\t1\t2\tyes\t${volume}\t${free}\n`);
  const dryRun = async (
    path: string,
  ): Promise<{ readonly error?: { readonly kind: string; readonly why: string } }> => {
    const args = { vmid: 103, run: 'r1', path, from: 's1', overwrite: false, stamp: '20261121T003152Z' };
    return (await node.ask('file.restore', args, 'dry-run')).answer;
  };

  test('of what does not fit is refused in a dry run too, files and folders', async () => {
    node.write('state', 'RUNNING\n');
    const etc = join(volume, '.zfs/snapshot/s1/etc');
    mkdirSync(join(etc, 'big/deep'), { recursive: true });
    mkdirSync(join(volume, 'etc/big'));
    for (const name of ['big/one', 'big/deep/two']) writeFileSync(join(etc, name), 'x'.repeat(40_000));
    row(60_000);
    expect((await dryRun('/etc/big/one')).error).toBeUndefined();
    const refused = {
      kind: 'conflict',
      why: expect.stringMatching(/^the volume is full: it takes \d+ bytes, 60000 are free$/),
    };
    expect((await dryRun('/etc/big')).error).toMatchObject(refused);
    row(30_000);
    expect((await dryRun('/etc/big/one')).error).toMatchObject({ kind: 'conflict' });
    expect(existsSync(join(volume, 'etc/big/one.restored-20261121T003152Z'))).toBe(false);
  });

  test('counts what a file takes on the disk and not its holes', async () => {
    node.write('state', 'RUNNING\n');
    const sparse = openSync(join(volume, '.zfs/snapshot/s1/etc/sparse'), 'w');
    ftruncateSync(sparse, 1_000_000_000);
    closeSync(sparse);
    row(100_000);
    expect((await dryRun('/etc/sparse')).error).toBeUndefined();
  });
});
