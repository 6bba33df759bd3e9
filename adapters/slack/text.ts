import { columnsOf, cut, more, visible, visibleBlock } from '../../src/contracts/visible.ts';
import { CELL_MAX, CELLS_MAX } from './limits.ts';

/** Room for a note such as `… 123456 more columns`. */
const NOTE = 32;

/** Text for a plain_text field: visible, never empty (Slack refuses empty and blank text), at most `max`. */
export function plain(text: string, max: number, otherwise: string): string {
  const shown = cut(visible(text.trim()), max);
  return shown === '' ? otherwise : shown;
}

/** As many of `lines` as fit into `room`, each cut to `each`; the last line says how many are missing. */
export function fitting(lines: readonly string[], room: number, each: number, what: 'line' | 'fact'): string[] {
  const shown = lines.map((line) => cut(line, each)).filter((line) => line.trim() !== '');
  const total = shown.reduce((sum, line) => sum + line.length + 1, 0);
  if (total <= room) return shown;
  const kept: string[] = [];
  let used = NOTE;
  for (const line of shown) {
    if (used + line.length + 1 > room) break;
    kept.push(line);
    used += line.length + 1;
  }
  return [...kept, more(shown.length - kept.length, what)];
}

/** A block of code within `room`, cut after a whole line where there are several, with a note of what is left. */
export function fittingCode(code: string, room: number): string {
  const text = visibleBlock(code).replace(/\n+$/, '');
  if (text.length <= room) return text;
  const lines = text.split('\n');
  const kept: string[] = [];
  let used = NOTE;
  for (const line of lines) {
    if (used + line.length + 1 > room) break;
    kept.push(line);
    used += line.length + 1;
  }
  if (kept.length === 0) return cut(text, room);
  return [...kept, more(lines.length - kept.length, 'line')].join('\n');
}

/** A table as aligned text within `room`: heading, rows, and a note of rows and columns left out. */
export function tableText(columns: readonly string[], rows: readonly (readonly string[])[], room: number): string {
  const wide = Math.max(columns.length, ...rows.slice(0, 1000).map((row) => row.length));
  const count = Math.min(wide, CELLS_MAX);
  const cells = (row: readonly string[]) =>
    Array.from({ length: count }, (_, column) => cut(visible((row[column] ?? '').trim()), CELL_MAX));
  // Rows beyond these can never fit, since each takes at least its line break.
  const candidates = rows.slice(0, Math.min(rows.length, 1000)).map(cells);
  const heading = cells(columns);
  const widths = heading.map((cell, column) =>
    Math.max(columnsOf(cell), ...candidates.map((row) => columnsOf(row[column] ?? ''))),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - columnsOf(cell)))
      .join('  ')
      .trimEnd();
  const out: string[] = heading.some((cell) => cell !== '') ? [line(heading)] : [];
  let used = 2 * NOTE + out.join('').length;
  let shown = 0;
  for (const row of candidates) {
    const text = line(row);
    if (used + text.length + 1 > room) break;
    out.push(text);
    used += text.length + 1;
    shown++;
  }
  if (shown < rows.length) out.push(more(rows.length - shown, 'row'));
  if (count < wide) out.push(more(wide - count, 'column'));
  return out.join('\n');
}

/** `▓▓▓▓░░░░░░ 2/5`; tolerates any numbers. */
export function progressBar(done: number, total: number): string {
  const ratio = total > 0 && done > 0 ? Math.min(done / total, 1) : 0;
  const full = Math.round(ratio * 10);
  return `${'▓'.repeat(full)}${'░'.repeat(10 - full)} ${done}/${total}`;
}

/** Slack's three entities; everything else in a text is taken as it is (slack.079). */
export function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character] ?? character);
}

/** Escaped and at most `max` after escaping, without cutting an entity. */
export function escapedWithin(text: string, max: number): string {
  let source = cut(text, max);
  let out = escaped(source);
  while (out.length > max) {
    source = cut(source, Math.min(source.length - 1, Math.floor((source.length * max) / out.length)));
    out = escaped(source);
  }
  return out;
}

/**
 * Text as the person typed it. Slack encodes three characters, turns names into `<@U1|alice>` with `should_escape`
 * and what looks like an address into `<http://ovh1.example.org|ovh1.example.org>`. Of a name only the id can be
 * trusted, so `<@U1>` is left; of an address what was typed is left.
 */
export function typedText(text: string): string {
  return text
    .replace(/<([@#!][^<>|]*)\|[^<>]*>/g, '<$1>')
    .replace(/<([a-z][a-z+.-]*:[^<>|]*)(?:\|([^<>]*))?>/gi, (_, address: string, label?: string) => label ?? address)
    .replace(/&(amp|lt|gt);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>' })[name] ?? '');
}
