import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { type AutomationContext, defineAutomation } from '../src/contracts/automation.ts';
import type { Card } from '../src/contracts/card.ts';
import { Failed, fail } from '../src/contracts/failure.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { OPS, openWorld, type World, type WorldOptions } from './world.ts';

/**
 * The bot's own schedules, end to end, with one made up for the tests: `morning`, every hour at seven past. The site
 * permits it to start containers.
 */
let world: World;
let runs: string[];
let does: (context: AutomationContext) => Promise<unknown>;
afterEach(() => world?.close());

const morning = defineAutomation({
  name: 'morning',
  summary: 'What the tests say',
  schedule: '7 * * * *',
  budget: 3,
  async run(context) {
    runs.push(context.cluster);
    await does(context);
  },
});

const folder = mkdtempSync(join(tmpdir(), 'bascule-automations-'));
afterAll(() => rmSync(folder, { recursive: true }));
const permit = `@id("site.morning") permit (principal == Automation::"morning", action in [Action::"ct.start", Action::"ct.stop"], resource);`;

function rules(text: string): string {
  const directory = mkdtempSync(join(folder, 'rules-'));
  writeFileSync(join(directory, 'site.cedar'), text);
  return directory;
}

async function open(options: WorldOptions = {}, policies = permit): Promise<World> {
  runs = [];
  does = async () => undefined;
  world = await openWorld({
    automations: [morning],
    ...options,
    simulator: { speed: 0, ...options.simulator },
    cluster: { alerts: [{ slack: OPS }], ...options.cluster },
    config: { policy: { directory: rules(policies) }, ...options.config },
  });
  return world;
}

const HOUR = 3_600_000;
const start = (context: AutomationContext) => context.ask('ct start', { vmid: '115' });
const seen = () => world.oscar.sees().join('\n');

/** Lets time pass and waits until the next turn of the bot's clock is over. */
async function passes(ms: number): Promise<void> {
  world.clock.passes(ms);
  const before = await ticks();
  await world.slack.waitFor(async () => (await ticks()) > before + 1);
  await world.settled();
}

/** How often the bot has looked at its deadlines: what is due is looked at right after. */
let looked = 0;
async function ticks(): Promise<number> {
  const { requests } = world.bot;
  if (!('counted' in requests)) {
    const expire = requests.expire.bind(requests);
    Object.assign(requests, {
      counted: true,
      expire: () => {
        looked += 1;
        return expire();
      },
    });
  }
  return looked;
}

test('what it may do it does, under its own name, and nobody is bothered', async () => {
  await open();
  does = start;
  await world.runs('morning');
  const request = await world.request('ct start');
  expect(request.state).toBe('done');
  expect(world.guest(115)?.running).toBe(true);
  expect(request).toMatchObject({ requester: 'automation:morning', votes: [] });
  expect(request.actor).toEqual({ platform: 'bot', id: 'morning', name: 'morning' });
  expect(world.oscar.sees()).toEqual([]);
  const audit = await world.store.auditOf(request.id);
  expect(audit.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['request', 'plan', 'verdict', 'intent', 'outcome']),
  );
  expect(audit.find(({ kind }) => kind === 'request')?.who).toBe('automation:morning');
  await world.oscar.says(`approval show ${request.id}`);
  await world.oscar.reads(request.id, 'automation:morning');
});

test('what nobody permits it does not do, whatever it asks for; it hears why', async () => {
  await open();
  const heard: unknown[] = [];
  does = async ({ ask }) => {
    for (const [command, options] of [
      ['ct destroy', { vmid: '120', confirm: '120' }],
      ['ct create', { hostname: 'x', node: 'ovh1' }],
      ['ct start', { vmid: '999' }],
      ['ct start', { vmid: '101' }],
      ['ct start', { vmid: '115', force: 'yes' }],
    ] as const)
      heard.push((await ask(command, options)).refused);
  };
  const before = await world.asItStands();
  await world.runs('morning');
  expect(heard).toEqual([
    'it is running',
    'No policy permits ct.create for Automation::"morning" here.',
    'nothing by that number or name is visible to you',
    'it is already running',
    'it has no option force:',
  ]);
  expect(await world.asItStands()).toEqual(before);
  expect(world.oscar.sees()).toEqual([]);
  const told = await world.store.auditOf('automation:morning');
  expect(told.map(({ kind }) => kind)).toContain('not-planned');
});

