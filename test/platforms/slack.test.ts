import { App, LogLevel } from '@slack/bolt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limitsPresent } from '../oracles/limits.ts';
import { type FakeSlack, startSlack } from './slack.ts';

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
      await client.chat.update({
        channel: channel.id,
        ts: message.ts,
        text: `approved ${value} by ${body.user.id}`,
        blocks: [],
      });
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

  test('an envelope goes to one of two connections, and an ack on the other does not count', async () => {
    slack.retries.deadlineMs = 60_000;
    const envelopes: { id: string; on: WebSocket }[] = [];
    const dial = async () => {
      const { url } = await app.client.apps.connections.open({ token: slack.appToken });
      const socket = new WebSocket(String(url));
      socket.onmessage = ({ data }) => {
        const { envelope_id } = JSON.parse(String(data)) as { envelope_id?: string };
        if (envelope_id) envelopes.push({ id: envelope_id, on: socket });
      };
      return socket;
    };
    const sockets = [await dial(), await dial()];
    await slack.waitFor(() => slack.sockets.connections.length === 2);
    const said = [slack.user('U1').says('/pve a'), slack.user('U1').says('/pve b')];
    await slack.waitFor(() => envelopes.length === 2);
    expect(new Set(envelopes.map(({ on }) => on)).size).toBe(2);
    const first = envelopes.find(({ id }) => id === said[0]?.pending.id);
    sockets.find((one) => one !== first?.on)?.send(JSON.stringify({ envelope_id: first?.id }));
    await slack.waitFor(() => said[0]?.pending.acks.length === 1);
    expect(said[0]?.pending.acks[0]?.counted).toBe(false);
    first?.on.send(JSON.stringify({ envelope_id: first.id }));
    expect((await said[0]?.acked())?.status).toBe('ok');
    for (const socket of sockets) socket.close();
  });

  test('a warned connection still carries events until it is closed, a refreshed one does not', async () => {
    app.command('/pve', async ({ ack }) => await ack());
    await connected();
    const end = slack.sockets.refresh({ reason: 'warning', graceMs: 300 });
    const said = slack.user('U1').says('/pve x');
    expect(said.pending.attempts[0]?.via).toMatch(/^socket/);
    await end;
    expect(slack.user('U1').says('/pve y').pending.outcome?.reason).toBe('no connection');
  });

  test('an ack after three seconds is too late for the person', async () => {
    let release = () => {};
    app.command('/pve', async ({ ack }) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await ack('done');
    });
    await connected();
    const said = slack.user('U1').says('/pve x');
    await new Promise<void>((resolve) => setImmediate(resolve));
    slack.clock.advance(3001);
    expect((await said.acked()).status).toBe('timeout');
    await slack.waitFor(() => {
      release();
      return said.pending.acks.length === 1;
    });
    expect(said.pending.acks[0]?.counted).toBe(false);
    expect(slack.messages('C000OPS', { as: 'U1' })).toEqual([]);
  });

  test('only the app token opens a socket, and it opens nothing else', async () => {
    await expect(app.client.apps.connections.open({ token: slack.botToken })).rejects.toThrow('not_allowed_token_type');
    await expect(app.client.auth.test({ token: slack.appToken })).rejects.toThrow('not_allowed_token_type');
    await expect(app.client.auth.test({ token: 'xoxb-stolen' })).rejects.toThrow('invalid_auth');
  });

  test('a response URL works five times and for half an hour, and replaces only what was clicked', async () => {
    let url = '';
    app.command('/pve', async ({ ack, body }) => {
      url = body.response_url;
      await ack();
    });
    await connected();
    const answer = async (body: object) => {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
      return `${response.status} ${await response.text()}`;
    };
    await slack.user('U1').says('/pve x').acked();
    for (let use = 0; use < 5; use++) expect(await answer({ text: `${use}` })).toBe('200 ok');
    expect(await answer({ text: '6' })).toBe('404 used_url');
    await slack.user('U1').says('/pve x').acked();
    await answer({ text: 'new', replace_original: true });
    expect(slack.violations).toEqual([expect.stringContaining('cannot replace_original')]);
    slack.clock.advance(30 * 60_000 + 1);
    expect(await answer({ text: 'late' })).toBe('404 expired_url');
  });

  test('chat.update knows no ephemeral message and keeps the blocks it was not given', async () => {
    slack.user('U1');
    const { message_ts } = await app.client.chat.postEphemeral({ channel: 'C000OPS', user: 'U1', text: 'psst' });
    const update = app.client.chat.update({ channel: 'C000OPS', ts: String(message_ts), text: 'x' });
    await expect(update).rejects.toThrow('message_not_found');
    const blocks = [{ type: 'header', text: { type: 'plain_text', text: 'old' } }];
    const { ts } = await app.client.chat.postMessage({ channel: 'C000OPS', text: 'old', blocks });
    await app.client.chat.update({ channel: 'C000OPS', ts: String(ts), text: 'new' });
    expect(slack.visibleText(slack.message(String(ts)))).toBe('old');
  });

  test('a file goes up in three steps and hangs in the thread', async () => {
    const { ts } = await app.client.chat.postMessage({ channel: 'C000OPS', text: 'run' });
    await app.client.files.uploadV2({
      channel_id: 'C000OPS',
      thread_ts: String(ts),
      filename: 'log.txt',
      content: 'TASK OK',
    });
    const [, reply] = slack.messages('C000OPS');
    expect(reply?.threadTs).toBe(ts);
    expect(reply && slack.visibleText(reply)).toBe('file log.txt:\nTASK OK');
  });

  test('a crowd of lookups meets the tier limit and waits for the next minute', async () => {
    slack.group('S1', ['U1']);
    slack.world.enforceTiers = true;
    const look = () =>
      fetch(`${slack.apiUrl}usergroups.users.list?usergroup=S1`, {
        headers: { authorization: `Bearer ${slack.botToken}` },
      });
    const statuses = [];
    for (let call = 0; call < 21; call++) statuses.push((await look()).status);
    expect(statuses.filter((one) => one === 429)).toHaveLength(1);
    slack.clock.advance(60_001);
    expect((await look()).status).toBe(200);
  });

  test('people typed as @name arrive by id where the manifest asks for it, and a direct message is no mention', async () => {
    slack.user('U2', { name: 'petr' });
    slack.install({
      display_information: { name: 'Bascule' },
      features: {
        bot_user: { display_name: 'bascule' },
        slash_commands: [{ command: '/pve', description: 'Proxmox', should_escape: true }],
      },
      oauth_config: { scopes: { bot: ['commands', 'im:history'] } },
      settings: { interactivity: { is_enabled: true }, event_subscriptions: { bot_events: ['message.im'] } },
    });
    const said = slack.user('U1').says('/pve person:@petr mail:a@petr x<y #c000ops');
    expect(said.pending.payload['text']).toBe('person:@petr mail:a@petr x&lt;y <#C000OPS|c000ops>');
    expect(slack.user('U1').says('/pve show @petr').pending.payload['text']).toBe('show <@U2|petr>');
    const direct = slack.user('U1').says('quorum', { channel: 'DU1' });
    expect(direct.pending.payload['event']).toMatchObject({ type: 'message', channel_type: 'im', text: 'quorum' });
    expect(() => slack.user('U1').says('quorum')).toThrow('app_mention');
  });

  test('an installed manifest is the end of what it did not ask for', async () => {
    const manifest = (scopes: string[]) => ({
      display_information: { name: 'Bascule' },
      features: {
        bot_user: { display_name: 'bascule' },
        slash_commands: [{ command: '/pve', description: 'Proxmox' }],
      },
      oauth_config: { scopes: { bot: scopes } },
      settings: {
        socket_mode_enabled: true,
        interactivity: { is_enabled: true },
        event_subscriptions: { bot_events: ['app_mention'] },
      },
    });
    expect(() => slack.install(manifest(['commands']))).toThrow('app_mentions:read');
    slack.install(manifest(['commands', 'chat:write', 'app_mentions:read']));
    await expect(app.client.conversations.history({ channel: 'C000OPS' })).rejects.toThrow('missing_scope');
    expect(() => slack.user('U1').says('/other')).toThrow('not a valid command');
    expect(() => slack.user('U1').opensHome()).toThrow('app_home_opened');
  });
});
