import { existsSync, readFileSync } from 'node:fs';

/** Holds a request against Proxmox's own description of its API. */

interface Property {
  readonly type?: string;
  readonly optional?: number;
  readonly format?: string | Readonly<Record<string, Property>>;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number | string;
  readonly maximum?: number | string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly alias?: string;
  readonly keyAlias?: string;
  readonly default_key?: number;
}

interface Method {
  readonly allowtoken?: number;
  readonly parameters?: { readonly properties?: Readonly<Record<string, Property>> };
}

export interface Facts {
  readonly version: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Method>>>>;
}

const file = (version: string) => new URL(`../../shared/pve/api-facts-${version}.json`, import.meta.url);
export const factsAreHere = existsSync(file('8.4'));
if (!factsAreHere) console.log('skipped: the Proxmox API description (../shared/pve/api-facts) is not here');

export const facts = (version: '8.4' | '9.2'): Facts => JSON.parse(readFileSync(file(version), 'utf8')) as Facts;

export interface Sent {
  readonly method: string;
  /** Below /api2/json, encoded. */
  readonly path: string;
  readonly params: Readonly<Record<string, string | number | boolean>>;
}

/** What this version would say against the request; empty when it is right. */
export function complaints(version: Facts, sent: Sent): readonly string[] {
  const found = findPath(version, sent.path);
  if (!found) return [`there is no path ${sent.path} in ${version.version}`];
  const method = version.paths[found.template]?.[sent.method];
  if (!method) return [`there is no ${sent.method} ${found.template} in ${version.version}`];
  if (!method.allowtoken) return [`${sent.method} ${found.template} is not for tokens`];
  const properties = method.parameters?.properties ?? {};
  const given = { ...found.values, ...sent.params };
  const missing = Object.keys(properties).filter((name) => !properties[name]!.optional && !(name in given));
  return [
    ...missing.map((name) => `${name} is missing`),
    ...Object.entries(given).flatMap(([name, value]) => {
      const property = properties[name] ?? properties[name.replace(/\d+$/, '[n]')];
      return property ? check(name, property, asText(value)) : [`there is no parameter ${name}`];
    }),
  ];
}

const asText = (value: string | number | boolean) => (typeof value === 'boolean' ? (value ? '1' : '0') : String(value));

function findPath(version: Facts, path: string) {
  const given = path.split('/');
  for (const template of Object.keys(version.paths)) {
    const wanted = template.split('/');
    if (wanted.length !== given.length) continue;
    const values: Record<string, string> = {};
    const fits = wanted.every((segment, index) => {
      if (!segment.startsWith('{')) return segment === given[index];
      values[segment.slice(1, -1)] = decodeURIComponent(given[index]!);
      return given[index] !== '';
    });
    if (fits) return { template, values };
  }
  return undefined;
}

function check(name: string, property: Property, value: string): string[] {
  const say = (wrong: boolean, what: string) => (wrong ? [`${name}: ${what}, got ${JSON.stringify(value)}`] : []);
  const { type = 'string', format, pattern } = property;
  const number = Number(value);
  return [
    ...say(type === 'boolean' && !/^[01]$/.test(value), 'not a boolean'),
    ...say(type === 'integer' && !/^-?\d+$/.test(value), 'not an integer'),
    ...say(type === 'number' && !Number.isFinite(number), 'not a number'),
    ...say(property.minimum !== undefined && number < Number(property.minimum), 'too small'),
    ...say(property.maximum !== undefined && number > Number(property.maximum), 'too large'),
    ...say(property.minLength !== undefined && value.length < property.minLength, 'too short'),
    ...say(property.maxLength !== undefined && value.length > property.maxLength, 'too long'),
    ...say(property.enum !== undefined && !property.enum.includes(value), `not one of ${property.enum?.join()}`),
    ...say(pattern !== undefined && !regex(pattern).test(value), `not like ${pattern}`),
    ...(typeof format === 'string' ? say(!fitsFormat(format, value), `not a ${format}`) : []),
    ...(typeof format === 'object' ? checkParts(name, format, value) : []),
  ];
}

/** Perl's `(?^:…)` is a plain group; Proxmox anchors every pattern. */
const regex = (pattern: string) => new RegExp(`^(?:${pattern.replaceAll('(?^:', '(?:')})$`);

function checkParts(name: string, format: Readonly<Record<string, Property>>, value: string): string[] {
  const keyless = Object.keys(format).find((key) => format[key]!.default_key);
  const given = value.split(',').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? ([keyless ?? '', part] as const) : ([part.slice(0, at), part.slice(at + 1)] as const);
  });
  const missing = Object.keys(format).filter(
    (key) => !format[key]!.optional && !format[key]!.alias && !given.some(([one]) => one === key),
  );
  return [
    ...missing.map((key) => `${name}.${key} is missing`),
    ...given.flatMap(([key, text]) =>
      format[key] ? check(`${name}.${key}`, format[key], text) : [`there is no ${name}.${key}`],
    ),
  ];
}

const dnsLabel = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const dnsName = `${dnsLabel}(?:\\.${dnsLabel})*`;
const ipv4 = '(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)\\.){3}(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';

/** The formats that our requests meet, as PVE::JSONSchema and its users define them. */
const formats: Readonly<Record<string, RegExp>> = {
  'pve-node': new RegExp(`^${dnsLabel}$`),
  'pve-vmid': /^[1-9][0-9]{2,8}$/,
  'pve-vmid-list': /^[1-9][0-9]{2,8}(,[1-9][0-9]{2,8})*$/,
  'pve-storage-id': /^[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]$/,
  'pve-storage-content': /^(none|images|rootdir|vztmpl|iso|backup|snippets|import)$/,
  'pve-replication-job-id': /^[1-9][0-9]{2,8}-\d{1,9}$/,
  'pve-calendar-event': /^(minutely|hourly|daily|weekly|monthly|[\w\s*:/,.-]{1,128})$/,
  'pve-lxc-mp-string': /^[^\s,]+$/,
  'pve-ct-mountpoint-volume': /^[^\s,]+$/,
  'pve-poolid': /^[A-Za-z0-9.\-_]+(\/[A-Za-z0-9.\-_]+)*$/,
  'pve-tag-list': /^[a-z0-9_][a-z0-9_+.-]*([;, ][a-z0-9_][a-z0-9_+.-]*)*$/i,
  'dns-name': new RegExp(`^${dnsName}$`),
  'dns-name-list': new RegExp(`^${dnsName}([;, ]${dnsName})*$`),
  'lxc-ip-with-ll-iface-list': new RegExp(`^${ipv4}([;, ]${ipv4})*$`),
  ipv4: new RegExp(`^${ipv4}$`),
  'pve-ipv4-config': new RegExp(`^(dhcp|manual|${ipv4}/\\d{1,2})$`),
  'pve-configid': /^[a-z][\w-]+$/i,
};

function fitsFormat(format: string, value: string): boolean {
  const shape = formats[format];
  if (!shape) throw new Error(`this test cannot check the format ${format} yet: add it to formats`);
  return shape.test(value);
}
