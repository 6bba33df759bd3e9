import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { snapshots } from '../handlers/automations/snapshots.ts';

import { commands } from '../handlers/index.ts';
import { scheduledName, scheduledNote } from '../handlers/parts/retention.ts';
import { type AutomationContext, defineAutomation } from '../src/contracts/automation.ts';
import type { ChangeCommand } from '../src/contracts/command.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { type Around, house, planOf, refusalOf } from './views/ask.ts';
import { type FakeWorld, fakeView, fourNodes, NOW } from './views/fake-view.ts';
import { OPS, openWorld, type World } from './world.ts';

/** Schedules when clocks jump, guests are held and plans do not stand still. */

let world: World;
let runs = 0;
let does: (context: AutomationContext) => Promise<unknown>;
afterEach(() => world?.close());

const folder = mkdtempSync(join(tmpdir(), 'bascule-schedules-'));
writeFileSync(
  join(folder, 'site.cedar'),
  `@id("site.morning") permit (principal == Automation::"morning", action in [Action::"ct.start", Action::"ct.stop"], resource);`,
);
afterAll(() => rmSync(folder, { recursive: true }));

const morning = defineAutomation({
  name: 'morning',
  summary: 'What the tests say',
  schedule: '7 * * * *',
  budget: 50,
  async run(context) {
    runs += 1;
    await does(context);
  },
});

async function open(): Promise<World> {
  runs = 0;
  does = async () => undefined;
  world = await openWorld({
    automations: [morning],
    simulator: { speed: 0 },
    cluster: { alerts: [{ slack: OPS }] },
    config: { policy: { directory: folder } },
  });
  return world;
}

const HOUR = 3_600_000;

test('a schedule that was put off for years by a clock that jumped is due again as usual', async () => {
  await open();
  const name = 'automation/off/morning/7 * * * */Europe/Paris';
  const due = await world.slack.waitFor(() => world.store.due(name), 'the schedule to have its row');
  expect(await world.store.advance(name, due!, due! + 10 * 365 * 24 * HOUR)).toBe(true);
  await world.slack.waitFor(
    async () => (await world.store.due(name))! < world.clock.now() + 2 * HOUR,
    'an hour at most',
  );
  expect(runs).toBe(0);
  world.clock.passes(HOUR);
  await world.slack.waitFor(() => runs === 1, 'its next run');
});

test('what a schedule asked for while its guest was held too long ends quietly, and is asked for anew when due', async () => {
  await open();
  await world.oscar.says('ct stop 120');
  await world.oscar.reads('Stop CT 120', '0 of 1');
  world.tasks.hold();
  await world.alice.clicks('Approve');
  await world.becomes('running', 'ct stop');
  let mine: RequestRecord | undefined;
  does = async ({ ask }) => {
    mine = (await ask('ct stop', { vmid: '120' })).request;
  };
  await world.bot.automations.run('off', 'morning');
  await world.slack.waitFor(
    async () => (await world.store.request(mine!.id))?.note.includes('waits for run'),
    'it waits',
  );
  world.clock.passes(6 * 60_000);
  const over = await world.slack.waitFor(async () => {
    const found = await world.store.request(mine!.id);
    return found?.state === 'approved' ? undefined : found;
  }, 'it is over');
  expect(over).toMatchObject({ state: 'expired', note: expect.stringContaining('asks again when it is due') });
  world.tasks.release();
  await world.slack.waitFor(
    async () => (await world.store.requests({ states: ['done'] })).length === 1,
    'the other run',
  );
  await world.settled();
  expect(world.oscar.sees().join('\n')).not.toContain('asked by schedule');
});

test('a schedule whose plan is another one each time it is looked at does not plan for ever', async () => {
  const start = commands.find(({ name }) => name === 'ct start') as ChangeCommand;
  const { plan } = start;
  let planned = 0;
  Object.assign(start, {
    plan: async (...given: Parameters<typeof plan>) => {
      planned += 1;
      const made = await plan(...given);
      return { ...made, intent: { ...made.intent, planned } };
    },
  });
  try {
    await open();
    does = ({ ask }) => ask('ct start', { vmid: '115' });
    await world.bot.automations.run('off', 'morning');
    const over = await world.becomes('failed', 'ct start');
    expect(over.note).toContain('another one each time');
    await world.oscar.reads('Start CT 115', 'failed', 'another one each time', 'Next:');
    await world.settled();
    expect(planned).toBeLessThan(50);
    expect(world.writes()).toEqual([]);
  } finally {
    Object.assign(start, { plan });
  }
});

describe('scheduled snapshots', () => {
  const DAY = 86_400;
  const everyone = { ...house, snapshots: [{ vmids: [], tags: ['many'], keep: { hourly: 36 * 3600 } }] };
  function three(): FakeWorld {
    const fake = fourNodes();
    fake.jobs = [];
    fake.guests = [300, 301, 302].map((vmid) => ({
      vmid,
      name: `ct${vmid}`,
      node: 'ovh2',
      status: 'running' as const,
      tags: ['many'],
      networks: [],
    }));
    for (const { vmid } of fake.guests)
      fake.snapshots[vmid] = [1, 2, 3, 4]
        .map((hours) => {
          const at = NOW / 1000 - 5 * DAY - hours * 3600;
          return {
            name: scheduledName('hourly', at),
            at,
            description: `${scheduledNote('hourly')}\nbascule:r-1`,
            usable: true,
            memory: false,
          };
        })
        .toReversed();
    return fake;
  }
  const keep = (fake: FakeWorld, around: Around = {}) =>
    planOf('snapshot keep', {}, fake, { house: everyone, ...around });

  test('of a guest that another run holds wait, and those of the others do not wait with it', async () => {
    const plan = await keep(three(), { reserved: ['lock:guest/off/301'] });
    expect(plan.locks).toEqual(['guest/off/300', 'guest/off/302']);
    expect(plan.observations[0]?.value).toContain('CT 301 ct301: another run is at it, or is in doubt');
  });

  test('are asked for without the guests of runs in doubt', async () => {
    const fake = three();
    const asked: string[] = [];
    const doubt = {
      state: 'in-doubt',
      plan: { locks: ['guest/off/300', 'guest/off/301', 'guest/off/302'], reserves: [] },
    };
    await snapshots.run({
      cluster: 'off',
      clock: { now: () => NOW, wait: async () => {} },
      zone: 'Europe/Paris',
      root: '/pve ',
      view: fakeView(fake),
      house: everyone,
      requests: async () => [doubt as unknown as RequestRecord],
      ask: async (command: string) => {
        asked.push(command);
        return { refused: 'x' };
      },
      tell: async () => undefined,
    } as unknown as AutomationContext);
    expect(asked).toEqual([]);
  });

  test('are neither made nor deleted by a clock that is far from that of the node', async () => {
    const fake = three();
    expect((await keep(fake)).title).toBe('Scheduled snapshots: make 3, delete 9');
    fake.ahead = -400 * DAY * 1000;
    const refused = await refusalOf('snapshot keep', {}, fake, { house: everyone });
    expect(refused.why).toContain("the clock of ovh2 and the bot's are far apart");
    fake.ahead = 30_000;
    expect((await keep(fake)).steps).toHaveLength(12);
  });
});
