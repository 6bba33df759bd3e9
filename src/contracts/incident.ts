import { z } from 'zod';
import type { Books } from './books.ts';
import { readShelf } from './books.ts';
import type { Card } from './card.ts';
import { stampTime } from './plan.ts';
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

/** Shelf of silences. Key: its id. Written by `alert silence` and `alert unsilence` alone. */
export const SILENCES = 'silences';

/** As it stands on the shelf: `until` is a stamp, filled when it was approved. */
const silenceSchema = z.strictObject({
  id: z.string(),
  cluster: z.string(),
  node: z.string().optional(),
  vmid: z.number().optional(),
  kind: z.string().optional(),
  until: z.string().optional(),
  reason: z.string(),
  by: z.string(),
});

/** Those of a cluster that hold at `now`, epoch ms. */
export async function silencesOf(
  books: Pick<Books, 'entries'>,
  cluster: string,
  now: number,
): Promise<readonly Silence[]> {
  const all = await readShelf(books, SILENCES, silenceSchema);
  return all
    .filter((one) => one.cluster === cluster)
    .map(({ until, node, vmid, kind, ...rest }) => ({
      ...rest,
      ...(node === undefined ? {} : { node }),
      ...(vmid === undefined ? {} : { vmid }),
      ...(kind === undefined ? {} : { kind: kind as NewsKind }),
      ...(until === undefined ? {} : { until: stampTime(until) }),
    }))
    .filter(({ until }) => until === undefined || until > now);
}

/** `node ovh2`, `guest 103`, `backup-failed`, or two of them. */
export function silenceText({ node, vmid, kind }: Pick<Silence, 'node' | 'vmid' | 'kind'>): string {
  const parts = [
    ...(node === undefined ? [] : [`node ${node}`]),
    ...(vmid === undefined ? [] : [`guest ${vmid}`]),
    ...(kind === undefined ? [] : [kind]),
  ];
  return parts.join(', ');
}

export interface IncidentFilter {
  readonly cluster?: string;
  readonly states?: readonly Incident['state'][];
  /** Changed then or later, epoch ms. */
  readonly since?: number;
  /** 500 unless told. */
  readonly limit?: number;
}

/** Incidents as somebody may see them, and what they look like. */
export interface Alerts {
  /** Newest first. */
  list(filter: IncidentFilter): Promise<readonly Incident[]>;
  /** Throws not-found with a hint. */
  get(id: string): Promise<Incident>;
  /** Its card, without buttons. */
  card(incident: Incident): Promise<Card>;
  /** Those that hold now. */
  silences(cluster: string): Promise<readonly Silence[]>;
}

/** Acting on the one incident a command was judged for. */
export interface AlertHands {
  /** Nobody is reminded of it any more. */
  acknowledge(): Promise<Incident>;
  /** Nothing new is told of it until then, epoch ms. */
  snooze(until: number, reason: string): Promise<Incident>;
}

/** Where a test alert went, or until when (epoch ms) that place is quiet. */
export interface TestSent {
  readonly place: string;
  readonly quietUntil?: number;
}

/** What the store does for incidents: each verb is one transaction. */
export interface IncidentRows {
  /** Newest first. */
  incidents(filter: IncidentFilter): Promise<readonly Incident[]>;
  incident(id: string): Promise<Incident | undefined>;
  /** (leader) Writes the row whole. */
  saveIncident(incident: Incident): Promise<void>;
  /** (leader) Forgets those that were resolved and have not changed since `before`, epoch ms. */
  forgetIncidents(before: number): Promise<void>;
}
