import { describe, expect, test } from 'vitest';
import type { Observation } from '../src/contracts/watch.ts';
import { blankMemory, pass, readMemory, watch } from '../src/watch/index.ts';
import { powerLoss, stories, three } from './watch/stories.ts';
import { gist, T0, Timeline, told } from './watch/timeline.ts';

/** What Proxmox, the network and clocks do to answers makes no news. */

const calm = () =>
  new Timeline().guest(101, 'proxy', 'ovh1', { target: 'ovh3' }).guest(103, 'robotoff', 'ovh2', { target: 'ovh3' });

describe.each(stories)('$title', ({ timeline: { observations }, truth }) => {
  test('is told the same with a frozen minority answering in between', () => {
    const past = observations.filter(({ at }) => at === T0).map((one) => ({ ...one, via: 'ovh9' }));
    const inquorate = JSON.parse(
      JSON.stringify(past).replaceAll('"quorate":1', '"quorate":0').replaceAll('"quorate":"1"', '"quorate":""'),
    ) as Observation[];
    const mixed = observations.flatMap((one) => [...inquorate.map((old) => ({ ...old, at: one.at })), one]);
    expect(gist(told(mixed))).toEqual([...truth].sort());
  });

  test('is told the same through any garbage between the answers', () => {
    const mixed = observations.flatMap((one, i) => [garbled(one, i), one]);
    expect(gist(told(mixed))).toEqual([...truth].sort());
  });
});

/** The same answer, spoilt. */
function garbled(one: Observation, i: number): Observation {
  const { data: _data, ...rest } = one;
  const rows = Array.isArray(one.data) ? one.data : [];
  const spoilt: Observation[] = [
    { ...rest, data: null },
    { ...rest, data: '<html><body>502 Bad Gateway</body></html>' },
    { ...rest, status: 502, error: 'Bad Gateway' },
    { ...rest, error: 'Unexpected end of JSON input' },
    { ...rest, status: 595, data: null, error: 'No route to host' },
    { ...rest, data: [] },
    { ...rest, data: {} },
    { ...rest, data: 42 },
    { ...rest, data: [null, 'x', 7, [], { type: 'service' }, { type: 'lrm', node: 5 }] },
    { ...rest, data: rows.filter((row) => (row as { type?: string }).type !== 'quorum').slice(0, 1) },
    { ...rest, data: rows.map(() => ({})) },
    { ...rest, data: { manager_status: null, lrm_status: 'x', quorum: [] } },
  ];
  return spoilt[i % spoilt.length]!;
}

describe('a calm cluster', () => {
  const { observations } = calm().until(600);

  test('says nothing', () => {
    expect(told(observations)).toEqual([]);
  });

  test('says nothing when keys are missing here and there', () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      let state = seed;
      const random = () => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return state / 2_147_483_648;
      };
      const holed = observations.map((one) => ({ ...one, data: holes(one.data, random) }));
      expect(told(holed)).toEqual([]);
    }
  });

  test('says nothing when the clock of a node is wrong', () => {
    for (const skew of [-3600, -120, -40, 5, 90, 3600]) {
      const line = calm().node('ovh2', { skew }).until(600);
      expect(told(line.observations)).toEqual([]);
    }
  });

  test('says nothing when the clock of the bot jumps', () => {
    for (const jump of [-7200, -60, 45, 60, 7200]) {
      const jumped = observations.map((one) => (one.at < T0 + 300 ? one : { ...one, at: one.at + jump }));
      expect(told(jumped)).toEqual([]);
    }
  });

  test('says nothing when the bot was away for an hour', () => {
    expect(told(observations.filter(({ at }) => at < T0 + 60 || at > T0 + 500))).toEqual([]);
  });

  test('says nothing when only time passes', () => {
    let memory = blankMemory('off');
    for (const one of observations) memory = watch(memory, one).memory;
    for (let at = T0 + 600; at < T0 + 660; at += 10) expect(pass(memory, at).news).toEqual([]);
  });
});

/** Keys left out, one in fifty; never those that make a row what it is. */
function holes(value: unknown, random: () => number): unknown {
  if (Array.isArray(value)) return value.map((one) => holes(one, random));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key === 'type' || random() > 0.02);
  return Object.fromEntries(kept.map(([key, one]) => [key, holes(one, random)]));
}

test('guests that go home after a maintenance are known by a bot that came in the middle of it', () => {
  const { timeline, truth } = stories.find(({ title }) => title === 'a node goes into maintenance and returns')!;
  const late = timeline.observations.filter(({ at }) => at >= T0 + 120);
  expect(gist(told(late))).toEqual([...truth].sort());
});

test('the manager says that a node is unknown before its LRM is silent for long', () => {
  const line = three().until(60);
  line.node('ovh2', { up: false, state: 'unknown' }).until(100);
  const quiet = line.observations.filter(({ endpoint }) => endpoint !== '/cluster/status');
  expect(told(quiet)[0]).toMatchObject({ kind: 'node-lost', severity: 'warning', at: T0 + 58 });
});

describe('a real failover', () => {
  test('is found although the clock of the dead node was wrong', () => {
    for (const skew of [-600, 600]) {
      const news = told(powerLoss(three().node('ovh2', { skew })).observations);
      expect(gist(news)).toContain('ha-failover 103 ovh2→ovh3');
      const failover = news.find(({ kind }) => kind === 'ha-failover')!;
      expect(Math.abs(failover.startedAt! - (T0 + 47))).toBeLessThanOrEqual(13);
    }
  });

  test('is found by a bot that was away while it happened, once it sees the tasks', () => {
    const line = calm().until(60);
    const before = [...line.observations];
    line.at = T0 + 900;
    line.service('ct:103', { node: 'ovh3' });
    line.task('vzstart', 'ovh3', 103, 'root@pam', 'OK', T0 + 400);
    line.observations.length = 0;
    line.until(1000);
    const news = told([...before, ...line.observations]);
    expect(gist(news)).toContain('ha-failover 103 ovh2→ovh3');
    expect(news.at(-1)).toMatchObject({ dataLoss: { seconds: null } });
  });

  test('is not made of a migration that happened while the bot was away', () => {
    const line = calm().until(60);
    const before = [...line.observations];
    line.at = T0 + 900;
    line.service('ct:103', { node: 'ovh3' });
    line.task('vzmigrate', 'ovh2', 103, 'root@pam', 'OK', T0 + 395);
    line.task('vzstart', 'ovh3', 103, 'root@pam', 'OK', T0 + 400);
    line.observations.length = 0;
    line.until(1000);
    expect(gist(told([...before, ...line.observations]))).toEqual(['planned-migration 103 ovh2→ovh3']);
  });
});

test('memory of another shape is begun anew', () => {
  for (const kept of [undefined, null, 7, 'x', {}, { version: 99 }])
    expect(readMemory(kept, 'off')).toEqual(blankMemory('off'));
});
