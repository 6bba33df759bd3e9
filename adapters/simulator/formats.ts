import { parseSchedule } from './schedule.ts';

/**
 * The formats of Proxmox's parameter schemas, by their own names. A check returns the complaint in Proxmox's
 * words (with its trailing newline), or undefined when the value is fine.
 */
export type FormatCheck = (value: string) => string | undefined;

const dnsLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const dnsName = new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`);
const nodeName = new RegExp(`^${dnsLabel}$`);

export const isIpv4 = (value: string): boolean => {
  const parts = value.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
};

export const isIpv6 = (value: string): boolean => {
  if (!/^[0-9a-fA-F:]+$/.test(value) || value.includes(':::')) return false;
  const halves = value.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
};

const isIp = (value: string) => isIpv4(value) || isIpv6(value);

const cidr = (value: string, ip: (address: string) => boolean, max: number): boolean => {
  const [address, bits, ...rest] = value.split('/');
  return (
    rest.length === 0 && ip(address ?? '') && /^\d{1,3}$/.test(bits ?? '') && Number(bits) <= max && Number(bits) > 0
  );
};

const matches =
  (pattern: RegExp, complaint: string | ((value: string) => string)): FormatCheck =>
  (value) =>
    pattern.test(value) ? undefined : typeof complaint === 'string' ? complaint : complaint(value);

/** Proxmox splits lists on comma, semicolon, blank and NUL. */
export const splitList = (value: string): string[] => value.split(/[,; \0]+/).filter((item) => item !== '');

const listOf =
  (check: FormatCheck): FormatCheck =>
  (value) =>
    splitList(value)
      .map(check)
      .find((complaint) => complaint !== undefined);

const ok: FormatCheck = () => undefined;

const dns = matches(dnsName, 'value does not look like a valid DNS name\n');
const node = matches(nodeName, 'value does not look like a valid node name\n');
const vmid = matches(/^[1-9][0-9]{2,8}$/, 'value does not look like a valid VM ID\n');
const configId = matches(/^[a-z][a-z0-9_-]+$/i, (value) => `invalid configuration ID '${value}'\n`);
const storageId = matches(
  /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i,
  (value) => `storage ID '${value}' contains illegal characters\n`,
);
const tag = matches(/^[a-z0-9_][a-z0-9_\-+.]*$/i, 'invalid characters in tag\n');
const volume = matches(/^[a-z][a-z0-9\-_.]*[a-z0-9]:\S+$/i, (value) => `unable to parse volume ID '${value}'\n`);

const formats: Record<string, FormatCheck> = {
  'pve-vmid': vmid,
  'pve-vmid-list': listOf(vmid),
  'pve-node': node,
  'pve-configid': configId,
  'pve-configid-list': listOf(configId),
  'pve-storage-id': storageId,
  'pve-storage-content': matches(/^[a-z]+$/, (value) => `invalid content type '${value}'\n`),
  'pve-storage-content-list': listOf(matches(/^[a-z]+$/, (value) => `invalid content type '${value}'\n`)),
  'pve-poolid': matches(/^[A-Za-z0-9\-_]+(?:\/[A-Za-z0-9\-_]+){0,2}$/, 'value does not look like a valid pool name\n'),
  'pve-tag-list': listOf(tag),
  'pve-volume-id': volume,
  'pve-replication-job-id': matches(/^[1-9][0-9]{2,8}-\d{1,9}$/, (value) => `invalid replication job id '${value}'\n`),
  'pve-calendar-event': (value) =>
    parseSchedule(value) ? undefined : `invalid calendar event '${value}' - unable to parse calendar event\n\n`,
  'pve-ha-resource-or-vm-id': matches(
    /^(?:(?:vm|ct):)?[1-9][0-9]{2,8}$/,
    (value) => `value does not look like a valid resource ID '${value}'\n`,
  ),
  'pve-ha-node-list': listOf((value) => node(value.replace(/:\d+$/, ''))),
  'pve-ha-resource-id-list': listOf(matches(/^(?:vm|ct):\d+$/, 'value does not look like a ha resource id\n')),
  'dns-name': dns,
  'dns-name-list': listOf(dns),
  ipv4: (value) => (isIpv4(value) ? undefined : 'value does not look like a valid IPv4 address\n'),
  ipv6: (value) => (isIpv6(value) ? undefined : 'value does not look like a valid IPv6 address\n'),
  'address-list': listOf((value) => (isIp(value) ? undefined : dns(value))),
  'lxc-ip-with-ll-iface-list': listOf((value) =>
    isIp(value.replace(/%.+$/, '')) ? undefined : 'value does not look like a valid IP address\n',
  ),
  'pve-ipv4-config': (value) =>
    value === 'dhcp' || value === 'manual' || cidr(value, isIpv4, 32)
      ? undefined
      : 'value does not look like a valid ipv4 network configuration\n',
  'pve-ipv6-config': (value) =>
    ['auto', 'dhcp', 'manual'].includes(value) || cidr(value, isIpv6, 128)
      ? undefined
      : 'value does not look like a valid ipv6 network configuration\n',
  'mac-addr': matches(
    /^[a-f0-9][02468ace](?::[a-f0-9]{2}){5}$/i,
    'value does not look like a valid unicast MAC address\n',
  ),
  'disk-size': matches(/^\d+(?:\.\d+)?[KMGT]?$/, (value) => `unable to parse size '${value}'\n`),
  'pve-startup-order': (value) =>
    value.split(',').every((part) => /^(?:(?:order=)?\d+|up=\d+|down=\d+)$/.test(part))
      ? undefined
      : 'unable to parse startup options\n',
  'pve-ct-timezone': matches(/^(?:host|[A-Za-z0-9_+\-/]+)$/, 'value does not look like a valid timezone\n'),
  'pve-task-status-type-list': listOf(
    matches(/^(?:ok|error|warning|unknown)$/i, (value) => `invalid task status '${value}'\n`),
  ),
  'pve-lxc-mp-string': matches(/^\S+$/, 'value contains illegal characters\n'),
  'pve-bridge-id': matches(/^[-_.\w\d]+$/, 'value does not look like a valid bridge name\n'),
  'pve-roleid': matches(/^[A-Za-z0-9.\-_]+$/, (value) => `role name '${value}' contains invalid characters\n`),
  'pve-userid': matches(
    /^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/,
    (value) => `value '${value}' does not look like a valid user name\n`,
  ),
  'prune-backups': matches(/^keep-[a-z]+=\d+(?:,keep-[a-z]+=\d+)*$/, 'format error\n'),
  'pve-roleid-list': ok,
  'pve-userid-list': ok,
  'pve-tokenid-list': ok,
  'pve-groupid-list': ok,
};

export function formatCheck(name: string): FormatCheck {
  const check = formats[name];
  if (!check) throw new Error(`no check for the format ${name}`);
  return check;
}
