import type { News, NewsKind, Severity } from './watch.ts';

/** One thread: opened, edited in place, resolved. Plain JSON in the store. Times: epoch milliseconds. */
export interface Incident {
  /** Short, as people type it: `alert show id:k3f9`. */
  readonly id: string;
  readonly cluster: string;
  /** {@link News.incident}; at most one open incident of a cluster has it. */
  readonly key: string;
  /** Of the gravest news so far. */
  readonly kind: NewsKind;
  readonly severity: Severity;
  readonly state: 'open' | 'resolved';
  readonly openedAt: number;
  readonly changedAt: number;
  readonly resolvedAt?: number;
  /** What it was told, oldest first; bounded, the middle left out. */
  readonly news: readonly News[];
  readonly acknowledged?: { readonly by: string; readonly at: number };
  readonly snoozed?: { readonly by: string; readonly at: number; readonly until: number; readonly reason: string };
  /** Held back by a silence, quiet hours or flapping: it is listed, and not told yet. */
  readonly held?: string;
  readonly reminders: number;
  readonly remindedAt?: number;
  /** How often it was resolved and opened again within the flapping time. */
  readonly flaps: number;
}

/** Nothing is told of what it covers. Key of the book of silences: its id. */
export interface Silence {
  readonly id: string;
  readonly cluster: string;
  readonly node?: string;
  readonly vmid?: number;
  readonly kind?: NewsKind;
  /** Epoch ms; without an end it needs a reason and stays in every digest. */
  readonly until?: number;
  readonly reason: string;
  readonly by: string;
}
