import { GRANTS, type Grant, grantSchema, LINKS, type Link, linkSchema, readShelf } from '../src/contracts/books.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { bookStep } from '../src/contracts/node-steps.ts';
import type { Plan, Risk } from '../src/contracts/plan.ts';
import { option, optional, person } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { linuxName, nameFlaw } from './parts/grants.ts';
import { keyRisks, keysOfIntent, keyText, somebody } from './parts/linked.ts';
import { signCommand } from './parts/proof.ts';

const github = option<string>({
  summary: 'Their login on GitHub',
  example: 'github:alice',
  read: (text) => {
    const login = text.replace(/^(?:https?:\/\/)?github\.com\//i, '').replace(/^@/, '');
    return /^[a-z0-9](?:[a-z0-9_-]{0,38})$/i.test(login)
      ? { value: login }
      : { problem: 'github is a login: letters, digits and hyphens, at most 39' };
  },
});

const name = option<string>({
  summary: 'Name of their Linux accounts; default: the login in lower case',
  example: 'name:alice',
  read: (text) => {
    const flaw = nameFlaw(text.toLowerCase());
    return flaw === undefined ? { value: text.toLowerCase() } : { problem: flaw };
  },
});

interface Wanted {
  readonly person: string;
  readonly github: string;
  readonly name?: string | undefined;
}

export const personAdd = defineCommand({
  name: 'person add',
  summary: 'Link a person to a GitHub login, whose keys then are theirs',
  examples: ['person add person:@alice github:alice', 'person add person:@bob github:4bob name:bob'],
  options: { person, github, name: optional(name) },
  positional: ['person', 'github', 'name'],
  action: 'person.add',
  risk: 'disruptive',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview,
  result: (plan, run) =>
    resultCard(`${plan.target.name} is ${intentText(plan, 'login')} on GitHub`, run, [
      `Linux accounts are called ${intentText(plan, 'user')}`,
      'Nobody was let in anywhere yet: ssh grant does that',
    ]),
});

/** Who is linked already is not linked anew by a proof alone (policies). */
const RELINK = 'relink';

function preview(plan: Plan) {
  const relink = plan.risks.some(({ code }) => code === RELINK);
  const own = plan.intent['own'] === true && !relink;
  const card = previewCard(plan, [
    'Its keys will open what this person is granted: be sure that the account is theirs',
    ...keysOfIntent(plan.intent['keys']).map((key) => `+ ${key}`),
    `Linux accounts: ${intentText(plan, 'user')}`,
    ...(own
      ? [
          'Either somebody else approves, who has asked outside chat; or a key of that login proves it:',
          'run this where the key is, then answer with person prove id:{run} signature:"…" and the whole output',
        ]
      : [
          `Approve when you have asked them outside chat${relink ? '' : '; they can prove it themselves if they ask for it'}`,
        ]),
  ]);
  return own ? { ...card, code: [signCommand(plan, '{run}')] } : card;
}

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { books, view, root, asker } = context;
  const who = await somebody(wanted.person, context, `nobody was linked to ${wanted.github}`);
  const what = `${who.name} was not linked to ${wanted.github}`;
  const [links, grants] = await Promise.all([
    readShelf(books, LINKS, linkSchema),
    readShelf(books, GRANTS, grantSchema),
  ]);
  const before = links.find(({ person }) => person === who.id);
  configSays(who, before, wanted, what);
  const seen = await context.github.keys(wanted.github);
  if (!seen.fresh) {
    fail('unavailable', {
      what,
      why: `whose login it is must be sure, and GitHub does not say so now: ${seen.stale ?? 'no answer'}`,
      next: 'try again when GitHub answers',
    });
  }
  const theirs = (await books.entries(LINKS)).filter(({ value }) => (value as unknown as Link).person === who.id);
  const current = theirs.find(({ key }) => key === who.id)?.value ?? null;
  // Written when they were not listed yet.
  const formerly = theirs.filter(({ key }) => key !== who.id);
  const user = linuxName(seen.login, wanted.name);
  await nobodyElses({ login: seen.login, id: seen.id, user, person: who.id }, links, grants, context, what);
  const link: Link = {
    person: who.id,
    login: seen.login,
    githubId: seen.id,
    ...(user === seen.login.toLowerCase() ? {} : { name: user }),
  };
  if (before && before.login === link.login && before.githubId === link.githubId && before.name === link.name)
    fail('conflict', { what, why: 'they are linked so already', next: `${root}ssh keys person:${who.id}` });
  return {
    command: 'person add',
    version: 1,
    cluster: view.name,
    target: { kind: 'person', id: who.id, name: who.name, identity: String(seen.id) },
    title: `Link ${who.name} to ${seen.login} on GitHub`,
    intent: {
      login: seen.login,
      githubId: seen.id,
      user,
      keys: seen.keys.map(keyText),
      own: who.id === asker.id,
    },
    guards: [{ code: `github:${seen.id}`, says: `${seen.login} is GitHub account ${seen.id}` }],
    observations: seen.refused.map(({ fingerprint, type, why }) => ({
      label: 'Key not taken',
      value: `${fingerprint ?? type}: ${why}`,
    })),
    risks: [...relinked(before, link, grants), ...keyRisks(seen)],
    steps: [
      ...formerly.map(({ shelf, key, value }) =>
        bookStep({ shelf, key, value: null }, value, { name: `unlink ${key}`, says: `Ending the link of ${key}` }),
      ),
      bookStep({ shelf: LINKS, key: who.id, value: { ...link } }, current, {
        name: 'link',
        says: `Linking ${who.name} to ${seen.login}`,
      }),
    ],
    reserves: [`person/${view.name}/${who.id}`, `login/${view.name}/${seen.login.toLowerCase()}`],
    // On any cluster: a login and a Linux name are one person's.
    locks: [`link/${who.id}`, `login/${seen.id}`, `name/${user}`],
  };
}

