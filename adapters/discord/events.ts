/** One thing worth a line in the log. Never holds tokens, URLs or what people wrote. */
export interface DiscordEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly says: string;
  readonly [fact: string]: unknown;
}

export type Log = (event: DiscordEvent) => void;
