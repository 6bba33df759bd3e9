import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Cluster, ClusterConnection, ProbeAnswer } from '../src/contracts/cluster.ts';
import { fingerprint, isApiCall, type Plan } from '../src/contracts/plan.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { stopStep } from '../src/contracts/steps.ts';
import { makeLog } from '../src/log.ts';
import { Runner } from '../src/runner.ts';
import type { RunnerSide } from '../src/runner-parts.ts';

/** The runner alone, on a real store, with a cluster and a last check that do as told. */

let store: SqlStore;
let now = 0;
const broken: unknown[] = [];
beforeEach(async () => {
  store = await openStore({ file: ':memory:' });
  await store.lead(() => undefined);
  now = 0;
  broken.length = 0;
});
afterEach(() => store.close());

function runner(hands: Partial<Cluster>, lastCheck: RunnerSide['lastCheck'] = async () => ({ go: true })) {
  const connection = { name: 'off', hands: { name: 'off', ...hands } } as unknown as ClusterConnection;
  return new Runner({
    store,
    clusters: new Map([['off', connection]]),
    shells: new Map(),
    clock: {
      now: () => now,
      wait: async (ms) => {
        now += ms;
      },
    },
    log: makeLog('silent'),
    side: { lastCheck, changed: async () => undefined, stepEnded: async () => undefined },
    onBroken: (error) => broken.push(error),
  });
}

async function approved(id: string): Promise<void> {
  const place = { platform: 'web', channel: 'ops' } as const;
  const plan: Plan = {
    command: 'ct stop',
    version: 1,
    cluster: 'off',
    target: { kind: 'guest', id: '120', name: 'staging' },
    title: 'Stop CT 120',
    intent: {},
    guards: [],
    observations: [],
    risks: [],
    steps: [stopStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: 'staging' })],
    reserves: [],
    locks: ['guest/off/120'],
  };
  const record: RequestRecord = {
    id,
    state: 'approved',
    cluster: 'off',
    command: 'ct stop',
    action: 'ct.stop',
    risk: 'disruptive',
    options: {},
    requester: 'oscar',
    actor: { platform: 'web', id: 'oscar', name: 'Oscar' },
    place,
    plan,
    fingerprint: fingerprint(plan),
    votes: [],
    createdAt: 0,
    expiresAt: 1,
    left: [],
    note: '',
  };
  await store.createRequest({ record, buttons: [], audit: [] });
}

const seen = (state: ProbeAnswer['state']): ProbeAnswer => ({ state, evidence: 'CT 120 on ovh4 is running' });

describe('what was accepted and did not come', () => {
  test('a stop that HA has taken note of may still come, and the card must say so', async () => {
    await approved('r1');
    const one = runner({ send: async () => ({}), probe: async () => seen('absent') });
    await one.wake();
    await one.settled();
    const request = await store.request('r1');
    expect(request).toMatchObject({ state: 'failed' });
    expect(request?.left.join('\n')).toContain('may still take effect');
    expect(broken).toEqual([]);
  });

  test('a stop that came is done', async () => {
    await approved('r1');
    const one = runner({ send: async () => ({}), probe: async () => seen('already') });
    await one.wake();
    await one.settled();
    expect(await store.request('r1')).toMatchObject({ state: 'done', left: [] });
  });
});

test('sent back and approved again during its last check, a run does not begin while another has its guest', async () => {
  await approved('r1');
  await approved('r2');
  const sends: string[] = [];
  let finish = (): void => undefined;
  const other = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const one = runner(
    {
      send: async (call) => {
        sends.push(isApiCall(call) ? call.path : '');
        if (sends.length === 1) await other;
        return {};
      },
      probe: async () => seen('already'),
    },
    async ({ id }) => {
      if (id === 'r1' && sends.length === 0) {
        await store.move('r1', ['approved'], 'waiting', {}, []);
        expect(await store.lock('r2', ['guest/off/120'])).toBeUndefined();
        await store.move('r1', ['waiting'], 'approved', {}, []);
      }
      return { go: true };
    },
  );
  // r1 first, as it is the older one of the list.
  await one.wake();
  await expect.poll(() => sends.length).toBe(1);
  const states = [(await store.request('r1'))?.state, (await store.request('r2'))?.state];
  expect(states.sort()).toEqual(['approved', 'running']);
  finish();
  await expect.poll(async () => (await store.requests({ states: ['done'] })).length).toBe(2);
  await one.settled();
  expect(sends).toHaveLength(2);
  expect(broken).toEqual([]);
});
