import type { Grant } from '../src/contracts/books.ts';
import type { Guest } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { KeysSeen } from '../src/contracts/github.ts';
import type { Guard, Plan, PlannedStep, Risk } from '../src/contracts/plan.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { ct, option, optional, person } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { type Change, diffLines, placesOf } from './parts/drift.ts';
import { syncSteps } from './parts/grants.ts';
import { type Holder, holderOf, surelySeen } from './parts/person-grants.ts';
import { prodTag } from './parts/risks.ts';

interface Wanted {
  readonly person: string;
  readonly vmid?: string | undefined;
  readonly only?: 'removals' | undefined;
}

export const sshSync = defineCommand({
  name: 'ssh sync',
  summary: "Make a person's granted keys those that GitHub shows now; leases keep their end",
  examples: ['ssh sync person:@alice', 'ssh sync person:@alice vmid:103', 'ssh sync person:@alice only:removals'],
  options: {
    person,
    vmid: optional(ct, 'Only in this container; default: everywhere on the cluster'),
    only: optional(
      option<'removals'>({
        summary: 'Take keys away and add none',
        example: 'only:removals',
        choices: ['removals'],
        read: (text) =>
          text.toLowerCase() === 'removals' ? { value: 'removals' } : { problem: 'only can be removals, nothing else' },
      }),
    ),
  },
  positional: ['person', 'vmid'],
  action: 'ssh.sync',
  risk: 'disruptive',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) => previewCard(plan, preview(plan)),
  result: (plan, run) =>
    resultCard(`${plan.target.name} logs in with the keys on GitHub`, run, [
      ...texts(plan, 'diff'),
      `On: ${intentText(plan, 'places')}`,
      ...texts(plan, 'left'),
    ]),
});

const texts = (plan: Plan, key: string): readonly string[] => (plan.intent[key] ?? []) as readonly string[];

function preview(plan: Plan): readonly string[] {
  return [
    ...texts(plan, 'diff'),
    `On: ${intentText(plan, 'places')}`,
    ...(intentText(plan, 'keys') === '0' ? ['No key is left: nobody can log in as them until GitHub shows one'] : []),
    ...texts(plan, 'left'),
  ];
}

/** How one grant can be brought in line now. */
interface Work {
  readonly change: Change;
  readonly guest: Guest;
  readonly asked: boolean;
  readonly keys: Pick<Grant, 'lines' | 'fingerprints'>;
}

async function plan({ person, vmid, only }: Wanted, context: PlanContext): Promise<Plan> {
  const { view } = context;
  const what = 'no key was changed';
  const everywhere = await holderOf(person, context, what);
  const chosen = vmid === undefined ? undefined : await view.findGuest(vmid, 'lxc');
  const holder = chosen ? here(everywhere, chosen, context, what) : everywhere;
  const { seen, changes } = await surelySeen(holder, context, what);
  const wanted = changes
    .map((change) => (only ? { ...change, added: [] } : change))
    .filter(({ added, removed }) => added.length + removed.length > 0);
  if (wanted.length === 0) refuseIdle(holder, changes, context, what);
  const { works: all, left } = await sorted(wanted, seen, only, context);
  const works = all.filter((work) => stepsOf(work).length > 0);
  const steps = works.flatMap(stepsOf);
  if (steps.length === 0)
    fail('conflict', {
      what,
      why: left.join('; '),
      next: 'start the containers, or wait until they run; then ask again',
    });
  const done = works.map(({ change, asked }) => (asked ? change : { ...change, added: [] }));
  return {
    command: 'ssh sync',
    version: 1,
    cluster: view.name,
    target: { kind: 'person', id: holder.id, name: holder.name, identity: String(seen.id) },
    title: `${only ? 'Take away keys' : 'Apply the keys'} of ${holder.name} (github ${seen.login}) on ${view.name}`,
    intent: {
      person: holder.id,
      login: seen.login,
      diff: diffLines(done),
      places: placesOf(works.map(({ change }) => change.grant)),
      keys: String(Math.max(...works.map(({ keys }) => keys.lines.length))),
      left,
    },
    guards: [
      { code: `github:${seen.id}`, says: `${seen.login} is still the account that was granted` },
      ...works.map(guardOf),
    ],
    observations: [{ label: 'Keys on GitHub', value: String(seen.keys.length) }],
    risks: risksOf(done, works),
    steps,
    reserves: [],
    locks: [...new Set(works.map(({ guest }) => `guest/${view.name}/${guest.vmid}`))],
  };
}

function here(holder: Holder, guest: Guest, { root }: PlanContext, what: string): Holder {
  const grants = holder.grants.filter(({ vmid }) => vmid === guest.vmid);
  if (grants.length > 0) return { ...holder, grants };
  return fail('not-found', {
    what,
    why: `${holder.name} has no access to ${guestLabel(guest)}`,
    next: `${root}ssh grant person:${holder.id} vmid:${guest.vmid} gives it`,
  });
}

