/** JSON the way the formatter of this repository writes it, so that golden files need no exception from it. */
export function goldenJson(value: unknown): string {
  return `${print(value, '', 0)}\n`;
}

const WIDTH = 120;

/** `used`: columns taken on this line before the value, plus one for a comma behind it. */
function print(value: unknown, indent: string, used: number): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every((each) => each === null || typeof each !== 'object')) {
      const flat = `[${value.map((each) => JSON.stringify(each)).join(', ')}]`;
      if (used + flat.length <= WIDTH) return flat;
    }
    return `[\n${value.map((each) => `${inner}${print(each, inner, inner.length + 1)}`).join(',\n')}\n${indent}]`;
  }
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  if (entries.length === 0) return '{}';
  const lines = entries.map(([key, each], index) => {
    const start = `${inner}${JSON.stringify(key)}: `;
    return `${start}${print(each, inner, start.length + (index < entries.length - 1 ? 1 : 0))}`;
  });
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
