import { DateTime } from 'luxon';
import { describe, expect, test } from 'vitest';
import { snapshots as automation } from '../handlers/automations/snapshots.ts';
import {
  type Keep,
  keepOf,
  keptUntil,
  scheduledAs,
  scheduledName,
  scheduledNote,
  upkeepOf,
} from '../handlers/parts/retention.ts';
import type { AutomationContext, Notice } from '../src/contracts/automation.ts';
import type { Snapshot } from '../src/contracts/cluster.ts';
import type { SnapshotClass } from '../src/contracts/house.ts';
import { fingerprint, type Plan } from '../src/contracts/plan.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { type Around, house, planOf, refusalOf } from './views/ask.ts';
import { fakeNodes } from './views/fake-nodes.ts';
import { type FakeWorld, fakeView, fourNodes, job, NOW, snapshot } from './views/fake-view.ts';

/** Which scheduled snapshots are due and which are past their time, by the cluster's clock. */

const PARIS = 'Europe/Paris';
const HOUR = 3600;
const DAY = 86_400;
const at = (text: string, zone = PARIS): number => DateTime.fromISO(text, { zone }).toSeconds();

function made(kind: SnapshotClass, time: number, more: Partial<Snapshot> = {}): Snapshot {
  const name = scheduledName(kind, time);
  return { name, at: time, description: `${scheduledNote(kind)}\nbascule:r-1`, usable: true, memory: false, ...more };
}

/** What a schedule that runs at these times has made, each on the world the earlier ones left. */
function lived(times: readonly number[], keep: Keep, zone = PARIS, before: readonly Snapshot[] = []): Snapshot[] {
  let all = [...before];
  for (const now of times) {
    const { make, remove } = upkeepOf(all, keep, now, zone);
    all = [...all.filter((each) => !remove.includes(each)), ...make.map((kind) => made(kind, now))];
  }
  return all;
}

const hours = (from: string, count: number, zone = PARIS): number[] =>
  Array.from({ length: count }, (_, n) => at(from, zone) + n * HOUR);