/** The config wins over the book, so a link beside it would do nothing. */
function configSays(
  who: { readonly id: string; readonly name: string; readonly github?: string },
  before: Link | undefined,
  wanted: Wanted,
  what: string,
): void {
  if (who.github === undefined || who.github.toLowerCase() === before?.login.toLowerCase()) return;
  if (who.github.toLowerCase() === wanted.github.toLowerCase() && wanted.name !== undefined) return;
  const same = who.github.toLowerCase() === wanted.github.toLowerCase();
  fail('conflict', {
    what,
    why: same
      ? 'the config links them so already'
      : `the config links ${who.name} to ${who.github}, and the config wins`,
    next: same
      ? 'nothing to do; name: gives their Linux accounts another name'
      : `an admin changes github: under people: ${who.id}: there`,
  });
}

/** A login, an account and a Linux name belong to one person each. */
async function nobodyElses(
  wanted: { readonly login: string; readonly id: number; readonly user: string; readonly person: string },
  links: readonly Link[],
  grants: readonly Grant[],
  { people, root }: PlanContext,
  what: string,
): Promise<void> {
  const others = (await people()).filter(({ id }) => id !== wanted.person);
  const linked = links.filter(({ person }) => person !== wanted.person);
  const owner =
    others.find(({ github }) => github?.toLowerCase() === wanted.login.toLowerCase())?.name ??
    [...linked, ...grants].find(({ githubId, person }) => githubId === wanted.id && person !== wanted.person)?.person;
  if (owner !== undefined) {
    fail('conflict', {
      what,
      why: `${wanted.login} is linked to ${owner} already`,
      next: `one of the two is wrong: ask both outside chat; ${root}person remove ends a link of the book`,
    });
  }
  const nameOf = (id: string, login: string) => linked.find(({ person }) => person === id)?.name ?? login.toLowerCase();
  const namesake = others.find(({ id, github }) => github !== undefined && nameOf(id, github) === wanted.user);
  if (namesake) {
    fail('conflict', {
      what,
      why: `the Linux accounts of ${namesake.name} are called ${wanted.user}`,
      next: 'choose another one with name:',
    });
  }
}

function relinked(before: Link | undefined, link: Link, grants: readonly Grant[]): readonly Risk[] {
  const other = grants.find(({ person, githubId }) => person === link.person && githubId !== link.githubId);
  const was = before ?? other;
  if (!was || (was.githubId === link.githubId && before?.name === link.name && !other)) return [];
  const name = before?.name ? `, as ${before.name}` : '';
  return [
    {
      code: RELINK,
      says: `was ${was.login} (account ${was.githubId})${name}: what was granted stays as it was until it is revoked`,
    },
  ];
}
