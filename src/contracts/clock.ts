/** The only source of time in the core, so that tests turn it by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or at once (without throwing) when `signal` aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}
