import { type Call, may } from './call.ts';
import type { Guest } from './state.ts';
import { guestDigest, guestName, sidOf } from './world.ts';

/** How a guest looks in the lists and status answers. Loads are invented, but steady for each guest. */

/** pvestatd's last values are shown this long after a node was lost; then the guest is `unknown`. */
const staleAfterMs = 300_000;

const gib = 1024 ** 3;
const units: Record<string, number> = { K: 1024, M: 1024 ** 2, G: gib, T: 1024 ** 4 };

/** `8G` to bytes; a bare number is bytes. */
export function bytesOf(size: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(size);
  return match ? Math.round(Number(match[1]) * (units[match[2] ?? ''] ?? 1)) : 0;
}

export function diskSize(guest: Guest): number {
  const first = guest.kind === 'lxc' ? guest.config.rootfs : (guest.config.scsi0 ?? guest.config.virtio0);
  return bytesOf(/(?:^|,)size=([^,]+)/.exec(String(first ?? ''))?.[1] ?? '0');
}

const memoryMiB = (guest: Guest) => Number(guest.config.memory ?? 512);

export function loadOf(guest: Guest, now: number) {
  const running = guest.running;
  const maxmem = memoryMiB(guest) * 1024 ** 2;
  return {
    cpu: running ? ((guest.vmid * 7919) % 97) / 1000 : 0,
    disk: guest.kind === 'lxc' && guest.config.rootfs !== undefined ? Math.min(diskSize(guest), 149_487_616) : 0,
    diskread: 0,
    diskwrite: 0,
    maxdisk: diskSize(guest),
    maxmem,
    mem: running ? Math.floor(maxmem / 4) : 0,
    netin: running ? 1462 : 0,
    netout: running ? 936 : 0,
    uptime: running ? Math.max(1, Math.floor((now - (guest.startedAt ?? now)) / 1000)) : 0,
  };
}

const optionals = (guest: Guest) => ({
  ...(guest.lock !== undefined && { lock: guest.lock }),
  ...(guest.config.tags !== undefined && { tags: guest.config.tags }),
});

/** A row of GET /nodes/N/lxc or /qemu. */
export function listRow(guest: Guest, now: number, cores: number): Record<string, unknown> {
  const { cpu, disk, diskread, diskwrite, maxdisk, maxmem, mem, netin, netout, uptime } = loadOf(guest, now);
  const base = {
    vmid: guest.vmid,
    name: guestName(guest),
    status: guest.running ? 'running' : 'stopped',
    cpus: Number(guest.config.cores ?? (guest.kind === 'lxc' ? cores : 1)),
    cpu,
    disk,
    maxdisk,
    maxmem,
    mem,
    netin,
    netout,
    uptime,
    ...(guest.pid !== undefined && { pid: guest.pid }),
    ...optionals(guest),
    ...(guest.template && { template: 1 }),
  };
  if (guest.kind === 'qemu') return base;
  return { ...base, diskread, diskwrite, type: 'lxc', maxswap: Number(guest.config.swap ?? 512) * 1024 ** 2, swap: 0 };
}

/** GET …/status/current. */
export function statusRow(call: Call, guest: Guest): Record<string, unknown> {
  const resource = call.state.ha.resources.get(sidOf(guest));
  const ha = resource
    ? { managed: 1, state: resource.state ?? 'started', ...(resource.group && { group: resource.group }) }
    : { managed: 0 };
  const pressure = ['cpu', 'io', 'memory'].flatMap((what) => [`pressure${what}full`, `pressure${what}some`]);
  const row = { ...listRow(guest, call.world.clock.now(), call.node.cores), ha };
  const pressures =
    call.world.pve === '9.2' ? Object.fromEntries(pressure.map((key) => [key, guest.kind === 'lxc' ? '0.00' : 0])) : {};
  return { ...row, ...pressures, ...(guest.kind === 'qemu' && { qmpstatus: guest.running ? 'running' : 'stopped' }) };
}

/** A row of /cluster/resources. */
export function resourceRow(call: Call, guest: Guest): Record<string, unknown> {
  const { world, state } = call;
  const node = world.node(guest.node);
  const now = world.clock.now();
  const pool = [...state.pools.values()].find((each) => each.vms.includes(guest.vmid));
  const service = state.ha.manager.services[sidOf(guest)];
  const extras = { ...(pool && { pool: pool.id }), ...(service && { hastate: service.state }) };
  const id = { id: `${guest.kind}/${guest.vmid}`, type: guest.kind, vmid: guest.vmid, node: guest.node };
  let shown = guest;
  if (!world.reaches(call.entry, guest.node)) {
    const lost = node.lost;
    if (!lost || now - lost.at > staleAfterMs) return { ...id, status: 'unknown', ...extras };
    shown = { ...guest, running: lost.running.has(guest.vmid), startedAt: lost.running.get(guest.vmid) };
  }
  const load = loadOf(shown, now);
  return {
    ...id,
    ...load,
    maxcpu: Number(guest.config.cores ?? (guest.kind === 'lxc' ? node.cores : 1)),
    name: guestName(guest),
    status: shown.running ? 'running' : 'stopped',
    template: guest.template ? 1 : 0,
    ...optionals(guest),
    ...extras,
    ...(world.pve === '9.2' && { memhost: load.mem }),
  };
}

/** GET …/config: the file, with its digest and, while locked, the lock. */
export const configOf = (guest: Guest): Record<string, unknown> => ({
  ...(guest.kind === 'lxc' && guest.config.rootfs !== undefined ? { arch: 'amd64' } : {}),
  ...guest.config,
  ...(guest.lock !== undefined && { lock: guest.lock }),
  ...(guest.parent !== undefined && { parent: guest.parent }),
  ...(guest.template && { template: 1 }),
  digest: guestDigest(guest),
});

export const visible = (call: Call, guest: Guest): boolean => may(call, `/vms/${guest.vmid}`, 'VM.Audit');
