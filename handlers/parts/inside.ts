import type { Grant } from '../../src/contracts/books.ts';
import type { Guest, GuestDetail } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Guard, Risk } from '../../src/contracts/plan.ts';
import type { CtUser } from '../../src/contracts/shell.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { bareIp } from './address.ts';
import { markerOf } from './grant-lines.ts';

/** What a grant must know about its container. */

/** MAC of net0, by which a guest is known again. Throws conflict when it has no network. */
export function identityOf(detail: GuestDetail, what: string): string {
  return (
    detail.mac ??
    fail('conflict', {
      what,
      why: 'it has no network card net0, so nobody could log in to it',
      next: 'give it one first',
    })
  );
}

/** Only a container that runs can be worked in. */
export function running(guest: Guest, what: string, wait?: string): Guard {
  if (guest.status === 'running') return { code: 'running', says: 'it runs' };
  return fail('conflict', {
    what,
    why: `${guestLabel(guest)} is ${guest.status}, and accounts live inside it`,
    next: [`start it first: ct start ${guest.vmid}`, ...(wait ? [wait] : [])].join('; or '),
  });
}

/** `address`: where people who find their own way find it. */
export type Way = { readonly jump: NonNullable<Grant['jump']> } | { readonly none: string; readonly address?: string };

/**
 * The way in. sshd's permitopen names an address, so a container without a fixed one gets none: that is told, and people
 * find their own. Throws when the house has a jump node that cannot be asked.
 */
export async function wayInto(detail: GuestDetail, context: PlanContext, what: string): Promise<Way> {
  const { house, nodes } = context;
  const { jump } = house.ssh;
  const address = detail.networks.map((card) => bareIp(card.ip)).find((ip) => ip !== undefined);
  if (!jump) return { none: 'none is configured (house.ssh.jump)', ...(address ? { address } : {}) };
  if (address === undefined) return { none: 'it has no fixed IPv4 address (DHCP or none), so no line can name it' };
  if (!nodes.has(jump.node)) {
    fail('unavailable', {
      what,
      why: `the way in goes through ${jump.node}, and there is no SSH access to that node`,
      next: 'an admin runs what `bascule setup node` prints there, or takes house.ssh.jump out of the config',
    });
  }
  return { jump: { node: jump.node, account: jump.account, address } };
}

export interface Account {
  /** Undefined: there is none of that name. */
  readonly user?: CtUser;
  readonly risks: readonly Risk[];
}

/** What a grant wants of an account, and what the book says of it. */
export interface Fitting {
  readonly guest: Guest;
  readonly before?: Grant;
  readonly person: string;
  /** Fingerprints. */
  readonly keys: readonly string[];
  readonly sudo: boolean;
}

/** An account is one person's, as long as their grant is in the book. Throws conflict. */
export function nobodyElsesIn(
  before: Grant | undefined,
  person: string,
  guest: Guest,
  what: string,
  root: string,
): void {
  if (!before || before.person === person) return;
  fail('conflict', {
    what,
    why: `the account ${before.user} in ${guestLabel(guest)} was granted to ${before.person}`,
    next: `${root}ssh revoke person:${before.person} vmid:${guest.vmid} first, or link this person with another name:`,
  });
}

/**
 * The account of that name as it stands. Throws conflict when somebody else made it and it was not adopted, or when it
 * cannot be used.
 */
export function accountIn(
  users: readonly CtUser[],
  name: string,
  { guest, before, person, keys, sudo }: Fitting,
  what: string,
  root: string,
): Account {
  const user = users.find((candidate) => candidate.name === name);
  if (!user) return { risks: [] };
  if (!user.ours && !before?.adopted) {
    fail('conflict', {
      what,
      why: `an account ${name} is in ${guestLabel(guest)} already, and Bascule did not make it${keysThere(user)}`,
      next: `${root}ssh adopt takes it over after showing its keys; or link the person with another name:`,
    });
  }
  nobodyElsesIn(before, person, guest, what, root);
  if (user.expired) {
    fail('conflict', {
      what,
      why: `the account ${name} in ${guestLabel(guest)} has expired, so no key lets it in`,
      next: `on ${guest.node}: pct exec ${guest.vmid} -- usermod --expiredate '' ${name}`,
    });
  }
  return {
    user,
    risks: [...(sudo ? [] : sudoByGroup(user)), ...foreignLines(user, keys, before), ...troubles(user)],
  };
}

const ADMINS: ReadonlySet<string> = new Set(['sudo', 'wheel', 'admin', 'root']);

/** Groups by which an account may become root, whatever we write. */
export const rootGroups = ({ groups }: Pick<CtUser, 'groups'>): readonly string[] =>
  groups.filter((group) => ADMINS.has(group));

function sudoByGroup(user: CtUser): readonly Risk[] {
  const [group] = rootGroups(user);
  if (group === undefined) return [];
  return [{ code: 'sudo', says: `${user.name} may become root all the same: it is in the group ${group} inside` }];
}

const keysThere = ({ keys }: CtUser): string =>
  keys.length === 0 ? '' : ` (${keys.length} key ${keys.length === 1 ? 'line' : 'lines'})`;

/** Lines that are not of this grant stay, and hold longer than any lease; sshd takes the first line of a key. */
export function foreignLines(user: CtUser, granted: readonly string[], before?: Pick<Grant, 'id'>): readonly Risk[] {
  // Anybody can write our mark; only the one that the book knows is replaced.
  const foreign = user.keys.filter((key) => !key.ours || key.marker !== (before && markerOf(before)));
  if (foreign.length === 0) return [];
  const same = foreign.filter(({ fingerprint }) => fingerprint !== undefined && granted.includes(fingerprint));
  const lines = foreign.map(({ fingerprint, unreadable }) => fingerprint ?? `(no key: ${unreadable ?? '?'})`);
  return [
    {
      code: 'foreign-lines',
      says: `${foreign.length} ${foreign.length === 1 ? 'line' : 'lines'} of ${user.name} not of this grant stay, without its lease: ${lines.join(', ')}`,
    },
    ...(same.length > 0
      ? [
          {
            code: 'key-without-lease',
            says: `${same.map((key) => key.fingerprint).join(', ')} stands there by hand too: it goes on when the lease ends`,
          },
        ]
      : []),
  ];
}

const troubles = (user: CtUser): readonly Risk[] =>
  user.troubles.length === 0
    ? []
    : [{ code: 'keys-may-not-work', says: `the keys of ${user.name} may not work: ${user.troubles.join('; ')}` }];
