/** One line of the result. Without a baseline the measured value itself is held against the aim. */
export interface Row {
  readonly what: string;
  readonly measured: number;
  readonly unit: 'ms' | 'MB';
  readonly baseline?: number;
  /** Most the ratio, or without one the measured value, should be; none where a row is only for information. */
  readonly aim?: number;
  /** What is held against the aim when there are both a baseline and an absolute aim. */
  readonly absolute?: boolean;
}

const amount = (value: number, unit: Row['unit']) =>
  `${value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)} ${unit}`;

function cells(row: Row): readonly string[] {
  const { what, measured, unit, baseline, aim } = row;
  const ratio = baseline === undefined ? undefined : measured / baseline;
  const byValue = ratio === undefined || row.absolute === true;
  const held = byValue ? measured : ratio;
  return [
    what,
    amount(measured, unit),
    baseline === undefined ? '' : amount(baseline, unit),
    ratio === undefined ? '' : ratio.toFixed(2),
    aim === undefined ? '' : `≤ ${byValue ? amount(aim, unit) : aim.toFixed(1)}`,
    aim === undefined ? '' : held <= aim ? 'ok' : 'over',
  ];
}

const HEAD = ['what', 'measured', 'baseline', 'ratio', 'aim', ''];

/** Columns by their widest cell; numbers to the right. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
