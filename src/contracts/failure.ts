/**
 * Expected failures are values: what failed, why, and what to try next.
 * `kind` is what code branches on; nobody ever recognises a failure by its text.
 */
export type FailureKind =
  | 'bad-input' // the person asked for something that cannot be right
  | 'not-found'
  | 'forbidden' // our policy says no
  | 'conflict' // taken, locked, already so, protected
  | 'unavailable' // a node, the API or a platform cannot be reached
  | 'no-quorum'
  | 'no-privilege' // Proxmox says our token may not
  | 'refused' // Proxmox looked at the call and said no
  | 'changed' // the world moved since the plan was made
  | 'in-doubt' // a call was sent and nobody knows what became of it
  | 'internal';

/**
 * How far a call to the outside got before it failed.
 * `no`: it never left. `refused`: the other side answered no. `unknown`: it may have been executed,
 * now or much later (PROBES.md 1: the silent window has no upper bound).
 */
export type Sent = 'no' | 'refused' | 'unknown';

export interface Failure {
  readonly kind: FailureKind;
  /** What did not happen, for example `robotoff was not created`. */
  readonly what: string;
  /** Why, for example `ovh2 is offline`. */
  readonly why: string;
  /** What to try, for example `choose another node: node:ovh1`. */
  readonly next: string;
  /** Only for failures of a call to the outside. */
  readonly sent?: Sent;
  /** HTTP-like status of the other side, for the log and for tests. */
  readonly status?: number;
  /** Per-parameter messages of Proxmox. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export type FailureText = Pick<Failure, 'what' | 'why' | 'next'> &
  Partial<Pick<Failure, 'sent' | 'status' | 'parameters'>>;

export function failure(kind: FailureKind, text: FailureText): Failure {
  return { kind, ...text };
}

/** Carries a {@link Failure} through code that cannot return one; caught once, at the edge of the pipeline. */
export class Failed extends Error {
  readonly failure: Failure;
  constructor(value: Failure, options?: { cause?: unknown }) {
    super(`${value.what}: ${value.why}`, options);
    this.name = 'Failed';
    this.failure = value;
  }
}

/** Throws a {@link Failed}. */
export function fail(kind: FailureKind, text: FailureText, cause?: unknown): never {
  throw new Failed(failure(kind, text), cause === undefined ? undefined : { cause });
}
