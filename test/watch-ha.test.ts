import { describe, expect, test } from 'vitest';
import type { News, Observation } from '../src/contracts/watch.ts';
import { finalNews } from '../src/replay.ts';
import type { WatchMemory } from '../src/watch/index.ts';
import { stories } from './watch/stories.ts';
import { gist, T0, told } from './watch/timeline.ts';

/** Told apart: what happened to a node and its guests, by the rules of FACTS.md 1. */

function story(title: string): { news: News[]; final: News[]; observations: readonly Observation[] } {
  const found = stories.find((one) => one.title === title);
  if (!found) throw new Error(`no story: ${title}`);
  const { observations } = found.timeline;
  const news = told(observations);
  return { news, final: finalNews(news), observations };
}

describe.each(stories)('$title', ({ timeline: { observations }, truth }) => {
  const expected = [...truth].sort();

  test('is told as what it is, and nothing else', () => {
    expect(gist(told(observations))).toEqual(expected);
  });

  test('is told the same when the bot restarts at any moment', () => {
    const kept = (memory: WatchMemory): WatchMemory => JSON.parse(JSON.stringify(memory));
    expect(told(observations, kept)).toEqual(told(observations));
  });

  test('is told the same whatever the order of the rows', () => {
    const turned = observations.map((one) => (Array.isArray(one.data) ? { ...one, data: one.data.toReversed() } : one));
    expect(told(turned)).toEqual(told(observations));
  });

  test('is told the same when numbers come as text', () => {
    const asText = JSON.parse(JSON.stringify(observations.map(({ data }) => data ?? null)), (_, value) =>
      typeof value === 'number' ? String(value) : value,
    ) as unknown[];
    const turned = observations.map((one, i) => (one.data === undefined ? one : { ...one, data: asText[i] }));
    expect(told(turned)).toEqual(told(observations));
  });

  test('keeps its kinds when only every second poll is seen', () => {
    for (const kept of [0, 1]) {
      const thinned = observations.filter(({ at }) => ((at - T0) / 10) % 2 === kept);
      expect(gist(told(thinned))).toEqual(expected);
    }
  });

  test('says nothing twice', () => {
    const lines = told(observations).map((one) => JSON.stringify({ ...one, at: 0 }));
    expect(new Set(lines).size).toBe(lines.length);
  });
});

describe('a failover', () => {
  const { news, final } = story('a node loses power');
  const failover = final.find(({ kind, guest }) => kind === 'ha-failover' && guest?.vmid === 103)!;
  const lost = final.find(({ kind }) => kind === 'node-lost')!;

  test('says since when, until when, and what was lost', () => {
    const lastAlive = T0 + 50 - 3;
    const lastSync = T0 - 200;
    expect(failover).toMatchObject({
      severity: 'critical',
      startedAt: lastAlive,
      endedAt: T0 + 190,
      dataLoss: { basis: 'replication job 103-0 -> ovh3', lastSync, lastAlive },
    });
    expect(failover.dataLoss?.seconds).toEqual([lastAlive - lastSync, lastAlive + 10 - lastSync]);
  });

  test('warns of what the return of the node erases', () => {
    expect(failover.facts?.rescue).toEqual([{ job: '103-0', returns: 'ovh2' }]);
    expect(lost.facts?.rescue).toEqual([
      { job: '103-0', returns: 'ovh2' },
      { job: '110-0', returns: 'ovh2' },
    ]);
    expect(lost.text).toContain('RESCUE: keep ovh2 OFF');
  });

  test('lists guests that HA does not manage as still down', () => {
    expect(lost.facts?.stillDown).toEqual([{ vmid: 117, type: 'lxc', name: 'wiki' }]);
    expect(lost.text).toContain('NOT HA, still down: 117 wiki');
  });

  test('is one incident from the first sign to the last', () => {
    expect(new Set(news.map(({ incident }) => incident))).toEqual(new Set(['node/ovh2']));
    expect(news[0]).toMatchObject({ kind: 'node-lost', severity: 'warning', phase: 'opens' });
    expect(news.filter(({ phase }) => phase === 'opens')).toHaveLength(1);
  });

  test('is first told within one poll of the first evidence', () => {
    expect(news[0]!.at).toBeLessThanOrEqual(T0 + 70);
  });
});

test('a cut-off guest wrote until the watchdog reset its node', () => {
  const { final } = story('the HA master is cut off, and asked as well');
  const failover = final.find(({ kind }) => kind === 'ha-failover')!;
  expect(failover.facts?.cause).toBe('network partition, node reset by its watchdog');
  const [low, high] = failover.dataLoss!.seconds!;
  expect(high - low).toBeGreaterThanOrEqual(50);
  expect(high - low).toBeLessThanOrEqual(70);
});

test('an ordered power-off is a warning, with its own loss window', () => {
  const { final } = story('a node is powered off in order');
  const failover = final.find(({ kind, guest }) => kind === 'ha-failover' && guest?.vmid === 103)!;
  expect(failover.severity).toBe('warning');
  expect(failover.facts?.cause).toBe('node was shut down in order');
  expect(failover.dataLoss?.seconds?.[0]).toBeGreaterThan(200);
});

test('a failover without a replica says so and never a number', () => {
  const { final } = story('there is no replica where a guest is recovered');
  const failed = final.find(({ kind }) => kind === 'ha-failover-failed')!;
  expect(failed).toMatchObject({ severity: 'critical', to: 'ovh1', node: 'ovh3', facts: { tried: ['ovh1', 'ovh3'] } });
});

test('a migration asked by a person names them', () => {
  const { final } = story('somebody migrates a container and a VM');
  for (const { facts, dataLoss, severity } of final) {
    expect(facts?.by).toBe('alice@pve');
    expect(dataLoss?.seconds).toEqual([0, 0]);
    expect(severity).toBe('info');
  }
});

test('a stopped service is moved without an outage', () => {
  const { final } = story('a stopped service was on the lost node');
  const lost = final.find(({ kind }) => kind === 'node-lost')!;
  expect(lost.facts?.movedStopped).toMatchObject([{ vmid: 110 }]);
});

test('while HA is disarmed a lost node is told to stay where it is', () => {
  const { news } = story('HA is disarmed and armed again');
  expect(news.find(({ kind }) => kind === 'ha-disarmed')?.text).toContain('NOT followed by a failover');
});
