import type { Kysely, Transaction } from 'kysely';
import { fail } from '../../src/contracts/failure.ts';
import type { RequestRecord, RequestState, Vote } from '../../src/contracts/records.ts';
import type { Button, MovePatch, NewAudit, NewRequest, RequestFilter } from '../../src/contracts/store.ts';
import { append } from './chain.ts';
import { fromRequest, fromVote, toRequest, toVote } from './rows.ts';
import { type Tables, text } from './schema.ts';

/** Requests with their votes, buttons, and the names and locks they hold. */

/** States in which a request is over; its reservations and locks are free again. */
const OVER: readonly RequestState[] = ['done', 'failed', 'denied', 'withdrawn', 'expired', 'superseded'];
/** States in which a request may hold its guest. */
const MAY_LOCK: readonly RequestState[] = ['approved', 'running', 'undoing'];

type Tx = Transaction<Tables>;

/** Carries a lost race for a slot out of its transaction: nothing may stay, and PostgreSQL rolls back on a throw. */
export class Taken extends Error {
  readonly slot: string;
  readonly by: string;
  constructor(slot: string, by: string) {
    super(`${slot} is taken by ${by}`);
    this.slot = slot;
    this.by = by;
  }
}

export async function stateOf(db: Kysely<Tables>, request: string): Promise<RequestState | undefined> {
  const row = await db.selectFrom('requests').select('state').where('id', '=', request).executeTakeFirst();
  return row?.state as RequestState | undefined;
}

/** Throws {@link Taken}. */
export async function create(tx: Tx, { record, buttons, replaces, audit }: NewRequest): Promise<void> {
  if (replaces) {
    await stillApproved(tx, replaces);
    await end(tx, replaces, 'superseded', { endedAt: record.createdAt, note: `replaced by ${record.id}` });
  }
  for (const name of [...record.plan.reserves].sort()) {
    const inserted = await tx
      .insertInto('slots')
      .values({ name, request: record.id })
      .onConflict((c) => c.doNothing())
      .executeTakeFirst();
    if (Number(inserted.numInsertedOrUpdatedRows ?? 0) === 0)
      throw new Taken(name, (await holderOf(tx, name)) ?? 'another request');
  }
  await tx.insertInto('requests').values(fromRequest(record)).execute();
  for (const button of buttons)
    await tx
      .insertInto('buttons')
      .values({ ...button, typed: button.typed ?? null })
      .execute();
  await append(tx, audit);
}

/** A request that was withdrawn while it was planned again gets no successor. */
async function stillApproved(tx: Tx, request: string): Promise<void> {
  const state = await stateOf(tx, request);
  if (state === 'approved') return;
  fail('changed', {
    what: `${request} was not planned anew`,
    why: `it is ${state ?? 'gone'} by now`,
    next: 'ask again if it is still wanted',
  });
}

async function holderOf(tx: Tx, name: string): Promise<string | undefined> {
  return (await tx.selectFrom('slots').select('request').where('name', '=', name).executeTakeFirst())?.request;
}

/** Moves a request to a state, whatever it was, and gives back what that state may not hold. */
export async function end(tx: Tx, request: string, to: RequestState, patch: MovePatch): Promise<void> {
  await tx
    .updateTable('requests')
    .set({
      state: to,
      ...(patch.note === undefined ? {} : { note: text(patch.note) }),
      ...(patch.approvedAt === undefined ? {} : { approved_at: patch.approvedAt }),
      ...(patch.startedAt === undefined ? {} : { started_at: patch.startedAt }),
      ...(patch.endedAt === undefined ? {} : { ended_at: patch.endedAt }),
      ...(patch.left === undefined ? {} : { left_json: JSON.stringify(patch.left) }),
    })
    .where('id', '=', request)
    .execute();
  if (OVER.includes(to)) await tx.deleteFrom('slots').where('request', '=', request).execute();
  // Back to waiting for votes: the reservations stay, but no other run may wait for its locks.
  else if (to === 'waiting')
    await tx.deleteFrom('slots').where('request', '=', request).where('name', 'like', 'lock:%').execute();
}

