import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastChange, type SeedFacts, type SeedPerson, writeDataSeed, writeSeed } from './disk-seed.ts';
import { copyTree } from './disk-tree.ts';
import type { Guest, Volume } from './state.ts';
import { guestName, type World } from './world.ts';

/** One snapshot of a volume, as ZFS has it. */
export interface DiskSnapshot {
  readonly name: string;
  /** Epoch seconds. */
  readonly at: number;
  /** The same on a replica. */
  readonly guid: string;
  /** Who made it: the API, somebody with `zfs snapshot` on the node, or a replication job. */
  readonly by: 'api' | 'zfs' | 'job';
  /** Its files, once they had to be written or copied. */
  folder?: string;
}

/** The files of one volume on one node. Until something changes them they are the seed, and written only when looked at. */
export class Disk {
  readonly volume: Volume;
  /** `subvol-103-disk-0` */
  readonly name: string;
  readonly #disks: Disks;
  #snapshots: DiskSnapshot[] = [];
  #live: string | undefined;
  #changed = false;

  constructor(volume: Volume, disks: Disks) {
    this.volume = volume;
    this.name = volume.volid.split(/[:/]/).at(-1)!;
    this.#disks = disks;
  }

  get vmid(): number {
    return this.volume.vmid ?? 0;
  }

  /** Oldest first. */
  get snapshots(): readonly DiskSnapshot[] {
    return this.#snapshots;
  }

  snapshot(name: string): DiskSnapshot | undefined {
    return this.#snapshots.find((each) => each.name === name);
  }

  /** The folder with the files as they are now; only to look. */
  live(): string {
    this.#live ??= this.#disks.seeded(this, Number.POSITIVE_INFINITY);
    return this.#live;
  }

  /** The same, for somebody who will change them. */
  change(): string {
    const folder = this.live();
    this.#changed = true;
    return folder;
  }

  /** The folder with the files of a snapshot; only to look, since others may be the same folder. */
  version(snapshot: DiskSnapshot): string {
    snapshot.folder ??= this.#disks.shared(this, snapshot.at);
    return snapshot.folder;
  }

  add(name: string, at: number, by: DiskSnapshot['by']): void {
    const guid = createHash('sha256')
      .update(`${this.volume.vmid} ${this.name} ${name} ${at}`)
      .digest()
      .readBigUInt64BE();
    const folder = this.#changed ? this.#disks.copied(this.live()) : undefined;
    const after = this.#snapshots.findIndex((each) => each.at > at);
    const made: DiskSnapshot = { name, at, guid: String(guid), by, folder };
    this.#snapshots.splice(after < 0 ? this.#snapshots.length : after, 0, made);
  }

  drop(gone: (snapshot: DiskSnapshot) => boolean): void {
    this.#snapshots = this.#snapshots.filter((each) => !gone(each));
  }

  /** Makes the files those of a snapshot, and newer ones of replication go. */
  goBack(name: string): void {
    const to = this.snapshot(name);
    if (!to) return;
    const folder = this.#disks.copied(this.version(to));
    if (this.#live) rmSync(this.#live, { recursive: true, force: true });
    this.#live = folder;
    this.#changed = true;
    this.drop((each) => each.by === 'job' && each.at >= to.at);
  }

  /** Becomes what another one is, as `zfs receive` does. */
  receive(source: Disk): void {
    if (this.#live) rmSync(this.#live, { recursive: true, force: true });
    this.#live = source.#changed ? this.#disks.copied(source.live()) : undefined;
    this.#changed = source.#changed;
    this.#snapshots = source.#snapshots.map((each) => {
      const had = this.#snapshots.find((mine) => mine.guid === each.guid);
      return had ?? { ...each, folder: each.folder && this.#disks.copied(each.folder) };
    });
  }
}

/** The files of every volume of a world, in one temporary folder that is made when first needed. */
export class Disks {
  readonly #world: World;
  /** Epoch seconds of the world's beginning. */
  readonly #began: number;
  readonly #people: (guest: Guest) => readonly SeedPerson[];
  readonly #disks = new Map<Volume, Disk>();
  /** Volumes of the world as it began: their containers are older than it. */
  readonly #old: ReadonlySet<Volume>;
  readonly #facts = new Map<number, Omit<SeedFacts, 'at'>>();
  readonly #archives = new Map<Volume, string>();
  readonly #shared = new Map<string, string>();
  #folder: string | undefined;
  #count = 0;

  /** `people`: accounts made by hand in a container of the world as it began. */
  constructor(world: World, people: (guest: Guest) => readonly SeedPerson[] = () => []) {
    this.#world = world;
    this.#began = Math.floor(world.clock.now() / 1000);
    this.#people = people;
    this.#old = new Set(world.volumes);
    world.onRollback.push((guest, name) => {
      for (const disk of this.ofGuest(guest)) disk.goBack(name);
    });
    world.onReplicated.push((job, volid, source, target, at) => this.#replicated(job, volid, source, target, at));
  }

  /** Volumes of a guest number on a node, replicas too, in the order of their names. */
  on(node: string, vmid: number): Disk[] {
    return this.#world.volumes
      .filter((volume) => volume.vmid === vmid && volume.content === 'rootdir' && (volume.node ?? node) === node)
      .map((volume) => this.#disk(volume, node))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  ofGuest(guest: Guest): Disk[] {
    return this.on(guest.node, guest.vmid);
  }

  /** The volume of a guest's `rootfs`. Throws for a guest that has none in this world. */
  root(guest: Guest): Disk {
    const volid = String(guest.config.rootfs ?? '').split(',')[0];
    const disk = this.ofGuest(guest).find((each) => each.volume.volid === volid);
    if (!disk) throw new Error(`guest ${guest.vmid} has no rootfs in this world`);
    return disk;
  }

  #disk(volume: Volume, node: string): Disk {
    let disk = this.#disks.get(volume);
    if (!disk) {
      disk = new Disk(volume, this);
      this.#disks.set(volume, disk);
      this.#history(disk, node);
    }
    this.#update(disk, node);
    return disk;
  }

  /** Snapshots from before anybody looked: of replicas too, which hold what there was at their last run. */
  #history(disk: Disk, node: string): void {
    const guest = this.#world.guest(disk.vmid);
    if (!guest) return;
    const source = this.#world.nodes.get(guest.node);
    for (const job of this.#world.state.jobs.values()) {
      const at = source?.replication.get(job.id);
      if (job.guest !== guest.vmid || !at || at.lastSync === 0 || at.lostBase) continue;
      if (node !== guest.node && node !== job.target) continue;
      disk.add(`__replicate_${job.id}_${at.lastSync}__`, at.lastSync, 'job');
      if (node === guest.node) continue;
      for (const each of known(guest)) if (each.at <= at.lastSync) disk.add(each.name, each.at, each.by);
    }
  }

