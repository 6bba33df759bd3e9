import { GRANTS, type Grant, grantSchema, LINKS, linkSchema, readShelf } from '../src/contracts/books.ts';
import type { Card } from '../src/contracts/card.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { stampTime } from '../src/contracts/plan.ts';
import { holds, placesOf } from './parts/drift.ts';
import { moment } from './parts/leases.ts';
import { count } from './parts/units.ts';

export const personList = defineCommand({
  name: 'person list',
  summary: 'Who is linked to which GitHub login, and where they may log in',
  examples: ['person list'],
  options: {},
  action: 'person.list',
  risk: 'read',
  private: true,
  answer: (_options, context) => answer(context),
});

async function answer(context: ReadContext): Promise<Card> {
  const { books, view, root, people, may, clock } = context;
  const [links, all, grants] = await Promise.all([readShelf(books, LINKS, linkSchema), people(), seenGrants(context)]);
  const known = new Map(all.map((person) => [person.id, person]));
  // Who is in no list any more may still have the keys of what was granted.
  for (const { person, login } of grants)
    if (!known.has(person)) known.set(person, { id: person, name: person, github: login });
  const rows = [...known.values()]
    .filter(({ id, github }) => github !== undefined || grants.some(({ person }) => person === id))
    .map(({ id, name, github }) => {
      const link = links.find(({ person }) => person === id);
      const held = grants.filter(({ person }) => person === id);
      const from = !github
        ? 'NOT LINKED'
        : link?.login.toLowerCase() === github.toLowerCase()
          ? 'book'
          : all.some((one) => one.id === id)
            ? 'config'
            : 'NOT LINKED';
      return [
        name === id ? id : `${name} (${id})`,
        `${github ?? '?'}${link?.name ? ` as ${link.name}` : ''}`,
        from,
        ...(may('ssh.who') ? [held.length === 0 ? 'nowhere' : placesOf(held), soonest(held, context)] : []),
      ];
    });
  if (rows.length === 0)
    return { title: 'Nobody is linked to a GitHub login', tone: 'plain', footer: `${root}person add`, private: true };
  const now = grants.filter((grant) => holds(grant, clock.now())).length;
  return {
    title: `${count(rows.length, 'person').replace('persons', 'people')}${may('ssh.who') ? `, ${count(now, 'grant')} on ${view.name}` : ''}`,
    tone: rows.some(([, , from]) => from === 'NOT LINKED') ? 'warning' : 'plain',
    table: {
      columns: [
        'Person',
        'GitHub',
        'Linked in',
        ...(may('ssh.who') ? [`May log in to (${view.name})`, 'Next end'] : []),
      ],
      rows,
    },
    footer: `${root}ssh who vmid:… · ${root}person add · ${root}person remove`,
    private: true,
  };
}

/** Of containers the asker may see; who may not see who can log in gets none. */
async function seenGrants({ books, view, may, clock }: ReadContext): Promise<readonly Grant[]> {
  if (!may('ssh.who')) return [];
  const [grants, guests] = await Promise.all([readShelf(books, GRANTS, grantSchema), view.guests()]);
  const seen = new Set(guests.map(({ vmid }) => vmid));
  return grants.filter((grant) => grant.cluster === view.name && seen.has(grant.vmid) && holds(grant, clock.now()));
}

function soonest(grants: readonly Grant[], { zone }: ReadContext): string {
  const ends = grants.flatMap(({ until }) => (until === undefined ? [] : [stampTime(until)]));
  if (ends.length === 0) return grants.length > 0 ? 'no end' : '';
  return moment(Math.min(...ends), zone);
}
