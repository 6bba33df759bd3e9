import { GRANTS, type Grant, grantKey, grantSchema } from '../../src/contracts/books.ts';
import type { Guest, GuestDetail } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { KeysSeen } from '../../src/contracts/github.ts';
import {
  type Guard,
  isNodeCall,
  type NodeCall,
  type Plan,
  type PlannedStep,
  type Risk,
} from '../../src/contracts/plan.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { guestTarget } from './cards.ts';
import { reachable, unlocked } from './checks.ts';
import { type Access, bookValue, grantSteps, linuxName, NEW_ID } from './grants.ts';
import { accountIn, identityOf, nobodyElsesIn, running, type Way, wayInto } from './inside.ts';
import { leaseOf, untilText } from './leases.ts';
import { keyRisks, keysFor, keyText, type Linked, linkedPerson } from './linked.ts';
import { dequeueStep, queuedOf, queueStep } from './queue.ts';
import { span } from './units.ts';

export interface Wanted {
  readonly person: string;
  readonly vmid: string;
  /** Seconds. */
  readonly expires?: number | undefined;
  readonly sudo?: boolean | undefined;
  readonly stopped?: 'refuse' | 'wait' | undefined;
}

interface Ground {
  readonly guest: Guest;
  readonly detail: GuestDetail;
  readonly guards: readonly Guard[];
  readonly who: Linked;
  readonly seen: KeysSeen;
  readonly access: Access;
  readonly way: Way;
  /** What the book says, and the same if it is of this very guest. */
  readonly before?: Grant;
  readonly known?: Grant;
  readonly what: string;
}

/** Lets somebody in, or (a container that does not run) notes everything for when it does. */
export async function planGrant(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const ground = await groundOf(wanted, context);
  const { guest, what } = ground;
  const waits = guest.status === 'stopped' && wanted.stopped === 'wait';
  if (waits) return waiting(ground, context);
  const again = `ask again with stopped:wait, and it is done once it runs`;
  return inside(ground, running(guest, what, guest.status === 'stopped' ? again : undefined), context);
}

async function groundOf(wanted: Wanted, context: PlanContext): Promise<Ground> {
  const { view, house, github, books } = context;
  const guest = await view.findGuest(wanted.vmid, 'lxc');
  const first = `nobody was let into ${guestLabel(guest)}`;
  const who = await linkedPerson(wanted.person, context, first);
  const what = `${who.name} was not let into ${guestLabel(guest)}`;
  const user = linuxName(who.login, who.alias);
  const lease = leaseOf(wanted.expires, house, what);
  const sudo = wanted.sudo ?? false;
  if (sudo && !house.ssh.sudo)
    fail('forbidden', { what, why: 'the house rules allow no sudo (house.ssh.sudo)', next: 'ask without sudo:yes' });
  const guards = [await reachable(guest, context, what), unlocked(guest, what)];
  const [detail, seen] = await Promise.all([view.guestDetail(guest), keysFor(who, github, what)]);
  const identity = identityOf(detail, what);
  const [before, way] = [
    await grantOf(books, grantKey(view.name, guest.vmid, user)),
    await wayInto(detail, context, what),
  ];
  const known = before && before.identity === identity ? before : undefined;
  const access: Access = {
    id: known?.id ?? NEW_ID,
    cluster: view.name,
    vmid: guest.vmid,
    identity,
    guest: guest.name,
    person: who.id,
    login: seen.login,
    githubId: seen.id,
    user,
    sudo,
    lines: seen.keys.map((key) => key.line),
    fingerprints: seen.keys.map((key) => key.fingerprint),
    ...('jump' in way ? { jump: way.jump } : {}),
    ...(known?.adopted ? { adopted: true } : {}),
    from: '{stamp}',
    node: guest.node,
    ends: { seconds: lease },
  };
  return {
    guest,
    detail,
    guards,
    who,
    seen,
    access,
    way,
    ...(before ? { before } : {}),
    ...(known ? { known } : {}),
    what,
  };
}

/** The book's entry; one that is not as this Bascule writes it counts as none, and the step that replaces it says so. */
export async function grantOf(books: PlanContext['books'], key: string): Promise<Grant | undefined> {
  const read = grantSchema.safeParse((await books.entry(GRANTS, key))?.value);
  return read.success ? read.data : undefined;
}

async function inside(ground: Ground, runs: Guard, context: PlanContext): Promise<Plan> {
  const { guest, access, before, known, what, who } = ground;
  const { nodes, books, root } = context;
  const users = await nodes.users(guest.node, guest.vmid);
  const { user, risks } = accountIn(
    users,
    access.user,
    { guest, person: who.id, keys: access.fingerprints, sudo: access.sudo, ...(known ? { before: known } : {}) },
    what,
    root,
  );
  const steps = grantSteps(access, {
    ...(user ? { account: user, adopt: !user.ours } : {}),
    ...(before ? { before } : {}),
  });
  await rehearse(steps, user !== undefined, nodes);
  const queued = await queuedOf(books, access);
  return {
    ...planBase(ground, context),
    title: `Let ${who.name} (github ${access.login}) into ${guestLabel(guest)} for ${span(leaseSeconds(access))}`,
    intent: { ...intentOf(ground, context), account: user ? 'is there' : 'new' },
    guards: [...ground.guards, runs],
    risks: [...risksOf(ground), ...risks],
    steps: [...steps, ...(queued ? [dequeueStep(access, queued, 'queue')] : [])],
  };
}

