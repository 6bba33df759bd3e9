import type { DataLoss, GuestName, News, WatchWorld } from '../contracts/watch.ts';

/** What is remembered of nodes and HA services. Plain JSON; times are epoch seconds. */

export interface NodeMemory {
  /** As its LRM last wrote it, by the node's clock. */
  stamp?: number;
  /** The last sign of life, by ours. */
  alive?: number;
  /** When we saw the stamp move, and when we last looked. */
  movedAt?: number;
  lookedAt?: number;
  /** How far its clock is off, when it is. */
  skew?: number;
  /** active, restart, shutdown, maintenance, disarm; and the first and last time it was seen. */
  mode?: string;
  modeAt?: number;
  /** Online by /cluster/status: now, when told, when last told online. */
  online?: boolean;
  onlineAt?: number;
  lastOnline?: number;
  /** Answers in a row of /cluster/status without it. */
  missed?: number;
  /** node_status of the HA manager, when told, and since when by the manager's clock. */
  state?: string;
  stateAt?: number;
  stateSince?: number;
  /** A person asked it into maintenance. */
  requested?: boolean;
  /** Its own answers: the last one, and the first failure after it. */
  answeredAt?: number;
  refusedAt?: number;
  /** It says itself that it has no quorum: since when. */
  cutSince?: number;
  /** Another node had quorum after that; and then this one still had none. */
  othersQuorate?: boolean;
  cut?: boolean;
  backAt?: number;
  /** Guests that left for its maintenance, by sid, until they are back. */
  evacuated?: Record<string, GuestName>;
  movedBack?: Record<string, GuestName>;
  open?: NodeTrouble;
}

export interface NodeTrouble {
  kind: 'node-lost' | 'node-reboot' | 'node-shutdown' | 'node-maintenance';
  startedAt: number;
  /** When HA or the cluster gave it up. */
  at?: number;
  /** The milestone last told; nothing is told twice. */
  said?: string;
  confirmed?: boolean;
  wasAway?: boolean;
  fenceSince?: number;
  fencedAt?: number;
  stalledSince?: number;
  cause?: string;
  /** Kinds this one replaces, told once. */
  instead?: News['kind'][];
  /** Running there when it began. */
  guests: GuestName[];
  /** Of those, not managed by HA: nobody starts them elsewhere. */
  stillDown: GuestName[];
  /** Stopped services whose config was moved away: no outage. */
  movedStopped: GuestName[];
  rescue: { job: string; returns: string }[];
  moved: number;
}

export interface ServiceMemory {
  node: string;
  crm?: string;
  state: string;
  request?: string;
  /** Not confirmed running on this node since. */
  starting?: number;
  /** migrate or relocate first seen. */
  leaving?: { at: number; state: string; startFailed: boolean };
  recoverySince?: number;
  stalled?: boolean;
  error?: number;
  move?: Move;
  /** Where a failover took it from. */
  home?: string;
  missed?: number;
}

export interface Move {
  kind: 'failover' | 'planned' | 'failback' | 'relocated' | 'evacuated' | 'back' | 'undecided';
  from: string;
  to: string;
  /** Every node it was sent to, in order. */
  tried: string[];
  startedAt: number;
  /** When the new node was first seen. */
  movedAt: number;
  at?: number;
  fencedAt?: number;
  ordered?: boolean;
  cause?: string;
  dataLoss?: DataLoss;
  rescue?: { job: string; returns: string }[];
  live?: boolean;
  by?: string;
  endedAt?: number;
  endedAtTask?: boolean;
}

export interface HaMemory {
  nodes: Record<string, NodeMemory>;
  services: Record<string, ServiceMemory>;
  /** By job: its last good sync, and to which node; kept when a failover turns the job around. */
  replicas: Record<string, { guest: number; source?: string; target: string; lastSync: number }>;
  /** Jobs as configured: id to guest and target. */
  jobs: Record<string, { guest: number; target: string }>;
  master?: { node: string; stamp?: number; movedAt: number; lookedAt: number; fresh: boolean; age: number };
  armed?: string;
  disarm?: { startedAt: number; disarmedAt?: number; mode?: string; said?: string };
  failed: Record<string, string[]>;
  /** The last trusted look at the services. */
  currentAt?: number;
  /** The last quorate answer of anybody. */
  quorateAt?: number;
  /** The first trusted answer after a pause. */
  resumedAt?: number;
}

/** What one step may change and say. */
export interface Saying {
  readonly memory: HaMemory;
  readonly world: Readonly<WatchWorld>;
  readonly at: number;
  /** The latest time any node wrote in this answer: our own clock may be wrong. */
  readonly clusterNow: number;
  say(news: Omit<News, 'cluster'>): void;
}

/** `ct:103` with its name, as far as known. */
export function guestOf(sid: string, world: Readonly<WatchWorld>): GuestName {
  const [kind, id] = sid.split(':');
  const vmid = Number(id);
  const called = world.guests[vmid]?.name;
  return { vmid, type: kind === 'vm' ? 'qemu' : 'lxc', ...(called ? { name: called } : {}), sid };
}

/** `103 robotoff`. */
export function called({ vmid, name }: GuestName): string {
  return name ? `${vmid} ${name}` : `${vmid}`;
}

/** `48 s`, `2m03`, `3h05`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}`;
}

/** Seconds since a node's last sign of life, by whichever clock makes it younger: neither can be trusted alone. */
export function ageOf(node: NodeMemory | undefined, { at, clusterNow }: Pick<Saying, 'at' | 'clusterNow'>): number {
  if (node?.alive === undefined) return 0;
  return Math.max(0, Math.min(at, clusterNow) - node.alive);
}
