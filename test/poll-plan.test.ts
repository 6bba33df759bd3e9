import { describe, expect, test } from 'vitest';
import type { Clock } from '../src/contracts/clock.ts';
import type { News, Observation, StoredWatch } from '../src/contracts/watch.ts';
import { Calendar, hasQuorum, learn, nothingKnown, questions } from '../src/poll-plan.ts';
import { Poller } from '../src/poller.ts';
import { configSchema } from '../src/settings.ts';

/** When what is asked, without any cluster. */
const seen = (endpoint: string, data: unknown, status = 200): Observation => ({
  cluster: 'off',
  at: 1,
  via: 'ovh1',
  endpoint,
  status,
  data,
});
const config = configSchema.parse({
  clusters: { off: { urls: ['https://ovh1.example:8006'], token: 'a@pve!b=c' } },
  pbs: { vault: { cluster: 'off', url: 'https://pbs.example:8007', token: 'a@pbs!b:c' } },
});
const { watch } = config.clusters['off']!;

describe('the calendar', () => {
  const daily = { endpoint: '/a', every: 86_400 };
  const often = { endpoint: '/b', every: 10 };

  test('asks everything first, then each a little before its interval is over', () => {
    const calendar = new Calendar(() => 1);
    const names = (now: number) => calendar.take([daily, often], now).map(({ endpoint }) => endpoint);
    expect(names(0)).toEqual(['/a', '/b']);
    expect(names(8_999)).toEqual([]);
    expect(names(9_000)).toEqual(['/b']);
    expect(names(86_400_000)).toEqual(['/a', '/b']);
  });

  test('asks everything again when the clock was put back, and what went away and came again', () => {
    const calendar = new Calendar(() => 0);
    calendar.take([daily, often], 1_000_000_000);
    expect(calendar.take([daily, often], 1_000_000_000)).toEqual([]);
    expect(calendar.take([daily, often], 900_000_000)).toEqual([daily, often]);
    expect(calendar.take([often], 900_010_000)).toEqual([often]);
    expect(calendar.take([daily], 900_010_001)).toEqual([daily]);
  });

  test('what is hastened is due at once, what got no answer soon', () => {
    const calendar = new Calendar(() => 0);
    calendar.take([daily, often], 0);
    calendar.hasten((endpoint) => endpoint === '/a');
    expect(calendar.take([daily, often], 1)).toEqual([daily]);
    calendar.again('/a', 60_000);
    calendar.again('/b', 60_000);
    expect(calendar.take([daily, often], 60_000)).toEqual([daily, often]);
  });
});

describe('what is asked', () => {
  const nodes = [
    { type: 'cluster', quorate: 1 },
    { type: 'node', name: 'ovh1', online: 1 },
    { type: 'node', name: 'ovh2', online: '0' },
  ];
  const storage = (node: string, id: string, shared: unknown) => ({
    type: 'storage',
    node,
    storage: id,
    content: 'backup,iso',
    shared,
    status: 'available',
  });

  test('only nodes that are online are asked, shared storages once', () => {
    let known = learn(nothingKnown, seen('/cluster/status', nodes));
    const rows = [storage('ovh1', 'nfs', 1), storage('ovh1', 'local', 0), storage('ovh2', 'nfs', 1), null, 7];
    known = learn(known, seen('/cluster/resources', rows));
    const asked = questions(known, watch).map(({ endpoint }) => endpoint);
    expect(asked).toContain('/nodes/ovh1/storage/local/content?content=backup');
    expect(asked.filter((endpoint) => endpoint.includes('/storage/nfs/'))).toHaveLength(1);
    expect(asked.filter((endpoint) => endpoint.startsWith('/nodes/ovh2/'))).toEqual([]);
    expect(new Set(asked).size).toBe(asked.length);
  });

  test('rubbish teaches nothing and takes nothing away', () => {
    const known = learn(nothingKnown, seen('/cluster/status', nodes));
    for (const data of [undefined, null, 'x', 7, {}, [null], [{ type: 'node' }]])
      expect(learn(known, seen('/cluster/status', data))).toEqual(known);
    expect(learn(known, seen('/cluster/status', undefined, 595))).toEqual(known);
  });

  test('a node says of itself that it has no quorum, as a number and as text', () => {
    expect(hasQuorum(seen('/cluster/status', nodes))).toBe(true);
    expect(hasQuorum(seen('/cluster/status', [{ type: 'cluster', quorate: 0 }]))).toBe(false);
    expect(hasQuorum(seen('/cluster/ha/status/current', [{ type: 'quorum', quorate: '' }]))).toBe(false);
    expect(hasQuorum(seen('/cluster/resources', [{ type: 'quorum', quorate: 0 }]))).toBe(true);
    expect(hasQuorum(seen('/cluster/status', 'html'))).toBe(true);
  });
});

