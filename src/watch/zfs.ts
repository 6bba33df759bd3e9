import { z } from 'zod';
import type { News, Watcher } from '../contracts/watch.ts';
import { name, pathOf, rows } from './read.ts';

/** Health of the ZFS pools: `/nodes/N/disks/zfs`. */

export interface ZfsMemory {
  /** By node/pool, the health told; only of pools that are not well. */
  bad: Record<string, string>;
}

const PATH = /^\/nodes\/([^/]+)\/disks\/zfs$/;
const poolRow = z.object({ name, health: name });

export const zfsWatcher: Watcher<ZfsMemory> = {
  name: 'zfs',
  blank: { bad: {} },
  wants: (endpoint) => PATH.test(pathOf(endpoint)),
  see(memory, { endpoint, status, data, at }, { cluster }) {
    if (status !== 200) return { memory, news: [] };
    const node = PATH.exec(pathOf(endpoint))![1]!;
    const bad = { ...memory.bad };
    const news = rows(poolRow, data).flatMap(({ name: pool, health }): News[] => {
      const key = `${node}/${pool}`;
      const before = bad[key];
      if (health === (before ?? 'ONLINE')) return [];
      const common = { cluster, incident: `zfs/${key}`, node, at, facts: { pool, health } };
      if (health === 'ONLINE') {
        delete bad[key];
        return [
          {
            kind: 'zfs-ok',
            severity: 'info',
            phase: 'ends',
            text: `ZFS pool ${pool} on ${node} is well again`,
            ...common,
          },
        ];
      }
      bad[key] = health;
      const lost = health !== 'DEGRADED';
      const text = lost
        ? `ZFS pool ${pool} on ${node}: ${health}, its data cannot be used`
        : `ZFS pool ${pool} on ${node}: DEGRADED, a disk is missing or failing`;
      const severity = lost ? 'critical' : 'error';
      return [{ kind: 'zfs-degraded', severity, phase: before ? 'goes-on' : 'opens', text, ...common }];
    });
    return { memory: { bad }, news };
  },
};