describe('which are due', () => {
  const keep = { hourly: 36 * HOUR, daily: 5 * DAY, weekly: 28 * DAY, monthly: 60 * DAY };

  test('at first one of every class, and within the same hour none any more', () => {
    const first = upkeepOf([], keep, at('2026-11-18T05:07'), PARIS);
    expect(first).toEqual({ make: ['hourly', 'daily', 'weekly', 'monthly'], remove: [] });
    const all = first.make.map((kind) => made(kind, at('2026-11-18T05:07')));
    expect(upkeepOf(all, keep, at('2026-11-18T05:59:59'), PARIS).make).toEqual([]);
    expect(upkeepOf(all, keep, at('2026-11-18T06:00'), PARIS).make).toEqual(['hourly']);
    expect(upkeepOf(all, keep, at('2026-11-19T00:00'), PARIS).make).toEqual(['hourly', 'daily']);
    expect(upkeepOf(all, keep, at('2026-11-23T00:00'), PARIS).make).toEqual(['hourly', 'daily', 'weekly']);
    expect(upkeepOf(all, keep, at('2026-12-01T00:00'), PARIS).make).toEqual(['hourly', 'daily', 'weekly', 'monthly']);
  });

  test('days begin at midnight of the cluster, not of UTC', () => {
    const all = [made('daily', at('2026-11-18T12:07'))];
    expect(upkeepOf(all, { daily: DAY }, at('2026-11-18T23:59'), PARIS).make).toEqual([]);
    expect(upkeepOf(all, { daily: DAY }, at('2026-11-19T00:01'), PARIS).make).toEqual(['daily']);
    expect(upkeepOf(all, { daily: DAY }, at('2026-11-19T00:01'), 'Pacific/Honolulu').make).toEqual([]);
  });

  test('clocks forward: the hour that is not there is not made up for', () => {
    // 2027-03-28: 02:00 becomes 03:00.
    const all = lived(hours('2027-03-28T00:07', 5), { hourly: 36 * HOUR, daily: 5 * DAY });
    const local = all.map(
      ({ at: time, name }) => `${name.split('-')[1]} ${DateTime.fromSeconds(time, { zone: PARIS }).toFormat('HH:mm')}`,
    );
    expect(local).toEqual([
      'hourly 00:07',
      'daily 00:07',
      'hourly 01:07',
      'hourly 03:07',
      'hourly 04:07',
      'hourly 05:07',
    ]);
  });

  test('clocks back: both hours of that name have one, and every name is another', () => {
    // 2026-10-25: 03:00 becomes 02:00.
    const all = lived(hours('2026-10-25T00:07', 6), { hourly: 36 * HOUR, daily: 5 * DAY });
    const local = all
      .filter(({ name }) => name.includes('hourly'))
      .map(({ at: time }) => DateTime.fromSeconds(time, { zone: PARIS }).toFormat('HH:mm ZZ'));
    expect(local).toEqual([
      '00:07 +02:00',
      '01:07 +02:00',
      '02:07 +02:00',
      '02:07 +01:00',
      '03:07 +01:00',
      '04:07 +01:00',
    ]);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(all.filter(({ name }) => name.includes('daily'))).toHaveLength(1);
  });

  test('a day of 23 and one of 25 hours have one daily each, also where midnight itself is skipped', () => {
    for (const [from, zone] of [
      ['2027-03-27T12:07', PARIS],
      ['2026-10-24T12:07', PARIS],
      ['2027-04-29T12:07', 'Africa/Cairo'],
    ] as const) {
      const all = lived(hours(from, 72, zone), { daily: 30 * DAY }, zone);
      const days = all.map(({ at: time }) => DateTime.fromSeconds(time, { zone }).toISODate());
      expect(new Set(days).size).toBe(days.length);
      expect(days).toHaveLength(4);
    }
  });

  test('after a downtime one of each class is made, not one for every hour that was missed', () => {
    const before = lived(hours('2026-11-10T00:07', 4), keep);
    expect(upkeepOf(before, keep, at('2026-11-18T05:07'), PARIS).make).toEqual(['hourly', 'daily', 'weekly']);
    const after = lived([at('2026-11-18T05:07')], keep, PARIS, before);
    expect(upkeepOf(after, keep, at('2026-11-18T05:08'), PARIS).make).toEqual([]);
  });

  test('a clock set back a little makes nothing twice, and one that was far ahead does not stop the schedule', () => {
    const now = at('2026-11-18T05:07');
    expect(upkeepOf([made('hourly', now + 1200)], keep, now, PARIS).make).not.toContain('hourly');
    const ahead = made('hourly', at('2030-01-01T00:07'));
    const { make, remove } = upkeepOf([ahead], keep, now, PARIS);
    expect(make).toContain('hourly');
    expect(remove).toEqual([]);
  });

  test('one that is half made does not count, and is never deleted', () => {
    const now = at('2026-11-18T05:07');
    const half = made('hourly', now - 60 * DAY, { usable: false });
    const { make, remove } = upkeepOf([half, made('hourly', now - HOUR)], { hourly: DAY }, now, PARIS);
    expect({ make, remove }).toEqual({ make: ['hourly'], remove: [] });
  });
});

describe('which are past their time', () => {
  test('three days of hours keep 36 of them, the newest last', () => {
    const all = lived(hours('2026-11-15T00:07', 72), { hourly: 36 * HOUR });
    expect(all).toHaveLength(36);
    expect(all.at(-1)?.at).toBe(at('2026-11-15T00:07') + 71 * HOUR);
  });

  test('the newest of a class stays until another is there, however old it is', () => {
    const now = at('2026-11-18T05:07');
    const old = [made('daily', now - 20 * DAY), made('daily', now - 19 * DAY)];
    expect(upkeepOf(old, { daily: 5 * DAY }, now, PARIS).remove).toEqual([old[0]]);
    const after = [...old.slice(1), made('daily', now)];
    expect(upkeepOf(after, { daily: 5 * DAY }, now + 60, PARIS).remove).toEqual([old[1]]);
  });

  test('only what the schedule itself made: name, note, mark and class must all agree', () => {
    const now = at('2026-11-18T05:07');
    const past = now - 90 * DAY;
    const ours = made('hourly', past);
    const others: Snapshot[] = [
      made('hourly', past, { description: 'scheduled hourly' }),
      made('hourly', past, { description: 'before the upgrade\nbascule:r-1' }),
      made('hourly', past, { description: 'scheduled daily\nbascule:r-1' }),
      made('hourly', past, { name: 'before-upgrade' }),
      made('hourly', past, { name: 'bascule-hourly-yesterday' }),
      made('hourly', past, { name: 'bascule-yearly-20261118T0407' }),
      made('hourly', past, { name: 'autohourly261118020001' }),
      made('hourly', past, { description: 'scheduled hourly\nxbascule:r-1' }),
    ];
    const all = [...others, ours, made('hourly', now)];
    expect(others.map(scheduledAs)).toEqual(others.map(() => undefined));
    expect(upkeepOf(all, { hourly: HOUR, daily: HOUR }, now, PARIS).remove).toEqual([ours]);
  });

  test('a class no rule keeps any more is left alone', () => {
    const now = at('2026-11-18T05:07');
    const weekly = [made('weekly', now - 90 * DAY), made('weekly', now - 80 * DAY)];
    expect(upkeepOf(weekly, { hourly: HOUR }, now, PARIS).remove).toEqual([]);
    expect(keptUntil(weekly[0]!, { hourly: HOUR })).toBeUndefined();
    expect(keptUntil(weekly[0]!, { weekly: DAY })).toBe(now - 89 * DAY);
  });

  test('where Proxmox does not tell the time, the name does', () => {
    const now = at('2026-11-18T05:07');
    const nameless = made('hourly', now - 40 * HOUR, { at: 0 });
    expect(keptUntil(nameless, { hourly: HOUR })).toBe(now - 39 * HOUR);
    expect(upkeepOf([nameless, made('hourly', now)], { hourly: HOUR }, now, PARIS).remove).toEqual([nameless]);
  });
});

