import { createHash } from 'node:crypto';
import type { Notice } from './notices.ts';
import { countVotes, type Qdevice, sideOf, type Votes } from './quorum.ts';
import type { ClusterState, Guest, NodeState, Storage, Volume } from './state.ts';
import type { Clock, Pve } from './types.ts';

export type NodeLoss = (node: NodeState) => void;

/**
 * The state of one cluster and the questions everybody asks about it. Changes to /etc/pve go to `state`; a node
 * without quorum answers from its frozen copy.
 */
export class World {
  readonly pve: Pve;
  readonly clock: Clock;
  readonly cluster: string | undefined;
  readonly state: ClusterState;
  readonly nodes: Map<string, NodeState>;
  readonly volumes: Volume[];
  readonly nextIdFrom: number;
  qdevice: Qdevice | undefined;
  /** Told when a node loses its power, when it comes back, and when the reachability of any node changed. */
  readonly onPowerLoss: NodeLoss[] = [];
  readonly onPowerUp: NodeLoss[] = [];
  readonly onReachability: (() => void)[] = [];
  /** What a node would send to its notification targets. */
  readonly onNotice: ((notice: Notice) => void)[] = [];
  /** Ceph's own words, when there is a Ceph. */
  ceph?: object;
  /** Told when a guest went back to a snapshot, and when a volume was sent to another node (epoch seconds). */
  readonly onRollback: ((guest: Guest, snapshot: string) => void)[] = [];
  readonly onReplicated: ((job: string, volid: string, source: string, target: string, at: number) => void)[] = [];

  constructor(
    parts: Pick<World, 'pve' | 'clock' | 'cluster' | 'state' | 'nodes' | 'volumes' | 'nextIdFrom' | 'qdevice'>,
  ) {
    this.pve = parts.pve;
    this.clock = parts.clock;
    this.cluster = parts.cluster;
    this.state = parts.state;
    this.nodes = parts.nodes;
    this.volumes = parts.volumes;
    this.nextIdFrom = parts.nextIdFrom;
    this.qdevice = parts.qdevice;
  }

  guest(vmid: number): Guest | undefined {
    return this.state.guests.get(vmid);
  }

  node(name: string): NodeState {
    const node = this.nodes.get(name);
    if (!node) throw new Error(`this world has no node ${name}`);
    return node;
  }

  votes(name: string): Votes {
    return countVotes(this.nodes.values(), name, this.qdevice);
  }

  /** A stand-alone host is always quorate. */
  quorate(name: string): boolean {
    return this.cluster === undefined ? this.node(name).powered : this.votes(name).quorate;
  }

  /** Does `from` see `to`? */
  reaches(from: string, to: string): boolean {
    return sideOf(this.nodes.values(), from).some((node) => node.name === to);
  }

  /** /etc/pve as that node has it. */
  viewFrom(name: string): ClusterState {
    return this.node(name).frozen ?? this.state;
  }

  /** Cuts the power: its tasks die, its guests stop, its listener goes dark. */
  unplug(name: string): void {
    const node = this.node(name);
    if (!node.powered) return;
    this.#remember(node);
    node.powered = false;
    for (const guest of this.state.guests.values()) if (guest.node === name) haltGuest(guest);
    for (const lost of this.onPowerLoss) lost(node);
    this.recount();
  }

  /** Power comes back; guests with `onboot` and no HA start again. */
  plug(name: string): void {
    const node = this.node(name);
    if (node.powered) return;
    node.powered = true;
    node.lost = undefined;
    node.bootedAt = this.clock.now();
    this.recount();
    for (const up of this.onPowerUp) up(node);
  }

  /** Splits the network: nodes of different groups do not see each other. Nodes not named form one more group. */
  partition(groups: string[][]): void {
    for (const node of this.nodes.values()) {
      node.side = groups.findIndex((group) => group.includes(node.name));
      this.#remember(node);
    }
    this.recount();
  }

  heal(): void {
    for (const node of this.nodes.values()) {
      node.side = 0;
      if (node.powered) node.lost = undefined;
    }
    this.recount();
  }

  /** Storages that exist on a node, in configuration order. */
  storagesOf(name: string, state: ClusterState = this.state): Storage[] {
    return [...state.storages.values()].filter((storage) => !storage.nodes || storage.nodes.includes(name));
  }

  volumesOn(node: string, storage: string): Volume[] {
    return this.volumes.filter(
      (volume) => volume.storage === storage && (volume.node === undefined || volume.node === node),
    );
  }

  /** Bytes in use on that node's view of a storage. */
  used(node: string, storage: Storage): number {
    const volumes = this.volumesOn(node, storage.id).reduce((total, volume) => total + volume.used, 0);
    return Math.min(storage.total, storage.used + volumes + (this.#filled.get(`${node}/${storage.id}`) ?? 0));
  }

  readonly #filled = new Map<string, number>();

  /** Leaves `free` bytes on a node's storage. */
  fill(node: string, storageId: string, free = 0): void {
    const storage = this.state.storages.get(storageId);
    if (!storage) throw new Error(`this world has no storage ${storageId}`);
    this.#filled.delete(`${node}/${storageId}`);
    this.#filled.set(`${node}/${storageId}`, Math.max(0, storage.total - free - this.used(node, storage)));
  }

  drain(node: string, storageId: string): void {
    this.#filled.delete(`${node}/${storageId}`);
  }

  dropVolume(volid: string, node?: string): void {
    for (let index = this.volumes.length - 1; index >= 0; index--) {
      const volume = this.volumes[index] as Volume;
      if (volume.volid === volid && (node === undefined || volume.node === undefined || volume.node === node)) {
        this.volumes.splice(index, 1);
      }
    }
  }

  /** What the others saw last of a node that they are about to lose. */
  #remember(node: NodeState): void {
    if (node.lost) return;
    const running = [...this.state.guests.values()].filter((guest) => guest.node === node.name && guest.running);
    node.lost = { at: this.clock.now(), running: new Map(running.map((guest) => [guest.vmid, guest.startedAt ?? 0])) };
  }

  /** A node that lost quorum keeps what it knew; one that has it again forgets that copy. */
  recount(): void {
    for (const node of this.nodes.values()) {
      if (!node.powered || this.quorate(node.name)) node.frozen = undefined;
      else node.frozen ??= structuredClone(this.state);
    }
    for (const changed of this.onReachability) changed();
  }
}

export function haltGuest(guest: Guest): void {
  guest.running = false;
  guest.pid = undefined;
  guest.startedAt = undefined;
}

/** SHA-1 over the content, as Proxmox does: equal content, equal digest. */
export function digestOf(content: unknown): string {
  return createHash('sha1').update(JSON.stringify(content)).digest('hex');
}

export const guestDigest = (guest: Guest): string =>
  digestOf([
    Object.entries(guest.config).sort(([a], [b]) => (a < b ? -1 : 1)),
    guest.lock,
    guest.snapshots.map((each) => each.name),
  ]);

export const guestName = (guest: Guest): string =>
  String(
    guest.config[guest.kind === 'lxc' ? 'hostname' : 'name'] ??
      (guest.kind === 'lxc' ? `CT${guest.vmid}` : `VM ${guest.vmid}`),
  );

/** `ct:103` */
export const sidOf = (guest: Pick<Guest, 'kind' | 'vmid'>): string =>
  `${guest.kind === 'lxc' ? 'ct' : 'vm'}:${guest.vmid}`;
