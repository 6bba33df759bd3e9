import { z } from 'zod';
import type { Observation, WatchWorld } from '../contracts/watch.ts';
import { maybe, name, num, pathOf, rows, text } from './read.ts';

/** What every watcher may know: guests by name, and when each replica was last good. Both outlive the node. */

export type Guests = WatchWorld['guests'];
export type Syncs = WatchWorld['syncs'];

export interface WorldMemory {
  readonly guests: Guests;
  /** By vmid: answers in a row without it; one empty answer makes nobody disappear (ODDITIES 23). */
  readonly missed: Readonly<Record<number, number>>;
  readonly syncs: Syncs;
}

export const blankWorld: WorldMemory = { guests: {}, missed: {}, syncs: {} };

const guestRow = z.object({
  type: z.enum(['lxc', 'qemu']),
  vmid: num,
  node: name,
  status: name.catch('unknown'),
  name: maybe(name),
  lock: maybe(name),
  tags: maybe(text),
  pool: maybe(name),
  hastate: maybe(name),
});

const syncRow = z.object({
  id: z.string().regex(/^\d+-\d+$/),
  guest: num,
  source: maybe(name),
  target: name,
  last_sync: num,
});

/** The world after one trusted answer. */
export function worldAfter(memory: WorldMemory, { endpoint, status, data, at }: Observation): WorldMemory {
  if (status !== 200) return memory;
  const path = pathOf(endpoint);
  if (path === '/cluster/resources') return { ...memory, ...guestsAfter(memory, data) };
  if (/^\/nodes\/[^/]+\/replication$/.test(path)) return { ...memory, syncs: syncsAfter(memory.syncs, data, at) };
  return memory;
}

function guestsAfter({ guests, missed }: WorldMemory, data: unknown): Pick<WorldMemory, 'guests' | 'missed'> {
  const told = rows(guestRow, data);
  if (!Array.isArray(data) || data.length === 0) return { guests, missed };
  const next: Record<number, Guests[number]> = {};
  const nextMissed: Record<number, number> = {};
  for (const { vmid, tags, ...row } of told) {
    const known = guests[vmid];
    const called = row.name ?? known?.name;
    next[vmid] = {
      vmid,
      type: row.type,
      node: row.node,
      status: row.status,
      tags: tags ? tags.split(/[;, ]+/).filter(Boolean) : [],
      ...(called ? { name: called } : {}),
      ...(row.lock ? { lock: row.lock } : {}),
      ...(row.pool ? { pool: row.pool } : {}),
      ...(row.hastate ? { hastate: row.hastate } : {}),
    };
  }
  for (const [key, known] of Object.entries(guests)) {
    const vmid = Number(key);
    if (next[vmid]) continue;
    const misses = (missed[vmid] ?? 0) + 1;
    if (misses >= 2) continue;
    next[vmid] = known;
    nextMissed[vmid] = misses;
  }
  return { guests: next, missed: nextMissed };
}

/** A reversed job starts again at 0 (FACTS 1.7): that is no sync, and wipes out none that is known. */
function syncsAfter(syncs: Syncs, data: unknown, at: number): Syncs {
  const good = rows(syncRow, data).filter((row) => row.last_sync > 0);
  if (good.length === 0) return syncs;
  const next: Record<string, Syncs[string]> = { ...syncs };
  for (const { id, guest, source, target, last_sync } of good)
    next[id] = { guest, ...(source ? { source } : {}), target, lastSync: last_sync, at };
  return next;
}
