import { describe, expect, test } from 'vitest';
import { nodeHands } from '../adapters/shell/hands.ts';
import { temporaryFolder } from '../adapters/shell/progress.ts';
import { isChange } from '../adapters/shell/verbs.ts';
import { Failed, failure } from '../src/contracts/failure.ts';
import type { Json, NodeCall } from '../src/contracts/plan.ts';
import type { NodeRequest, RequestLimits, Shell } from '../src/contracts/shell.ts';
import { ALL_VERBS } from './bascule-node/world.ts';
import { failureOf, turnedClock } from './shell-world.ts';
import { hurried } from './world.ts';

/** What the helper says of a change, as a step is told. */

type Ask = (request: NodeRequest, limits: RequestLimits) => Promise<Json>;
const shellOf = (ask: Ask): Shell => ({
  has: () => true,
  ask: (_node, request, limits = {}) => ask(request, limits),
  hello: () => Promise.reject(new Error('not asked')),
  close: async () => undefined,
});
const call = (verb: string, args: NodeCall['args'] = {}, more: Partial<NodeCall> = {}): NodeCall => ({
  cluster: 'off',
  node: 'ovh1',
  verb,
  args: { vmid: 103, ...args },
  ...more,
});
const send = (verb: string, answer: Json, onLog?: (line: string) => void) =>
  nodeHands(
    shellOf(async () => answer),
    'off',
    hurried,
  ).send(call(verb), 'r1', onLog);

// biome-ignore format: this is a table
const answers: [string, { readonly [field: string]: Json }, string, boolean, Json][] = [
  ['ct.user.ensure', { made: true, sudo: true, changed: true },   'account made, with sudo', false, null],
  ['ct.user.ensure', { made: false, sudo: false, changed: false }, 'account there, without sudo', true, null],
  ['ct.user.remove', { removed: true, home: 'keep', changed: true }, 'account removed, home kept', false, null],
  ['ct.user.remove', { removed: false, home: 'keep', changed: false }, 'no such account', true, null],
  ['ct.keys.set',    { changed: true, lines: 2, replaced: 1 },    '2 key lines in place', false, null],
  ['jump.keys.set',  { changed: false, lines: 1 },                '1 key line in place', true, null],
  ['ct.features',    { changed: true, features: 'nesting=1', restart: true }, 'features: nesting=1, from its next start on', false, { features: 'nesting=1', restart: true }],
  ['ct.features',    { changed: false, features: '', restart: false }, 'features: (none)', true, { features: '', restart: false }],
  ['ct.unlock',      { changed: true, evidence: 'a\u202eb' },     'a\\u{202E}b', false, null],
  ['file.restore',   { restored: '/a.restored-1', kept: null, changed: true, undoUntil: 5 }, 'restored as /a.restored-1', false, { restored: '/a.restored-1', kept: null, undoUntil: 5 }],
  ['file.restore',   { restored: '/a', kept: '/b', changed: false, undoUntil: 5 }, 'restored as /a; what stood there is /b now', false, { restored: '/a', kept: '/b', undoUntil: 5 }],
  ['file.undo',      { changed: true, back: '/a', aside: '/c' },  'what was restored is /c now, and /a is back', false, { back: '/a', aside: '/c' }],
  ['file.undo',      { changed: false, evidence: 'it was undone before' }, 'it was undone before', true, { back: null, aside: null }],
];

describe('an answer', () => {
  test.each(answers)('of %s %j is told', async (verb, answer, says, already, result) => {
    const told = await send(verb, { vmid: 103, newer: 1, ...answer });
    expect(told).toEqual({ says, ...(already ? { already } : {}), ...(result === null ? {} : { result }) });
  });

  test('of every change the helper knows can be read, and no look can be sent as a change', () => {
    const looks = [
      'hello',
      'zfs.snapshots',
      'ct.users',
      'quorum.facts',
      'setup.facts',
      'file.versions',
      'file.stat',
      'file.show',
    ];
    expect(ALL_VERBS.filter(isChange).sort()).toEqual(ALL_VERBS.filter((verb) => !looks.includes(verb)).sort());
    expect(isChange('toString')).toBe(false);
  });

  test.each(answers)('of %s that cannot be read leaves a doubt, since it was done', async (verb) => {
    expect(await failureOf(send(verb, { changed: 'yes' }))).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
  });

  test('of a script tells the end of what it printed, made visible', async () => {
    const output = (text: string, cut = false) => ({ text, bytes: 99_999, cut });
    const long = 'y'.repeat(5000);
    const script = { sha256: 'aa', exit: 0, stdout: output(`a\u202e\tb\n${long}\n`, true), stderr: output('') };
    const told = await send('ct.script', script);
    expect(told.log).toEqual(['… only the end of 99999 bytes', 'a\\u{202E}  b', expect.stringMatching(/^y{999}…$/)]);
    expect(told.result).toEqual({ sha256: 'aa', exit: 0 });
    const log: string[] = [];
    const failed = { ...script, exit: 7, stdout: output(''), stderr: output('one\ntwo\n') };
    expect(await failureOf(send('ct.script', failed, (line) => log.push(line)))).toMatchObject({
      kind: 'refused',
      sent: 'refused',
      why: expect.stringMatching(/exit code 7:\n.*one\ntwo/s),
    });
    expect(log).toEqual(['on standard error:', 'one', 'two']);
  });
});

