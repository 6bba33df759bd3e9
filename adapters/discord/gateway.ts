import {
  type APIInteraction,
  Client,
  DiscordjsErrorCodes,
  Events,
  GatewayCloseCodes,
  GatewayDispatchEvents,
  type GatewayReadyDispatchData,
  Options,
  PermissionFlagsBits,
} from 'discord.js';
import type { Clock } from '../../src/contracts/clock.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Log } from './events.ts';
import { explained, networkCode } from './failures.ts';
import { RETRIES, restOptions } from './rest.ts';

const WHAT = 'Discord was not connected';
const READY_WITHIN_MS = 30_000;

/** We keep nothing of what discord.js could remember: interactions carry all we need, roles are asked for freshly. */
const NOTHING_KEPT = Options.cacheWithLimits({
  ApplicationCommandManager: 0,
  GuildMemberManager: 0,
  MessageManager: 0,
  ReactionManager: 0,
  ThreadManager: 0,
  ThreadMemberManager: 0,
  UserManager: 0,
});

/** A client that asks the gateway for no intents at all: interactions come without any. */
export function newClient(apiUrl: string): Client {
  return new Client({
    intents: [],
    allowedMentions: { parse: [] },
    enforceNonce: true,
    makeCache: NOTHING_KEPT,
    rest: restOptions(apiUrl, RETRIES),
  });
}

export interface Connection {
  /** The bot's own user id. */
  readonly self: string;
}

/**
 * Logs in and resolves once Discord says READY; throws Failed with what to do. Afterwards discord.js keeps the
 * connection: it resumes after op 7, op 9 and dropped sockets, and missed interactions are replayed.
 */
export async function connect(client: Client, botToken: string, guildId: string, clock: Clock): Promise<Connection> {
  const over = new AbortController();
  const ready = new Promise<GatewayReadyDispatchData>((resolve) =>
    client.ws.once(GatewayDispatchEvents.Ready, (data: GatewayReadyDispatchData) => resolve(data)),
  );
  const refused = new Promise<number>((resolve) => client.once(Events.ShardDisconnect, ({ code }) => resolve(code)));
  const late = clock.wait(READY_WITHIN_MS, over.signal).then(() => 'late' as const);
  try {
    const login = client.login(botToken).then(() => ready);
    // The loser of the race still settles later: its rejection has been told by then or does not matter.
    login.catch(() => {});
    const outcome = await Promise.race([login, refused, late]);
    if (outcome === 'late') return fail('unavailable', silent);
    if (typeof outcome === 'number') return closedWith(outcome);
    return accepted(outcome, guildId);
  } catch (error) {
    if (isBadToken(error)) return badToken();
    throw explained(error, WHAT);
  } finally {
    over.abort();
  }
}

const silent = { what: WHAT, why: 'its gateway did not answer within 30 s', next: 'status: https://discordstatus.com' };

/** What the bot needs in each channel it works in, for the invitation. */
const PERMISSIONS =
  PermissionFlagsBits.ViewChannel |
  PermissionFlagsBits.SendMessages |
  PermissionFlagsBits.SendMessagesInThreads |
  PermissionFlagsBits.CreatePublicThreads |
  PermissionFlagsBits.EmbedLinks |
  PermissionFlagsBits.ReadMessageHistory;

function accepted({ user, guilds, application }: GatewayReadyDispatchData, guildId: string): Connection {
  if (guilds.some((guild) => guild.id === guildId)) return { self: user.id };
  const query = `client_id=${application.id}&scope=bot+applications.commands&permissions=${PERMISSIONS}`;
  return fail('not-found', {
    what: WHAT,
    why: `the bot is not a member of the server ${guildId}`,
    next: `invite it: https://discord.com/oauth2/authorize?${query}`,
  });
}

function isBadToken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === DiscordjsErrorCodes.TokenInvalid;
}

function badToken(): never {
  return fail('refused', {
    what: WHAT,
    why: 'Discord does not know this bot token',
    next: 'make a new one: Developer Portal, Bot, Reset Token',
  });
}

/** Close codes after which Discord wants no new try, in words: docs, "Gateway Close Event Codes". */
function closedWith(code: number): never {
  if (code === GatewayCloseCodes.AuthenticationFailed) return badToken();
  if (code === GatewayCloseCodes.DisallowedIntents) {
    return fail('refused', {
      what: WHAT,
      why: 'Discord disallows intents the bot asked for (4014)',
      next: 'switch them on: Developer Portal, Bot, Privileged Gateway Intents',
    });
  }
  const why = `Discord closed the connection with code ${code}`;
  return fail('refused', { what: WHAT, why, next: 'report this with the log' });
}

/** Tells the log what the connection goes through; without listeners an `error` event would end the process. */
export function watch(client: Client, log: Log): void {
  const told = (says: string) => (error: Error) => log({ level: 'warn', says, reason: networkCode(error) });
  client.on(Events.Error, told('discord.js reports an error'));
  client.on(Events.ShardError, told('the connection to Discord failed'));
  // discord.js tries again every half second and says so each time; one line per outage is enough.
  let away = false;
  client.on(Events.ShardReconnecting, () => {
    if (!away) log({ level: 'warn', says: 'the connection to Discord is cut; reconnecting' });
    away = true;
  });
  const back = (says: string, facts: object) => {
    if (away) log({ level: 'info', says, ...facts });
    away = false;
  };
  client.on(Events.ShardResume, (_, replayed) => back('the Discord session was resumed', { replayed }));
  client.on(Events.ShardReady, () => back('Discord has given a new session', {}));
  client.on(Events.ShardDisconnect, ({ code }) =>
    log({ level: 'error', says: 'Discord ended the connection for good', code }),
  );
}

/** Calls `receive` with each interaction as it came over the wire. */
export function onInteraction(client: Client, receive: (interaction: APIInteraction) => void): void {
  client.ws.on(GatewayDispatchEvents.InteractionCreate, receive);
}
