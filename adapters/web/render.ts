import type { Action, Card, Tone } from '../../src/contracts/card.ts';
import { cut, more, visible, visibleBlock } from '../../src/contracts/visible.ts';

/**
 * A card as the page draws it: every text already made visible (control, bidi and zero-width characters) and cut.
 * The page sets these texts through `textContent` only, so nothing here needs escaping.
 */
export interface CardView {
  readonly title: string;
  readonly tone: Tone;
  readonly lines: readonly string[];
  readonly facts: readonly { readonly label: string; readonly value: string }[];
  readonly table?: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };
  readonly code: readonly string[];
  readonly progress?: { readonly done: number; readonly total: number; readonly says: string };
  readonly actions: readonly ActionView[];
  readonly footer?: string;
  /** What was left out because it was too much for one message, in words. */
  readonly cuts: readonly string[];
}

/** A button. The page asks for its prompt when it is pressed, so the prompt does not travel with the card. */
export interface ActionView {
  readonly ref: string;
  readonly label: string;
  readonly style: 'plain' | 'primary' | 'danger';
}

/** Ours, not a platform's: what a browser draws at once and a person still reads. Characters and counts. */
export const LIMITS = {
  title: 300,
  /** Fact names, column heads and buttons. */
  label: 80,
  text: 10_000,
  cell: 1_000,
  lines: 200,
  facts: 100,
  columns: 20,
  rows: 200,
  code: 20,
  actions: 25,
} as const;

type Kind = Parameters<typeof more>[1];

export function render(card: Card): CardView {
  const cuts: string[] = [];
  const some = <T>(list: readonly T[] | undefined, most: number, what: Kind): readonly T[] => {
    const all = list ?? [];
    if (all.length > most) cuts.push(more(all.length - most, what));
    return all.slice(0, most);
  };
  return {
    title: short(card.title, LIMITS.title),
    tone: card.tone,
    lines: some(card.lines, LIMITS.lines, 'line').map((line) => short(line, LIMITS.text)),
    facts: some(card.facts, LIMITS.facts, 'fact').map(({ label, value }) => ({
      label: short(label, LIMITS.label),
      value: short(value, LIMITS.text),
    })),
    ...(card.table && { table: table(card.table, some) }),
    code: some(card.code, LIMITS.code, 'block').map((block) => cut(visibleBlock(block), LIMITS.text)),
    ...(card.progress && { progress: progress(card.progress) }),
    actions: some(card.actions, LIMITS.actions, 'button').map(action),
    ...(card.footer !== undefined && { footer: short(card.footer, LIMITS.text) }),
    cuts,
  };
}

/** One line of at most `most` characters. */
export function short(value: string, most: number): string {
  return cut(visible(value), most);
}

function table(
  { columns, rows }: NonNullable<Card['table']>,
  some: <T>(list: readonly T[], most: number, what: Kind) => readonly T[],
): NonNullable<CardView['table']> {
  const heads = some(columns, LIMITS.columns, 'column').map((column) => short(column, LIMITS.label));
  return {
    columns: heads,
    rows: some(rows, LIMITS.rows, 'row').map((row) => heads.map((_, i) => short(row[i] ?? '', LIMITS.cell))),
  };
}

/** A bar that is never over-full and never divides by zero. */
function progress({ done, total, says }: NonNullable<Card['progress']>): NonNullable<CardView['progress']> {
  const whole = Number.isFinite(total) && total > 0 ? total : 1;
  const part = Number.isFinite(done) ? Math.min(Math.max(done, 0), whole) : 0;
  return { done: part, total: whole, says: short(says, LIMITS.title) };
}

/** A button without words is still a button that must be told apart: it shows its reference. */
function action({ ref, label, style }: Action): ActionView {
  return { ref, label: short(label, LIMITS.label).trim() || ref, style: style ?? 'plain' };
}
