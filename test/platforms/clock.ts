/**
 * The platform's clock: real time plus what a test has advanced. Deadlines (3 s), token lives
 * (15 or 30 min) and rate windows are read from it, so tests reach them without waiting.
 */
export interface PlatformClock {
  /** Milliseconds since 1970. */
  now(): number;
  advance(ms: number): void;
  /** Stops real time (a loaded machine then never runs into a 3 s deadline); `advance` still works. */
  freeze(): void;
}

export function platformClock(): PlatformClock {
  let offset = 0;
  let frozen: number | undefined;
  return {
    now: () => (frozen ?? Date.now()) + offset,
    advance: (ms) => {
      offset += ms;
    },
    freeze: () => {
      frozen ??= Date.now();
    },
  };
}
