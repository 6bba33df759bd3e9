import { type Call, may } from './call.ts';
import type { NodeState } from './state.ts';

const rootTotal = 270_553_174_016;
const rootUsed = 36_777_775_104;

export const nodeMemory = (call: Call, node: NodeState): number => {
  const guests = [...call.world.state.guests.values()].filter((guest) => guest.node === node.name && guest.running);
  return Math.min(
    node.memory,
    2 * 1024 ** 3 + guests.reduce((sum, guest) => sum + (Number(guest.config.memory ?? 512) * 1024 ** 2) / 4, 0),
  );
};

export const nodeLoad = (call: Call, node: NodeState): number => {
  const guests = [...call.world.state.guests.values()].filter((guest) => guest.node === node.name && guest.running);
  return Math.min(0.95, 0.03 + guests.length * 0.04);
};

/** A row of GET /nodes or of /cluster/resources. Without Sys.Audit the numbers are missing. */
export function nodeRow(
  call: Call,
  node: NodeState,
  list: 'nodes' | 'resources',
  fingerprint?: string,
): Record<string, unknown> {
  const online = call.world.reaches(call.entry, node.name);
  const base = {
    id: `node/${node.name}`,
    type: 'node',
    node: node.name,
    level: '',
    status: online ? 'online' : 'offline',
    ...(list === 'resources' ? { 'cgroup-mode': 2 } : { ssl_fingerprint: fingerprint }),
  };
  if (!may(call, `/nodes/${node.name}`, 'Sys.Audit')) return base;
  const hastate = list === 'resources' ? call.state.ha.manager.nodeStatus[node.name] : undefined;
  return {
    ...base,
    maxcpu: node.cores,
    maxmem: node.memory,
    maxdisk: rootTotal,
    ...(hastate !== undefined && { hastate }),
    ...(online && {
      cpu: nodeLoad(call, node),
      mem: nodeMemory(call, node),
      disk: rootUsed,
      uptime: Math.max(1, Math.floor((call.world.clock.now() - node.bootedAt) / 1000)),
    }),
  };
}

const kernels = { '8.4': '6.8.12-15-pve', '9.2': '6.17.4-2-pve' };
const managers = { '8.4': 'pve-manager/8.4.21/2606ac850d46da29', '9.2': 'pve-manager/9.2.11/14a22df3' };

/** GET /nodes/N/status. */
export function nodeStatus(call: Call): Record<string, unknown> {
  const { node, world } = call;
  const newer = world.pve === '9.2';
  const used = nodeMemory(call, node);
  const load = nodeLoad(call, node);
  const release = kernels[world.pve];
  const version = '#1 SMP PREEMPT_DYNAMIC PMX';
  return {
    uptime: Math.max(1, Math.floor((world.clock.now() - node.bootedAt) / 1000)),
    cpu: load,
    idle: 0,
    wait: 0,
    loadavg: [load * node.cores, load * node.cores, 0.1].map((value) => value.toFixed(2)),
    cpuinfo: {
      cores: node.cores,
      cpus: node.cores,
      sockets: 1,
      hvm: '1',
      mhz: '2600.000',
      model: 'Simulated Processor',
      user_hz: 100,
      flags: 'fpu vme de pse tsc msr pae',
      ...(newer && { family: '6', vendor: 'GenuineIntel' }),
    },
    'boot-info': { mode: 'efi', secureboot: 0 },
    'current-kernel': { machine: 'x86_64', release, sysname: 'Linux', version },
    kversion: `Linux ${release} ${version}`,
    pveversion: managers[world.pve],
    ksm: { shared: 0 },
    memory: { total: node.memory, used, free: node.memory - used, ...(newer && { available: node.memory - used }) },
    rootfs: { total: rootTotal, used: rootUsed, free: rootTotal - rootUsed, avail: rootTotal - rootUsed },
    swap: { total: 0, used: 0, free: 0 },
  };
}
