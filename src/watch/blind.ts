import type { News, Watcher } from '../contracts/watch.ts';
import { isHook } from './notification.ts';

/** The bot cannot see the cluster: nothing usable was answered for a while. Says nothing of the cluster itself. */

export interface BlindMemory {
  /** The last usable answer. */
  seenAt?: number;
  /** The last step of time: a bot that was not running was not blind. */
  passedAt?: number;
  since?: number;
  /** The last failure. */
  why?: string;
}

/** Passes come every 10 s; a longer gap means that nobody looked. */
const NOT_RUNNING = 60;

export const blindWatcher: Watcher<BlindMemory> = {
  name: 'blind',
  blank: {},
  // A node without quorum still answers; what that means others say.
  frozen: true,
  wants: (endpoint) => !isHook(endpoint),
  see(memory, { status, data, error, at, via }, { cluster }) {
    if (via.startsWith('pbs:')) return { memory, news: [] };
    if (status !== 200 || data === undefined || data === null) {
      const why = `${via}: ${error ?? (status === 0 ? 'no connection' : status === 200 ? 'no JSON' : `HTTP ${status}`)}`;
      return { memory: { ...memory, seenAt: memory.seenAt ?? at, why: why.slice(0, 200) }, news: [] };
    }
    const { since, why: _, ...rest } = memory;
    if (since === undefined) return { memory: { ...rest, seenAt: at }, news: [] };
    const news: News = {
      kind: 'cluster-seen',
      severity: 'info',
      phase: 'ends',
      cluster,
      incident: 'blind',
      startedAt: since,
      endedAt: at,
      at,
      text: `${cluster} answers again, through ${via}`,
    };
    return { memory: { ...rest, seenAt: at }, news: [news] };
  },
  pass(memory, at, { cluster, limits }) {
    const { seenAt, passedAt, since, why } = memory;
    const looked = Math.max(passedAt ?? 0, seenAt ?? 0);
    const ran = at >= looked && at - looked <= NOT_RUNNING;
    const seen = seenAt === undefined || (!ran && since === undefined) ? at : Math.min(seenAt, at);
    const next = { ...memory, seenAt: seen, passedAt: at };
    if (since !== undefined || at - seen < limits.blind) return { memory: next, news: [] };
    const news: News = {
      kind: 'cluster-blind',
      severity: 'error',
      phase: 'opens',
      cluster,
      incident: 'blind',
      startedAt: seen,
      at,
      text: [
        `Bascule cannot see ${cluster} for ${Math.round(at - seen)} s: nothing else will be told of it`,
        ...(why ? [why] : []),
      ].join('\n'),
      facts: { ...(why ? { reason: why } : {}) },
    };
    return { memory: { ...next, since: seen }, news: [news] };
  },
};
