import type { Backup, Guest } from '../../src/contracts/cluster.ts';
import type { ReadContext } from '../../src/contracts/command.ts';
import { Failed } from '../../src/contracts/failure.ts';
import type { FilePath } from '../../src/contracts/shell.ts';
import type { Version } from './files-fold.ts';
import { bytesOf, split } from './files-paths.ts';

/** A file in the backups of its container on PBS: the API tells type, size and time, and gives the text. */

type Looking = Pick<ReadContext, 'view'>;

/** Each takes Proxmox a second or so to open, and a PBS has other work. */
const MOST = 8;
const AT_ONCE = 2;

export interface InBackups {
  readonly versions: readonly Version[];
  readonly absent: number;
  /** What could not be looked at, and why. */
  readonly missing: readonly string[];
}

/** `pbs:2026-11-12T01:00:01Z`: the time is in the volume's own name, in UTC. */
export const backupName = ({ volid }: Pick<Backup, 'volid'>): string => `pbs:${/\/([^/]+)$/.exec(volid)?.[1] ?? volid}`;

/** A node to ask about backups: a PBS is reached from any, also when the container's own is down. */
async function reachedFrom(guest: Guest, { view }: Looking): Promise<string> {
  const online = (await view.nodes()).filter((node) => node.online).map(({ name }) => name);
  return online.includes(guest.node) ? guest.node : (online[0] ?? guest.node);
}

/** Backups of the container on PBS, newest first. */
export async function pbsBackups(guest: Guest, context: Looking): Promise<readonly Backup[]> {
  const { view } = context;
  const node = await reachedFrom(guest, context);
  const [backups, storages] = await Promise.all([view.backups({ vmid: guest.vmid, node }), view.storages(node)]);
  const pbs = new Set(storages.filter((storage) => storage.type === 'pbs').map(({ id }) => id));
  return backups.filter((backup) => pbs.has(backup.storage)).toSorted((a, b) => b.at - a.at);
}

export async function inBackups(guest: Guest, path: FilePath, context: Looking): Promise<InBackups> {
  const backups = await pbsBackups(guest, context);
  if (backups.length === 0) return { versions: [], absent: 0, missing: [] };
  if ('pathBase64' in path)
    return { versions: [], absent: 0, missing: ['backups: their files are asked for by UTF-8 names only'] };
  const missing: string[] = [];
  const versions: Version[] = [];
  let absent = 0;
  const asked = backups.slice(0, MOST);
  await fewAtATime(asked, AT_ONCE, async (backup) => {
    try {
      const version = await backupVersion(guest, backup, path, context);
      if (version) versions.push(version);
      else absent += 1;
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      missing.push(`${backupName(backup)}: ${error.failure.why}`);
    }
  });
  if (backups.length > MOST) missing.push(`${backups.length - MOST} backups older than the ${MOST} newest: not opened`);
  return { versions, absent, missing: missing.sort() };
}

/** Undefined when the backup does not hold it. */
export async function backupVersion(
  guest: Guest,
  backup: Backup,
  path: FilePath,
  context: Looking,
): Promise<Version | undefined> {
  const { view } = context;
  const above = split(path);
  if (!above || 'pathBase64' in above.folder) return undefined;
  const { storage, volid, at } = backup;
  const node = await reachedFrom(guest, context);
  const found = await view.backupFiles(node, storage, volid, above.folder.path).catch(nothingThere);
  const entry = found.find(({ name }) => Buffer.from(name).equals(above.name));
  if (!entry) return undefined;
  return {
    name: backupName(backup),
    source: 'backup',
    node,
    from: volid,
    kind: 'backup',
    taken: at,
    storage,
    volid,
    type: entry.type,
    ...(entry.size === undefined ? {} : { size: entry.size }),
    ...(entry.mtime === undefined ? {} : { mtime: entry.mtime }),
  };
}

/** The folder is not in the backup either. */
function nothingThere(error: unknown): readonly [] {
  if (error instanceof Failed && error.failure.kind === 'not-found') return [];
  throw error;
}

/** The bytes of a version in a backup, at most `limit`. */
export function backupBytes(version: Version, path: FilePath, { view }: Looking, limit: number): Promise<Uint8Array> {
  return view.backupFile(version.node, version.storage ?? '', version.from, bytesOf(path).toString(), limit);
}

/** As the helper on a node tells text from the rest. */
export function textOf(bytes: Uint8Array, whole: boolean): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    // A letter cut in two by the limit is no sign of binary data.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !whole });
  } catch {
    return undefined;
  }
}

async function fewAtATime<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: most }, worker));
}
