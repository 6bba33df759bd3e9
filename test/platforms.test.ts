import { App, LogLevel } from '@slack/bolt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limitsPresent } from './oracles/limits.ts';
import { type FakeSlack, startSlack } from './platforms/slack.ts';

describe('the Slack stand-in, with a raw Bolt client', () => {
  let slack: FakeSlack;
  let app: App;

  beforeEach(async () => {
    slack = await startSlack();
    app = new App({
      token: slack.botToken,
      appToken: slack.appToken,
      socketMode: true,
      logLevel: LogLevel.ERROR,
      deferInitialization: true,
      clientOptions: { slackApiUrl: slack.apiUrl },
    });
    await app.init();
  });
  afterEach(async () => {
    await app.stop();
    await slack.stop();
  });
  const connected = async () => {
    await app.start();
    await slack.waitFor(() => slack.sockets.connections.length === 1, 'a socket');
  };

  test('a slash command is acked, answered to the asker alone, and then to all', async () => {
    app.command('/pve', async ({ ack, respond, command }) => {
      await ack('on it');
      await respond({ response_type: 'in_channel', text: `you said ${command.text}` });
    });
    await connected();
    const said = slack.user('U1').says('/pve ct list <b>', { channel: 'C000OPS' });
    expect(await said.acked()).toMatchObject({ status: 'ok', body: { text: 'on it' } });
    const shown = await slack.shows('C000OPS', 'you said');
    // Slack encodes what people type, once; the bot that echoes it as mrkdwn shows the original.
    expect(slack.visibleText(shown)).toBe('you said ct list <b>');
    expect(slack.messages('C000OPS').map(slack.visibleText)).not.toContain('on it');
    expect(slack.messages('C000OPS', { as: 'U1' }).map(slack.visibleText)).toContain('on it');
    expect(slack.violations).toEqual([]);
  });

  test('a button edits its message in place, and the old text stays in the history', async () => {
    app.command('/pve', async ({ ack, client, command }) => {
      await ack();
      await client.chat.postMessage({
        channel: command.channel_id,
        text: 'plan',
        blocks: [
          { type: 'header', text: { type: 'plain_text', text: 'CREATE CT 112' } },
          {
            type: 'actions',
            elements: [
              { type: 'button', action_id: 'approve', text: { type: 'plain_text', text: 'Approve' }, value: 'r1' },
            ],
          },
        ],
      });
    });
    app.action('approve', async ({ ack, body, client, action }) => {
      await ack();
      const { channel, message } = body as { channel: { id: string }; message: { ts: string } };
      const value = (action as { value: string }).value;
      await client.chat.update({ channel: channel.id, ts: message.ts, text: `approved ${value} by ${body.user.id}` });
    });
    await connected();
    slack.user('U1').says('/pve ct create');
    const card = await slack.shows('C000OPS', '[Approve]');
    const click = slack.user('U2').clicks(card, 'Approve');
    expect((await click.acked()).status).toBe('ok');
    const after = await slack.shows('C000OPS', 'approved r1 by U2');
    expect(after.ts).toBe(card.ts);
    expect(after.edits).toHaveLength(1);
    expect(() => slack.user('U1').clicks(slack.message(card.ts), 'Approve')).toThrow(/nothing named/);
  });

  test('a modal opens once per trigger, completes a guest, shows a field error, then closes', async () => {
    app.command('/pve', async ({ ack, client, body }) => {
      await ack();
      const view = {
        type: 'modal' as const,
        callback_id: 'create',
        title: { type: 'plain_text' as const, text: 'Create' },
        submit: { type: 'plain_text' as const, text: 'Plan' },
        blocks: [
          {
            type: 'input' as const,
            block_id: 'name',
            label: { type: 'plain_text' as const, text: 'Hostname' },
            element: { type: 'plain_text_input' as const, action_id: 'name' },
          },
          {
            type: 'input' as const,
            block_id: 'node',
            label: { type: 'plain_text' as const, text: 'Node' },
            element: { type: 'external_select' as const, action_id: 'node', min_query_length: 0 },
          },
        ],
      };
      await client.views.open({ trigger_id: body.trigger_id, view });
      await expect(client.views.open({ trigger_id: body.trigger_id, view })).rejects.toThrow('exchanged_trigger_id');
    });
    app.options('node', async ({ ack, payload }) => {
      const all = ['ovh1', 'ovh2'].filter((one) => one.startsWith(payload.value));
      await ack({ options: all.map((one) => ({ text: { type: 'plain_text', text: one }, value: one })) });
    });
    const got: unknown[] = [];
    app.view('create', async ({ ack, view }) => {
      const name = view.state.values['name']?.['name']?.value;
      if (name === 'a/b') return await ack({ response_action: 'errors', errors: { name: 'no slash' } });
      got.push(name, view.state.values['node']?.['node']?.selected_option?.value);
      await ack();
    });
    await connected();
    const olga = slack.user('U1');
    const form = await olga.says('/pve ct create').view();
    await expect(olga.submits(form, { Node: 'ovh1' })).rejects.toThrow('"Hostname" is required');
    await expect(olga.submits(form, { Hostname: 'x', Node: 'mars' })).rejects.toThrow('offers no "mars"');
    const wrong = await olga.submits(form, { Hostname: 'a/b', Node: 'ovh1' });
    await wrong.acked();
    await slack.waitFor(() => wrong.errors['name'] === 'no slash');
    await (await olga.submits(form, { Hostname: 'robotoff', Node: 'ovh1' })).acked();
    expect(got).toEqual(['robotoff', 'ovh1']);
    await slack.waitFor(() => slack.world.views.get(form.id)?.closed);
    await expect(olga.submits(form, { Hostname: 'x', Node: 'ovh1' })).rejects.toThrow('closed');
  });

  test.skipIf(!limitsPresent)('invalid blocks are refused with a pointer to the place', async () => {
    const bad = app.client.chat.postMessage({
      channel: 'C000OPS',
      text: 'x',
      blocks: [{ type: 'header', text: { type: 'plain_text', text: 'y'.repeat(151) } }],
    });
    await expect(bad).rejects.toMatchObject({
      data: {
        error: 'invalid_blocks',
        response_metadata: { messages: [expect.stringContaining('/blocks/0/text/text')] },
      },
    });
    expect(slack.messages('C000OPS')).toEqual([]);
  });

  test('a post whose answer is lost is stored, and a blind retry is seen as a double post', async () => {
    slack.failNext('chat.postMessage', { kind: 'http', status: 502, stored: true });
    const metadata = { event_type: 'bascule', event_payload: { key: 'run-1' } };
    await app.client.chat.postMessage({ channel: 'C000OPS', text: 'once', metadata });
    expect([...slack.postCounts().values()]).toEqual([2]);
    const history = await app.client.conversations.history({ channel: 'C000OPS', include_all_metadata: true });
    expect(history.messages?.map((one) => one.metadata)).toEqual([metadata, metadata]);
  });

  test('after a refresh Slack closes the connection and the client comes back', async () => {
    app.command('/pve', async ({ ack }) => await ack());
    await connected();
    const first = slack.sockets.connections[0]?.id;
    await slack.sockets.refresh();
    expect((await slack.user('U1').says('/pve x').acked()).reason).toBe('no connection');
    await slack.waitFor(() => slack.sockets.connections.some((one) => one.id !== first), 'the new socket');
    expect((await slack.user('U1').says('/pve x').acked()).status).toBe('ok');
  });

  test('an event that nobody acks is sent again with its retry number', async () => {
    slack.retries.deadlineMs = 100;
    app.event('app_mention', async () => {});
    const seen: unknown[] = [];
    app.use(async ({ context, next }) => {
      seen.push(context.retryNum);
      await next();
    });
    const mention = slack.user('U1').says('status?');
    await mention.acked();
    await connected();
    slack.clock.advance(60_000);
    await slack.waitFor(() => mention.pending.acks.length === 1, 'an ack of the retry');
    expect(seen.at(-1)).toBe(mention.pending.attempts.length - 1);
  });
});
