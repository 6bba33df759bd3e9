/** IPv4 addresses of containers, derived from their number: `10.1.0.{vmid}/24`. */

export interface Address {
  /** `10.1.0.112/24` */
  readonly cidr: string;
  /** `10.1.0.112` */
  readonly ip: string;
  readonly prefix: number;
}

/** The address of a vmid, or why it has none. */
export function deriveAddress(pattern: string, vmid: number): Address | { readonly problem: string } {
  const cidr = pattern.replaceAll('{vmid}', String(vmid));
  const [ip, prefixText] = cidr.split('/');
  const prefix = Number(prefixText);
  if (ip === undefined || !/^\d{1,2}$/.test(prefixText ?? '') || prefix > 32) {
    return { problem: `the house rule ${pattern} gives no address with a prefix` };
  }
  const value = parseIp(ip);
  if (value === undefined) return { problem: `${cidr} is no address: ${vmid} does not fit an octet (0 to 255)` };
  if (vmid > 254 && endsWithNumber(pattern)) return { problem: `${vmid} does not fit the last octet (1 to 254)` };
  if (prefix < 31 && value === network(value, prefix)) return { problem: `${ip} is the network's own address` };
  if (prefix < 31 && value === broadcast(value, prefix)) return { problem: `${ip} is the broadcast address` };
  return { cidr, ip, prefix };
}

const endsWithNumber = (pattern: string): boolean => /\.\{vmid\}\//.test(pattern);

/** An octet holds three digits at most, so no larger vmid can be part of one. */
export const LARGEST_IN_OCTET = 255;

/** True when `other` is in the same network. */
export function inside(address: Address, other: string): boolean {
  const [a, b] = [parseIp(address.ip), parseIp(other)];
  return a !== undefined && b !== undefined && network(a, address.prefix) === network(b, address.prefix);
}

/** The IPv4 of a network card's `ip`, without its prefix; undefined for `dhcp`, `manual` and IPv6. */
export function bareIp(cidr: string | undefined): string | undefined {
  const ip = cidr?.split('/')[0];
  return ip !== undefined && parseIp(ip) !== undefined ? ip : undefined;
}

function parseIp(text: string): number | undefined {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)) {
    return undefined;
  }
  return octets.reduce((value, octet) => value * 256 + Number(octet), 0);
}

function network(value: number, prefix: number): number {
  const hosts = 2 ** (32 - prefix);
  return Math.floor(value / hosts) * hosts;
}

function broadcast(value: number, prefix: number): number {
  return network(value, prefix) + 2 ** (32 - prefix) - 1;
}
