import { DiscordAPIError, HTTPError } from 'discord.js';
import { Failed, type Failure, failure, type Sent } from '../../src/contracts/failure.ts';

/** Codes of Discord's errors we act upon: docs, "Opcodes and Status Codes", JSON error codes. */
export const UNKNOWN_CHANNEL = 10003;
export const UNKNOWN_GUILD = 10004;
export const UNKNOWN_MEMBER = 10007;
export const UNKNOWN_MESSAGE = 10008;
export const UNKNOWN_WEBHOOK = 10015;
export const UNKNOWN_USER = 10013;
export const UNKNOWN_INTERACTION = 10062;
export const ALREADY_ACKNOWLEDGED = 40060;
export const MISSING_ACCESS = 50001;
export const MISSING_PERMISSIONS = 50013;
export const INVALID_WEBHOOK_TOKEN = 50027;
export const THREAD_EXISTS = 160004;

/** Discord's own number of what went wrong, if it answered with one. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof DiscordAPIError && typeof error.code === 'number' ? error.code : undefined;
}

/** After 15 minutes Discord forgets an interaction; its message can then be edited only as the bot's own. */
export function interactionIsOver(error: unknown): boolean {
  const code = codeOf(error);
  if (code === INVALID_WEBHOOK_TOKEN || code === UNKNOWN_WEBHOOK) return true;
  return error instanceof DiscordAPIError && error.status === 401;
}

/** Worth another try, since nothing about the request was wrong: Discord or the way to it was broken. */
export function isTransient(error: unknown): boolean {
  if (error instanceof DiscordAPIError) return error.status === 429;
  return error instanceof HTTPError || isNetwork(error) || isTokenless(error);
}

/** Errors of the connection carry a code, and time-outs a name; what has neither is a mistake of ours. */
function isNetwork(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return networkCode(error) !== error.name || error.name === 'AbortError' || error.name === 'TimeoutError';
}

/** discord.js forgets the token after a 401 and then refuses to send anything. */
function isTokenless(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Expected token');
}

/**
 * What went wrong in our words. The cause is left out on purpose: discord.js errors carry the URL of the call, and
 * with it the token of the interaction.
 */
export function explained(error: unknown, what: string): Failed {
  if (error instanceof Failed) return error;
  if (error instanceof DiscordAPIError) return new Failed(answered(error, what));
  if (error instanceof HTTPError)
    return new Failed(broken(what, `Discord answered ${error.status}`, 'unknown', error.status));
  if (isTransient(error)) {
    return new Failed(broken(what, `Discord could not be reached (${networkCode(error)})`, sentOf(error)));
  }
  const why = `a mistake in the bot (${networkCode(error)})`;
  return new Failed(failure('internal', { what, why, next: 'report this with the log', sent: 'unknown' }));
}

function broken(what: string, why: string, sent: Sent, status?: number): Failure {
  return failure('unavailable', {
    what,
    why,
    next: 'try again in a minute; status: https://discordstatus.com',
    sent,
    status,
  });
}

function answered(error: DiscordAPIError, what: string): Failure {
  const text = {
    what,
    why: `Discord says: ${error.message} (${error.code})`,
    sent: 'refused' as const,
    status: error.status,
  };
  switch (error.code) {
    case UNKNOWN_CHANNEL:
    case UNKNOWN_MESSAGE:
    case UNKNOWN_GUILD:
      return failure('not-found', { ...text, next: 'it was deleted, or its id in the config is wrong' });
    case MISSING_ACCESS:
    case MISSING_PERMISSIONS:
      return failure('refused', {
        ...text,
        next: 'give the bot View Channel, Send Messages, Send Messages in Threads, Create Public Threads, Embed Links and Read Message History there',
      });
  }
  if (interactionIsOver(error) && error.code !== 0) {
    return failure('refused', { ...text, next: 'ask again: Discord takes answers to one command for 15 minutes' });
  }
  if (error.status === 401) return failure('refused', { ...text, next: 'check the bot token in the config' });
  if (error.status === 429) return failure('unavailable', { ...text, next: 'try again in a minute' });
  return failure('refused', { ...text, next: 'report this with the log' });
}

/** Connections that were never made; everything else may have reached Discord. */
const NEVER_LEFT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function sentOf(error: unknown): Sent {
  return isTokenless(error) || NEVER_LEFT.has(networkCode(error)) ? 'no' : 'unknown';
}

/** `ECONNREFUSED`, or the name of the error when it has no code; never its message, which may hold a URL. */
export function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error.cause instanceof Error) return networkCode(error.cause);
  return error.name;
}

/** What the log should hold of an error: our words, and for a mistake of ours where it was made. */
export function logged(error: unknown, what: string): { reason: string; stack?: string } {
  const { kind, why } = explained(error, what).failure;
  const ours = kind === 'internal' && error instanceof Error && !(error instanceof Failed);
  return { reason: why, ...(ours && error.stack && { stack: error.stack }) };
}