function refuseIdle(holder: Holder, changes: readonly Change[], { root }: PlanContext, what: string): never {
  const adds = changes.length > 0;
  return fail('conflict', {
    what,
    why: adds
      ? `GitHub shows new keys of ${holder.name}, but none was taken away`
      : `the granted keys of ${holder.name} are those on GitHub`,
    next: adds ? `${root}ssh sync person:${holder.id} adds them` : 'nothing to do',
  });
}

/** What can be done now, and in words what cannot. A grant is of one guest, known by its MAC. */
async function sorted(
  changes: readonly Change[],
  seen: KeysSeen,
  only: Wanted['only'],
  { everything, nodes, view }: PlanContext,
): Promise<{ readonly works: readonly Work[]; readonly left: readonly string[] }> {
  const [shown, all] = await Promise.all([view.guests(), everything.guests()]);
  const works: Work[] = [];
  const left: string[] = [];
  let hidden = 0;
  for (const change of changes) {
    const { grant } = change;
    const guest = shown.find(({ vmid, type }) => vmid === grant.vmid && type === 'lxc');
    if (!guest) {
      if (all.some(({ vmid, type }) => vmid === grant.vmid && type === 'lxc')) hidden += 1;
      else left.push(`CT ${grant.vmid} ${grant.guest} is gone`);
      continue;
    }
    const asked = guest.status === 'running' && nodes.has(guest.node);
    if (guest.status !== 'unknown' && (await view.guestDetail(guest)).mac !== grant.identity) {
      left.push(`${guestLabel(guest)} is another container than the one that was granted`);
      continue;
    }
    works.push({ change, guest, asked, keys: keysFor(change, seen, asked && !only) });
    if (!asked) left.push(notAsked(guest, grant, nodes.has(guest.node)));
  }
  if (hidden > 0) left.push(`${hidden} more that you may not see: an admin brings them in line`);
  return { works, left };
}

const notAsked = (guest: Guest, grant: Grant, has: boolean): string =>
  `${guestLabel(guest)} ${has ? `is ${guest.status}` : `is on ${guest.node}, which has no SSH access`}: ${grant.jump ? 'only the way in changes now, its keys' : 'its keys stay, they'} change with the next sync once it can be asked`;

/** GitHub's keys; without `adding` only those of them that were granted before. */
function keysFor({ grant }: Change, seen: KeysSeen, adding: boolean): Work['keys'] {
  const keys = seen.keys.filter((key) => adding || grant.fingerprints.includes(key.fingerprint));
  return { lines: keys.map(({ line }) => line), fingerprints: keys.map(({ fingerprint }) => fingerprint) };
}

/** One that fails holds up no other: a key that is to go must go wherever it can. */
const stepsOf = ({ change: { grant }, guest, asked, keys }: Work): readonly PlannedStep[] =>
  asked || keys.lines.length < grant.lines.length
    ? syncSteps(grant, guest.node, keys, { asked, alone: true, suffix: `${grant.vmid} ${grant.user}` })
    : [];

const guardOf = ({ guest, asked }: Work): Guard =>
  asked
    ? { code: `running:${guest.vmid}@${guest.node}`, says: `${guestLabel(guest)} runs on ${guest.node}` }
    : { code: `not-asked:${guest.vmid}`, says: `${guestLabel(guest)} cannot be asked` };

function risksOf(changes: readonly Change[], works: readonly Work[]): readonly Risk[] {
  const adding = changes.filter(({ added }) => added.length > 0).map(({ grant }) => grant);
  const places = (grants: readonly Grant[]): string => grants.map(({ vmid }) => vmid).join(', ');
  const sudo = adding.filter((grant) => grant.sudo);
  const endless = adding.filter(({ until }) => until === undefined);
  const stopped = works.filter(({ asked }) => !asked).map(({ change }) => change.grant);
  const prod = works.flatMap(({ guest }) => prodTag(guest).map(() => guest.vmid));
  return [
    ...(adding.length === 0 ? [{ code: 'only-removals', says: 'keys are taken away, none is added' }] : []),
    ...(sudo.length > 0 ? [{ code: 'sudo', says: `the new keys give sudo in ${places(sudo)}` }] : []),
    ...(endless.length > 0 ? [{ code: 'no-expiry', says: `the new keys do not expire in ${places(endless)}` }] : []),
    ...(stopped.length > 0
      ? [{ code: 'stopped', says: `${places(stopped)}: what is inside stays as it is for now` }]
      : []),
    ...(prod.length > 0 ? [{ code: 'prod-tag', says: `${prod.join(', ')} tagged prod: people depend on it` }] : []),
  ];
}
