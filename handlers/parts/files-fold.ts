import type { FileVersion } from '../../src/contracts/shell.ts';

/** One version of a file, wherever it is. */
export interface Version {
  /** What `from:` takes: `live`, a snapshot's name, `ovh3:<snapshot>`, `pbs:<time>`. */
  readonly name: string;
  readonly source: 'live' | 'snapshot' | 'replica' | 'backup';
  /** Where it is to be read. */
  readonly node: string;
  /** Name on its node. */
  readonly from: string;
  readonly kind: string;
  /** Epoch seconds; 0: unknown. */
  readonly taken: number;
  /** `unread`: the snapshot is there, and nobody looked whether it holds the file. */
  readonly type: string;
  readonly size?: number;
  /** Epoch seconds. */
  readonly mtime?: number;
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly sha256?: string;
  readonly identity?: string;
  readonly guid?: string;
  /** Of a backup. */
  readonly storage?: string;
  readonly volid?: string;
}

/** What a node told of one version. `replica`: the node is not the guest's own. */
export function versionOf(told: FileVersion, node: string, replica: boolean): Version {
  const { from, guid, taken, type, size, mtime, mode, uid, gid, sha256, identity } = told;
  return {
    name: replica ? `${node}:${from}` : from,
    source: replica ? 'replica' : from === 'live' ? 'live' : 'snapshot',
    node,
    from,
    kind: kindOf(told),
    taken: taken ?? 0,
    type,
    size,
    mtime,
    mode,
    uid,
    gid,
    identity,
    ...(guid ? { guid } : {}),
    ...(sha256 ? { sha256 } : {}),
  };
}

const AUTO = /^auto([a-z]+)\d{12}$/;

function kindOf({ from, class: kind, hidden }: Pick<FileVersion, 'from' | 'class' | 'hidden'>): string {
  if (from === 'live') return 'now';
  if (kind === 'autosnap') return AUTO.exec(from)?.[1] ?? kind;
  if (kind === 'manual') return hidden ? 'zfs, not in the GUI' : 'snapshot';
  return kind;
}

export interface Replica {
  readonly node: string;
  /** As the node listed them: live first, then newest first. */
  readonly versions: readonly FileVersion[];
}

/**
 * What replicas hold and nobody else: most of their snapshots are the very ones of the guest's own node (same guid).
 * The newest state that replication brought is told for each node all the same, since it is what a failover would
 * start from. Their `live` is that state once more.
 */
export function onlyThere(own: readonly FileVersion[], replicas: readonly Replica[]): readonly Version[] {
  const known = new Set(own.map((version) => version.guid).filter(Boolean));
  return replicas.flatMap(({ node, versions }) => {
    const snapshots = versions.filter((version) => version.from !== 'live');
    const newest = snapshots.find((version) => version.class === 'replication');
    const told = snapshots.filter((version) => version === newest || !version.guid || !known.has(version.guid));
    for (const { guid } of told) if (guid) known.add(guid);
    const kept = snapshots.length === 0 ? versions : told;
    return kept.map((version) => versionOf(version, node, true));
  });
}

/** Live first, then newest first. */
export function inOrder(versions: readonly Version[]): readonly Version[] {
  return versions.toSorted(
    (a, b) =>
      Number(b.source === 'live') - Number(a.source === 'live') || b.taken - a.taken || (a.name < b.name ? -1 : 1),
  );
}

/** `A` for the first text in the list, `B` for the next other one; `B?` where only size and time say so. */
export function letters(versions: readonly Version[]): readonly string[] {
  const groups = new Map<string, number>();
  /** Where the number of a group that was found to be another one leads. */
  const leads: number[] = [];
  const lead = (number: number): number => {
    let at = number;
    while (leads[at] !== at) {
      leads[at] = leads[leads[at]!]!;
      at = leads[at]!;
    }
    return at;
  };
  /** Every name this content is known by leads to one group. */
  const group = (keys: readonly string[]): number => {
    const found = keys.map((key) => groups.get(key)).filter((number) => number !== undefined);
    const number = found.length > 0 ? Math.min(...found.map(lead)) : leads.push(leads.length) - 1;
    for (const other of found) leads[lead(other)] = number;
    for (const key of keys) groups.set(key, number);
    return number;
  };
  const read = versions.filter((version) => comparable(version) && version.source !== 'backup');
  const guessed = versions.filter((version) => comparable(version) && version.source === 'backup');
  for (const version of read) group(namesOf(version));
  for (const version of guessed) {
    const like = read.find((other) => looksLike(version, other));
    group([...(like ? namesOf(like) : []), looks(version)]);
  }
  const order = new Map<number, string>();
  return versions.map((version) => {
    if (!comparable(version)) return '';
    const number = lead(groups.get(version.source === 'backup' ? looks(version) : namesOf(version)[0]!)!);
    if (!order.has(number)) order.set(number, letter(order.size));
    return `${order.get(number)}${version.source === 'backup' ? '?' : ''}`;
  });
}

/** Folders are not compared, and of backups' links nothing is known. */
function comparable({ type, source, sha256, identity, size, mtime }: Version): boolean {
  if (source === 'backup') return type === 'file' && size !== undefined && mtime !== undefined;
  return (type === 'file' || type === 'symlink') && (sha256 !== undefined || identity !== undefined);
}

const namesOf = ({ sha256, identity }: Version): string[] => [
  ...(sha256 ? [`sha ${sha256}`] : []),
  ...(identity ? [`identity ${identity}`] : []),
];

/** Backups tell whole seconds. */
const looks = ({ size, mtime }: Version): string => `looks ${size} ${Math.floor(mtime ?? 0)}`;
const looksLike = (backup: Version, other: Version): boolean => other.type === 'file' && looks(backup) === looks(other);

function letter(number: number): string {
  const rest = Math.floor(number / 26);
  return `${rest > 0 ? letter(rest - 1) : ''}${String.fromCharCode(65 + (number % 26))}`;
}

/**
 * At most `most` of them: those that are like both their neighbours go first, the oldest of them before the others,
 * and then the oldest.
 */
export function shorten(
  marks: readonly string[],
  most: number,
): { readonly kept: readonly number[]; readonly alike: number } {
  const kept = marks.map((_, at) => at);
  let alike = 0;
  for (let at = kept.length - 2; at > 0 && kept.length > most; at -= 1) {
    const mark = marks[kept[at]!];
    if (!mark || marks[kept[at - 1]!] !== mark || marks[kept[at + 1]!] !== mark) continue;
    kept.splice(at, 1);
    alike += 1;
  }
  return { kept: kept.slice(0, most), alike };
}
