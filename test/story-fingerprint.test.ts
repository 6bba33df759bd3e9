import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bookStep, nodeStep } from '../src/contracts/node-steps.ts';
import {
  type BookCall,
  type Call,
  canonical,
  fillHoles,
  fingerprint,
  type Json,
  MARKER,
  type NodeCall,
  type Plan,
} from '../src/contracts/plan.ts';
import { addReplicationStep, createCtStep, startStep } from '../src/contracts/steps.ts';

/** What people approve is hashed, what only informs them is not. */

const word = fc.stringMatching(/^[a-z0-9-]{1,12}$/);
const json: fc.Arbitrary<Json> = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;

const keysOf = (vmid: number, seconds: number): NodeCall => ({
  cluster: 'off',
  node: 'ovh1',
  verb: 'ct.keys.set',
  args: { vmid, user: 'bob', marker: MARKER, lines: [`expiry-time="{expiry:${seconds}}" ssh-ed25519 AAAA ${MARKER}`] },
});
const noteOf = (vmid: number, seconds: number): BookCall => ({
  shelf: 'grants',
  key: `off/${vmid}/bob`,
  value: { id: '{run}', from: '{stamp}', until: `{until:${seconds}}` },
});

const plans: fc.Arbitrary<Plan> = fc
  .record({
    hostname: word,
    node: word,
    target: word,
    vmid: fc.integer({ min: 100, max: 999 }),
    intent: fc.dictionary(word, json, { maxKeys: 5 }),
    guards: fc.uniqueArray(word, { maxLength: 4 }),
    risks: fc.uniqueArray(word, { maxLength: 4 }),
    text: fc.string(),
  })
  .map(({ hostname, node, target, vmid, intent, guards, risks, text }) => ({
    command: 'ct create',
    version: 1,
    cluster: 'off',
    target: { kind: 'guest', id: String(vmid), name: hostname, node, vmid, tags: ['a'], protected: true },
    title: text,
    intent,
    guards: guards.map((code) => ({ code, says: text })),
    observations: [{ label: 'Free', value: text }],
    risks: risks.map((code) => ({ code, says: text })),
    steps: [
      createCtStep(node, vmid, hostname, { hostname, memory: 1024 }),
      startStep({ node, type: 'lxc', vmid, name: hostname }, { undo: true }),
      addReplicationStep(`${vmid}-0`, target, '*/5', text),
      nodeStep(keysOf(vmid, 28_800), { name: 'keys', says: text }),
      bookStep(noteOf(vmid, 28_800), null, { name: 'note', says: text }),
    ],
    reserves: [`vmid/off/${vmid}`],
    locks: [`guest/off/${vmid}`, 'guest/off/99'],
  }));

type Change = (plan: Plan) => Plan;
const step = (plan: Plan, n: number, change: object): Plan => ({
  ...plan,
  steps: plan.steps.map((one, i) => (i === n ? { ...one, ...change } : one)),
});

// biome-ignore format: this is a table
const shown: Readonly<Record<string, Change>> = {
  'the title': (plan) => ({ ...plan, title: `${plan.title}!` }),
  'what was seen': (plan) => ({ ...plan, observations: [{ label: 'Free', value: 'other' }] }),
  'the words of a guard': (plan) => ({ ...plan, guards: plan.guards.map((guard) => ({ ...guard, says: 'other' })) }),
  'the words of a risk': (plan) => ({ ...plan, risks: plan.risks.map((risk) => ({ ...risk, says: 'other' })) }),
  'the words of a step': (plan) => step(plan, 0, { says: 'other' }),
  'the words of an undo': (plan) => step(plan, 0, { undo: plan.steps[0]!.undo!.map((undo) => ({ ...undo, says: 'other' })) }),
  'what to type by hand': (plan) => step(plan, 0, { byHand: ['other'] }),
  'what is reserved': (plan) => ({ ...plan, reserves: [] }),
  'the order of guards, risks and locks': (plan) => ({ ...plan, guards: plan.guards.toReversed(), risks: plan.risks.toReversed(), locks: plan.locks.toReversed() }),
  'the order of keys': (plan) => Object.fromEntries(Object.entries({ ...plan, intent: Object.fromEntries(Object.entries(plan.intent).toReversed()) }).toReversed()) as unknown as Plan,
};

const changedCall = (plan: Plan, n: number, change: object) =>
  step(plan, n, { call: { ...plan.steps[n]!.call, ...change } });
const params = (plan: Plan) => (plan.steps[0]!.call as Call).params;
const changedUndo = (plan: Plan, change: object) =>
  step(plan, 0, { undo: plan.steps[0]!.undo!.map((undo) => ({ ...undo, ...change })) });

