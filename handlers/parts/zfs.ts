import type { Guest, GuestType } from '../../src/contracts/cluster.ts';
import type { NodeView, ZfsSnapshot, ZfsSnapshots } from '../../src/contracts/shell.ts';
import { attempt } from './guests.ts';
import { size } from './units.ts';

/** What only a node knows of a guest's snapshots: those made with zfs, replication's, and what each holds. */

/** `none`: the node cannot be asked, or has none of the guest's disks on ZFS. */
export type OnNode =
  | { readonly kind: 'seen'; readonly zfs: ZfsSnapshots }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'none' };

/** The helper knows containers' volumes (`subvol-…`) and VMs' (`vm-…`) alike. */
export async function onNode(
  nodes: NodeView,
  { node, vmid }: Pick<Guest, 'node' | 'vmid'> & { readonly type?: GuestType },
): Promise<OnNode> {
  if (!nodes.has(node)) return { kind: 'none' };
  const seen = await attempt(() => nodes.zfsSnapshots(node, vmid));
  if ('failed' in seen) return { kind: 'failed', why: seen.failed };
  return seen.value.here && seen.value.volumes.length > 0 ? { kind: 'seen', zfs: seen.value } : { kind: 'none' };
}

/** Space that only this snapshot holds, over all disks. */
export function held(zfs: ZfsSnapshots, name: string): number {
  return zfs.snapshots.filter((each) => each.name === name).reduce((sum, { used }) => sum + used, 0);
}

/** One name over all disks of the guest. */
export interface Hidden {
  readonly name: string;
  readonly kind: ZfsSnapshot['class'];
  /** Epoch seconds. */
  readonly taken: number;
  readonly used: number;
  readonly roles: readonly string[];
}

/** What Proxmox does not show, newest first. */
export function hiddenOf({ snapshots }: ZfsSnapshots): readonly Hidden[] {
  const groups = Map.groupBy(
    snapshots.filter(({ hidden }) => hidden),
    ({ name }) => name,
  );
  return [...groups.values()]
    .map((group) => ({
      name: group[0]!.name,
      kind: group[0]!.class,
      taken: Math.max(...group.map(({ taken }) => taken)),
      used: group.reduce((sum, { used }) => sum + used, 0),
      roles: group.map(({ role }) => role),
    }))
    .sort((a, b) => b.taken - a.taken || (a.name < b.name ? 1 : -1));
}

const KINDS: Readonly<Record<Hidden['kind'], string>> = {
  autosnap: 'autosnap',
  replication: 'replication',
  vzdump: 'backup under way',
  base: 'base of a template',
  manual: 'made with zfs',
};

export const kindText = (kind: Hidden['kind']): string => KINDS[kind];

/** `2 replication 64 MiB, 1 made with zfs 3 GiB` */
export function hiddenText(hidden: readonly Hidden[]): string {
  const groups = Map.groupBy(hidden, ({ kind }) => kind);
  return [...groups]
    .map(([kind, group]) => {
      const used = group.reduce((sum, one) => sum + one.used, 0);
      return `${group.length} ${kindText(kind)} ${size(used)}`;
    })
    .join(', ');
}

/** What stands behind a snapshot on the disks that have it, when somebody wants to go back to it. */
export interface Newer {
  /** Proxmox takes these away by itself, and says nothing. */
  readonly lost: readonly ZfsSnapshot[];
  /** zfs refuses while these are there, and Proxmox does not know of them. */
  readonly blocking: readonly ZfsSnapshot[];
}

/** The order within a disk is the order they were made in: two of one second are told apart by it. */
export function newerThan({ snapshots }: ZfsSnapshots, name: string): Newer {
  // A disk without a role is not attached, and is not rolled back.
  const attached = snapshots.filter(({ role }) => role !== '');
  const newer = [...Map.groupBy(attached, ({ dataset }) => dataset).values()].flatMap((own) => {
    const at = own.findIndex((each) => each.name === name);
    return at < 0 ? [] : own.slice(at + 1);
  });
  return {
    lost: newer.filter((each) => each.class === 'replication'),
    blocking: newer.filter((each) => each.hidden && each.class !== 'replication'),
  };
}

/** Names with the disks that have them: `manual-1 on rootfs, mp0`. */
export function namesOf(snapshots: readonly ZfsSnapshot[]): string {
  const groups = [...Map.groupBy(snapshots, ({ name }) => name)];
  const shown = groups.slice(-4).map(([name, group]) => `${name} on ${group.map(({ role }) => role).join(', ')}`);
  return groups.length > 4 ? `${shown.join('; ')} and ${groups.length - 4} more` : shown.join('; ');
}
