import type { NodeState } from './state.ts';
import type { QdeviceSpec } from './types.ts';

export interface Votes {
  expected: number;
  /** Votes present on the asking node's side. */
  present: number;
  /** floor(expected / 2) + 1 */
  needed: number;
  quorate: boolean;
}

export interface Qdevice extends QdeviceSpec {
  connected: boolean;
}

/** Nodes that the given one can see, itself included. */
export function sideOf(nodes: Iterable<NodeState>, name: string): NodeState[] {
  const all = [...nodes];
  const asking = all.find((node) => node.name === name);
  if (!asking?.powered) return [];
  return all.filter((node) => node.powered && node.side === asking.side);
}

const sum = (nodes: NodeState[]) => nodes.reduce((total, node) => total + node.votes, 0);

/** The QDevice votes for one side only: the larger one, on a tie the one with the lowest node id (ffsplit). */
function qdeviceSide(nodes: NodeState[]): number | undefined {
  const sides = new Map<number, NodeState[]>();
  for (const node of nodes.filter((each) => each.powered))
    sides.set(node.side, [...(sides.get(node.side) ?? []), node]);
  const lowest = (side: NodeState[]) => Math.min(...side.map((node) => node.nodeid));
  return [...sides].sort(([, a], [, b]) => b.length - a.length || lowest(a) - lowest(b))[0]?.[0];
}

export function countVotes(nodes: Iterable<NodeState>, name: string, qdevice: Qdevice | undefined): Votes {
  const all = [...nodes];
  const side = sideOf(all, name);
  const external = qdevice ? (qdevice.votes ?? 1) : 0;
  const expected = sum(all) + external;
  const votedFor = qdevice?.connected ? qdeviceSide(all) : undefined;
  const present = sum(side) + (side.length > 0 && side[0]?.side === votedFor ? external : 0);
  const needed = Math.floor(expected / 2) + 1;
  return { expected, present, needed, quorate: present >= needed };
}
