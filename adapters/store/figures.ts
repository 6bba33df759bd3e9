import type { Kysely } from 'kysely';
import type { RequestState } from '../../src/contracts/records.ts';
import type { Figures } from '../../src/contracts/store.ts';
import type { Tables } from './schema.ts';

/** Counts for a monitor; PostgreSQL gives them as text. */
export async function figures(db: Kysely<Tables>): Promise<Figures> {
  const requests = await db
    .selectFrom('requests')
    .select((e) => ['cluster', 'command', 'state', e.fn.countAll().as('count')])
    .groupBy(['cluster', 'command', 'state'])
    .orderBy('cluster')
    .orderBy('command')
    .orderBy('state')
    .execute();
  const votes = await db
    .selectFrom('votes')
    .select((e) => ['kind', e.fn.countAll().as('count')])
    .groupBy('kind')
    .orderBy('kind')
    .execute();
  const late = await db
    .selectFrom('messages')
    .select((e) => e.fn.countAll().as('count'))
    .whereRef('delivered', '<', 'version')
    .executeTakeFirst();
  const oldest = await db
    .selectFrom('messages')
    .select((e) => e.fn.min('at').as('at'))
    .where('posted_json', 'is', null)
    .executeTakeFirst();
  return {
    requests: requests.map(({ state, count, ...rest }) => ({
      ...rest,
      state: state as RequestState,
      count: Number(count),
    })),
    votes: votes.map(({ kind, count }) => ({ kind, count: Number(count) })),
    backlog: Number(late?.count ?? 0),
    ...(oldest?.at == null ? {} : { waitingSince: Number(oldest.at) }),
  };
}
