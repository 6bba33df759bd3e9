import type { Offer } from '../contracts/automation.ts';
import type { Card, Tone } from '../contracts/card.ts';
import type { Incident } from '../contracts/incident.ts';
import type { News, Severity } from '../contracts/watch.ts';
import { downLines, failoverCard, failoversOf, rescueOffers } from './failover-card.ts';
import { badGuests, guestText } from './families.ts';
import { isFlapping, latest, openMembers } from './fold.ts';
import { clock, dayAndTime } from './times.ts';

/** The one card of an incident, in whatever state it is. */

export interface CardScene {
  readonly zone: string;
  readonly nameOf: (person: string) => string;
  readonly now: number;
  /** Replication jobs that somebody disabled here since. */
  readonly disabled: ReadonlySet<string>;
}

/** Guests a card names one by one; the rest is counted. */
const ROWS = 40;

export function incidentCard(incident: Incident, scene: CardScene): Card {
  const body = bodyOf(incident, scene);
  return {
    ...body,
    tone: toneOf(incident),
    lines: [...new Set([...(body.lines ?? []), ...stateLines(incident, scene)])],
    footer: footerOf(incident, scene),
  };
}

const TONES: Readonly<Record<Severity, Tone>> = {
  info: 'plain',
  notice: 'plain',
  warning: 'warning',
  error: 'bad',
  critical: 'bad',
};

export const toneOf = ({ state, severity }: Incident): Tone => (state === 'resolved' ? 'good' : TONES[severity]);

function bodyOf(incident: Incident, { zone, disabled }: CardScene): Pick<Card, 'title' | 'lines' | 'table'> {
  if (failoversOf(incident).length > 0) return failoverCard(incident, zone, disabled);
  const members = latest(incident.news);
  return members.length > 1 ? groupBody(incident, members) : oneBody(incident, members[0] ?? incident.news[0]!);
}

function oneBody(incident: Incident, news: News): Pick<Card, 'title' | 'lines' | 'table'> {
  const [title = news.kind, ...rest] = news.text.split('\n');
  const before = incident.news.findLast(({ phase }) => phase === 'opens' || phase === 'goes-on');
  const was = news.phase === 'ends' && before ? before.text.split('\n') : [];
  const guests = badGuests(before ?? news).filter(({ error }) => error !== undefined);
  const said = news.text + was.join('\n');
  const untold = guests.filter(({ vmid }) => !new RegExp(`\\b${vmid}\\b`).test(said));
  const earlier = incident.news
    .filter((one) => one !== news && one !== before && one.phase !== 'note')
    .slice(-4)
    .map(({ text }) => text.split('\n')[0]!);
  return {
    title: incident.state === 'resolved' ? `OVER: ${title}` : title,
    lines: [...rest, ...was, ...downLines(incident), ...earlier],
    ...(untold.length > 0 ? { table: guestTable(untold) } : {}),
  };
}

function guestTable(guests: ReturnType<typeof badGuests>): NonNullable<Card['table']> {
  return {
    columns: ['Guest', 'Result', 'Error'],
    rows: guests
      .slice(0, ROWS)
      .map((guest) => [guestText(guest), guest.result ?? '', guest.error ?? ''])
      .concat(guests.length > ROWS ? [[`… ${guests.length - ROWS} more`, '', '']] : []),
  };
}

/** Many that have one cause, so far as can be seen. */
function groupBody(incident: Incident, members: readonly News[]): Pick<Card, 'title' | 'lines' | 'table'> {
  const bad = members.filter(({ phase }) => phase !== 'ends');
  const what = words(incident.kind);
  const causes = counted(bad.map(causeOf));
  const title =
    bad.length === 0
      ? `OVER: ${members.length} × ${what}`
      : `${bad.length} × ${what}${bad.length < members.length ? `, ${members.length - bad.length} well again` : ''}`;
  // What is wrong stands before what is well again.
  const rows = [...bad, ...members.filter(({ phase }) => phase === 'ends')];
  return {
    title,
    lines: causes.slice(0, 3).map(([cause, count]) => (causes.length === 1 ? cause : `${count} × ${cause}`)),
    table: {
      columns: ['What', 'How it stands'],
      rows: rows
        .slice(0, ROWS)
        .map((news) => [subject(news), news.phase === 'ends' ? 'well again' : causeOf(news)])
        .concat(rows.length > ROWS ? [[`… ${rows.length - ROWS} more`, '']] : []),
    },
  };
}

