import type { Logger } from '@slack/bolt';

/** One thing worth a line in the log; never holds tokens, signatures or response addresses. */
export interface SlackEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly says: string;
  readonly [fact: string]: unknown;
}

export type Log = (event: SlackEvent) => void;

/** Tokens, and the addresses that let anyone who has them write or listen in our name. */
const SECRETS = /\bx(?:ox[a-z]|app)-[\w-]+|\b(?:https|wss?):\/\/\S+/g;

export const redacted = (text: string): string => text.replace(SECRETS, '[hidden]');

/** What an unknown error says, without secrets. */
export const reasonOf = (error: unknown): string => redacted(error instanceof Error ? error.message : String(error));

/** Bolt's own log lines: warnings and errors only, since its debug lines print whole bodies. */
export function boltLogger(log: Log): Logger {
  const line =
    (level: 'warn' | 'error') =>
    (first: unknown, ...rest: unknown[]) => {
      const says = [first, ...rest].map((part) => (part instanceof Error ? part.message : String(part))).join(' ');
      log({ level, says: redacted(says) });
    };
  let level = 'warn' as ReturnType<Logger['getLevel']>;
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: line('warn'),
    error: line('error'),
    setLevel: (wanted) => {
      level = wanted;
    },
    getLevel: () => level,
    setName: () => undefined,
  };
}
