import type { News } from '../contracts/watch.ts';
import type { ClusterStatus, HaManager, LrmRow } from './ha-answer.ts';
import {
  ageOf,
  type HaMemory,
  type NodeMemory,
  type NodeTrouble,
  type Saying,
  type ServiceMemory,
} from './ha-memory.ts';
import { guestsOn, leave, sayBack, sayTrouble } from './node-news.ts';

/** Which node lives, and what kind of absence it is. FACTS 1.2, 1.4 and 1.6. */

/** An LRM that wrote longer ago is silent. */
const SILENT = 40;
/** Absent longer, with evidence: lost. HA gives a node up at the same time. */
const LOST = 60;
/** A reboot that takes longer will not come back by itself. */
const REBOOT = 900;
/** How long after a pause between trusted answers silence proves nothing. */
const PAUSE = 30;

export function nodeOf(memory: HaMemory, node: string): NodeMemory {
  memory.nodes[node] ??= {};
  return memory.nodes[node];
}

/** The LRM's stamp moved: the node lived then. Its clock may be wrong; ours rules when the two cannot both be right. */
export function seeLrm(memory: HaMemory, { node: name, mode, timestamp }: LrmRow, at: number): void {
  const node = nodeOf(memory, name);
  const gap = node.lookedAt === undefined ? undefined : at - node.lookedAt;
  if (timestamp !== undefined && (node.stamp === undefined || timestamp > node.stamp || timestamp < node.stamp - 60)) {
    const age = at - timestamp;
    const wroteJustNow = node.stamp !== undefined && gap !== undefined && gap >= 0 && gap <= 25;
    if (age < -2 || (wroteJustNow && age > gap + 15)) node.skew = age;
    else if (wroteJustNow) delete node.skew;
    node.stamp = timestamp;
    node.alive = timestamp + (node.skew ?? 0);
    node.movedAt = at;
    setMode(node, mode, at);
  } else if (mode && mode !== 'active') setMode(node, mode, at);
  if (gap !== 0) node.lookedAt = at;
}

function setMode(node: NodeMemory, mode: string | undefined, at: number): void {
  if (!mode || mode === node.mode) return;
  node.mode = mode;
  node.modeAt = at;
}

export function seeStatus(memory: HaMemory, { nodes }: ClusterStatus, at: number): void {
  if (nodes.length === 0) return;
  for (const { name, online } of nodes) {
    const node = nodeOf(memory, name);
    node.online = online;
    node.onlineAt = at;
    if (online) node.lastOnline = at;
    delete node.missed;
  }
  for (const [name, node] of Object.entries(memory.nodes)) {
    if (nodes.some((one) => one.name === name)) continue;
    node.missed = (node.missed ?? 0) + 1;
  }
}

export function seeManager(memory: HaMemory, manager: HaManager, at: number): void {
  const told = manager.timestamp ?? at;
  for (const [name, state] of manager.nodes) {
    const node = nodeOf(memory, name);
    if (node.state !== state) node.stateSince = Math.min(told, at);
    node.state = state;
    node.stateAt = at;
    node.requested = manager.requested.includes(name);
    // The manager file keeps the mode that the display hides behind `old timestamp`.
    const lrm = manager.lrms.find((one) => one.node === name);
    if (lrm) seeLrm(memory, lrm, at);
  }
}

/** The node itself was asked: it answered, refused, or said that it has no quorum. */
export function seeAsked(memory: HaMemory, name: string, status: number, quorate: boolean | undefined, at: number) {
  const known = memory.nodes[name];
  if (!known) return;
  if (status > 0) {
    known.answeredAt = at;
    delete known.refusedAt;
  } else known.refusedAt ??= at;
  if (quorate === false) {
    known.cutSince ??= at;
    known.cutLast = at;
  }
  if (quorate === true && !known.open) {
    delete known.cutSince;
    delete known.cutLast;
  }
}

interface Absence {
  readonly away: boolean;
  /** By more than silence. */
  readonly sure: boolean;
  readonly age: number;
  /** The newest evidence of life, and of absence. */
  readonly on: number;
  readonly off: number;
}

const isGone = ({ state }: NodeMemory) => state === 'unknown' || state === 'fence';

/** Evidence against evidence, the newer one wins. */
function absence(node: NodeMemory, saying: Saying): Absence {
  const off = Math.max(node.online === false ? node.onlineAt! : 0, isGone(node) ? node.stateAt! : 0);
  const on = Math.max(
    node.online ? node.onlineAt! : 0,
    node.movedAt ?? 0,
    node.state === 'online' ? (node.stateSince ?? 0) : 0,
  );
  const age = ageOf(node, saying);
  const saysOnline = node.online === true && node.onlineAt! > (node.alive ?? 0) + 15;
  // After a pause (no quorum anywhere, or the bot was away) old stamps prove nothing yet.
  const settled = saying.at - (saying.memory.resumedAt ?? 0) >= PAUSE;
  const silent = age > SILENT && !saysOnline && settled;
  const { cutSince, cutLast = 0 } = node;
  const cut = cutSince !== undefined && cutLast - cutSince >= 10 && on <= cutSince + 5 && !saysOnline;
  const refused = (node.refusedAt ?? 0) > on;
  return { away: off > on || silent || cut, sure: off > on || cut || refused, age, on, off };
}

/** What each node's state has become; says what is new. */
export function judgeNodes(saying: Saying): void {
  const { nodes } = saying.memory;
  for (const name of Object.keys(nodes).sort()) {
    const node = nodes[name]!;
    if (node.open) follow(saying, name, node, node.open);
    else begin(saying, name, node);
    if ((node.missed ?? 0) >= 2) forget(saying, name, node);
  }
}

