/** Nearest-rank percentiles of what was measured, milliseconds. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

export function spread(measured: readonly number[]): Spread {
  if (measured.length === 0) throw new Error('nothing was measured');
  const sorted = measured.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!;
  return { p50: rank(0.5), p99: rank(0.99) };
}

export const median = (measured: readonly number[]): number => spread(measured).p50;