  /** What Proxmox and the node's root did since: their snapshots come and go in the state, without a word to us. */
  #update(disk: Disk, node: string): void {
    const guest = this.#world.guest(disk.vmid);
    if (!guest || guest.node !== node || !this.#configured(guest, disk)) return;
    const wanted = known(guest);
    disk.drop((each) => each.by !== 'job' && !wanted.some((one) => one.name === each.name && one.at === each.at));
    for (const each of wanted) if (!disk.snapshot(each.name)) disk.add(each.name, each.at, each.by);
  }

  #configured = (guest: Guest, disk: Disk): boolean =>
    Object.values(guest.config).some((value) => String(value).split(',')[0] === disk.volume.volid);

  #replicated(job: string, volid: string, sourceNode: string, targetNode: string, at: number): void {
    const find = (node: string) => this.#world.volumes.find((volume) => volume.volid === volid && volume.node === node);
    const [from, to] = [find(sourceNode), find(targetNode)];
    if (!from || !to) return;
    const [source, target] = [this.#disk(from, sourceNode), this.#disk(to, targetNode)];
    source.drop((each) => each.name.startsWith(`__replicate_${job}_`));
    source.add(`__replicate_${job}_${at}__`, at, 'job');
    target.receive(source);
  }

  #factsOf(vmid: number, old: boolean, ctime: number): Omit<SeedFacts, 'at'> {
    const had = old ? this.#facts.get(vmid) : undefined;
    if (had) return had;
    const guest = this.#world.guest(vmid);
    const address = /(?:^|,)ip=([^,/]+)/.exec(String(guest?.config.net0 ?? ''))?.[1] ?? '127.0.1.1';
    const facts = {
      vmid,
      hostname: guest ? guestName(guest) : `CT${vmid}`,
      address,
      born: old ? this.#began - 60 * 86_400 : ctime,
      began: this.#began,
      people: guest && old ? this.#people(guest) : [],
    };
    if (old) this.#facts.set(vmid, facts);
    return facts;
  }

  /** A new folder with the untouched files as they were at that moment (epoch seconds). */
  seeded({ volume, vmid, name }: Disk, at: number): string {
    const facts = this.#factsOf(vmid, this.#old.has(volume), volume.ctime);
    return this.#seed(facts, at, /-disk-0(\.raw)?$/.test(name));
  }

  /** The same, for nobody to change: files that did not change in between are written once. */
  shared(disk: Disk, at: number): string {
    const facts = this.#factsOf(disk.vmid, this.#old.has(disk.volume), disk.volume.ctime);
    const since = lastChange({ ...facts, at: Math.min(at, this.#began) });
    const key = `${disk.vmid} ${disk.name} ${facts.born} ${since}`;
    let folder = this.#shared.get(key);
    if (folder === undefined) {
      folder = this.seeded(disk, at);
      this.#shared.set(key, folder);
    }
    return folder;
  }

  #seed(facts: Omit<SeedFacts, 'at'>, at: number, root: boolean): string {
    const folder = this.#newFolder();
    const moment = { ...facts, at: Math.max(Math.min(at, this.#began), facts.born) };
    if (root) writeSeed(folder, moment);
    else writeDataSeed(folder, moment);
    return folder;
  }

  /** The files in a container's backup; backups are as old as the world, or older. */
  archived(backup: Volume): string {
    let folder = this.#archives.get(backup);
    if (folder === undefined) {
      folder = this.#seed(this.#factsOf(backup.vmid ?? 0, true, backup.ctime), backup.ctime, true);
      this.#archives.set(backup, folder);
    }
    return folder;
  }

  copied(from: string): string {
    const folder = this.#newFolder();
    rmSync(folder, { recursive: true });
    copyTree(from, '', folder, '');
    return folder;
  }

  #newFolder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'bascule-simulator-'));
    this.#count += 1;
    const folder = join(this.#folder, String(this.#count));
    mkdirSync(folder);
    return folder;
  }

  /** Where they are; undefined until the first one had to be written. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /** Takes all of it away. */
  close(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** Snapshots that are on a guest's disks now. One that is being made or deleted is there already, or still. */
function known(guest: Guest): { name: string; at: number; by: 'api' | 'zfs' }[] {
  return [
    ...guest.snapshots
      .filter((each) => each.snapstate !== 'prepare')
      .map((each) => ({ name: each.name, at: each.snaptime, by: 'api' as const })),
    ...(guest.onDisk ?? []).map((each) => ({ name: each.name, at: each.at, by: 'zfs' as const })),
  ].sort((a, b) => a.at - b.at);
}
