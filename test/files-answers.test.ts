import { describe, expect, test } from 'vitest';
import type { Card } from '../src/contracts/card.ts';
import { fail } from '../src/contracts/failure.ts';
import { fingerprint, isNodeCall, type Plan } from '../src/contracts/plan.ts';
import { type Around, answerOf, planOf, refusalOf } from './views/ask.ts';
import { filesOn, fileVersion, restoredBefore } from './views/fake-files.ts';
import { fakeNodes, zfsOf } from './views/fake-nodes.ts';
import { type FakeWorld, fourNodes, GIB, NOW } from './views/fake-view.ts';

/** What people are told of versions of files, and what a restore plans, refuses and takes back. */

const CONF = '/etc/nginx/nginx.conf';
const VOLID = 'pbs:backup/ct/103/2026-11-14T01:00:01Z';
const now = fileVersion('live', 0, 'timeout 1;\n');
const daily = fileVersion('autodaily261114020001', 35, 'timeout 60;\n');
const hand = fileVersion('by-hand', 30, 'timeout 60;\n', { identity: 'touched' });
const replicate = fileVersion('__replicate_103-0_1795000000__', 1, 'timeout 1;\n');
const gone = fileVersion('gone', 500, 'timeout 30;\n');
const files = {
  versions: { ovh1: [now, replicate, hand, daily], ovh3: [now, replicate, daily, gone] },
  texts: { 'ovh1:live': 'timeout 1;\n', [`ovh1:${daily.from}`]: 'timeout 60;\n', 'ovh3:gone': 'timeout 30;\n' },
};

function withBackups(world: FakeWorld = fourNodes()): FakeWorld {
  world.storages['ovh1']!.push({ id: 'pbs', type: 'pbs', content: ['backup'], shared: true, active: true, free: GIB });
  world.backups.push({ vmid: 103, volid: VOLID, storage: 'pbs', at: NOW / 1000 - 130_000, size: GIB });
  const mtime = Math.floor(daily.mtime);
  world.backupFiles[VOLID] = { [CONF]: { text: 'timeout 60;\n', mtime }, '/etc/other': { text: 'x' } };
  return world;
}

const text = (card: Card): string => [card.title, ...(card.lines ?? []), ...(card.code ?? []), card.footer].join('\n');
const versions = (around: Around = {}, world = withBackups(), path = CONF) =>
  answerOf('file versions', { vmid: '103', path }, world, { nodes: filesOn(files), ...around });
const show = (given: Record<string, string>, around: Around = {}, world = withBackups()) =>
  answerOf('file show', { vmid: '103', path: CONF, ...given }, world, { nodes: filesOn(files), ...around });

