import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { SILENCES, silencesOf, silenceText } from '../src/contracts/incident.ts';
import { bookStep } from '../src/contracts/node-steps.ts';
import type { Plan } from '../src/contracts/plan.ts';
import { silence } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';

export const alertUnsilence = defineCommand({
  name: 'alert unsilence',
  summary: 'End a silence before its time',
  examples: ['alert unsilence id:s7f3k2'],
  options: { id: silence },
  positional: ['id'],
  action: 'alert.unsilence',
  risk: 'routine',
  version: 1,
  plan: ({ id }, context) => plan(id, context),
  preview: (plan) => previewCard(plan, ['What is open there is told at once']),
  result: (plan, run) => resultCard(`${intentText(plan, 'what')} is told again`, run),
});

async function plan(id: string, { books, clock, root, view }: PlanContext): Promise<Plan> {
  const all = await silencesOf(books, view.name, clock.now());
  const found = all.find((one) => one.id === id);
  const entry = await books.entry(SILENCES, id);
  if (!found || !entry)
    return fail('not-found', {
      what: 'no silence was ended',
      why: `there is none by the id ${id} on ${view.name}`,
      next: `${root}alert list shows them`,
    });
  const what = silenceText(found);
  return {
    command: 'alert unsilence',
    version: 1,
    cluster: view.name,
    target: { kind: 'cluster', id: view.name, name: view.name },
    title: `End the silence about ${what} on ${view.name}`,
    intent: { id, what },
    guards: [],
    observations: [{ label: 'Reason', value: found.reason || 'none given' }],
    risks: [],
    steps: [
      bookStep({ shelf: SILENCES, key: id, value: null }, entry.value, { name: 'end', says: 'Ending the silence' }),
    ],
    reserves: [],
    locks: [`silence/${id}`],
  };
}
