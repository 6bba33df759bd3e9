import { broken, type Call, guestOf, label, needAny, on, onGuest, type Route } from './call.ts';
import { needWritableConfig } from './guest-api.ts';
import { bytesOf, diskSize } from './guest-rows.ts';
import type { Guest } from './state.ts';
import { flag, format, node, optional, text, vmid } from './verify.ts';
import { guestDigest } from './world.ts';

/** Snapshots and the size of disks. Their failures show up in the task, not in the answer. */

const snapshotStorages = new Set(['zfspool', 'btrfs', 'rbd', 'lvmthin']);

/** Every disk must be on a storage that can; one that cannot spoils it for the whole guest. */
function canSnapshot(call: Call, guest: Guest): boolean {
  return Object.entries(guest.config)
    .filter(([key]) => /^(rootfs|mp\d+|scsi\d+|virtio\d+)$/.test(key))
    .every(([, value]) => snapshotStorages.has(call.state.storages.get(String(value).split(':')[0] ?? '')?.type ?? ''));
}

function list(call: Call, kind: Guest['kind']): unknown[] {
  const guest = guestOf(call, kind);
  const rows = guest.snapshots.map(({ config: _config, ...row }) => ({
    ...row,
    ...(kind === 'qemu' && { vmstate: 0 }),
  }));
  const parent = guest.snapshots.at(-1)?.name;
  return [
    ...rows,
    {
      name: 'current',
      description: 'You are here!',
      digest: guestDigest(guest),
      running: guest.running ? 1 : 0,
      ...(parent && { parent }),
    },
  ];
}

const find = (guest: Guest, name: string) => {
  const snapshot = guest.snapshots.find((each) => each.name === name);
  if (!snapshot) throw new Error(`snapshot '${name}' does not exist`);
  return snapshot;
};

const task = (call: Call, guest: Guest, verb: string, work: () => void | Promise<void>): string =>
  call.tasks.start(
    {
      node: call.node.name,
      type: `${guest.kind === 'lxc' ? 'vz' : 'qm'}${verb}`,
      id: String(guest.vmid),
      caller: call.caller,
    },
    async (run) => {
      if (guest.lock !== undefined) throw new Error(`${label(guest.kind)} is locked (${guest.lock})`);
      await run.pass(0.3, 'working');
      await work();
    },
  );

function create(call: Call, kind: Guest['kind']): string {
  const guest = guestOf(call, kind);
  const { snapname: name = '', description = '' } = call.params;
  if (name === 'current' || (kind === 'lxc' && name === 'vzdump'))
    throw broken(`unable to use snapshot name '${name}' (reserved name)`);
  needWritableConfig(call, kind, guest.vmid);
  return task(call, guest, 'snapshot', () => {
    if (!canSnapshot(call, guest)) throw new Error('snapshot feature is not available');
    if (guest.snapshots.some((each) => each.name === name)) throw new Error(`snapshot name '${name}' already used`);
    const parent = guest.snapshots.at(-1)?.name;
    const text = description === '' || description.endsWith('\n') ? description : `${description}\n`;
    guest.snapshots.push({
      name,
      description: text,
      snaptime: Math.floor(call.world.clock.now() / 1000),
      config: { ...guest.config, description: text },
      ...(parent && { parent }),
    });
    call.effects.add({
      kind: 'snapshot',
      id: `${guest.vmid}/${name}`,
      node: guest.node,
      by: call.caller.full,
      at: call.world.clock.now(),
    });
  });
}

function remove(call: Call): string {
  const guest = guestOf(call, 'lxc');
  return task(call, guest, 'delsnapshot', () => {
    const gone = find(guest, call.params.snapname as string);
    guest.snapshots = guest.snapshots.filter((each) => each !== gone);
    for (const each of guest.snapshots) if (each.parent === gone.name) each.parent = gone.parent;
  });
}

function rollback(call: Call): string {
  const guest = guestOf(call, 'lxc');
  return task(call, guest, 'rollback', () => {
    const wanted = find(guest, call.params.snapname as string);
    const zfs = String(guest.config.rootfs).split(',')[0] ?? '';
    if (call.state.storages.get(zfs.split(':')[0] ?? '')?.type === 'zfspool' && guest.snapshots.at(-1) !== wanted) {
      throw new Error(`can't rollback, '${wanted.name}' is not most recent snapshot on '${zfs}'`);
    }
    guest.config = { ...wanted.config };
    guest.running = on(call, 'start');
  });
}

