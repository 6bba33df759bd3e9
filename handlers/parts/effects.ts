import { createHash } from 'node:crypto';
import { type Effect, isApiCall, isNodeCall, type Json } from '../../src/contracts/plan.ts';

/** How the effects of a plan are shown, whole: this is what people approve. */

/** Longer texts, such as scripts, are told by their size and SHA-256. */
const LONGEST = 1000;

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
  if (value.length <= LONGEST) return value.replaceAll('\n', '\\n');
  const sum = createHash('sha256').update(value).digest('hex');
  return `(${Buffer.byteLength(value)} bytes, SHA-256 ${sum})`;
}