/** All or none. Throws {@link Taken}. */
export async function lock(tx: Tx, request: string, locks: readonly string[]): Promise<void> {
  const state = await stateOf(tx, request);
  // Withdrawn or sent back in the meantime: nothing would release what is taken now, and no run begins anyway.
  if (!state || !MAY_LOCK.includes(state)) return;
  for (const one of [...locks].sort()) {
    const name = `lock:${one}`;
    await tx
      .insertInto('slots')
      .values({ name, request })
      .onConflict((c) => c.doNothing())
      .execute();
    const holder = await holderOf(tx, name);
    if (holder !== undefined && holder !== request) throw new Taken(name, holder);
  }
}

/** With their votes and the message each is shown in. */
export async function withVotes(db: Kysely<Tables>, rows: readonly Tables['requests'][]): Promise<RequestRecord[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const keys = ids.map((id) => `card/${id}`);
  const votes = await db.selectFrom('votes').selectAll().where('request', 'in', ids).orderBy('at').execute();
  const posted = await db.selectFrom('messages').select(['key', 'posted_json']).where('key', 'in', keys).execute();
  return rows.map((row) =>
    toRequest(
      row,
      votes.filter((vote) => vote.request === row.id).map(toVote),
      posted.find((message) => message.key === `card/${row.id}`)?.posted_json,
    ),
  );
}

export async function byId(db: Kysely<Tables>, id: string): Promise<RequestRecord | undefined> {
  const rows = await db.selectFrom('requests').selectAll().where('id', '=', id).execute();
  return (await withVotes(db, rows))[0];
}

export async function list(db: Kysely<Tables>, filter: RequestFilter): Promise<readonly RequestRecord[]> {
  let query = db
    .selectFrom('requests')
    .selectAll()
    .orderBy('created_at', 'desc')
    .limit(filter.limit ?? 100);
  if (filter.states) query = query.where('state', 'in', [...filter.states]);
  if (filter.cluster !== undefined) query = query.where('cluster', '=', filter.cluster);
  if (filter.requester !== undefined) query = query.where('requester', '=', filter.requester);
  if (filter.since !== undefined) query = query.where('created_at', '>=', filter.since);
  return withVotes(db, await query.execute());
}

export async function button(db: Kysely<Tables>, ref: string): Promise<Button | undefined> {
  const row = await db.selectFrom('buttons').selectAll().where('ref', '=', ref).executeTakeFirst();
  return row && { ...row, verb: row.verb as Button['verb'], typed: row.typed ?? undefined };
}

export async function reserved(db: Kysely<Tables>, cluster: string, except: string): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('slots').select('name').where('request', '!=', except).execute();
  return new Set(rows.map((row) => row.name).filter((name) => name.split('/')[1] === cluster));
}

/** False when the vote was there already or the request is over. */
export async function vote(
  tx: Tx,
  request: string,
  one: Vote,
  audit: readonly NewAudit[],
  denied: MovePatch | undefined,
): Promise<boolean> {
  if ((await stateOf(tx, request)) !== 'waiting') return false;
  const inserted = await tx
    .insertInto('votes')
    .values(fromVote(request, one))
    .onConflict((c) => c.doNothing())
    .executeTakeFirst();
  if (Number(inserted.numInsertedOrUpdatedRows ?? 0) === 0) return false;
  if (denied) await end(tx, request, 'denied', denied);
  await append(tx, audit);
  return true;
}

/** False when the state was another. */
export async function move(
  tx: Tx,
  request: string,
  from: readonly RequestState[],
  to: RequestState,
  patch: MovePatch,
  audit: readonly NewAudit[],
): Promise<boolean> {
  const current = await stateOf(tx, request);
  if (!current || !from.includes(current)) return false;
  await end(tx, request, to, patch);
  const persons = patch.dropVotes ?? [];
  if (persons.length > 0)
    await tx
      .deleteFrom('votes')
      .where('request', '=', request)
      .where('person', 'in', [...persons])
      .execute();
  await append(tx, audit);
  return true;
}
