import { createDiscord } from '../../adapters/discord/index.ts';
import { markOf, nonceOf } from '../../adapters/discord/marks.ts';
import { type DiscordMessage, type FakeDiscord, startDiscord } from '../platforms/discord.ts';
import type { ChatDriver, Who } from './chat-suite.ts';
import { menu } from './desk.ts';
import { registered } from './discord-room.ts';

export interface DiscordDriver extends ChatDriver {
  readonly discord: FakeDiscord;
  readonly ids: Readonly<Record<Who, string>>;
}

/** Two members of a server, through what Discord itself sends and stores. The commands of the sample menu are registered. */
export async function discordDriver(): Promise<DiscordDriver> {
  const discord = await startDiscord();
  registered(discord, menu);
  const { channel, elsewhere } = { channel: discord.channel('ops'), elsewhere: discord.channel('lobby') };
  const chat = createDiscord({
    botToken: discord.token,
    guildId: discord.guildId,
    apiUrl: discord.apiUrl,
    log: () => {},
  });
  const person = (who: Who) => discord.user(who);
  const shownTo = (who: Who) =>
    [channel, elsewhere].flatMap((where) => discord.messages(where, { as: person(who).id }));
  const newestWith = (label: string, messages: readonly DiscordMessage[]) => {
    const found = messages.findLast((message) => JSON.stringify(message.components).includes(`"${label}"`));
    if (!found) throw new Error(`nobody sees a button ${label}`);
    return found;
  };
  let last: { id: string; payload: Record<string, unknown> } | undefined;

  return {
    chat,
    discord,
    ids: { alice: person('alice').id, bob: person('bob').id },
    place: { platform: 'discord', channel },
    elsewhere: { platform: 'discord', channel: elsewhere },
    async says(who, text) {
      const { command, options } = parted(text);
      last = person(who).uses(command, options, { channel }).interaction;
    },
    async clicks(who, label) {
      person(who).clicks(newestWith(label, shownTo(who)), label);
    },
    async types(who, label, text) {
      const modal = await person(who)
        .clicks(newestWith(label, shownTo(who)), label)
        .modal();
      person(who).submits(modal, { typed: text });
    },
    async completes(who, command, option, typed) {
      const choices = await person(who).types(command, { [option]: typed }, { channel, focused: option });
      return choices.map((choice) => String(choice.value));
    },
    seen: (who) => shownTo(who).map((message) => discord.visibleText(message)),
    live: () =>
      [channel, elsewhere]
        .flatMap((where) => discord.messages(where))
        .flatMap((message) => {
          const { mentions, links } = discord.liveMarkup(message);
          return [...mentions, ...links.map((link) => link.url), ...message.pings, ...discord.violations];
        }),
    carries: (label) =>
      newestWith(label, discord.messages(channel))
        .components.flatMap((row) => row.components as { label: string; custom_id: string }[])
        .filter((button) => button.label === label)
        .map((button) => button.custom_id),
    until: async (condition) => void (await discord.waitFor(condition, 'the condition', 10_000)),
    async redeliver() {
      discord.world.dispatch('INTERACTION_CREATE', last!.payload);
    },
    loseNextAnswer: () => discord.failNext('create-message', { kind: 'http', status: 502, stored: true }),
    refuse429() {
      discord.failNext('create-message', { kind: 'rate-limited', retryAfter: 1 });
      return () => discord.calls('create-message').some((call) => call.status === 429);
    },
    async reconnect() {
      const resumes = () => discord.gateway.sessions.reduce((sum, session) => sum + session.resumes, 0);
      const before = resumes();
      discord.gateway.reconnect();
      await discord.waitFor(() => discord.gateway.live().length === 0 || resumes() > before, 'a cut connection');
    },
    posts: (key) =>
      [channel, elsewhere]
        .flatMap((where) => discord.messages(where))
        .filter((message) => message.nonce === nonceOf(key) || JSON.stringify(message.embeds).includes(markOf(key)))
        .length,
    close: () => discord.stop(),
  };
}

/** `ct create hostname:a node:b` as Discord takes it apart. */
function parted(text: string): { command: string; options: Record<string, string> } {
  const words = text.split(' ');
  const pairs = words.filter((word) => word.includes(':')).map((word) => word.split(/:(.*)/s).slice(0, 2));
  return { command: words.filter((word) => !word.includes(':')).join(' '), options: Object.fromEntries(pairs) };
}