describe('file versions', () => {
  test('tells every source in one table, with what is the same', async () => {
    const card = await versions();
    expect(card.title).toBe(`${CONF} in CT 103 robotoff: 7 versions, 3 different`);
    expect(card.table?.columns).toEqual(['From', 'Taken', 'Same', 'Size', 'Changed', 'Kind', 'SHA-256']);
    expect(card.table?.rows.map(([from, , same, size, , kind]) => [from, same, size, kind])).toEqual([
      ['live', 'A', '11 B', 'now'],
      ['__replicate_103-0_1795000000__', 'A', '11 B', 'replication'],
      ['ovh3:__replicate_103-0_1795000000__', 'A', '11 B', 'replication'],
      ['by-hand', 'B', '12 B', 'zfs, not in the GUI'],
      ['autodaily261114020001', 'B', '12 B', 'daily'],
      ['pbs:2026-11-14T01:00:01Z', 'B?', '12 B', 'backup'],
      ['ovh3:gone', 'C', '12 B', 'snapshot'],
    ]);
    expect(card.table?.rows[4]?.[1]).toBe('2026-11-14 03:02:11');
    expect(card).toMatchObject({ private: true, tone: 'plain' });
    expect(card.footer).toBe(`/pve file show vmid:103 path:${CONF} from:by-hand`);
  });

  test('asks each node once, a replica by its volume', async () => {
    const asked: string[] = [];
    await versions({ nodes: filesOn(files, asked) });
    expect(asked).toEqual([`versions ovh1 ${CONF}`, `versions ovh3 ${CONF} subvol-103-disk-0`]);
  });

  test('shows hashes only to those who may see contents, and of no protected file', async () => {
    expect((await versions({ may: () => false })).table?.columns).not.toContain('SHA-256');
    expect((await versions({}, withBackups(), '/etc/shadow')).table?.columns).not.toContain('SHA-256');
  });

  test('without access to nodes tells what Proxmox and the backups know, and what access would gain', async () => {
    const card = await versions({ nodes: fakeNodes([]) });
    expect(card.table?.rows.map(([from, , same]) => [from, same])).toEqual([
      ['before-upgrade', 'not looked at'],
      ['autodaily261114020001', 'not looked at'],
      ['pbs:2026-11-14T01:00:01Z', 'A?'],
    ]);
    expect(text(card)).toContain('ovh1: no SSH access, which would show what each snapshot holds');
    expect(text(card)).toContain('ovh3 (replica): no SSH access');
  });

  test('names every source that failed beside what the others told', async () => {
    const world = withBackups();
    world.broken.backupFiles = 'list not finished in time';
    const nodes = {
      ...filesOn(files),
      versions: async (node: string) =>
        node === 'ovh3'
          ? fail('unavailable', { what: 'x', why: 'the connection to ovh3 died', next: 'y' })
          : filesOn(files).versions(node, 103, { path: CONF }),
    };
    const card = await versions({ nodes }, world);
    expect(text(card)).toContain('Not looked at: ovh3 (replica): the connection to ovh3 died');
    expect(text(card)).toContain('Not looked at: pbs:2026-11-14T01:00:01Z: list not finished in time');
    expect(card.table?.rows).toHaveLength(4);
  });

  test('opens the newest backups only, and says how many it left', async () => {
    const world = withBackups();
    for (let day = 1; day <= 12; day += 1) {
      const volid = `pbs:backup/ct/103/2026-10-${String(day).padStart(2, '0')}T01:00:01Z`;
      world.backups.push({ vmid: 103, volid, storage: 'pbs', at: NOW / 1000 - 86_400 * (60 - day), size: GIB });
      world.backupFiles[volid] = day % 2 ? { [CONF]: { text: 'old', mtime: 1 } } : { '/etc/other': { text: 'x' } };
    }
    const card = await versions({}, world);
    expect(world.asked.filter((name) => name === 'backupFiles')).toHaveLength(8);
    expect(text(card)).toContain('5 backups older than the 8 newest: not opened');
    expect(card.table?.rows.map(([from]) => from)).not.toContain('pbs:2026-10-12T01:00:01Z');
  });

  test('of a container whose node is down come from its replica and its backups', async () => {
    const world = withBackups();
    world.nodes[0] = { ...world.nodes[0]!, online: false };
    world.storages['ovh2'] = world.storages['ovh1']!;
    const asked: string[] = [];
    const dead = async () => fail('unavailable', { what: 'x', why: 'ovh1 cannot be reached', next: 'y' });
    const there = filesOn(files, asked);
    const nodes: typeof there = {
      ...there,
      versions: (node, ...rest) => (node === 'ovh1' ? dead() : there.versions(node, ...rest)),
      zfsSnapshots: async () => zfsOf([]),
    };
    const card = await versions({ nodes }, world);
    expect(card.table?.rows.map(([from]) => from)).toEqual([
      'ovh3:__replicate_103-0_1795000000__',
      'ovh3:autodaily261114020001',
      'pbs:2026-11-14T01:00:01Z',
      'ovh3:gone',
    ]);
    expect(text(card)).toContain('Not looked at: ovh1: ovh1 cannot be reached');
    expect(text(card)).not.toContain('It is not there now');
    expect((await show({ from: 'ovh3:gone' }, { nodes }, world)).code?.at(-1)).toBe('timeout 30;');
    const two = {
      ...nodes,
      zfsSnapshots: async () => ({
        ...zfsOf([]),
        volumes: [0, 1].map((disk) => ({ ...zfsOf([]).volumes[0]!, volume: `subvol-103-disk-${disk}` })),
      }),
    };
    expect(text(await versions({ nodes: two }, world))).toContain('which of its volumes holds the path is not known');
  });

  test('of a file that is not there now says so', async () => {
    const card = await versions({ nodes: filesOn({ versions: { ovh1: [daily] } }) });
    expect(text(card)).toContain('It is not there now');
    expect(card.tone).toBe('warning');
  });

  test('counts what does not fit', async () => {
    const hourly = Array.from({ length: 100 }, (_, at) =>
      fileVersion(`autohourly${at}`, at + 1, at < 50 ? 'new' : 'old'),
    );
    const card = await versions({ nodes: filesOn({ versions: { ovh1: [now, ...hourly] } }) }, fourNodes());
    expect(card.table?.rows).toHaveLength(24);
    expect(text(card)).toContain('Not shown: 77 like those before and after them');
  });

  test.each([
    ['a VM', { vmid: '200' }, {}, 'is a VM'],
    ['a path that nothing holds', { path: '/etc/nope' }, { versions: { ovh1: [] } }, 'has no /etc/nope'],
    [
      'a path through a link',
      { path: '/etc/link/x' },
      { versions: { ovh1: [] }, troubles: [{ from: 'live', why: 'it goes through a symbolic link', real: '/srv/x' }] },
      'use the real path: path:/srv/x',
    ],
  ])('of %s are refused', async (_, given, some, words) => {
    const ask = answerOf('file versions', { vmid: '103', path: CONF, ...given }, fourNodes(), {
      nodes: filesOn({ versions: {}, ...some }),
    });
    const failure = await ask.then(
      () => undefined,
      (error) => error.failure,
    );
    expect(`${failure?.why} ${failure?.next}`).toContain(words);
  });
});

