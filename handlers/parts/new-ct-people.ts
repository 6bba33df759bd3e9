import { GRANTS, type Grant, grantSchema, readShelf } from '../../src/contracts/books.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import { isNodeCall, type Json, type PlannedStep, type Risk } from '../../src/contracts/plan.ts';
import { type Access, grantSteps, linuxName, NEW_ID } from './grants.ts';
import { leaseOf } from './leases.ts';
import { keyRisks, keysFor, keyText, linkedPerson } from './linked.ts';
import { count } from './units.ts';

/** Who gets into a new container, with which keys, for how long and by which way. */

export interface PeopleWish {
  readonly person?: readonly string[] | undefined;
  readonly sudo?: boolean | undefined;
  /** Seconds. */
  readonly expires?: number | undefined;
}

export interface Newcomer {
  readonly id: string;
  readonly name: string;
  readonly login: string;
  readonly githubId: number;
  /** Linux account. */
  readonly user: string;
  readonly lines: readonly string[];
  readonly fingerprints: readonly string[];
  /** For people, to compare. */
  readonly keys: readonly string[];
}

export interface Newcomers {
  readonly people: readonly Newcomer[];
  readonly sudo: boolean;
  /** Seconds from the approval. */
  readonly lease: number;
  readonly jump?: { readonly node: string; readonly account: string; readonly host: string; readonly port: number };
  /** What the book still says of containers that are gone; theirs of the new one's number ends. */
  readonly olds: readonly Grant[];
  readonly risks: readonly Risk[];
}

/** Undefined when nobody is named. Throws with the reason when somebody cannot be let in. */
export async function newcomers(wish: PeopleWish, context: PlanContext, what: string): Promise<Newcomers | undefined> {
  const { house, nodes } = context;
  if (!wish.person) return undefined;
  const sudo = wish.sudo ?? false;
  const lease = leaseOf(wish.expires, house, what);
  if (sudo && !house.ssh.sudo)
    fail('forbidden', { what, why: 'the house rules allow no sudo (house.ssh.sudo)', next: 'ask without sudo:yes' });
  const { jump } = house.ssh;
  if (jump && !nodes.has(jump.node))
    fail('unavailable', {
      what,
      why: `people come in through ${jump.node}, which has no SSH access from the bot`,
      next: `bascule setup node prints what ${jump.node} needs for it`,
    });
  const people: Newcomer[] = [];
  const risks: Risk[] = [];
  for (const text of wish.person) {
    const { newcomer, risks: own } = await newcomerOf(text, context, what);
    const twin = people.find((other) => other.id === newcomer.id || other.user === newcomer.user);
    if (twin?.id === newcomer.id) continue;
    if (twin) {
      fail('conflict', {
        what,
        why: `${twin.name} and ${newcomer.name} would both be ${newcomer.user} in it`,
        next: `link one of them with a name of its own: ${context.root}person add`,
      });
    }
    people.push(newcomer);
    risks.push(...own);
  }
  const olds = (await readShelf(context.books, GRANTS, grantSchema)).filter((old) => old.cluster === context.view.name);
  return { people, sudo, lease, ...(jump ? { jump } : {}), olds, risks: [...risks, ...sudoRisk(people, sudo)] };
}

async function newcomerOf(
  text: string,
  context: PlanContext,
  what: string,
): Promise<{ readonly newcomer: Newcomer; readonly risks: readonly Risk[] }> {
  const who = await linkedPerson(text, context, what);
  const seen = await keysFor(who, context.github, what);
  const { refused } = seen;
  const newcomer: Newcomer = {
    id: who.id,
    name: who.name,
    login: seen.login,
    githubId: seen.id,
    user: linuxName(who.login, who.alias),
    lines: seen.keys.map(({ line }) => line),
    fingerprints: seen.keys.map(({ fingerprint }) => fingerprint),
    keys: seen.keys.map(keyText),
  };
  const left = [...new Set(refused.map(({ why }) => why))].join('; ');
  return {
    newcomer,
    risks: [
      ...keyRisks(seen),
      ...(refused.length > 0
        ? [{ code: 'keys-left-out', says: `${count(refused.length, 'key')} of ${seen.login} will not work: ${left}` }]
        : []),
    ],
  };
}

function sudoRisk(people: readonly Newcomer[], sudo: boolean): readonly Risk[] {
  if (!sudo) return [];
  return [{ code: 'sudo', says: `${people.map(({ user }) => user).join(', ')} may do everything in it, as root` }];
}

/** Where the container will be; its network card is ours to choose, so that the grant is bound to it. */
export interface NewGuest {
  readonly cluster: string;
  readonly node: string;
  readonly vmid: number;
  readonly name: string;
  readonly mac: string;
  readonly ip: string;
}

/** Accounts and keys go with the container when it is taken back; the way in and the books do not, so they have an undo. */
export function newcomerSteps({ people, sudo, lease, jump, olds }: Newcomers, guest: NewGuest): readonly PlannedStep[] {
  return people.flatMap((person) => {
    const access: Access = {
      id: NEW_ID,
      cluster: guest.cluster,
      node: guest.node,
      vmid: guest.vmid,
      identity: guest.mac,
      guest: guest.name,
      person: person.id,
      login: person.login,
      githubId: person.githubId,
      user: person.user,
      sudo,
      lines: person.lines,
      fingerprints: person.fingerprints,
      ...(jump ? { jump: { node: jump.node, account: jump.account, address: guest.ip } } : {}),
      from: '{stamp}',
      ends: { seconds: lease },
    };
    const before = olds.find(({ vmid, user }) => vmid === guest.vmid && user === person.user);
    return grantSteps(access, {
      ...(people.length > 1 ? { suffix: person.user } : {}),
      ...(before ? { before } : {}),
    }).map(goesWithContainer);
  });
}

/** What is done inside a container is gone with it. */
export function goesWithContainer(step: PlannedStep): PlannedStep {
  if (!isNodeCall(step.call) || !step.call.verb.startsWith('ct.')) return step;
  const { undo: _, ...rest } = step;
  return { ...rest, goesWith: 'create' };
}

/** Hashed: who, which keys, how long, which way. */
export function newcomersIntent({ people, sudo, lease, jump }: Newcomers): Json {
  return {
    people: people.map(({ id, login, githubId, user, keys }) => ({ id, login, githubId, user, keys })),
    sudo,
    leaseSeconds: lease,
    jump: jump ? { ...jump } : null,
  };
}
