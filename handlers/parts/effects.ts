import { createHash } from 'node:crypto';
import { type Effect, isApiCall, isNodeCall, type Json } from '../../src/contracts/plan.ts';
import { Masker } from '../../src/contracts/secrets.ts';
import { visibleBlock } from '../../src/contracts/visible.ts';

/** How the effects of a plan are shown, whole: this is what people approve. */

/** Longer texts, such as scripts, have lines of their own, below their size and SHA-256. */
const LONGEST = 200;

/** What a step sends to the API, to a node or into our own books; one argument a line. */
export function effectText(effect: Effect): string {
  if (isApiCall(effect)) return block(`${effect.method} ${effect.path}`, effect.params);
  if (isNodeCall(effect)) return block(`${effect.verb} on ${effect.node} of ${effect.cluster}`, effect.args);
  const { shelf, key, value } = effect;
  if (value === null) return `remove ${key} from our book of ${shelf}`;
  return block(`write ${key} into our book of ${shelf}`, isRecord(value) ? value : { value });
}

function block(head: string, values: { readonly [name: string]: Json }): string {
  return [head, ...argumentLines(values, '  ')].join('\n');
}

function argumentLines(values: { readonly [name: string]: Json }, indent: string): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (Array.isArray(value) && value.length > 0)
      return [`${indent}${name}:`, ...value.flatMap((item: Json) => itemLines(item, `${indent}  `))];
    if (isRecord(value)) return [`${indent}${name}:`, ...argumentLines(value, `${indent}  `)];
    if (typeof value === 'string' && value.length > LONGEST) return longText(name, value, indent);
    return [`${indent}${name}=${inline(value)}`];
  });
}

function itemLines(item: Json, indent: string): readonly string[] {
  if (!isRecord(item)) return [`${indent}- ${inline(item)}`];
  return [`${indent}-`, ...argumentLines(item, `${indent}  `)];
}

function isRecord(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inline(value: Json): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return value.replaceAll('\n', '\\n');
}

/** The sum is of the text as it is; what looks like a secret in it is not shown, to nobody. */
function longText(name: string, value: string, indent: string): readonly string[] {
  const sum = createHash('sha256').update(value).digest('hex');
  const lines = new Masker().mask(value).replace(/\n$/, '').split('\n');
  return [
    `${indent}${name} (${Buffer.byteLength(value)} bytes, SHA-256 ${sum}):`,
    ...lines.flatMap((line) => pieces(line).map((piece) => `${indent}| ${piece}`)),
  ];
}

const pieces = (line: string): readonly string[] => line.match(new RegExp(`.{1,${LONGEST}}`, 'gsu')) ?? [''];

/** Characters of one part, which every platform shows whole beside a title. */
const PART = 2000;

/** A long text in parts, broken between lines; nothing in it is hidden, and so nothing grows any more. */
export function inParts(text: string): readonly string[] {
  const parts: string[] = [];
  for (const line of visibleBlock(text).split('\n')) {
    const last = parts.at(-1);
    if (last !== undefined && last.length + line.length < PART) parts[parts.length - 1] = `${last}\n${line}`;
    else parts.push(line);
  }
  return parts;
}
