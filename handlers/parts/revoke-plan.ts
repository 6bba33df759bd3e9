import type { Books } from '../../src/contracts/books.ts';
import { GRANTS, type Grant, grantSchema, QUEUE, readShelf } from '../../src/contracts/books.ts';
import type { ClusterView, Guest } from '../../src/contracts/cluster.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { Json, PlannedStep, Risk } from '../../src/contracts/plan.ts';
import type { CtUser, NodeView } from '../../src/contracts/shell.ts';
import { revokeSteps } from './grants.ts';
import { rootGroups } from './inside.ts';
import { dequeueStep, type Queued, queuedSchema, queueStep } from './queue.ts';

/** Ending grants: as far as each container can be reached now, and the rest when it can. */

/** Of one person on one cluster: what was granted, and what waits. */
export interface Held {
  readonly grants: readonly Grant[];
  readonly queued: readonly Queued[];
}

export async function heldBy(person: string, cluster: string, books: Books, vmid?: number): Promise<Held> {
  const fits = (grant: Grant) =>
    grant.person === person && grant.cluster === cluster && (vmid === undefined || grant.vmid === vmid);
  const byVmid = (a: Grant, b: Grant) => a.vmid - b.vmid;
  return {
    grants: (await readShelf(books, GRANTS, grantSchema)).filter(fits).toSorted(byVmid),
    queued: (await readShelf(books, QUEUE, queuedSchema)).filter(({ grant }) => fits(grant)),
  };
}

/** How many grants, and what waits for others, on any but these clusters. */
export async function heldElsewhere(person: string, clusters: ReadonlySet<string>, books: Books): Promise<number> {
  const theirs = (grant: Grant) => grant.person === person && !clusters.has(grant.cluster);
  const grants = (await readShelf(books, GRANTS, grantSchema)).filter(theirs);
  const queued = (await readShelf(books, QUEUE, queuedSchema)).filter(({ grant }) => theirs(grant));
  const keys = [...grants, ...queued.map(({ grant }) => grant)].map((g) => `${g.cluster}/${g.vmid}/${g.user}`);
  return new Set(keys).size;
}

/** What of it the asker may see: containers that are shown to them, and those that are no more. */
export async function inSight(
  held: Held,
  { view }: Pick<Place, 'view'>,
): Promise<{ readonly held: Held; readonly hidden: number }> {
  const guests = await seen(() => view.guests());
  // Where nobody can look now, the way in ends all the same.
  if ('why' in guests) return { held, hidden: 0 };
  const shown = new Map(guests.value.map(({ vmid }) => [vmid, true]));
  // Missing rights look like a missing guest (ODDITIES 35): only a number that is free has no guest.
  for (const { vmid } of [...held.grants, ...held.queued.map(({ grant }) => grant)])
    if (!shown.has(vmid)) shown.set(vmid, await view.vmidFree(vmid));
  const grants = held.grants.filter(({ vmid }) => shown.get(vmid));
  const queued = held.queued.filter(({ grant }) => shown.get(grant.vmid));
  return { held: { grants, queued }, hidden: alone(held) - alone({ grants, queued }) };
}

/** Grants and, where there is none for it, what waits. */
const alone = (held: Held): number => held.grants.length + onlyQueued(held).length;

/** What waits for a container where nothing was granted yet. */
export const onlyQueued = ({ grants, queued }: Held): readonly Queued[] =>
  queued.filter(({ grant }) => !grants.some((its) => its.vmid === grant.vmid && its.user === grant.user));

export interface Ending {
  readonly grant: Grant;
  /** now: everything ends. later: the way in ends now, keys and account when the container can be reached. gone: there is no such container. */
  readonly when: 'now' | 'later' | 'gone';
  /** Why not now, for people. */
  readonly why?: string;
  readonly remove: boolean;
  /** Group by which the account may become root all the same. */
  readonly rootGroup?: string;
  /** What goes on letting somebody in, for people. */
  readonly left?: string;
  readonly risks: readonly Risk[];
  readonly steps: readonly PlannedStep[];
  readonly guest?: Guest;
}

export interface Place {
  readonly view: ClusterView;
  readonly nodes: NodeView;
}

export interface EndingWish {
  /**
   * What becomes of accounts; `ours`: removed where we made them, whoever wrote lines into them; undefined: removed where
   * we made them and no other line is in them.
   */
  readonly account?: Queued['account'];
  /** Behind the names of steps: unique within the plan. */
  readonly suffix: string;
  readonly queued?: Queued | undefined;
  readonly what: string;
}

