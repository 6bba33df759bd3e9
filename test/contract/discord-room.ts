import { createDiscord, type DiscordEvent, discordCommands } from '../../adapters/discord/index.ts';
import type { Chat, MenuEntry, Place } from '../../src/contracts/chat.ts';
import { Failed, type Failure } from '../../src/contracts/failure.ts';
import { type FakeDiscord, startDiscord } from '../platforms/discord.ts';
import { type ScriptedDesk, menu as samples, scriptedDesk } from './desk.ts';

export interface Room {
  readonly discord: FakeDiscord;
  readonly chat: Chat;
  readonly desk: ScriptedDesk;
  readonly place: Place;
  readonly events: DiscordEvent[];
  /** A second bot with the same token, as after a restart; not started. */
  again(): Chat;
  close(): Promise<void>;
}

/** A server with registered commands and a started bot in the channel `ops`. */
export async function openRoom(): Promise<Room> {
  const discord = await startDiscord();
  registered(discord, samples);
  const desk = scriptedDesk();
  const events: DiscordEvent[] = [];
  const made: Chat[] = [];
  const again = () => {
    const { token: botToken, guildId, apiUrl } = discord;
    const chat = createDiscord({ botToken, guildId, apiUrl, log: (event) => events.push(event) });
    made.push(chat);
    return chat;
  };
  const chat = again();
  await chat.start(desk);
  return {
    discord,
    chat,
    desk,
    place: { platform: 'discord', channel: discord.channel('ops') },
    events,
    again,
    async close() {
      for (const one of made) await one.stop();
      await discord.stop();
    },
  };
}

/** Puts the commands where `bascule setup discord` leaves them. */
export function registered(discord: FakeDiscord, menu: readonly MenuEntry[]): void {
  discord.world.commands.guild = discordCommands(menu).map((command) => ({
    ...command,
    type: 1,
    id: discord.world.newId(),
    application_id: discord.applicationId,
    guild_id: discord.guildId,
    version: discord.world.newId(),
  }));
}

/** The failure a promise rejects with; anything else is an error of the test. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    () => undefined,
    (one: unknown) => one,
  );
  if (error instanceof Failed) return error.failure;
  throw new Error(`no failure but ${String(error)}`);
}