const words = (kind: string): string => kind.replaceAll('-', ' ').toUpperCase();

const subject = (news: News): string =>
  news.guest ? guestText(news.guest) : (news.jobId ?? news.incident.replace(/^[a-z-]+\//, ''));

/** Why, as short as it is told: the guest's own error, a reason, or else the first line. */
function causeOf(news: News): string {
  const error = badGuests(news).find((guest) => guest.error)?.error;
  const reason = news.facts?.['error'] ?? news.facts?.['reason'];
  return error ?? (typeof reason === 'string' ? reason : news.text.split('\n')[0]!);
}

function counted(texts: readonly string[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function stateLines(incident: Incident, { zone, nameOf, now }: CardScene): readonly string[] {
  const { acknowledged, snoozed, flaps, state, openedAt, resolvedAt } = incident;
  return [
    ...(isFlapping(incident) && state === 'open'
      ? [`Comes and goes: opened ${flaps + 1} times; held down until it is calm for 30 min`]
      : []),
    ...(acknowledged ? [`Acknowledged by ${nameOf(acknowledged.by)} ${clock(acknowledged.at / 1000, zone, now)}`] : []),
    ...(snoozed && snoozed.until > now && state === 'open'
      ? [
          `Snoozed by ${nameOf(snoozed.by)} until ${dayAndTime(snoozed.until, zone)}${snoozed.reason ? `: ${snoozed.reason}` : ''}`,
        ]
      : []),
    ...(state === 'resolved' && resolvedAt !== undefined
      ? [`Open from ${dayAndTime(openedAt, zone)} to ${dayAndTime(resolvedAt, zone)}`]
      : []),
  ];
}

const footerOf = ({ id, cluster, severity, openedAt, state }: Incident, { zone }: CardScene): string =>
  `${id} · ${cluster} · ${severity} · ${state === 'open' ? `since ${dayAndTime(openedAt, zone)}` : 'resolved'}`;

/** The commands that help, and acknowledge and snooze; only those there are. */
export function offersFor(
  incident: Incident,
  { now, disabled }: Pick<CardScene, 'now' | 'disabled'>,
  known: (command: string) => boolean,
): readonly Offer[] {
  if (incident.state === 'resolved') return [];
  const { id, acknowledged, snoozed } = incident;
  return [
    ...helpful(incident, disabled),
    ...(acknowledged ? [] : [{ label: 'Ack', command: 'alert ack', options: { id } }]),
    ...(snoozed && snoozed.until > now
      ? []
      : [
          { label: 'Snooze 1 h', command: 'alert snooze', options: { id, for: '1h' } },
          { label: 'Until morning', command: 'alert snooze', options: { id, for: 'morning' } },
        ]),
  ].filter(({ command }) => known(command));
}

function helpful(incident: Incident, disabled: ReadonlySet<string>): readonly Offer[] {
  const open = openMembers(incident);
  const rescue = rescueOffers(incident, disabled);
  if (rescue.length > 0) return rescue;
  if (/^backup-(partial|failed|aborted|node-died|too-old)$/.test(incident.kind)) {
    const vmids = [...new Set(open.flatMap(badGuests).map(({ vmid }) => vmid))];
    return vmids.slice(0, 3).map((vmid) => ({
      label: `Retry ${vmid}`,
      style: 'primary',
      command: 'backup run',
      options: { vmid: String(vmid) },
    }));
  }
  if (/^replication-(failed|overdue|never-run)$/.test(incident.kind)) {
    const jobs = [...new Set(open.flatMap(({ jobId }) => jobId ?? []))];
    return jobs
      .slice(0, 3)
      .map((job) => ({ label: `Run ${job}`, style: 'primary', command: 'replication run', options: { job } }));
  }
  if (/^(quorum|qdevice|votes)-/.test(incident.kind)) return [{ label: 'Quorum now', command: 'quorum', options: {} }];
  return [];
}
