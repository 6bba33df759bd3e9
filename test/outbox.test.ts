import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Card } from '../src/contracts/card.ts';
import type { Chat, Place, Posted } from '../src/contracts/chat.ts';
import type { Clock } from '../src/contracts/clock.ts';
import { Failed, failure, type Sent } from '../src/contracts/failure.ts';
import { elsewhere } from '../src/elsewhere.ts';
import { makeLog } from '../src/log.ts';
import { Outbox } from '../src/outbox.ts';

const place: Place = { platform: 'slack', channel: 'C1' };
const card = (title: string): Card => ({ title, tone: 'plain' });
const down = (sent: Sent, kind: 'unavailable' | 'not-found' = 'unavailable') =>
  new Failed(failure(kind, { what: 'not posted', why: 'Slack is away', next: 'wait', sent }));

/** Time stands still until a test lets it pass. */
function handClock(): Clock & { readonly waits: number[]; pass(ms: number): void } {
  let now = 1_000_000;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  const waits: number[] = [];
  return {
    waits,
    now: () => now,
    wait(ms, signal) {
      waits.push(ms);
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const sleeper = {
          at: now + ms,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', sleeper.wake, { once: true });
      });
    },
    pass(ms) {
      now += ms;
      for (const sleeper of [...sleepers].sort((a, b) => a.at - b.at)) if (sleeper.at <= now) sleeper.wake();
    },
  };
}

/** A platform that keeps one message per key, as Slack's metadata and Discord's nonces let an adapter do. */
function scriptedChat(platform: 'slack' | 'discord' = 'slack') {
  const room = new Map<string, { key: string; card: Card }>();
  const calls: string[] = [];
  /** What the next calls meet: an error before or after the message exists, or a gate to wait at. */
  const script: { readonly error?: Failed; readonly stored?: boolean; readonly gate?: Promise<void> }[] = [];
  const put = (key: string, made: Card): Posted => {
    const message = `m${room.size + 1}`;
    room.set(message, { key, card: made });
    return { platform, channel: 'C1', message };
  };
  const chat: Chat = {
    platform,
    start: async () => undefined,
    stop: async () => undefined,
    groupsOf: async () => [],
    async post(_place, made, key, perhaps) {
      calls.push(`post ${key} ${made.title}${perhaps ? ' perhaps' : ''}`);
      const next = script.shift();
      await next?.gate;
      if (next?.error && !next.stored) throw next.error;
      const known = perhaps ? [...room].find(([, one]) => one.key === key)?.[0] : undefined;
      const posted = known ? ({ platform, channel: 'C1', message: known } as const) : put(key, made);
      if (next?.error) throw next.error;
      return posted;
    },
    async update(posted, made) {
      calls.push(`edit ${posted.message} ${made.title}`);
      const next = script.shift();
      await next?.gate;
      if (next?.error) throw next.error;
      const message = room.get(posted.message);
      if (message) room.set(posted.message, { ...message, card: made });
    },
  };
  return { chat, calls, script, put, shows: () => [...room.values()].map((one) => `${one.key}: ${one.card.title}`) };
}

