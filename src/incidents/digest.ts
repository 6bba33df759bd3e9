import { createHash } from 'node:crypto';
import { DateTime } from 'luxon';
import { z } from 'zod';
import type { Card } from '../contracts/card.ts';
import { type Incident, type Silence, silenceText } from '../contracts/incident.ts';
import { canonical } from '../contracts/plan.ts';
import type { News } from '../contracts/watch.ts';
import { badGuests, guestText } from './families.ts';
import { openMembers } from './fold.ts';
import { dayAndTime, lasted } from './times.ts';

/** What was noted since the last digest. Plain JSON in the store. */
export const notesSchema = z.strictObject({
  /** Epoch milliseconds. */
  since: z.number(),
  /** By kind. */
  counts: z.record(z.string(), z.number()),
  /** Guests with a good backup since then. */
  backedUp: z.array(z.number()),
  /** First lines of what is neither a backup nor counted alone, by what they are about: a finer word replaces one. */
  lines: z.record(z.string(), z.string()),
  /** By node or cluster: the newest word about updates, until the weekly digest. */
  updates: z.record(z.string(), z.string()),
  /** The newest of what is counted here, so that what is told twice counts once; bounded. */
  seen: z.array(z.string()),
});
export type Notes = z.infer<typeof notesSchema>;

export const blankNotes = (since: number): Notes => ({
  since,
  counts: {},
  backedUp: [],
  lines: {},
  updates: {},
  seen: [],
});

const LINES = 12;
const SEEN = 300;
const MONDAY = 1;

const COUNTED = /^(backup-(succeeded|verify|sync)|datastore-)/;

export function noted(notes: Notes, news: readonly News[]): Notes {
  return news.reduce((all, one) => {
    const print = createHash('sha256').update(canonical(one)).digest('base64').slice(0, 12);
    if (all.seen.includes(print)) return all;
    return { ...note(all, one), seen: [...all.seen, print].slice(-SEEN) };
  }, notes);
}

function note(notes: Notes, news: News): Notes {
  const line = news.text.split('\n')[0]!;
  if (news.kind === 'updates-available')
    return { ...notes, updates: { ...notes.updates, [news.node ?? news.incident]: line } };
  const counts = { ...notes.counts, [news.kind]: (notes.counts[news.kind] ?? 0) + 1 };
  const well = /^backup-(succeeded|recent)/.test(news.kind) ? (news.guests ?? (news.guest ? [news.guest] : [])) : [];
  const backedUp = [...new Set([...notes.backedUp, ...well.map(({ vmid }) => vmid)])];
  const about = `${news.kind}/${news.incident}/${news.guest?.vmid ?? ''}/${news.startedAt ?? ''}`;
  const lines = COUNTED.test(news.kind) ? notes.lines : { ...notes.lines, [about]: line };
  return { ...notes, counts, backedUp, lines: Object.fromEntries(Object.entries(lines).slice(-LINES)) };
}

/** The oldest copies there are of what should have one; epoch seconds. */
export interface Vitals {
  readonly replication?: { readonly job: string; readonly lastSync: number };
  readonly backup?: { readonly vmid: number; readonly name?: string; readonly at: number };
}

export interface DigestScene {
  readonly cluster: string;
  readonly zone: string;
  readonly now: number;
  readonly notes: Notes;
  /** Open, and those that were resolved since the last digest. */
  readonly incidents: readonly Incident[];
  readonly silences: readonly Silence[];
  readonly vitals?: Vitals;
  readonly nameOf: (person: string) => string;
}

export function digestCard(scene: DigestScene): Card {
  const { cluster, incidents, now, zone } = scene;
  const open = incidents.filter(({ state }) => state === 'open');
  const day = DateTime.fromMillis(now, { zone }).toFormat('ccc d LLL', { locale: 'en' });
  return {
    title: `DIGEST ${cluster}, ${day}: ${open.length === 0 ? 'nothing open' : `${open.length} open`}`,
    tone: open.length === 0 ? 'good' : 'plain',
    lines: [
      ...backupLines(scene),
      ...vitalLines(scene),
      ...openLines(open, zone),
      ...resolvedLine(incidents, scene.notes.since),
      ...new Set(Object.values(scene.notes.lines)),
      ...silenceLines(scene),
      ...updateLines(scene),
    ],
    footer: `since ${dayAndTime(scene.notes.since, zone)}`,
  };
}