/** How one grant that is {@link inSight} ends. */
export async function endingOf(grant: Grant, place: Place, wish: EndingWish): Promise<Ending> {
  const guests = await seen(() => place.view.guests());
  if ('why' in guests) return later(grant, undefined, guests.why, wish);
  const guest = guests.value.find(({ vmid }) => vmid === grant.vmid);
  if (guest?.type !== 'lxc')
    return gone(grant, wish, guest ? 'a virtual machine has its number now' : 'there is no such container any more');
  const cannot = await whyNotNow(guest, place);
  if (cannot !== undefined) return later(grant, guest, cannot, wish);
  if ((await place.view.guestDetail(guest)).mac !== grant.identity)
    return gone(grant, wish, 'another container has its number now, and is not touched');
  const users = await seen(() => place.nodes.users(guest.node, guest.vmid));
  if ('why' in users) return later(grant, guest, users.why, wish);
  return now(
    grant,
    guest,
    users.value.find(({ name }) => name === grant.user),
    wish,
  );
}

async function whyNotNow(guest: Guest, { view, nodes }: Place): Promise<string | undefined> {
  const online = (await view.nodes()).find(({ name }) => name === guest.node)?.online ?? true;
  if (!online) return `its node ${guest.node} is offline`;
  if (guest.status !== 'running') return `it is ${guest.status}`;
  return nodes.has(guest.node) ? undefined : `there is no SSH access to its node ${guest.node}`;
}

/** A node that does not answer keeps nobody from ending the rest. */
async function seen<T>(look: () => Promise<T>): Promise<{ readonly value: T } | { readonly why: string }> {
  try {
    return { value: await look() };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return { why: error.failure.why };
  }
}

function gone(grant: Grant, wish: EndingWish, why: string): Ending {
  const steps = revokeSteps(grant, '', { account: 'gone', remove: false, suffix: wish.suffix, alone: true });
  return { grant, when: 'gone', why, remove: false, risks: [], steps: [...steps, ...dequeue(grant, wish, steps)] };
}

function later(grant: Grant, guest: Guest | undefined, why: string, wish: EndingWish): Ending {
  const { account } = wish;
  const { jump: _jump, ...rest } = grant;
  const queue = queueStep(
    grant,
    { kind: 'revoke', grant: rest as unknown as Json, ...(account ? { account } : {}) },
    wish.queued,
    `queue ${wish.suffix}`,
  );
  return {
    grant,
    ...(guest ? { guest } : {}),
    when: 'later',
    why,
    remove: false,
    risks: [],
    steps: [
      ...revokeSteps(grant, guest?.node ?? '', {
        account: undefined,
        remove: false,
        keepEntry: true,
        suffix: wish.suffix,
        alone: true,
      }),
      { ...queue, alone: true },
    ],
  };
}

function now(grant: Grant, guest: Guest, user: CtUser | undefined, wish: EndingWish): Ending {
  const foreign = user?.keys.filter((key) => !key.ours || key.marker !== `bascule:${grant.id}`) ?? [];
  const remove = user !== undefined && removes(grant, user, foreign.length > 0, wish);
  const steps = revokeSteps(grant, guest.node, {
    account: user ?? 'gone',
    remove,
    suffix: wish.suffix,
    alone: true,
  });
  const lines = `${foreign.length} other key ${foreign.length === 1 ? 'line' : 'lines'} of ${grant.user} in CT ${grant.vmid}`;
  const says = remove ? `${lines} go with the account` : `${lines} stay and go on letting somebody in`;
  const [rootGroup] = user && !remove ? rootGroups(user) : [];
  return {
    grant,
    guest,
    when: 'now',
    remove,
    ...(rootGroup === undefined ? {} : { rootGroup }),
    ...(foreign.length > 0 && !remove ? { left: says } : {}),
    risks: foreign.length === 0 ? [] : [{ code: 'foreign-lines', says }],
    steps: [...steps, ...dequeue(grant, wish, steps)],
  };
}

function removes(grant: Grant, user: CtUser, foreign: boolean, { account, what }: EndingWish): boolean {
  if (account === 'keep') return false;
  if (account === 'ours') return user.ours;
  if (account === undefined) return user.ours && !foreign;
  if (user.ours || grant.adopted) return true;
  return fail('conflict', {
    what,
    why: `the account ${user.name} in CT ${grant.vmid} was made by somebody else`,
    next: 'ask with account:keep, which ends its keys, and remove the account by hand',
  });
}

/** What waited is done with it, once all of it worked. */
function dequeue(grant: Grant, { queued, suffix }: EndingWish, steps: readonly PlannedStep[]): readonly PlannedStep[] {
  if (!queued) return [];
  return [{ ...dequeueStep(grant, queued, `queue ${suffix}`), alone: true, needs: steps.map(({ name }) => name) }];
}

/** A grant that only waits is taken out of the queue. */
export function forgetSteps(held: Held, suffix = ''): readonly PlannedStep[] {
  return onlyQueued(held).map((entry) => ({
    ...dequeueStep(entry.grant, entry, `queue ${suffix}${entry.grant.vmid} ${entry.grant.user}`),
    alone: true as const,
  }));
}

/** What waits for the very grant. */
export const waitingFor = ({ queued }: Held, { vmid, user }: Grant): Queued | undefined =>
  queued.find(({ grant }) => grant.vmid === vmid && grant.user === user);
