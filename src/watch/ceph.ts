import { z } from 'zod';
import type { News, Watcher } from '../contracts/watch.ts';
import { entries, flag, maybe, name, num, pathOf, rows, text } from './read.ts';

/** Ceph's own word on its health: `/cluster/ceph/status` or `/nodes/N/ceph/status`. */

export interface CephMemory {
  /** What was told: the status with its checks; undefined: well. */
  told?: string;
}

const check = z.object({ summary: maybe(z.object({ message: maybe(text) })), muted: flag.catch(false) });
const answer = z.object({
  health: z.object({ status: name, checks: z.unknown().optional() }),
  osdmap: z.unknown().optional(),
  pgmap: maybe(z.object({ pgs_by_state: z.unknown().optional() })),
});
const osds = z.object({ num_osds: num, num_up_osds: num, num_in_osds: num });

export interface CephState {
  readonly status: string;
  readonly checks: readonly string[];
  readonly messages: readonly string[];
  readonly osds?: { readonly total: number; readonly up: number; readonly in: number };
  /** False: some data cannot be read or written now. */
  readonly usable: boolean;
}

/** Reads and writes stop in these states of a placement group. */
const STUCK = /(^|\+)(inactive|incomplete|down|stale|unknown|peered)(\+|$)/;
const STUCK_CHECKS = /^(PG_AVAILABILITY|OSD_FULL|POOL_FULL|MDS_ALL_DOWN)$/;

export function cephState(data: unknown): CephState | undefined {
  const read = answer.safeParse(data);
  if (!read.success) return undefined;
  const { health, osdmap, pgmap } = read.data;
  const loud = entries(check, health.checks).filter(([, { muted }]) => !muted);
  const checks = loud.map(([key]) => key).sort();
  // Older releases nest the map once more.
  const map = [osdmap, (osdmap as { osdmap?: unknown } | null | undefined)?.osdmap]
    .map((one) => osds.safeParse(one))
    .find(({ success }) => success)?.data;
  const states = rows(z.object({ state_name: text }), pgmap?.pgs_by_state);
  return {
    status: health.status,
    checks,
    messages: loud.flatMap(([, { summary }]) => (summary?.message ? [summary.message] : [])),
    ...(map ? { osds: { total: map.num_osds, up: map.num_up_osds, in: map.num_in_osds } } : {}),
    usable: !states.some(({ state_name }) => STUCK.test(state_name)) && !checks.some((one) => STUCK_CHECKS.test(one)),
  };
}

export const cephWatcher: Watcher<CephMemory> = {
  name: 'ceph',
  blank: {},
  wants: (endpoint) => /^\/(cluster|nodes\/[^/]+)\/ceph\/status$/.test(pathOf(endpoint)),
  see(memory, { status, data, at }, { cluster }) {
    const state = status === 200 ? cephState(data) : undefined;
    if (!state) return { memory, news: [] };
    const well = state.status === 'HEALTH_OK';
    const now = well ? undefined : `${state.status} ${state.usable} ${state.checks.join(' ')}`;
    if (now === memory.told) return { memory, news: [] };
    const { status: said, checks, messages, osds: counted, usable } = state;
    const facts = { status: said, checks: [...checks], ...(counted ? { osds: { ...counted } } : {}), usable };
    const news: News = well
      ? {
          kind: 'ceph-ok',
          severity: 'info',
          phase: 'ends',
          cluster,
          incident: 'ceph',
          at,
          text: 'Ceph is HEALTH_OK again',
          facts,
        }
      : {
          kind: 'ceph-health',
          severity: !usable ? 'critical' : said === 'HEALTH_ERR' ? 'error' : 'warning',
          phase: memory.told === undefined ? 'opens' : 'goes-on',
          cluster,
          incident: 'ceph',
          at,
          text: [
            `Ceph ${said}: ${usable ? 'data can be used' : 'SOME DATA CANNOT BE USED'}`,
            ...messages.slice(0, 5),
          ].join('\n'),
          facts,
        };
    return { memory: now === undefined ? {} : { told: now }, news: [news] };
  },
};
