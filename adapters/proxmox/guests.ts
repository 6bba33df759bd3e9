import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import type { Guest, GuestDetail, Node } from '../../src/contracts/cluster.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { GuestType } from '../../src/contracts/plan.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { type Config, fromConfig, tagsOf } from './guest-config.ts';
import type { GuestStatus, ResourceRow } from './schema.ts';

export function nodesFrom(rows: readonly ResourceRow[]): readonly Node[] {
  return rows
    .filter((row) => row.type === 'node')
    .map((row) => ({
      name: row.node!,
      online: row.status === 'online',
      cpu: row.cpu,
      cores: row.maxcpu,
      memoryUsed: row.mem,
      memoryTotal: row.maxmem,
      uptime: row.uptime,
    }))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/**
 * Guests without templates. Those of a dead node keep their last values for five minutes and then lose status and
 * name (ODDITIES 22): their status is `unknown` at once, and `names` remembers what they were called.
 */
export function guestsFrom(rows: readonly ResourceRow[], names: Map<number, string>): readonly Guest[] {
  const up = new Set(nodesFrom(rows).flatMap((node) => (node.online ? [node.name] : [])));
  return rows
    .filter((row) => (row.type === 'lxc' || row.type === 'qemu') && !row.template)
    .map((row) => guestFrom(row, up, names))
    .sort((a, b) => a.vmid - b.vmid);
}

function guestFrom(row: ResourceRow, up: ReadonlySet<string>, names: Map<number, string>): Guest {
  const vmid = row.vmid!;
  if (row.name) names.set(vmid, row.name);
  return {
    vmid,
    type: row.type as GuestType,
    name: row.name || (names.get(vmid) ?? ''),
    node: row.node!,
    status: up.has(row.node!) ? statusOf(row.status, undefined) : 'unknown',
    tags: tagsOf(row.tags),
    pool: row.pool,
    lock: row.lock,
    hastate: row.hastate,
    template: false,
    cores: row.maxcpu,
    memoryUsed: row.mem,
    memoryTotal: row.maxmem,
    disk: row.disk,
    diskTotal: row.maxdisk,
    uptime: row.uptime,
  };
}

/** A paused VM is `running` everywhere but in qmpstatus. */
export function statusOf(status: string | undefined, qmp: string | undefined): Guest['status'] {
  if (qmp === 'paused' || qmp === 'suspended' || status === 'paused' || status === 'suspended') return 'paused';
  if (status === 'running' || status === 'stopped') return status;
  return 'unknown';
}

/** One guest in full, from its status, its configuration and, for pool and HA, its row in the list. */
export function detailFrom(
  guest: Pick<Guest, 'vmid' | 'node' | 'type'>,
  status: z.output<typeof GuestStatus>,
  config: Config,
  row: Guest | undefined,
): GuestDetail {
  return {
    vmid: guest.vmid,
    type: guest.type,
    node: guest.node,
    name: status.name ?? config['hostname'] ?? config['name'] ?? row?.name ?? '',
    status: statusOf(status.status, status.qmpstatus),
    tags: tagsOf(config['tags'] ?? status.tags),
    pool: row?.pool,
    lock: config['lock'] ?? status.lock,
    hastate: status.ha?.managed ? (status.ha.state ?? row?.hastate ?? 'unknown') : undefined,
    template: status.template || config['template'] === '1',
    cores: status.cpus,
    memoryUsed: status.mem,
    memoryTotal: status.maxmem,
    disk: status.disk,
    diskTotal: status.maxdisk,
    uptime: status.uptime,
    ...fromConfig(config),
  };
}

/** By vmid or name; names without regard to case. */
export function pickGuest(guests: readonly Guest[], wanted: string, type?: GuestType): Guest {
  const text = wanted.trim();
  const fitting = guests.filter((guest) => matches(guest, text));
  const right = fitting.filter((guest) => type === undefined || guest.type === type);
  if (right.length === 1) return right[0]!;
  if (right.length > 1) return notUnique(text, right);
  if (fitting.length > 0) return wrongType(fitting[0]!, type!);
  return notFound(guests, text, type);
}

function matches(guest: Guest, text: string): boolean {
  if (/^\d+$/.test(text) && guest.vmid === Number(text)) return true;
  return guest.name !== '' && guest.name.toLowerCase() === text.toLowerCase();
}

const quoted = (text: string) => JSON.stringify(text.slice(0, 80));

function notUnique(text: string, guests: readonly Guest[]): never {
  return fail('conflict', {
    what: `${quoted(text)} is not unique`,
    why: `these have that name or number: ${guests.map((guest) => `${guestLabel(guest)} on ${guest.node}`).join(', ')}`,
    next: `name it by number: vmid:${guests[0]!.vmid}`,
  });
}

function wrongType(guest: Guest, type: GuestType): never {
  const [is, noun] = guest.type === 'lxc' ? ['a container', 'ct'] : ['a virtual machine', 'vm'];
  return fail('not-found', {
    what: `there is no such ${type === 'lxc' ? 'container' : 'virtual machine'}`,
    why: `${guestLabel(guest)} is ${is}`,
    next: `use the ${noun} commands: ${noun} show ${guest.vmid}`,
  });
}

/** At most three names that could have been meant. */
function near(guests: readonly Guest[], text: string): readonly Guest[] {
  const typed = text.toLowerCase().slice(0, 64);
  const far = (guest: Guest) =>
    Math.min(
      guest.name ? distance(guest.name.toLowerCase(), typed) : Number.POSITIVE_INFINITY,
      distance(String(guest.vmid), typed),
    );
  const close = (guest: Guest) =>
    far(guest) <= Math.max(1, Math.floor(typed.length / 3)) ||
    (typed.length > 2 && guest.name.toLowerCase().startsWith(typed));
  return guests
    .filter(close)
    .sort((a, b) => far(a) - far(b))
    .slice(0, 3);
}

function notFound(guests: readonly Guest[], text: string, type?: GuestType): never {
  const rightType = guests.filter((guest) => type === undefined || guest.type === type);
  const names = near(rightType, text).map(guestLabel);
  const noun = type === 'qemu' ? 'vm' : 'ct';
  return fail('not-found', {
    what: `there is no guest ${quoted(text)}`,
    why: 'no guest that may be seen has this number or name',
    next: names.length > 0 ? `did you mean ${names.join(' or ')}?` : `list them: ${noun} list`,
  });
}
