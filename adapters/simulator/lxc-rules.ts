import { flag, format, integer, node, number, oneOf, optional, properties, type Rules, text, vmid } from './verify.ts';

/** The parameters of a container, as the API schemas of 8.4 and 9.2 have them. */

const mountOptions =
  /^(?:discard|lazytime|noatime|nodev|noexec|nosuid)(?:;(?:discard|lazytime|noatime|nodev|noexec|nosuid))*$/;

const idMap = /^(?:passthrough|[ug]:\d+:\d+:[1-9]\d*(?:;[ug]:\d+:\d+:[1-9]\d*)*)$/;

const mountKeys = {
  volume: format('pve-lxc-mp-string'),
  acl: flag,
  mountoptions: optional(text({ pattern: mountOptions })),
  quota: flag,
  replicate: flag,
  ro: flag,
  shared: flag,
  size: optional(format('disk-size')),
  idmap: { ...optional(text({ pattern: idMap })), only: '9.2' as const },
};

const rootfs = optional(properties(mountKeys, { defaultKey: 'volume' }));
const mountPoint = optional(
  properties(
    { ...mountKeys, mp: format('pve-lxc-mp-string'), backup: flag, keepattrs: { ...flag, only: '9.2' as const } },
    { defaultKey: 'volume' },
  ),
);

const network = optional(
  properties({
    name: text({ pattern: /^[-_.\w\d]+$/ }),
    bridge: optional(text({ pattern: /^[-_.\w\d]+$/ })),
    firewall: flag,
    gw: optional(format('ipv4')),
    gw6: optional(format('ipv6')),
    'host-managed': flag,
    hwaddr: optional(format('mac-addr')),
    ip: optional(format('pve-ipv4-config')),
    ip6: optional(format('pve-ipv6-config')),
    link_down: flag,
    mtu: optional(integer(64, 65535)),
    rate: optional(number()),
    tag: optional(integer(1, 4094)),
    trunks: optional(text({ pattern: /^\d+(?:;\d+)*$/ })),
    type: optional(oneOf('veth')),
  }),
);

const features = optional(
  properties({
    force_rw_sys: flag,
    fuse: flag,
    keyctl: flag,
    mknod: flag,
    mount: optional(text({ pattern: /^[a-zA-Z0-9_; ]+$/ })),
    nesting: flag,
  }),
);

export const networkRule = network;

const locks = [
  'backup',
  'create',
  'destroyed',
  'disk',
  'fstrim',
  'migrate',
  'mounted',
  'rollback',
  'snapshot',
  'snapshot-delete',
];
const systems = [
  'debian',
  'devuan',
  'ubuntu',
  'centos',
  'fedora',
  'opensuse',
  'archlinux',
  'alpine',
  'gentoo',
  'nixos',
  'unmanaged',
];

const options: Rules = {
  arch: optional(oneOf('amd64', 'i386', 'arm64', 'armhf', 'riscv32', 'riscv64')),
  cmode: optional(oneOf('shell', 'console', 'tty')),
  console: flag,
  cores: optional(integer(1, 8192)),
  cpulimit: optional(number(0, 8192)),
  cpuunits: optional(integer(0, 500000)),
  debug: flag,
  description: optional(text({ maxLength: 8192 })),
  entrypoint: { ...optional(text()), only: '9.2' },
  env: { ...optional(text()), only: '9.2' },
  features,
  hookscript: optional(format('pve-volume-id')),
  hostname: optional(format('dns-name', { maxLength: 255 })),
  lock: optional(oneOf(...locks)),
  memory: optional(integer(16)),
  'mp[n]': mountPoint,
  nameserver: optional(format('lxc-ip-with-ll-iface-list')),
  'net[n]': network,
  onboot: flag,
  ostype: optional(oneOf(...systems)),
  protection: flag,
  rootfs,
  searchdomain: optional(format('dns-name-list')),
  startup: optional(format('pve-startup-order')),
  swap: optional(integer(0)),
  tags: optional(format('pve-tag-list')),
  template: flag,
  timezone: optional(format('pve-ct-timezone')),
  tty: optional(integer(0, 6)),
  unprivileged: flag,
};

export const createRules: Rules = {
  ...options,
  node,
  vmid,
  bwlimit: optional(number(0)),
  force: flag,
  'ha-managed': { ...flag, only: '9.2' },
  'ignore-unpack-errors': flag,
  ostemplate: text({ maxLength: 255 }),
  password: optional(text({ minLength: 5 })),
  pool: optional(format('pve-poolid')),
  restore: flag,
  'ssh-public-keys': optional(text()),
  start: flag,
  storage: optional(format('pve-storage-id')),
  unique: flag,
};

export const updateRules: Rules = {
  ...options,
  node,
  vmid,
  delete: optional(format('pve-configid-list')),
  digest: optional(text({ maxLength: 40 })),
  revert: optional(format('pve-configid-list')),
};

/** Which privilege on the guest a configuration key needs. */
export function privilegeFor(key: string): string {
  if (key === 'rootfs' || /^mp\d+$/.test(key)) return 'VM.Config.Disk';
  if (/^(cores|cpulimit|cpuunits)$/.test(key)) return 'VM.Config.CPU';
  if (/^(memory|swap)$/.test(key)) return 'VM.Config.Memory';
  if (/^(net\d+|nameserver|searchdomain|hostname)$/.test(key)) return 'VM.Config.Network';
  return 'VM.Config.Options';
}
