import { LINKS, type Link, linkSchema, readShelf } from '../../src/contracts/books.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Github, GithubKey, KeysSeen } from '../../src/contracts/github.ts';
import type { Json, Risk } from '../../src/contracts/plan.ts';
import { shortType } from './drift.ts';

/** People, their GitHub login and its keys. */

export interface Linked {
  readonly id: string;
  readonly name: string;
  readonly login: string;
  readonly alias?: string;
  readonly link?: Link;
}

type Looking = Pick<PlanContext, 'findPerson' | 'books' | 'root'>;

/** Throws not-found when nobody is called so. */
export async function somebody(
  text: string,
  { findPerson, root }: Pick<Looking, 'findPerson' | 'root'>,
  what: string,
): Promise<NonNullable<Awaited<ReturnType<PlanContext['findPerson']>>>> {
  return (
    (await findPerson(text)) ??
    fail('not-found', {
      what,
      why: `nobody here is called ${text}`,
      next: `mention them, or use the name under people: in the config; ${root}whoami shows one's own`,
    })
  );
}

/** Somebody with a GitHub login. Throws not-found with how to link one. */
export async function linkedPerson(text: string, context: Looking, what: string): Promise<Linked> {
  const { github, ...found } = await somebody(text, context, what);
  if (github === undefined) {
    return fail('not-found', {
      what,
      why: `${found.name} has no GitHub login here`,
      next: `${context.root}person add person:${found.id} github:…`,
    });
  }
  const links = await readShelf(context.books, LINKS, linkSchema);
  const link = links.find(({ person }) => person === found.id);
  return { ...found, login: github, ...(link ? { link } : {}) };
}

/** GitHub's keys of somebody, of the very account that was linked. Stale ones are told as a risk. */
export async function keysFor(
  { login, link, name }: Pick<Linked, 'login' | 'link' | 'name'>,
  github: Pick<Github, 'keys'>,
  what: string,
): Promise<KeysSeen> {
  const seen = await github.keys(login);
  if (link && link.login.toLowerCase() === login.toLowerCase() && link.githubId !== seen.id) {
    fail('conflict', {
      what,
      why: `${login} is GitHub account ${seen.id} now, but ${name} was linked to account ${link.githubId}`,
      next: 'ask the person outside chat who they are on GitHub now, and link them again',
    });
  }
  return seen;
}

const RSA_STRONG = 3072;

/** What is not as good as it could be about these keys. */
export function keyRisks(seen: KeysSeen): readonly Risk[] {
  const weak = seen.keys.filter(({ type, bits }) => type === 'ssh-rsa' && (bits ?? 0) < RSA_STRONG);
  return [
    ...(seen.stale ? [{ code: 'stale-keys', says: `GitHub cannot be asked: ${seen.stale}` }] : []),
    ...(weak.length > 0
      ? [{ code: 'weak-keys', says: `RSA below ${RSA_STRONG} bits: ${weak.map((key) => key.fingerprint).join(', ')}` }]
      : []),
  ];
}

/** `SHA256:… ed25519`, whole, to compare with `ssh-keygen -lf`. */
export const keyText = ({ fingerprint, type, bits }: GithubKey): string =>
  `${fingerprint} ${shortType(type)}${type === 'ssh-rsa' && bits ? `-${bits}` : ''}`;

/** The keys of a plan's intent, as {@link keyText}. */
export const keysOfIntent = (value: Json | undefined): readonly string[] => (value ?? []) as readonly string[];
