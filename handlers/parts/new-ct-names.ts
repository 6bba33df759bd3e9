import { createHash } from 'node:crypto';
import type { Guest } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { type Address, bareIp, deriveAddress, LARGEST_IN_OCTET } from './address.ts';
import { notReserved } from './checks.ts';

/** What a new container is called: its hostname, number and address, each unique over the cluster. */

/** Throws when the name is in use or reserved. */
export async function freeHostname(hostname: string, context: PlanContext, what: string): Promise<void> {
  const twin = (await context.everything.guests()).find((guest) => guest.name.toLowerCase() === hostname);
  if (twin) {
    const visible = await isVisible(twin, context);
    fail('conflict', {
      what,
      why: `the name ${hostname} is taken${visible ? ` by ${twin.type === 'lxc' ? 'CT' : 'VM'} ${twin.vmid} on ${twin.node}` : ''}`,
      next: 'choose another hostname',
    });
  }
  const name = `hostname/${context.view.name}/${hostname}`;
  notReserved(context, name, `the name ${hostname}`, what, 'choose another hostname, or wait until that request ends');
}

/** Only what the asker may see is named in a refusal. */
async function isVisible(guest: Guest, { view }: PlanContext): Promise<boolean> {
  return (await view.guests()).some((candidate) => candidate.vmid === guest.vmid);
}

export interface TakenAddresses {
  /** IPv4 → vmid of the guest that has it. */
  readonly byIp: ReadonlyMap<string, Guest>;
  /** Nodes whose guests could not be read, since they are down. */
  readonly unread: readonly string[];
}

const AT_ONCE = 8;

/** Fixed addresses of every guest; DHCP leases are not in Proxmox. */
export async function takenAddresses({ everything }: PlanContext): Promise<TakenAddresses> {
  const [guests, nodes] = await Promise.all([everything.guests(), everything.nodes()]);
  const up = new Set(nodes.filter((node) => node.online).map((node) => node.name));
  const unread = new Set(guests.filter((guest) => !up.has(guest.node)).map((guest) => guest.node));
  const readable = guests.filter((guest) => up.has(guest.node));
  const byIp = new Map<string, Guest>();
  for (let at = 0; at < readable.length; at += AT_ONCE) {
    const batch = readable.slice(at, at + AT_ONCE);
    const details = await Promise.all(batch.map((guest) => detailOf(guest, everything)));
    for (const [index, detail] of details.entries()) {
      const guest = batch[index]!;
      if (detail === 'unreachable') unread.add(guest.node);
      else for (const card of detail) byIp.set(card, guest);
    }
  }
  return { byIp, unread: [...unread].sort() };
}

/** A node may go down between two answers; a guest destroyed meanwhile has no address any more. */
async function detailOf(
  guest: Guest,
  everything: PlanContext['everything'],
): Promise<readonly string[] | 'unreachable'> {
  try {
    const { networks } = await everything.guestDetail(guest);
    return networks.map((card) => bareIp(card.ip)).filter((ip) => ip !== undefined);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    if (error.failure.kind === 'not-found') return [];
    if (error.failure.kind === 'unavailable') return 'unreachable';
    throw error;
  }
}

export interface Numbered {
  readonly vmid: number;
  readonly address: Address;
}

/** The number asked for, the one planned before, or the smallest free one whose address is free too. */
export async function chooseNumber(
  wanted: number | undefined,
  taken: TakenAddresses,
  context: PlanContext,
  what: string,
): Promise<Numbered> {
  if (wanted !== undefined) return checkedNumber(wanted, taken, context, what);
  const before = context.previous?.target.vmid;
  if (before !== undefined && (await context.everything.vmidFree(before)) && addressOf(before, taken, context)) {
    return checkedNumber(before, taken, context, what);
  }
  const [first, last] = rangeOf(context);
  const skip = new Set<number>();
  if (last !== undefined) {
    for (let vmid = first; vmid <= last; vmid += 1) if (!addressOf(vmid, taken, context)) skip.add(vmid);
    if (skip.size === last - first + 1) {
      fail('conflict', {
        what,
        why: `no number from ${first} to ${last} has a free address`,
        next: 'destroy what is not needed, or widen the house rules for numbers and addresses',
      });
    }
  }
  for (const name of context.reserved) {
    const match = /^vmid\/(.+)\/(\d+)$/.exec(name);
    if (match?.[1] === context.view.name) skip.add(Number(match[2]));
  }
  const vmid = await context.everything.nextVmid(skip, last === undefined ? undefined : [first, last]);
  return checkedNumber(vmid, taken, context, what);
}

/** Proxmox numbers start at 100; a number that becomes an octet ends at 255. */
function rangeOf({ house }: PlanContext): readonly [number, number | undefined] {
  const [first, last] = house.ct.range ?? [100, undefined];
  if (!house.ct.address.includes('{vmid}')) return [first, last];
  return [first, Math.max(first, Math.min(last ?? LARGEST_IN_OCTET, LARGEST_IN_OCTET))];
}

function addressOf(vmid: number, taken: TakenAddresses, context: PlanContext): Address | undefined {
  const address = deriveAddress(context.house.ct.address, vmid);
  if ('problem' in address || address.ip === context.house.ct.gateway || taken.byIp.has(address.ip)) return undefined;
  return context.reserved.has(`address/${context.view.name}/${address.ip}`) ? undefined : address;
}

async function checkedNumber(
  vmid: number,
  taken: TakenAddresses,
  context: PlanContext,
  what: string,
): Promise<Numbered> {
  const { house, view, everything } = context;
  const range = house.ct.range;
  if (range && (vmid < range[0] || vmid > range[1])) {
    fail('bad-input', {
      what,
      why: `the house rules give out ${range[0]} to ${range[1]}, not ${vmid}`,
      next: 'leave vmid: out to get the next free one',
    });
  }
  if (!(await everything.vmidFree(vmid))) {
    fail('conflict', { what, why: `the number ${vmid} is taken`, next: 'leave vmid: out to get the next free one' });
  }
  const next = 'leave vmid: out to get the next free one';
  notReserved(context, `vmid/${view.name}/${vmid}`, `the number ${vmid}`, what, next);
  const address = deriveAddress(house.ct.address, vmid);
  if ('problem' in address) {
    return fail('bad-input', { what, why: address.problem, next: `choose a number that fits ${house.ct.address}` });
  }
  const owner = taken.byIp.get(address.ip);
  if (owner) {
    const by = (await isVisible(owner, context)) ? `guest ${owner.vmid}` : 'another guest';
    fail('conflict', { what, why: `the address ${address.ip} is taken by ${by}`, next });
  }
  if (address.ip === house.ct.gateway) fail('conflict', { what, why: `${address.ip} is the gateway`, next });
  notReserved(context, `address/${view.name}/${address.ip}`, `the address ${address.ip}`, what, next);
  return { vmid, address };
}

/**
 * A network card of our own choice, since a grant is bound to it before the container is there. Other each time, and
 * the same when planned again.
 */
export function macFor(vmid: number, hostname: string, { previous, view, clock }: PlanContext): string {
  const before = previous?.intent['mac'];
  if (typeof before === 'string' && previous?.target.vmid === vmid) return before;
  const hash = createHash('sha256').update(`${view.name} ${vmid} ${hostname} ${clock.now()}`).digest('hex');
  return `BC:24:11:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}`.toUpperCase();
}
