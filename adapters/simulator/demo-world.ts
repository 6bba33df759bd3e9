import type { GuestSpec, WorldSpec } from './types.ts';

const gib = 1024 ** 3;
const nodes = ['ovh1', 'ovh2', 'ovh3', 'ovh4'];

const reader = ['Sys.Audit', 'VM.Audit', 'Datastore.Audit', 'Pool.Audit', 'SDN.Audit'];
const guestWork = [
  'VM.Allocate',
  'VM.Audit',
  'VM.Backup',
  'VM.Clone',
  'VM.PowerMgmt',
  'VM.Snapshot',
  'VM.Migrate',
  ...['CPU', 'Disk', 'Memory', 'Network', 'Options'].map((key) => `VM.Config.${key}`),
];

/** What Bascule's own tokens hold; 8.4 has no VM.Replicate and wants Datastore.Allocate on /storage instead. */
export function basculeRights(pve: '8.4' | '9.2'): Pick<WorldSpec, 'users' | 'roles' | 'tokens' | 'acl'> {
  const replicate = pve === '9.2' ? ['VM.Replicate'] : [];
  const grants = [
    { path: '/', role: 'BasculeRead' },
    { path: '/vms', role: 'BasculeOperate' },
    { path: '/storage', role: 'BasculeStorage' },
    { path: '/sdn/zones/localnetwork', role: 'BasculeNetwork' },
  ];
  return {
    users: [
      { userid: 'bascule@pve', comment: 'The bot' },
      { userid: 'nobody@pve', comment: 'Has no rights' },
    ],
    roles: [
      { id: 'BasculeRead', privs: reader },
      { id: 'BasculeOperate', privs: [...guestWork, ...replicate] },
      {
        id: 'BasculeStorage',
        privs: ['Datastore.AllocateSpace', 'Datastore.Audit', ...(pve === '8.4' ? ['Datastore.Allocate'] : [])],
      },
      { id: 'BasculeNetwork', privs: ['SDN.Use', 'SDN.Audit'] },
      // There, and given to nobody: whoever wants rollbacks grants it.
      { id: 'BasculeRollback', privs: ['VM.Snapshot.Rollback'] },
    ],
    tokens: [
      { id: 'bascule@pve!operate', comment: 'everything Bascule can do' },
      { id: 'bascule@pve!watch', comment: 'reads only' },
      { id: 'nobody@pve!none', privsep: false },
      { id: 'root@pam!root', privsep: false },
    ],
    acl: [
      ...grants.flatMap(({ path, role }) => [
        { path, role, ugid: 'bascule@pve' },
        { path, role, ugid: 'bascule@pve!operate' },
      ]),
      { path: '/', role: 'BasculeRead', ugid: 'bascule@pve!watch' },
    ],
  };
}

/** The cluster of the demo: four nodes, eight containers, two machines, some protected, replicated and under HA. */
export const demoWorld = (pve: '8.4' | '9.2'): WorldSpec => ({
  cluster: 'off',
  nodes: nodes.map((name, index) => ({ name, cores: 16, memory: (index < 2 ? 128 : 64) * gib })),
  storages: [
    {
      id: 'local',
      type: 'dir',
      content: ['vztmpl', 'iso', 'backup'],
      path: '/var/lib/vz',
      total: 94 * gib,
      used: 12 * gib,
    },
    { id: 'local-zfs', type: 'zfspool', content: ['images', 'rootdir'], total: 900 * gib, used: 40 * gib },
    { id: 'backups', type: 'nfs', content: ['backup'], shared: true, total: 8000 * gib, used: 2900 * gib },
  ],
  templates: [
    { volid: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst', size: 129_000_000 },
    { volid: 'local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst', size: 126_000_000 },
    { volid: 'local:iso/debian-13.1.0-amd64-netinst.iso', size: 790_000_000 },
  ],
  pools: [
    { id: 'web', comment: 'public web' },
    { id: 'data', comment: 'analytics' },
  ],
  guests: [
    { vmid: 101, node: 'ovh1', name: 'proxy', tags: 'web', protection: true, pool: 'web', config: { cores: 2 } },
    {
      vmid: 102,
      node: 'ovh1',
      name: 'off-query',
      tags: 'web',
      pool: 'web',
      disk: 64,
      config: { cores: 4, memory: 8192 },
    },
    {
      vmid: 103,
      node: 'ovh2',
      name: 'nutrition',
      tags: 'ml',
      protection: true,
      disk: 32,
      config: { cores: 4, memory: 8192 },
    },
    {
      vmid: 104,
      node: 'ovh2',
      name: 'mongodb',
      tags: 'db',
      protection: true,
      disk: 120,
      config: { cores: 8, memory: 16384 },
    },
    {
      vmid: 110,
      node: 'ovh3',
      name: 'metabase',
      tags: 'data',
      pool: 'data',
      disk: 20,
      config: { cores: 2, memory: 4096 },
    },
    { vmid: 115, node: 'ovh3', name: 'matomo', tags: 'data;web', pool: 'data', running: false },
    { vmid: 117, node: 'ovh1', name: 'wiki', tags: 'web', protection: true, pool: 'web' },
    { vmid: 120, node: 'ovh4', name: 'staging', tags: 'dev' },
    { vmid: 200, kind: 'qemu', node: 'ovh4', name: 'docker-staging', tags: 'dev', disk: 80, config: { cores: 8 } },
    {
      vmid: 201,
      kind: 'qemu',
      node: 'ovh1',
      name: 'docker-prod',
      tags: 'web',
      protection: true,
      disk: 120,
      config: { cores: 12 },
    },
  ].map((guest) => ({ onboot: true, ...guest })) as GuestSpec[],
  replication: [
    { id: '103-0', target: 'ovh3', schedule: '*/5' },
    { id: '104-0', target: 'ovh1', schedule: '*/15' },
    { id: '117-0', target: 'ovh4', schedule: '*/5', comment: 'wiki' },
  ],
  ha: [
    { sid: 'ct:103', state: 'started', maxRestart: 1, maxRelocate: 1 },
    { sid: 'vm:201', state: 'started', comment: 'docker production' },
  ],
  haRules: [{ name: 'nutrition-nodes', nodes: 'ovh2:2,ovh3:1', resources: 'ct:103', strict: true }],
  backupJobs: [
    { id: 'backup-nightly', storage: 'backups', schedule: '02:30', vmid: '101,102,103,104,117', comment: 'nightly' },
  ],
  ...basculeRights(pve),
});
