import {
  type ApplicationCommandDataResolvable,
  ApplicationCommandOptionType,
  Client,
  GatewayIntentBits,
  MessageFlags,
  type TextChannel,
} from 'discord.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discordApiPresent } from '../oracles/discord-api.ts';
import { type FakeDiscord, startDiscord } from './discord.ts';

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

  test('what was missed while the line was cut is replayed too', async () => {
    client.on('interactionCreate', async (interaction) => {
      if (interaction.isChatInputCommand()) await interaction.reply('back');
    });
    discord.gateway.drop();
    await discord.waitFor(() => discord.gateway.live().length === 0);
    const used = discord.user('olga').uses('ct create', { hostname: 'x' });
    expect(discord.visibleText(await used.answer())).toBe('back');
    expect(discord.gateway.sessions).toMatchObject([{ resumes: 1 }]);
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

  test('the same interaction handed over twice is answered once', async () => {
    const codes: unknown[] = [];
    client.on('interactionCreate', async (interaction) => {
      if (interaction.isChatInputCommand())
        await interaction.reply('hello').catch((error: { code: number }) => codes.push(error.code));
    });
    const used = discord.user('olga').uses('ct create', { hostname: 'x' });
    await used.answer();
    discord.again(used);
    await discord.waitFor(() => codes.length === 1);
    expect(codes).toEqual([40060]);
    expect(discord.messages()).toHaveLength(1);
  });

  test('a 429 holds the client back and the message comes once', async () => {
    discord.failNext('create-message', { kind: 'rate-limited', retryAfter: 0.2, global: true });
    await client.rest.post(`/channels/${discord.channel()}/messages`, {
      body: { content: 'x', allowed_mentions: { parse: [] } },
    });
    expect(discord.calls('create-message').map(({ status }) => status)).toEqual([429, 200]);
    expect(discord.messages()).toHaveLength(1);
  });

  test('roles of a member are looked up, and a stranger is unknown', async () => {
    const olga = discord.user('olga', { roles: ['sre'] });
    const member = (await client.rest.get(`/guilds/${discord.guildId}/members/${olga.id}`)) as { roles: string[] };
    expect(member.roles).toEqual([discord.role('sre')]);
    const stranger = client.rest.get(`/guilds/${discord.guildId}/members/${discord.role('sre')}`);
    await expect(stranger).rejects.toMatchObject({ code: 10007 });
  });

  test.skipIf(!discordApiPresent)('a command of more than 8,000 characters is refused as a whole', async () => {
    const before = structuredClone(discord.world.commands.global);
    const option = (index: number) => ({
      name: `o${index}`,
      description: 'd'.repeat(100),
      type: 3,
      choices: Array.from({ length: 25 }, (_, choice) => ({ name: `${choice}`.padEnd(20, 'n'), value: `${choice}` })),
    });
    const body = [{ name: 'ct', description: 'x', options: Array.from({ length: 15 }, (_, index) => option(index)) }];
    const put = client.rest.put(`/applications/${discord.applicationId}/commands`, { body });
    await expect(put).rejects.toThrow('8000 are allowed');
    expect(discord.world.commands.global).toEqual(before);
  });

  test('a wrong token and a privileged intent close the gateway', async () => {
    const identify = async (data: object): Promise<number> => {
      const socket = new WebSocket(`${discord.world.origin.replace('http', 'ws')}/?v=10&encoding=json`);
      socket.onopen = () => socket.send(JSON.stringify({ op: 2, d: data }));
      return await new Promise((resolve) => {
        socket.onclose = ({ code }) => resolve(code);
      });
    };
    expect(await identify({ token: 'wrong', intents: 1 })).toBe(4004);
    expect(await identify({ token: discord.token, intents: 1 << 15 })).toBe(4014);
  });
});
