import type { z } from 'zod';
import type { Snapshot, Snapshots } from '../../src/contracts/cluster.ts';
import type { SnapshotRows } from './schema.ts';

type Row = z.output<typeof SnapshotRows>[number];

/** The list as it is; `current` is no snapshot, but its parent is where the guest has gone on from (ODDITIES 96). */
export function snapshotsFrom(rows: readonly Row[]): Snapshots {
  const base = rows.find((row) => row.name === 'current')?.parent;
  const own = rows.filter((row) => row.name !== 'current').map(snapshotFrom);
  const all = own.toSorted(
    // Two of one second: the one that goes on from the other is the newer.
    (a, b) =>
      a.at - b.at || ancestors(a, own) - ancestors(b, own) || a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
  return { all, ...(base ? { base } : {}) };
}

/** How many it goes on from. Counts no further than there are snapshots, should the config hold a circle. */
function ancestors({ parent }: Snapshot, all: readonly Snapshot[]): number {
  let [name, count] = [parent, 0];
  while (name !== undefined && count < all.length) {
    count += 1;
    name = all.find((one) => one.name === name)?.parent;
  }
  return count;
}

/** The description loses the line feed that Proxmox appends (ODDITIES 16). */
function snapshotFrom(row: Row): Snapshot {
  return {
    name: row.name,
    at: row.snaptime ?? 0,
    description: (row.description ?? '').trimEnd(),
    usable: !row.snapstate,
    memory: row.vmstate,
    ...(row.parent ? { parent: row.parent } : {}),
  };
}
