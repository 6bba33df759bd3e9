import { App, LogLevel } from '@slack/bolt';
import {
  type ApplicationCommandDataResolvable,
  ApplicationCommandOptionType,
  Client,
  GatewayIntentBits,
  MessageFlags,
  type TextChannel,
} from 'discord.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discordApiPresent } from './oracles/discord-api.ts';
import { limitsPresent } from './oracles/limits.ts';
import { type FakeDiscord, startDiscord } from './platforms/discord.ts';
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

describe('the Discord stand-in, with a raw discord.js client', () => {
  let discord: FakeDiscord;
  let client: Client<true>;
  const commands: ApplicationCommandDataResolvable[] = [
    {
      name: 'ct',
      description: 'containers',
      defaultMemberPermissions: 0n,
      options: [
        {
          name: 'create',
          type: ApplicationCommandOptionType.Subcommand,
          description: 'make one',
          options: [
            { name: 'hostname', type: ApplicationCommandOptionType.String, description: 'its name', required: true },
            { name: 'node', type: ApplicationCommandOptionType.String, description: 'where', autocomplete: true },
          ],
        },
      ],
    },
  ];

  beforeEach(async () => {
    discord = await startDiscord();
    const fresh = new Client({
      intents: [GatewayIntentBits.Guilds],
      allowedMentions: { parse: [] },
      rest: { api: discord.apiUrl },
    });
    const ready = new Promise((resolve) => fresh.once('clientReady', resolve));
    await fresh.login(discord.token);
    await ready;
    client = fresh as Client<true>;
    await client.application.commands.set(commands);
  });
  afterEach(async () => {
    await client.destroy();
    await discord.stop();
  });

  test('a slash command is answered to the asker alone, then a follow-up to all', async () => {
    client.on('interactionCreate', async (interaction) => {
      if (!interaction.isChatInputCommand()) return;
      const name = interaction.options.getString('hostname', true);
      await interaction.reply({
        content: `${interaction.options.getSubcommand()} ${name}`,
        flags: MessageFlags.Ephemeral,
      });
      await interaction.followUp({ content: 'made \\*it\\*' });
    });
    const olga = discord.user('olga', { roles: ['admins'] });
    const used = olga.uses('ct create', { hostname: 'robotoff' });
    expect(await used.acked()).toEqual({ status: 'ok', type: 4 });
    expect(discord.visibleText(await used.answer())).toBe('create robotoff');
    await discord.shows(undefined, 'made *it*');
    expect(discord.messages().map(discord.visibleText)).toEqual(['made *it*']);
    expect(discord.messages(undefined, { as: olga.id })).toHaveLength(2);
    expect(discord.violations).toEqual([]);
  });

  test('the driver uses only what the bot registered', () => {
    const olga = discord.user('olga');
    expect(() => olga.uses('vm list')).toThrow('/vm is not registered');
    expect(() => olga.uses('ct create', { hostname: 'a', size: 1 })).toThrow('"size" is not registered');
    expect(() => olga.uses('ct create')).toThrow('"hostname" is required');
    discord.permit([]);
    expect(() => olga.uses('ct create', { hostname: 'a' })).toThrow('does not see');
    expect(() => discord.user('root', { administrator: true }).uses('ct create', { hostname: 'a' })).not.toThrow();
  });

  test('autocomplete, a button, its modal and the edit of the card in place', async () => {
    client.on('interactionCreate', async (interaction) => {
      if (interaction.isAutocomplete()) {
        const typed = interaction.options.getFocused();
        await interaction.respond(
          ['ovh1', 'ovh2', 'pve'].filter((one) => one.startsWith(typed)).map((one) => ({ name: one, value: one })),
        );
      } else if (interaction.isChatInputCommand()) {
        const approve = { type: 2, style: 3, label: 'Approve', custom_id: 'r1:approve' } as const;
        await interaction.reply({ content: 'plan', components: [{ type: 1, components: [approve] }] });
      } else if (interaction.isButton()) {
        await interaction.showModal({
          title: 'Why?',
          custom_id: 'r1:why',
          components: [
            { type: 18, label: 'Reason', component: { type: 4, style: 1, custom_id: 'reason', required: true } },
          ],
        });
      } else if (interaction.isModalSubmit() && interaction.isFromMessage())
        await interaction.update({
          content: `approved: ${interaction.fields.getTextInputValue('reason')}`,
          components: [],
        });
    });
    const olga = discord.user('olga');
    const offered = await olga.types('ct create', { hostname: 'x', node: 'ov' });
    expect(offered.map((one) => one.name)).toEqual(['ovh1', 'ovh2']);
    const card = await olga.uses('ct create', { hostname: 'x', node: 'ovh1' }).answer();
    const modal = await discord.user('petr').clicks(card, 'Approve').modal();
    expect(() => olga.submits(modal, { Reason: 'x' })).toThrow('someone else');
    expect(() => discord.user('petr').submits(modal)).toThrow('"Reason" is required');
    await discord.user('petr').submits(modal, { Reason: 'needed' }).acked();
    const after = await discord.shows(undefined, 'approved: needed');
    expect(after.id).toBe(card.id);
    expect(after.edits).toHaveLength(1);
    expect(() => olga.clicks(after, 'Approve')).toThrow('0 buttons');
    expect(discord.violations).toEqual([]);
  });

  test('an answer after 3 s meets Unknown interaction, a second one is told so, and nothing is shown', async () => {
    const errors: unknown[] = [];
    client.on('interactionCreate', async (interaction) => {
      if (!interaction.isChatInputCommand()) return;
      if (interaction.options.getString('hostname') === 'late') discord.clock.advance(3001);
      const route = `/interactions/${interaction.id}/${interaction.token}/callback` as const;
      for (const content of ['one', 'two'])
        await client.rest
          .post(route, { auth: false, body: { type: 4, data: { content, allowed_mentions: { parse: [] } } } })
          .catch((error: { code: number }) => errors.push(error.code));
    });
    const late = discord.user('olga').uses('ct create', { hostname: 'late' });
    expect((await late.acked()).status).toBe('timeout');
    await discord.waitFor(() => errors.length === 2);
    expect(errors).toEqual([10062, 10062]);
    expect(discord.messages()).toEqual([]);
    await discord.user('olga').uses('ct create', { hostname: 'quick' }).answer();
    await discord.waitFor(() => errors.length === 3);
    expect(errors[2]).toBe(40060);
  });

  test('after 15 minutes the token is dead, and the bot token still edits the message', async () => {
    const errors: number[] = [];
    client.on('interactionCreate', async (interaction) => {
      if (!interaction.isChatInputCommand()) return;
      await interaction.deferReply();
      const message = await interaction.editReply('working');
      discord.clock.advance(15 * 60_000 + 1);
      await interaction.editReply('done').catch((error: { code: number }) => errors.push(error.code));
      await client.rest.patch(`/channels/${interaction.channelId}/messages/${message.id}`, {
        body: { content: 'done by token', allowed_mentions: { parse: [] } },
      });
    });
    const used = discord.user('olga').uses('ct create', { hostname: 'x' });
    expect((await used.acked()).type).toBe(5);
    await discord.shows(undefined, 'done by token');
    expect(errors).toEqual([50027]);
  });

  test('what was missed during op 7 is replayed after the resume, and op 9 makes the client identify again', async () => {
    client.on('interactionCreate', async (interaction) => {
      if (interaction.isChatInputCommand()) await interaction.reply(interaction.options.getString('hostname', true));
    });
    discord.gateway.reconnect();
    await discord.waitFor(() => discord.gateway.live().length === 0, 'the disconnect');
    const missed = discord.user('olga').uses('ct create', { hostname: 'missed' });
    expect((await missed.acked()).status).toBe('ok');
    expect(discord.gateway.sessions[0]?.resumes).toBe(1);
    const back = new Promise((resolve) => client.once('shardReady', resolve));
    discord.gateway.invalidate();
    await back;
    expect(discord.gateway.live()).toHaveLength(1);
    expect(discord.gateway.sessions[0]?.resumes).toBe(0);
  });

  test('a message whose answer is lost is posted twice without a nonce and once with an enforced one', async () => {
    const channel = discord.channel('ops');
    const text = { content: 'hello', allowed_mentions: { parse: [] } };
    discord.failNext('create-message', { kind: 'http', status: 502, stored: true });
    await client.rest.post(`/channels/${channel}/messages`, { body: text });
    expect(discord.messages()).toHaveLength(2);
    discord.failNext('create-message', { kind: 'http', status: 502, stored: true });
    await client.rest.post(`/channels/${channel}/messages`, { body: { ...text, nonce: 'n1', enforce_nonce: true } });
    expect(discord.postCounts()).toEqual(new Map([[`${channel} n1`, 1]]));
  });

  test.skipIf(!discordApiPresent)(
    'bodies that break a limit are refused, open mentions are put on record',
    async () => {
      const route = `/channels/${discord.channel()}/messages` as const;
      const post = (body: object) => client.rest.post(route, { body: { allowed_mentions: { parse: [] }, ...body } });
      const row = (id: string) => ({ type: 1, components: [{ type: 2, style: 1, label: 'x', custom_id: id }] });
      for (const bad of [
        { content: 'x'.repeat(2001) },
        { embeds: [{ description: 'x'.repeat(4000) }, { description: 'x'.repeat(2001) }] },
        { content: 'x', components: [row('a'), row('a')] },
        { content: 'x', components: ['a', 'b', 'c', 'd', 'e', 'f'].map(row) },
        { content: 'x', flags: 32768, components: [{ type: 10, content: 'y' }] },
        {
          flags: 32768,
          components: [
            { type: 10, content: 'y'.repeat(2500) },
            { type: 10, content: 'y'.repeat(2500) },
          ],
        },
        {
          content: 'x',
          components: [{ type: 1, components: [{ type: 2, style: 1, label: 'x'.repeat(81), custom_id: 'a' }] }],
        },
      ])
        await expect(post(bad), JSON.stringify(bad).slice(0, 80)).rejects.toMatchObject({ code: 50035 });
      expect(discord.violations).toEqual([]);
      await post({ content: `<@${discord.user('olga').id}> @everyone`, allowed_mentions: undefined });
      expect(discord.messages().at(-1)?.pings).toEqual([discord.user('olga').id, 'everyone']);
      expect(discord.violations).toEqual([expect.stringContaining('allowed_mentions is missing')]);
    },
  );

  test('a thread hangs on its message; ephemeral messages are unknown to the bot token', async () => {
    client.on('interactionCreate', async (interaction) => {
      if (interaction.isChatInputCommand())
        await interaction.reply({ content: 'secret', flags: MessageFlags.Ephemeral });
    });
    const secret = await discord.user('olga').uses('ct create', { hostname: 'x' }).answer();
    const route = `/channels/${secret.channelId}/messages/${secret.id}` as const;
    await expect(client.rest.get(route)).rejects.toMatchObject({ code: 10008 });
    const ops = client.channels.cache.get(discord.channel()) as TextChannel;
    const message = await ops.send('failover');
    const thread = await message.startThread({ name: 'details' });
    await thread.send('fenced');
    expect(discord.messages(thread.id).map(discord.visibleText)).toEqual(['fenced']);
    await expect(message.startThread({ name: 'again' })).rejects.toMatchObject({ code: 160004 });
  });
});
