import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { register } from '../adapters/discord/index.ts';
import { connectProxmox } from '../adapters/proxmox/index.ts';
import { type Simulator, startSimulator } from '../adapters/simulator/index.ts';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Bot } from '../src/bot.ts';
import { makeLog } from '../src/log.ts';
import { assemble } from '../src/main.ts';
import { configSchema } from '../src/settings.ts';
import type { ChatDriver, Who } from './contract/chat-suite.ts';
import { discordDriver } from './contract/discord-driver.ts';
import { slackDriver } from './contract/slack-driver.ts';
import { webDriver } from './contract/web-driver.ts';
import { hurried } from './world.ts';

/** A wire with Alice and Bob on it. `ready` runs once the bot is there, before anybody speaks. */
interface Wire {
  readonly driver: ChatDriver;
  readonly ids: Readonly<Record<Who, string>>;
  ready?(bot: Bot): Promise<void>;
}

const WIRES: Readonly<Record<string, () => Promise<Wire>>> = {
  'Slack over Socket Mode': () => slack('socket'),
  'Slack over signed HTTP': () => slack('http'),
  Discord: async () => {
    const driver = await discordDriver();
    const { token: botToken, guildId, apiUrl } = driver.discord;
    return {
      driver,
      ids: driver.ids,
      // What `bascule setup discord` does; the driver's own commands are gone after it.
      ready: async (bot) => void (await register({ botToken, guildId, apiUrl }, bot.desk.menu)),
    };
  },
  'the web page': async () => ({ driver: await webDriver(), ids: { alice: 'alice', bob: 'bob' } }),
};

async function slack(mode: 'socket' | 'http'): Promise<Wire> {
  const driver = await slackDriver(mode);
  return { driver, ids: driver.ids };
}

describe.each(Object.keys(WIRES))('over %s', (name) => {
  let wire: Wire;
  let simulator: Simulator;
  let store: SqlStore;
  let bot: Bot;
  const logged: string[] = [];

  beforeEach(async () => {
    logged.length = 0;
    wire = await WIRES[name]!();
    simulator = await startSimulator({ pve: '9.2', taskMs: 20 });
    const { platform } = wire.driver.chat;
    const config = configSchema.parse({
      clusters: {
        off: {
          urls: simulator.urls,
          token: simulator.token('bascule@pve!operate'),
          fingerprints: [simulator.fingerprint],
          house: { ct: { replicateTo: ['ovh3', 'ovh1'] } },
        },
      },
      people: {
        alice: { name: 'Alice', [platform]: wire.ids.alice, roles: ['admin'] },
        bob: { name: 'Bob', [platform]: wire.ids.bob, roles: ['operator'] },
      },
      store: { file: ':memory:' },
    });
    const entry = config.clusters['off']!;
    store = await openStore({ file: ':memory:' });
    bot = assemble({
      config,
      chats: [wire.driver.chat],
      store,
      clusters: [
        connectProxmox({
          name: 'off',
          urls: entry.urls,
          token: entry.token,
          tls: { fingerprints: entry.fingerprints! },
          clock: hurried,
        }),
      ],
      clock: hurried,
      log: makeLog('debug', { write: (line) => logged.push(line) }),
      onBroken: (error) => logged.push(`BROKEN ${String(error)}`),
    });
    await bot.start();
    await wire.ready?.(bot);
  });
  afterEach(async () => {
    await bot?.stop();
    await simulator?.close();
    await wire?.driver.close();
    expect(logged.filter((line) => line.startsWith('BROKEN'))).toEqual([]);
  });

  const find = (who: Who, parts: readonly string[]) =>
    wire.driver.seen(who).findLast((text) => parts.every((part) => text.includes(part)));
  const reads = async (who: Who, ...parts: string[]): Promise<string> => {
    try {
      await wire.driver.until(() => find(who, parts) !== undefined);
    } catch (error) {
      const seen = wire.driver.seen(who).join('\n----\n');
      throw new Error(`${who} never saw ${JSON.stringify(parts)}, but:\n${seen}\n${logged.slice(-10).join('')}`, {
        cause: error,
      });
    }
    return find(who, parts)!;
  };
  const named = (hostname: string) =>
    [...simulator.world.state.guests.values()].filter((guest) => guest.config['hostname'] === hostname);

  test('a container is asked for, planned, approved by somebody else and made once', async () => {
    const { driver } = wire;
    await driver.says('bob', 'ct create hostname:wirebot node:ovh1');
    const plan = await reads('alice', 'wirebot', 'Needs: 0 of 1 approval from operator');
    expect(plan).toMatch(/10\.1\.0\.\d+\/24/);
    expect(plan).toContain('ovh1');
    await reads('bob', 'Needs: 0 of 1 approval from operator');

    await driver.clicks('bob', 'Approve');
    await reads('bob', 'someone else has to approve it');
    expect(find('alice', ['someone else has to approve it'])).toBeUndefined();
    expect(named('wirebot')).toEqual([]);
    expect(simulator.effects.all).toEqual([]);

    await driver.clicks('alice', 'Approve');
    await reads('bob', 'wirebot', 'approved by Alice', 'runs');
    await reads('alice', 'wirebot', 'approved by Alice', 'runs');
    await bot.runner.settled();
    await bot.outbox.settled();

    const [ct, ...others] = named('wirebot');
    expect(others).toEqual([]);
    expect(ct).toMatchObject({ node: 'ovh1', running: true });
    const [request, ...more] = await store.requests({});
    expect(more).toEqual([]);
    expect(request).toMatchObject({ state: 'done', requester: 'bob', votes: [{ person: 'alice', kind: 'approve' }] });
    expect(request!.place).toEqual(driver.place);
    // One message for the request from the first plan to the result; its thread has the steps.
    for (const who of ['alice', 'bob'] as const)
      expect(driver.seen(who).filter((text) => text.includes(`${request!.id} · asked by Bob`))).toHaveLength(1);
    expect(driver.live()).toEqual([]);
    expect(await store.brokenLink()).toBeUndefined();
    const told = (await store.auditOf(request!.id)).map((entry) => entry.kind);
    for (const kind of ['request', 'plan', 'verdict', 'vote', 'approved', 'intent', 'result', 'outcome'])
      expect(told).toContain(kind);
  });

  test('a question is answered where it was asked, a mistake only to the one who made it', async () => {
    const { driver } = wire;
    await driver.says('alice', 'quorum');
    await reads('alice', 'off: QUORATE 4/4 votes');
    await reads('bob', 'off: QUORATE 4/4 votes');
    await driver.says('bob', 'ct start vmid:no/such');
    await reads('bob', 'ct start was not run', 'vmid');
    await driver.says('bob', 'whoami');
    await reads('bob', 'operator');
    expect(find('alice', ['ct start was not run'])).toBeUndefined();
    expect(await store.requests({})).toEqual([]);
    expect(simulator.effects.all).toEqual([]);
  });
});
