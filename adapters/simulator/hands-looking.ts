import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync, type Stats } from 'node:fs';
import { hostPath, joined, look, lstatOf, namesIn, resolve } from './disk-tree.ts';
import { type HandsCall, type Verbs, verb } from './hands.ts';
import { decoded, fault, visible } from './hands-answer.ts';
import * as field from './hands-fields.ts';
import { localConfig } from './hands-guest.ts';
import {
  datasets,
  neededSnapshot,
  type Place,
  placeOf,
  roles,
  snapshotFacts,
  versionRoot,
  type Where,
} from './hands-places.ts';

/** zfs.snapshots, file.versions, file.stat, file.show. */

function zfsSnapshots({ vmid }: { vmid: number }, call: HandsCall): object {
  const config = localConfig(call, vmid);
  const found = datasets(call, vmid);
  const role = roles(config);
  const of = (name: string) => role.get(name) ?? null;
  return {
    vmid,
    here: config !== undefined,
    volumes: found.map(({ dataset, disk, type }) => ({
      dataset,
      volume: disk.name,
      type,
      role: of(disk.name),
      used: disk.volume.used,
      refer: disk.volume.used,
    })),
    snapshots: found
      .flatMap(({ dataset, disk }) =>
        disk.snapshots.map((each) => ({
          dataset,
          volume: disk.name,
          role: of(disk.name),
          ...snapshotFacts(config, each),
          used: Number(BigInt(each.guid) % 40_000_000n),
          refer: disk.volume.used,
          holds: 0,
        })),
      )
      .sort((a, b) => a.taken - b.taken),
  };
}

/** Owners are not on this machine's disk: they follow from the path. */
function ownerOf(root: string, relative: string): { uid: number; gid: number } {
  const [top, name] = relative.split('/');
  if (top === 'home' && name !== undefined) {
    const passwd = resolve(root, 'etc/passwd', true);
    const text = passwd === undefined ? '' : readFileSync(hostPath(root, passwd), 'latin1');
    const row = text
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[5] === `/home/${name}`);
    return { uid: Number(row?.[2] ?? 0), gid: Number(row?.[3] ?? 0) };
  }
  if (relative.startsWith('var/www/html')) return { uid: 33, gid: 33 };
  return relative === 'etc/shadow' ? { uid: 0, gid: 42 } : { uid: 0, gid: 0 };
}

function kindOf(stat: Stats): string {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isSocket()) return 'socket';
  return stat.isBlockDevice() ? 'block-device' : 'character-device';
}

export interface Seen {
  readonly root: string;
  readonly relative: string;
  readonly stat: Stats;
}

const statFacts = ({ root, relative, stat }: Seen) => ({
  type: kindOf(stat),
  size: stat.size,
  mode: (stat.mode & 0o7777).toString(8).padStart(4, '0'),
  ...ownerOf(root, relative),
  // Copies keep times to a fraction of a microsecond only.
  mtime: Math.round(stat.mtimeMs) / 1000,
  links: stat.nlink,
});

/** A look that must find something, or the call ends. */
export function mustLook(place: Place, root: string, from: string, relative: string, what: string): Seen {
  const found = look(root, relative);
  if ('stat' in found) return { root, relative, stat: found.stat };
  const name = `${visible(`${place.point}/${relative}`, 500)}${from === 'live' ? '' : ` in ${from}`}`;
  if ('missing' in found) return fault('not-found', what, `there is no ${name}`, 'file.versions lists what there is');
  return fault('refused', what, `${name}: it goes through a symbolic link`, nextOf(realOf(place, found.real)));
}

const realOf = (place: Place, real: string | undefined): string | null =>
  real === undefined ? null : visible(`${place.point}/${real}`, 4000);

export const nextOf = (real: string | null): string =>
  real === null ? 'look at it inside the container' : `use the real path: ${real}`;

export const realPathOf = realOf;

const hashFile = 4 * 1024 * 1024;

/** Untouched ones are the same: copies have other inodes here, so it is content and attributes that tell. */
function identityOf(seen: Seen, content: string | null): string {
  const { stat } = seen;
  const parts = [content ?? '', stat.mode, stat.size, Math.round(stat.mtimeMs), stat.isDirectory() ? stat.ino : 0];
  return createHash('sha256').update(parts.join(':')).digest('hex').slice(0, 16);
}