// biome-ignore format: this is a table
const hashed: Readonly<Record<string, Change>> = {
  'the command': (plan) => ({ ...plan, command: 'ct destroy' }),
  'its version': (plan) => ({ ...plan, version: 2 }),
  'the cluster': (plan) => ({ ...plan, cluster: 'other' }),
  'the number': (plan) => ({ ...plan, target: { ...plan.target, vmid: 98 } }),
  'the identity': (plan) => ({ ...plan, target: { ...plan.target, identity: 'BC:24:11:00:00:01' } }),
  'the node': (plan) => ({ ...plan, target: { ...plan.target, node: 'OTHER' } }),
  'the protection': (plan) => ({ ...plan, target: { ...plan.target, protected: false } }),
  'the intent': (plan) => ({ ...plan, intent: { ...plan.intent, 'a key of its own': 1 } }),
  'a guard more': (plan) => ({ ...plan, guards: [...plan.guards, { code: 'NEW', says: '' }] }),
  'a risk more': (plan) => ({ ...plan, risks: [...plan.risks, { code: 'NEW', says: '' }] }),
  'a path': (plan) => changedCall(plan, 1, { path: '/nodes/x' }),
  'a method': (plan) => changedCall(plan, 1, { method: 'PUT' }),
  'a parameter': (plan) => changedCall(plan, 0, { params: { ...params(plan), memory: 2048 } }),
  'the kind of a value': (plan) => changedCall(plan, 0, { params: { ...params(plan), memory: '1024' } }),
  'a probe': (plan) => step(plan, 0, { probe: { kind: 'ct-created', node: 'other', vmid: 1 } }),
  'whether it may be repeated': (plan) => step(plan, 0, { repeat: 'never' }),
  'what it waits for': (plan) => step(plan, 1, { settle: undefined }),
  'an undo call': (plan) => changedUndo(plan, { call: { method: 'DELETE', path: '/x', params: {} } }),
  'an undo that no longer looks for our mark': (plan) => changedUndo(plan, { needsMarker: false }),
  'the length of a lease': (plan) => step(plan, 3, nodeStep(keysOf(plan.target.vmid!, 28_801), { name: 'keys', says: '' })),
  'the length of a lease in our book': (plan) => step(plan, 4, bookStep(noteOf(plan.target.vmid!, 28_801), null, { name: 'note', says: '' })),
  'what was in our book before': (plan) => step(plan, 4, bookStep(noteOf(plan.target.vmid!, 28_800), { id: 'r0' }, { name: 'note', says: '' })),
  'the node of a node call': (plan) => changedCall(plan, 3, { node: 'ovh2' }),
  'the cluster of a node call': (plan) => changedCall(plan, 3, { cluster: 'lab' }),
  'a key': (plan) => changedCall(plan, 3, { args: { ...keysOf(plan.target.vmid!, 28_800).args, lines: [] } }),
  'an undo less': (plan) => step(plan, 0, { undo: [] }),
  'a step less': (plan) => ({ ...plan, steps: plan.steps.slice(1) }),
  'the order of steps': (plan) => ({ ...plan, steps: plan.steps.toReversed() }),
  'a lock less': (plan) => ({ ...plan, locks: plan.locks.slice(1) }),
};

describe('the fingerprint', () => {
  test.each(Object.entries(shown))('does not change with %s', (_what, change) => {
    fc.assert(
      fc.property(plans, (plan) => fingerprint(change(plan)) === fingerprint(plan)),
      { numRuns: 40 },
    );
  });

  test.each(Object.entries(hashed))('changes with %s', (_what, change) => {
    fc.assert(
      fc.property(plans, (plan) => fingerprint(change(plan)) !== fingerprint(plan)),
      { numRuns: 40 },
    );
  });

  test('holds how long a lease is, not when it ends: the same plan fits every day and every run', () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 0, max: Date.UTC(2100, 0) }), (plan, approvedAt) => {
        // Filled in, as an approval on that day would have it, it would be another plan each time.
        const filled = fillHoles(plan as unknown as Json, { run: 'r1', approvedAt }) as unknown as Plan;
        expect(fingerprint(filled)).not.toBe(fingerprint(plan));
      }),
      { numRuns: 40 },
    );
  });

  test('survives the store: written as JSON and read again it is the same', () => {
    fc.assert(
      fc.property(plans, (plan) => fingerprint(JSON.parse(JSON.stringify(plan)) as Plan) === fingerprint(plan)),
      { numRuns: 100 },
    );
  });

  test('a risk that vanished is forgiven only by asking with the risks of before', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const before = { ...plan, risks: [...plan.risks, { code: 'NEW', says: '' }] };
        const had = before.risks.map((risk) => risk.code);
        expect(fingerprint(plan, had)).toBe(fingerprint(before));
        expect(fingerprint(plan)).not.toBe(fingerprint(before));
      }),
      { numRuns: 40 },
    );
  });

  test('equal values have equal text, different values different text', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
        expect(canonical(a) === canonical(b)).toBe(same);
        expect(JSON.stringify(sorted(JSON.parse(canonical(a)) as Json))).toBe(JSON.stringify(sorted(a)));
      }),
    );
  });
});

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return Object.is(value, -0) ? 0 : value;
  const entries = Object.entries(value as { [key: string]: Json }).sort(([a], [b]) => (a < b ? -1 : 1));
  return { object: entries.map(([key, one]) => [key, sorted(one)]) };
}
