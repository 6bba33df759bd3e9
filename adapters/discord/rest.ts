import { REST } from 'discord.js';

export const DISCORD_API = 'https://discord.com/api';

/** What discord.js repeats of itself after a 5xx or a reset connection. */
export const RETRIES = 3;

/**
 * A client for Discord's HTTP API. Discord exempts interaction routes from its 50 calls a second, discord.js counts
 * them all the same (limits.json discord.135), so its own counting is switched off; 429s are obeyed.
 */
export function restOptions(apiUrl: string, retries: number) {
  return { api: apiUrl.replace(/\/+$/, ''), globalRequestsPerSecond: 1000, retries };
}

export function newRest(apiUrl: string, botToken: string, retries = RETRIES): REST {
  return new REST(restOptions(apiUrl, retries)).setToken(botToken);
}

/** Ends the timers a client keeps. */
export function closeRest(rest: REST): void {
  rest.clearHashSweeper();
  rest.clearHandlerSweeper();
}
