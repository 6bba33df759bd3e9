import { z } from 'zod';
import type { News, Severity, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { name, num, pathOf, rows } from './read.ts';
import { onlineNodes, type StorageRow, storageRows } from './resources.ts';

/** Storages: nearly full, gone, well again. A shared one is one storage, on however many nodes (ODDITIES 25). */

export interface StorageMemory {
  /** By key, the severity told. */
  full: Record<string, Severity>;
  /** By key, by node: since when it is away, and how often that was seen. */
  away: Record<string, Record<string, { since: number; looks: number }>>;
  /** By key, the nodes told. */
  offline: Record<string, string[]>;
}

/** Seconds and looks before a storage that is not available counts as offline: a mount may take its time. */
const AWAY = 180;
const LOOKS = 3;

export const storageWatcher: Watcher<StorageMemory> = {
  name: 'storage',
  blank: { full: {}, away: {}, offline: {} },
  wants: (endpoint) => ['/cluster/resources', '/status/datastore-usage'].includes(pathOf(endpoint)),
  see(before, { status, data, at, endpoint, via }, world): Step<StorageMemory> {
    if (status !== 200 || !Array.isArray(data)) return { memory: before, news: [] };
    const memory = structuredClone(before);
    const pbs = pathOf(endpoint) === '/status/datastore-usage';
    const told = pbs ? datastores(data, via) : storageRows(data);
    const online = onlineNodes(data);
    const news: Omit<News, 'cluster'>[] = [];
    for (const [key, group] of Object.entries(byKey(told))) {
      const filled = group.find(({ disk, maxdisk }) => disk !== undefined && (maxdisk ?? 0) > 0);
      if (filled) news.push(...filling(memory, key, filled, at, world));
      if (!pbs) news.push(...availability(memory, key, group, { at, world, online }));
    }
    return { memory, news: news.map((one) => ({ ...one, cluster: world.cluster })) };
  },
};

const usage = z.object({ store: name, used: num, total: num });

/** A PBS tells its datastores in its own words. */
function datastores(data: unknown, via: string): StorageRow[] {
  return rows(usage, data).map(({ store, used, total }) => ({
    type: 'storage',
    storage: `${via}/${store}`,
    node: via,
    status: 'available',
    shared: true,
    plugintype: 'datastore',
    content: 'backup',
    disk: used,
    maxdisk: total,
  }));
}

function byKey(told: readonly StorageRow[]): Record<string, StorageRow[]> {
  const groups: Record<string, StorageRow[]> = Object.create(null);
  for (const row of told) {
    const key = row.shared ? row.storage : `${row.node}/${row.storage}`;
    groups[key] = [...(groups[key] ?? []), row];
  }
  return groups;
}

/** Where it is, as people say it. */
function called(row: StorageRow): string {
  return row.shared ? row.storage : `${row.storage} on ${row.node}`;
}

const LEVELS: readonly Severity[] = ['warning', 'error', 'critical'];

function levelOf(used: number, { storageFull }: WatchWorld['limits']): Severity | undefined {
  const rest = 1 - storageFull;
  if (used < storageFull) return undefined;
  if (used >= 1 - rest / 10) return 'critical';
  return used >= 1 - rest / 2 ? 'error' : 'warning';
}

function filling(
  memory: StorageMemory,
  key: string,
  row: StorageRow,
  at: number,
  { limits }: WatchWorld,
): Omit<News, 'cluster'>[] {
  const used = row.disk! / row.maxdisk!;
  const level = levelOf(used, limits);
  const told = memory.full[key];
  const percent = Math.round(used * 1000) / 10;
  const common = {
    incident: `storage/${key}`,
    ...(row.shared ? {} : { node: row.node }),
    at,
    facts: { storage: row.storage, shared: row.shared, percent, used: row.disk!, total: row.maxdisk! },
  };
  const amount = `${bytes(row.disk!)} of ${bytes(row.maxdisk!)}`;
  if (level && (!told || LEVELS.indexOf(level) > LEVELS.indexOf(told))) {
    memory.full[key] = level;
    const text = `Storage ${called(row)}: ${percent} % full, ${amount}`;
    return [{ kind: 'storage-full', severity: level, phase: told ? 'goes-on' : 'opens', text, ...common }];
  }
  if (told && used < limits.storageFull - limits.hysteresis) {
    delete memory.full[key];
    const text = `Storage ${called(row)}: ${percent} % again, ${amount}`;
    return [{ kind: 'storage-ok', severity: 'info', phase: memory.offline[key] ? 'goes-on' : 'ends', text, ...common }];
  }
  return [];
}

interface Look {
  readonly at: number;
  readonly world: WatchWorld;
  readonly online: Readonly<Record<string, boolean>>;
}

/** `unknown` is what a dead node's storages say, too: only nodes that are well can miss a storage. */
function availability(
  memory: StorageMemory,
  key: string,
  group: readonly StorageRow[],
  look: Look,
): Omit<News, 'cluster'>[] {
  const { at, world, online } = look;
  const well = ({ node }: StorageRow) =>
    online[node] !== false && world.nodes[node]?.online !== false && !(node in world.trouble);
  const seen = group.filter(well);
  const before = memory.away[key] ?? {};
  const away: StorageMemory['away'][string] = {};
  for (const { node, status } of seen)
    if (status !== 'available')
      away[node] = { since: before[node]?.since ?? at, looks: (before[node]?.looks ?? 0) + 1 };
  if (Object.keys(away).length > 0) memory.away[key] = away;
  else delete memory.away[key];
  const gone = Object.entries(away).filter(([, { since, looks }]) => at - since >= AWAY && looks >= LOOKS);
  const nodes = gone.map(([node]) => node).sort();
  const told = memory.offline[key];
  const row = group[0]!;
  const common = { incident: `storage/${key}`, ...(row.shared ? {} : { node: row.node }), at };
  if (nodes.length > (told?.length ?? 0)) {
    memory.offline[key] = nodes;
    const everywhere = seen.length > 0 && nodes.length === seen.length;
    const where = row.shared ? (everywhere ? 'on every node' : `on ${nodes.join(', ')}`) : '';
    return [
      {
        kind: 'storage-offline',
        severity: everywhere ? 'error' : 'warning',
        phase: told || memory.full[key] ? 'goes-on' : 'opens',
        startedAt: Math.min(...gone.map(([, { since }]) => since)),
        text: `Storage ${called(row)} is not available ${where}`.trim(),
        facts: { storage: row.storage, shared: row.shared, nodes, everywhere },
        ...common,
      },
    ];
  }
  if (told && seen.length > 0 && Object.keys(away).length === 0) {
    delete memory.offline[key];
    return [
      {
        kind: 'storage-ok',
        severity: 'info',
        phase: memory.full[key] ? 'goes-on' : 'ends',
        text: `Storage ${called(row)} is available again`,
        facts: { storage: row.storage, shared: row.shared, nodes: told },
        ...common,
      },
    ];
  }
  return [];
}

/** `1.5 TB`: powers of 1024, as Proxmox shows them. */
export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  let amount = count;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount >= 100 || unit === 0 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}
