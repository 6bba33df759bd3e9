import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectProxmox } from '../../adapters/proxmox/index.ts';
import { type Simulator, startSimulator } from '../../adapters/simulator/index.ts';
import { openStore, type SqlStore } from '../../adapters/store/index.ts';
import { commands } from '../../handlers/index.ts';
import type { Bot } from '../../src/bot.ts';
import type { Card } from '../../src/contracts/card.ts';
import type { Actor, Ask, Chat, Place, Posted } from '../../src/contracts/chat.ts';
import { makeLog } from '../../src/log.ts';
import { assemble } from '../../src/main.ts';
import { configSchema } from '../../src/settings.ts';
import { hurried } from '../world.ts';
import { type MutatingProxy, startMutatingProxy } from './mutating-proxy.ts';

/** A room without a wire, so that anything at all can be said in it: adapters would refuse much of it themselves. */
function room() {
  const shown = new Map<string, Card>();
  let posts = 0;
  const put = (card: Card): Posted => {
    posts += 1;
    shown.set(`m${posts}`, card);
    return { platform: 'web', channel: 'ops', message: `m${posts}` };
  };
  const chat: Chat = {
    platform: 'web',
    start: async () => undefined,
    stop: async () => undefined,
    groupsOf: async () => [],
    post: async (_place, card) => put(card),
    update: async (posted, card) => void shown.set(posted.message, card),
  };
  return { chat, put, cards: () => [...shown.values()], clear: () => shown.clear() };
}

/** Nobody here may approve what another asked for, so nothing at all may ever happen in the cluster. */
const PEOPLE = {
  oscar: { web: 'oscar', roles: ['operator'] },
  vera: { web: 'vera', roles: ['viewer'] },
};

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    ...['__proto__', 'constructor', '../../etc/passwd', '100', '103', '999999999', '1e9', '-1', '0x67', 'ovh1', 'ovh9'],
    ...[
      'robotoff',
      'off',
      '*/5',
      'yes',
      'no',
      "'; drop table requests; --",
      '<@U1> <!channel> @everyone',
      '\u202eevil',
    ],
    ...['${env:HOME}', '{run}', 'bascule:{run}', '%2e%2e%2f', 'a'.repeat(3000), '\u0000', '\ud800', '🧨'.repeat(500)],
  ),
);
const names = commands.map((command) => command.name);
const optionNames = [...new Set(commands.flatMap((command) => Object.keys(command.options)))];
const who = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('oscar', 'vera', 'mallory') },
  { weight: 1, arbitrary: text },
);
const actor: fc.Arbitrary<Actor> = fc.tuple(who, text).map(([id, name]) => ({ platform: 'web' as const, id, name }));
const place: fc.Arbitrary<Place> = fc
  .tuple(fc.oneof(fc.constant('ops'), text), fc.option(text, { nil: undefined }))
  .map(([channel, thread]) => ({ platform: 'web' as const, channel, ...(thread === undefined ? {} : { thread }) }));
const input: fc.Arbitrary<Ask['input']> = fc.oneof(
  fc.record({ text }),
  fc.tuple(fc.constantFrom(...names), text).map(([name, rest]) => ({ text: `${name} ${rest}` })),
  fc
    .tuple(fc.constantFrom(...names), fc.array(fc.tuple(fc.constantFrom(...optionNames), text), { maxLength: 4 }))
    .map(([name, pairs]) => ({ text: `${name} ${pairs.map(([key, value]) => `${key}:${value}`).join(' ')}` })),
  fc.record({
    command: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: text }),
    options: fc.dictionary(fc.oneof(fc.constantFrom(...optionNames), text), text, { maxKeys: 5 }),
  }),
  // What is right, so that there is something to click on.
  fc.constantFrom(
    { text: 'ct create hostname:fuzz node:ovh1' },
    { text: 'ct stop vmid:103' },
    { command: 'ct start', options: { vmid: '105' } },
    { text: 'replication add vmid:103 target:ovh4' },
    { text: 'ct destroy vmid:103 confirm:103' },
    { text: 'approval list' },
  ),
);

