import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { createSlack } from '../../adapters/slack/index.ts';
import { socketReceiver } from '../../adapters/slack/socket.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { type FakeSlack, startSlack } from '../platforms/slack.ts';
import { type ScriptedDesk, scriptedDesk } from './desk.ts';
import { type SlackDriver, slackDriver } from './slack-driver.ts';

describe('Socket Mode', () => {
  let driver: SlackDriver;
  let desk: ScriptedDesk;

  beforeEach(async () => {
    driver = await slackDriver('socket');
    desk = scriptedDesk();
    desk.answers.set('whoami', { title: 'alice', tone: 'plain', private: true });
    await driver.chat.start(desk);
  });
  afterEach(async () => {
    await driver.chat.stop();
    await driver.close();
  });

  /** Cuts every connection and waits for as many new ones. */
  const dropAll = async () => {
    const { sockets, waitFor } = driver.slack;
    const old = [...sockets.connections];
    sockets.drop();
    await waitFor(() => sockets.connections.length === 2 && !sockets.connections.some((one) => old.includes(one)));
  };

  test('two connections stand from the start', () => {
    expect(driver.slack.sockets.connections).toHaveLength(2);
  });

  test('while connections are refreshed again and again, each of 1,000 commands is answered once', async () => {
    const { slack } = driver;
    const alice = slack.user('U000ALICE');
    const sent: ReturnType<typeof alice.says>[] = [];
    let saying = true;
    let refreshes = 0;
    const refreshing = (async () => {
      while (saying) {
        await slack.waitFor(() => slack.sockets.connections.filter((one) => !one.leaving).length >= 2 || !saying);
        await slack.sockets.refresh({ graceMs: 20 });
        refreshes++;
      }
    })();
    for (let number = 0; number < 1000; number++) {
      sent.push(alice.says(`/pve whoami ${number}`));
      if (number % 20 === 19) await slack.waitFor(() => refreshes >= Math.floor(number / 50));
    }
    await Promise.all(sent.map((one) => one.acked()));
    saying = false;
    await refreshing;
    const outcomes = await Promise.all(sent.map((one) => one.acked()));
    expect(outcomes.filter(({ status }) => status !== 'ok')).toEqual([]);
    await slack.waitFor(() => sent.every((one) => one.answers.length > 0));
    expect(sent.filter((one) => one.answers.length !== 1)).toEqual([]);
    expect(new Set(desk.handled).size).toBe(1000);
    expect(desk.asks).toHaveLength(1000);
    expect(refreshes).toBeGreaterThan(15);
  });

  test('an acknowledgement goes out on the connection that carried the command, even while that one leaves', async () => {
    const { slack } = driver;
    slack.sockets.acceptAckAnywhere = false;
    const said = slack.user('U000ALICE').says('/pve whoami');
    await slack.sockets.refresh({ all: true, graceMs: 50 });
    expect(await said.acked()).toMatchObject({ status: 'ok' });
    await slack.waitFor(() => slack.sockets.connections.length === 2);
  });

  test('connections that are cut without a word come back', async () => {
    await dropAll();
    await driver.says('alice', 'ct list');
    await driver.until(() => desk.handled.includes('ct list'));
  });

  test('a Slack that gives out no connections for a while is asked again', async () => {
    const { slack } = driver;
    slack.failNext(
      'apps.connections.open',
      { kind: 'error', error: 'internal_error' },
      { kind: 'http', status: 503, stored: false },
    );
    await dropAll();
    expect(driver.log.filter(({ says }) => says === 'Socket Mode connection failed').length).toBeGreaterThan(0);
    await driver.says('alice', 'ct list');
  });

  test('a command delivered to two connections is handled once, and both times acknowledged', async () => {
    const { slack } = driver;
    const said = slack.user('U000ALICE').says('/pve whoami');
    const again = slack.again(said.pending);
    expect((await again.done).status).toBe('ok');
    expect((await said.acked()).status).toBe('ok');
    await slack.waitFor(() => said.answers.length > 0);
    expect(desk.asks).toHaveLength(1);
  });

  test('no identity is asked for per event', async () => {
    for (let number = 0; number < 5; number++) await driver.says('alice', `whoami ${number}`);
    expect(driver.slack.calls('auth.test')).toHaveLength(1);
  });

  test('no token and no response address is ever logged', async () => {
    driver.slack.failNext('apps.connections.open', { kind: 'reset', stored: false });
    driver.slack.failNext('response_url', { kind: 'reset', stored: false });
    await dropAll();
    await driver.says('alice', 'whoami');
    await driver.until(() => driver.log.some(({ says }) => says.includes('not handled')));
    expect(JSON.stringify(driver.log)).not.toMatch(/xox|xapp|response\/|ticket/);
  });
});

