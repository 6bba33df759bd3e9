import { structuredPatch } from 'diff';

const LINES = 80;
const WIDTH = 300;
/** Changed lines beyond which it is not worth looking: the time for it grows with their square. */
const EDITS = 1500;

export interface Difference {
  /** Unified, without a header. */
  readonly text: string;
  readonly added: number;
  readonly removed: number;
  /** Lines of it that are not in `text`. */
  readonly more: number;
}

/** What it takes to get from the old text to the new one; undefined when they differ in too much. */
export function difference(old: string, now: string): Difference | undefined {
  const patch = structuredPatch('old', 'new', old, now, undefined, undefined, { context: 3, maxEditLength: EDITS });
  if (!patch) return undefined;
  const lines = patch.hunks.flatMap((hunk) => [
    `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`,
    ...hunk.lines,
  ]);
  return {
    text: lines.slice(0, LINES).map(narrow).join('\n'),
    added: lines.filter((line) => line.startsWith('+')).length,
    removed: lines.filter((line) => line.startsWith('-')).length,
    more: Math.max(0, lines.length - LINES),
  };
}

/** The first lines of a text, as many as a card bears. */
export function beginning(text: string): { readonly text: string; readonly more: number } {
  const lines = text.replace(/\n$/, '').split('\n');
  return {
    text: lines
      .slice(0, LINES / 2)
      .map(narrow)
      .join('\n'),
    more: Math.max(0, lines.length - LINES / 2),
  };
}

const narrow = (line: string): string => (line.length > WIDTH ? `${line.slice(0, WIDTH)}…` : line);
