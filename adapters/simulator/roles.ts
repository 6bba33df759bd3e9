import type { Pve } from './types.ts';

/**
 * The privileges of each version and what the built-in roles hold. VM.Monitor vanished in 9.0; VM.Replicate and
 * VM.GuestAgent.* came with it.
 */
const dataStore = ['Datastore.Allocate', 'Datastore.AllocateSpace', 'Datastore.AllocateTemplate', 'Datastore.Audit'];
const sdn = ['SDN.Allocate', 'SDN.Audit', 'SDN.Use'];
const mapping = ['Mapping.Audit', 'Mapping.Modify', 'Mapping.Use'];
const userAdmin = ['Group.Allocate', 'Realm.AllocateUser', 'User.Modify'];
const sysAdmin = ['Sys.Audit', 'Sys.Console', 'Sys.Syslog'];
const rootOnly = [
  'Mapping.Modify',
  'Permissions.Modify',
  'Realm.Allocate',
  'Sys.AccessNetwork',
  'Sys.Incoming',
  'Sys.Modify',
  'Sys.PowerMgmt',
];
const guestAgent = [
  'VM.GuestAgent.Audit',
  'VM.GuestAgent.FileRead',
  'VM.GuestAgent.FileSystemMgmt',
  'VM.GuestAgent.FileWrite',
];

const guestAdmin = (pve: Pve) => [
  'VM.Allocate',
  'VM.Audit',
  'VM.Backup',
  'VM.Clone',
  ...['CDROM', 'CPU', 'Cloudinit', 'Disk', 'HWType', 'Memory', 'Network', 'Options'].map((key) => `VM.Config.${key}`),
  'VM.Console',
  'VM.Migrate',
  'VM.PowerMgmt',
  'VM.Snapshot',
  'VM.Snapshot.Rollback',
  ...(pve === '8.4' ? ['VM.Monitor'] : [...guestAgent, 'VM.GuestAgent.Unrestricted', 'VM.Replicate']),
];

/** Role id to its privileges, sorted. */
export function builtInRoles(pve: Pve): Map<string, string[]> {
  const all = [
    ...dataStore,
    ...mapping,
    'Pool.Allocate',
    'Pool.Audit',
    ...sdn,
    ...sysAdmin,
    ...userAdmin,
    ...guestAdmin(pve),
    ...rootOnly,
  ];
  const newer = pve === '8.4' ? [] : guestAgent;
  const roles: [string, string[]][] = [
    ['Administrator', all],
    ['NoAccess', []],
    ['PVEAdmin', all.filter((priv) => !rootOnly.includes(priv))],
    [
      'PVEAuditor',
      ['Datastore.Audit', 'Mapping.Audit', 'Pool.Audit', 'SDN.Audit', 'Sys.Audit', 'VM.Audit', ...newer.slice(0, 1)],
    ],
    ['PVEDatastoreAdmin', dataStore],
    ['PVEDatastoreUser', ['Datastore.AllocateSpace', 'Datastore.Audit']],
    ['PVEMappingAdmin', mapping],
    ['PVEMappingUser', ['Mapping.Audit', 'Mapping.Use']],
    ['PVEPoolAdmin', ['Pool.Allocate', 'Pool.Audit']],
    ['PVEPoolUser', ['Pool.Audit']],
    ['PVESDNAdmin', sdn],
    ['PVESDNUser', ['SDN.Audit', 'SDN.Use']],
    ['PVESysAdmin', sysAdmin],
    ['PVETemplateUser', ['VM.Audit', 'VM.Clone']],
    ['PVEUserAdmin', userAdmin],
    ['PVEVMAdmin', guestAdmin(pve)],
    [
      'PVEVMUser',
      ['VM.Audit', 'VM.Backup', 'VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console', 'VM.PowerMgmt', ...newer],
    ],
  ];
  return new Map(roles.map(([id, privs]) => [id, [...new Set(privs)].sort()]));
}
