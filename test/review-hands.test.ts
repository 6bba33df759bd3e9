import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectNodes } from '../adapters/shell/connect.ts';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Cluster, ClusterConnection } from '../src/contracts/cluster.ts';
import { Failed, failure } from '../src/contracts/failure.ts';
import { bookStep, nodeStep } from '../src/contracts/node-steps.ts';
import type { Json, NodeCall, PlannedStep } from '../src/contracts/plan.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import type { NodeRequest, Shell } from '../src/contracts/shell.ts';
import type { StoredStep } from '../src/contracts/store.ts';
import { makeLog } from '../src/log.ts';
import { Runner } from '../src/runner.ts';
import { Interrupted, performStep } from '../src/step.ts';
import { type NodeWorld, openNode } from './bascule-node/world.ts';
import { furnish, keyLine, perlShell } from './perl-shell.ts';
import { approvedRequest } from './views/node-run.ts';
import { hurried } from './world.ts';

/** The engine over nodes that lie, stop, and are told about by somebody who has changed the store. */

let store: SqlStore;
let now = 0;
let ended: { step: StoredStep; log: readonly string[] }[];
const broken: unknown[] = [];
beforeEach(async () => {
  store = await openStore({ file: ':memory:' });
  await store.lead(() => undefined);
  now = 1_000_000;
  ended = [];
  broken.length = 0;
});
afterEach(() => store.close());

const clock = {
  now: () => now,
  wait: async (ms: number) => {
    now += ms;
  },
};

const call = (verb: string, args: NodeCall['args'], more: Partial<NodeCall> = {}): NodeCall => ({
  cluster: 'off',
  node: 'ovh1',
  verb,
  args: { vmid: 103, ...args },
  ...more,
});
const account = nodeStep(call('ct.user.ensure', { user: 'bob', marker: 'bascule:{run}', sudo: false }), {
  name: 'account',
  says: 'Setting up bob in CT 103',
});
const script = nodeStep(call('ct.script', { run: '{run}', script: '#!/bin/sh\n' }), {
  name: 'setup',
  says: 'Running base',
});
const note = bookStep({ shelf: 'grants', key: 'off/103/bob', value: 1 }, null, { name: 'book', says: 'Noting it' });

