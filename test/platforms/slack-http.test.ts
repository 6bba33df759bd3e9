import { App, LogLevel } from '@slack/bolt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, listen, type Received } from './loopback.ts';
import { type FakeSlack, startSlack } from './slack.ts';

describe('signed delivery to a Bolt HTTP receiver', () => {
  let slack: FakeSlack;
  let app: App;
  let url: string;
  const ran: string[] = [];

  beforeEach(async () => {
    ran.length = 0;
    slack = await startSlack();
    app = new App({
      token: slack.botToken,
      signingSecret: slack.signingSecret,
      endpoints: '/slack/events',
      logLevel: LogLevel.ERROR,
      clientOptions: { slackApiUrl: slack.apiUrl },
    });
    app.command('/pve', async ({ ack, command }) => {
      ran.push(command.text);
      await ack('done');
    });
    const server = await app.start({ port: 0, host: '127.0.0.1' });
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}/slack/events`;
    slack.deliverTo({ http: url });
  });
  afterEach(async () => {
    await app.stop();
    await slack.stop();
  });

  test('a command is acked in the HTTP body, and its exact replay runs again', async () => {
    expect(await slack.user('U1').says('/pve x').acked()).toMatchObject({ status: 'ok', body: { text: 'done' } });
    expect((await slack.replay(url, slack.sent[0]!)).status).toBe(200);
    expect(ran).toEqual(['x', 'x']);
  });

  test.each([
    ['another secret', { secret: 'stolen' }, 401],
    ['no signature', { signature: null }, 401],
    ['a changed body', { tamper: (body: string) => body.replace('text=x', 'text=y') }, 401],
    ['a stamp of 301 s ago', { skewSeconds: -302 }, 401],
    ['a stamp of 299 s ago', { skewSeconds: -298 }, 200],
  ])('with %s', async (_, forgery, status) => {
    const said = slack.user('U1').says('/pve x');
    await said.acked();
    const reply = await slack.deliverHttp(url, 'slash_commands', said.pending.payload, forgery);
    expect(reply.status).toBe(status);
    expect(ran).toHaveLength(status === 200 ? 2 : 1);
  });

  test('an unknown command is a failure for the person', async () => {
    slack.retries.deadlineMs = 10_000;
    expect(await slack.user('U1').says('/nope').acked()).toMatchObject({ status: 'failed', reason: 'http 404' });
  });
});

test('an event that the app does not take is sent three times more, with number and reason', async () => {
  const slack = await startSlack();
  const seen: Received['headers'][] = [];
  const app = await listen(({ headers }): Answer => {
    seen.push(headers);
    return { status: seen.length < 3 ? 500 : 200, text: '' };
  });
  slack.deliverTo({ http: `http://127.0.0.1:${app.port}/` });
  const mention = slack.user('U1').says('status?');
  await slack.waitFor(() => mention.pending.attempts.length === 2, 'the retry at once');
  await slack.waitFor(() => seen.length === 2);
  // The second retry comes a minute later, on the platform's clock.
  await slack.waitFor(() => {
    slack.clock.advance(60_000);
    return mention.pending.acks.length === 1;
  });
  expect(seen.map((headers) => headers['x-slack-retry-num'])).toEqual([undefined, '1', '2']);
  expect(seen[1]?.['x-slack-retry-reason']).toBe('http_500');
  await app.close();
  await slack.stop();
});
