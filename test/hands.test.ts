import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BookEntry } from '../src/contracts/books.ts';
import type { Answer, Cluster, ProbeAnswer } from '../src/contracts/cluster.ts';
import { bookStep, nodeStep } from '../src/contracts/node-steps.ts';
import {
  canonical,
  type Effect,
  type Filling,
  fillHoles,
  type Json,
  type NodeCall,
  type Plan,
  type PlannedStep,
  type Probe,
  stamp,
  stampTime,
} from '../src/contracts/plan.ts';
import type { ShellConnection } from '../src/contracts/shell.ts';
import { switchReplicationStep } from '../src/contracts/steps.ts';
import type { NewAudit } from '../src/contracts/store.ts';
import { guardedHands } from '../src/guard.ts';
import { runHands } from '../src/hands.ts';
import { failureOf } from './shell-world.ts';

/** A run's hands: which effect goes where, holes filled at any depth, and nothing that the plan does not hold. */

const keys: NodeCall = {
  cluster: 'lab',
  node: 'pve1',
  verb: 'ct.keys.set',
  args: {
    vmid: 103,
    marker: 'bascule:{run}',
    lines: ['expiry-time="{expiry:3600}" ssh-ed25519 AAAA bascule:{run}'],
    deep: [{ until: '{until:60}', n: 1, yes: true, none: null }],
  },
};
const api = switchReplicationStep('103-0', true);
const node = nodeStep(keys, { name: 'keys', says: 'k' });
const book = bookStep(
  { shelf: 'grants', key: 'off/103/{run}', value: { at: '{stamp}' } },
  { at: 'old' },
  { name: 'book', says: 'b' },
);
const AT = Date.UTC(2026, 10, 21, 0, 31, 52, 999);
const FILLING: Filling = { run: 'r1', approvedAt: AT };

function world(steps: readonly PlannedStep[], filling: Filling = FILLING) {
  const done: [string, unknown][] = [];
  const shelf = new Map<string, BookEntry>();
  const audit: NewAudit[] = [];
  const answer = async (where: string, what: unknown): Promise<Answer> => {
    done.push([where, what]);
    return { says: where };
  };
  const looked = async (where: string, what: unknown): Promise<ProbeAnswer> => {
    done.push([where, what]);
    return { state: 'done', evidence: where };
  };
  const off: Cluster = {
    name: 'off',
    send: (effect) => answer('api', effect),
    followTask: () => Promise.reject(new Error('no task')),
    probe: (probe, trace) => looked('api probe', [probe, trace]),
  };
  const lab = {
    cluster: 'lab',
    hands: {
      send: (call: NodeCall, run: string) => answer(`lab ${run}`, call),
      probe: (call: NodeCall, run: string) => looked(`lab probe ${run}`, call),
    },
  } as unknown as ShellConnection;
  const hands = runHands({ hands: off }, filling.run, {
    store: {
      bookEntry: async (name, key) => shelf.get(`${name} ${key}`),
      writeBook: async (entry, entries) => {
        audit.push(...entries);
        if (entry.value === null) shelf.delete(`${entry.shelf} ${entry.key}`);
        else shelf.set(`${entry.shelf} ${entry.key}`, entry);
      },
    },
    shells: new Map([['lab', lab]]),
    clock: { now: () => 7, wait: async () => undefined },
  });
  const plan = { cluster: 'off', steps } as unknown as Plan;
  return { hands: guardedHands(hands, plan, filling), done, shelf, audit };
}
const trace = { run: 'r1', intentAt: 5 };