describe('the poller by itself', () => {
  /** Time passes as soon as everybody waits. */
  function rushing(): Clock & { at: number } {
    const clock = {
      at: 1_800_000_000_000,
      now: () => clock.at,
      async wait(ms: number, signal?: AbortSignal) {
        await new Promise((resolve) => setImmediate(resolve));
        if (!signal?.aborted) clock.at += ms;
      },
    };
    return clock;
  }

  async function runs(answers: (endpoint: string, n: number) => Partial<Observation>, looks: number) {
    const clock = rushing();
    const kept: StoredWatch[] = [];
    const news: News[] = [];
    const asked: { endpoint: string; at: number }[] = [];
    let under = 0;
    const overlaps: string[] = [];
    let done = () => {};
    const enough = new Promise<void>((resolve) => (done = resolve));
    const poller = new Poller({
      config,
      clusters: new Map([
        [
          'off',
          {
            name: 'off',
            async look(endpoint: string) {
              if (endpoint === '/cluster/status') {
                if (under > 0) overlaps.push(endpoint);
                if (asked.filter((one) => one.endpoint === endpoint).length + 1 >= looks) done();
              }
              asked.push({ endpoint, at: clock.at });
              under += 1;
              await new Promise((resolve) => setImmediate(resolve));
              under -= 1;
              return { ...seen(endpoint, []), at: clock.at / 1000, ...answers(endpoint, asked.length) };
            },
          } as never,
        ],
      ]),
      pbs: new Map([
        [
          'vault',
          {
            name: 'vault',
            look: async () => [{ ...seen('/nodes/localhost/tasks', undefined, 0), via: 'pbs:vault' }],
            close: async () => undefined,
          },
        ],
      ]),
      store: {
        watchMemory: async () => undefined,
        saveWatch: async (_: string, stored: StoredWatch) => void kept.push(structuredClone(stored)),
        newsTaken: async () => undefined,
      } as never,
      clock,
      log: { error: () => undefined } as never,
      onNews: async (_, some) => void news.push(...some),
      onBroken: (error) => {
        throw error;
      },
    });
    poller.start();
    await enough;
    await poller.stop();
    return { asked, kept, news, overlaps, poller };
  }

  const healthy = (endpoint: string): Partial<Observation> =>
    endpoint === '/cluster/status'
      ? {
          data: [
            { type: 'cluster', quorate: 1, nodes: 1 },
            { type: 'node', name: 'ovh1', online: 1 },
          ],
        }
      : {};

  test('looks every ten seconds or less, never twice at once, and writes its memory about once a minute', async () => {
    const { asked, kept, overlaps } = await runs(healthy, 40);
    const looks = asked.filter(({ endpoint }) => endpoint === '/cluster/status').map(({ at }) => at);
    const gaps = looks.slice(1).map((at, n) => at - looks[n]!);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(9_000);
    expect(overlaps).toEqual([]);
    const minutes = (looks.at(-1)! - looks[0]!) / 60_000;
    expect(kept.length).toBeGreaterThan(minutes - 2);
    expect(kept.length).toBeLessThan(minutes + 4);
  });

  test('backs off from a cluster that does not answer; a backup server that is down is not a blind cluster', async () => {
    const dead = await runs(() => ({ status: 0, data: undefined, error: 'no route' }), 10);
    const looks = dead.asked.map(({ at }) => at);
    expect(new Set(dead.asked.map(({ endpoint }) => endpoint))).toEqual(new Set(['/cluster/status']));
    expect(looks.at(-1)! - looks.at(-2)!).toBeGreaterThan(20_000);
    expect(looks.at(-1)! - looks.at(-2)!).toBeLessThanOrEqual(30_000);
    expect(dead.news.map(({ kind }) => kind)).toContain('cluster-blind');
    const fine = await runs(healthy, 40);
    expect(fine.news.map(({ kind }) => kind)).not.toContain('cluster-blind');
  });
});