function fileVersions(args: Where, call: HandsCall): object {
  const place = placeOf(args, call);
  const versions: object[] = [];
  const troubles: object[] = [];
  let absent = 0;
  let budget = 16 * hashFile;
  const snapshots = [...place.disk.snapshots].reverse().map((each) => snapshotFacts(place.config, each));
  const live = { name: 'live', class: 'live', guid: null, taken: null, hidden: null };
  for (const { name, ...facts } of [live, ...snapshots]) {
    const root = versionRoot(place, name);
    const found = look(root, place.relative);
    if ('missing' in found) absent += 1;
    else if ('link' in found)
      troubles.push({ from: name, why: 'it goes through a symbolic link', real: realOf(place, found.real) });
    else {
      const seen = { root, relative: place.relative, stat: found.stat };
      const hashed = found.stat.isFile() && found.stat.size <= Math.min(hashFile, budget);
      if (hashed) budget -= found.stat.size;
      const sha256 = hashed
        ? createHash('sha256')
            .update(readFileSync(hostPath(root, place.relative)))
            .digest('hex')
        : null;
      versions.push({ from: name, ...facts, ...statFacts(seen), sha256, identity: identityOf(seen, sha256) });
    }
  }
  return {
    vmid: args.vmid,
    path: visible(place.path, 4000),
    dataset: place.dataset,
    volume: place.disk.name,
    versions,
    absent,
    troubles,
  };
}

/** Entries below a folder, their bytes, and the room they take on this machine's disk. */
export function weigh(root: string, relative: string): { entries: number; bytes: number; space: number } {
  const sum = { entries: 0, bytes: 0, space: 0 };
  for (const name of namesIn(root, relative)) {
    const path = joined(relative, name);
    const stat = lstatOf(root, path);
    if (!stat) continue;
    const own = { entries: 0, bytes: stat.isFile() ? stat.size : 0, space: 0 };
    const below = stat.isDirectory() ? weigh(root, path) : own;
    sum.entries += 1 + below.entries;
    sum.bytes += below.bytes;
    sum.space += stat.blocks * 512 + below.space;
  }
  return sum;
}

type Version = Where & { readonly from: string };

function looked(args: Version, call: HandsCall, what: string) {
  const place = placeOf(args, call);
  if (args.from !== 'live') neededSnapshot(place, args.from);
  const root = versionRoot(place, args.from);
  const seen = mustLook(place, root, args.from, place.relative, what);
  const head = { vmid: args.vmid, path: visible(place.path, 4000), from: args.from, ...statFacts(seen) };
  return { seen, head };
}

function fileStat(args: Version, call: HandsCall): object {
  const { seen, head } = looked(args, call, 'nothing was looked at');
  if (!seen.stat.isDirectory()) return head;
  const { entries, bytes } = weigh(seen.root, seen.relative);
  return { ...head, entries, bytes, complete: true };
}

function fileShow(args: Version, call: HandsCall): object {
  const { seen, head } = looked(args, call, 'nothing was shown');
  if (seen.stat.isFile()) return { ...head, ...shownFile(seen) };
  if (seen.stat.isDirectory()) return { ...head, ...shownFolder(seen) };
  if (!seen.stat.isSymbolicLink()) return head;
  const target = readlinkSync(hostPath(seen.root, seen.relative), 'buffer').toString('latin1');
  return { ...head, target: visible(target, 4000) };
}

/** The first 64 KiB when it is text. */
function shownFile({ root, relative, stat }: Seen): object {
  const bytes = readFileSync(hostPath(root, relative)).subarray(0, 65_536).toString('latin1');
  const whole = bytes.length >= stat.size;
  // A cut in the middle of a letter is no sign of binary data.
  const part = whole ? bytes : bytes.replace(/[\xc2-\xf4][\x80-\xbf]{0,2}$/, '');
  if (part.includes('\0') || decoded(part) === undefined) return { binary: true };
  return { text: visible(part, 80_000), whole };
}

function shownFolder({ root, relative }: Seen): object {
  const names = namesIn(root, relative);
  const rows = names.slice(0, 1000).flatMap((name) => {
    const stat = lstatOf(root, joined(relative, name));
    const nameBase64 = Buffer.from(name, 'latin1').toString('base64');
    return stat ? [{ name: visible(name, 300), nameBase64, type: kindOf(stat), size: stat.size }] : [];
  });
  return { names: rows, whole: names.length <= 1000 };
}

const where = { path: field.path, pathBase64: field.path64, volume: field.volume };
const oneVersion = { vmid: field.vmid, from: field.version };

export const lookingVerbs: Verbs = {
  'zfs.snapshots': verb({ needs: { vmid: field.vmid }, may: {}, run: zfsSnapshots }),
  'file.versions': verb({ needs: { vmid: field.vmid }, may: where, run: fileVersions }),
  'file.stat': verb({ needs: oneVersion, may: where, run: fileStat }),
  'file.show': verb({ needs: oneVersion, may: where, run: fileShow }),
};
