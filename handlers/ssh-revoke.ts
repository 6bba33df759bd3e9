import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Plan, Target } from '../src/contracts/plan.ts';
import { ct, option, optional, person } from './options.ts';
import { guestTarget, previewCard, resultCard } from './parts/cards.ts';
import { holds } from './parts/drift.ts';
import { endLines, labelOf, laterRisk, leftLines, nameOf, someWaits } from './parts/end-lines.ts';
import { QUEUED_BY } from './parts/queue.ts';
import { type Ending, endingOf, forgetSteps, type Held, heldBy, inSight, waitingFor } from './parts/revoke-plan.ts';

const account = option<'keep' | 'remove'>({
  summary: "What becomes of the Linux account; default: removed if we made it and nobody else's key is in it",
  example: 'account:keep',
  choices: ['keep', 'remove'],
  read: (text) => {
    const word = text.toLowerCase();
    return word === 'keep' || word === 'remove' ? { value: word } : { problem: 'account is keep or remove' };
  },
});

interface Wanted {
  readonly person: string;
  readonly vmid?: string | undefined;
  readonly account?: 'keep' | 'remove' | undefined;
}

export const sshRevoke = defineCommand({
  name: 'ssh revoke',
  summary: "End a person's access: to one container, or to all of this cluster",
  examples: ['ssh revoke person:@alice vmid:103', 'ssh revoke person:@alice account:keep'],
  options: {
    person,
    vmid: optional(ct, 'Which container; all of them when left out'),
    account: optional(account),
  },
  positional: ['person', 'vmid'],
  action: 'ssh.revoke',
  risk: 'routine',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      ...texts(plan, 'ends'),
      ...texts(plan, 'left'),
      'Who is logged in now is put out only where the account is removed; home folders stay',
    ]),
  result: (plan, run) => {
    const left = texts(plan, 'left');
    const title = someWaits(plan) ? 'access has ended where it could; the rest waits' : 'access has ended';
    const card = resultCard(`${plan.intent['name']}: ${title}${left.length > 0 ? ', but not everything' : ''}`, run, [
      ...texts(plan, 'ends'),
      ...left,
    ]);
    return left.length > 0 ? { ...card, tone: 'warning' } : card;
  },
});

const texts = (plan: Plan, key: string): readonly string[] => plan.intent[key] as readonly string[];

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view, nodes, books, root, clock, zone, asker } = context;
  const who = await context.findPerson(wanted.person);
  const id = who?.id ?? wanted.person.replace(/^@/, '');
  const name = who?.name ?? id;
  const what = `the access of ${name} was not ended`;
  const vmid = wanted.vmid === undefined ? undefined : await vmidOf(wanted.vmid, context);
  const all = await heldBy(id, view.name, books, vmid);
  const { held, hidden } = await inSight(all, context);
  if (all.grants.length + all.queued.length === 0) {
    fail('not-found', {
      what,
      why: `${name} was granted nothing ${vmid === undefined ? `on ${view.name}` : `in CT ${vmid}`}`,
      next:
        vmid === undefined
          ? `${root}whoami shows how the bot calls you`
          : `${root}ssh who vmid:${vmid} shows who may log in`,
    });
  }
  const endings = await Promise.all(
    held.grants.map((grant) => {
      const queued = waitingFor(held, grant);
      const account = wanted.account ?? (queued?.kind === 'revoke' ? queued.account : undefined);
      return endingOf(grant, { view, nodes }, { account, suffix: nameOf(grant), queued, what });
    }),
  );
  const forgotten = forgetSteps(held);
  const byQueue = asker.automation === QUEUED_BY;
  if (
    byQueue &&
    !(endings.length === 1 && endings[0]!.when !== 'later' && held.queued.some((q) => q.kind === 'revoke'))
  ) {
    fail('conflict', { what, why: 'nothing that was approved waits for it', next: 'nothing to do' });
  }
  const byNight = asker.automation === 'access-reconcile';
  if (byNight && (forgotten.length > 0 || endings.some(({ grant }) => holds(grant, clock.now()))))
    fail('conflict', { what, why: 'a lease of it still holds, or something waits', next: 'a person decides' });
  if (endings.length + forgotten.length === 0) {
    fail('not-found', {
      what,
      why: `${name} was granted nothing that you may see`,
      next: `${root}ct list shows what that is`,
    });
  }
  return {
    command: 'ssh revoke',
    version: 1,
    cluster: view.name,
    target: targetOf(endings, { id, name }, vmid),
    title: `End the access of ${name} to ${placesOf(endings, held)}`,
    intent: {
      person: id,
      name,
      ends: endLines(endings, held, clock.now(), zone),
      left: leftLines(endings, hidden, view.name),
    },
    guards: [],
    observations: [],
    risks: [
      ...(byQueue ? [{ code: 'queued', says: 'approved when the container did not run' }] : []),
      ...(byNight ? [{ code: 'ended', says: 'every lease of it is over' }] : []),
      ...endings.filter(({ when }) => when === 'later').map(laterRisk),
      ...endings.flatMap(({ risks }) => risks),
    ],
    steps: [...endings.flatMap(({ steps }) => steps), ...forgotten],
    reserves: [],
    locks: [
      ...new Set([...held.grants, ...held.queued.map(({ grant }) => grant)].map((g) => `guest/${view.name}/${g.vmid}`)),
    ],
  };
}

/** A grant of a container that is gone can be ended too. */
async function vmidOf(wanted: string, { view, everything }: PlanContext): Promise<number> {
  const all = /^\d+$/.test(wanted) ? await everything.guests() : undefined;
  if (all && !all.some(({ vmid, type }) => vmid === Number(wanted) && type === 'lxc')) return Number(wanted);
  return (await view.findGuest(wanted, 'lxc')).vmid;
}

function placesOf(endings: readonly Ending[], { queued }: Held): string {
  const places = endings.map(labelOf);
  if (places.length === 0) return queued.map(({ grant }) => `CT ${grant.vmid} ${grant.guest}`).join(', ');
  return places.length <= 3 ? places.join(', ') : `${places.length} containers`;
}

function targetOf(
  endings: readonly Ending[],
  who: { readonly id: string; readonly name: string },
  vmid: number | undefined,
): Target {
  const one = vmid === undefined ? undefined : endings.find(({ guest }) => guest?.vmid === vmid);
  return one?.guest ? guestTarget(one.guest, { identity: one.grant.identity }) : { kind: 'person', ...who };
}
