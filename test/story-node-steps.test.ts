import { existsSync, mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectNodes } from '../adapters/shell/connect.ts';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Cluster, ClusterConnection } from '../src/contracts/cluster.ts';
import { Failed, failure } from '../src/contracts/failure.ts';
import { bookStep, nodeStep, nodeUndo } from '../src/contracts/node-steps.ts';
import { isApiCall, MARKER, type NodeCall, type PlannedStep } from '../src/contracts/plan.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { switchReplicationStep } from '../src/contracts/steps.ts';
import type { StoredStep } from '../src/contracts/store.ts';
import { makeLog } from '../src/log.ts';
import { Runner } from '../src/runner.ts';
import type { RunnerSide } from '../src/runner-parts.ts';
import { type NodeWorld, openNode } from './bascule-node/world.ts';
import { furnish, keyLine, type PerlShell, perlShell } from './perl-shell.ts';
import { approvedRequest } from './views/node-run.ts';

/** Runs whose steps are done by the real helper on a node, by the API and by our own books, on a real store. */

const APPROVED = Date.UTC(2026, 10, 21, 8, 0, 0, 250);
const key = keyLine();
let node: NodeWorld;
let shell: PerlShell;
let store: SqlStore;
let now: number;
let ended: { step: StoredStep; log: readonly string[] }[];
let sent: string[];
let broken: unknown[];

beforeEach(async () => {
  node = openNode();
  furnish(node);
  shell = perlShell(node);
  store = await openStore({ file: ':memory:' });
  await store.lead(() => undefined);
  now = APPROVED + 60_000;
  ended = [];
  sent = [];
  broken = [];
});
afterEach(async () => {
  await store.close();
  node.remove();
});

const call = (verb: string, args: NodeCall['args'], more: Partial<NodeCall> = {}): NodeCall => ({
  cluster: 'off',
  node: 'ovh1',
  verb,
  args: { vmid: 103, ...args },
  ...more,
});
const account = (user = 'bob', more = {}) => call('ct.user.ensure', { user, marker: MARKER, sudo: false, ...more });
const keys = (user = 'bob', lines = [`expiry-time="{expiry:28800}" ${key} ${MARKER}`]) =>
  call('ct.keys.set', { user, marker: MARKER, lines });

const makeAccount = nodeStep(account(), {
  name: 'account',
  says: 'Making the account bob',
  undo: [nodeUndo(call('ct.user.remove', { user: 'bob', home: 'keep' }), 'Removing the account bob')],
});
const setKeys = nodeStep(keys(), {
  name: 'keys',
  says: 'Setting the keys of bob',
  undo: [nodeUndo(keys('bob', []), 'Taking the keys of bob out')],
});
const grant = { run: '{run}', until: '{until:28800}' };
const note = bookStep({ shelf: 'grants', key: 'off/103/bob', value: grant }, null, { name: 'note', says: 'Noting it' });
const enable = switchReplicationStep('103-0', false);
const api: PlannedStep = {
  ...enable,
  undo: [{ ...switchReplicationStep('103-0', true), says: 'Disabling it again', needsMarker: false }],
};
/** What never works: the account of somebody who is not ours. */
const foreign = nodeStep(account('olga'), { name: 'foreign', says: 'Making the account olga' });
const script = (text: string, seconds = 60) =>
  nodeStep(call('ct.script', { run: '{run}', script: text }, { seconds }), { name: 'script', says: 'Running it' });

async function approved(steps: readonly PlannedStep[], id = 'r1'): Promise<void> {
  const record = approvedRequest(steps, { id, approvedAt: APPROVED });
  await store.createRequest({ record, buttons: [], audit: [] });
}

/** The API says yes to everything, unless told. */
const cluster: Cluster = {
  name: 'off',
  async send(effect) {
    sent.push(isApiCall(effect) ? `${effect.method} ${effect.path} ${JSON.stringify(effect.params)}` : 'no API call');
    return {};
  },
  followTask: () => Promise.reject(new Error('there are no tasks')),
  probe: async () => ({ state: 'unknown', evidence: 'nobody looks' }),
};

