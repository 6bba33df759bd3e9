import {
  badParameters,
  broken,
  type Call,
  guestOf,
  has,
  label,
  needAny,
  needQuorum,
  on,
  onGuest,
  type Route,
} from './call.ts';
import { splitList } from './formats.ts';
import { configOf, listRow, statusRow, visible } from './guest-rows.ts';
import { configValue, needConfigRights } from './lxc-create.ts';
import { updateRules } from './lxc-rules.ts';
import type { Guest } from './state.ts';
import { flag, format, node, optional, vmid } from './verify.ts';
import { guestDigest, sidOf } from './world.ts';

/** Lists, status, configuration and removal of guests. */

const ids = { node, vmid };
const notSettings = new Set(['node', 'vmid', 'delete', 'digest', 'revert']);

const list = (kind: Guest['kind']) => (call: Call) =>
  [...call.state.guests.values()]
    .filter((guest) => guest.kind === kind && guest.node === call.node.name && visible(call, guest))
    .map((guest) => listRow(guest, call.world.clock.now(), call.node.cores));

function config(call: Call, kind: Guest['kind']): unknown {
  const guest = guestOf(call, kind);
  const name = call.params.snapshot;
  if (name === undefined) return configOf(guest);
  const snapshot = guest.snapshots.find((each) => each.name === name);
  if (!snapshot) throw broken(`snapshot '${name}' does not exist`);
  return { ...snapshot.config, snaptime: snapshot.snaptime };
}

/** Complains as the read-only /etc/pve does. */
export function needWritableConfig(call: Call, kind: Guest['kind'], vmid: number): void {
  const file = `/etc/pve/nodes/${call.node.name}/${kind === 'lxc' ? 'lxc' : 'qemu-server'}/${vmid}.conf.tmp.${call.tasks.nextPid()}`;
  needQuorum(call, `unable to open file '${file}' - Permission denied`);
}

function checkDigest(call: Call, guest: Guest): void {
  if (has(call, 'digest') && call.params.digest !== guestDigest(guest)) {
    throw broken('detected modified configuration - file changed by other user? Try again.');
  }
}

