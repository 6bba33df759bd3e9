import { z } from 'zod';
import { flag, maybe, name, num, rows, text } from './read.ts';

/** `/cluster/resources`, counted and read. Pure. */

const storageRow = z.object({
  type: z.literal('storage'),
  storage: name,
  node: name,
  status: text.catch('unknown'),
  shared: flag.catch(false),
  plugintype: maybe(name),
  content: text.catch(''),
  disk: maybe(num),
  maxdisk: maybe(num),
});
export type StorageRow = z.output<typeof storageRow>;

const guestRow = z.object({
  type: z.enum(['lxc', 'qemu']),
  vmid: num,
  node: name,
  status: text.catch('unknown'),
  name: maybe(name),
  template: flag.catch(false),
  lock: maybe(name),
  hastate: maybe(name),
  pool: maybe(name),
});
export type GuestRow = z.output<typeof guestRow>;

const nodeRow = z.object({ type: z.literal('node'), node: name, status: text.catch('unknown'), hastate: maybe(name) });

export function storageRows(data: unknown): StorageRow[] {
  return rows(storageRow, data);
}

export function guestRows(data: unknown): GuestRow[] {
  return rows(guestRow, data);
}

/** By node, whether it is online by its own row. */
export function onlineNodes(data: unknown): Record<string, boolean> {
  return Object.fromEntries(rows(nodeRow, data).map(({ node, status }) => [node, status === 'online']));
}

export interface ResourceSummary {
  readonly nodes: { readonly online: number; readonly offline: number; readonly maintenance: readonly string[] };
  /** Templates are no guests: they never run. */
  readonly guests: Readonly<Record<string, number>> & { readonly running: number; readonly stopped: number };
  readonly locked: readonly { readonly vmid: number; readonly lock: string }[];
  readonly sharedStorageCountedOnce: readonly string[];
  readonly storageUnknown: readonly { readonly storage: string; readonly node: string }[];
  readonly haProblems: readonly { readonly sid: string; readonly state: string }[];
  readonly haMoving: readonly string[];
}

export function resourceSummary(data: unknown): ResourceSummary {
  const nodes = rows(nodeRow, data);
  const guests = guestRows(data);
  const storages = storageRows(data);
  const counts: Record<string, number> & { running: number; stopped: number; unknown: number; templates: number } = {
    running: 0,
    stopped: 0,
    unknown: 0,
    templates: 0,
  };
  for (const { template, status } of guests) {
    const key = template ? 'templates' : status;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  const sid = ({ type, vmid }: GuestRow) => `${type === 'lxc' ? 'ct' : 'vm'}:${vmid}`;
  return {
    nodes: {
      online: nodes.filter(({ status }) => status === 'online').length,
      offline: nodes.filter(({ status }) => status !== 'online').length,
      maintenance: nodes.filter(({ hastate }) => hastate === 'maintenance').map(({ node }) => node),
    },
    guests: counts,
    locked: guests.flatMap(({ vmid, lock }) => (lock ? [{ vmid, lock }] : [])),
    sharedStorageCountedOnce: [...new Set(storages.filter(({ shared }) => shared).map(({ storage }) => storage))],
    storageUnknown: storages
      .filter(({ status }) => status === 'unknown')
      .map(({ storage, node }) => ({ storage, node })),
    haProblems: guests.flatMap((guest) =>
      guest.hastate === 'error' ? [{ sid: sid(guest), state: guest.hastate }] : [],
    ),
    haMoving: guests.filter(({ hastate }) => hastate === 'migrate' || hastate === 'relocate').map(sid),
  };
}