/** A node that answers what it is told to; the last answer of each verb and mode repeats. */
function nodeThat(answers: Readonly<Record<string, readonly (Json | Error)[]>>) {
  const asked: NodeRequest[] = [];
  const shell: Shell = {
    has: () => true,
    async ask(_node, request) {
      asked.push(request);
      const name = `${request.verb} ${request.mode}`;
      const own = answers[name] ?? [];
      const nth = asked.filter((one) => `${one.verb} ${one.mode}` === name).length;
      const answer = own[Math.min(nth, own.length) - 1];
      if (answer === undefined) throw new Error(`nobody expected ${name}`);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    hello: () => Promise.reject(new Error('nobody greets here')),
    close: async () => undefined,
  };
  return { shell, asked };
}

async function request(steps: readonly PlannedStep[], more: Partial<RequestRecord> = {}): Promise<void> {
  const record = approvedRequest(steps, { approvedAt: now, ...more });
  await store.createRequest({ record, buttons: [], audit: [] });
}

async function finish(shell: Shell): Promise<RequestRecord> {
  const hands: Partial<Cluster> = { name: 'off' };
  const one = new Runner({
    store,
    clusters: new Map([['off', { name: 'off', hands } as unknown as ClusterConnection]]),
    shells: new Map([['off', connectNodes('off', shell, clock)]]),
    clock,
    log: makeLog('silent'),
    side: {
      lastCheck: async () => ({ go: true }),
      changed: async () => undefined,
      stepEnded: async (_request, step, log) => void ended.push({ step, log }),
    },
    onBroken: (error) => broken.push(error),
  });
  await one.wake();
  await one.settled();
  expect(broken).toEqual([]);
  return (await store.request('r1'))!;
}

const lost = new Failed(failure('in-doubt', { what: 'w', why: 'the connection died', next: 'n', sent: 'unknown' }));
const silent = new Failed(failure('unavailable', { what: 'w', why: 'no route to host', next: 'n', sent: 'no' }));

describe('what a script prints', () => {
  const ending = (exit: number, stdout: string, stderr = ''): Json => {
    const output = (text: string) => ({ text, bytes: text.length, cut: false });
    return { vmid: 103, sha256: 'f', exit, stdout: output(stdout), stderr: output(stderr) };
  };
  const SECRET = 'not-a-real-secret';
  const told = async () =>
    JSON.stringify([ended, await store.auditFrom(0, 1000), await store.request('r1'), await store.steps('r1')]);

  test('reaches thread, journal and audit without its secrets', async () => {
    await request([script]);
    const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${SECRET}\nAAAA\n-----END OPENSSH PRIVATE KEY-----`;
    const printed = `+ export DB_PASSWORD=${SECRET}\n${key}\nready\n`;
    const { shell } = nodeThat({
      'ct.script run': [ending(0, printed, `curl -u bob:${SECRET} https://example.org\n`)],
    });
    expect((await finish(shell)).state).toBe('done');
    expect(ended[0]!.log).toContain('ready');
    expect(ended[0]!.log).toContain('+ export DB_PASSWORD=***secret-2***');
    expect(await told()).not.toContain(SECRET);
  });

  test('that fails tells its last words without its secrets', async () => {
    await request([script]);
    const { shell } = nodeThat({
      'ct.script run': [ending(3, 'begun\n', `fatal: https://bob:${SECRET}@git refused\n`)],
      'ct.script probe': [{ state: 'partial', evidence: 'exit says 3' }],
    });
    const { state, note: why } = await finish(shell);
    expect([state, why]).toEqual(['failed', expect.stringContaining('exit code 3')]);
    expect(why).toContain('fatal: https://bob:***secret-1***@git refused');
    expect(await told()).not.toContain(SECRET);
  });

  test('and begins in the middle of a key is masked from its beginning', async () => {
    await request([script]);
    const end = `${'not-a-real-secret'.replaceAll('-', '')}\nAAAABBBB\n-----END RSA PRIVATE KEY-----\nready\n`;
    const { shell } = nodeThat({ 'ct.script run': [ending(0, end)] });
    await finish(shell);
    expect(ended[0]!.log).toContain('ready');
    expect(await told()).not.toMatch(/notarealsecret|AAAABBBB/);
  });
});

describe('a bot that stops', () => {
  test('between writing down and sending hears an answer that comes soon, and leaves nothing unheard', async () => {
    const stopping = new AbortController();
    const rows: StoredStep[] = [];
    const unheard: unknown[] = [];
    const hear = (error: unknown) => unheard.push(error);
    process.on('unhandledRejection', hear);
    const played = (send: Cluster['send']) =>
      performStep(
        account,
        { request: 'r1', n: 0, name: 'account', says: 'x', state: 'pending', note: '', sent: 0, ours: false },
        {
          hands: { name: 'off', send, followTask: () => Promise.reject(lost), probe: () => Promise.reject(silent) },
          clock: hurried,
          run: 'r1',
          signal: stopping.signal,
          write: async (row) => {
            rows.push(row);
            stopping.abort();
          },
          onLog: () => undefined,
        },
      );
    await expect(played(() => new Promise((_, reject) => setTimeout(reject, 60, lost)))).rejects.toThrow(Interrupted);
    await new Promise((resolve) => setTimeout(resolve, 90));
    process.off('unhandledRejection', hear);
    expect(unheard).toEqual([]);
    expect(rows.map(({ state }) => state)).toEqual(['intent']);
  });
});

test('a dry run leaves a script’s own braces alone, as the run does', async () => {
  const { shell, asked } = nodeThat({ 'ct.script dry-run': [{ would: [] }] });
  const step = call('ct.script', { run: '{run}', script: 'echo "${run} {stamp}"' }, { asIs: ['script'] });
  await connectNodes('off', shell, clock).view.dryRun(step);
  expect(asked[0]!.args).toMatchObject({ script: 'echo "${run} {stamp}"', run: expect.stringMatching(/^dry-/) });
});