describe('connections over time', () => {
  /** What createSlack does for the receiver, with patience cut short. */
  const receiver = async (slack: FakeSlack, silenceMs?: number) => {
    const made = socketReceiver({
      address: async () => String(slack.sockets.open().url),
      log: () => undefined,
      now: Date.now,
      silenceMs,
    });
    await made.start();
    return made;
  };

  test('a connection that has gone silent is replaced, one that answers pings stays', async () => {
    const slack = await startSlack();
    const made = await receiver(slack, 300);
    const [dead, alive] = slack.sockets.connections;
    dead!.socket.pause();
    await slack.waitFor(() => slack.sockets.opened >= 3 && slack.sockets.connections.length >= 3);
    let answered = 0;
    alive!.socket.on('ping', () => answered++);
    await slack.waitFor(() => answered > 5);
    expect(slack.sockets.connections).toContain(alive);
    expect(slack.sockets.opened).toBe(3);
    dead!.socket.resume();
    await made.stop();
    await slack.stop();
  });

  test('two connections opened together get a third one half a life later, so that not all end at once', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.on('connection', (socket) =>
      socket.send(JSON.stringify({ type: 'hello', debug_info: { approximate_connection_time: 0.2 } })),
    );
    const made = socketReceiver({ address: async () => `ws://127.0.0.1:${port}`, log: () => undefined, now: Date.now });
    await made.start();
    await vi.waitUntil(() => server.clients.size === 3, { timeout: 10_000 });
    await made.stop();
    server.close();
    for (const client of server.clients) client.terminate();
  });
});

describe('starting', () => {
  test.each([
    ['a wrong bot token', { botToken: 'xoxb-wrong' }],
    ['a wrong app token', { appToken: 'xapp-wrong' }],
    ['the bot token as app token', { appToken: 'xoxb-1000-2000-stand-in-bot-token' }],
  ])('%s is named and hurts nobody else', async (_, wrong) => {
    const slack = await startSlack();
    const { botToken, appToken, apiUrl } = slack;
    const chat = createSlack({ botToken, appToken, apiUrl, root: '/pve', log: () => undefined, ...wrong });
    const error = await chat.start(scriptedDesk()).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(Failed);
    expect((error as Failed).failure).toMatchObject({ kind: 'unavailable', what: 'Slack was not started' });
    expect((error as Failed).failure.why).toMatch(/invalid_auth|not_allowed_token_type/);
    expect((error as Failed).message).not.toContain('xoxb');
    await chat.stop();
    await slack.stop();
  });

  test('a Slack that cannot be reached is named', async () => {
    const slack = await startSlack();
    await slack.stop();
    const { botToken, appToken, apiUrl } = slack;
    const chat = createSlack({ botToken, appToken, apiUrl, root: '/pve', log: () => undefined });
    await expect(chat.start(scriptedDesk())).rejects.toThrow(/cannot be reached \(ECONNREFUSED\)/);
    await chat.stop();
  });

  test('neither or both ways to connect are refused at once', () => {
    const base = { botToken: 'xoxb-1', root: '/pve', log: () => undefined };
    expect(() => createSlack(base)).toThrow(/app token/);
    const both = { appToken: 'xapp-1', signingSecret: 's', http: { port: 0, host: '127.0.0.1' } };
    expect(() => createSlack({ ...base, ...both })).toThrow(/app token/);
  });
});
