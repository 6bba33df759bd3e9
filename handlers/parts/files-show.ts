import type { Guest } from '../../src/contracts/cluster.ts';
import type { ReadContext } from '../../src/contracts/command.ts';
import type { FileFacts, FilePath, FileShown } from '../../src/contracts/shell.ts';
import { backupBytes, textOf } from './files-backups.ts';
import type { Picked } from './files-pick.ts';

/** As much of a file as is ever looked at. */
const MOST = 64 * 1024;

/** What is known of one version; from a backup, little. */
export type Seen = Partial<FileFacts> &
  Pick<FileFacts, 'type'> &
  Partial<Pick<FileShown, 'text' | 'binary' | 'target' | 'names' | 'whole'>>;

/** `contents` false: nothing of the text leaves the node. */
export async function see(
  guest: Guest,
  picked: Picked,
  path: FilePath,
  contents: boolean,
  { nodes, view }: Pick<ReadContext, 'nodes' | 'view'>,
): Promise<Seen> {
  if (picked.source === 'backup') {
    const { version } = picked;
    const facts: Seen = {
      type: version.type,
      ...(version.size === undefined ? {} : { size: version.size }),
      ...(version.mtime === undefined ? {} : { mtime: version.mtime }),
    };
    if (!contents || version.type !== 'file' || (version.size ?? 0) > MOST) return facts;
    const text = textOf(await backupBytes(version, path, { view }, MOST), true);
    return text === undefined ? { ...facts, binary: true } : { ...facts, text, whole: true };
  }
  const { node, from } = picked;
  const volume = picked.source === 'replica' ? picked.volume : undefined;
  const stat = () => nodes.stat(node, guest.vmid, picked.path, from, volume);
  if (!contents) return stat();
  const shown = await nodes.show(node, guest.vmid, picked.path, from, volume);
  // Only stat weighs what is below a folder.
  return shown.type === 'directory' ? { ...shown, ...(await stat()) } : shown;
}
