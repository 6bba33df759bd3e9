/** What the adapter tells the log. Never holds tokens, URLs or what people wrote. */
export interface LogEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly what: string;
  readonly why?: string;
  /** Interactions that were replayed after a reconnect. */
  readonly replayed?: number;
}

export type Log = (event: LogEvent) => void;
