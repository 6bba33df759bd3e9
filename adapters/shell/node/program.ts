import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * The one file that is installed on a node, put together from `parts/` in the order of their numbers. Where a part
 * says `#include NAME`, the file of that name stands (the programs that run inside the sandbox and the container).
 */
const parts = new URL('parts/', import.meta.url);

function part(name: string): string {
  const text = readFileSync(new URL(name, parts), 'utf8');
  return text.replace(/^#include ([a-z-]+\.(?:pl|sh))$/gm, (_, other: string) => part(other).trimEnd());
}

/** The text of `bascule-node`: the same bytes for the same version of Bascule. */
export function nodeProgram(): string {
  return readdirSync(parts)
    .filter((name) => /^\d\d-[a-z]+\.pl$/.test(name))
    .sort()
    .map(part)
    .join('');
}

/** Lower-case hex, as `sha256sum` prints it and `hello` answers it. */
export function nodeProgramSha256(): string {
  return createHash('sha256').update(nodeProgram()).digest('hex');
}

/** Every verb the program knows, sorted; its README tells each. */
export function nodeVerbs(): readonly string[] {
  return [...nodeProgram().matchAll(/^\$VERB\{'([a-z.]+)'\} = /gm)].map((match) => match[1] ?? '').sort();
}