function runner(more: { lastCheck?: RunnerSide['lastCheck']; shells?: boolean; hands?: Partial<Cluster> } = {}) {
  const clock = {
    now: () => now,
    wait: async (ms: number) => {
      now += ms;
      await new Promise(setImmediate);
    },
  };
  const shells = more.shells === false ? [] : [['off', connectNodes('off', shell, clock)] as const];
  return new Runner({
    store,
    clusters: new Map([['off', { name: 'off', hands: { ...cluster, ...more.hands } } as unknown as ClusterConnection]]),
    shells: new Map(shells),
    clock,
    log: makeLog('silent'),
    side: {
      lastCheck: more.lastCheck ?? (async () => ({ go: true })),
      changed: async () => undefined,
      stepEnded: async (_request, step, log) => void ended.push({ step, log }),
    },
    onBroken: (error) => broken.push(error),
  });
}

async function finish(one = runner()): Promise<RequestRecord> {
  await one.wake();
  await one.settled();
  expect(broken).toEqual([]);
  return (await store.request('r1'))!;
}

const steps = async () =>
  Object.fromEntries(
    (await store.steps('r1')).map(({ name, state, ours, sent }) => [name, `${state} ${ours} ${sent}`]),
  );
const authorized = () => node.read('root/home/bob/.ssh/authorized_keys');

describe('a run over API, node and books', () => {
  test('does one step after the other; its leases begin with the approval, wherever they are written', async () => {
    await approved([api, makeAccount, setKeys, note]);
    expect(await finish()).toMatchObject({ state: 'done', left: [] });
    expect(await steps()).toEqual({
      enable: 'done true 1',
      account: 'done true 1',
      keys: 'done true 1',
      note: 'done true 1',
    });
    expect(authorized()).toBe(`expiry-time="20261121160000Z" ${key} bascule:r1\n`);
    expect(node.read('root/etc/passwd')).toContain('bob:x:1002:1002:bascule=r1');
    expect(await store.bookEntry('grants', 'off/103/bob')).toEqual({
      shelf: 'grants',
      key: 'off/103/bob',
      value: { run: 'r1', until: '20261121T160000Z' },
      run: 'r1',
      at: now,
    });
    expect((await store.auditOf('r1')).filter(({ kind }) => kind === 'book')).toMatchObject([
      { body: { shelf: 'grants', key: 'off/103/bob' } },
    ]);
  });

  test('takes everything back in reverse when a later step fails', async () => {
    await store.writeBook({ shelf: 'grants', key: 'off/103/bob', value: { run: 'old' }, run: 'r0', at: 1 }, []);
    const noteOver = bookStep(
      { shelf: 'grants', key: 'off/103/bob', value: grant },
      { run: 'old' },
      { name: 'note', says: 'n' },
    );
    await approved([api, makeAccount, setKeys, noteOver, foreign]);
    const request = await finish();
    expect(request).toMatchObject({ state: 'failed', left: [] });
    expect(request.note).toContain('was not made by Bascule');
    expect(shell.changes()).toEqual([
      'ct.user.ensure',
      'ct.keys.set',
      'ct.user.ensure',
      'ct.keys.set',
      'ct.user.remove',
    ]);
    expect(sent).toEqual([
      'PUT /cluster/replication/103-0 {"disable":0}',
      'PUT /cluster/replication/103-0 {"disable":1}',
    ]);
    expect(node.read('root/etc/passwd')).not.toContain('bob');
    expect(authorized()).toBe('');
    expect((await store.bookEntry('grants', 'off/103/bob'))?.value).toEqual({ run: 'old' });
    const rows = await store.steps('r1');
    expect(rows.filter(({ n }) => n < 4).map(({ state }) => state)).toEqual(['undone', 'undone', 'undone', 'undone']);
  });

  test('does not put back what another run has written over since', async () => {
    await approved([note, nodeStep(account('olga'), { name: 'foreign', says: 'x' })]);
    shell.trouble({ verb: 'ct.user.ensure', how: 'unreached' });
    const write = store.writeStep.bind(store);
    store.writeStep = async (step, audit) => {
      await write(step, audit);
      if (step.name !== 'foreign' || step.state !== 'failed') return;
      await store.writeBook({ shelf: 'grants', key: 'off/103/bob', value: { run: 'r9' }, run: 'r9', at: 2 }, []);
    };
    const request = await finish();
    expect(request.state).toBe('failed');
    expect(request.left.join('\n')).toContain('entry off/103/bob of grants says something else, written by run r9');
    expect((await store.bookEntry('grants', 'off/103/bob'))?.value).toEqual({ run: 'r9' });
  });

  test('leaves alone what was so before it came', async () => {
    await node.ask('ct.user.ensure', { vmid: 103, user: 'bob', marker: 'bascule:r0', sudo: false });
    await store.writeBook({ shelf: 'grants', key: 'off/103/bob', value: 1, run: 'r0', at: 1 }, []);
    const same = bookStep({ shelf: 'grants', key: 'off/103/bob', value: 1 }, 1, { name: 'note', says: 'n' });
    await approved([makeAccount, same, foreign]);
    expect(await finish()).toMatchObject({ state: 'failed', left: [] });
    expect(await steps()).toMatchObject({ account: 'done false 1', note: 'done false 1' });
    expect(shell.changes()).toEqual(['ct.user.ensure', 'ct.user.ensure']);
    expect(node.read('root/etc/passwd')).toContain('bob:');
    expect(await store.bookEntry('grants', 'off/103/bob')).toMatchObject({ run: 'r0', at: 1 });
  });

  test('without SSH access fails at its first node step, and says what is missing', async () => {
    await approved([makeAccount]);
    expect((await finish(runner({ shells: false }))).note).toContain('no SSH access to the nodes of off');
  });
});

