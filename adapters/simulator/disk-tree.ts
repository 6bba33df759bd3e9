import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
  utimesSync,
} from 'node:fs';

/**
 * Real folders that stand for a container's volume. A path inside one is bytes, one character each, without a slash
 * at its beginning; nothing here ever follows a symbolic link out of the folder.
 */

/** The place of a path on this machine's disk. */
export const hostPath = (root: string, relative: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(relative, 'latin1')]);

export type Found =
  | { readonly stat: Stats; readonly relative: string }
  | { readonly missing: true }
  /** It goes through a symbolic link; `real` is where to, when that is inside and there. */
  | { readonly link: true; readonly real?: string };

const parts = (relative: string): string[] => relative.split('/').filter((part) => part !== '');

export function lstatOf(root: string, relative: string): Stats | undefined {
  try {
    return lstatSync(hostPath(root, relative));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Looks without following any link, as openat2 with RESOLVE_NO_SYMLINKS does; a link as last part is found itself. */
export function look(root: string, relative: string): Found {
  const names = parts(relative);
  for (const [index] of names.entries()) {
    const stat = lstatOf(root, names.slice(0, index + 1).join('/'));
    if (!stat) return { missing: true };
    if (index === names.length - 1) return { stat, relative: names.join('/') };
    if (stat.isSymbolicLink()) return { link: true, real: resolve(root, relative) };
    if (!stat.isDirectory()) return { missing: true };
  }
  return { stat: lstatSync(root), relative: '' };
}

/** Where a path leads inside, links followed as a program in the container would; `last`: the last one too. */
export function resolve(root: string, relative: string, last = false): string | undefined {
  const left = parts(relative);
  const done: string[] = [];
  for (let steps = 0; left.length > 0; steps += 1) {
    if (steps > 200) return undefined;
    const part = left.shift()!;
    if (part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = [...done, part].join('/');
    const stat = lstatOf(root, here);
    if (!stat) return undefined;
    if (stat.isSymbolicLink() && (left.length > 0 || last)) {
      const target = readlinkSync(hostPath(root, here), 'buffer').toString('latin1');
      if (target.startsWith('/')) done.length = 0;
      left.unshift(...parts(target));
    } else done.push(part);
  }
  return done.join('/');
}

/** Copies with modes, times, links as links, and hard links among themselves; shares blocks where the disk can. */
export function copyTree(
  fromRoot: string,
  from: string,
  toRoot: string,
  to: string,
  seen = new Map<number, string>(),
): void {
  const stat = lstatSync(hostPath(fromRoot, from));
  const [source, target] = [hostPath(fromRoot, from), hostPath(toRoot, to)];
  if (stat.isDirectory()) {
    mkdirSync(target, { mode: 0o700 });
    for (const name of namesIn(fromRoot, from)) copyTree(fromRoot, joined(from, name), toRoot, joined(to, name), seen);
    chmodSync(target, stat.mode & 0o7777);
    utimesSync(target, stat.atimeMs / 1000, stat.mtimeMs / 1000);
    return;
  }
  const twin = stat.nlink > 1 ? seen.get(stat.ino) : undefined;
  if (twin !== undefined) {
    linkSync(hostPath(toRoot, twin), target);
    return;
  }
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(source, 'buffer'), target);
    lutimesSync(target, stat.atimeMs / 1000, stat.mtimeMs / 1000);
  } else if (stat.isFile()) {
    copyFileSync(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    utimesSync(target, stat.atimeMs / 1000, stat.mtimeMs / 1000);
  } else closeSync(openSync(target, 'wx')); // a FIFO, socket or device becomes an empty file
  if (process.getuid?.() === 0) lchownSync(target, stat.uid, stat.gid);
  if (stat.nlink > 1) seen.set(stat.ino, to);
}

export const joined = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

/** Names in a folder as bytes, sorted as bytes. */
export const namesIn = (root: string, relative: string): string[] =>
  readdirSync(hostPath(root, relative), { encoding: 'buffer' })
    .map((name) => name.toString('latin1'))
    .sort();
