import type { Grant } from '../src/contracts/books.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { type Plan, type Risk, stampTime } from '../src/contracts/plan.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { ct, expires, person } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { reachable, unlocked } from './parts/checks.ts';
import { changesOf, diffLines, lookAt } from './parts/drift.ts';
import { rehearse } from './parts/grant-plan.ts';
import { extendSteps } from './parts/grants.ts';
import { running } from './parts/inside.ts';
import { leaseOf, moment, untilText } from './parts/leases.ts';
import { heldBy, waitingFor } from './parts/revoke-plan.ts';
import { span } from './parts/units.ts';

interface Wanted {
  readonly person: string;
  readonly vmid: string;
  readonly expires: number;
}

export const sshExtend = defineCommand({
  name: 'ssh extend',
  summary: "Let a person's access to a container last longer, with the same keys",
  examples: ['ssh extend person:@alice vmid:103 expires:8h'],
  options: { person, vmid: ct, expires: { ...expires, summary: 'How long it lasts, from the approval' } },
  positional: ['person', 'vmid', 'expires'],
  action: 'ssh.extend',
  risk: 'disruptive',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      `Ends ${span(Number(plan.intent['lease']))} after the approval`,
      'Same keys, same account, same way in',
    ]),
  result(plan, run) {
    const { lease, zone } = plan.intent;
    const end = run.approvedAt === undefined ? '' : moment(run.approvedAt + Number(lease) * 1000, String(zone));
    return resultCard(`${intentText(plan, 'name')} may log in to ${intentText(plan, 'guest')} longer`, run, [
      `Until ${end || `${span(Number(lease))} from the approval`}`,
    ]);
  },
});

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view, books, nodes, house, clock, zone, findPerson } = context;
  const guest = await view.findGuest(wanted.vmid, 'lxc');
  const label = guestLabel(guest);
  const who = await findPerson(wanted.person);
  const name = who?.name ?? wanted.person;
  const what = `the access of ${name} to ${label} was not extended`;
  const held = await heldBy(who?.id ?? wanted.person.replace(/^@/, ''), view.name, books, guest.vmid);
  const grants = held.grants;
  const lease = leaseOf(wanted.expires, house, what);
  const guards = [await reachable(guest, context, what), unlocked(guest, what), running(guest, what)];
  const detail = await view.guestDetail(guest);
  if (grants.length === 0) again(what, `${name} was not let into it`, wanted, context);
  for (const grant of grants) mayLast(grant, lease, what, wanted, context);
  const stranger = grants.find((grant) => grant.identity !== detail.mac);
  if (stranger) again(what, 'another container has its number now', wanted, context);
  if (grants.some((grant) => waitingFor(held, grant)?.kind === 'revoke'))
    again(what, 'the end of that access was approved already and waits', wanted, context);
  const users = await nodes.users(guest.node, guest.vmid);
  const missing = grants.find((grant) => !users.some((user) => user.name === grant.user));
  if (missing) again(what, `the account ${missing.user} is not there any more`, wanted, context);
  const steps = grants.flatMap((grant) =>
    extendSteps(grant, guest.node, { seconds: lease }, grants.length > 1 ? { suffix: grant.user } : {}),
  );
  await rehearse(steps, true, nodes);
  return {
    command: 'ssh extend',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { ...(detail.mac ? { identity: detail.mac } : {}), protected: detail.protection }),
    title: `Let ${name} into ${label} for ${span(lease)} from the approval`,
    intent: {
      guest: label,
      node: guest.node,
      person: grants[0]!.person,
      name,
      users: grants.map(({ user }) => user),
      keys: grants.flatMap(({ fingerprints }) => fingerprints),
      lease,
      zone,
    },
    guards,
    observations: grants.map((grant) => ({ label: 'Until now', value: untilText(grant, clock.now(), zone) })),
    risks: [
      ...(grants.some(({ sudo }) => sudo) ? [{ code: 'sudo', says: 'with sudo, as before' }] : []),
      ...(await keysNow(grants, who?.github, context, what)),
    ],
    steps,
    reserves: [`grant/${view.name}/${guest.vmid}`],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}

function mayLast(grant: Grant, lease: number, what: string, wanted: Wanted, context: PlanContext): void {
  const { clock, zone, root } = context;
  const now = clock.now();
  // What was taken over has no end; here it gets one.
  if (grant.until === undefined) return;
  const end = stampTime(grant.until);
  if (end <= now) again(what, `it ended ${moment(end, zone)}`, wanted, context);
  if (end >= now + lease * 1000) {
    fail('conflict', {
      what,
      why: `it lasts longer already: ${untilText(grant, now, zone)}`,
      next: `${root}ssh grant person:${grant.person} vmid:${grant.vmid} expires:… sets an earlier end`,
    });
  }
}

function again(what: string, why: string, wanted: Wanted, { root }: PlanContext): never {
  return fail('conflict', { what, why, next: `${root}ssh grant person:${wanted.person} vmid:${wanted.vmid}` });
}

/** The keys stay what they were; people should know when GitHub has others by now. */
async function keysNow(
  grants: readonly Grant[],
  login: string | undefined,
  { github, root }: PlanContext,
  what: string,
): Promise<readonly Risk[]> {
  const look = await lookAt(grants, login, github);
  if (look.state === 'stranger') return fail('conflict', { what, why: look.why, next: look.next });
  if (look.state === 'unsure')
    return [{ code: 'stale-keys', says: `GitHub cannot be asked about the keys: ${look.why}` }];
  const changes = changesOf(grants, look.seen);
  if (changes.length === 0) return [];
  return [
    {
      code: 'keys-changed',
      says: `GitHub has other keys now (${diffLines(changes).join('; ')}): ${root}ssh sync writes those`,
    },
  ];
}
