import { type Incident, type Silence, silenceText } from '../contracts/incident.ts';
import type { News } from '../contracts/watch.ts';
import { badGuests } from './families.ts';
import { openMembers } from './fold.ts';

/** Why nothing is told of it now; undefined: no silence covers all of it. */
export function silencedBy(incident: Incident, silences: readonly Silence[]): string | undefined {
  if (silences.length === 0) return undefined;
  const open = openMembers(incident);
  const members = open.length > 0 ? open : incident.news;
  const by = members.map((news) => silences.find((silence) => covers(silence, news)));
  const [first] = by;
  if (first === undefined || by.includes(undefined)) return undefined;
  return `silenced: ${silenceText(first)}, ${first.reason}`;
}

/** Each thing it names must be met; a guest only when no other guest is in trouble too. */
export function covers({ node, vmid, kind }: Silence, news: News): boolean {
  if (kind !== undefined && kind !== news.kind) return false;
  if (node !== undefined && ![news.node, news.from, nodeOf(news.incident)].includes(node)) return false;
  if (vmid === undefined) return true;
  const guests = badGuests(news);
  return guests.length > 0 && guests.every((guest) => guest.vmid === vmid);
}

const nodeOf = (incident: string): string | undefined => /^node\/(.+)$/.exec(incident)?.[1];
