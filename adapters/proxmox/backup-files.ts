import type { z } from 'zod';
import type { BackupFile } from '../../src/contracts/cluster.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { BackupFiles } from './schema.ts';

type Rows = z.output<typeof BackupFiles>;

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString();
const lastPart = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** A container's backup is one archive (`root.pxar.didx`, or `root.mpxar.didx` with split metadata); a VM's are images. */
export function archiveOf(rows: Rows, volid: string): string {
  const names = rows.map((row) => lastPart(decoded(row.filepath))).filter((name) => /\.m?pxar\.didx$/.test(name));
  const archive = names.find((name) => name.startsWith('root.')) ?? names[0];
  return (
    archive ??
    fail('not-found', {
      what: `the files in ${volid} were not read`,
      why: 'it holds no container archive; the disks of VMs are not opened here',
      next: 'look at it in the GUI: storage, Backups, File Restore',
    })
  );
}

/** How the API names a path of the container: base64 of the path below the archive. */
export function inArchive(archive: string, path: string): string {
  return Buffer.from(`/${archive}${path === '/' ? '' : path}`).toString('base64');
}

const TYPES: Readonly<Record<string, string>> = {
  d: 'directory',
  f: 'file',
  h: 'file',
  l: 'symlink',
  p: 'fifo',
  s: 'socket',
  b: 'block-device',
  c: 'character-device',
};

export function filesOf(rows: Rows): readonly BackupFile[] {
  return rows.map(({ filepath, type, size, mtime }) => ({
    name: lastPart(decoded(filepath)),
    type: TYPES[type ?? ''] ?? 'unknown',
    ...(size === undefined ? {} : { size }),
    ...(mtime === undefined ? {} : { mtime }),
  }));
}