/** PUT …/lxc/ID/config: synchronous, no task. */
function update(call: Call): null {
  const keys = Object.keys(call.params).filter((key) => !notSettings.has(key));
  const removals = splitList(call.params.delete ?? '');
  if (keys.length === 0 && removals.length === 0 && !has(call, 'revert')) throw broken('no options specified');
  needConfigRights(call, [...keys, ...removals]);
  const guest = guestOf(call, 'lxc');
  for (const key of removals) {
    if (key === 'rootfs') throw broken(`unable to delete required option 'rootfs'`);
    if (keys.includes(key))
      throw badParameters({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` });
  }
  checkDigest(call, guest);
  if (guest.lock !== undefined) throw broken(`CT is locked (${guest.lock})`);
  needWritableConfig(call, 'lxc', guest.vmid);
  for (const key of keys) guest.config[key] = configValue(key, call.params[key] as string, guest.config[key]);
  for (const key of removals) delete guest.config[key];
  call.effects.add({
    kind: 'config',
    id: String(guest.vmid),
    node: guest.node,
    by: call.caller.full,
    at: call.world.clock.now(),
  });
  return null;
}

/** DELETE: refused while protected, running, locked, or referred to without purge. */
function destroy(call: Call, kind: Guest['kind']): string {
  const guest = guestOf(call, kind);
  const who = `${label(kind)} ${guest.vmid}`;
  if (guest.config.protection === 1) throw broken(`can't remove ${who} - protection mode enabled`);
  const force = kind === 'lxc' && on(call, 'force');
  if (guest.lock !== undefined) throw broken(`${label(kind)} is locked (${guest.lock})`);
  if (!on(call, 'purge')) checkReferences(call, guest, who);
  if (guest.running && !force) {
    throw broken(
      kind === 'lxc' ? `unable to destroy ${who} - container is running` : `${who} is running - destroy failed`,
    );
  }
  needQuorum(call);
  const upid = call.tasks.start(
    {
      node: call.node.name,
      type: kind === 'lxc' ? 'vzdestroy' : 'qmdestroy',
      id: String(guest.vmid),
      caller: call.caller,
    },
    async (run) => {
      await run.pass(0.2, 'destroying');
      if (call.state.guests.get(guest.vmid) !== guest) {
        throw new Error(
          `Configuration file 'nodes/${guest.node}/${kind === 'lxc' ? 'lxc' : 'qemu-server'}/${guest.vmid}.conf' does not exist`,
        );
      }
      if (guest.running && !force) throw new Error(`unable to destroy ${who} - container is running`);
      await run.pass(0.5, 'removing');
      if (on(call, 'purge')) run.log(`purging ${who} from related configurations..`);
      remove(call, guest, on(call, 'destroy-unreferenced-disks'));
      call.effects.add({
        kind: 'destroy',
        id: String(guest.vmid),
        node: guest.node,
        by: call.caller.full,
        at: call.world.clock.now(),
        upid: run.upid,
      });
    },
  );
  return upid;
}

function checkReferences(call: Call, guest: Guest, who: string): void {
  if (call.state.ha.resources.has(sidOf(guest)))
    throw broken(`unable to remove ${who} - used in HA resources and purge parameter not set.`);
  const job = [...call.state.jobs.values()].find((each) => each.guest === guest.vmid);
  if (job) throw broken(`There is a replication job '${job.id}' for guest '${guest.vmid}' - Please remove that first.`);
}

/** Takes the guest, its volumes, its access entries and its pool membership away. */
function remove(call: Call, guest: Guest, unreferenced: boolean): void {
  const { world, state } = call;
  const referenced = Object.values(guest.config).map(String).join('\n');
  for (const volume of [...world.volumes]) {
    const elsewhere = volume.node !== undefined && volume.node !== guest.node;
    if (volume.vmid !== guest.vmid || volume.content === 'backup' || elsewhere) continue;
    if (unreferenced || referenced.includes(volume.volid)) world.dropVolume(volume.volid, volume.node);
  }
  state.guests.delete(guest.vmid);
  state.acl = state.acl.filter((entry) => entry.path !== `/vms/${guest.vmid}`);
  for (const pool of state.pools.values()) pool.vms = pool.vms.filter((id) => id !== guest.vmid);
  if (!on(call, 'purge')) return;
  state.ha.resources.delete(sidOf(guest));
  delete state.ha.manager.services[sidOf(guest)];
  for (const job of state.jobs.values()) if (job.guest === guest.vmid) state.jobs.delete(job.id);
}

function interfaces(call: Call): unknown {
  const guest = guestOf(call, 'lxc');
  if (!guest.running) return null;
  const cards = Object.entries(guest.config)
    .filter(([key]) => /^net\d+$/.test(key))
    .map(([, value]) => card(String(value)));
  return [link('lo', '00:00:00:00:00:00', '127.0.0.1/8', '::1/128'), ...cards];
}

function card(network: string): unknown {
  const key = (name: string) => new RegExp(`(?:^|,)${name}=([^,]+)`).exec(network)?.[1];
  const ip = key('ip');
  return link(key('name') ?? 'eth0', (key('hwaddr') ?? '').toLowerCase(), ip?.includes('/') ? ip : undefined);
}

function link(name: string, hwaddr: string, inet?: string, inet6?: string): unknown {
  const address = (cidr: string, type: string) => ({
    'ip-address': cidr.split('/')[0],
    'ip-address-type': type,
    prefix: cidr.split('/')[1],
  });
  return {
    name,
    hwaddr,
    'hardware-address': hwaddr,
    ...(inet && { inet }),
    ...(inet6 && { inet6 }),
    'ip-addresses': [...(inet ? [address(inet, 'inet')] : []), ...(inet6 ? [address(inet6, 'inet6')] : [])],
  };
}

const pending = (call: Call) => Object.entries(configOf(guestOf(call, 'lxc'))).map(([key, value]) => ({ key, value }));

const removal = { ...ids, purge: flag, 'destroy-unreferenced-disks': flag };
const configQuery = { ...ids, current: flag, snapshot: optional(format('pve-configid', { maxLength: 40 })) };

const configPrivileges = [
  'VM.Config.Disk',
  'VM.Config.CPU',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
];

export const guestRoutes: Route[] = [
  { method: 'GET', path: '/nodes/{node}/lxc', rules: { node }, run: list('lxc') },
  { method: 'GET', path: '/nodes/{node}/qemu', rules: { node, full: flag }, run: list('qemu') },
  ...(['lxc', 'qemu'] as const).flatMap((kind): Route[] => [
    {
      method: 'GET',
      path: `/nodes/{node}/${kind}/{vmid}/status/current`,
      rules: ids,
      may: onGuest('VM.Audit'),
      run: (call) => statusRow(call, guestOf(call, kind)),
    },
    {
      method: 'GET',
      path: `/nodes/{node}/${kind}/{vmid}/config`,
      rules: configQuery,
      may: onGuest('VM.Audit'),
      run: (call) => config(call, kind),
    },
    {
      method: 'DELETE',
      path: `/nodes/{node}/${kind}/{vmid}`,
      rules: { ...removal, ...(kind === 'lxc' ? { force: flag } : { skiplock: flag }) },
      may: onGuest('VM.Allocate'),
      run: (call) => destroy(call, kind),
    },
  ]),
  {
    method: 'PUT',
    path: '/nodes/{node}/lxc/{vmid}/config',
    rules: updateRules,
    run: update,
    may: (call) => needAny(call, `/vms/${call.params.vmid}`, ...configPrivileges),
  },
  { method: 'GET', path: '/nodes/{node}/lxc/{vmid}/interfaces', rules: ids, may: onGuest('VM.Audit'), run: interfaces },
  { method: 'GET', path: '/nodes/{node}/lxc/{vmid}/pending', rules: ids, may: onGuest('VM.Audit'), run: pending },
];
