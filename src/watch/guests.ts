import { z } from 'zod';
import type { News, Observation, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { called } from './ha-memory.ts';
import { flag, maybe, name, num, pathOf, rows, text } from './read.ts';
import { type GuestRow, guestRows } from './resources.ts';
import { readUpid } from './upid.ts';

/**
 * A guest that should run and does not: it starts with its node (`onboot`), its node is well, no backup, move or
 * person stopped it. What HA manages HA's own news tell.
 */

interface Down {
  /** Last seen running, and first seen stopped. */
  ranAt: number;
  since: number;
  looks: number;
  node: string;
  type: 'lxc' | 'qemu';
  onboot?: boolean;
  told?: true;
  /** When its own tasks were last read. */
  askedAt?: number;
  /** Looks in a row without it. */
  missed?: number;
}

export interface GuestsMemory {
  /** By vmid: last seen running. */
  ran: Record<number, number>;
  down: Record<number, Down>;
  /** By vmid: when somebody last stopped, removed or moved it. */
  stops: Record<number, number>;
  /** Running backups, by UPID, and when the last of each node ended. */
  backups: Record<string, number>;
  backedUp: Record<string, number>;
}

/** Seconds and looks that it must be down; and how long after a backup nothing is said. */
const DOWN_FOR = 90;
const LOOKS = 3;
const AFTER_BACKUP = 600;
/** A stop asked before it was last seen running still counts. */
const STOP_BEFORE = 900;
const BACKUP_AT_MOST = 2 * 86_400;

const CONFIG = /^\/nodes\/[^/]+\/(?:lxc|qemu)\/(\d+)\/config$/;
const TASKS = /^(\/cluster\/tasks|\/nodes\/[^/]+\/tasks)$/;
const STOPS =
  /^(vz|qm)(stop|shutdown|destroy|migrate|suspend|reboot|restore|rollback|template|move)$|^(hastop|hamigrate|stopall|suspendall|migrateall|pbs-restore)$/;

const taskRow = z.object({ upid: name, starttime: maybe(num), endtime: maybe(num), status: maybe(text) });

export const guestsWatcher: Watcher<GuestsMemory> = {
  name: 'guests',
  blank: { ran: {}, down: {}, stops: {}, backups: {}, backedUp: {} },
  wants(endpoint) {
    const path = pathOf(endpoint);
    return path === '/cluster/resources' || TASKS.test(path) || CONFIG.test(path);
  },
  see(before, observation, world): Step<GuestsMemory> {
    const { endpoint, status, data } = observation;
    const path = pathOf(endpoint);
    const config = CONFIG.exec(path);
    const refused = config && status >= 400 && status < 595;
    if (status !== 200 && !refused) return { memory: before, news: [] };
    const memory = structuredClone(before);
    if (config) {
      const down = memory.down[Number(config[1])];
      // Nobody can know whether it should run.
      if (down && refused) down.onboot = false;
      const onboot = z.object({ onboot: flag.catch(false) }).safeParse(data);
      if (down && onboot.success) down.onboot = onboot.data.onboot;
      return { memory, news: [] };
    }
    if (TASKS.test(path)) {
      const asked = memory.down[Number(/[?&]vmid=(\d+)/.exec(endpoint)?.[1])];
      if (asked) asked.askedAt = observation.at;
      tasks(memory, data, observation.at);
      return { memory, news: [] };
    }
    const told = guestRows(data);
    const news = told.flatMap((row) => looked(memory, row, observation, world));
    if (told.length > 0) news.push(...vanished(memory, new Set(told.map(({ vmid }) => vmid)), observation.at));
    return { memory, news: news.map((one) => ({ ...one, cluster: world.cluster })) };
  },
};

function tasks(memory: GuestsMemory, data: unknown, at: number): void {
  for (const row of rows(taskRow, data)) {
    const upid = readUpid(row.upid);
    if (!upid) continue;
    if (upid.type === 'vzdump') {
      const ended = row.endtime !== undefined || (row.status !== undefined && row.status !== 'RUNNING');
      if (ended) {
        delete memory.backups[row.upid];
        memory.backedUp[upid.node] = Math.max(memory.backedUp[upid.node] ?? 0, row.endtime ?? at);
      } else memory.backups[row.upid] = upid.start;
    } else if (STOPS.test(upid.type)) {
      // `stopall` names no guest: it is for all of its node.
      const vmids = /^\d+$/.test(upid.id)
        ? [Number(upid.id)]
        : Object.entries(memory.down).flatMap(([vmid, { node }]) => (node === upid.node ? [Number(vmid)] : []));
      for (const vmid of vmids) memory.stops[vmid] = Math.max(memory.stops[vmid] ?? 0, upid.start);
    }
  }
}

function looked(memory: GuestsMemory, row: GuestRow, { at }: Observation, world: WatchWorld): Omit<News, 'cluster'>[] {
  const { vmid, node, type } = row;
  const down = memory.down[vmid];
  if (row.template || row.status === 'unknown') return [];
  if (row.status !== 'stopped') {
    memory.ran[vmid] = at;
    delete memory.down[vmid];
    return down?.told ? [up(row, down, at)] : [];
  }
  const ranAt = memory.ran[vmid];
  // Never seen running: nobody knows that it should.
  if (ranAt === undefined) return [];
  const excused =
    row.lock !== undefined ||
    row.hastate !== undefined ||
    node in world.trouble ||
    world.nodes[node]?.online === false ||
    (down !== undefined && down.node !== node) ||
    backupWindow(memory, node, at) ||
    (memory.stops[vmid] ?? 0) >= ranAt - STOP_BEFORE;
  if (excused) {
    if (down && !down.told) delete memory.down[vmid];
    if ((memory.stops[vmid] ?? 0) >= ranAt - STOP_BEFORE && !down?.told) delete memory.ran[vmid];
    return [];
  }
  const now: Down = { ...(down ?? { ranAt, since: at, looks: 0, node, type }), looks: (down?.looks ?? 0) + 1 };
  memory.down[vmid] = now;
  if (now.told || now.onboot !== true || at - now.since < DOWN_FOR || now.looks < LOOKS) return [];
  now.told = true;
  const guest = { vmid, type, ...(row.name ? { name: row.name } : {}) };
  return [
    {
      kind: 'guest-down',
      severity: 'warning',
      incident: `guest/${vmid}`,
      phase: 'opens',
      guest,
      node,
      startedAt: ranAt,
      at,
      text: `${called(guest)} on ${node} is down; nobody stopped it`,
    },
  ];
}

/** Down, and then removed: nobody waits for it. */
function vanished(memory: GuestsMemory, there: ReadonlySet<number>, at: number): Omit<News, 'cluster'>[] {
  const news: Omit<News, 'cluster'>[] = [];
  for (const [key, down] of Object.entries(memory.down)) {
    const vmid = Number(key);
    if (there.has(vmid)) continue;
    down.missed = (down.missed ?? 0) + 1;
    if (down.missed < LOOKS) continue;
    delete memory.down[vmid];
    delete memory.ran[vmid];
    if (down.told)
      news.push({
        kind: 'guest-up',
        severity: 'info',
        incident: `guest/${vmid}`,
        phase: 'ends',
        guest: { vmid, type: down.type },
        node: down.node,
        startedAt: down.ranAt,
        endedAt: at,
        at,
        text: `${vmid} on ${down.node} was removed`,
        facts: { removed: true },
      });
  }
  return news;
}

function up(row: GuestRow, down: Down, at: number): Omit<News, 'cluster'> {
  const guest = { vmid: row.vmid, type: row.type, ...(row.name ? { name: row.name } : {}) };
  return {
    kind: 'guest-up',
    severity: 'info',
    incident: `guest/${row.vmid}`,
    phase: 'ends',
    guest,
    node: row.node,
    startedAt: down.ranAt,
    endedAt: at,
    at,
    text: `${called(guest)} runs again on ${row.node}`,
  };
}

/** Stop and suspend mode take guests down for their backup, and start them again. */
function backupWindow(memory: GuestsMemory, node: string, at: number): boolean {
  if (at - (memory.backedUp[node] ?? Number.NEGATIVE_INFINITY) < AFTER_BACKUP) return true;
  return Object.entries(memory.backups).some(
    ([upid, start]) => readUpid(upid)?.node === node && at - start < BACKUP_AT_MOST,
  );
}

/** Whether it should run, and who stopped it, of guests that seem down. */
export function guestsToLookAt(memory: GuestsMemory, at: number): string[] {
  return Object.entries(memory.down).flatMap(([vmid, { node, type, onboot, looks, askedAt }]) => {
    if (onboot === false || looks > 5) return [];
    return [
      ...(onboot === undefined ? [`/nodes/${node}/${type}/${vmid}/config`] : []),
      ...(looks <= LOOKS && at - (askedAt ?? 0) >= 20 ? [`/nodes/${node}/tasks?vmid=${vmid}&source=all&limit=20`] : []),
    ];
  });
}
