import type { GuestSpec, WorldSpec } from '../../adapters/simulator/types.ts';

const gib = 1024 ** 3;
const lab = { cores: 2, memory: 25_276_502_016 };

const people: Pick<WorldSpec, 'users' | 'tokens' | 'acl'> = {
  users: ['aud', 'bot', 'limited', 'noperm'].map((name) => ({ userid: `${name}@pve` })),
  tokens: [
    { id: 'root@pam!rt', privsep: false },
    { id: 'bot@pve!full', privsep: false },
    { id: 'bot@pve!ro', privsep: true },
    { id: 'aud@pve!tk', privsep: false },
    { id: 'limited@pve!tk', privsep: false },
    { id: 'noperm@pve!tk', privsep: false },
  ],
  acl: [
    { path: '/', role: 'PVEAdmin', ugid: 'bot@pve' },
    { path: '/', role: 'PVEAuditor', ugid: 'aud@pve' },
    { path: '/vms', role: 'PVEAuditor', ugid: 'bot@pve!ro' },
    { path: '/vms/102', role: 'PVEVMUser', ugid: 'limited@pve' },
  ],
};

const local = {
  id: 'local',
  type: 'dir' as const,
  content: ['iso', 'snippets', 'backup', 'rootdir', 'images', 'vztmpl'],
  path: '/var/lib/vz',
  total: 252 * gib,
  used: 34 * gib,
};

export const ct100: GuestSpec = {
  vmid: 100,
  node: 'pve1',
  name: 'ct100',
  storage: 'local',
  config: { memory: 256, swap: 0 },
};
export const ct102: GuestSpec = {
  vmid: 102,
  node: 'pve1',
  name: 'ct102',
  storage: 'btr',
  disk: 1,
  running: false,
  config: { memory: 128, swap: 0 },
};
export const ct120: GuestSpec = {
  vmid: 120,
  node: 'pve1',
  name: 'ct120',
  storage: 'zfs',
  disk: 1,
  config: { memory: 128, swap: 0 },
};
export const vm200: GuestSpec = {
  vmid: 200,
  kind: 'qemu',
  node: 'pve1',
  name: 'vm-a',
  storage: 'btr',
  disk: 1,
  running: false,
  config: { memory: '128', cores: 1 },
  startFails: true,
};
export const ct110: GuestSpec = {
  vmid: 110,
  node: 'pve1',
  name: 'web-01',
  storage: 'btr',
  disk: 1,
  tags: 'bot;web',
  config: { memory: 192, swap: 0, cores: 2 },
};

/** The cluster of the 8.4 recordings. */
export const labcluster = (guests: GuestSpec[]): WorldSpec => ({
  cluster: 'labcluster',
  nodes: [1, 2, 3].map((n) => ({
    name: `pve${n}`,
    ip: `10.77.0.${n}`,
    bridges: [{ iface: 'vmbr0', cidr: `10.78.${n}.1/24` }],
    ...lab,
  })),
  storages: [
    local,
    { id: 'btr', type: 'btrfs', content: ['images', 'rootdir'], total: 6 * gib, path: '/mnt/btrfs' },
    { id: 'bak', type: 'dir', content: ['backup'], total: 252 * gib, used: 34 * gib, path: '/var/lib/bak' },
    { id: 'zfs', type: 'zfspool', content: ['images', 'rootdir'], total: 4 * gib, nodes: ['pve1', 'pve2'] },
  ],
  templates: [{ volid: 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst' }],
  guests,
  ...people,
});

/** The lone node of the 9.2 recordings. */
export const labnode = (guests: GuestSpec[]): WorldSpec => ({
  nodes: [{ name: 'pve4', ip: '10.77.0.4', bridges: [{ iface: 'vmbr0', cidr: '10.78.4.1/24' }], ...lab }],
  storages: [local],
  templates: [{ volid: 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst' }],
  guests,
  ...people,
});
