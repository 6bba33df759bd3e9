import { createHash } from 'node:crypto';
import type { Incident } from '../contracts/incident.ts';
import { canonical } from '../contracts/plan.ts';
import type { News } from '../contracts/watch.ts';
import { groupOf, isDigest, isMoment, isNote, weight } from './families.ts';

/** News become incidents: pure, and the same news twice change nothing. Times: epoch milliseconds. */

/** Opened again within this time it is the same trouble; from the third time on it is held down until it is calm. */
export const FLAPPING = 30 * 60_000;
const HELD_DOWN = 2;
const CALM = 30 * 60_000;
/** A group takes in what opens within this time of the last one, and for so long at most. */
const GROUPED = 15 * 60_000;
const GROUP_LASTS = 6 * 3_600_000;
/** What only happened, and never ends by itself. */
const MOMENT_LASTS = 24 * 3_600_000;

const FIRST = 20;
const LAST = 80;
const MEMBERS = 600;

export interface Folded {
  /** Those that are new or changed. */
  readonly changed: readonly Incident[];
  /** By incident: what it was told now, for its thread. */
  readonly told: ReadonlyMap<string, readonly News[]>;
  /** For the digest. */
  readonly notes: readonly News[];
}

/** `known`: every open incident of the cluster, and those resolved within {@link FLAPPING}. */
export function fold(known: readonly Incident[], news: readonly News[], at: number): Folded {
  const all = new Map(known.map((incident) => [incident.id, incident]));
  const told = new Map<string, News[]>();
  const notes: News[] = [];
  for (const one of news) {
    const next = take([...all.values()], one, at);
    if (next === 'note' || (next !== 'known' && isDigest(one))) notes.push(one);
    if (typeof next === 'string') continue;
    all.set(next.id, next);
    told.set(next.id, [...(told.get(next.id) ?? []), one]);
  }
  return { changed: [...told.keys()].map((id) => all.get(id)!), told, notes };
}

function take(known: readonly Incident[], news: News, at: number): Incident | 'note' | 'known' {
  const open = known.find(({ state, key, news: told }) => state === 'open' && isOf(key, told, news.incident));
  if (open) return repeats(open, news) ? 'known' : appended(open, news, at);
  if (news.phase === 'ends' || isNote(news)) {
    const said = known.some((one) => one.news.some((other) => alike(other, news)));
    return said ? 'known' : 'note';
  }
  const before = known
    .filter(({ state, key, news: told }) => state === 'resolved' && isOf(key, told, news.incident))
    .sort((a, b) => b.changedAt - a.changedAt)[0];
  if (before?.news.some((other) => alike(other, news))) return 'known';
  // A late word about what is over, such as the exact time a guest ran again, opens nothing.
  if (before && news.phase === 'goes-on') return { ...before, news: bounded([...before.news, news]), changedAt: at };
  const flaps = before && at - (before.resolvedAt ?? before.changedAt) <= FLAPPING ? before.flaps + 1 : 0;
  if (before && flaps > HELD_DOWN) {
    const { resolvedAt: _, ...again } = before;
    return appended({ ...again, state: 'open', flaps }, news, at);
  }
  const group = flaps === 0 ? groupFor(known, news, at) : undefined;
  if (group) return appended(group, news, at);
  return {
    id: idOf(news, at, known),
    cluster: news.cluster,
    key: news.incident,
    kind: news.kind,
    severity: news.severity,
    state: 'open',
    openedAt: at,
    changedAt: at,
    news: [news],
    reminders: 0,
    flaps,
  };
}

const isOf = (key: string, told: readonly News[], incident: string): boolean =>
  key === incident || told.some((news) => news.incident === incident);

/** Those that are members of it and not over. */
export function openMembers({ news }: Pick<Incident, 'news'>): readonly News[] {
  return latest(news).filter(({ phase }) => phase !== 'ends');
}

/** The newest news of each member, oldest member first; notes say nothing of how it stands. */
export function latest(news: readonly News[]): readonly News[] {
  const stand = news.filter(({ phase }) => phase !== 'note');
  return [...new Map(stand.map((one) => [one.incident, one])).values()];
}

function groupFor(known: readonly Incident[], news: News, at: number): Incident | undefined {
  const group = groupOf(news.kind);
  if (group === undefined) return undefined;
  return known.find(
    ({ state, kind, changedAt, openedAt, held }) =>
      state === 'open' &&
      held === undefined &&
      groupOf(kind) === group &&
      at - changedAt <= GROUPED &&
      at - openedAt <= GROUP_LASTS,
  );
}