describe('whatever is said', () => {
  let simulator: Simulator;
  let proxy: MutatingProxy;
  let store: SqlStore;
  let bot: Bot;
  const web = room();
  const logged: string[] = [];
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  let deliveries = 0;

  beforeAll(async () => {
    process.on('unhandledRejection', note);
    simulator = await startSimulator({ pve: '9.2', taskMs: 20, speed: 0 });
    proxy = await startMutatingProxy();
    proxy.target = simulator.url('ovh1');
    const config = configSchema.parse({
      clusters: {
        off: { urls: [proxy.url], token: simulator.token('bascule@pve!operate'), fingerprints: [proxy.fingerprint] },
      },
      people: PEOPLE,
      store: { file: ':memory:' },
    });
    store = await openStore({ file: ':memory:' });
    bot = assemble({
      config,
      chats: [web.chat],
      store,
      clusters: [
        connectProxmox({
          name: 'off',
          urls: [proxy.url],
          token: simulator.token('bascule@pve!operate'),
          tls: { fingerprints: [proxy.fingerprint] },
          clock: hurried,
        }),
      ],
      polls: 'by hand',
      clock: hurried,
      log: makeLog('warn', { write: (line) => logged.push(line) }),
      onBroken: (error) => logged.push(`BROKEN ${String((error as Error)?.stack ?? error)}`),
    });
    await bot.start();
  });
  afterAll(async () => {
    await bot?.stop();
    await proxy?.close();
    await simulator?.close();
    process.off('unhandledRejection', note);
  });
  beforeEach(() => {
    logged.length = 0;
    unhandled.length = 0;
    proxy.spoil(undefined);
    web.clear();
  });

  /** Says it and waits for all that comes of it; the answers. */
  async function answersTo(ask: Pick<Ask, 'actor' | 'place' | 'input'>): Promise<readonly Card[]> {
    deliveries += 1;
    const got: Card[] = [];
    await bot.desk.command({
      ...ask,
      delivery: `__proto__${deliveries}`,
      reply: async (card) => {
        got.push(card);
        return card.private ? undefined : web.put(card);
      },
    });
    await bot.outbox.settled();
    return got;
  }

  const expectCards = (cards: readonly Card[]) => {
    expect(cards.length).toBeGreaterThan(0);
    for (const card of cards) {
      expect(card.title.length).toBeGreaterThan(0);
      expect(typeof card.tone).toBe('string');
    }
  };
  /** No bug was met, and nothing was done to the cluster. */
  const expectUnharmed = () => {
    expect(logged.filter((line) => /a request broke|BROKEN|could not be drawn/.test(line))).toEqual([]);
    expect(unhandled).toEqual([]);
    expect(simulator.requests.filter((one) => one.method !== 'GET')).toEqual([]);
    expect(simulator.effects.all).toEqual([]);
  };
  const open = async () => (await store.requests({ states: ['waiting'], limit: 500 })).map((one) => one.id);
  const end = async () => {
    for (const id of await open()) await bot.requests.cancel(id, 'oscar');
  };

  test('every ask is answered with a card, and nothing happens that nobody approved', async () => {
    await fc.assert(
      fc.asyncProperty(actor, place, input, async (actor, place, input) => {
        expectCards(await answersTo({ actor, place, input }));
        expectUnharmed();
      }),
      { numRuns: 800, interruptAfterTimeLimit: 120_000 },
    );
    // Some of it was right, or the test would prove little.
    expect((await store.requests({ limit: 500 })).length).toBeGreaterThan(3);
    expect(await store.brokenLink()).toBeUndefined();
    await end();
  });

  test('no click by anybody but another operator makes anything happen', async () => {
    const ours = { platform: 'web' as const, channel: 'ops' };
    const oscar = { platform: 'web' as const, id: 'oscar', name: 'Oscar' };
    await fc.assert(
      fc.asyncProperty(
        actor,
        place,
        fc.oneof(text, fc.nat(40)),
        fc.option(text, { nil: undefined }),
        async (actor, place, ref, typed) => {
          if ((await open()).length === 0)
            await answersTo({ actor: oscar, place: ours, input: { text: 'ct create hostname:clicks node:ovh1' } });
          const refs = web.cards().flatMap((card) => (card.actions ?? []).map((action) => action.ref));
          const pressed = typeof ref === 'string' ? ref : (refs[ref % Math.max(refs.length, 1)] ?? 'none');
          deliveries += 1;
          const told: Card[] = [];
          const before = JSON.stringify(web.cards());
          await bot.desk.click({
            delivery: `click${deliveries}`,
            actor,
            place,
            ref: pressed,
            ...(typed === undefined ? {} : { typed }),
            reply: async (card) => {
              told.push(card);
              return undefined;
            },
          });
          await bot.outbox.settled();
          // Told in private, or seen on the card.
          if (JSON.stringify(web.cards()) === before) expectCards(told);
          for (const card of told) expect(card.private).toBe(true);
          await bot.desk.prompt(pressed);
          expectUnharmed();
        },
      ),
      { numRuns: 600, interruptAfterTimeLimit: 90_000 },
    );
    await end();
  });

  test('forms, completion and home never fail, whatever is asked of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        actor,
        place,
        text,
        fc.oneof(fc.constantFrom(...names), text),
        fc.oneof(fc.constantFrom(...optionNames), text),
        fc.dictionary(fc.oneof(fc.constantFrom(...optionNames), text), text, { maxKeys: 3 }),
        async (actor, place, typed, command, option, options) => {
          bot.desk.form(typed);
          bot.desk.form(`${command} ${typed}`);
          const choices = await bot.desk.complete({ actor, place, command, option, typed, options, limit: 25 });
          expect(choices.length).toBeLessThanOrEqual(25);
          if (!['oscar', 'vera'].includes(actor.id) && ['node', 'vmid', 'job'].includes(option))
            expect(choices).toEqual([]);
          expectCards(await bot.desk.home(actor));
          expectUnharmed();
        },
      ),
      { numRuns: 400, interruptAfterTimeLimit: 90_000 },
    );
  });

  test('whatever a node answers, people get a card', async () => {
    const values = fc.constantFrom<unknown>(
      ...[
        null,
        true,
        false,
        0,
        -1,
        1e308,
        1.5,
        '',
        'x',
        '\u202e<b>',
        '0',
        '-1',
        'NaN',
        [],
        {},
        [[]],
        [null],
        { a: null },
      ],
      ...['a'.repeat(10_000), '\u0000', 2 ** 53 + 2, [{}], { __proto__: null, data: [] }],
    );
    const mutation = fc.oneof(
      fc.record({ kind: fc.constant('replace' as const), pick: fc.nat(5000), value: values }),
      fc.record({ kind: fc.constant('drop' as const), pick: fc.nat(5000) }),
      fc.record({ kind: fc.constant('cut' as const), pick: fc.nat(20_000) }),
      fc.record({
        kind: fc.constant('body' as const),
        text: fc.constantFrom(
          '',
          'null',
          '{}',
          '[]',
          '{"data":null}',
          '{"data":{}}',
          '{"data":[null]}',
          '<html>',
          '{"data":"x"}',
        ),
      }),
      fc.record({
        kind: fc.constant('status' as const),
        status: fc.constantFrom(200, 204, 301, 400, 404, 418, 500, 501, 596, 599),
        text: fc.constantFrom('', 'oops', '{"errors":{"x":5}}', '{"errors":[]}', '{"message":7}', '{"data":null}'),
      }),
    );
    const asks = fc.constantFrom(
      ...[
        'quorum',
        'cluster status',
        'node list',
        'node show ovh1',
        'ct list',
        'ct show 103',
        'vm list',
        'vm show 200',
      ],
      ...['replication list', 'ct create hostname:mutant node:ovh1', 'ct start vmid:105', 'ct stop vmid:103'],
      ...['ct shutdown vmid:103', 'ct reboot vmid:103', 'ct destroy vmid:103 confirm:103'],
      ...['replication add vmid:103 target:ovh4', 'replication disable job:103-0', 'replication remove job:103-0'],
    );
    const oscar = { platform: 'web' as const, id: 'oscar', name: 'Oscar' };
    const place = { platform: 'web' as const, channel: 'ops' };
    const before = proxy.changed;
    const titles = new Set<string>();
    await fc.assert(
      fc.asyncProperty(mutation, fc.nat(12), asks, async (mutation, skip, text) => {
        proxy.spoil(mutation, skip);
        const cards = await answersTo({ actor: oscar, place, input: { text } });
        expectCards(cards);
        for (const card of cards) titles.add(card.title);
        await bot.desk.complete({
          ...{ actor: oscar, place, command: 'ct create', option: 'template', typed: '' },
          ...{ options: {}, limit: 25 },
        });
        proxy.spoil(undefined);
        await end();
        expectUnharmed();
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 150_000 },
    );
    expect(proxy.changed - before).toBeGreaterThan(500);
    // Spoilt in many places, not always at the first door.
    expect(titles.size).toBeGreaterThan(20);
  });
});