/** What the helpers would refuse they refuse here, before anybody approves: sudo, vmids, verbs, the jump account. */
export async function rehearse(
  steps: readonly PlannedStep[],
  accountThere: boolean,
  nodes: PlanContext['nodes'],
): Promise<void> {
  const calls = steps.map(({ call }) => call).filter((call): call is NodeCall => isNodeCall(call));
  for (const call of calls) {
    // The helper looks for the account whose keys it would write.
    if (call.verb === 'ct.keys.set' && !accountThere) continue;
    await nodes.dryRun(call);
  }
}

/** Nothing is done now but a note; the lease runs from the approval all the same. */
async function waiting(ground: Ground, context: PlanContext): Promise<Plan> {
  const { guest, access, known, who, what } = ground;
  const before = await queuedOf(context.books, access);
  for (const other of [known, before?.grant]) nobodyElsesIn(other, who.id, guest, what, context.root);
  if (before?.kind === 'revoke') {
    fail('conflict', {
      what,
      why: 'the end of access to it was approved, and waits for it to run',
      next: `start it, and ask once that is done: ${context.root}ct start ${guest.vmid}`,
    });
  }
  return {
    ...planBase(ground, context),
    title: `Let ${who.name} (github ${access.login}) into ${guestLabel(guest)} once it runs`,
    intent: { ...intentOf(ground, context), waits: true },
    guards: [...ground.guards, { code: 'stopped', says: 'it is stopped' }],
    risks: [
      ...risksOf(ground),
      { code: 'stopped', says: 'it is stopped: nothing is done until it runs; the lease begins at the approval' },
    ],
    steps: [queueStep(access, { kind: 'grant', grant: bookValue(access) }, before, 'queue')],
  };
}

function planBase(
  { guest, detail, seen, known, who }: Ground,
  { view, clock, zone }: PlanContext,
): Pick<Plan, 'command' | 'version' | 'cluster' | 'target' | 'observations' | 'reserves' | 'locks'> {
  const refused = seen.refused.map(({ fingerprint, type, why }) => `${fingerprint ?? type}: ${why}`);
  return {
    command: 'ssh grant',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { ...(detail.mac ? { identity: detail.mac } : {}), protected: detail.protection }),
    observations: [
      ...(known ? [{ label: 'Until now', value: nowText(known, clock.now(), zone) }] : []),
      ...(refused.length > 0 ? [{ label: 'Keys not taken', value: refused.join('; ') }] : []),
    ],
    reserves: [`grant/${view.name}/${guest.vmid}`],
    // Whoever is taken out is let in nowhere at the same time.
    locks: [`guest/${view.name}/${guest.vmid}`, `link/${who.id}`],
  };
}

const nowText = (grant: Grant, now: number, zone: string): string =>
  `${untilText(grant, now, zone)}${grant.sudo ? ', sudo' : ''}, ${grant.lines.length} ${grant.lines.length === 1 ? 'key' : 'keys'}`;

const leaseSeconds = ({ ends }: Access): number => (ends && 'seconds' in ends ? ends.seconds : 0);

/** Everything people rely on; the zone only tells how its end is shown. */
function intentOf({ guest, who, seen, access, way }: Ground, { zone, house }: PlanContext): Plan['intent'] {
  return {
    guest: guestLabel(guest),
    node: guest.node,
    person: who.id,
    name: who.name,
    login: access.login,
    githubId: access.githubId,
    user: access.user,
    keys: seen.keys.map(keyText),
    sudo: access.sudo,
    lease: leaseSeconds(access),
    ...wayIntent(way, house),
    zone,
  };
}

export function wayIntent(way: Way, { ssh }: PlanContext['house']): Plan['intent'] {
  if ('none' in way) return { noJump: way.none, ...(way.address ? { address: way.address } : {}) };
  return { jump: way.jump.node, address: way.jump.address, through: through(ssh.jump) };
}

/** `-J` of the ssh command. */
const through = (jump: PlanContext['house']['ssh']['jump']): string =>
  jump ? `${jump.account}@${jump.host}${jump.port === 22 ? '' : `:${jump.port}`}` : '';

function risksOf({ seen, access }: Ground): readonly Risk[] {
  return [
    ...(access.sudo ? [{ code: 'sudo', says: `${access.user} becomes root with sudo, without a password` }] : []),
    ...keyRisks(seen),
  ];
}