describe('hands on the nodes', () => {
  // biome-ignore format: this is a table
  test.each<[string, NodeCall]>([
    ['another cluster', call('ct.unlock', {}, { cluster: 'lab' })],
    ['a verb nobody knows', call('ct.destroy')],
    ['a verb that looks', call('ct.users')],
  ])('send nothing of %s', async (_what, foreign) => {
    const hands = nodeHands(shellOf(() => Promise.reject(new Error('it was sent'))), 'off', hurried);
    for (const sent of [hands.send(foreign, 'r1'), hands.probe(foreign, 'r1')])
      expect(await failureOf(sent)).toMatchObject({ kind: 'internal', sent: 'no' });
  });

  test('ask under the id of the run, for as long as the call may take', async () => {
    const asked: [NodeRequest, RequestLimits][] = [];
    const hands = nodeHands(
      shellOf(async (...one) => {
        asked.push(one);
        return { changed: true, lines: 1, state: 'done', evidence: 'x' };
      }),
      'off',
      hurried,
    );
    await hands.send(call('ct.keys.set', { user: 'bob' }), 'r7');
    await hands.send(call('ct.keys.set', { user: 'bob' }, { seconds: 900 }), 'r7');
    await hands.probe(call('ct.keys.set', { user: 'bob' }), 'r7');
    expect(asked.map(([{ id, mode }, { seconds, looks }]) => [id, mode, seconds, looks])).toEqual([
      ['r7', 'run', 60, undefined],
      ['r7', 'run', 900, undefined],
      ['r7', 'probe', undefined, true],
    ]);
    expect(new Set(asked.map(([{ verb, args }]) => JSON.stringify([verb, args]))).size).toBe(1);
  });

  // biome-ignore format: this is a table
  test.each<[string, string, string, boolean | undefined]>([
    ['ct.keys.set',    'done',    'done',    undefined],
    ['ct.keys.set',    'absent',  'absent',  undefined],
    ['ct.user.remove', 'already', 'already', true],
    ['ct.user.ensure', 'partial', 'partial', true],
    ['ct.script',      'partial', 'partial', undefined],
    ['ct.script',      'unknown', 'unknown', undefined],
    ['file.restore',   'partial', 'unknown', undefined],
    ['file.restore',   'done',    'done',    undefined],
    ['ct.script',      'odd',     'unknown', undefined],
  ])('take %s probed as %s for %s', async (verb, state, meant, again) => {
    const hands = nodeHands(shellOf(async () => ({ state, evidence: 'seen' })), 'off', hurried);
    const told = await hands.probe(call(verb), 'r1');
    expect([told.state, told.again]).toEqual([meant, again]);
  });
});

describe('a restore that takes long', () => {
  const args = { run: 'r1', path: '/var/lib/db', from: 's1', overwrite: true, stamp: '20261121T003152Z' };
  const restored = { restored: '/var/lib/db', kept: null, changed: true, undoUntil: 1 };

  test('is looked at where the helper copies to, by path or by bytes', () => {
    // 86-restore.pl: .restore-STAMP- and 8 digits of the SHA-256 of "RUN STAMP".
    const name = '.restore-20261121T003152Z-377ed3b7';
    const decoded = (of: NodeCall['args']) =>
      Buffer.from(String(temporaryFolder(of)?.['pathBase64']), 'base64').toString('latin1');
    expect(decoded(args)).toBe(`/var/lib/${name}`);
    expect(decoded({ ...args, path: '/x' })).toBe(`/${name}`);
    const { path: _path, ...rest } = args;
    expect(decoded({ ...rest, pathBase64: Buffer.from('/a\xff/b', 'latin1').toString('base64') })).toBe(
      `/a\xff/${name}`,
    );
    expect(temporaryFolder(rest)).toBeUndefined();
  });

  test('tells every two seconds how far it has come, until it is done', async () => {
    const clock = turnedClock();
    const done = Promise.withResolvers<Json>();
    const missing = new Failed(failure('not-found', { what: 'w', why: 'y', next: 'n', sent: 'refused' }));
    const weights: (Json | Failed)[] = [
      missing,
      { entries: 12_000, bytes: 325_058_560, complete: true },
      { entries: 12_000, bytes: 325_058_560, complete: true },
      { entries: 500_000, bytes: 2_147_483_648, complete: false },
    ];
    const shell = shellOf(async ({ verb }) => {
      if (verb === 'file.restore') return done.promise;
      const next = weights.shift();
      if (next instanceof Failed) throw next;
      return next ?? null;
    });
    const log: string[] = [];
    const hands = nodeHands(shell, 'off', clock);
    const sent = hands.send(call('file.restore', args, { seconds: 1800 }), 'r1', (line) => log.push(line));
    for (let n = 0; n < 4; n += 1) {
      await expect.poll(() => clock.pending()).toEqual([2000]);
      clock.pass(2000);
    }
    await expect
      .poll(() => log)
      .toEqual(['12,000 entries, 310 MiB so far', 'more than 500,000 entries, 2,048 MiB so far']);
    done.resolve(restored);
    expect((await sent).result).toMatchObject({ restored: '/var/lib/db' });
    expect(clock.pending()).toEqual([]);
    expect(weights).toEqual([]);
  });

  test('does not fail because nobody may look, and says so once', async () => {
    const clock = turnedClock();
    const done = Promise.withResolvers<Json>();
    const forbidden = failure('forbidden', { what: 'w', why: 'this node does not allow file.stat', next: 'n' });
    const shell = shellOf(async ({ verb }) => {
      if (verb === 'file.restore') return done.promise;
      throw new Failed(forbidden);
    });
    const log: string[] = [];
    const sent = nodeHands(shell, 'off', clock).send(call('file.restore', args), 'r1', (line) => log.push(line));
    await expect.poll(() => clock.pending()).toEqual([2000]);
    clock.pass(2000);
    await expect.poll(() => log).toEqual(['how far it has come cannot be told: this node does not allow file.stat']);
    expect(clock.pending()).toEqual([]);
    done.resolve(restored);
    await sent;
  });
});
