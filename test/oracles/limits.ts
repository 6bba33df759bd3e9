import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('../../../shared/chat/limits.json', import.meta.url));

interface Fact {
  id: string;
  where: string;
  rule: string;
  value: unknown;
}

/** True where the measured limits are at hand; without them the stand-ins accept every body. */
export const limitsPresent = existsSync(file);

const facts: Fact[] = limitsPresent ? (JSON.parse(readFileSync(file, 'utf8')) as { facts: Fact[] }).facts : [];

/** The number of a fact such as `limit('header.text', 'max_len')`; throws for a fact that is not in the file. */
export function limit(where: string, rule: string): number {
  const { value } = fact(where, rule);
  if (typeof value !== 'number') throw new Error(`limits.json: ${where} ${rule} is no number`);
  return value;
}

/** The two ends of a range fact such as `range('text_object.text', 'len_range')`. */
export function range(where: string, rule: string): { min: number; max: number } {
  const { value } = fact(where, rule);
  if (!Array.isArray(value) || value.length !== 2) throw new Error(`limits.json: ${where} ${rule} is no range`);
  return { min: Number(value[0]), max: Number(value[1]) };
}

function fact(where: string, rule: string): Fact {
  const found = facts.find((one) => one.where === where && one.rule === rule);
  if (!found) throw new Error(`limits.json has no fact ${where} ${rule}`);
  return found;
}

/** Both platforms count code points, not UTF-16 units (limits.json both.147). */
export const codePoints = (text: string): number => [...text].length;
