import type { Table } from '../../src/contracts/card.ts';
import { columnsOf, cut, visible } from '../../src/contracts/visible.ts';

/** Columns of the fixed-width face that fit an embed on a desktop; a phone shows about 40 and wraps. */
const WIDTH = 56;
const GAP = '  ';
/** A column is not made narrower than this to reach {@link WIDTH}; the rows then wrap. */
const NARROWEST = 10;
const CELL_MAX = 40;

/** The table as lines of equal columns, the column names first. Cells that hold only numbers are right-aligned. */
export function tableLines(table: Table): string[] {
  const count = Math.max(table.columns.length, ...table.rows.map((row) => row.length));
  const cells = [table.columns, ...table.rows].map((row) =>
    Array.from({ length: count }, (_, column) => visible(row[column] ?? '').trim()),
  );
  const widths = fitted(
    Array.from({ length: count }, (_, column) => Math.min(CELL_MAX, widest(cells.map((row) => row[column]!)))),
  );
  const numeric = widths.map((_, column) => cells.slice(1).every((row) => /^[\d.,]*$/.test(row[column]!)));
  return cells.map((row) =>
    row
      .map((cell, at) => padded(cell, widths[at]!, numeric[at]!))
      .join(GAP)
      .trimEnd(),
  );
}

function widest(cells: readonly string[]): number {
  return Math.max(1, ...cells.map(columnsOf));
}

/** Takes from the widest column, one at a time, until the row fits or nothing wide is left. */
function fitted(widths: number[]): number[] {
  const out = [...widths];
  const total = () => out.reduce((sum, width) => sum + width, 0) + GAP.length * (out.length - 1);
  while (total() > WIDTH) {
    const most = Math.max(...out);
    if (most <= NARROWEST) break;
    out[out.indexOf(most)] = most - 1;
  }
  return out;
}

function padded(cell: string, width: number, right: boolean): string {
  let text = cut(cell, width);
  for (let room = width - 1; columnsOf(text) > width && room > 0; room--) text = cut(cell, room);
  const blank = ' '.repeat(Math.max(0, width - columnsOf(text)));
  return right ? blank + text : text + blank;
}
