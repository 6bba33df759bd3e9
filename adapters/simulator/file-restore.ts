import { readFileSync } from 'node:fs';
import { ApiError, badParameters, broken, type Call, may, need, type Route } from './call.ts';
import { hostPath, joined, look, lstatOf, namesIn } from './disk-tree.ts';
import { Bytes } from './router.ts';
import type { Volume } from './state.ts';
import { flag, format, node, text } from './verify.ts';

/** Looking into backups on a Proxmox Backup Server: the files a container had when its backup was made. */

const archive = 'root.pxar.didx';

/** The backup, if the caller may read it. */
function backupOf(call: Call): Volume {
  const { storage: id = '', volume = '' } = call.params;
  const storage = call.state.storages.get(id);
  if (!storage) throw broken(`storage '${id}' does not exist`);
  const volid = volume.includes(':') ? volume : `${id}:${volume}`;
  const owner = Number(/(?:\/(?:ct|vm)\/|-(?:lxc|qemu)-)(\d+)/.exec(volid)?.[1] ?? 0);
  if (!may(call, `/storage/${id}`, 'Datastore.Allocate')) {
    need(call, `/storage/${id}`, 'Datastore.AllocateSpace');
    if (owner > 0) need(call, `/vms/${owner}`, 'VM.Backup');
  }
  if (storage.type !== 'pbs') throw badParameters({ storage: 'Only PBS storages supported for file-restore.' });
  const found = call.world.volumes.find((each) => each.volid === volid && each.content === 'backup');
  if (!found) throw broken(`proxmox-file-restore failed: Error: no such snapshot '${volid.slice(id.length + 1)}'\n`);
  return found;
}

/** The path below the archive, as bytes; undefined for the list of archives. */
function pathOf(call: Call): string | undefined {
  const { filepath = '' } = call.params;
  if (filepath === '/') return undefined;
  const path = Buffer.from(filepath, 'base64')
    .toString('latin1')
    .replace(/^\/+|\/+$/g, '');
  const [first, ...rest] = path.split('/');
  if (first !== archive) throw broken(`path "${Buffer.from(path, 'latin1')}" not found in catalog`);
  return rest.join('/');
}

function rowOf(root: string, path: string, name: string): object {
  const stat = lstatOf(root, path)!;
  const type = stat.isDirectory() ? 'd' : stat.isSymbolicLink() ? 'l' : 'f';
  return {
    filepath: Buffer.from(`/${archive}/${path}`, 'latin1').toString('base64'),
    type,
    text: Buffer.from(name, 'latin1').toString('utf8'),
    leaf: type === 'd' ? 0 : 1,
    mtime: Math.floor(stat.mtimeMs / 1000),
    ...(type === 'f' && { size: stat.size }),
  };
}

function found(root: string, path: string) {
  const seen = look(root, path);
  if ('stat' in seen) return seen.stat;
  throw broken(`path "${archive}/${Buffer.from(path, 'latin1')}" not found in catalog`);
}

function list(call: Call): object[] {
  const backup = backupOf(call);
  const path = pathOf(call);
  if (path === undefined)
    return [{ filepath: Buffer.from(`/${archive}`).toString('base64'), type: 'v', text: archive, leaf: 0 }];
  const root = call.disks.archived(backup);
  if (!found(root, path).isDirectory()) throw broken('parent is not a directory - internal error');
  return namesIn(root, path).map((name) => rowOf(root, joined(path, name), name));
}

/** A file as it is. Folders would come packed, which is not imitated. */
function download(call: Call): Bytes {
  const backup = backupOf(call);
  const path = pathOf(call);
  const root = call.disks.archived(backup);
  const stat = path === undefined ? undefined : found(root, path);
  if (!stat?.isFile()) throw new ApiError(501, 'the simulator packs no folders');
  call.tasks.start({ node: call.node.name, type: 'pbs-download', id: '', caller: call.caller }, (run) => run.pass(0));
  return new Bytes(readFileSync(hostPath(root, path!)));
}

const rules = { node, storage: format('pve-storage-id'), volume: text(), filepath: text() };

export const fileRestoreRoutes: Route[] = [
  { method: 'GET', path: '/nodes/{node}/storage/{storage}/file-restore/list', rules, run: list },
  {
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/file-restore/download',
    rules: { ...rules, tar: flag },
    run: download,
  },
];
