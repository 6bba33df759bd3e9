import { setTimeout as sleep } from 'node:timers/promises';
import type { APIInteraction, Client } from 'discord.js';
import type { Chat, Desk } from '../../src/contracts/chat.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import { discordCalls } from './calls.ts';
import { edits } from './edits.ts';
import type { Log } from './events.ts';
import { explained, logged } from './failures.ts';
import { connect, newClient, onInteraction, watch } from './gateway.ts';
import { interactionHandler } from './interactions.ts';
import { membership } from './members.ts';
import { poster, roomOf } from './posts.ts';
import { Recent } from './recent.ts';
import { body } from './render.ts';
import { DISCORD_API } from './rest.ts';

export { discordCommands } from './commands.ts';
export type { DiscordEvent, Log } from './events.ts';
export { type Registered, type RegisterOptions, register, told } from './register.ts';

export interface DiscordOptions {
  readonly botToken: string;
  /** Only for registering commands; the bot itself learns it from Discord. */
  readonly applicationId?: string;
  /** The one server whose channels, commands and roles count. */
  readonly guildId: string;
  /** Without version, for proxies and test servers. */
  readonly apiUrl?: string;
  readonly log: Log;
  readonly clock?: Clock;
}

const realClock: Clock = {
  now: () => Date.now(),
  wait: (ms, signal) => sleep(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {}),
};

/** How long stop() waits for commands that are still being answered. */
const DRAIN_MS = 10_000;

/**
 * Discord as a {@link Chat}: the gateway for what comes in, HTTP for what goes out. A start that failed may be tried
 * again; posts and edits work without the gateway.
 */
export function createDiscord(options: DiscordOptions): Chat {
  const { botToken, guildId, log, apiUrl = DISCORD_API, clock = realClock } = options;
  const calls = discordCalls(apiUrl, botToken, log);
  const post = poster(calls);
  const editing = edits(
    async (posted, card) => void (await calls.edit(roomOf(posted), posted.message, body(card))),
    clock,
  );
  const warn = (says: string, error: unknown) => log({ level: 'warn', says, ...logged(error, says) });
  const working = new Set<Promise<void>>();
  const seen = new Recent();
  let client: Client | undefined;
  let stopping: Promise<void> | undefined;

  function receiver(desk: Desk): (interaction: APIInteraction) => void {
    const handle = interactionHandler({ desk, calls, post, guildId, clock, warn });
    return (interaction) => {
      // A resumed session may replay what we have answered: answering again would show the person an error.
      if (stopping || !seen.isNew(interaction.id)) return;
      const work = handle(interaction).finally(() => working.delete(work));
      working.add(work);
    };
  }

  async function stop(): Promise<void> {
    const patience = new AbortController();
    const drained = Promise.all(working).then(() => editing.flush());
    await Promise.race([drained, clock.wait(DRAIN_MS, patience.signal)]);
    patience.abort();
    await client?.destroy();
    calls.close();
  }

  return {
    platform: 'discord',
    async start(desk) {
      const fresh = newClient(apiUrl);
      watch(fresh, log);
      onInteraction(fresh, receiver(desk));
      client = fresh;
      await connect(fresh, botToken, guildId, clock).catch(async (error: unknown) => {
        await fresh.destroy();
        throw error;
      });
    },
    post,
    async update(posted, card) {
      await editing.update(posted, card).catch((error: unknown) => {
        throw explained(error, 'the message was not updated');
      });
    },
    groupsOf: membership(calls, guildId, clock),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
