import { z } from 'zod';
import type { News, Watcher, WatchWorld } from '../contracts/watch.ts';
import { isHook, readNotification, tableRows } from './notification.ts';
import { name, pathOf, rows } from './read.ts';

/** Packages to update, at most once a week per node: from `/nodes/N/apt/update` or the nodes' own notification. */

export interface UpdatesMemory {
  /** By node: when it was told, and of how many. */
  told: Record<string, { at: number; count: number }>;
}

const PATH = /^\/nodes\/([^/]+)\/apt\/update$/;
const row = z.object({ Package: name });
const WEEK = 7 * 86_400;
/** Hours differ a little from week to week. */
const SLACK = 6 * 3600;

export const updatesWatcher: Watcher<UpdatesMemory> = {
  name: 'updates',
  blank: { told: {} },
  wants: (endpoint) => isHook(endpoint) || PATH.test(pathOf(endpoint)),
  see(memory, { endpoint, status, data, at }, world) {
    if (status !== 200) return { memory, news: [] };
    const node = PATH.exec(pathOf(endpoint))?.[1];
    if (node)
      return told(
        memory,
        node,
        rows(row, data).map((one) => one.Package),
        at,
        world,
      );
    const notification = readNotification(data);
    if (notification?.type !== 'package-updates') return { memory, news: [] };
    const packages = tableRows(notification, /^Package\s+/).map(([first]) => first!);
    return told(memory, notification.hostname ?? 'a node', packages, notification.timestamp ?? at, world);
  },
};

function told(memory: UpdatesMemory, node: string, packages: readonly string[], at: number, { cluster }: WatchWorld) {
  const known = memory.told[node];
  const count = packages.length;
  const due = !known || at - known.at >= WEEK - SLACK || at < known.at - WEEK;
  if (count === 0 || !due) return { memory, news: [] };
  const important = packages.filter((one) => /^(pve-|proxmox-|qemu-server|libpve|corosync|ceph|zfs|linux)/.test(one));
  const news: News = {
    kind: 'updates-available',
    severity: 'info',
    phase: 'note',
    cluster,
    incident: `updates/${node}`,
    node,
    at,
    text: `${count} update${count === 1 ? '' : 's'} for ${node}${important.length > 0 ? `: ${important.slice(0, 5).join(', ')}${important.length > 5 ? ' …' : ''}` : ''}`,
    facts: { count, packages: packages.slice(0, 100) },
  };
  return { memory: { told: { ...memory.told, [node]: { at, count } } }, news: [news] };
}