describe('file show', () => {
  test('tells what it is, its text, and how it differs from now', async () => {
    const card = await show({ from: daily.from });
    expect(card.facts).toEqual([
      { label: 'Type', value: 'file' },
      { label: 'Size', value: '12 B' },
      { label: 'Mode', value: '0644' },
      { label: 'Owner', value: 'uid 0, gid 0' },
      { label: 'Changed', value: expect.stringMatching(/^2026-11-0/) },
    ]);
    expect(card.code).toEqual(['@@ -1,1 +1,1 @@\n-timeout 60;\n+timeout 1;', 'timeout 60;']);
    expect(text(card)).toContain('Since then: 1 line came (+), 1 went (-)');
    expect(card).toMatchObject({ private: true, footer: `/pve file restore vmid:103 path:${CONF} from:${daily.from}` });
  });

  test('masks secrets, on both sides of the difference', async () => {
    const secret = {
      ...files,
      texts: { 'ovh1:live': 'a\npassword=HUNTER2new\n', [`ovh1:${daily.from}`]: 'a\npassword=HUNTER2old\n' },
    };
    const card = await show({ from: daily.from }, { nodes: filesOn(secret) });
    expect(JSON.stringify(card)).not.toContain('HUNTER2');
    expect(card.code?.[0]).toContain('-password=***secret-1***\n+password=***secret-2***');
    expect(text(card)).toContain('2 secrets masked');
  });

  test('without the right to contents, nothing of them leaves the node', async () => {
    const asked: string[] = [];
    const card = await show({ from: daily.from }, { nodes: filesOn(files, asked), may: () => false });
    expect(asked).toEqual([`stat ovh1 ${CONF} ${daily.from}`]);
    expect(card.code).toBeUndefined();
    expect(text(card)).toContain('not what is in it (file.contents)');
  });

  test('of a path that says it holds secrets never shows contents', async () => {
    const asked: string[] = [];
    const card = await show({ path: '/etc/shadow.restored-20261115T120211Z' }, { nodes: filesOn(files, asked) });
    expect(asked[0]).toMatch(/^stat /);
    expect(text(card)).toContain('passwords or keys');
    expect(card.code).toBeUndefined();
  });

  test('reads a replica by its volume, and a backup through the API', async () => {
    expect((await show({ from: 'ovh3:gone' })).code?.[1]).toBe('timeout 30;');
    const asked: string[] = [];
    const card = await show({ from: 'pbs:2026-11-14T01:00:01Z' }, { nodes: filesOn(files, asked) });
    expect(card.code?.[1]).toBe('timeout 60;');
    expect(asked).toEqual([`show ovh1 ${CONF} live`]);
  });

  test('of a backup works without any access to nodes', async () => {
    const card = await show({ from: VOLID }, { nodes: fakeNodes([]) });
    expect(card.code).toEqual(['timeout 60;']);
    expect(text(card)).toContain('Not compared with now: ovh1 has no SSH access');
  });

  test('lists a folder, says what is binary, and where a link leads', async () => {
    const answer = (shown: object) => ({
      ...filesOn(files),
      show: async () => ({ ...now, path: CONF, links: 1, ...shown }),
      stat: async () => ({ ...now, path: CONF, links: 1, ...shown, entries: 12, bytes: 4096, complete: true }),
    });
    const names = [
      { name: 'conf.d', type: 'directory', size: 4 },
      { name: 'a\u202Eb', type: 'file', size: 2048 },
    ];
    const folder = await show({}, { nodes: answer({ type: 'directory', names, whole: true }) });
    expect(folder.code).toEqual(['conf.d/\na\\u{202E}b  2 KiB']);
    expect(folder.facts).toContainEqual({ label: 'Holds', value: '12 names, 4 KiB' });
    expect(text(await show({}, { nodes: answer({ binary: true }) }))).toContain('It is not text');
    const link = await show({}, { nodes: answer({ type: 'symlink', target: '/srv/x' }) });
    expect(link.facts).toContainEqual({ label: 'Leads to', value: '/srv/x' });
  });

  test.each([
    ['pbs:2026-01-01T01:00:01Z', 'no such backup'],
    ['pbs:backup/ct/999/2026-11-14T01:00:01Z', 'no such backup'],
    ['nope', 'has no snapshot nope'],
    ['ovh3:nope', 'has no snapshot nope'],
  ])('from:%s says what is not there', async (from, why) => {
    await expect(show({ from })).rejects.toMatchObject({
      failure: { kind: 'not-found', why: expect.stringContaining(why) },
    });
  });
});

