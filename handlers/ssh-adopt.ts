import { GRANTS, type Grant, grantKey, grantSchema, readShelf } from '../src/contracts/books.ts';
import type { Guest } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { Failed, fail } from '../src/contracts/failure.ts';
import { bookStep, nodeStep, nodeUndo } from '../src/contracts/node-steps.ts';
import { type Json, MARKER, type NodeCall, type Plan, type PlannedStep, type Risk } from '../src/contracts/plan.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { more } from '../src/contracts/visible.ts';
import { ct, option, optional, person } from './options.ts';
import { type Known, type Match, type Matched, matched } from './parts/adoption.ts';
import { guestTarget, previewCard, resultCard } from './parts/cards.ts';
import { reachable } from './parts/checks.ts';
import { shortType } from './parts/drift.ts';
import { rehearse } from './parts/grant-plan.ts';
import { NEW_ID } from './parts/grants.ts';
import { prodTag } from './parts/risks.ts';
import { count } from './parts/units.ts';

const user = option<string>({
  summary: 'Only this account inside the container',
  example: 'user:alice',
  read: (text) =>
    /^[a-z_][a-z0-9_-]{0,31}$/.test(text)
      ? { value: text }
      : { problem: `${JSON.stringify(text.slice(0, 40))} is not the name of an account` },
});

interface Wanted {
  readonly vmid: string;
  readonly user?: string | undefined;
  readonly person?: string | undefined;
}

export const sshAdopt = defineCommand({
  name: 'ssh adopt',
  summary: 'Take over accounts and keys made by hand, where the keys are those of a person on GitHub',
  examples: ['ssh adopt vmid:103', 'ssh adopt vmid:103 user:alice person:@alice'],
  options: { vmid: ct, user: optional(user), person: optional(person, 'Only keys of this person') },
  positional: ['vmid', 'user'],
  action: 'ssh.adopt',
  risk: 'disruptive',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      ...texts(plan, 'matches'),
      ...(texts(plan, 'stays').length > 0 ? ['Stays as it is:', ...shortened(texts(plan, 'stays'))] : []),
      'Nobody gets in who could not before, and nobody is kept out; from now on it is watched and can be revoked',
    ]),
  result: (plan, run) =>
    resultCard(`CT ${plan.target.id} ${plan.target.name}: accounts taken over`, run, [
      ...texts(plan, 'matches'),
      'They do not expire: ssh extend gives them a lease, ssh revoke ends them',
    ]),
});

const SHOWN = 12;
const texts = (plan: Plan, key: string): readonly string[] => (plan.intent[key] ?? []) as readonly string[];
const shortened = (lines: readonly string[]): readonly string[] =>
  lines.length > SHOWN ? [...lines.slice(0, SHOWN), more(lines.length - SHOWN, 'line')] : lines;

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { books, nodes, root, view } = context;
  const guest = await view.findGuest(wanted.vmid, 'lxc');
  const label = guestLabel(guest);
  const what = `nothing in ${label} was taken over`;
  const node = await reachable(guest, context, what);
  if (guest.status !== 'running')
    fail('conflict', { what, why: `it is ${guest.status}`, next: `${root}ct start ${guest.vmid} first` });
  const { mac } = await view.guestDetail(guest);
  if (mac === undefined)
    fail('conflict', { what, why: 'it has no network card, so it cannot be told from a namesake', next: 'add net0' });
  const users = await nodes.users(guest.node, guest.vmid);
  const known = await peopleOf(wanted.person, context, what);
  const all = await readShelf(books, GRANTS, grantSchema);
  const grants = all.filter(({ cluster, vmid }) => cluster === view.name && vmid === guest.vmid);
  const chosen = users.filter(({ name }) => wanted.user === undefined || name === wanted.user);
  if (chosen.length === 0 && wanted.user !== undefined)
    fail('not-found', {
      what,
      why: `there is no account ${wanted.user} with keys`,
      next: `there are: ${users.map(({ name }) => name).join(', ') || 'none'}`,
    });
  const found = matched(chosen, known.people, new Set(grants.map((grant) => grant.user)));
  if (found.matches.length === 0) refuseNone(found, known.unsure, what);
  const steps = found.matches.flatMap((match) => stepsOf(match, guest, mac, view.name));
  await rehearse(steps, true, nodes);
  return {
    command: 'ssh adopt',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { identity: mac }),
    title: `Take over ${found.matches.map(({ account }) => account.name).join(', ')} in ${label}`,
    intent: {
      matches: found.matches.map(matchText),
      stays: [...found.stays, ...known.unsure],
      node: guest.node,
    },
    guards: [node, { code: 'running', says: 'it runs' }],
    observations: [],
    risks: risksOf(found, guest),
    steps,
    reserves: [],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}

