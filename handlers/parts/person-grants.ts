import { GRANTS, type Grant, grantSchema, readShelf } from '../../src/contracts/books.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { KeysSeen } from '../../src/contracts/github.ts';
import { type Change, changesOf, holds, lookAt } from './drift.ts';

export interface Holder {
  readonly id: string;
  readonly name: string;
  /** Linked now; a person who has left may have grants still. */
  readonly login?: string;
  /** Of this cluster, not ended, by vmid. */
  readonly grants: readonly Grant[];
}

/** Somebody and what they hold here. Throws not-found when there is nobody of that name, or they hold nothing. */
export async function holderOf(text: string, context: PlanContext, what: string): Promise<Holder> {
  const { books, clock, findPerson, root, view } = context;
  const found = await findPerson(text);
  const all = await readShelf(books, GRANTS, grantSchema);
  const id = found?.id ?? text.replace(/^@/, '');
  const grants = all
    .filter(({ person, cluster }) => person === id && cluster === view.name)
    .filter((grant) => holds(grant, clock.now()))
    .toSorted((a, b) => a.vmid - b.vmid);
  if (!found && grants.length === 0) {
    fail('not-found', {
      what,
      why: `nobody here is called ${text}`,
      next: `${root}whoami shows how the bot calls you`,
    });
  }
  if (grants.length === 0) {
    fail('not-found', {
      what,
      why: `${found?.name ?? id} may log in nowhere on ${view.name}`,
      next: `${root}ssh grant person:${id} vmid:… gives access`,
    });
  }
  return { id, name: found?.name ?? id, ...(found?.github ? { login: found.github } : {}), grants };
}

/** GitHub's keys of now of somebody, sure and of the very account that was granted. Throws otherwise. */
export async function surelySeen(
  holder: Holder,
  { github, root }: Pick<PlanContext, 'github' | 'root'>,
  what: string,
): Promise<{ readonly seen: KeysSeen; readonly changes: readonly Change[] }> {
  const look = await lookAt(holder.grants, holder.login, github);
  if (look.state === 'unsure')
    return fail('unavailable', { what, why: `only what GitHub says now counts: ${look.why}`, next: 'try again later' });
  if (look.state === 'stranger')
    return fail('conflict', { what, why: look.why, next: `${look.next}; ${root}ssh revoke person:${holder.id}` });
  return { seen: look.seen, changes: changesOf(holder.grants, look.seen) };
}