describe('file restore', () => {
  const restore = (given: Record<string, string> = {}, around: Around = {}, world = withBackups()) =>
    planOf('file restore', { vmid: '103', path: CONF, from: daily.from, ...given }, world, {
      nodes: filesOn(files),
      ...around,
    });
  const refused = (given: Record<string, string>, around: Around = {}, world = withBackups()) =>
    refusalOf('file restore', { vmid: '103', path: CONF, from: daily.from, ...given }, world, {
      nodes: filesOn(files),
      ...around,
    });
  const callOf = (plan: Plan) => {
    const call = plan.steps[0]!.call;
    if (!isNodeCall(call)) throw new Error('no call of a node');
    return call;
  };

  test('goes beside by default, in place when asked, with the risk that needs another’s word', async () => {
    const beside = await restore();
    expect(callOf(beside).args).toEqual({
      vmid: 103,
      run: '{run}',
      path: CONF,
      from: daily.from,
      guid: daily.guid,
      overwrite: false,
      stamp: '{stamp}',
    });
    expect(beside.risks).toEqual([]);
    const over = await restore({ overwrite: 'yes' });
    expect(over.risks.map(({ code }) => code)).toEqual(['overwrites']);
    expect(callOf(over).args['overwrite']).toBe(true);
    expect(over.steps[0]).toMatchObject({
      repeat: 'refused',
      undo: [{ call: { verb: 'file.undo', args: { vmid: 103, run: '{run}' } } }],
    });
  });

  test('of a deleted file goes to its own place unless it is told not to', async () => {
    const around = { nodes: filesOn({ versions: { ovh1: [daily] } }) };
    const plan = await restore({}, around);
    expect([callOf(plan).args['overwrite'], plan.risks, plan.intent['where']]).toEqual([
      true,
      [],
      `In its place: there is no ${CONF} now`,
    ]);
    expect(callOf(await restore({ overwrite: 'no' }, around)).args['overwrite']).toBe(false);
  });

  test('asks the node what it would do before anybody is asked', async () => {
    const asked: string[] = [];
    await restore({}, { nodes: filesOn(files, asked) });
    expect(asked).toContain('dry-run file.restore ovh1');
    const full = {
      ...filesOn(files),
      dryRun: async () =>
        fail('conflict', { what: 'nothing was restored', why: 'the volume is full', next: 'free some space' }),
    };
    expect(await refused({}, { nodes: full })).toMatchObject({
      kind: 'conflict',
      what: `${CONF} was not restored`,
      why: 'the volume is full',
    });
  });

  test('binds votes to this very snapshot, place and file, and not to ages and clocks', async () => {
    const print = fingerprint(await restore());
    expect(fingerprint(await restore({}, { now: NOW + 60_000 }))).toBe(print);
    const other = { versions: { ovh1: [now, fileVersion(daily.from, 35, 'timeout 60;\n', { guid: '1' })] } };
    expect(fingerprint(await restore({}, { nodes: filesOn(other) }))).not.toBe(print);
    expect(fingerprint(await restore({ overwrite: 'yes' }))).not.toBe(print);
    // The file there now vanished meanwhile: what was approved as an overwrite is none any more.
    const vanished = { nodes: filesOn({ versions: { ovh1: [daily] } }) };
    expect(fingerprint(await restore({ overwrite: 'yes' }, vanished))).not.toBe(
      fingerprint(await restore({ overwrite: 'yes' })),
    );
  });

  test('takes a replica’s version from the same snapshot of its own node', async () => {
    expect(callOf(await restore({ from: `ovh3:${daily.from}` })).args).toMatchObject({
      from: daily.from,
      guid: daily.guid,
    });
    const failure = await refused({ from: 'ovh3:gone' });
    expect(failure.why).toContain('only the replica on ovh3 has this version');
    expect(failure.next).toContain(`scp /rpool/data/subvol-103-disk-0/.zfs/snapshot/gone${CONF} root@ovh1:/root/`);
    expect(failure.next).toContain(`pct push 103 /root/nginx.conf ${CONF}.restored`);
  });

  test('from a backup says how to do it by hand', async () => {
    const failure = await refused({ from: 'pbs:2026-11-14T01:00:01Z' });
    expect(failure.why).toContain('nothing there writes it into a container');
    expect(failure.next).toContain('File Restore');
  });

  test('a name with braces is no hole', async () => {
    const plan = await restore({ path: '/etc/{run}' });
    expect(callOf(plan).args['path']).toBeUndefined();
    expect(Buffer.from(String(callOf(plan).args['pathBase64']), 'base64').toString()).toBe('/etc/{run}');
  });

  test('says that a file holds keys, and weighs a folder', async () => {
    expect((await restore({ path: '/etc/shadow' })).risks.map(({ code }) => code)).toEqual(['protected-data']);
    const folder = filesOn({
      versions: {
        ovh1: [
          { ...now, type: 'directory' },
          { ...daily, type: 'directory' },
        ],
      },
    });
    expect((await restore({}, { nodes: folder })).observations).toContainEqual({
      label: 'It is',
      value: 'folder, 12 names, 4 KiB',
    });
  });

  test.each([
    ['live', {}, 'bad-input', 'live is what is there now'],
    ['nope', {}, 'not-found', 'has no snapshot nope'],
    [replicate.from, { overwrite: 'yes' }, 'conflict', 'is unchanged since'],
  ])('from:%s %j is refused: %s', async (from, given, kind, why) => {
    const failure = await refused({ from, ...given });
    expect([failure.kind, failure.why]).toEqual([kind, expect.stringContaining(why)]);
  });

  test('through a link in that snapshot says where it really leads', async () => {
    const nodes = filesOn({
      versions: { ovh1: [now] },
      troubles: [{ from: daily.from, why: 'it goes through a symbolic link', real: '/srv/x' }],
    });
    expect((await refused({}, { nodes })).next).toBe('use the real path: path:/srv/x');
  });

  test('of a locked container, without access, or of a VM is refused', async () => {
    const world = withBackups();
    world.guests[0] = { ...world.guests[0]!, lock: 'backup' };
    expect((await refused({}, {}, world)).why).toContain('locked (backup)');
    expect((await refused({}, { nodes: fakeNodes([]) })).why).toContain('no SSH access');
    expect((await refused({ vmid: '200' })).why).toContain('is a VM');
  });
});

