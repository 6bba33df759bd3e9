import {
  type APIApplicationCommandAutocompleteInteraction,
  type APIApplicationCommandInteractionDataOption,
  type APIChatInputApplicationCommandInteraction,
  type APIInteraction,
  type APIModalSubmitInteraction,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ChannelType,
} from 'discord.js';
import type { Actor, Place } from '../../src/contracts/chat.ts';
import { TYPED } from './render.ts';

/** What an interaction says, in our words. Everything in it but the ids is text a person may have typed. */

export function actorOf({ member, user }: APIInteraction): Actor | undefined {
  const who = member?.user ?? user;
  if (!who) return undefined;
  return { platform: 'discord', id: who.id, name: member?.nick ?? who.global_name ?? who.username };
}

const THREADS: readonly ChannelType[] = [
  ChannelType.PublicThread,
  ChannelType.PrivateThread,
  ChannelType.AnnouncementThread,
];

/** A thread is a channel of its own on Discord; its parent is what people call the channel. */
export function placeOf({ channel, channel_id }: APIInteraction): Place | undefined {
  if (!channel) return channel_id ? { platform: 'discord', channel: channel_id } : undefined;
  const parent = 'parent_id' in channel && THREADS.includes(channel.type) ? channel.parent_id : undefined;
  return { platform: 'discord', channel: parent ?? channel.id, ...(parent && { thread: channel.id }) };
}

export interface Words {
  readonly root: string;
  readonly verb?: string;
  readonly options: Readonly<Record<string, string>>;
  /** The option being typed, for completion. */
  readonly focused?: { readonly name: string; readonly value: string };
}

type Worded = APIChatInputApplicationCommandInteraction | APIApplicationCommandAutocompleteInteraction;

/** A slash command, not one of the context menus we never register. */
export function isSlash(interaction: APIInteraction): interaction is APIInteraction & Worded {
  const { data } = interaction;
  return data !== undefined && 'type' in data && data.type === ApplicationCommandType.ChatInput;
}

export function wordsOf({ data }: Worded): Words {
  const given: readonly APIApplicationCommandInteractionDataOption[] = data.options ?? [];
  const sub = given.find((option) => option.type === ApplicationCommandOptionType.Subcommand);
  const values = sub?.type === ApplicationCommandOptionType.Subcommand ? (sub.options ?? []) : given;
  const options: Record<string, string> = {};
  let focused: Words['focused'];
  for (const option of values) {
    if (!('value' in option)) continue;
    if ('focused' in option && option.focused) focused = { name: option.name, value: String(option.value) };
    else options[option.name] = String(option.value);
  }
  return { root: data.name, ...(sub && { verb: sub.name }), options, ...(focused && { focused }) };
}

/** What was typed into a form's only field. */
export function typedIn({ data }: APIModalSubmitInteraction): string | undefined {
  for (const part of data.components) {
    const fields = 'component' in part ? [part.component] : 'components' in part ? part.components : [];
    for (const field of fields) {
      if (field.custom_id === TYPED && 'value' in field && typeof field.value === 'string') return field.value;
    }
  }
  return undefined;
}
