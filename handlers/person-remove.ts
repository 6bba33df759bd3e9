import { type BookEntry, KEPT, LINKS } from '../src/contracts/books.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { bookStep } from '../src/contracts/node-steps.ts';
import type { Plan, PlannedStep } from '../src/contracts/plan.ts';
import { person } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { endLines, laterRisk, leftLines, nameOf, someWaits } from './parts/end-lines.ts';
import {
  type Ending,
  endingOf,
  forgetSteps,
  type Held,
  heldBy,
  heldElsewhere,
  inSight,
  waitingFor,
} from './parts/revoke-plan.ts';
import { count } from './parts/units.ts';

export const personRemove = defineCommand({
  name: 'person remove',
  summary: 'Take everything of somebody who leaves away: access everywhere, and the GitHub link',
  examples: ['person remove person:@alice'],
  options: { person },
  positional: ['person'],
  action: 'person.remove',
  risk: 'disruptive',
  version: 1,
  plan: ({ person }, context) => plan(person, context),
  preview: (plan) =>
    previewCard(plan, [
      ...(plan.intent['ends'] as readonly string[]),
      ...(plan.intent['left'] as readonly string[]),
      'Home folders stay. Each part is done for itself: what fails is named, and the rest is done all the same',
    ]),
  result: (plan, run) => {
    const left = plan.intent['left'] as readonly string[];
    const waits = someWaits(plan) ? 'is out; some keys wait to end' : 'has no access any more';
    const title =
      left.length > 0 ? `is out, but not everywhere${someWaits(plan) ? '; some keys wait to end' : ''}` : waits;
    const card = resultCard(`${intentText(plan, 'name')} ${title}`, run, [
      ...(plan.intent['ends'] as readonly string[]),
      ...left,
    ]);
    return left.length > 0 ? { ...card, tone: 'warning' } : card;
  },
});

/** One cluster's part of it. */
interface Part {
  readonly cluster: string;
  readonly held: Held;
  readonly endings: readonly Ending[];
  /** Grants of containers that the asker may not see. */
  readonly hidden: number;
}

async function plan(wanted: string, context: PlanContext): Promise<Plan> {
  const { view, clusters, findPerson, clock, zone, root } = context;
  const who = await findPerson(wanted);
  const id = who?.id ?? wanted.replace(/^@/, '');
  const name = who?.name ?? id;
  const what = `nothing of ${name} was taken away`;
  const parts = await Promise.all(clusters.map((place) => partOf(id, place, context, what)));
  const notes = await notesOf(id, context);
  const steps = [
    ...parts.flatMap(({ endings }) => endings.flatMap((ending) => ending.steps)),
    ...parts.flatMap(({ cluster, held }) => forgetSteps(held, `${cluster} `)),
    ...notes.map((note) => forgetNote(id, note)),
  ];
  const elsewhere = await heldElsewhere(id, new Set(clusters.map((place) => place.name)), context.books);
  const left = [...parts.flatMap(leftOf), ...otherwiseLeft(elsewhere, who, notes)];
  if (steps.length === 0) {
    fail('not-found', {
      what,
      why: left[0] ?? `${name} has neither access nor a link here`,
      next: `${root}person list shows who has`,
    });
  }
  const many = parts.filter(({ endings }) => endings.length > 0).length > 1;
  const ends = parts.flatMap(({ cluster, held, endings }) =>
    endLines(endings, held, clock.now(), zone).map((line) => (many ? `${cluster}: ${line}` : line)),
  );
  const link = notes.some(({ shelf }) => shelf === LINKS);
  const endings = parts.flatMap((part) => part.endings);
  return {
    command: 'person remove',
    version: 1,
    cluster: view.name,
    target: { kind: 'person', id, name },
    title: `Take ${name} out: ${count(endings.length, 'grant')}${link ? ' and the GitHub link' : ''}`,
    intent: { person: id, name, ends: [...ends, ...(link ? ['The link to GitHub ends'] : [])], left },
    guards: [],
    observations: [],
    risks: [...endings.filter(({ when }) => when === 'later').map(laterRisk), ...endings.flatMap(({ risks }) => risks)],
    steps,
    reserves: [],
    locks: locksOf(id, parts),
  };
}

async function partOf(
  id: string,
  place: PlanContext['clusters'][number],
  { books }: PlanContext,
  what: string,
): Promise<Part> {
  const { held, hidden } = await inSight(await heldBy(id, place.name, books), place);
  const endings = await Promise.all(
    held.grants.map((grant) =>
      endingOf(grant, place, {
        // A line of their own in an account made for them would let a leaver stay.
        account: 'ours',
        suffix: `${place.name} ${nameOf(grant)}`,
        queued: waitingFor(held, grant),
        what,
      }),
    ),
  );
  return { cluster: place.name, held, endings, hidden };
}

/** The link, and what was decided about their keys. */
async function notesOf(id: string, { books }: PlanContext): Promise<readonly BookEntry[]> {
  const shelves = await Promise.all([LINKS, KEPT].map((shelf) => books.entries(shelf)));
  return shelves.flat().filter(({ value }) => (value as { readonly person?: string } | null)?.person === id);
}

const forgetNote = (id: string, { shelf, key, value }: BookEntry): PlannedStep => ({
  ...bookStep({ shelf, key, value: null }, value, {
    name: key === id ? shelf : `${shelf} ${key}`,
    says: shelf === LINKS ? 'Ending the link to GitHub' : 'Forgetting what was decided about their keys',
  }),
  alone: true,
});

const leftOf = ({ cluster, endings, hidden }: Part): readonly string[] => leftLines(endings, hidden, cluster);

/** What this plan cannot do, so that somebody does it. */
function otherwiseLeft(
  elsewhere: number,
  who: { readonly id: string; readonly github?: string } | undefined,
  notes: readonly BookEntry[],
): readonly string[] {
  const linked = notes.find(({ shelf }) => shelf === LINKS)?.value as { readonly login?: string } | undefined;
  const config = who?.github !== undefined && linked?.login?.toLowerCase() !== who.github.toLowerCase();
  return [
    ...(elsewhere > 0
      ? [`LEFT: ${count(elsewhere, 'grant')} on other clusters, which you may not see or the config does not name`]
      : []),
    ...(config ? [`LEFT: the config names them, under people: ${who!.id}: an admin takes that out`] : []),
  ];
}

function locksOf(id: string, parts: readonly Part[]): readonly string[] {
  const guests = parts.flatMap(({ cluster, held }) =>
    [...held.grants, ...held.queued.map(({ grant }) => grant)].map(({ vmid }) => `guest/${cluster}/${vmid}`),
  );
  return [...new Set([`link/${id}`, ...guests])].sort();
}
