import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';

/** The page's files, read once: what is not in this table does not exist, so no path can lead elsewhere. */
export type Files = ReadonlyMap<string, { readonly type: string; readonly body: Buffer }>;

const FOLDER = new URL('./page/', import.meta.url);
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export async function readFiles(): Promise<Files> {
  const files = new Map<string, { type: string; body: Buffer }>();
  for (const name of await readdir(FOLDER)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    files.set(name === 'index.html' ? '/' : `/${name}`, { type, body: await readFile(new URL(name, FOLDER)) });
  }
  return files;
}
