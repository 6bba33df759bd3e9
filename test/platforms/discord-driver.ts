import { nested } from '../oracles/discord-message.ts';
import { type DiscordExchange, type DiscordModal, exchange } from './discord-exchange.ts';
import { filledModal, type ModalValues } from './discord-modal.ts';
import { chosen, filled, nestedOptions, type OptionValues } from './discord-options.ts';
import {
  type DiscordMember,
  type DiscordMessage,
  type DiscordWorld,
  findMessage,
  type Interaction,
  type Json,
  wireChannel,
  wireMember,
  wireMessage,
} from './discord-world.ts';

export interface DiscordPerson {
  readonly id: string;
  /** Runs a registered slash command; unknown commands or options and missing required ones throw. */
  uses(command: string, options?: OptionValues, where?: { channel?: string }): DiscordExchange;
  /** Types into an option with autocomplete (the last one given, unless `focused` names it); the choices shown. */
  types(
    command: string,
    options: OptionValues,
    where?: { channel?: string; focused?: string },
  ): Promise<{ name: string; value: unknown }[]>;
  /** Clicks a button by custom_id or label. */
  clicks(message: DiscordMessage, button: string): DiscordExchange;
  /** Picks options of a select by custom_id and value or label. */
  chooses(message: DiscordMessage, customId: string, ...options: string[]): DiscordExchange;
  submits(modal: DiscordModal, values?: ModalValues): DiscordExchange;
}

const BUTTON = 2;
const LINK = 5;

export function discordPerson(
  world: DiscordWorld,
  id: string,
  channelId: (name?: string) => string,
  sees: (member: DiscordMember, command: Json) => boolean,
): DiscordPerson {
  const member = () => world.members.get(id)!;

  const send = (
    type: number,
    channel: string,
    data: Json,
    more: { message?: DiscordMessage } = {},
  ): DiscordExchange => {
    const interaction: Interaction = {
      id: world.newId(),
      token: `aW50ZXJhY3Rpb24.${crypto.randomUUID()}`,
      type,
      userId: id,
      channelId: channel,
      at: world.clock.now(),
      sourceId: more.message?.id,
      followUps: [],
      payload: {},
    };
    interaction.payload = {
      id: interaction.id,
      application_id: world.applicationId,
      type,
      token: interaction.token,
      version: 1,
      guild_id: world.guildId,
      guild: { id: world.guildId, locale: 'en-US', features: [] },
      channel_id: channel,
      channel: { ...wireChannel(world.channels.get(channel)!, world), permissions: '2147600448' },
      member: { ...wireMember(member(), world), permissions: member().administrator ? '2147600456' : '2147600448' },
      app_permissions: '2147600448',
      locale: 'en-US',
      guild_locale: 'en-US',
      entitlements: [],
      authorizing_integration_owners: { '0': world.guildId },
      context: 0,
      attachment_size_limit: 10_485_760,
      data,
      ...(more.message && { message: wireMessage(more.message, world) }),
    };
    world.interactions.set(interaction.token, interaction);
    return exchange(world, interaction, world.dispatch('INTERACTION_CREATE', interaction.payload));
  };

  const mustSee = (message: DiscordMessage) => {
    if (message.ephemeralTo && message.ephemeralTo !== id)
      throw new Error(`${member().username} does not see this ephemeral message`);
    if (!findMessage(world, message.channelId, message.id)) throw new Error('the message is gone');
  };

  const command = (words: string, options: OptionValues, focused?: string): { data: Json } => {
    const one = chosen(world, words);
    if (!sees(member(), one.command))
      throw new Error(`${member().username} does not see /${words}: default_member_permissions hides it`);
    const { data, resolved } = filled(world, one, options, focused);
    if (focused !== undefined && one.options.find((option) => option.name === focused)?.autocomplete !== true)
      throw new Error(`option "${focused}" has no autocomplete`);
    const { id: commandId, name, type } = one.command;
    const inside = nestedOptions(one, data);
    const guild = one.command.guild_id ? { guild_id: world.guildId } : {};
    const found = Object.keys(resolved).length > 0 ? { resolved } : {};
    return { data: { id: commandId, name, type, ...guild, ...(inside.length > 0 && { options: inside }), ...found } };
  };

  return {
    id,
    uses: (words, options = {}, { channel } = {}) => send(2, channelId(channel), command(words, options).data),
    async types(words, options, { channel, focused = Object.keys(options).at(-1) ?? '' } = {}) {
      const sent = send(4, channelId(channel), command(words, options, focused).data);
      const { status } = await sent.acked();
      if (status !== 'ok') world.violations.push(`autocomplete of ${words} ${focused}: ${status}`);
      return (sent.interaction.choices ?? []).map(({ name, value }) => ({ name: String(name), value }));
    },
    clicks(message, button) {
      mustSee(message);
      const all = nested(message.components).filter((one) => one.type === BUTTON);
      const hits = all.filter((one) => one.custom_id === button || one.label === button);
      const [hit] = hits;
      if (hits.length !== 1 || !hit)
        throw new Error(
          `${hits.length} buttons "${button}" among ${all.map((one) => `${one.label} (${one.custom_id})`).join(', ') || 'none'}`,
        );
      if (hit.disabled === true) throw new Error(`the button "${button}" is disabled`);
      if (hit.style === LINK) throw new Error(`"${button}" opens ${hit.url} and tells nobody`);
      return send(3, message.channelId, { custom_id: hit.custom_id, component_type: BUTTON, id: 1 }, { message });
    },
    chooses(message, customId, ...options) {
      mustSee(message);
      const hit = nested(message.components).find((one) => one.custom_id === customId && one.type !== BUTTON);
      if (!hit || hit.disabled === true) throw new Error(`no select "${customId}" to choose from`);
      const offered = (hit.options ?? []) as { label: string; value: string }[];
      const values = options.map((wanted) => {
        const found = offered.find((one) => one.value === wanted || one.label === wanted);
        if (hit.type === 3 && !found) throw new Error(`"${customId}" has no option "${wanted}"`);
        return found?.value ?? wanted;
      });
      return send(3, message.channelId, { custom_id: customId, component_type: hit.type, values, id: 1 }, { message });
    },
    submits({ interaction, body }, values = {}) {
      if (interaction.userId !== id) throw new Error(`${member().username} does not see the modal of someone else`);
      const message = world.messages.find((one) => one.id === interaction.sourceId);
      const data = { custom_id: body.custom_id, components: filledModal(body, values) };
      return send(5, interaction.channelId, data, message ? { message } : {});
    },
  };
}
