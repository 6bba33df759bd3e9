import type { Offer } from '../contracts/automation.ts';
import type { Card } from '../contracts/card.ts';
import type { Incident } from '../contracts/incident.ts';
import type { News } from '../contracts/watch.ts';
import { guestText } from './families.ts';
import { clock, lasted } from './times.ts';

/** The thread of a node that went away: who moved where, what was lost, and what its return would erase. */

/** So many guests stand as lines, which a phone shows whole; more are a table. */
const LINES = 8;

type Failover = News & { readonly guest: NonNullable<News['guest']> };

export const failoversOf = ({ news }: Pick<Incident, 'news'>): readonly Failover[] =>
  news
    .filter((one): one is Failover => /^ha-failover(-failed)?$/.test(one.kind) && one.guest !== undefined)
    .filter((one, n, all) => all.findLastIndex(({ guest }) => guest.vmid === one.guest.vmid) === n)
    .sort((a, b) => a.guest.vmid - b.guest.vmid);

export function failoverCard(
  incident: Incident,
  zone: string,
  disabled: ReadonlySet<string>,
): Pick<Card, 'title' | 'lines' | 'table'> {
  const moves = failoversOf(incident);
  const [first] = moves;
  const from = first?.from ?? incident.key;
  const silent = Math.min(...moves.map(({ startedAt, at }) => startedAt ?? at ?? Number.POSITIVE_INFINITY));
  const to = [...new Set(moves.map((move) => move.to).filter((node) => node !== undefined))];
  const since = Number.isFinite(silent) ? `, silent since ${clock(silent, zone)}` : '';
  const over = incident.state === 'resolved' ? 'OVER: ' : '';
  const many = moves.length > LINES;
  return {
    title: `${over}FAILOVER ${from} → ${to.join(', ')}${since}`,
    lines: [
      ...(many ? [summary(moves)] : moves.map((move) => `${guestText(move.guest)}: ${fate(move)}`)),
      ...replicaLines(moves, zone),
      ...downLines(incident),
      ...fencedLine(moves, zone),
      ...otherLines(incident),
      ...rescueLines(incident, from, zone, disabled),
    ],
    ...(many ? { table: table(moves) } : {}),
  };
}

function fate(move: Failover): string {
  if (move.kind === 'ha-failover-failed') return `NOT RUNNING, failover to ${move.node ?? move.to} failed`;
  const down =
    move.endedAt === undefined || move.startedAt === undefined
      ? `starting on ${move.to}`
      : `down ${lasted(move.endedAt - move.startedAt)}`;
  return `${down}, ${loss(move)}`;
}

function loss({ dataLoss }: News): string {
  if (!dataLoss || dataLoss.seconds === null) return `loss unknown${dataLoss?.basis ? ` (${dataLoss.basis})` : ''}`;
  const [least, most] = dataLoss.seconds;
  if (most === 0) return 'nothing lost';
  return least === most ? `lost ${lasted(most)}` : `lost ${lasted(least)}–${lasted(most)}`;
}

function summary(moves: readonly Failover[]): string {
  const running = moves.filter(({ kind, endedAt }) => kind === 'ha-failover' && endedAt !== undefined);
  const failed = moves.filter(({ kind }) => kind === 'ha-failover-failed');
  const worst = Math.max(0, ...moves.map(({ dataLoss }) => dataLoss?.seconds?.[1] ?? 0));
  const unknown = moves.filter(({ dataLoss }) => !dataLoss?.seconds).length;
  return [
    `${running.length}/${moves.length} run again`,
    ...(failed.length > 0 ? [`${failed.length} FAILED`] : []),
    `at most ${lasted(worst)} lost`,
    ...(unknown > 0 ? [`${unknown} unknown`] : []),
  ].join(', ');
}

function table(moves: readonly Failover[]): NonNullable<Card['table']> {
  return {
    columns: ['Guest', 'On', 'Down', 'Lost'],
    rows: moves.map((move) => [
      guestText(move.guest),
      move.kind === 'ha-failover-failed' ? 'FAILED' : (move.to ?? ''),
      move.endedAt === undefined || move.startedAt === undefined ? '…' : lasted(move.endedAt - move.startedAt),
      loss(move).replace(/^lost /, ''),
    ]),
  };
}

