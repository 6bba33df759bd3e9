import { KEPT } from '../src/contracts/books.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { bookStep } from '../src/contracts/node-steps.ts';
import type { Plan } from '../src/contracts/plan.ts';
import { person } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { diffLines, isKept, keptOf, keptSchema, placesOf } from './parts/drift.ts';
import { holderOf, surelySeen } from './parts/person-grants.ts';

export const sshKeep = defineCommand({
  name: 'ssh keep',
  summary: 'Leave the granted keys as they are, although GitHub shows others now',
  examples: ['ssh keep person:@alice'],
  options: { person },
  positional: ['person'],
  action: 'ssh.keep',
  risk: 'routine',
  version: 1,
  plan: ({ person }, context) => plan(person, context),
  preview: (plan) =>
    previewCard(plan, [
      ...(plan.intent['diff'] as readonly string[]),
      `Nobody gets in or is kept out by this: who could log in still can, on ${intentText(plan, 'places')}`,
      'The bot is silent about it until the keys on GitHub change again',
    ]),
  result: (plan, run) =>
    resultCard(`${plan.target.name} keeps the granted keys`, run, ['Told again when GitHub changes']),
});

const WHAT = 'nothing was noted';

async function plan(wanted: string, context: PlanContext): Promise<Plan> {
  const { books, root, view } = context;
  const holder = await holderOf(wanted, context, WHAT);
  const { seen, changes } = await surelySeen(holder, context, WHAT);
  if (changes.length === 0) {
    fail('conflict', {
      what: WHAT,
      why: `the granted keys of ${holder.name} are those on GitHub`,
      next: `nothing to do; ${root}ssh keys person:${holder.id} shows them`,
    });
  }
  const before = await books.entry(KEPT, holder.id);
  const known = keptSchema.safeParse(before?.value);
  if (known.success && isKept(known.data, seen))
    fail('conflict', { what: WHAT, why: 'somebody has decided so already', next: 'nothing to do' });
  const kept = keptOf(holder.id, seen);
  return {
    command: 'ssh keep',
    version: 1,
    cluster: view.name,
    target: { kind: 'person', id: holder.id, name: holder.name, identity: String(seen.id) },
    title: `Keep the granted keys of ${holder.name} (github ${seen.login}) as they are`,
    intent: { diff: diffLines(changes), places: placesOf(changes.map(({ grant }) => grant)), login: seen.login },
    guards: [{ code: `github:${seen.id}`, says: `${seen.login} is still the account that was granted` }],
    observations: [],
    risks: [],
    steps: [
      bookStep({ shelf: KEPT, key: holder.id, value: { ...kept } }, before?.value ?? null, {
        name: 'keep',
        says: 'Noting that these keys were looked at',
      }),
    ],
    reserves: [],
    locks: [`kept/${holder.id}`],
  };
}