function snapshotConfig(call: Call): unknown {
  const guest = guestOf(call, 'lxc');
  const found = guest.snapshots.find((each) => each.name === call.params.snapname);
  if (!found) throw broken(`snapshot '${call.params.snapname}' does not exist`);
  return { ...found.config, snaptime: found.snaptime };
}

/** PUT …/resize: only ever larger; `+1G` adds. */
function resize(call: Call): string {
  const guest = guestOf(call, 'lxc');
  const { disk = '', size = '', digest } = call.params;
  const now = diskSize(guest);
  const wanted = size.startsWith('+') ? now + bytesOf(size.slice(1)) : bytesOf(size);
  if (digest !== undefined && digest !== guestDigest(guest))
    throw broken('detected modified configuration - file changed by other user? Try again.');
  if (guest.config[disk] === undefined) throw broken(`no such volume '${disk}'`);
  if (wanted < now) throw broken('unable to shrink disk size');
  if (wanted === now) throw broken('disk is already at specified size');
  needWritableConfig(call, 'lxc', guest.vmid);
  return call.tasks.start(
    { node: call.node.name, type: 'resize', id: String(guest.vmid), caller: call.caller },
    async (run) => {
      await run.pass(0.4, 'working');
      const text = `${Math.round((wanted / 1024 ** 3) * 100) / 100}G`;
      guest.config[disk] = String(guest.config[disk]).replace(/size=[^,]+/, `size=${text}`);
      const volume = call.world.volumes.find(
        (each) => String(guest.config[disk]).startsWith(`${each.volid},`) && each.node === guest.node,
      );
      if (volume) volume.size = wanted;
    },
  );
}

const ids = { node, vmid };
const snapname = format('pve-configid', { maxLength: 40 });
const one = { ...ids, snapname };
const body = { ...one, description: optional(text()) };
const can = onGuest('VM.Snapshot');

export const snapshotRoutes: Route[] = [
  {
    method: 'GET',
    path: '/nodes/{node}/lxc/{vmid}/snapshot',
    rules: ids,
    may: onGuest('VM.Audit'),
    run: (call) => list(call, 'lxc'),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/qemu/{vmid}/snapshot',
    rules: ids,
    may: onGuest('VM.Audit'),
    run: (call) => list(call, 'qemu'),
  },
  {
    method: 'POST',
    path: '/nodes/{node}/lxc/{vmid}/snapshot',
    rules: body,
    may: can,
    run: (call) => create(call, 'lxc'),
  },
  {
    method: 'POST',
    path: '/nodes/{node}/qemu/{vmid}/snapshot',
    rules: { ...body, vmstate: flag },
    may: can,
    run: (call) => create(call, 'qemu'),
  },
  {
    method: 'DELETE',
    path: '/nodes/{node}/lxc/{vmid}/snapshot/{snapname}',
    rules: { ...one, force: flag },
    may: can,
    run: remove,
  },
  {
    method: 'GET',
    path: '/nodes/{node}/lxc/{vmid}/snapshot/{snapname}/config',
    rules: one,
    may: onGuest('VM.Audit'),
    run: snapshotConfig,
  },
  {
    method: 'POST',
    path: '/nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback',
    rules: { ...one, start: flag },
    run: rollback,
    may: (call) => needAny(call, `/vms/${call.params.vmid}`, 'VM.Snapshot', 'VM.Snapshot.Rollback'),
  },
  {
    method: 'PUT',
    path: '/nodes/{node}/lxc/{vmid}/resize',
    run: resize,
    may: onGuest('VM.Config.Disk'),
    rules: {
      ...ids,
      disk: text({ pattern: /^(?:rootfs|mp\d{1,3})$/ }),
      size: text({ pattern: /^\+?\d+(?:\.\d+)?[KMGT]?$/ }),
      digest: optional(text({ maxLength: 40 })),
    },
  },
];
