import { z } from 'zod';
import type { GuestName, News, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { type BackupJob, covers, longestGap, readJobs } from './backup-jobs.ts';
import { called, span } from './ha-memory.ts';
import { maybe, name, num, pathOf, rows } from './read.ts';
import { guestRows } from './resources.ts';

/** Guests that no backup job takes along, and guests whose last good backup is too old. */

export interface CoverageMemory {
  jobs?: BackupJob[];
  /** Guests in no job at all, as Proxmox says. */
  none?: { vmid: number; name?: string }[];
  templates: number[];
  /** First seen; 0: there when the watch began. */
  since: Record<number, number>;
  begun?: number;
  /** By storage: when it was last listed and had anything in it. */
  listed: Record<string, number>;
  /** The newest good backup, epoch seconds. */
  good: Record<number, number>;
  toldNone: number[];
  toldOld: number[];
  judgedAt?: number;
}

const CONTENT = /^\/nodes\/[^/]+\/storage\/([^/]+)\/content$/;
const NOT_BACKED_UP = '/cluster/backup-info/not-backed-up';
/** Seconds that a new guest may be without. */
const GRACE = 86_400;
/** A listing older than this proves nothing about now. */
const FRESH = 6 * 3600;
/** How long a backup may take beyond its schedule. */
const RUNNING_TIME = 2 * 3600;

const uncoveredRow = z.object({ vmid: num, name: maybe(name) });
const contentRow = z.object({
  volid: name,
  ctime: num,
  vmid: maybe(num),
  verification: maybe(z.object({ state: maybe(name) })),
});

export const coverageWatcher: Watcher<CoverageMemory> = {
  name: 'coverage',
  blank: { templates: [], since: {}, listed: {}, good: {}, toldNone: [], toldOld: [] },
  wants(endpoint) {
    const path = pathOf(endpoint);
    if (CONTENT.test(path)) return /[?&]content=backup(&|$)/.test(endpoint);
    return [NOT_BACKED_UP, '/cluster/backup', '/cluster/resources'].includes(path);
  },
  see(before, { endpoint, status, data, at }): Step<CoverageMemory> {
    if (status !== 200 || !Array.isArray(data)) return { memory: before, news: [] };
    const memory = structuredClone(before);
    const path = pathOf(endpoint);
    const storage = CONTENT.exec(path)?.[1];
    if (storage) content(memory, decodeURIComponent(storage), data, at, !/[?&]vmid=/.test(endpoint));
    else if (path === '/cluster/backup') memory.jobs = readJobs(data);
    else if (path === NOT_BACKED_UP)
      memory.none = rows(uncoveredRow, data).map(({ vmid, name: called }) => ({
        vmid,
        ...(called ? { name: called } : {}),
      }));
    else guests(memory, data, at);
    return { memory, news: [] };
  },
  /** Judged when all is known, once a minute: no single answer says enough. */
  pass(before, at, world) {
    if (before.judgedAt !== undefined && at - before.judgedAt < 60 && at >= before.judgedAt)
      return { memory: before, news: [] };
    const memory = structuredClone(before);
    memory.judgedAt = at;
    const news = [...uncovered(memory, at, world), ...tooOld(memory, at, world)];
    return { memory, news: news.map((one) => ({ ...one, cluster: world.cluster, at })) };
  },
};

function content(memory: CoverageMemory, storage: string, data: unknown, at: number, whole: boolean): void {
  const told = rows(contentRow, data);
  // Without the right to see backups the list is empty, with status 200 (ODDITIES 35).
  if (told.length > 0 && whole) memory.listed[storage] = at;
  for (const { volid, ctime, vmid, verification } of told) {
    const guest = vmid ?? vmidIn(volid);
    if (guest === undefined || verification?.state === 'failed') continue;
    memory.good[guest] = Math.max(memory.good[guest] ?? 0, ctime);
  }
}

function vmidIn(volid: string): number | undefined {
  const found = /(?:vzdump-(?:lxc|qemu)-|backup\/(?:ct|vm)\/)(\d+)/.exec(volid);
  return found ? Number(found[1]) : undefined;
}

function guests(memory: CoverageMemory, data: unknown, at: number): void {
  const told = guestRows(data);
  if (told.length === 0) return;
  memory.templates = told.filter(({ template }) => template).map(({ vmid }) => vmid);
  for (const { vmid } of told) memory.since[vmid] ??= memory.begun === undefined ? 0 : at;
  memory.begun ??= at;
}

function watched(memory: CoverageMemory, world: WatchWorld) {
  return Object.values(world.guests).filter(({ vmid }) => !memory.templates.includes(vmid));
}

export interface Uncovered extends GuestName {
  /** In no enabled job, but in this disabled one: Proxmox counts that as covered (ODDITIES 101). */
  readonly disabledJob?: string;
}

/** Guests that nothing backs up, of those given. */
export function uncoveredGuests(
  jobs: readonly BackupJob[],
  inNoJob: readonly number[],
  all: readonly (GuestName & { node?: string; pool?: string })[],
): Uncovered[] {
  return all.flatMap(({ vmid, type, name: called, node, pool }): Uncovered[] => {
    const guest = { vmid, ...(type ? { type } : {}), ...(called ? { name: called } : {}) };
    if (inNoJob.includes(vmid)) return [guest];
    const in_ = jobs.filter((job) => covers(job, { vmid, ...(node ? { node } : {}), ...(pool ? { pool } : {}) }));
    if (in_.length === 0 || in_.some(({ enabled }) => enabled)) return [];
    return [{ ...guest, disabledJob: in_[0]!.id }];
  });
}

type Untold = Omit<News, 'cluster'>;

function uncovered(memory: CoverageMemory, at: number, world: WatchWorld): Untold[] {
  if (!memory.none || !memory.jobs || memory.begun === undefined) return [];
  const none = memory.none.map(({ vmid }) => vmid);
  const found = uncoveredGuests(memory.jobs, none, watched(memory, world)).filter(
    ({ vmid }) => memory.toldNone.includes(vmid) || at - (memory.since[vmid] ?? at) >= GRACE,
  );
  const before = memory.toldNone;
  memory.toldNone = found.map(({ vmid }) => vmid);
  if (same(before, memory.toldNone)) return [];
  const incident = 'backup-coverage';
  if (found.length === 0)
    return [
      {
        kind: 'backup-covered',
        severity: 'info',
        incident,
        phase: 'ends',
        text: 'Every guest is in a backup job again',
      },
    ];
  const lines = found
    .slice(0, 10)
    .map((one) => `${called(one)}${one.disabledJob ? ` (only in ${one.disabledJob}, disabled)` : ''}`);
  return [
    {
      kind: 'backup-not-covered',
      severity: 'warning',
      incident,
      phase: before.length > 0 ? 'goes-on' : 'opens',
      guests: found.map(({ disabledJob: _, ...guest }) => guest),
      text: [
        `${found.length} guest${found.length === 1 ? ' has' : 's have'} no backup job`,
        ...lines,
        ...more(found.length),
      ].join('\n'),
      facts: { count: found.length },
    },
  ];
}

function tooOld(memory: CoverageMemory, at: number, world: WatchWorld): Untold[] {
  const { jobs, begun } = memory;
  if (!jobs || begun === undefined) return [];
  const before = memory.toldOld;
  const found = watched(memory, world).flatMap((guest) => {
    const mine = jobs.filter((job) => job.enabled && covers(job, guest));
    const fresh = mine.every(({ storage }) => at - (memory.listed[storage] ?? Number.NEGATIVE_INFINITY) <= FRESH);
    // What cannot be seen stays as it was told.
    if (mine.length === 0 || guest.node in world.trouble) return [];
    if (!fresh) return before.includes(guest.vmid) ? [{ guest, limit: 0 }] : [];
    const limit = Math.max(
      world.limits.backupTooOld,
      Math.min(...mine.map(({ schedule }) => longestGap(schedule))) + RUNNING_TIME,
    );
    const last = memory.good[guest.vmid] ?? Math.max(memory.since[guest.vmid] ?? at, begun);
    return at - last > limit ? [{ guest, limit }] : [];
  });
  memory.toldOld = found.map(({ guest }) => guest.vmid);
  if (same(before, memory.toldOld)) return [];
  const incident = 'backup-age';
  if (found.length === 0)
    return [
      {
        kind: 'backup-recent',
        severity: 'info',
        incident,
        phase: 'ends',
        text: 'Every guest has a recent backup again',
      },
    ];
  const lines = found.slice(0, 10).map(({ guest }) => {
    const last = memory.good[guest.vmid];
    return `${called(guest)}: ${last === undefined ? 'none seen' : `${span(at - last)} ago`}`;
  });
  return [
    {
      kind: 'backup-too-old',
      severity: 'warning',
      incident,
      phase: before.length > 0 ? 'goes-on' : 'opens',
      guests: found.map(({ guest: { vmid, type, name: known } }) => ({
        vmid,
        ...(type ? { type } : {}),
        ...(known ? { name: known } : {}),
      })),
      text: [
        `Last good backup too old: ${found.length} guest${found.length === 1 ? '' : 's'}`,
        ...lines,
        ...more(found.length),
      ].join('\n'),
      facts: {
        count: found.length,
        lastGood: Object.fromEntries(found.map(({ guest }) => [guest.vmid, memory.good[guest.vmid] ?? null])),
      },
    },
  ];
}

function more(count: number): string[] {
  return count > 10 ? [`and ${count - 10} more`] : [];
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