describe('a lost answer of a node', () => {
  test('whose work was done is found out by a look, and not asked for again', async () => {
    await approved([makeAccount, setKeys]);
    shell.trouble({ verb: 'ct.keys.set', how: 'lost-after' });
    expect((await finish()).state).toBe('done');
    expect(await steps()).toEqual({ account: 'done true 1', keys: 'done true 1' });
    expect(authorized().trim().split('\n')).toHaveLength(1);
  });

  test('whose request never came is asked for again', async () => {
    await approved([makeAccount, setKeys]);
    shell.trouble(
      { verb: 'ct.keys.set', how: 'lost-before' },
      { verb: 'ct.keys.set', mode: 'probe', how: 'lost-before' },
    );
    expect((await finish()).state).toBe('done');
    expect(await steps()).toMatchObject({ keys: 'done true 2' });
    expect(authorized()).toContain('bascule:r1');
  });

  test('does not make an account ours that somebody else has made meanwhile', async () => {
    await approved([makeAccount, setKeys]);
    shell.trouble({
      verb: 'ct.user.ensure',
      how: 'lost-before',
      first: () =>
        node.write('root/etc/passwd', `${node.read('root/etc/passwd')}bob:x:1001:1001:Bob:/home/bob:/bin/bash\n`),
    });
    const request = await finish();
    expect(request).toMatchObject({ state: 'failed', left: [] });
    expect(request.note).toContain('was not made by Bascule');
    expect(shell.changes()).toEqual(['ct.user.ensure', 'ct.user.ensure']);
    expect(existsSync(node.inside('home/bob/.ssh'))).toBe(false);
  });

  test('of work that leaves no trace of who did it is asked for again, not taken back, and named', async () => {
    const features = nodeStep(call('ct.features', { nesting: true }), {
      name: 'features',
      says: 'Nesting',
      undo: [nodeUndo(call('ct.features', { nesting: false }), 'No nesting')],
    });
    await approved([features, foreign]);
    shell.trouble({ verb: 'ct.features', how: 'lost-after' });
    expect((await finish()).left.join('\n')).toContain('features: was so already: features: nesting=1');
    expect(await steps()).toMatchObject({ features: 'done false 2' });
    expect(node.read('guests/103.conf')).toContain('nesting=1');
  });

  test('of a node that stays silent ends in doubt, and names what to look at', async () => {
    await approved([makeAccount]);
    shell.trouble({ verb: 'ct.user.ensure', how: 'lost-after' });
    for (let n = 0; n < 20; n += 1) shell.trouble({ verb: 'ct.user.ensure', mode: 'probe', how: 'unreached' });
    const request = await finish();
    expect(request.state).toBe('in-doubt');
    expect(request.left.join('\n')).toContain('the connection died; looked: no route to host');
  });
});