describe('rules', () => {
  const rules = [
    { vmids: [103], tags: [], keep: { hourly: 10 } },
    { vmids: [], tags: ['Prod'], keep: { hourly: 20, daily: 5 } },
  ];

  test('a guest has what any of its rules keeps, the longest of each class', () => {
    expect(keepOf({ vmid: 103, tags: [] }, rules)).toEqual({ hourly: 10 });
    expect(keepOf({ vmid: 103, tags: ['prod'] }, rules)).toEqual({ hourly: 20, daily: 5 });
    expect(keepOf({ vmid: 104, tags: ['test'] }, rules)).toBeUndefined();
  });

  test('names fit what Proxmox takes, in every class', () => {
    for (const kind of ['hourly', 'daily', 'weekly', 'monthly'] as const)
      expect(scheduledName(kind, at('2026-11-21T06:00'))).toMatch(new RegExp(`^bascule-${kind}-20261121T0500$`));
    expect(scheduledName('monthly', 0).length).toBeLessThanOrEqual(40);
  });
});

describe('snapshot keep', () => {
  const everyone = { ...house, snapshots: [{ vmids: [], tags: ['many'], keep: { hourly: 36 * HOUR } }] };
  /** So many containers that a rule names. */
  function many(count: number): FakeWorld {
    const world = fourNodes();
    world.jobs = [];
    world.guests = Array.from({ length: count }, (_, n) => ({
      vmid: 300 + n,
      name: `ct${n}`,
      node: 'ovh2',
      status: 'running' as const,
      tags: ['many'],
      networks: [],
    }));
    return world;
  }
  const keep = (world: FakeWorld, around: Around = {}, options: Record<string, string> = {}) =>
    planOf('snapshot keep', options, world, { house: everyone, ...around });

  test('one plan holds a bounded number of guests, the rest is in the next', async () => {
    const world = many(20);
    const first = await keep(world);
    expect(first.locks).toHaveLength(8);
    expect(first.title).toBe('Scheduled snapshots: make 8, delete 0');
    expect(first.observations).toEqual([{ label: 'Next plan', value: '12 more guests with work to do' }]);
    const second = await keep(world, { reserved: first.reserves });
    expect(second.locks.filter((lock) => first.locks.includes(lock))).toEqual([]);
    const third = await keep(world, { reserved: [...first.reserves, ...second.reserves] });
    expect(third.locks).toHaveLength(4);
    const all = [first, second, third].flatMap(({ reserves }) => reserves);
    await expect(keep(world, { reserved: all })).rejects.toThrow('nothing is due');
  });

  test('a long downtime is cleaned up in bounded plans too, and every step has its own name', async () => {
    const world = many(3);
    const now = NOW / 1000;
    for (const { vmid } of world.guests)
      world.snapshots[vmid] = Array.from({ length: 37 }, (_, n) => made('hourly', now - (100 - n) * HOUR));
    const plan = await keep(world);
    expect(plan.steps).toHaveLength(40);
    const names = plan.steps.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(plan.steps.every(({ alone, undo }) => alone && undo === undefined)).toBe(true);
  });

  test('planned again a minute later it is the same plan', async () => {
    const world = many(20);
    const before = await keep(world);
    world.guests.push({ vmid: 290, name: 'new', node: 'ovh1', status: 'running', tags: ['many'], networks: [] });
    const later = await keep(world, { previous: before, now: NOW + 65 * 60_000 });
    expect(fingerprint(later)).toBe(fingerprint(before));
  });

  test('a guest that is locked, down or cannot be snapshotted is left alone, and it says so', async () => {
    const world = many(4);
    world.guests[0] = { ...world.guests[0]!, lock: 'backup' };
    world.guests[1] = { ...world.guests[1]!, node: 'ovh4' };
    world.nodes[3] = { ...world.nodes[3]!, online: false };
    world.unable = [302];
    const plan = await keep(world);
    expect(plan.locks).toEqual(['guest/off/303']);
    expect(plan.observations[0]?.value.split('\n')).toEqual([
      'CT 300 ct0: it is locked (backup)',
      'CT 301 ct1: its node ovh4 is offline',
      'CT 302 ct2: nothing is made, a disk of it cannot be snapshotted, which spoils it for all',
    ]);
  });

  test('what replication may need as its base stays, what a person made always does', async () => {
    const world = many(1);
    const now = NOW / 1000;
    const old = made('hourly', now - 100 * HOUR);
    const byHand = snapshot('bascule-hourly-by-hand', 200, { description: 'x\nbascule:r-1' });
    world.snapshots[300] = [byHand, old, made('hourly', now)];
    expect((await keep(world)).steps.map(({ name }) => name)).toEqual([`delete-300-${old.name}`]);
    world.jobs = [job('300-0', 'ovh2', 'ovh3')];
    const refused = await refusalOf('snapshot keep', {}, world, { house: everyone });
    expect(refused.why).toContain('1 past their time stay, replication may need them (300-0 has no finished run)');
  });

  test('without rules, and without quorum, nothing is planned', async () => {
    const none = await refusalOf('snapshot keep', {}, many(1), { house: { ...house, snapshots: [] } });
    expect(none).toMatchObject({ kind: 'not-found', next: expect.stringContaining('house.snapshots') });
    const world = many(1);
    world.membership = { quorate: false, present: 1 };
    expect((await refusalOf('snapshot keep', {}, world, { house: everyone })).kind).toBe('no-quorum');
  });

  describe('on its schedule', () => {
    function around(world: FakeWorld, refuses = false) {
      const asked: string[] = [];
      const notices: Notice[] = [];
      const open: Plan[] = [];
      const context: AutomationContext = {
        cluster: 'off',
        clock: { now: () => NOW, wait: async () => {} },
        zone: PARIS,
        root: '/pve ',
        view: fakeView(world),
        nodes: fakeNodes([]),
        books: { entries: async () => [], entry: async () => undefined },
        github: { keys: () => Promise.reject(new Error('no GitHub here')) },
        house: everyone,
        requests: async () => open.map((plan) => ({ plan }) as RequestRecord),
        people: async () => [],
        recall: async () => undefined,
        remember: async () => {},
        async ask(command, options) {
          asked.push(command);
          if (refuses) return { refused: 'the budget of today is used up' };
          const plan = await planOf(command, options, world, {
            house: everyone,
            reserved: open.flatMap((one) => one.reserves),
          });
          open.push(plan);
          return { request: { plan } as RequestRecord };
        },
        tell: async (notice) => void notices.push(notice),
      };
      return { context, asked, notices, open };
    }

    test('it asks as often as there are plans, and for nothing when nothing is due', async () => {
      const world = many(20);
      const { context, asked, open } = around(world);
      await automation.run(context);
      expect(asked).toEqual(['snapshot keep', 'snapshot keep', 'snapshot keep']);
      expect(open.flatMap(({ locks }) => locks)).toHaveLength(20);
      await automation.run(context);
      expect(asked).toHaveLength(3);
    });

    test('a refusal ends the round', async () => {
      const { context, asked } = around(many(20), true);
      await automation.run(context);
      expect(asked).toHaveLength(1);
    });

    test('it tells of a guest that a rule names and that cannot be snapshotted, under the same key each time', async () => {
      const world = many(2);
      world.unable = [301];
      world.guests[0] = { ...world.guests[0]!, lock: 'backup' };
      const { context, asked, notices } = around(world);
      await automation.run(context);
      await automation.run(context);
      expect(asked).toEqual([]);
      expect(notices).toHaveLength(2);
      expect(notices[0]!.key).toBe(notices[1]!.key);
      expect(notices[0]!.card.lines).toEqual([expect.stringContaining('CT 301 ct1: nothing is made')]);
    });
  });
});
