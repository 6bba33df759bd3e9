import { setTimeout as sleep } from 'node:timers/promises';
import { REST } from 'discord.js';
import type { Chat } from '../../src/contracts/chat.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import { discordCalls } from './calls.ts';
import { edits } from './edits.ts';
import type { Log } from './events.ts';
import { explained } from './failures.ts';
import { connect, newClient, onInteraction, watch } from './gateway.ts';
import { interactionHandler } from './interactions.ts';
import { membership } from './members.ts';
import { poster, roomOf } from './posts.ts';
import { Recent } from './recent.ts';
import { body } from './render.ts';

export { discordCommands } from './commands.ts';
export type { Log, LogEvent } from './events.ts';
export { register, told } from './register.ts';

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

export const DISCORD_API = 'https://discord.com/api';

const realClock: Clock = {
  now: () => Date.now(),
  wait: (ms, signal) => sleep(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {}),
};

/** How long stop() waits for commands that are still being answered. */
const DRAIN_MS = 10_000;

/** Discord as a {@link Chat}: gateway for what comes in, HTTP for what goes out. */
export function createDiscord(options: DiscordOptions): Chat {
  const { log, clock = realClock } = options;
  const client = newClient(options.apiUrl ?? DISCORD_API);
  // Posts and edits work as soon as the bot has its token, also before the gateway is up.
  client.rest.setToken(options.botToken);
  const once = new REST({ ...client.options.rest, retries: 0 });
  const calls = discordCalls(client.rest, once);
  const post = poster(calls);
  const editing = edits(
    async (posted, card) => void (await calls.edit(roomOf(posted), posted.message, body(card))),
    clock,
  );
  const warn = (what: string, error: unknown) => log({ level: 'warn', what, why: explained(error, what).failure.why });
  const working = new Set<Promise<void>>();
  let open = false;
  let stopping: Promise<void> | undefined;

  async function stop(): Promise<void> {
    open = false;
    const patience = new AbortController();
    const answered = Promise.all(working).then(() => editing.flush());
    await Promise.race([answered, clock.wait(DRAIN_MS, patience.signal)]);
    patience.abort();
    await client.destroy();
    once.clearHashSweeper();
    once.clearHandlerSweeper();
  }

  return {
    platform: 'discord',
    async start(desk) {
      watch(client, log);
      const handle = interactionHandler({ desk, calls, post, guildId: options.guildId, clock, warn });
      const seen = new Recent();
      onInteraction(client, (interaction) => {
        // A resumed session may replay what we have answered: answering again would show the person an error.
        if (!open || !seen.isNew(interaction.id)) return;
        const work = handle(interaction).finally(() => working.delete(work));
        working.add(work);
      });
      open = true;
      await connect(client, options.botToken, options.guildId, clock).catch(async (error: unknown) => {
        open = false;
        await client.destroy();
        throw error;
      });
    },
    post,
    async update(posted, card) {
      await editing.update(posted, card).catch((error: unknown) => {
        throw explained(error, 'the message was not updated');
      });
    },
    groupsOf: membership(calls, options.guildId, clock),
    stop: () => (stopping ??= stop()),
  };
}
