import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { HouseRules } from './contracts/house.ts';
import type { Config } from './settings.ts';

/** What the helper on a node takes; bytes (adapters/shell/node/parts/20-fields.pl counts characters). */
export const LARGEST_SCRIPT = 65_000;

export interface Script {
  readonly text: string;
  readonly sha256: string;
}

/** Throws Error with the reason in words when it cannot be what runs in a container. */
export function readScript(path: string): Script {
  let bytes: Buffer;
  try {
    if (!statSync(path).isFile()) throw new Error(`${path} is not a file`);
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code ? `${path} cannot be read (${code})` : message);
  }
  if (bytes.length > LARGEST_SCRIPT)
    throw new Error(`${path} has ${bytes.length} bytes, at most ${LARGEST_SCRIPT} are run`);
  if (bytes.length === 0) throw new Error(`${path} is empty`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${path} is not UTF-8`);
  }
  if (text.includes('\0')) throw new Error(`${path} holds a NUL byte, so it is no script`);
  return { text, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/**
 * The rules of every cluster, its scripts read once: what runs is what the file held when the bot started, and its
 * SHA-256 is what people approve.
 */
export function readHouses(config: Pick<Config, 'clusters'>): ReadonlyMap<string, HouseRules> {
  return new Map(
    Object.entries(config.clusters).map(([name, { house }]) => {
      const scripts = Object.entries(house.scripts).map(([script, path]) => [script, readScript(path)] as const);
      return [name, { ...house, scripts: Object.fromEntries(scripts) }];
    }),
  );
}
