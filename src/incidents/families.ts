import type { Incident } from '../contracts/incident.ts';
import type { News, NewsKind, Severity } from '../contracts/watch.ts';

/** What belongs together, what is worth a card, and how grave it is. */

const SEVERITIES: readonly Severity[] = ['info', 'notice', 'warning', 'error', 'critical'];

export const weight = (severity: Severity): number => SEVERITIES.indexOf(severity);
export const atLeast = (severity: Severity, least: Severity): boolean => weight(severity) >= weight(least);

/** Told in the digest alone, whatever their phase: what went well, and what somebody did on purpose. */
const DIGEST: ReadonlySet<NewsKind> = new Set([
  'planned-migration',
  'ha-master-changed',
  'backup-succeeded',
  'backup-verify-finished',
  'backup-sync-finished',
  'datastore-gc-finished',
  'datastore-prune-finished',
  'replication-job-created',
  'replication-job-removed',
  'ct-created',
  'updates-available',
]);

/** A line of the digest, also where it belongs to an incident that is open. */
export const isDigest = ({ kind, phase }: News): boolean => phase === 'note' || DIGEST.has(kind);

/** Never an incident of its own; it may still be a line of one that is open. */
export const isNote = (news: News): boolean => isDigest(news) || news.severity === 'info';

/**
 * News of one group that open within minutes of each other have one cause more often than not: a dead storage, a full
 * pool, a cut line. They share a card with a table. Nodes and quorum never do: each has its own thread.
 */
const GROUPS: readonly (readonly [RegExp, string])[] = [
  [/^backup-(not-covered|too-old)$/, 'backup-age'],
  [/^backup-/, 'backup'],
  [/^datastore-/, 'datastore'],
  [/^replication-/, 'replication'],
  [/^(storage|zfs)-/, 'storage'],
  [/^certificate-/, 'certificate'],
  [/^guest-/, 'guest'],
];

export const groupOf = (kind: NewsKind): string | undefined => GROUPS.find(([kinds]) => kinds.test(kind))?.[1];

/** What stands until somebody mends it, however long it has: on the first look it is no change. */
const STANDING =
  /^(backup-(not-covered|too-old)|storage-|zfs-|ceph-|certificate-|updates-|replication-|votes-|qdevice-|link-|ha-disarmed|node-maintenance|guest-(down|locked))/;

/** Whether it happened before the watch began, epoch milliseconds, or cannot be told from that. */
export function stoodBefore(news: News, since: number): boolean {
  if (STANDING.test(news.kind)) return true;
  const when = news.endedAt ?? news.at ?? news.startedAt;
  return when !== undefined && when * 1000 < since;
}

/** Something that happened and is over in that moment; nothing will ever say that it ended. */
const MOMENTS: ReadonlySet<NewsKind> = new Set([
  'service-relocated-after-start-failure',
  'system-mail',
  'test',
  'unparseable-notification',
]);

export const isMoment = ({ news }: Pick<Incident, 'news'>): boolean => news.every(({ kind }) => MOMENTS.has(kind));

/** `103 robotoff`, `103`. */
export const guestText = ({ vmid, name }: { readonly vmid: number; readonly name?: string }): string =>
  name ? `${vmid} ${name}` : String(vmid);

/** Every guest it is about that is not well, by vmid. */
export function badGuests(news: News): readonly NonNullable<News['guests']>[number][] {
  const { guest, guests = [] } = news;
  const bad = guests.filter(({ result }) => result === undefined || !/^(ok|good|success|warnings?)/i.test(result));
  return bad.length > 0 || !guest ? bad : [guest];
}