describe('a script', () => {
  test('that ends well tells its thread what it printed', async () => {
    await approved([script('#!/bin/sh\nprintf "one\\n\\033[31mtwo\\n"; echo bad >&2\n')]);
    expect((await finish()).state).toBe('done');
    const { step, log } = ended.at(-1)!;
    expect(log).toEqual(['one', '\\x1b[31mtwo', 'on standard error:', 'bad']);
    expect(step).toMatchObject({ note: 'the script ended well', result: { exit: 0 } });
  });

  test('that ends badly fails with its last words, and its output reaches the thread', async () => {
    await approved([script('#!/bin/sh\necho begun\necho no such package >&2\nexit 3\n')]);
    const request = await finish();
    expect(request.state).toBe('failed');
    expect(request.note).toContain('exit code 3');
    expect(request.note).toContain('no such package');
    expect(ended.at(-1)!.log).toEqual(['begun', 'on standard error:', 'no such package']);
    expect(shell.changes()).toEqual(['ct.script']);
  });

  test('whose answer was lost is not run again: its own exit code tells', async () => {
    await approved([script('#!/bin/sh\necho x >> "$(dirname "$0")/times"\nexit 4\n')]);
    shell.trouble({ verb: 'ct.script', how: 'lost-after' });
    const request = await finish();
    expect(request.state).toBe('failed');
    expect(request.note).toContain('exit says 4');
    expect(node.read('root/var/lib/bascule/scripts/r1/times')).toBe('x\n');
  });

  test('that may take an hour is waited for longer than a lost answer else', async () => {
    await approved([script('#!/bin/sh\n', 3600)]);
    const folder = 'root/var/lib/bascule/scripts/r1';
    shell.trouble({
      verb: 'ct.script',
      how: 'lost-before',
      first: () => mkdirSync(node.inside('var/lib/bascule/scripts/r1'), { recursive: true }),
    });
    const ask = shell.ask.bind(shell);
    // Begun, and ended half an hour later.
    shell.ask = async (name, request, limits) => {
      if (request.mode !== 'probe') return ask(name, request, limits);
      if (now < APPROVED + 1_800_000) return { state: 'unknown', evidence: 'begun' };
      node.write(`${folder}/exit`, '0\n');
      return ask(name, request, limits);
    };
    expect((await finish()).state).toBe('done');
    expect(now).toBeGreaterThan(APPROVED + 1_800_000);
    expect(await steps()).toEqual({ script: 'done true 1' });
  });
});

describe('a bot that ends in the middle of a step', () => {
  test('is followed by one that looks, and fills the same holes the same way', async () => {
    await approved([makeAccount, setKeys, note]);
    const hang = Promise.withResolvers<void>();
    shell.trouble({ verb: 'ct.keys.set', how: { slow: hang.promise } });
    const first = runner();
    await first.wake();
    await expect.poll(() => existsSync(node.inside('home/bob/.ssh/authorized_keys')), { timeout: 10_000 }).toBe(true);
    await first.stop();
    expect(await steps()).toMatchObject({ keys: 'intent false 1' });
    now += 86_400_000;
    expect((await finish()).state).toBe('done');
    hang.resolve();
    expect(await steps()).toEqual({ account: 'done true 1', keys: 'done true 1', note: 'done true 1' });
    expect(shell.changes()).toEqual(['ct.user.ensure', 'ct.keys.set']);
    expect((await store.bookEntry('grants', 'off/103/bob'))?.value).toEqual({ run: 'r1', until: '20261121T160000Z' });
  });

  test('between writing into its book and writing down that it did, writes nothing twice', async () => {
    await approved([note]);
    const write = store.writeStep.bind(store);
    store.writeStep = async (step, audit) => {
      if (step.state === 'done') throw new Error('the disk is gone');
      await write(step, audit);
    };
    const first = runner();
    await first.wake();
    await first.settled();
    expect(broken.splice(0)).toHaveLength(1);
    store.writeStep = write;
    expect((await finish()).state).toBe('done');
    expect(await steps()).toEqual({ note: 'done true 1' });
    expect((await store.auditOf('r1')).filter(({ kind }) => kind === 'book')).toHaveLength(1);
  });
});

