import { z } from 'zod';
import type { Observation } from './contracts/watch.ts';
import type { WatchRules } from './settings.ts';
import { flag, maybe, name, rows, text } from './watch/read.ts';

/**
 * What is to be asked of one cluster and when: pure but for what it remembers. Times: epoch milliseconds. Everything is
 * due at the first look; from then on each endpoint a little before its interval is over, so that hundreds of them do
 * not fall on the same second.
 */
export interface Question {
  readonly endpoint: string;
  /** Seconds. */
  readonly every: number;
  /** The node it is asked of; it is online. */
  readonly node?: string;
}

/** What the plan has to know of a cluster; read from what passes by. */
export interface Known {
  /** By node: online. */
  readonly nodes: Readonly<Record<string, boolean>>;
  /** Where backups are kept: the node and the storage, shared ones once. */
  readonly backups: readonly { readonly node: string; readonly storage: string }[];
  readonly ceph: boolean;
  /** What HA looked like: when it changes, more is asked. */
  readonly ha: string;
  /** Backup tasks that have ended: when one more has, what backups there are is asked again. */
  readonly ended: string;
}

export const nothingKnown: Known = { nodes: {}, backups: [], ceph: false, ha: '', ended: '' };

export const STATUS = '/cluster/status';
export const HA = '/cluster/ha/status/current';
export const MANAGER = '/cluster/ha/status/manager_status';

export function questions(known: Known, watch: WatchRules): Question[] {
  const all = [
    { endpoint: HA, every: watch.status },
    { endpoint: MANAGER, every: watch.replication },
    { endpoint: '/cluster/tasks', every: watch.status },
    { endpoint: '/cluster/resources', every: watch.resources },
    { endpoint: '/cluster/config/nodes', every: watch.replication },
    { endpoint: '/cluster/config/qdevice', every: watch.replication },
    { endpoint: '/cluster/replication', every: watch.replication },
    { endpoint: '/cluster/backup', every: watch.backups },
    { endpoint: '/cluster/backup-info/not-backed-up', every: watch.backups },
    { endpoint: '/cluster/ceph/status', every: known.ceph ? watch.replication : watch.backups },
  ];
  const online = Object.keys(known.nodes).filter((node) => known.nodes[node]);
  const ofNodes = online.flatMap((node) => [
    { node, endpoint: `/nodes/${node}/replication`, every: watch.replication },
    { node, endpoint: `/nodes/${node}/disks/zfs`, every: watch.health },
    { node, endpoint: `/nodes/${node}/tasks?typefilter=vzdump&source=all&limit=100`, every: watch.backups },
    { node, endpoint: `/nodes/${node}/certificates/info`, every: watch.slow },
    { node, endpoint: `/nodes/${node}/apt/update`, every: watch.slow },
  ]);
  const contents = known.backups
    .filter(({ node }) => known.nodes[node])
    .map(({ node, storage }) => ({
      node,
      endpoint: `/nodes/${node}/storage/${storage}/content?content=backup`,
      every: watch.backups,
    }));
  return [...all, ...ofNodes, ...contents];
}

/** When each endpoint is due. */
export class Calendar {
  readonly #due = new Map<string, number>();
  readonly #random: () => number;
  #latest = Number.NEGATIVE_INFINITY;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Those that are due, which are put off to their next time. A clock that was put back makes everything due. */
  take(all: readonly Question[], now: number): Question[] {
    if (now < this.#latest) this.#due.clear();
    this.#latest = now;
    const due = all.filter(({ endpoint }) => (this.#due.get(endpoint) ?? 0) <= now);
    for (const { endpoint, every } of due) this.#due.set(endpoint, now + every * 1000 * (1 - 0.1 * this.#random()));
    const wanted = new Set(all.map(({ endpoint }) => endpoint));
    for (const endpoint of this.#due.keys()) if (!wanted.has(endpoint)) this.#due.delete(endpoint);
    return due;
  }

  /** Due at the next look. */
  hasten(which: (endpoint: string) => boolean): void {
    for (const endpoint of this.#due.keys()) if (which(endpoint)) this.#due.delete(endpoint);
  }

  /** It got no answer: due again at `at`, if not before. */
  again(endpoint: string, at: number): void {
    const due = this.#due.get(endpoint);
    if (due !== undefined && due > at) this.#due.set(endpoint, at);
  }
}

const nodeRow = z.object({ type: z.literal('node'), name, online: flag });
const storageRow = z.object({
  type: z.literal('storage'),
  storage: name,
  node: name,
  content: text,
  status: maybe(text),
  shared: flag.catch(false),
});
const taskRow = z.object({ upid: name, type: z.literal('vzdump'), status: name });
const haRow = z.looseObject({ type: z.string() });

/** What is known after one answer; of a node without quorum only what cannot be frozen is believed by the caller. */
export function learn(known: Known, { endpoint, status, data }: Observation): Known {
  if (endpoint === '/cluster/ceph/status') return { ...known, ceph: status === 200 };
  if (status !== 200) return known;
  if (endpoint === STATUS) {
    const told = rows(nodeRow, data);
    return told.length === 0
      ? known
      : { ...known, nodes: Object.fromEntries(told.map((row) => [row.name, row.online])) };
  }
  if (endpoint === '/cluster/resources') return { ...known, backups: backupsIn(known, data) };
  if (endpoint === HA) return { ...known, ha: haState(data) };
  if (endpoint === '/cluster/tasks') return { ...known, ended: endedIn(data) };
  return known;
}

function endedIn(data: unknown): string {
  const told = rows(taskRow, data).filter(({ status }) => status !== 'RUNNING');
  return told
    .map(({ upid }) => upid)
    .sort()
    .join('\n');
}

function backupsIn(known: Known, data: unknown): Known['backups'] {
  const seen = new Set<string>();
  return rows(storageRow, data)
    .filter(
      ({ content, status, node }) => content.split(',').includes('backup') && status !== 'unknown' && known.nodes[node],
    )
    .filter(({ storage, node, shared }) => {
      const key = shared ? storage : `${node}/${storage}`;
      return !seen.has(key) && seen.add(key);
    })
    .map(({ node, storage }) => ({ node, storage }));
}

/** Without what changes by itself: timestamps and texts that hold them. */
function haState(data: unknown): string {
  const told = rows(haRow, data).map((row) =>
    [row.type, row['node'], row['sid'], row['crm_state'], row['state'], row['request_state'], row['quorate']].join(' '),
  );
  return told.sort().join('\n');
}

const clusterRow = z.object({ type: z.literal('cluster'), quorate: flag });
const quorumRow = z.object({ type: z.literal('quorum'), quorate: flag });

/** False when the node that answers says of itself that it has no quorum: what else it tells is frozen. */
export function hasQuorum({ endpoint, status, data }: Observation): boolean {
  if (status !== 200 || (endpoint !== STATUS && endpoint !== HA)) return true;
  return rows(z.union([clusterRow, quorumRow]), data).every(({ quorate }) => quorate);
}
