import type { ClusterStatus, HaManager, LrmRow } from './ha-answer.ts';
import { ageOf, type HaMemory, type NodeMemory, type Saying } from './ha-memory.ts';

/** What is known of each node, from whom, and since when; and whether it is away. */

/** An LRM that wrote longer ago is silent. */
const SILENT = 40;
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
    if (known.othersQuorate) known.cut = true;
  }
  if (quorate === true && !known.open) {
    forgetCut(known);
  }
}

/** A quorate answer: who has had no quorum until now is cut off, if it goes on saying so. */
export function seeQuorate(memory: HaMemory): void {
  for (const node of Object.values(memory.nodes)) if (node.cutSince !== undefined) node.othersQuorate = true;
}

export function forgetCut(node: NodeMemory): void {
  delete node.cutSince;
  delete node.othersQuorate;
  delete node.cut;
}

export interface Absence {
  readonly away: boolean;
  /** By more than silence. */
  readonly sure: boolean;
  readonly age: number;
  /** The newest evidence of life, and of absence. */
  readonly on: number;
  readonly off: number;
}

export const isGone = ({ state }: NodeMemory) => state === 'unknown' || state === 'fence';

/** Evidence against evidence, the newer one wins. */
export function absence(node: NodeMemory, saying: Saying): Absence {
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
  const cut = node.cut === true && on <= node.cutSince! + 5 && !saysOnline;
  const refused = (node.refusedAt ?? 0) > on;
  return { away: off > on || silent || cut, sure: off > on || cut || refused, age, on, off };
}