describe('file undo', () => {
  const plan = () =>
    planOf('file restore', { vmid: '103', path: CONF, from: daily.from, overwrite: 'yes' }, fourNodes(), {
      nodes: filesOn(files),
    });
  const around = async (more: Parameters<typeof restoredBefore>[1] = {}): Promise<Around> => ({
    nodes: filesOn(files),
    records: restoredBefore(await plan(), more),
  });

  test('takes back what that run did, by its id', async () => {
    const undo = await planOf('file undo', { run: 'r-7' }, fourNodes(), await around());
    expect(undo.steps[0]!.call).toMatchObject({ node: 'ovh1', verb: 'file.undo', args: { vmid: 103, run: 'r-7' } });
    expect(undo).toMatchObject({ risks: [], title: `Undo the restore of ${CONF} in CT 103 robotoff` });
  });

  test('is refused when it is too late, over, or not the container of then', async () => {
    const refused = async (more: Parameters<typeof restoredBefore>[1], world = fourNodes()) =>
      (await refusalOf('file undo', { run: 'r-7' }, world, await around(more))).why;
    expect(await refused({ undoUntil: NOW / 1000 - 1 })).toContain('it could be undone until 2026-11-15 14:02:10');
    expect(await refused({ state: 'failed' })).toContain('that restore is failed');
    expect(await refused({ cluster: 'other' })).toContain('on cluster other');
    const moved = fourNodes();
    moved.guests[0] = { ...moved.guests[0]!, node: 'ovh3' };
    expect(await refused({}, moved)).toContain('moved from ovh1 to ovh3');
    const another = fourNodes();
    another.guests[0] = { ...another.guests[0]!, mac: 'BC:24:11:FF:FF:FF' };
    expect(await refused({}, another)).toContain('another container');
  });

  test('says what the node says: changed since, or undone before', async () => {
    const nodes = (dryRun: () => Promise<never>) => ({ ...filesOn(files), dryRun });
    const changed = nodes(async () =>
      fail('changed', { what: 'nothing was undone', why: `${CONF} was changed or moved since`, next: 'look' }),
    );
    expect(
      await refusalOf('file undo', { run: 'r-7' }, fourNodes(), { ...(await around()), nodes: changed }),
    ).toMatchObject({
      kind: 'changed',
      what: 'the restore r-7 was not undone',
    });
    const before = nodes(async () => ({ would: [] }) as never);
    expect(
      (await refusalOf('file undo', { run: 'r-7' }, fourNodes(), { ...(await around()), nodes: before })).why,
    ).toBe('it was undone before');
  });

  test('of a run that restored nothing is refused', async () => {
    const other = await planOf('ct start', { vmid: '110' }, fourNodes());
    const failure = await refusalOf('file undo', { run: 'r-7' }, fourNodes(), {
      nodes: filesOn(files),
      records: restoredBefore(other),
    });
    expect(failure.why).toContain('is a ct start, not a file restore');
  });
});
