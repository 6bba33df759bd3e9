import type { BookCall, Json, NodeCall, PlannedStep, UndoCall } from './plan.ts';

/** Steps done by the helper on a node, and by our own books. All of them change nothing when they are repeated. */

interface Described {
  /** Unique within the plan. */
  readonly name: string;
  readonly says: string;
  readonly undo?: readonly UndoCall[];
  readonly byHand?: readonly string[];
}

export function nodeStep(call: NodeCall, { name, says, undo, byHand }: Described): PlannedStep {
  return {
    name,
    says,
    call,
    probe: { kind: 'node-verb', call },
    repeat: 'refused',
    ...(undo ? { undo } : {}),
    ...(byHand ? { byHand } : {}),
  };
}

export function nodeUndo(call: NodeCall, says: string): UndoCall {
  return { says, call, probe: { kind: 'node-verb', call }, needsMarker: false };
}

/** `before`: what the entry was, for the way back; null: there was none. */
export function bookStep(call: BookCall, before: Json, { name, says }: Described): PlannedStep {
  const back: BookCall = { ...call, value: before };
  return {
    name,
    says,
    call,
    probe: { kind: 'book', call },
    repeat: 'refused',
    undo: [{ says: 'Putting our own note back', call: back, probe: { kind: 'book', call: back }, needsMarker: false }],
  };
}
