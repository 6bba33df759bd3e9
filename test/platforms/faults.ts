import type { Answer } from './loopback.ts';

/**
 * A failure to come. `stored` says whether the platform has done the work before the answer is
 * lost: a 502 or a reset after the message was stored is what makes blind retries post twice.
 */
export type Fault =
  | { kind: 'ok' }
  | { kind: 'rate-limited'; retryAfter: number; global?: boolean }
  | { kind: 'http'; status: number; stored: boolean }
  | { kind: 'reset'; stored: boolean }
  | { kind: 'hang'; stored: boolean }
  | { kind: 'error'; error: string };

export interface Faults {
  /** Queues faults for the next calls of one operation; `'*'` matches every operation. */
  next(operation: string, ...faults: Fault[]): void;
  take(operation: string): Fault | undefined;
  clear(): void;
}

export function faults(): Faults {
  const queued = new Map<string, Fault[]>();
  return {
    next(operation, ...more) {
      queued.set(operation, [...(queued.get(operation) ?? []), ...more]);
    },
    take: (operation) => queued.get(operation)?.shift() ?? queued.get('*')?.shift(),
    clear: () => queued.clear(),
  };
}

/** The broken answer of a fault that loses one, or nothing for the others. */
export function brokenAnswer(fault: Fault): Answer | undefined {
  if (fault.kind === 'http') return { status: fault.status, text: 'upstream failed' };
  if (fault.kind === 'reset') return { reset: true };
  if (fault.kind === 'hang') return { hang: true };
  return undefined;
}