/** Everybody with a login, or the one who was named, with the keys GitHub confirms now. */
async function peopleOf(
  named: string | undefined,
  { findPerson, github, people, root }: PlanContext,
  what: string,
): Promise<{ readonly people: readonly Known[]; readonly unsure: readonly string[] }> {
  const found = named === undefined ? undefined : await findPerson(named);
  if (named !== undefined && !found?.github)
    fail('not-found', {
      what,
      why: found ? `${found.name} has no GitHub login here` : `nobody here is called ${named}`,
      next: `${root}person add links a person to their login`,
    });
  const asked = found ? [found] : (await people()).filter((one) => one.github !== undefined);
  if (asked.length === 0)
    fail('not-found', { what, why: 'nobody has a GitHub login here', next: `${root}person add links a person` });
  const known: Known[] = [];
  const unsure: string[] = [];
  for (const { id, name, github: login } of asked) {
    try {
      const seen = await github.keys(login!, { mayBeEmpty: true });
      if (seen.fresh) known.push({ id, name, seen });
      else unsure.push(`${name}: not compared, ${seen.stale ?? 'GitHub did not confirm the keys'}`);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      unsure.push(`${name}: not compared, ${error.failure.why}`);
    }
  }
  return { people: known, unsure };
}

function refuseNone({ stays }: Matched, unsure: readonly string[], what: string): never {
  const lines = [...stays, ...unsure];
  return fail('not-found', {
    what,
    why: lines.length > 0 ? shortened(lines).join('\n') : 'no account has keys that are not granted already',
    next: lines.length > 0 ? 'link the people whose keys these are, or leave them as they are' : 'nothing to do',
  });
}

const matchText = ({ account, who, keys }: Match): string =>
  `${account.name}${account.sudo ? ' (sudo)' : ''} → ${who.name} (github ${who.seen.login}): ${keys.map(({ fingerprint, type }) => `${fingerprint} ${shortType(type)}`).join(', ')}`;

function risksOf({ matches, stays }: Matched, guest: Guest): readonly Risk[] {
  const sudo = matches.filter(({ account }) => account.sudo).map(({ account }) => account.name);
  return [
    { code: 'no-expiry', says: 'what was made by hand does not expire, until somebody gives it a lease' },
    ...(sudo.length > 0 ? [{ code: 'sudo', says: `${sudo.join(', ')} may become root inside` }] : []),
    ...(stays.length > 0
      ? [
          {
            code: 'foreign-lines',
            says: `${count(stays.length, 'line')} left as found: whoever has such a key still gets in`,
          },
        ]
      : []),
    ...prodTag(guest),
  ];
}

/** The account itself stays as somebody made it; only the lines get our mark, where they stand. */
function stepsOf({ account, who, keys }: Match, guest: Guest, mac: string, cluster: string): readonly PlannedStep[] {
  const label = `${account.name} in CT ${guest.vmid}`;
  const call = (foreign: 'adopt' | 'release'): NodeCall => ({
    cluster,
    node: guest.node,
    verb: 'ct.keys.set',
    args: {
      vmid: guest.vmid,
      mac,
      user: account.name,
      marker: MARKER,
      lines: keys.map(({ line }) => `${line} ${MARKER}`),
      foreign,
    },
  });
  const grant: Grant = {
    id: NEW_ID,
    cluster,
    vmid: guest.vmid,
    identity: mac,
    guest: guest.name,
    person: who.id,
    login: who.seen.login,
    githubId: who.seen.id,
    user: account.name,
    sudo: account.sudo,
    lines: keys.map(({ line }) => line),
    fingerprints: keys.map(({ fingerprint }) => fingerprint),
    from: '{stamp}',
    adopted: true,
  };
  return [
    nodeStep(call('adopt'), {
      name: `adopt ${account.name}`,
      says: `Marking the keys of ${label} as ours`,
      undo: [nodeUndo(call('release'), `Taking the mark off the keys of ${label}`)],
    }),
    bookStep(
      { shelf: GRANTS, key: grantKey(cluster, guest.vmid, account.name), value: grant as unknown as Json },
      null,
      {
        name: `book ${account.name}`,
        says: `Noting that ${account.name} is ${who.name}`,
      },
    ),
  ];
}