describe('a plan that somebody has changed in the store', () => {
  test('is not gone on with after a restart, and what was begun is named', async () => {
    await request([account, note]);
    const approved = await store.request('r1');
    const { shell, asked } = nodeThat({ 'ct.user.ensure run': [{ made: true, sudo: true, changed: true }] });
    const changed = {
      ...approved!.plan,
      steps: [{ ...account, call: call('ct.user.ensure', { user: 'mallory', sudo: true }) }],
    };
    const ask = store.request.bind(store);
    store.request = async (id) => {
      const found = await ask(id);
      return found && { ...found, plan: changed };
    };
    const { state, note: why } = await finish(shell);
    expect([state, why]).toEqual(['in-doubt', expect.stringContaining('somebody changed the store')]);
    expect(asked).toEqual([]);
  });
});

describe('a step nobody knows the end of', () => {
  test('names where its node has written down what became of it', async () => {
    await request([account, note]);
    const { shell } = nodeThat({ 'ct.user.ensure run': [lost], 'ct.user.ensure probe': [silent] });
    const { state, left } = await finish(shell);
    expect(state).toBe('in-doubt');
    expect(left).toContain('ssh root@ovh1 journalctl -t bascule-node -g r1');
    expect(left.join('\n')).toContain('Not begun: Noting it');
  });
});

test('a node that says no says what to try, and the card says it too', async () => {
  await request([account]);
  const no = failure('conflict', { what: 'w', why: 'CT 103 is stopped', next: 'start it first', sent: 'refused' });
  const { shell } = nodeThat({
    'ct.user.ensure run': [new Failed(no)],
    'ct.user.ensure probe': [{ state: 'absent', evidence: 'no bob' }],
  });
  expect((await finish(shell)).note).toBe('account failed: CT 103 is stopped\nNext: start it first');
});

describe('a lost answer, before or after it was done, of every verb that can be done again', () => {
  const key = keyLine();
  const jumpLine = `restrict,port-forwarding,permitopen="10.1.0.103:22",expiry-time="20991231000000Z" ${key} bascule:r1:103:bob`;
  const accountOf = { vmid: 103, user: 'bob', marker: 'bascule:r1', sudo: false };
  const verbs: readonly {
    verb: string;
    args: NodeCall['args'];
    first?: readonly [string, object];
    stands: (node: NodeWorld) => unknown;
    as: unknown;
  }[] = [
    {
      verb: 'ct.user.ensure',
      args: accountOf,
      stands: (node) => node.read('root/etc/passwd').match(/^bob:/gm)?.length,
      as: 1,
    },
    {
      verb: 'ct.user.remove',
      args: { vmid: 103, user: 'bob', home: 'keep' },
      first: ['ct.user.ensure', accountOf],
      stands: (node) => node.read('root/etc/passwd').includes('bob:'),
      as: false,
    },
    {
      verb: 'ct.keys.set',
      args: { vmid: 103, user: 'bob', marker: 'bascule:r1', lines: [`${key} bascule:r1`] },
      first: ['ct.user.ensure', accountOf],
      stands: (node) => node.read('root/home/bob/.ssh/authorized_keys'),
      as: `${key} bascule:r1\n`,
    },
    {
      verb: 'jump.keys.set',
      args: { user: 'bascule-jump', marker: 'bascule:r1:103:bob', lines: [jumpLine] },
      stands: (node) => node.read('jump/bascule-jump'),
      as: `${jumpLine}\n`,
    },
    {
      verb: 'ct.features',
      args: { vmid: 103, nesting: true },
      stands: (node) => node.read('guests/103.conf').match(/nesting=1/g)?.length,
      as: 1,
    },
    {
      verb: 'ct.unlock',
      args: { vmid: 103, marker: 'bascule:r1' },
      first: ['lock', {}],
      stands: (node) => node.read('guests/103.conf').includes('lock:'),
      as: false,
    },
  ];
  for (const { verb, args, first, stands, as } of verbs)
    test.each(['lost-before', 'lost-after'] as const)(
      `${verb}, %s: the run ends done, and it stands there once`,
      async (how) => {
        const node = openNode();
        furnish(node);
        node.write('passwd', 'bascule-jump:x:998:998::/nonexistent:/usr/sbin/nologin\n');
        if (first?.[0] === 'lock')
          node.guest(103, '#bascule%3Ar1 made for olga\nhostname: web\nunprivileged: 1\nlock: create\n');
        else if (first) expect((await node.ask(first[0], first[1])).answer.error).toBeUndefined();
        const shell = perlShell(node);
        await request([nodeStep({ cluster: 'off', node: 'ovh1', verb, args }, { name: 'one', says: 'One' })]);
        shell.trouble({ verb, how });
        const { state, note: why } = await finish(shell);
        expect([state, why]).toEqual(['done', '']);
        expect(stands(node)).toEqual(as);
        expect(shell.changes().length).toBeLessThanOrEqual(2);
        node.remove();
      },
    );
});