/** ok, failed, missing. */
function backupLines({ notes, incidents }: DigestScene): readonly string[] {
  const since = incidents.filter(({ changedAt, state }) => state === 'open' || changedAt >= notes.since);
  const of = (kinds: RegExp) => since.flatMap(({ news }) => news.filter(({ kind }) => kinds.test(kind)));
  const guests = (news: readonly News[]) => [
    ...new Map(news.flatMap(badGuests).map((one) => [one.vmid, one])).values(),
  ];
  const failed = guests(of(/^backup-(partial|failed|aborted|node-died)$/));
  const still = incidents.filter(({ state }) => state === 'open').flatMap(openMembers);
  const missing = guests(still.filter(({ kind }) => kind === 'backup-not-covered'));
  const old = guests(still.filter(({ kind }) => kind === 'backup-too-old'));
  const runs = notes.counts['backup-succeeded'] ?? 0;
  const ok = notes.backedUp.length > 0 ? `${notes.backedUp.length} guests ok` : `${runs} runs ok`;
  return [
    `Backups: ${ok}, ${failed.length} failed${named(failed)}, ${missing.length} missing${named(missing)}`,
    ...(old.length > 0 ? [`Last good backup too old${named(old)}`] : []),
  ];
}

function named(guests: readonly { readonly vmid: number; readonly name?: string }[]): string {
  if (guests.length === 0) return '';
  const some = guests.slice(0, 8).map(guestText).join(', ');
  return `: ${some}${guests.length > 8 ? ` and ${guests.length - 8} more` : ''}`;
}

function vitalLines({ vitals, now }: DigestScene): readonly string[] {
  const { replication, backup } = vitals ?? {};
  const age = (at: number) => `${lasted(now / 1000 - at)} old`;
  return [
    ...(replication ? [`Oldest replication: ${replication.job}, ${age(replication.lastSync)}`] : []),
    ...(backup ? [`Oldest backup: ${guestText(backup)}, ${age(backup.at)}`] : []),
  ];
}

function openLines(open: readonly Incident[], zone: string): readonly string[] {
  const lines = open.slice(0, 10).map(({ id, severity, openedAt, news, held }) => {
    const text = news.findLast(({ phase }) => phase !== 'note')?.text.split('\n')[0];
    return `Open ${id} ${severity} since ${dayAndTime(openedAt, zone)}: ${text}${held ? ` (${held})` : ''}`;
  });
  return open.length > 10 ? [...lines, `… ${open.length - 10} more open`] : lines;
}

function resolvedLine(incidents: readonly Incident[], since: number): readonly string[] {
  const over = incidents.filter(({ state, resolvedAt = 0 }) => state === 'resolved' && resolvedAt >= since).length;
  return over > 0 ? [`Resolved: ${over}`] : [];
}

/** A silence without an end is easily forgotten: it stands here every day. */
function silenceLines({ silences, nameOf }: DigestScene): readonly string[] {
  return silences
    .filter(({ until }) => until === undefined)
    .map(
      (silence) =>
        `SILENCED for good: ${silenceText(silence)} by ${nameOf(silence.by)}: ${silence.reason} (${silence.id})`,
    );
}

const isWeekly = ({ now, zone }: DigestScene): boolean => DateTime.fromMillis(now, { zone }).weekday === MONDAY;

function updateLines(scene: DigestScene): readonly string[] {
  return isWeekly(scene) ? Object.values(scene.notes.updates) : [];
}

/** What is kept for the next one: updates until they were told. */
export function afterDigest(scene: DigestScene): Notes {
  return { ...blankNotes(scene.now), seen: scene.notes.seen, updates: isWeekly(scene) ? {} : scene.notes.updates };
}