describe('a run’s hands', () => {
  test('give each effect to who can do it, its holes filled at any depth', async () => {
    const { hands, done, shelf, audit } = world([api, node, book]);
    await hands.send(api.call);
    await hands.send(node.call);
    await hands.send(book.call);
    expect(done).toEqual([
      ['api', api.call],
      [
        'lab r1',
        {
          ...keys,
          args: {
            vmid: 103,
            marker: 'bascule:r1',
            lines: ['expiry-time="20261121013152Z" ssh-ed25519 AAAA bascule:r1'],
            deep: [{ until: '20261121T003252Z', n: 1, yes: true, none: null }],
          },
        },
      ],
    ]);
    const entry = { shelf: 'grants', key: 'off/103/r1', value: { at: '20261121T003152Z' }, run: 'r1', at: 7 };
    expect([...shelf.values()]).toEqual([entry]);
    const { run: _run, at: _at, ...body } = entry;
    expect(audit).toEqual([{ at: 7, id: 'r1', kind: 'book', who: 'bot', body }]);
  });

  test('look with the holes filled as they were when it was sent', async () => {
    const { hands, done } = world([api, node, book]);
    await hands.probe(node.probe, trace);
    await hands.probe(api.probe, trace);
    expect(done[0]).toMatchObject(['lab probe r1', { args: { marker: 'bascule:r1' } }]);
    expect(done[1]).toEqual(['api probe', [api.probe, { ...trace, approvedAt: AT }]]);
    expect(await hands.probe(book.probe, trace)).toMatchObject({ state: 'absent' });
    await hands.send(book.call);
    expect(await hands.probe(book.probe, trace)).toMatchObject({ state: 'done' });
    expect(await hands.probe(book.undo![0]!.probe, trace)).toMatchObject({ state: 'absent' });
  });

  // biome-ignore format: this is a table
  const outside: readonly [string, Effect][] = [
    ['another cluster',          { ...keys, cluster: 'off' }],
    ['another node',             { ...keys, node: 'pve2' }],
    ['another verb',             { ...keys, verb: 'ct.user.remove' }],
    ['a line more',              { ...keys, args: { ...keys.args, lines: [...(keys.args['lines'] as string[]), 'x'] } }],
    ['a longer lease',           { ...keys, args: JSON.parse(JSON.stringify(keys.args).replace('3600', '7200')) as NodeCall['args'] }],
    ['a hole filled by hand',    fillHoles(keys as unknown as Json, FILLING) as unknown as Effect],
    ['more time',                { ...keys, seconds: 3600 }],
    ['another book',             { shelf: 'links', key: 'off/103/{run}', value: { at: '{stamp}' } }],
    ['another entry',            { shelf: 'grants', key: 'off/104/{run}', value: { at: '{stamp}' } }],
    ['another value',            { shelf: 'grants', key: 'off/103/{run}', value: { at: '{stamp}', sudo: true } }],
    ['the end of an entry',      { shelf: 'grants', key: 'off/103/{run}', value: null }],
  ];
  test.each(outside)('do nothing of %s', async (_what, effect) => {
    const { hands, done, shelf } = world([api, node, book]);
    expect(await failureOf(hands.send(effect))).toMatchObject({
      kind: 'internal',
      sent: 'no',
      why: 'the approved plan does not hold this call',
    });
    expect([done, shelf.size]).toEqual([[], 0]);
  });

  test('do nothing that counts from an approval in a run that has none', async () => {
    const { hands, done, shelf } = world([api, node, book], { run: 'r1' });
    for (const failing of [hands.send(node.call), hands.send(book.call), hands.probe(node.probe, trace)])
      expect(await failureOf(failing)).toMatchObject({ kind: 'internal', sent: 'no' });
    expect([done, shelf.size]).toEqual([[], 0]);
    await hands.send(api.call);
    expect(done).toHaveLength(1);
  });

  test('say so where there is no SSH access', async () => {
    const { hands } = world([nodeStep({ ...keys, cluster: 'off' }, { name: 'k', says: 'k' })]);
    const failure = await failureOf(hands.send({ ...keys, cluster: 'off' }));
    expect(failure).toMatchObject({
      kind: 'unavailable',
      sent: 'no',
      why: 'there is no SSH access to the nodes of off',
    });
  });
});

