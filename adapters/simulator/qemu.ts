import { broken, type Call, guestOf, has, needAny, type Route } from './call.ts';
import { splitList } from './formats.ts';
import { needWritableConfig } from './guest-api.ts';
import { configValue } from './lxc-create.ts';
import type { Guest } from './state.ts';
import { flag, format, integer, node, optional, properties, type Rules, text, vmid } from './verify.ts';
import { guestDigest } from './world.ts';

/** Changing a VM's settings; only those that the commands use. */

const settings: Rules = {
  node,
  vmid,
  cores: optional(integer(1)),
  description: optional(text({ maxLength: 8192 })),
  memory: optional(properties({ current: integer(16) }, { defaultKey: 'current' })),
  name: optional(format('dns-name')),
  onboot: flag,
  protection: flag,
  sockets: optional(integer(1)),
  tags: optional(format('pve-tag-list')),
  delete: optional(format('pve-configid-list')),
  digest: optional(text({ maxLength: 40 })),
};

const settingNames = (call: Call) =>
  Object.keys(call.params).filter((key) => !['node', 'vmid', 'delete', 'digest'].includes(key));

function change(call: Call): Guest {
  const guest = guestOf(call, 'qemu');
  if (settingNames(call).length === 0 && !has(call, 'delete')) throw broken('no options specified');
  if (has(call, 'digest') && call.params.digest !== guestDigest(guest)) {
    throw broken('detected modified configuration - file changed by other user? Try again.');
  }
  if (guest.lock !== undefined) throw broken(`VM is locked (${guest.lock})`);
  needWritableConfig(call, 'qemu', guest.vmid);
  return guest;
}

function apply(call: Call, guest: Guest): void {
  for (const key of settingNames(call)) guest.config[key] = configValue(key, call.params[key] as string);
  for (const key of splitList(call.params.delete ?? '')) delete guest.config[key];
  call.effects.add({
    kind: 'config',
    id: String(guest.vmid),
    node: guest.node,
    by: call.caller.full,
    at: call.world.clock.now(),
  });
}

const sync = (call: Call): null => {
  apply(call, change(call));
  return null;
};

function background(call: Call): string {
  const guest = change(call);
  return call.tasks.start(
    { node: call.node.name, type: 'qmconfig', id: String(guest.vmid), caller: call.caller },
    async (run) => {
      run.log(
        `update VM ${guest.vmid}: ${settingNames(call)
          .map((key) => `-${key} ${call.params[key]}`)
          .join(' ')}`,
      );
      await run.pass(0.1);
      apply(call, guest);
    },
  );
}

const can = (call: Call) =>
  needAny(
    call,
    `/vms/${call.params.vmid}`,
    ...['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit'].map((key) => `VM.Config.${key}`),
  );

export const qemuRoutes: Route[] = [
  { method: 'PUT', path: '/nodes/{node}/qemu/{vmid}/config', rules: settings, may: can, run: sync },
  { method: 'POST', path: '/nodes/{node}/qemu/{vmid}/config', rules: settings, may: can, run: background },
];
