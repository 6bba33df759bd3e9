import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ScriptedDesk, scriptedDesk } from './desk.ts';
import { type SlackDriver, slackDriver } from './slack-driver.ts';

describe('signed HTTP', () => {
  let driver: SlackDriver;
  let desk: ScriptedDesk;
  let url: string;

  beforeEach(async () => {
    driver = await slackDriver('http');
    desk = scriptedDesk();
    await driver.chat.start(desk);
    url = driver.chat.url ?? '';
  });
  afterEach(async () => {
    await driver.chat.stop();
    await driver.close();
  });

  const command = (trigger: string) => ({
    command: '/pve',
    text: 'whoami',
    trigger_id: trigger,
    user_id: 'U000ALICE',
    user_name: 'alice',
    channel_id: 'C000OPS',
    team_id: 'T000000001',
    response_url: `${driver.slack.world.origin}/response/none`,
  });
  const deliver = (forgery?: Parameters<SlackDriver['slack']['deliverHttp']>[3], trigger = 't1') =>
    driver.slack.deliverHttp(url, 'slash_commands', command(trigger), forgery);

  test.each([
    ['another secret', { secret: 'not the secret' }, 401],
    ['no signature', { signature: null }, 401],
    ['an empty signature', { signature: '' }, 401],
    ['a signature of another length', { signature: 'v0=00' }, 401],
    ['a changed body', { tamper: (body: string) => body.replace('whoami', 'ct+destroy') }, 401],
    ['a timestamp 301 s old', { skewSeconds: -305 }, 401],
    ['a timestamp of tomorrow', { skewSeconds: 86_400 }, 401],
    ['a timestamp that is no number', { headers: { 'x-slack-request-timestamp': 'now' } }, 401],
    ['a timestamp within five minutes', { skewSeconds: -290 }, 200],
    [
      'a content type with a charset',
      { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } },
      200,
    ],
  ])('%s', async (_, forgery, status) => {
    expect((await deliver(forgery)).status).toBe(status);
    if (status === 200) await driver.until(() => desk.asks.length === 1);
    else expect(desk.asks).toEqual([]);
  });

  test('a replayed request is answered but not handled again', async () => {
    await driver.says('alice', 'ct list');
    await driver.until(() => desk.handled.length === 1);
    const again = await driver.slack.replay(url, driver.slack.sent[0]!);
    expect(again.status).toBe(409);
    await driver.says('alice', 'quorum');
    await driver.until(() => desk.handled.length === 2);
    expect(desk.handled).toEqual(['ct list', 'quorum']);
  });

  test('Slack checks the address of the app', async () => {
    const { slack } = driver;
    expect(await slack.deliverHttp(url, 'events_api', { type: 'url_verification', challenge: 'c4' })).toMatchObject({
      status: 200,
      json: { challenge: 'c4' },
    });
    expect((await slack.deliverHttp(url, 'slash_commands', { ssl_check: '1', token: 'x' })).status).toBe(200);
  });

  test('what is not for us, too large or unreadable is refused without harm', async () => {
    const { slack } = driver;
    expect((await fetch(url)).status).toBe(405);
    expect((await fetch(url.replace('/slack/events', '/etc'), { method: 'POST', body: 'x' })).status).toBe(404);
    expect((await fetch(url, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413);
    const unknown = await slack.deliverHttp(url, 'slash_commands', { ...command('t2'), command: '/other' });
    expect(unknown.status).toBe(404);
    const broken = await slack.deliverHttp(url, 'events_api', {}, { tamper: undefined, headers: {} });
    expect([200, 404]).toContain(broken.status);
    expect(desk.asks).toEqual([]);
  });

  test('an event that Slack delivers again is handled once', async () => {
    const event = {
      type: 'event_callback',
      team_id: 'T000000001',
      event_id: 'Ev1',
      event: { type: 'app_mention', user: 'U000ALICE', text: '<@U0000000BOT> ct list', ts: '1.1', channel: 'C000OPS' },
    };
    const { slack } = driver;
    const first = await slack.deliverHttp(url, 'events_api', event);
    const again = await slack.deliverHttp(url, 'events_api', event, {
      retryNum: 1,
      retryReason: 'http_timeout',
      skewSeconds: 1,
    });
    expect([first.status, again.status]).toEqual([200, 200]);
    await driver.until(() => driver.seen('bob').some((text) => text.includes('echo ct list')));
    expect(desk.asks).toHaveLength(1);
  });
});
