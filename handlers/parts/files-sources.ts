import type { Guest } from '../../src/contracts/cluster.ts';
import type { ReadContext } from '../../src/contracts/command.ts';
import { Failed, type Failure, fail } from '../../src/contracts/failure.ts';
import type { FilePath, FileVersions } from '../../src/contracts/shell.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { inBackups } from './files-backups.ts';
import { inOrder, onlyThere, type Replica, type Version, versionOf } from './files-fold.ts';
import { type OnVolume, onVolume, shownPath } from './files-paths.ts';
import { attempt } from './guests.ts';
import { madeBy } from './snapshots.ts';

/** Where versions of a container's file are, and what could not be asked. */

export type Looking = Pick<ReadContext, 'view' | 'nodes' | 'root'>;

export interface Found {
  readonly guest: Guest;
  readonly versions: readonly Version[];
  /** Snapshots and backups without the file. */
  readonly absent: number;
  /** A snapshot in which the path leads elsewhere, and where. */
  readonly troubles: FileVersions['troubles'];
  /** Sources that could not be looked at, and why. */
  readonly missing: readonly string[];
  /** The refusal of the guest's own node. */
  readonly failure?: Failure;
}

/** The container; throws for a VM, whose disks nobody opens for a file. */
export async function containerOf(wanted: string, what: string, { view }: Looking): Promise<Guest> {
  const guest = await view.findGuest(wanted);
  if (guest.type === 'lxc') return guest;
  return fail('bad-input', {
    what,
    why: `${guestLabel(guest)} is a VM: its files are on a disk that only the VM itself may open`,
    next: 'restore a file from a backup on PBS: in the GUI, storage, Backups, File Restore (it starts a helper VM and takes a while)',
  });
}

/** Everything there is of a path: one question to each node and few to the backups, all at the same time. */
export async function everyVersion(guest: Guest, path: FilePath, context: Looking): Promise<Found> {
  const [own, replicas, backups] = await Promise.all([
    ownVersions(guest, path, context),
    replicaVersions(guest, path, context),
    attempt(() => inBackups(guest, path, context)),
  ]);
  const there =
    'value' in backups ? backups.value : { versions: [], absent: 0, missing: [`backups: ${backups.failed}`] };
  const told = own.told;
  return {
    guest,
    versions: inOrder([
      ...(told ? told.versions.map((version) => versionOf(version, guest.node, false)) : own.unread),
      ...onlyThere(told?.versions ?? [], replicas.found),
      ...there.versions,
    ]),
    absent: (told?.absent ?? 0) + there.absent,
    troubles: told?.troubles ?? [],
    missing: [...own.missing, ...replicas.missing, ...there.missing],
    ...(own.failure ? { failure: own.failure } : {}),
  };
}

interface Own {
  readonly told?: FileVersions;
  /** Without access to the node: snapshots Proxmox knows, which may hold the file or not. */
  readonly unread: readonly Version[];
  readonly missing: readonly string[];
  readonly failure?: Failure;
}

async function ownVersions(guest: Guest, path: FilePath, context: Looking): Promise<Own> {
  const { nodes, view } = context;
  try {
    if (nodes.has(guest.node))
      return { told: await nodes.versions(guest.node, guest.vmid, path), unread: [], missing: [] };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return { unread: [], missing: [`${guest.node}: ${error.failure.why}`], failure: error.failure };
  }
  const list = await attempt(() => view.snapshots(guest));
  if ('failed' in list) return { unread: [], missing: [noAccess(guest.node), `snapshots: ${list.failed}`] };
  const unread = list.value.all.map((snapshot): Version => {
    const { name, at } = snapshot;
    return {
      name,
      source: 'snapshot',
      node: guest.node,
      from: name,
      kind: madeBy(snapshot),
      taken: at,
      type: 'unread',
    };
  });
  return { unread, missing: [noAccess(guest.node)] };
}

/** What node access would give, said once per node. */
const noAccess = (node: string): string =>
  `${node}: no SSH access, which would show what each snapshot holds, those the GUI hides, and bring one back (bascule setup node)`;

async function replicaVersions(guest: Guest, path: FilePath, { view, nodes }: Looking) {
  const none = { found: [] as Replica[], missing: [] as string[] };
  const jobs = await attempt(() => view.replicationJobs());
  if ('failed' in jobs) return { ...none, missing: [`replicas: ${jobs.failed}`] };
  const own = jobs.value.filter((job) => job.guest === guest.vmid && job.target !== guest.node);
  const targets = [...new Set(own.map((job) => job.target))].sort();
  if (targets.length === 0) return none;
  const found: Replica[] = [];
  const missing: string[] = [];
  await Promise.all(
    targets.map(async (node) => {
      const looked = await attempt(() => oneReplica(node, guest, path, { view, nodes }));
      if ('failed' in looked) missing.push(`${node} (replica): ${looked.failed}`);
      else found.push(looked.value);
    }),
  );
  const byNode = (a: Replica, b: Replica): number => (a.node < b.node ? -1 : 1);
  return { found: found.sort(byNode), missing: missing.sort() };
}

async function oneReplica(node: string, guest: Guest, path: FilePath, context: Asking): Promise<Replica> {
  const what = `the replica on ${node} was not asked`;
  if (!context.nodes.has(node))
    return fail('unavailable', { what, why: 'no SSH access to this node', next: 'bascule setup node' });
  const place = await onReplica(node, guest, path, what, context);
  return { node, versions: (await context.nodes.versions(node, guest.vmid, place.path, place.name)).versions };
}

type Asking = Pick<Looking, 'view' | 'nodes'>;

/** Where a path lies in the replicas of a container. Throws Failed when there is none of it. */
export async function onReplica(
  node: string,
  guest: Guest,
  path: FilePath,
  what: string,
  { view, nodes }: Asking,
): Promise<Pick<OnVolume, 'name' | 'path'>> {
  const detail = await attempt(() => view.guestDetail(guest));
  if ('failed' in detail) {
    // Its own node is down and its configuration with it; of a container with one volume there is no doubt.
    const { volumes } = await nodes.zfsSnapshots(node, guest.vmid);
    const [only, ...others] = [...new Set(volumes.map(({ volume }) => volume))];
    if (only !== undefined && others.length === 0) return { name: only, path };
    return fail('unavailable', {
      what,
      why: `which of its volumes holds the path is not known: ${detail.failed}`,
      next: 'wait for its node',
    });
  }
  const place = onVolume(detail.value.volumes, path);
  if (!place)
    return fail('bad-input', { what, why: `${shownPath(path)} is on no ZFS volume`, next: 'look at ct show' });
  if (place.volume.replicate) return place;
  return fail('bad-input', { what, why: `${place.volume.key} is not replicated`, next: 'look at ct show' });
}

/** The refusal for a path that nothing holds. */
export function nowhere(found: Found, path: FilePath, what: string, { root }: Looking): never {
  const { guest, troubles, missing, failure } = found;
  const led = troubles.find((trouble) => trouble.real) ?? troubles[0];
  if (led)
    return fail('bad-input', {
      what,
      why: `${shownPath(path)}: ${led.why}`,
      next: led.real ? `use the real path: path:${led.real}` : 'look at it inside the container',
    });
  if (failure && failure.kind !== 'unavailable') throw new Failed({ ...failure, what });
  return fail('not-found', {
    what,
    why: [`${guestLabel(guest)} has no ${shownPath(path)}, now or in what could be looked at`, ...missing].join('\n'),
    next: `check the spelling; ${root}file show vmid:${guest.vmid} path:/ shows what there is`,
  });
}