test('its request that fails is told, with all that is known', async () => {
  await open();
  world.simulator.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'startup for container 115 failed' });
  does = start;
  await world.runs('morning');
  expect((await world.request('ct start')).state).toBe('failed');
  await world.oscar.reads(
    'Start CT 115 matomo on ovh3: failed',
    'startup for container 115 failed',
    'asked by schedule morning',
  );
});

test('where the site wants a person, its request waits for one, is told, and then runs', async () => {
  await open(
    {},
    `${permit} @id("site.web") forbid (principal, action in Action::"changes", resource is Guest) when { resource.tags.contains("web") } unless { context.approvals.operator >= 1 };`,
  );
  does = start;
  await world.runs('morning');
  await world.oscar.reads('Start CT 115 matomo', 'Needs: 0 of 1 approval from operator', 'asked by schedule morning');
  expect(world.guest(115)?.running).toBe(false);
  await world.vera.clicks('Approve');
  await world.vera.reads('approve', 'not allowed');
  await world.oscar.clicks('Approve');
  await world.becomes('done', 'ct start');
  await world.oscar.reads('approved by oscar');
  expect(world.guest(115)?.running).toBe(true);
});

test('in read-only mode it changes nothing', async () => {
  await open({ config: { readonly: true, policy: { directory: rules(permit) } } });
  const heard: unknown[] = [];
  does = async (context) => heard.push((await start(context)).refused);
  await world.runs('morning');
  expect(heard).toEqual([expect.stringContaining('read-only mode')]);
  expect(world.writes()).toEqual([]);
});

test('it runs when it is due, once for all that was missed, and a restart repeats nothing', async () => {
  await open();
  await passes(0);
  expect(runs).toEqual([]);
  await passes(HOUR);
  expect(runs).toEqual(['off']);
  await world.restart();
  await passes(0);
  expect(runs).toEqual(['off']);
  await world.restart(() => world.clock.passes(49 * HOUR));
  await passes(0);
  expect(runs).toEqual(['off', 'off']);
  await passes(HOUR);
  expect(runs).toHaveLength(3);
});

test('two processes with one store run it once', async () => {
  await open();
  await passes(0);
  const due = await world.store.due('automation/off/morning/7 * * * */Europe/Paris');
  const won = await Promise.all(
    [1, 2, 3].map((n) => world.store.advance('automation/off/morning/7 * * * */Europe/Paris', due!, due! + n)),
  );
  expect(won.filter(Boolean)).toHaveLength(1);
});

test('switched off it does not run; with another pattern it runs by that', async () => {
  await open({ config: { automations: { morning: { enabled: false } } } });
  await passes(2 * HOUR);
  expect(runs).toEqual([]);
  await world.close();
  await open({ config: { automations: { morning: { schedule: '0 5 1 1 *' } } } });
  await passes(2 * HOUR);
  expect(runs).toEqual([]);
});