function begin(saying: Saying, name: string, node: NodeMemory): void {
  const { away } = absence(node, saying);
  const { at } = saying;
  const asked = node.state === 'maintenance' && (node.backAt === undefined || node.stateAt! > node.backAt + 30);
  if (node.mode === 'maintenance' || asked) {
    open(saying, name, node, 'node-maintenance', Math.min(at, node.modeAt ?? node.stateSince ?? at));
    node.evacuated ??= {};
    delete node.movedBack;
  } else if (node.mode === 'shutdown') open(saying, name, node, 'node-shutdown', node.modeAt ?? at);
  else if (away && node.mode === 'restart') open(saying, name, node, 'node-reboot', node.modeAt ?? at);
  else if (away) open(saying, name, node, 'node-lost', node.alive ?? node.lastOnline ?? at);
  else return;
  follow(saying, name, node, node.open!);
}

function open(saying: Saying, name: string, node: NodeMemory, kind: NodeTrouble['kind'], startedAt: number) {
  node.open = {
    kind,
    startedAt,
    guests: guestsOn(saying, name),
    stillDown: [],
    movedStopped: [],
    rescue: [],
    moved: 0,
  };
}

/** The node's open trouble; opened when HA takes a service from a node of which nothing was told yet. */
export function openLost(saying: Saying, name: string): NodeTrouble {
  const node = nodeOf(saying.memory, name);
  if (!node.open) {
    const kind = node.mode === 'shutdown' ? 'node-shutdown' : 'node-lost';
    open(saying, name, node, kind, node.alive ?? node.lastOnline ?? saying.at);
  }
  return node.open!;
}

function follow(saying: Saying, name: string, node: NodeMemory, trouble: NodeTrouble): void {
  const { at, memory } = saying;
  const absent = absence(node, saying);
  if (absent.away) {
    trouble.wasAway = true;
    if (isGone(node)) trouble.at = node.stateSince!;
    else if (absent.off > absent.on) trouble.at ??= absent.off;
  }
  const services = Object.values(memory.services).filter((service) => service.node === name);
  if (node.state === 'fence' || services.some(({ crm }) => crm === 'fence')) trouble.fenceSince ??= at;
  if (trouble.kind === 'node-lost') rename(node, trouble);
  if (over(node, trouble, absent, services)) {
    if (trouble.kind === 'node-reboot') leave(saying, name, node, 'node-reboot');
    else if (trouble.kind === 'node-maintenance') leave(saying, name, node, 'node-back-from-maintenance');
    else sayBack(saying, name, node, trouble);
    return;
  }
  deepen(saying, node, trouble, absent);
  sayTrouble(saying, name, node, trouble);
}

const PLANNED = { restart: 'node-reboot', shutdown: 'node-shutdown', maintenance: 'node-maintenance' } as const;

/** The LRM said goodbye, and we heard it late. */
function rename(node: NodeMemory, trouble: NodeTrouble): void {
  const kind = PLANNED[node.mode as keyof typeof PLANNED];
  if (!kind || trouble.cause) return;
  trouble.kind = kind;
  trouble.startedAt = Math.min(node.modeAt ?? trouble.startedAt, trouble.startedAt);
  trouble.instead = ['node-lost'];
}

function over(node: NodeMemory, { kind, startedAt, wasAway }: NodeTrouble, absent: Absence, services: ServiceMemory[]) {
  if (absent.away) return false;
  switch (kind) {
    case 'node-lost':
      return absent.on > absent.off && (node.stamp === undefined || node.alive! > startedAt);
    case 'node-reboot':
      return wasAway === true && absent.on > absent.off && services.every(settledAgain);
    case 'node-shutdown':
      return node.mode !== 'shutdown';
    case 'node-maintenance':
      return node.mode !== 'maintenance' && !(node.state === 'maintenance' && node.stateAt! > (node.modeAt ?? 0));
  }
}

function settledAgain({ state, request }: ServiceMemory): boolean {
  return state === 'started' || state === 'error' || (request ?? 'started') !== 'started';
}

/** What makes it worse, or says why. */
function deepen(saying: Saying, node: NodeMemory, trouble: NodeTrouble, absent: Absence): void {
  const { at } = saying;
  const gone = Math.max(absent.age, at - (node.lastOnline ?? at));
  switch (trouble.kind) {
    case 'node-lost':
      if (trouble.fenceSince !== undefined || (absent.sure && at - trouble.startedAt >= LOST && gone >= LOST))
        trouble.confirmed = true;
      break;
    case 'node-reboot':
      if (!absent.away || at - trouble.startedAt <= REBOOT) break;
      trouble.kind = 'node-lost';
      trouble.cause = 'did not come back from its reboot';
      trouble.confirmed = true;
      break;
    case 'node-maintenance':
      if (node.requested) trouble.cause ??= 'crm-command node-maintenance enable';
      else if (absent.off > absent.on) trouble.cause ??= 'shutdown with policy migrate';
      break;
  }
}

/** No longer a member: whatever was open is over. */
function forget(saying: Saying, name: string, node: NodeMemory): void {
  if (node.open) {
    saying.say({
      kind: 'node-back',
      severity: 'info',
      incident: `node/${name}`,
      phase: 'ends',
      node: name,
      at: saying.at,
      startedAt: node.open.startedAt,
      endedAt: saying.at,
      text: `${name} is no longer a member of the cluster`,
    } satisfies Omit<News, 'cluster'>);
  }
  delete saying.memory.nodes[name];
}
