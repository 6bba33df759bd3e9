import { z } from 'zod';
import type { Clock } from './contracts/clock.ts';
import type { Store } from './contracts/store.ts';
import type { WatchWorld } from './contracts/watch.ts';
import type { OutboxCounts } from './outbox.ts';
import { exposition, type Family, type Sample } from './prometheus.ts';

/** What `/metrics` tells: counted when it is asked, from the store and from what the watch knows now. */

export interface MetricParts {
  readonly store: Pick<Store, 'figures' | 'incidents'>;
  readonly outbox: { readonly counts: OutboxCounts };
  readonly clock: Pick<Clock, 'now'>;
  readonly leading: () => boolean;
  readonly watch?: WatchFigures;
}

/** As the poller tells it. */
export interface WatchFigures {
  counts(): ReadonlyMap<string, PollFigures>;
  /** Undefined before the first look. */
  memory(cluster: string): Remembered | undefined;
}

/** Times in milliseconds. */
export interface PollFigures {
  readonly looks: number;
  readonly missed: number;
  readonly seenAt: number;
  readonly lag: number;
  readonly broken: number;
  readonly news: number;
}

export interface Remembered {
  readonly world: Pick<WatchWorld, 'syncs' | 'guests'>;
  readonly parts: Readonly<Record<string, unknown>>;
}

export async function metricsText(parts: MetricParts): Promise<string> {
  const { store, outbox, clock, leading, watch } = parts;
  const now = clock.now() / 1000;
  const [figures, open] = await Promise.all([store.figures(), store.incidents({ states: ['open'], limit: 5000 })]);
  const byIncident = Map.groupBy(open, ({ cluster, severity, acknowledged, held }) =>
    JSON.stringify({ cluster, severity, acknowledged: acknowledged ? 'yes' : 'no', held: held ? 'yes' : 'no' }),
  );
  const { delivered, failed, elsewhere } = outbox.counts;
  const waiting = figures.waitingSince === undefined ? 0 : Math.max(0, now - figures.waitingSince / 1000);
  return exposition([
    family('leading', 'Whether this process leads: 1, or stands by: 0.', [{ value: leading() ? 1 : 0 }]),
    family(
      'requests',
      'Requests to change a cluster (each is a run once it is approved), by command and state.',
      figures.requests.map(({ count, ...labels }) => ({ labels, value: count })),
    ),
    family(
      'votes',
      'Approvals, denials, confirmations and proofs.',
      figures.votes.map(({ kind, count }) => ({ labels: { kind }, value: count })),
    ),
    family(
      'incidents_open',
      'Incidents that are open now.',
      [...byIncident].map(([labels, list]) => ({ labels: JSON.parse(labels), value: list.length })),
    ),
    family('outbox_backlog', 'Messages whose newest state is not delivered.', [{ value: figures.backlog }]),
    family('outbox_oldest_seconds', 'How long the oldest message waits that was never posted; 0: none does.', [
      { value: waiting },
    ]),
    family('deliveries_total', 'Messages posted or edited since the start.', platforms(delivered)),
    family('delivery_failures_total', 'Tries to post or edit that failed since the start.', platforms(failed)),
    family('deliveries_elsewhere_total', 'Alerts told on the other platform since the start.', platforms(elsewhere)),
    ...(watch ? watched(watch, now) : []),
  ]);
}

const family = (name: string, help: string, samples: readonly Sample[]): Family => ({
  name: `bascule_${name}`,
  help,
  samples,
});

const platforms = (counts: ReadonlyMap<string, number>): readonly Sample[] =>
  [...counts].map(([platform, value]) => ({ labels: { platform }, value }));

function watched(watch: WatchFigures, now: number): readonly Family[] {
  const counts = [...watch.counts()];
  const known = counts.flatMap(([cluster]) => {
    const memory = watch.memory(cluster);
    return memory ? [{ cluster, memory }] : [];
  });
  const polls = (pick: (figures: PollFigures) => number) =>
    counts.map(([cluster, figures]) => ({ labels: { cluster }, value: pick(figures) }));
  const seen = counts.filter(([, { seenAt }]) => seenAt > 0);
  return [
    family(
      'polls_total',
      'Looks at a cluster since the start.',
      polls(({ looks }) => looks),
    ),
    family(
      'polls_missed_total',
      'Looks without any answer.',
      polls(({ missed }) => missed),
    ),
    family(
      'poll_lag_seconds',
      'How late the last look began.',
      polls(({ lag }) => lag / 1000),
    ),
    family(
      'watch_defects_total',
      'Answers that broke a watcher: please report.',
      polls(({ broken }) => broken),
    ),
    family(
      'news_total',
      'Things the watch found worth telling.',
      polls(({ news }) => news),
    ),
    family(
      'poll_age_seconds',
      'Since the last look that got an answer.',
      seen.map(([cluster, { seenAt }]) => ({ labels: { cluster }, value: Math.max(0, now - seenAt / 1000) })),
    ),
    family('replication_age_seconds', 'Age of the newest copy of a replication job.', known.flatMap(replicas(now))),
    family(
      'backup_last_good_timestamp_seconds',
      'When the last good backup of a guest was made.',
      known.flatMap(backups),
    ),
    family('quorum_margin_votes', 'Votes that may still be lost before quorum is.', known.flatMap(margin)),
  ];
}

interface Known {
  readonly cluster: string;
  readonly memory: Remembered;
}

const replicas =
  (now: number) =>
  ({ cluster, memory }: Known): readonly Sample[] =>
    Object.entries(memory.world.syncs).map(([job, { guest, lastSync, target }]) => ({
      labels: { cluster, job, vmid: String(guest), target },
      value: Math.max(0, now - lastSync),
    }));

/** What the watchers remember, as far as it is needed here; another shape is nothing known. */
const coverage = z.object({ good: z.record(z.string(), z.number()) });

function backups({ cluster, memory }: Known): readonly Sample[] {
  const read = coverage.safeParse(memory.parts['coverage']);
  const good = Object.entries(read.data?.good ?? {});
  return good
    .filter(([vmid]) => Number(vmid) in memory.world.guests)
    .map(([vmid, value]) => ({ labels: { cluster, vmid }, value }));
}

const ha = z.object({ nodes: z.record(z.string(), z.object({ online: z.boolean().optional() })) });
const quorum = z.object({
  qdevice: z.object({ state: z.string() }).optional(),
  votes: z.object({ expected: z.record(z.string(), z.number()) }),
});

/** A QDevice has one vote, as with an even number of nodes (ffsplit); unknown votes are no margin. */
function margin({ cluster, memory }: Known): readonly Sample[] {
  const [nodes, votes] = [ha.safeParse(memory.parts['ha']).data?.nodes, quorum.safeParse(memory.parts['quorum']).data];
  if (!nodes || !votes) return [];
  const each = Object.entries(votes.votes.expected);
  const sum = (list: typeof each) => list.reduce((total, [, count]) => total + count, 0);
  const device = votes.qdevice ? 1 : 0;
  const present =
    sum(each.filter(([node]) => nodes[node]?.online === true)) + (votes.qdevice?.state === 'connected' ? 1 : 0);
  const needed = Math.floor((sum(each) + device) / 2) + 1;
  return [{ labels: { cluster }, value: present - needed }];
}
