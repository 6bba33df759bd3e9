import { broken, type Call, guestOf, needAny, onGuest, type Route } from './call.ts';
import { needWritableConfig } from './guest-api.ts';
import { bytesOf, diskSize } from './guest-rows.ts';
import { canSnapshot, createSnapshot, deleteSnapshot, rollBack } from './snapshot-work.ts';
import type { Guest } from './state.ts';
import type { TaskRun } from './tasks.ts';
import { flag, format, node, oneOf, optional, text, vmid } from './verify.ts';
import { guestDigest } from './world.ts';

/** Snapshots and the size of disks. Their failures show up in the task, not in the answer. */

function list(call: Call, kind: Guest['kind']): unknown[] {
  const guest = guestOf(call, kind);
  const rows = guest.snapshots.map(({ config: _config, vmstate, snapstate, ...row }) => ({
    ...row,
    ...(snapstate && { snapstate }),
    ...(kind === 'qemu' && { vmstate: vmstate ? 1 : 0 }),
  }));
  return [
    ...rows,
    {
      name: 'current',
      description: 'You are here!',
      digest: guestDigest(guest),
      running: guest.running ? 1 : 0,
      ...(guest.parent !== undefined && { parent: guest.parent }),
    },
  ];
}

type Work = (call: Call, guest: Guest, name: string, run: TaskRun) => Promise<void>;

/** Starts the task; everything that can go wrong with a snapshot goes wrong in there. */
function task(call: Call, kind: Guest['kind'], verb: string, work: Work): string {
  const guest = guestOf(call, kind);
  const type = `${kind === 'lxc' ? 'vz' : 'qm'}${verb}`;
  return call.tasks.start({ node: call.node.name, type, id: String(guest.vmid), caller: call.caller }, (run) =>
    work(call, guest, call.params.snapname ?? '', run),
  );
}

function create(call: Call, kind: Guest['kind']): string {
  const { snapname: name = '' } = call.params;
  const guest = guestOf(call, kind);
  if (name === 'current' || (kind === 'lxc' && name === 'vzdump'))
    throw broken(`unable to use snapshot name '${name}' (reserved name)`);
  needWritableConfig(call, kind, guest.vmid);
  return task(call, kind, 'snapshot', createSnapshot);
}

function remove(call: Call, kind: Guest['kind']): string {
  needWritableConfig(call, kind, guestOf(call, kind).vmid);
  return task(call, kind, 'delsnapshot', deleteSnapshot);
}

function rollback(call: Call, kind: Guest['kind']): string {
  needWritableConfig(call, kind, guestOf(call, kind).vmid);
  return task(call, kind, 'rollback', rollBack);
}

/** A linked clone needs a template; a full copy is always possible. */
function feature(call: Call, kind: Guest['kind']): unknown {
  const guest = guestOf(call, kind);
  const able = canSnapshot(call, guest);
  const has = { snapshot: able, clone: able && guest.template, copy: true };
  return {
    hasFeature: has[call.params.feature as keyof typeof has] ? 1 : 0,
    ...(kind === 'qemu' && { nodes: [...call.world.nodes.keys()] }),
  };
}

function snapshotConfig(call: Call, kind: Guest['kind']): unknown {
  const guest = guestOf(call, kind);
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

const ofBothKinds = (['lxc', 'qemu'] as const).flatMap((kind): Route[] => {
  const path = `/nodes/{node}/${kind}/{vmid}/snapshot`;
  return [
    { method: 'GET', path, rules: ids, may: onGuest('VM.Audit'), run: (call) => list(call, kind) },
    {
      method: 'POST',
      path,
      rules: kind === 'lxc' ? body : { ...body, vmstate: flag },
      may: onGuest('VM.Snapshot'),
      run: (call) => create(call, kind),
    },
    {
      method: 'DELETE',
      path: `${path}/{snapname}`,
      rules: { ...one, force: flag },
      may: onGuest('VM.Snapshot'),
      run: (call) => remove(call, kind),
    },
    {
      method: 'GET',
      path: `${path}/{snapname}/config`,
      rules: one,
      may: (call) => needAny(call, `/vms/${call.params.vmid}`, 'VM.Snapshot', 'VM.Snapshot.Rollback', 'VM.Audit'),
      run: (call) => snapshotConfig(call, kind),
    },
    {
      method: 'POST',
      path: `${path}/{snapname}/rollback`,
      rules: { ...one, start: flag },
      may: (call) => needAny(call, `/vms/${call.params.vmid}`, 'VM.Snapshot', 'VM.Snapshot.Rollback'),
      run: (call) => rollback(call, kind),
    },
    {
      method: 'GET',
      path: `/nodes/{node}/${kind}/{vmid}/feature`,
      rules: { ...ids, feature: oneOf('snapshot', 'clone', 'copy'), snapname: optional(snapname) },
      may: onGuest('VM.Audit'),
      run: (call) => feature(call, kind),
    },
  ];
});

export const snapshotRoutes: Route[] = [
  ...ofBothKinds,
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