test('a schedule that nobody knows is refused at the start, with the one that was meant', async () => {
  const refused = await open({ config: { automations: { mornign: {} } } }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(Failed);
  expect((refused as Failed).failure.why).toContain('no automation mornign, did you mean morning?');
});

test('without any place to speak it does not run', async () => {
  await open({ cluster: { alerts: [] } });
  await passes(2 * HOUR);
  expect(runs).toEqual([]);
  expect(world.logged.join('')).toContain('nobody could be told');
});

test('when it cannot look that is told once, through a restart, and told again when it works', async () => {
  await open();
  does = async () => fail('unavailable', { what: 'No keys were read', why: 'GitHub is down', next: 'wait' });
  await world.runs('morning');
  await world.oscar.reads('morning on off cannot do its work', 'GitHub is down', 'Next: wait');
  await world.runs('morning');
  await world.restart();
  await world.runs('morning');
  expect(world.oscar.sees()).toHaveLength(1);
  does = async () => undefined;
  await world.runs('morning');
  await world.oscar.reads('morning on off works again', 'GitHub is down');
  expect(world.oscar.sees()).toHaveLength(1);
  // The next trouble is news, so it is a message of its own.
  does = async () => {
    throw new Error('a bug with ghp_0123456789 in it');
  };
  world.clock.passes(1000);
  await world.runs('morning');
  await world.oscar.reads('morning on off cannot do its work', 'something in Bascule broke');
  expect(world.oscar.sees()).toHaveLength(2);
  expect(seen()).not.toContain('ghp_');
  expect(world.logged.join('')).not.toContain('BROKEN');
});

test('its budget is counted from what is stored: a restart gives it no more, a day does', async () => {
  await open();
  const heard: unknown[] = [];
  const stop = { vmid: '120' };
  does = async ({ ask }) => {
    const { request, refused } = await ask(world.guest(120)?.running ? 'ct stop' : 'ct start', stop);
    heard.push(request ? 'asked' : refused);
  };
  for (let n = 0; n < 3; n += 1) {
    await world.runs('morning');
    expect((await world.request()).state).toBe('done');
  }
  await world.restart();
  await world.runs('morning');
  await world.runs('morning');
  expect(heard).toEqual([
    'asked',
    'asked',
    'asked',
    'its budget for today is used up',
    'its budget for today is used up',
  ]);
  await world.oscar.reads(
    'morning on off: nothing more for now',
    '3 requests in 24 hours',
    'automations.morning.budget',
  );
  expect(world.oscar.sees()).toHaveLength(1);
  world.clock.passes(24 * HOUR + 1000);
  await world.runs('morning');
  expect(heard.at(-1)).toBe('asked');
});

test('it sees what it may see, knows who is linked, and remembers what it was told to', async () => {
  await open({ github: true });
  const heard: Record<string, unknown> = {};
  does = async (context) => {
    heard['guests'] = (await context.view.guests()).length;
    heard['people'] = await context.people();
    heard['kept'] = await context.recall();
    heard['open'] = (await context.requests(['waiting'])).map(({ command }: RequestRecord) => command);
    await context.remember({ seen: 1 });
  };
  await world.oscar.says('ct start 115');
  await world.becomes('waiting');
  await world.runs('morning');
  expect(heard).toMatchObject({ guests: 10, kept: undefined, open: ['ct start'] });
  expect(heard['people']).toContainEqual({ id: 'alice', name: 'alice', github: 'alice-hub' });
  await world.restart();
  await world.runs('morning');
  expect(heard['kept']).toEqual({ seen: 1 });
});

test('no chat can pass for a schedule', async () => {
  await open();
  const said: Card[] = [];
  const reply = async (card: Card) => {
    said.push(card);
    return undefined;
  };
  const actor = { platform: 'bot', id: 'morning', name: 'morning' } as const;
  const place = { platform: 'slack', channel: OPS } as const;
  const { desk } = world.bot;
  await desk.command({ delivery: 'x', actor, place, input: { text: 'ct start 115' }, reply });
  await desk.click({ delivery: 'y', actor, place, ref: 'z', reply });
  expect(said.map(({ lines }) => lines?.[0])).toEqual(Array(2).fill('no chat can speak for a schedule of the bot'));
  expect(
    await desk.complete({ actor, place, command: 'ct start', option: 'vmid', typed: '', options: {}, limit: 5 }),
  ).toEqual([]);
  expect(await desk.home(actor)).toEqual([]);
  // Nor can somebody whose account is called like one.
  await desk.command({
    delivery: 'w',
    actor: { platform: 'slack', id: 'automation:morning', name: 'morning' },
    place,
    input: { text: 'ct start 115' },
    reply,
  });
  expect(said.at(-1)?.title).toBe('ct start: not allowed');
  expect(world.writes()).toEqual([]);
});
