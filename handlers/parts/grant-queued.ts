import { type Grant, grantKey, QUEUE, readShelf } from '../../src/contracts/books.ts';
import type { Guest } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import { type Plan, type Risk, stampTime } from '../../src/contracts/plan.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { guestTarget } from './cards.ts';
import { reachable, unlocked } from './checks.ts';
import { lookAt, shortType } from './drift.ts';
import { grantOf, rehearse, wayIntent } from './grant-plan.ts';
import { accessOf, grantSteps } from './grants.ts';
import { accountIn, identityOf, running } from './inside.ts';
import { dequeueStep, type Queued, queuedSchema } from './queue.ts';

/** What waits for a person and a container; throws not-found when nothing does. */
export async function queuedFor(
  kind: Queued['kind'],
  wanted: { readonly person: string; readonly vmid: number },
  { books, findPerson, view }: PlanContext,
  what: string,
): Promise<Queued> {
  const person = (await findPerson(wanted.person))?.id ?? wanted.person.replace(/^@/, '');
  const all = await readShelf(books, QUEUE, queuedSchema);
  return (
    all.find(
      ({ kind: its, grant }) =>
        its === kind && grant.cluster === view.name && grant.vmid === wanted.vmid && grant.person === person,
    ) ?? fail('not-found', { what, why: `nothing of ${person} waits for it`, next: 'nothing to do' })
  );
}

/**
 * What was approved while the container did not run, and no more: this sudo, what is left of the lease, and of these keys
 * those that are on GitHub still.
 */
export async function planQueued(
  wanted: { readonly person: string; readonly vmid: string },
  context: PlanContext,
): Promise<Plan> {
  const { view, books, nodes, clock, root, house, zone } = context;
  const vmid = Number(wanted.vmid);
  const guest = (await view.guests()).find((one) => one.vmid === vmid && one.type === 'lxc');
  const what = `what waited for ${guest ? guestLabel(guest) : `CT ${vmid}`} was not done`;
  const entry = await queuedFor('grant', { person: wanted.person, vmid }, context, what);
  const { grant } = entry;
  const base = {
    command: 'ssh grant',
    version: 1,
    cluster: view.name,
    observations: [],
    risks: [{ code: 'queued', says: `approved as request ${grant.id}, when it did not run` }],
    reserves: [`grant/${view.name}/${vmid}`],
    locks: [`guest/${view.name}/${vmid}`, `link/${grant.person}`],
  };
  const forget = (moot: string): Plan => ({
    ...base,
    target: { kind: 'person', id: grant.person, name: grant.person },
    title: `Forget that ${grant.person} was to be let into CT ${vmid} ${grant.guest}: ${moot}`,
    intent: { ...intentOf(grant, guest), moot },
    guards: [],
    steps: [dequeueStep(grant, entry, 'queue')],
  });
  if (grant.until !== undefined && stampTime(grant.until) <= clock.now())
    return forget('the lease ended while it waited');
  if (!guest) {
    // Missing rights look like a missing guest (ODDITIES 35).
    const machine = (await view.guests()).some((one) => one.vmid === vmid);
    if (machine || (await view.vmidFree(vmid))) return forget('the container is gone');
    return fail('unavailable', { what, why: 'the container cannot be seen', next: "check the token's rights" });
  }
  const guards = [await reachable(guest, context, what)];
  const detail = await view.guestDetail(guest);
  const still = await stillWanted(grant, identityOf(detail, what), context);
  if ('moot' in still) return forget(still.moot);
  const { keys } = still;
  guards.push(unlocked(guest, what), running(guest, what));
  const before = await grantOf(books, grantKey(grant.cluster, grant.vmid, grant.user));
  const known = before?.identity === grant.identity ? before : undefined;
  const { user, risks } = accountIn(
    await nodes.users(guest.node, guest.vmid),
    grant.user,
    {
      guest,
      person: grant.person,
      keys: keys.fingerprints,
      sudo: grant.sudo,
      ...(known ? { before: known } : {}),
    },
    what,
    root,
  );
  const steps = grantSteps(accessOf({ ...grant, ...keys, id: known?.id ?? grant.id }, guest.node), {
    ...(user ? { account: user, adopt: !user.ours } : {}),
    ...(before ? { before } : {}),
  });
  await rehearse(steps, user !== undefined, nodes);
  const left = Math.floor((stampTime(grant.until ?? '') - clock.now()) / 1000);
  return {
    ...base,
    target: guestTarget(guest, { ...(detail.mac ? { identity: detail.mac } : {}), protected: detail.protection }),
    guards,
    title: `Let ${grant.person} (github ${grant.login}) into ${guestLabel(guest)}, which runs now`,
    risks: [...base.risks, ...still.risks, ...risks],
    intent: {
      ...intentOf({ ...grant, ...keys }, guest),
      account: user ? 'is there' : 'new',
      ...wayIntent(grant.jump ? { jump: grant.jump } : { none: 'none was approved' }, house),
      zone,
    },
    observations: Number.isFinite(left) ? [{ label: 'Lease left', value: `${Math.floor(left / 60)} min` }] : [],
    steps: [...steps, dequeueStep(grant, entry, 'queue')],
  };
}

const intentOf = (grant: Grant, guest: Guest | undefined): Plan['intent'] => ({
  guest: guest ? guestLabel(guest) : `CT ${grant.vmid} ${grant.guest}`,
  node: guest?.node ?? '',
  person: grant.person,
  name: grant.person,
  login: grant.login,
  githubId: grant.githubId,
  user: grant.user,
  keys: grant.fingerprints.map((print, n) => `${print} ${shortType(grant.lines[n] ?? '')}`),
  sudo: grant.sudo,
  ...(grant.until === undefined ? {} : { until: grant.until }),
});

type Still =
  | { readonly moot: string }
  | { readonly keys: Pick<Grant, 'lines' | 'fingerprints'>; readonly risks: readonly Risk[] };

/**
 * Whether it is wanted still: nobody wants it for another guest, or for a person who left or is somebody else on GitHub.
 * A key that its owner took away meanwhile lets nobody in; one that was added was not approved.
 */
async function stillWanted(grant: Grant, identity: string, { findPerson, github, house }: PlanContext): Promise<Still> {
  if (grant.identity !== identity) return { moot: 'another guest has its number now' };
  if (grant.sudo && !house.ssh.sudo) return { moot: 'the house rules allow no sudo any more' };
  const who = await findPerson(grant.person);
  if (who?.github?.toLowerCase() !== grant.login.toLowerCase())
    return { moot: 'the person is not linked to that login any more' };
  const look = await lookAt([grant], who.github, github);
  if (look.state === 'stranger') return { moot: look.why };
  const { lines, fingerprints } = grant;
  if (look.state === 'unsure')
    return {
      keys: { lines, fingerprints },
      risks: [{ code: 'stale-keys', says: `GitHub cannot be asked about the keys: ${look.why}` }],
    };
  const there = new Set(look.seen.keys.map(({ fingerprint }) => fingerprint));
  if (!fingerprints.some((print) => there.has(print))) return { moot: 'none of its keys is on GitHub any more' };
  return {
    keys: {
      lines: lines.filter((_, n) => there.has(fingerprints[n]!)),
      fingerprints: fingerprints.filter((print) => there.has(print)),
    },
    risks: [],
  };
}