describe('an entry of a book', () => {
  const write = (value: Json) => ({ shelf: 'links', key: 'a', value });
  const step = (value: Json) => bookStep(write(value), null, { name: 's', says: 's' });
  const entry = (value: Json, run: string): BookEntry => ({ shelf: 'links', key: 'a', value, run, at: 1 });

  // biome-ignore format: this is a table
  const cases: readonly [string, BookEntry | undefined, Json, Answer, ProbeAnswer['state'], string | undefined][] = [
    //                              there before        wanted      what it says                                before      whose after
    ['that is not there',           undefined,          { a: 1 },   { says: 'noted' },                          'absent',   'r1'],
    ['that says something else',    entry({}, 'r0'),    { a: 1 },   { says: 'noted' },                          'absent',   'r1'],
    ['that is so already',          entry({ a: 1 }, 'r0'), { a: 1 }, { says: 'noted by run r0', already: true }, 'already', 'r0'],
    ['that this run wrote',         entry({ a: 1 }, 'r1'), { a: 1 }, { says: 'noted' },                         'done',     'r1'],
    ['that shall go',               entry({}, 'r0'),    null,       { says: 'entry removed' },                  'absent',   undefined],
    ['that shall go and is gone',   undefined,          null,       { says: 'there was no entry', already: true }, 'done',  undefined],
  ];
  test.each(cases)('%s', async (_what, before, value, says, state, after) => {
    const { hands, shelf } = world([step(value)]);
    if (before) shelf.set('links a', before);
    const probe: Probe = { kind: 'book', call: write(value) };
    expect((await hands.probe(probe, trace)).state).toBe(state);
    expect(await hands.send(write(value))).toEqual(says);
    expect(shelf.get('links a')?.run).toBe(after);
  });

  test('is the same whatever the order of its keys', async () => {
    const { hands, shelf } = world([step({ a: 1, b: [{ c: 2, d: 3 }] })]);
    shelf.set('links a', entry({ b: [{ d: 3, c: 2 }], a: 1 }, 'r1'));
    expect(await hands.probe({ kind: 'book', call: write({ a: 1, b: [{ c: 2, d: 3 }] }) }, trace)).toMatchObject({
      state: 'done',
    });
  });
});

describe('holes', () => {
  const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
  const filling = fc.record({
    run: fc.stringMatching(/^[a-z0-9]{8}$/),
    approvedAt: fc.integer({ min: 0, max: Date.UTC(2100, 0) }),
  });

  test('are filled alike every time, and a filled text has none left', () => {
    fc.assert(
      fc.property(json, filling, (value, one) => {
        const holed: Json = [value, { deep: ['{run} {stamp} {until:60} {expiry:60}'] }];
        const filled = fillHoles(holed, one);
        expect(canonical(filled)).toBe(canonical(fillHoles(holed, { ...one })));
        expect(canonical(fillHoles(filled, { run: 'other', approvedAt: 0 }))).toBe(canonical(filled));
      }),
    );
  });

  test('tell the approval and the end of a lease to the second', () => {
    fc.assert(
      fc.property(filling, fc.integer({ min: 0, max: 90 * 86_400 }), (one, seconds) => {
        const second = Math.floor(one.approvedAt / 1000) * 1000;
        expect(stampTime(fillHoles('{stamp}', one))).toBe(second);
        const until = fillHoles(`{until:${seconds}}`, one);
        expect(stampTime(until)).toBe(second + seconds * 1000);
        expect(fillHoles(`{expiry:${seconds}}`, one)).toBe(until.replace('T', ''));
      }),
    );
    expect(stamp(AT)).toBe('20261121T003152Z');
  });

  test('without an approval are filled by nobody', () => {
    for (const hole of ['{stamp}', '{until:1}', '{expiry:1}'])
      expect(() => fillHoles([{ a: hole }] as Json, { run: 'r1' })).toThrow(RangeError);
    expect(fillHoles('{run} {until:x}', { run: 'r1' })).toBe('r1 {until:x}');
  });
});