/** The same matter: a later word about it takes the place of the earlier one. */
const about = ({ incident, kind, phase, guest, node, jobId, from }: News): string =>
  canonical([incident, kind, phase, guest?.vmid ?? null, node ?? null, jobId ?? null, from ?? null]);
/** The same words about it, whenever they were said. */
const alike = (a: News, b: News): boolean =>
  about(a) === about(b) && a.text === b.text && a.startedAt === b.startedAt && a.endedAt === b.endedAt;

function repeats({ news }: Incident, now: News): boolean {
  return sinceItEnded(news, now.incident).some((other) => alike(other, now));
}

/** What was said since that member was last over; its end included, so that the same end twice is one. */
function sinceItEnded(news: readonly News[], incident: string): readonly News[] {
  const end = news.findLastIndex((one) => one.incident === incident && one.phase === 'ends');
  return news.slice(Math.max(end, 0)).filter((one) => one.incident === incident);
}

function appended(incident: Incident, news: News, at: number): Incident {
  const stale = news.phase === 'ends' ? [] : sinceItEnded(incident.news, news.incident);
  const older = stale.findLast((one) => one.phase !== 'ends' && about(one) === about(news));
  const kept = incident.news.filter((one) => one !== older && !isTakenBack(one, news));
  const next: Incident = {
    ...incident,
    ...gravest(kept.length < incident.news.length - (older ? 1 : 0) ? kept : [incident, ...kept], news),
    news: bounded([...kept, news]),
    changedAt: at,
  };
  return isCalm(next) && next.flaps < HELD_DOWN ? { ...next, state: 'resolved', resolvedAt: at } : next;
}

/** News may say which kinds it stands instead of: a silent node turns out to be rebooting. */
function isTakenBack(one: News, { incident, guest, facts }: News): boolean {
  const instead = facts?.['instead'];
  return (
    Array.isArray(instead) &&
    instead.includes(one.kind) &&
    one.incident === incident &&
    (guest === undefined || one.guest?.vmid === guest.vmid)
  );
}

type Grave = Pick<Incident, 'kind' | 'severity'> & { readonly phase?: News['phase'] };

function gravest(all: readonly Grave[], news: News): Pick<Incident, 'kind' | 'severity'> {
  const [first, ...rest] = [...all, news].filter(({ phase }) => phase !== 'ends' && phase !== 'note');
  const { kind, severity } = rest.reduce(
    (most, one) => (weight(one.severity) > weight(most.severity) ? one : most),
    first ?? news,
  );
  return { kind, severity };
}

const isCalm = (incident: Incident): boolean => openMembers(incident).length === 0;

/** Whether it comes and goes, and waits for calm. */
export const isFlapping = ({ flaps }: Pick<Incident, 'flaps'>): boolean => flaps >= HELD_DOWN;

/** Time passes: what flapped is over when it was calm for long enough, and what only happened is over after a day. */
export function settle(incident: Incident, at: number): Incident {
  if (incident.state !== 'open') return incident;
  const over =
    (isFlapping(incident) && isCalm(incident) && at - incident.changedAt >= CALM) ||
    (isMoment(incident) && at - incident.changedAt >= MOMENT_LASTS);
  return over ? { ...incident, state: 'resolved', resolvedAt: at, changedAt: at } : incident;
}

/** How it began, how it stands, the newest of every member, and every guest that was moved. */
function bounded(news: readonly News[]): readonly News[] {
  if (news.length <= FIRST + LAST) return news;
  const members = new Set(latest(news).slice(-MEMBERS));
  return news.filter(
    (one, n) => n < FIRST || n >= news.length - LAST || members.has(one) || one.kind.startsWith('ha-failover'),
  );
}

/** Four letters and digits, as people type them; the same for the same news, so that a repeated take makes no second. */
function idOf(news: News, at: number, known: readonly Incident[]): string {
  const alphabet = '23456789abcdefghjkmnpqrstvwxyz';
  const bytes = createHash('sha256')
    .update(canonical([news.cluster, news.incident, at]))
    .digest();
  const text = [...bytes].map((byte) => alphabet[byte % alphabet.length]).join('');
  for (let length = 5; ; length += 1) {
    const id = text.slice(0, length);
    if (length >= text.length || known.every((other) => other.id !== id)) return id;
  }
}