describe('a node that answers anything at all', () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.record({
      changed: fc.jsonValue(),
      made: fc.boolean(),
      lines: fc.oneof(fc.integer(), fc.double(), fc.array(fc.string())),
      exit: fc.oneof(fc.integer(), fc.string()),
      stdout: fc.oneof(fc.jsonValue(), fc.record({ text: fc.string(), bytes: fc.nat(), cut: fc.boolean() })),
      stderr: fc.jsonValue(),
      restored: fc.oneof(fc.string(), fc.integer()),
      undoUntil: fc.jsonValue(),
      versions: fc.jsonValue(),
      state: fc.oneof(fc.constantFrom('done', 'already', 'absent', 'partial', 'unknown', 'undone'), fc.jsonValue()),
      evidence: fc.oneof(fc.string(), fc.integer()),
    }),
  );
  const CHANGES = [
    'ct.user.ensure',
    'ct.user.remove',
    'ct.keys.set',
    'jump.keys.set',
    'ct.features',
    'ct.unlock',
    'ct.script',
    'file.restore',
    'file.undo',
  ];
  const answering = (answer: Json): Shell => ({
    has: () => true,
    ask: async () => answer,
    hello: () => Promise.reject(new Error('nobody greets here')),
    close: async () => undefined,
  });

  test('is told as a doubt or a refusal, and no probe believes it', async () => {
    await fc.assert(
      fc.asyncProperty(anything, fc.constantFrom(...CHANGES), async (answer, verb) => {
        const { hands } = connectNodes('off', answering(answer as Json), clock);
        const sent = await hands.send(call(verb, {}), 'r1').catch((error: unknown) => error);
        if (sent instanceof Error) expect((sent as Failed).failure?.sent).toMatch(/^(unknown|refused)$/);
        const seen = await hands.probe(call(verb, {}), 'r1');
        const state = (answer as { state?: unknown } | null)?.state;
        const { evidence } = seen;
        if (seen.state !== 'unknown') expect(state).toBe(seen.state);
        expect([evidence.length <= 500, /[\n\u202e\u0000]/.test(evidence)]).toEqual([true, false]);
      }),
      { numRuns: 400 },
    );
  });

  test('and tells of a time no calendar has is not believed either', async () => {
    const told = { changed: true, restored: '/etc/hosts', kept: null, undoUntil: 1e300 };
    const { hands } = connectNodes('off', answering(told), clock);
    await expect(hands.send(call('file.restore', {}), 'r1')).rejects.toMatchObject({ failure: { sent: 'unknown' } });
  });

  test('is told as unavailable by every look', async () => {
    const path = { path: '/etc/hosts' };
    await fc.assert(
      fc.asyncProperty(anything, async (answer) => {
        const { view } = connectNodes('off', answering(answer as Json), clock);
        for (const look of [
          () => view.zfsSnapshots('ovh1', 103),
          () => view.users('ovh1', 103),
          () => view.quorumFacts('ovh1'),
          () => view.versions('ovh1', 103, path),
          () => view.stat('ovh1', 103, path, 'live'),
          () => view.show('ovh1', 103, path, 'live'),
        ]) {
          const seen = await look().catch((error: unknown) => error);
          expect((seen as Failed).failure?.kind).toBe('unavailable');
        }
      }),
      { numRuns: 200 },
    );
  });
});
