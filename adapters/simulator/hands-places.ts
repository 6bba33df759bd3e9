import type { Disk, DiskSnapshot } from './disks.ts';
import type { HandsCall } from './hands.ts';
import { badInput, fault, visible } from './hands-answer.ts';
import { type GuestConfig, guestConfig, localConfig } from './hands-guest.ts';

/** Volumes and snapshots as ZFS on a node has them, and where a path of a container lies. */

export interface Dataset {
  /** `rpool/data/subvol-103-disk-0` */
  readonly dataset: string;
  readonly disk: Disk;
  readonly type: 'filesystem' | 'volume';
}

/** A guest's datasets on this node, replicas of guests elsewhere included. */
export function datasets({ hands }: HandsCall, vmid: number): Dataset[] {
  return hands.disks
    .on(hands.node, vmid)
    .filter(({ volume }) => hands.world.state.storages.get(volume.storage)?.type === 'zfspool')
    .map((disk) => ({
      // Proxmox's installer puts local-zfs there.
      dataset: `${disk.volume.storage === 'local-zfs' ? 'rpool/data' : disk.volume.storage}/${disk.name}`,
      disk,
      type: disk.volume.content === 'rootdir' ? 'filesystem' : 'volume',
    }));
}

/** Which of a guest's volumes is its rootfs, which mpN. */
export function roles(config: GuestConfig | undefined): Map<string, string> {
  const found = Object.entries(config?.now ?? {}).flatMap(([key, value]) => {
    if (!/^(?:rootfs|(?:mp|scsi|virtio|sata|ide|efidisk|tpmstate)[0-9]{1,3})$/.test(key)) return [];
    const volume = /^[^:,]+:(?:[^,]*\/)?([A-Za-z0-9_.-]+)(?:,|$)/.exec(value)?.[1];
    return volume === undefined ? [] : [[volume, key] as const];
  });
  return new Map(found);
}

/** Names of proxmox-autosnap, of replication, of vzdump; the rest is somebody's own. */
export function snapshotClass(name: string): string {
  if (/^__replicate_[0-9]+-[0-9]+_[0-9]+__$/.test(name)) return 'replication';
  if (/^auto(?:hourly|daily|weekly|monthly)[0-9]{12}$/.test(name)) return 'autosnap';
  if (name === 'vzdump') return 'vzdump';
  return name === '__base__' ? 'base' : 'manual';
}

/** What the program tells of a snapshot, but for its dataset. */
export function snapshotFacts(config: GuestConfig | undefined, snapshot: DiskSnapshot) {
  return {
    name: snapshot.name,
    class: snapshotClass(snapshot.name),
    hidden: !config?.sections.has(snapshot.name),
    taken: snapshot.at,
    guid: snapshot.guid,
  };
}

/** A path of a container: on which volume of this node, and where there. Paths are bytes. */
export interface Place {
  readonly vmid: number;
  readonly config: GuestConfig | undefined;
  readonly path: string;
  /** The mount point inside, empty for `/`. */
  readonly point: string;
  readonly relative: string;
  readonly dataset: string;
  readonly disk: Disk;
}

export interface Where {
  readonly vmid: number;
  readonly path?: string;
  readonly pathBase64?: string;
  readonly volume?: string;
}

const nothing = 'nothing was done';

/** The volume that holds a path: the longest mount point of the config that begins it. */
function mountOf(vmid: number, { now }: GuestConfig, path: string) {
  const at = new Map([['/', 'rootfs']]);
  for (const [key, value] of Object.entries(now)) {
    const point = /^mp[0-9]{1,3}$/.test(key) ? /,mp=(\/[^,\0\n]*?)\/?(?:,|$)/.exec(value)?.[1] : undefined;
    if (point) at.set(point, key);
  }
  const points = [...at.keys()].sort((a, b) => b.length - a.length);
  const point = points.find((each) => each === '/' || `${path}/`.startsWith(`${each}/`))!;
  const value = now[at.get(point)!] ?? '';
  const volume = /^[^:,/]+:(?:[^,]*\/)?((?:subvol|basevol)-[0-9]{3,9}-disk-[0-9]{1,4})(?:,|$)/.exec(value)?.[1];
  if (volume === undefined)
    return fault(
      'unavailable',
      nothing,
      `${visible(path, 300)} is on ${at.get(point)} of CT ${vmid}, which is not a ZFS volume`,
      'only files on ZFS volumes have versions here',
    );
  const mount = point === '/' ? '' : point;
  return { point: mount, volume, relative: path.slice(mount.length + 1) };
}

export function placeOf(where: Where, call: HandsCall): Place {
  const { vmid, volume } = where;
  if ((where.path === undefined) === (where.pathBase64 === undefined)) badInput('give either path or pathBase64');
  const path = where.path ?? where.pathBase64!;
  if (volume !== undefined && !volume.includes(`-${vmid}-`)) badInput(`volume does not belong to guest ${vmid}`);
  const config = volume === undefined ? guestConfig(call, vmid) : localConfig(call, vmid);
  const mount = volume === undefined ? mountOf(vmid, config!, path) : { point: '', volume, relative: path.slice(1) };
  const found =
    datasets(call, vmid).find(({ disk, type }) => disk.name === mount.volume && type === 'filesystem') ??
    fault('not-found', nothing, `${mount.volume} is not a ZFS volume of this node`, 'ask the node it is on');
  return { vmid, config, path, point: mount.point, relative: mount.relative, dataset: found.dataset, disk: found.disk };
}

export function neededSnapshot(place: Place, from: string, guid?: string): DiskSnapshot {
  const snapshot =
    place.disk.snapshot(from) ??
    fault('not-found', nothing, `${place.dataset} has no snapshot ${from}`, 'file.versions lists them');
  if (guid !== undefined && snapshot.guid !== guid)
    fault('changed', nothing, `the snapshot ${from} is another one now (guid ${snapshot.guid})`, 'look again');
  return snapshot;
}

/** The folder of a version; `live`, or a snapshot that is there. */
export const versionRoot = (place: Place, from: string): string =>
  from === 'live' ? place.disk.live() : place.disk.version(neededSnapshot(place, from));

export const toldPath = (place: Place, relative: string): string => visible(`${place.point}/${relative}`, 4200);
