import { chmodSync, mkdirSync, readFileSync, rmSync, type Stats, writeFileSync } from 'node:fs';
import { hostPath, lstatOf, resolve } from './disk-tree.ts';
import type { HandsCall } from './hands.ts';
import { fault, visible } from './hands-answer.ts';
import { does, mustRun } from './hands-guest.ts';

/** What programs inside a running container see of its files: links are followed, but never out of it. */

/** How stat(1) names it. */
export function kindWords(stat: Stats): string {
  if (stat.isFile()) return stat.size === 0 ? 'regular empty file' : 'regular file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symbolic link';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isSocket()) return 'socket';
  return stat.isBlockDevice() ? 'block special file' : 'character special file';
}

/** The container's root, for work of the programs in it. */
export class Inside {
  readonly vmid: number;
  readonly #call: HandsCall;
  #root: string | undefined;

  /** Ends the call unless the container runs on this node, and has this `mac` if one is named. */
  constructor(call: HandsCall, vmid: number, mac?: string) {
    this.vmid = vmid;
    this.#call = call;
    mustRun(call, vmid, mac);
  }

  /** The folder on this machine. */
  get root(): string {
    const { disks, world } = this.#call.hands;
    // Somebody who looks at accounts is about to change them.
    this.#root ??= disks.root(world.guest(this.vmid)!).change();
    return this.#root;
  }

  /** Absolute path inside to one without links but the last, relative to the root; undefined when it is not there. */
  #find(path: string, last: boolean): string | undefined {
    return resolve(this.root, path, last);
  }

  /** Without following a last symbolic link. */
  stat(path: string): Stats | undefined {
    const relative = this.#find(path, false);
    return relative === undefined ? undefined : lstatOf(this.root, relative);
  }

  /** What a path leads to, links followed. */
  real(path: string): { readonly stat: Stats; readonly relative: string } | undefined {
    const relative = this.#find(path, true);
    const stat = relative === undefined ? undefined : lstatOf(this.root, relative);
    return stat && { stat, relative: relative! };
  }

  /** Bytes of a file; undefined when there is none. */
  read(path: string): string | undefined {
    const found = this.real(path);
    return found?.stat.isFile() ? readFileSync(hostPath(this.root, found.relative), 'latin1') : undefined;
  }

  /** Writes a file anew, or an old one in place. Its folder must be there. */
  write(path: string, bytes: string, mode = 0o644): void {
    const cut = path.lastIndexOf('/');
    const folder = this.#find(path.slice(0, cut), true);
    if (folder === undefined) throw new Error(`no folder for ${path}`);
    const place = hostPath(this.root, `${folder}/${path.slice(cut + 1)}`);
    writeFileSync(place, Buffer.from(bytes, 'latin1'), { mode });
    chmodSync(place, mode);
  }

  folder(path: string, mode: number): void {
    mkdirSync(hostPath(this.root, path), { recursive: true, mode });
  }

  remove(path: string): void {
    const relative = this.#find(path, false);
    if (relative) rmSync(hostPath(this.root, relative), { recursive: true, force: true });
  }

  /** One command of the container's own that changes something. */
  does(argv: readonly string[], stdin: string, work: () => void): void {
    does(this.#call, `CT ${this.vmid}:`, argv, stdin, work);
  }

  /** A program inside said no. */
  said(what: string, program: string, words: string, code: number): never {
    return fault(
      'refused',
      what,
      `${program} in CT ${this.vmid} said: ${words} (exit code ${code})`,
      'look inside the container',
    );
  }

  /** The bytes of a file that must be there, read as cat does. */
  must(path: string, what: string): string {
    return this.read(path) ?? this.said(what, 'cat', `cat: ${visible(path, 300)}: No such file or directory`, 1);
  }
}
