import { broken, type Call, may, needAny, type Route } from './call.ts';
import { splitList } from './formats.ts';
import type { Storage, Volume } from './state.ts';
import { flag, format, node, optional, type Rule, vmid } from './verify.ts';
import { digestOf } from './world.ts';

const seen = (call: Call, id: string) =>
  may(call, `/storage/${id}`, 'Datastore.Audit') || may(call, `/storage/${id}`, 'Datastore.AllocateSpace');

function usage(call: Call, storage: Storage) {
  const used = call.world.used(call.node.name, storage);
  return {
    type: storage.type,
    content: storage.content.join(','),
    shared: storage.shared ? 1 : 0,
    active: storage.offline ? 0 : 1,
    enabled: 1,
    total: storage.offline ? 0 : storage.total,
    used: storage.offline ? 0 : used,
    avail: storage.offline ? 0 : storage.total - used,
  };
}

function list(call: Call): unknown[] {
  const contents = call.params.content === undefined ? undefined : splitList(call.params.content);
  return call.world
    .storagesOf(call.node.name, call.state)
    .filter((storage) => seen(call, storage.id))
    .filter((storage) => call.params.storage === undefined || storage.id === call.params.storage)
    .filter((storage) => !contents || contents.some((each) => storage.content.includes(each)))
    .filter(
      (storage) => call.params.target === undefined || !storage.nodes || storage.nodes.includes(call.params.target),
    )
    .map((storage) => {
      const row = usage(call, storage);
      return { storage: storage.id, ...row, used_fraction: row.total > 0 ? row.used / row.total : 0 };
    });
}

function find(call: Call): Storage {
  const id = call.params.storage as string;
  const storage = call.state.storages.get(id);
  if (!storage) throw broken(`storage '${id}' does not exist`);
  if (storage.nodes && !storage.nodes.includes(call.node.name))
    throw broken(`storage '${id}' is not available on node '${call.node.name}'`);
  return storage;
}

/** Backups and disks need rights on their guest; entries without them are left out. */
function readable(call: Call, storage: Storage, volume: Volume): boolean {
  if (may(call, `/storage/${storage.id}`, 'Datastore.Allocate')) return true;
  if (volume.content === 'backup') {
    return volume.vmid !== undefined && may(call, `/vms/${volume.vmid}`, 'VM.Backup') && seen(call, storage.id);
  }
  return may(call, `/storage/${storage.id}`, 'Datastore.Audit');
}

function content(call: Call): unknown[] {
  const storage = find(call);
  if (storage.offline) throw broken(`storage '${storage.id}' is not online`);
  return call.world
    .volumesOn(call.node.name, storage.id)
    .filter((volume) => call.params.content === undefined || volume.content === call.params.content)
    .filter((volume) => call.params.vmid === undefined || volume.vmid === Number(call.params.vmid))
    .filter((volume) => readable(call, storage, volume))
    .map((volume) => ({
      volid: volume.volid,
      content: volume.content,
      format: volume.format,
      size: volume.size,
      ctime: volume.ctime,
      ...(volume.vmid !== undefined && { vmid: volume.vmid }),
      ...(volume.content === 'backup' && { subtype: /-lxc-|backup\/ct\//.test(volume.volid) ? 'lxc' : 'qemu' }),
      ...(volume.notes !== undefined && { notes: volume.notes }),
      ...(volume.protected && { protected: 1 }),
    }));
}

const config = (call: Call) => {
  const all = [...call.state.storages.values()];
  const digest = digestOf(all);
  return all
    .filter((storage) => seen(call, storage.id))
    .map((storage) => ({
      storage: storage.id,
      type: storage.type,
      content: storage.content.join(','),
      digest,
      ...(storage.path && { path: storage.path }),
      ...(storage.shared && { shared: 1 }),
      ...(storage.nodes && { nodes: storage.nodes.join(',') }),
    }));
};

const ids = { node, storage: format('pve-storage-id') };
const audits = (call: Call) =>
  needAny(call, `/storage/${call.params.storage}`, 'Datastore.Audit', 'Datastore.AllocateSpace');
const older = [
  'btrfs',
  'cephfs',
  'cifs',
  'dir',
  'esxi',
  'glusterfs',
  'iscsi',
  'iscsidirect',
  'lvm',
  'lvmthin',
  'nfs',
  'pbs',
  'rbd',
  'zfs',
  'zfspool',
];
const storageType: Rule = {
  type: 'string',
  optional: true,
  valuesIn: { '8.4': older, '9.2': older.filter((each) => each !== 'glusterfs') },
};

export const storageRoutes: Route[] = [
  {
    method: 'GET',
    path: '/nodes/{node}/storage',
    run: list,
    rules: {
      node,
      content: optional(format('pve-storage-content-list')),
      storage: optional(format('pve-storage-id')),
      target: optional(node),
      enabled: flag,
      format: flag,
    },
  },
  {
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/content',
    run: content,
    may: audits,
    rules: { ...ids, content: optional(format('pve-storage-content')), vmid: optional(vmid) },
  },
  {
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/status',
    rules: ids,
    run: (call) => usage(call, find(call)),
    may: audits,
  },
  { method: 'GET', path: '/storage', rules: { type: storageType }, run: config },
];