test('approved once more during its last look, leases begin with the later approval', async () => {
  await approved([note]);
  const later = APPROVED + 3_600_000;
  await finish(
    runner({
      lastCheck: async ({ id }) => {
        await store.move(id, ['approved'], 'waiting', {}, []);
        await store.move(id, ['waiting'], 'approved', { approvedAt: later }, []);
        return { go: true };
      },
    }),
  );
  expect((await store.bookEntry('grants', 'off/103/bob'))?.value).toEqual({ run: 'r1', until: '20261121T170000Z' });
});

test('an API call that is lost between node steps is looked for as ever', async () => {
  const lost = failure('in-doubt', { what: 'w', why: 'no answer in time', next: 'n', sent: 'unknown' });
  await approved([makeAccount, api]);
  const request = await finish(
    runner({ hands: { send: () => Promise.reject(new Failed(lost)), probe: cluster.probe } }),
  );
  expect(request.state).toBe('in-doubt');
  expect(node.read('root/etc/passwd')).toContain('bob:');
});

describe('a step', () => {
  const container: PlannedStep = { ...api, name: 'create', says: 'Creating CT 103' };
  const inside = (step: PlannedStep): PlannedStep => ({ ...step, goesWith: 'create' });

  test('inside a container goes with the container, and is not taken back by itself', async () => {
    await approved([container, inside(makeAccount), inside(setKeys), foreign]);
    expect(await finish()).toMatchObject({ state: 'failed', left: [] });
    expect(shell.changes()).toEqual(['ct.user.ensure', 'ct.keys.set', 'ct.user.ensure']);
    const states = (await store.steps('r1')).map(({ name, state }) => `${name} ${state}`);
    expect(states.slice(0, 3)).toEqual(['create undone', 'account undone', 'keys undone']);
  });

  test('inside a container that stays is named', async () => {
    await approved([container, inside(makeAccount), inside(foreign)]);
    const refusal = failure('refused', { what: 'w', why: 'it is protected', next: 'n', sent: 'refused' });
    let calls = 0;
    const hands: Partial<Cluster> = {
      send: async () => {
        calls += 1;
        if (calls > 1) throw new Failed(refusal);
        return {};
      },
      probe: async () => ({ state: 'absent', evidence: 'it is there' }),
    };
    const { left } = await finish(runner({ hands }));
    expect(left.join('\n')).toContain('Disabling it again did not work: it is protected');
    expect(left.join('\n')).toContain('account stays with it: account made, without sudo');
    expect(left.join('\n')).not.toContain('foreign');
  });

  test('that stands for itself fails for itself, and stays when another fails', async () => {
    await approved([{ ...makeAccount, alone: true }, { ...foreign, alone: true }, setKeys, note]);
    const request = await finish();
    expect(request).toMatchObject({ state: 'failed', left: [] });
    expect(request.note).toContain('1 of 4 steps did not work');
    expect(await steps()).toMatchObject({ account: 'done true 1', foreign: 'failed false 1', keys: 'done true 1' });
    expect(await store.bookEntry('grants', 'off/103/bob')).toBeDefined();

    await approved([{ ...makeAccount, alone: true }, note, foreign], 'r2');
    await finish();
    expect(await store.request('r2')).toMatchObject({ state: 'failed' });
    expect(node.read('root/etc/passwd')).toContain('bob:');
  });
});
