import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Notice } from '../src/contracts/automation.ts';
import { defineAutomation } from '../src/contracts/automation.ts';
import type { Card } from '../src/contracts/card.ts';
import { places } from '../src/places.ts';
import { configSchema } from '../src/settings.ts';
import { OPS, openWorld, PEOPLE, type World } from './world.ts';

/** Messages of the bot's own accord, and the buttons that help. */
let world: World;
let notice: Notice;

const teller = defineAutomation({
  name: 'teller',
  summary: 'Tells what the tests say',
  schedule: '0 4 1 1 *',
  budget: 0,
  run: ({ tell }) => tell(notice),
});

const down: Notice = {
  key: 'down/115',
  card: { title: 'matomo is down', tone: 'warning', lines: ['It stopped at 10:00'] },
  offers: [
    { label: 'Start it', style: 'primary', command: 'ct start', options: { vmid: '115' } },
    { label: 'Show it', command: 'ct show', options: { vmid: '115' } },
    { label: 'Nonsense', command: 'ct start', options: { vmid: 'x' } },
  ],
};

beforeEach(async () => {
  notice = down;
  world = await openWorld({
    automations: [teller],
    simulator: { speed: 0 },
    cluster: { alerts: [{ slack: OPS }] },
  });
  await world.runs('teller');
});
afterEach(() => world.close());

const told = () => world.oscar.sees().filter((text) => text.includes('matomo is'));

test('a press is as if the person who pressed had typed it: planned, confirmed and run for them', async () => {
  await world.oscar.reads('matomo is down', 'It stopped at 10:00');
  await world.oscar.clicks('Start it');
  await world.nina.reads('Start CT 115 matomo', 'asked by oscar');
  const request = await world.request('ct start');
  expect(request).toMatchObject({ requester: 'oscar', options: { vmid: '115' }, state: 'waiting' });
  expect(request.place.channel).toBe(OPS);
  await world.oscar.clicks('Run it');
  await world.becomes('done', 'ct start');
  expect(world.guest(115)?.running).toBe(true);
  const audit = await world.store.auditOf(request.id);
  expect(audit.find(({ kind }) => kind === 'request')).toMatchObject({ who: 'oscar' });
});

test('who may not type it may not press it either, and is told alone', async () => {
  await world.vera.clicks('Start it');
  await world.vera.reads('ct start: not allowed');
  await world.mallory.clicks('Show it');
  await world.mallory.reads('ct show: not allowed');
  expect(world.oscar.sees().join('\n')).not.toContain('not allowed');
  await expect(world.request('ct start')).rejects.toThrow('there is no request');
});

test('a look is answered to whoever pressed, and to nobody else', async () => {
  await world.vera.clicks('Show it');
  await world.vera.reads('115', 'matomo', 'ovh3');
  expect(world.nina.sees()).toHaveLength(1);
});

test('what cannot be done says why, as when it is typed', async () => {
  await world.oscar.clicks('Nonsense');
  await world.oscar.reads('nothing by that number or name is visible to you');
});

test('the same notice again changes nothing, a restart makes the same buttons, another state edits the message', async () => {
  const [first] = world.slack.messages(OPS);
  const edits = JSON.stringify(first);
  await world.runs('teller');
  await world.restart();
  await world.runs('teller');
  expect(JSON.stringify(world.slack.messages(OPS)[0])).toBe(edits);
  notice = { ...down, card: { ...down.card, lines: ['It stopped at 10:00 and again at 11:00'] } };
  await world.runs('teller');
  await world.oscar.reads('again at 11:00');
  expect(told()).toHaveLength(1);
  await world.oscar.clicks('Start it');
  await world.becomes('waiting', 'ct start');
});

test('a button that its message no longer shows does nothing, and says so', async () => {
  const old = world.oscar.screen('matomo is down');
  notice = { key: down.key, card: { title: 'matomo is back', tone: 'good' } };
  await world.runs('teller');
  await world.oscar.reads('matomo is back');
  await world.oscar.clicks('Start it', old);
  await world.oscar.reads('this button belongs to an older state of its message');
  await expect(world.request('ct start')).rejects.toThrow('there is no request');
});

test('a button that was never made does nothing, and says so', async () => {
  const said: Card[] = [];
  const actor = { platform: 'slack', id: PEOPLE.oscar.slack, name: 'oscar' } as const;
  await world.bot.desk.click({
    delivery: 'made-up',
    actor,
    place: { platform: 'slack', channel: OPS },
    ref: 'offer.0123456789abcdef0123',
    reply: async (card) => {
      said.push(card);
      return undefined;
    },
  });
  expect(said[0]?.lines).toContain('this button is not known here any more');
  expect(await world.bot.desk.prompt('offer.0123456789abcdef0123')).toBeUndefined();
});

test('two presses are two requests, as two typed lines are, and one delivery is one', async () => {
  await world.oscar.clicks('Start it');
  await world.becomes('waiting', 'ct start');
  await world.nina.clicks('Start it');
  await world.nina.reads('asked by nina');
  const asked = await world.store.requests({ states: ['waiting'] });
  expect(asked.map(({ requester }) => requester).sort()).toEqual(['nina', 'oscar']);
});

test('alerts go where the config says, or else to the cluster’s first channel, or nowhere', () => {
  const at = (cluster: object, chats: object = {}) =>
    places(configSchema.parse({ clusters: { off: { urls: ['https://a'], token: 'x', ...cluster } }, ...chats }), 'off');
  const slack = { slack: { botToken: 'x', appToken: 'y' } };
  const discord = { discord: { botToken: 'x', guild: '123456789012345678' } };
  expect(at({ alerts: [{ slack: 'C1' }, { discord: '1' }, { web: 'ops' }], channels: ['C2'] })).toEqual([
    { platform: 'slack', channel: 'C1' },
    { platform: 'discord', channel: '1' },
    { platform: 'web', channel: 'ops' },
  ]);
  expect(at({ channels: ['C0123456', 'C2'] }, slack)).toEqual([{ platform: 'slack', channel: 'C0123456' }]);
  expect(at({ channels: ['123456789012345678'] }, { ...slack, ...discord })).toEqual([
    { platform: 'discord', channel: '123456789012345678' },
  ]);
  expect(at({ channels: ['C0123456'] }, { ...slack, ...discord })).toEqual([
    { platform: 'slack', channel: 'C0123456' },
  ]);
  expect(at({ channels: ['ops'] })).toEqual([{ platform: 'web', channel: 'ops' }]);
  expect(at({})).toEqual([]);
});
