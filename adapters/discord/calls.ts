import {
  type APIGuildMember,
  type APIInteraction,
  type APIMessage,
  type APIUser,
  DiscordAPIError,
  type InteractionResponseType,
  type RESTPostAPIInteractionCallbackWithResponseResult,
  Routes,
} from 'discord.js';
import { fail } from '../../src/contracts/failure.ts';
import type { Log } from './events.ts';
import type { Body } from './render.ts';
import { closeRest, newRest } from './rest.ts';

/** Where answers to an interaction go. */
export type Handle = Pick<APIInteraction, 'id' | 'token' | 'application_id'>;

/** Only the asker sees it (message flag 1 << 6). */
export const EPHEMERAL = 64;

export interface Answer {
  readonly type: InteractionResponseType;
  readonly data?: object;
}

/** The calls of Discord's HTTP API we make, each once. All reject with what discord.js throws. */
export type Calls = ReturnType<typeof discordCalls>;

/**
 * `patient` repeats a call that got a 5xx or a reset, which is right for calls that may be made twice (edits, and
 * posts that carry a nonce); `once` never does, for follow-ups, which have no nonce. Interaction routes carry their
 * token in the path and must go without the bot's: a 401 there would make discord.js forget it.
 */
export function discordCalls(apiUrl: string, botToken: string, log: Log) {
  const patient = newRest(apiUrl, botToken);
  const once = newRest(apiUrl, botToken, 0);
  patient.on('rateLimited', ({ route, retryAfter }) =>
    log({ level: 'info', says: 'Discord asks us to wait', route, retryAfter }),
  );
  /** discord.js forgets the token after any 401 and would stay mute for ever, also when Discord was just confused. */
  async function asBot<T>(call: Promise<unknown>): Promise<T> {
    try {
      return (await call) as T;
    } catch (error) {
      if (error instanceof DiscordAPIError && error.status === 401) patient.setToken(botToken);
      throw error;
    }
  }
  const original = (to: Handle) => Routes.webhookMessage(to.application_id, to.token, '@original');
  const silent = { auth: false } as const;
  return {
    /** The first answer to an interaction; within 3 s. With `wantMessage` returns the message it made, if any. */
    async answer(to: Handle, body: Answer, wantMessage = false): Promise<APIMessage | undefined> {
      const query = new URLSearchParams({ with_response: String(wantMessage) });
      const made = await patient.post(Routes.interactionCallback(to.id, to.token), { ...silent, body, query });
      return (made as Partial<RESTPostAPIInteractionCallbackWithResponseResult> | undefined)?.resource?.message;
    },
    editOriginal: async (to: Handle, body: Body) =>
      (await patient.patch(original(to), { ...silent, body })) as APIMessage,
    deleteOriginal: async (to: Handle) => void (await patient.delete(original(to), silent)),
    async followUp(to: Handle, body: Body): Promise<void> {
      const query = new URLSearchParams({ wait: 'true' });
      const route = Routes.webhook(to.application_id, to.token);
      await once.post(route, { ...silent, query, body: { ...body, flags: EPHEMERAL } });
    },
    create: (channel: string, body: Body, nonce: string) =>
      asBot<APIMessage>(
        patient.post(Routes.channelMessages(snowflake(channel)), { body: { ...body, nonce, enforce_nonce: true } }),
      ),
    edit: (channel: string, message: string, body: Body) =>
      asBot<APIMessage>(patient.patch(Routes.channelMessage(snowflake(channel), snowflake(message)), { body })),
    /** Newest first; `before` a message id. */
    recent(channel: string, limit: number, before?: string): Promise<readonly APIMessage[]> {
      const query = new URLSearchParams({ limit: String(limit), ...(before && { before }) });
      return asBot(patient.get(Routes.channelMessages(snowflake(channel)), { query }));
    },
    /** Hangs a thread on a message; the thread's id is the message's own. */
    startThread: (channel: string, message: string, name: string) =>
      asBot<unknown>(patient.post(Routes.threads(snowflake(channel), snowflake(message)), { body: { name } })),
    /** The bot itself. */
    self: () => asBot<APIUser>(patient.get(Routes.user('@me'))),
    member: (guild: string, user: string) =>
      asBot<APIGuildMember>(patient.get(Routes.guildMember(snowflake(guild), snowflake(user)))),
    close(): void {
      closeRest(patient);
      closeRest(once);
    },
  };
}

/** An id from the outside, before it becomes part of a path. */
export function snowflake(id: string): string {
  if (/^\d{17,20}$/.test(id)) return id;
  return fail('bad-input', {
    what: 'Discord was not asked',
    why: `${JSON.stringify(id.slice(0, 40))} is not a Discord id`,
    next: 'a Discord id has 17 to 20 digits: Developer Mode, then Copy ID',
    sent: 'no',
  });
}