describe('messages that must arrive', () => {
  let store: SqlStore;
  let clock: ReturnType<typeof handClock>;
  let slack: ReturnType<typeof scriptedChat>;
  let outbox: Outbox;
  const logged: string[] = [];

  const newOutbox = () =>
    new Outbox({ store, chats: [slack.chat], clock, log: makeLog('debug', { write: (line) => logged.push(line) }) });

  beforeEach(async () => {
    logged.length = 0;
    store = await openStore({ file: ':memory:' });
    clock = handClock();
    slack = scriptedChat();
    outbox = newOutbox();
  });
  afterEach(async () => {
    outbox.stop();
    await outbox.settled();
    await store.close();
  });

  /** Lets everything that needs no time happen. */
  const until = async (condition: () => boolean | Promise<boolean>) => {
    for (let turn = 0; turn < 2000; turn += 1) {
      if (await condition()) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`never: ${condition}\n${slack.calls.join('\n')}`);
  };
  const waiting = (tries: number) => until(() => clock.waits.length === tries);

  test('a message is posted once and edited from then on', async () => {
    await outbox.show('k', place, card('one'));
    await outbox.settled();
    await outbox.show('k', place, card('two'));
    await outbox.settled();
    expect(slack.calls).toEqual(['post k one', 'edit m1 two']);
    expect(await store.undelivered()).toEqual([]);
  });

  test('the answer to a command is the first post', async () => {
    await outbox.show('k', place, card('one'), async (made, key) => slack.put(key!, made));
    await outbox.settled();
    await outbox.show('k', place, card('two'));
    await outbox.settled();
    expect(slack.calls).toEqual(['edit m1 two']);
    expect(slack.shows()).toEqual(['k: two']);
  });

  test('an answer that fails after it arrived is looked up, not given again', async () => {
    await outbox.show('k', place, card('one'), async (made, key) => {
      slack.put(key!, made);
      throw down('unknown');
    });
    await waiting(1);
    clock.pass(1000);
    await outbox.settled();
    expect(slack.calls).toEqual(['post k one perhaps']);
    expect(slack.shows()).toEqual(['k: one']);
  });

  test('an answer that nobody could give is posted in the channel', async () => {
    await outbox.show('k', place, card('one'), async () => undefined);
    await outbox.settled();
    expect(slack.shows()).toEqual(['k: one']);
  });

  test('a post whose answer is lost is looked up and never made twice', async () => {
    slack.script.push({ error: down('unknown'), stored: true });
    await outbox.show('k', place, card('one'));
    await waiting(1);
    clock.pass(1000);
    await outbox.settled();
    expect(slack.calls).toEqual(['post k one', 'post k one perhaps']);
    expect(slack.shows()).toEqual(['k: one']);
    await outbox.show('k', place, card('two'));
    await outbox.settled();
    expect(slack.shows()).toEqual(['k: two']);
  });

  test('wishes that come while one is on its way end in one edit, the newest', async () => {
    const gate = Promise.withResolvers<void>();
    slack.script.push({ gate: gate.promise });
    await outbox.show('k', place, card('one'));
    await until(() => slack.calls.length === 1);
    for (const title of ['two', 'three', 'four']) await outbox.show('k', place, card(title));
    gate.resolve();
    await outbox.settled();
    expect(slack.calls).toEqual(['post k one', 'edit m1 four']);
    expect(await store.undelivered()).toEqual([]);
  });

  test('while a platform is away the tries become rarer, and what is delivered then is the newest', async () => {
    for (let n = 0; n < 8; n += 1) slack.script.push({ error: down('no') });
    await outbox.show('k', place, card('one'));
    for (let tries = 1; tries <= 8; tries += 1) {
      await waiting(tries);
      if (tries === 5) await outbox.show('k', place, card('two'));
      clock.pass(300_000);
    }
    await outbox.settled();
    expect(clock.waits).toEqual([1000, 2000, 5000, 15_000, 60_000, 300_000, 300_000, 300_000]);
    expect(slack.shows()).toEqual(['k: two']);
    expect(logged.filter((line) => line.includes('it is tried again'))).toHaveLength(8);
  });

  test('several messages that met an outage arrive once each, in the order they were wished', async () => {
    for (let n = 0; n < 6; n += 1) slack.script.push({ error: down('no') });
    for (const key of ['a', 'b', 'c']) {
      await outbox.show(key, place, card(key));
      await until(() => slack.calls.length === key.charCodeAt(0) - 96);
    }
    await waiting(3);
    clock.pass(1000);
    await waiting(6);
    clock.pass(2000);
    await outbox.settled();
    expect(slack.shows()).toEqual(['a: a', 'b: b', 'c: c']);
    expect(await store.undelivered()).toEqual([]);
  });

  test('a message in trouble holds up no other', async () => {
    slack.script.push({ error: down('no') });
    await outbox.show('a', place, card('a'));
    await waiting(1);
    await outbox.show('b', place, card('b'));
    await until(() => slack.shows().includes('b: b'));
    expect(slack.shows()).toEqual(['b: b']);
  });

  test('what an earlier process left undelivered is delivered after a restart', async () => {
    slack.script.push({ error: down('unknown'), stored: true }, { error: down('no') });
    await outbox.show('lost', place, card('lost'));
    await waiting(1);
    await outbox.show('never', place, card('never'));
    await waiting(2);
    await store.wish({ key: 'fresh', place, card: card('fresh'), at: clock.now() + 1 });
    outbox.stop();
    await outbox.settled();
    expect(slack.shows()).toEqual(['lost: lost']);

    outbox = newOutbox();
    await outbox.resume();
    await outbox.settled();
    expect(slack.shows().sort()).toEqual(['fresh: fresh', 'lost: lost', 'never: never']);
    // What may have been sent is looked up; what was never tried need not be.
    expect(slack.calls.slice(2).sort()).toEqual([
      'post fresh fresh',
      'post lost lost perhaps',
      'post never never perhaps',
    ]);
    await newOutbox().resume();
    await outbox.settled();
    expect(slack.calls).toHaveLength(5);
  });

  test('an edit that a stop cut short is made after the restart', async () => {
    await outbox.show('k', place, card('one'));
    await outbox.settled();
    slack.script.push({ error: down('no') });
    await outbox.show('k', place, card('two'));
    await waiting(1);
    outbox.stop();
    await outbox.settled();
    outbox = newOutbox();
    await outbox.resume();
    await outbox.settled();
    expect(slack.shows()).toEqual(['k: two']);
  });

  test('a message that somebody deleted is not brought back', async () => {
    await outbox.show('k', place, card('one'));
    await outbox.settled();
    slack.script.push({ error: down('refused', 'not-found') });
    await outbox.show('k', place, card('two'));
    await outbox.settled();
    expect(slack.calls).toEqual(['post k one', 'edit m1 two']);
    expect(clock.waits).toEqual([]);
    expect(await store.undelivered()).toEqual([]);
  });

  test('no wish is forgotten, not even one that comes as a delivery is just ending', async () => {
    for (let turns = 0; turns < 40; turns += 1) {
      // The second wish is stored at once, but whoever wished learns of it so many turns after the first was delivered.
      const told = Promise.withResolvers<void>();
      const late: SqlStore = new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name, target) as unknown;
          if (typeof value !== 'function') return value;
          return async (...args: unknown[]) => {
            const result: unknown = await value.apply(target, args);
            if (name === 'wish' && JSON.stringify(args).includes('two')) await told.promise;
            if (name === 'delivered') {
              let after = Promise.resolve();
              for (let turn = 0; turn < turns; turn += 1) after = after.then(() => undefined);
              void after.then(told.resolve);
            }
            return result;
          };
        },
      });
      const racing = new Outbox({ store: late, chats: [slack.chat], clock, log: makeLog('silent') });
      const key = `k${turns}`;
      const gate = Promise.withResolvers<void>();
      slack.script.push({ gate: gate.promise });
      await racing.show(key, place, card('one'));
      await until(() => slack.calls.includes(`post ${key} one`));
      const second = racing.show(key, place, card('two'));
      await until(async () => (await store.message(key))?.version === 2);
      gate.resolve();
      await second;
      await racing.settled();
      expect([turns, await store.undelivered()]).toEqual([turns, []]);
    }
  });

  test('a message for a platform that is not configured any more stays and harms nobody', async () => {
    await store.wish({ key: 'old', place: { platform: 'discord', channel: '1' }, card: card('x'), at: 1 });
    await outbox.show('k', place, card('one'));
    await outbox.resume();
    await outbox.settled();
    expect(slack.shows()).toEqual(['k: one']);
    expect((await store.undelivered()).map((one) => one.key)).toEqual(['old']);
  });

  describe('in a thread', () => {
    const thread: Place = { ...place, thread: '1.1' };

    test('nothing overtakes what was said before it while the platform is away', async () => {
      slack.script.push({ error: down('no') });
      await outbox.show('a', thread, card('first'));
      await outbox.show('b', thread, card('second'));
      await outbox.show('c', place, card('beside it'));
      await waiting(1);
      await until(() => slack.shows().length === 1);
      expect(slack.shows()).toEqual(['c: beside it']);
      clock.pass(1000);
      await outbox.settled();
      expect(slack.shows()).toEqual(['c: beside it', 'a: first', 'b: second']);
    });

    test('order holds over a restart too', async () => {
      slack.script.push({ error: down('no') }, { error: down('no') });
      await outbox.show('a', thread, card('first'));
      await waiting(1);
      clock.pass(1);
      await outbox.show('b', thread, card('second'));
      outbox.stop();
      await outbox.settled();
      outbox = newOutbox();
      await outbox.resume();
      await waiting(2);
      clock.pass(1000);
      await outbox.settled();
      expect(slack.shows()).toEqual(['a: first', 'b: second']);
    });

    test('one that the platform refuses for itself holds up no other', async () => {
      slack.script.push({ error: down('refused') });
      await outbox.show('a', thread, card('refused'));
      await outbox.show('b', thread, card('second'));
      await until(() => slack.shows().length === 1);
      expect(slack.shows()).toEqual(['b: second']);
    });
  });

  describe('when a platform stays away', () => {
    const key = 'incident/k3f9/slack:C1';
    const there: Place = { platform: 'discord', channel: '42' };
    let discord: ReturnType<typeof scriptedChat>;
    const config = { clusters: { off: { alerts: [{ slack: 'C1' }, { discord: '42' }] } } } as never;

    beforeEach(() => {
      discord = scriptedChat('discord');
      const log = makeLog('silent');
      const chats = [slack.chat, discord.chat];
      outbox = new Outbox({ store, chats, clock, log, limit: 20_000, elsewhere: elsewhere(config) });
      for (let n = 0; n < 5; n += 1) slack.script.push({ error: down('no') });
    });

    /** Five tries in vain: at once, after 1, 3, 8 and 23 seconds. */
    const fails = async () => {
      for (const [n, wait] of [1000, 2000, 5000, 15_000].entries()) {
        await waiting(n + 1);
        clock.pass(wait);
      }
      await waiting(5);
    };

    test('an alert is told on the other one after the limit, and both go on when it is back', async () => {
      await outbox.show(key, place, card('ovh2 is lost'));
      await fails();
      await until(() => discord.shows().length === 1);
      expect(discord.shows()).toEqual([`${key}/elsewhere: ovh2 is lost`]);
      expect(await outbox.status()).toEqual(['undelivered messages: 1', 'dead letters: 1 (slack C1)']);
      clock.pass(60_000);
      await outbox.settled();
      await outbox.show(key, place, card('ovh2 is back'));
      await outbox.settled();
      expect(slack.shows()).toEqual([`${key}: ovh2 is back`]);
      expect(discord.shows()).toEqual([`${key}/elsewhere: ovh2 is back`]);
      expect(await outbox.status()).toEqual(['undelivered messages: 0', 'dead letters: 0']);
      expect([...outbox.counts.elsewhere]).toEqual([['discord', 1]]);
      expect(outbox.counts.failed.get('slack')).toBe(5);
    });

    test('what is no alert, or is told there already, stays', async () => {
      await outbox.show(`incident/k3f9/discord:42`, there, card('ovh2 is lost'));
      await outbox.show(key, place, card('ovh2 is lost'));
      await fails();
      await until(() => discord.shows().length === 1);
      expect(discord.shows()).toEqual(['incident/k3f9/discord:42: ovh2 is lost']);
      expect(elsewhere(config)('request/r1', place)).toBeUndefined();
      expect(elsewhere(config)(key, { ...place, thread: '1.1' })).toBeUndefined();
      expect(elsewhere(config)(key, { ...place, channel: 'C2' })).toBeUndefined();
    });
  });
});