/** Which copy they run from now. */
function replicaLines(moves: readonly Failover[], zone: string): readonly string[] {
  const known = moves.filter(({ dataLoss }) => dataLoss?.lastSync !== undefined);
  if (known.length === 0) return [];
  const each = known
    .slice(0, LINES)
    .map((move) => `${jobOf(move) ?? move.guest.vmid} of ${clock(move.dataLoss!.lastSync!, zone)}`);
  return [`Runs from replica: ${each.join(', ')}${known.length > LINES ? ' …' : ''}`];
}

const jobOf = ({ dataLoss }: News): string | undefined => /\b(\d+-\d+)\b/.exec(dataLoss?.basis ?? '')?.[1];

/** Guests nobody starts elsewhere. */
export function downLines({ news, state }: Incident): readonly string[] {
  if (state === 'resolved') return [];
  const told = news.findLast(({ facts }) => Array.isArray(facts?.['stillDown']))?.facts?.['stillDown'];
  const guests = Array.isArray(told) ? (told as readonly { readonly vmid?: unknown; readonly name?: unknown }[]) : [];
  const names = guests.flatMap(({ vmid, name }) =>
    typeof vmid === 'number' ? [guestText({ vmid, ...(typeof name === 'string' ? { name } : {}) })] : [],
  );
  return names.length === 0 ? [] : [`NOT HA, still down: ${names.join(', ')}`];
}

function fencedLine(moves: readonly Failover[], zone: string): readonly string[] {
  const at = moves.map(({ facts }) => facts?.['fencedAt']).find((one) => typeof one === 'number');
  return at === undefined ? [] : [`Fenced ${clock(at as number, zone)}`];
}

const SAID = /^(ha-failover(-failed)?|node-(lost|fenced|fencing-started)|replication-)/;

/** What went wrong on the way, and that the node is back, in the watch's own words. */
function otherLines({ news }: Incident): readonly string[] {
  return news
    .filter(({ kind, phase }) => phase !== 'note' && !SAID.test(kind))
    .slice(-4)
    .flatMap(({ text }) => text.split('\n').slice(0, 1));
}

/** `103-0`, as long as the node is away: what each job would overwrite there when it is back. */
export function rescueJobs({ news, state }: Incident): readonly { readonly job: string; readonly returns: string }[] {
  if (state === 'resolved') return [];
  const jobs = new Map<string, string>();
  for (const { facts } of news) {
    const rescue = facts?.['rescue'];
    if (!Array.isArray(rescue)) continue;
    for (const one of rescue as readonly { readonly job?: unknown; readonly returns?: unknown }[])
      if (typeof one.job === 'string' && typeof one.returns === 'string') jobs.set(one.job, one.returns);
  }
  return [...jobs].map(([job, returns]) => ({ job, returns })).sort((a, b) => (a.job < b.job ? -1 : 1));
}

function rescueLines(incident: Incident, from: string, zone: string, disabled: ReadonlySet<string>): readonly string[] {
  if (incident.state === 'resolved') {
    const back = incident.news.findLast(({ phase }) => phase === 'ends');
    const when = back?.endedAt ?? back?.at;
    return when === undefined ? [] : [`${from} is back since ${clock(when, zone)}: the rescue window is over`];
  }
  const jobs = rescueJobs(incident).map(({ job }) => job);
  const armed = jobs.filter((job) => !disabled.has(job));
  const safe = jobs.filter((job) => disabled.has(job));
  return [
    ...(safe.length > 0 ? [`Disabled: ${safe.join(', ')}; what ${from} holds of them is not overwritten`] : []),
    ...(armed.length > 0
      ? [
          `RESCUE: keep ${from} OFF; its return erases the lost minutes there`,
          `To keep them: disable ${armed.join(', ')} before ${from} is back`,
        ]
      : []),
  ];
}

/** Six at most, so that acknowledging stays in sight; the card names them all. */
export function rescueOffers(incident: Incident, disabled: ReadonlySet<string>): readonly Offer[] {
  return rescueJobs(incident)
    .filter(({ job }) => !disabled.has(job))
    .slice(0, 6)
    .map(({ job }) => ({
      label: `Disable ${job}`,
      style: 'danger',
      command: 'replication disable',
      options: { job },
    }));
}
