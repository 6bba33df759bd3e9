import { type Kysely, sql, type Transaction } from 'kysely';
import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted } from '../../src/contracts/chat.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { RequestRecord, RequestState, Vote } from '../../src/contracts/records.ts';
import {
  LostLead,
  type MovePatch,
  type NewAudit,
  type NewRequest,
  type Store,
  type StoredStep,
} from '../../src/contracts/store.ts';
import { append, firstBrokenLink, toEntry } from './chain.ts';
import { migrate } from './migrations.ts';
import { holdSession, openPostgres } from './postgres.ts';
import { fromRequest, fromStep, fromVote, toMessage, toRequest, toStep, toVote } from './rows.ts';
import { type Tables, text } from './schema.ts';
import { holdFile, openSqlite } from './sqlite.ts';

/** States in which a request is over; its reservations and locks are free again. */
const OVER: readonly RequestState[] = ['done', 'failed', 'denied', 'withdrawn', 'expired', 'superseded'];
/** States in which a request may hold its guest. */
const MAY_LOCK: readonly RequestState[] = ['approved', 'running', 'undoing'];

type Tx = Transaction<Tables>;
type Hold = (lost: (why: string) => void) => Promise<{ release(): void | Promise<void> } | undefined>;

/** `file` for the embedded store, or a `postgres://` URL. Migrates before it resolves. */
export async function openStore(where: { readonly file: string } | { readonly url: string }): Promise<SqlStore> {
  if ('url' in where) {
    const { db } = openPostgres(where.url);
    await migrate(db, 'postgres').catch(async (error: unknown) => {
      await db.destroy();
      throw error;
    });
    return new SqlStore('postgres', db, (lost) => holdSession(where.url, lost));
  }
  // The lock comes first: a second process must not even migrate under a running one.
  const held = holdFile(where.file);
  if (!held) throw new Error(`another Bascule uses ${where.file}: stop it first, or give this one a file of its own`);
  let db: Kysely<Tables> | undefined;
  try {
    db = openSqlite(where.file);
    await migrate(db, 'sqlite');
    // Who has the file leads; the file is given back when the store closes, whether it led or not.
    return new SqlStore('sqlite', db, async () => ({ release: () => undefined }), held.release);
  } catch (error) {
    await db?.destroy();
    held.release();
    throw error;
  }
}

/** One query code for both databases. */
export class SqlStore implements Store {
  readonly kind: 'sqlite' | 'postgres';
  readonly #db: Kysely<Tables>;
  readonly #hold: Hold;
  readonly #closed: () => void;
  #held: { release(): void | Promise<void> } | undefined;
  #epoch = -1;

  constructor(kind: 'sqlite' | 'postgres', db: Kysely<Tables>, hold: Hold, closed: () => void = () => undefined) {
    this.kind = kind;
    this.#db = db;
    this.#hold = hold;
    this.#closed = closed;
  }

  async lead(lost: (why: string) => void): Promise<boolean> {
    let gone = false;
    this.#held = await this.#hold((why) => {
      gone = true;
      this.#epoch = -1;
      lost(why);
    });
    if (!this.#held || gone) return false;
    const { rows } = await sql<{
      epoch: number;
    }>`update leader set epoch = epoch + 1 where one = 1 returning epoch`.execute(this.#db);
    if (gone) return false;
    this.#epoch = Number(rows[0]?.epoch);
    return true;
  }

  /** Every write that a deposed leader must not make goes through here. */
  async #asLeader<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(async (tx) => {
      const { rows } =
        await sql`update leader set epoch = epoch where one = 1 and epoch = ${this.#epoch} returning epoch`.execute(tx);
      if (rows.length === 0) throw new LostLead('another process leads now; this one stops writing');
      return work(tx);
    });
  }

  async firstSeen(delivery: string, at: number): Promise<boolean> {
    const result = await this.#soon((db) =>
      db
        .insertInto('deliveries')
        .values({ id: text(delivery), at })
        .onConflict((c) => c.doNothing())
        .executeTakeFirst(),
    );
    return Number(result.numInsertedOrUpdatedRows ?? 0) > 0;
  }

  async forgetDeliveries(at: number): Promise<void> {
    await this.#soon((db) => db.deleteFrom('deliveries').where('at', '<', at).execute());
  }

  async audit(entries: readonly NewAudit[]): Promise<void> {
    const work = (db: Kysely<Tables>) => db.transaction().execute((tx) => append(tx, entries));
    await (entries.every((entry) => entry.kind === 'read') ? this.#soon(work) : work(this.#db));
  }

  /**
   * For what a power cut may take back as long as nothing was changed: deliveries and the audit of looks. The
   * embedded log is one file, so the next write that matters brings them to the disk as well, and a killed process
   * loses nothing at all. Without this every look would stop the whole process twice until a disk has spun.
   */
  async #soon<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    if (this.kind === 'postgres') return work(this.#db);
    return this.#db.connection().execute(async (db) => {
      await sql`pragma synchronous = normal`.execute(db);
      try {
        return await work(db);
      } finally {
        await sql`pragma synchronous = full`.execute(db);
      }
    });
  }

  async auditOf(id: string) {
    return (await this.#db.selectFrom('audit').selectAll().where('id', '=', id).orderBy('seq').execute()).map(toEntry);
  }

  async auditFrom(after: number, limit: number) {
    return (
      await this.#db.selectFrom('audit').selectAll().where('seq', '>', after).orderBy('seq').limit(limit).execute()
    ).map(toEntry);
  }

  /** The seq of the first audit entry whose hash does not fit, or undefined. */
  brokenLink(): Promise<number | undefined> {
    return firstBrokenLink(this.#db);
  }

  async createRequest(request: NewRequest) {
    return this.#asLeader(async (tx) => {
      if (request.replaces) {
        await stillApproved(tx, request.replaces);
        const note = `replaced by ${request.record.id}`;
        await this.#end(tx, request.replaces, 'superseded', { endedAt: request.record.createdAt, note });
      }
      for (const name of [...request.record.plan.reserves].sort()) {
        const inserted = await tx
          .insertInto('slots')
          .values({ name, request: request.record.id })
          .onConflict((c) => c.doNothing())
          .executeTakeFirst();
        if (Number(inserted.numInsertedOrUpdatedRows ?? 0) > 0) continue;
        const holder = await tx.selectFrom('slots').select('request').where('name', '=', name).executeTakeFirst();
        // Nothing of this transaction may stay, and PostgreSQL needs the throw to roll back.
        throw new Taken(name, holder?.request ?? 'another request');
      }
      await tx.insertInto('requests').values(fromRequest(request.record)).execute();
      for (const button of request.buttons)
        await tx
          .insertInto('buttons')
          .values({ ...button, typed: button.typed ?? null })
          .execute();
      await append(tx, request.audit);
      return {};
    }).catch((error: unknown) => {
      if (error instanceof Taken) return { taken: { slot: error.slot, by: error.by } };
      throw error;
    });
  }

  async #read(rows: readonly Tables['requests'][]): Promise<RequestRecord[]> {
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.id);
    const votes = await this.#db.selectFrom('votes').selectAll().where('request', 'in', ids).orderBy('at').execute();
    const keys = ids.map((id) => `card/${id}`);
    const posted = await this.#db
      .selectFrom('messages')
      .select(['key', 'posted_json'])
      .where('key', 'in', keys)
      .execute();
    return rows.map((row) =>
      toRequest(
        row,
        votes.filter((vote) => vote.request === row.id).map(toVote),
        posted.find((message) => message.key === `card/${row.id}`)?.posted_json,
      ),
    );
  }

  async request(id: string) {
    return (await this.#read(await this.#db.selectFrom('requests').selectAll().where('id', '=', id).execute()))[0];
  }

  async requests(filter: { readonly states?: readonly RequestState[]; readonly limit?: number }) {
    let query = this.#db
      .selectFrom('requests')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(filter.limit ?? 100);
    if (filter.states) query = query.where('state', 'in', [...filter.states]);
    return this.#read(await query.execute());
  }

  async button(ref: string) {
    const row = await this.#db.selectFrom('buttons').selectAll().where('ref', '=', ref).executeTakeFirst();
    return row && { ...row, verb: row.verb as NewRequest['buttons'][number]['verb'], typed: row.typed ?? undefined };
  }

  async reserved(cluster: string, except = '') {
    const rows = await this.#db.selectFrom('slots').select('name').where('request', '!=', except).execute();
    return new Set(rows.map((row) => row.name).filter((name) => name.split('/')[1] === cluster));
  }

  async vote(request: string, vote: Vote, audit: readonly NewAudit[], denied?: MovePatch): Promise<boolean> {
    return this.#asLeader(async (tx) => {
      const row = await tx.selectFrom('requests').select('state').where('id', '=', request).executeTakeFirst();
      if (row?.state !== 'waiting') return false;
      const inserted = await tx
        .insertInto('votes')
        .values(fromVote(request, vote))
        .onConflict((c) => c.doNothing())
        .executeTakeFirst();
      if (Number(inserted.numInsertedOrUpdatedRows ?? 0) === 0) return false;
      if (denied) await this.#end(tx, request, 'denied', denied);
      await append(tx, audit);
      return true;
    });
  }

  async move(
    request: string,
    from: readonly RequestState[],
    to: RequestState,
    patch: MovePatch,
    audit: readonly NewAudit[],
  ): Promise<boolean> {
    return this.#asLeader(async (tx) => {
      const current = await tx.selectFrom('requests').select('state').where('id', '=', request).executeTakeFirst();
      if (!current || !from.includes(current.state as RequestState)) return false;
      await this.#end(tx, request, to, patch);
      const persons = patch.dropVotes ?? [];
      if (persons.length > 0)
        await tx
          .deleteFrom('votes')
          .where('request', '=', request)
          .where('person', 'in', [...persons])
          .execute();
      await append(tx, audit);
      return true;
    });
  }

  async #end(tx: Tx, request: string, to: RequestState, patch: MovePatch): Promise<void> {
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

  async lock(request: string, locks: readonly string[]): Promise<string | undefined> {
    return this.#asLeader(async (tx) => {
      const row = await tx.selectFrom('requests').select('state').where('id', '=', request).executeTakeFirst();
      // Withdrawn or sent back in the meantime: nothing would release what is taken now, and no run begins anyway.
      if (!row || !MAY_LOCK.includes(row.state as RequestState)) return undefined;
      for (const lock of [...locks].sort()) {
        const name = `lock:${lock}`;
        await tx
          .insertInto('slots')
          .values({ name, request })
          .onConflict((c) => c.doNothing())
          .execute();
        const holder = await tx.selectFrom('slots').select('request').where('name', '=', name).executeTakeFirst();
        if (holder && holder.request !== request) throw new Taken(name, holder.request);
      }
      return undefined;
    }).catch((error: unknown) => {
      if (error instanceof Taken) return error.by;
      throw error;
    });
  }

  async steps(request: string): Promise<readonly StoredStep[]> {
    return (await this.#db.selectFrom('steps').selectAll().where('request', '=', request).orderBy('n').execute()).map(
      toStep,
    );
  }

  async writeStep(step: StoredStep, audit: readonly NewAudit[]): Promise<void> {
    await this.#asLeader(async (tx) => {
      const row = fromStep(step);
      await tx
        .insertInto('steps')
        .values(row)
        .onConflict((c) => c.columns(['request', 'n']).doUpdateSet(row))
        .execute();
      await append(tx, audit);
    });
  }

  async askToStop(request: string, audit: readonly NewAudit[]): Promise<boolean> {
    return this.#asLeader(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('requests')
        .set({ stop_asked: 1 })
        .where('id', '=', request)
        .where('state', '=', 'running')
        .executeTakeFirst();
      if (Number(numUpdatedRows) === 0) return false;
      await append(tx, audit);
      return true;
    });
  }

  async stopAsked(request: string): Promise<boolean> {
    const row = await this.#db.selectFrom('requests').select('stop_asked').where('id', '=', request).executeTakeFirst();
    return Number(row?.stop_asked ?? 0) === 1;
  }

  async wish(message: {
    readonly key: string;
    readonly place: Place;
    readonly card: Card;
    readonly at: number;
  }): Promise<void> {
    await this.#db
      .insertInto('messages')
      .values({
        key: message.key,
        place_json: JSON.stringify(message.place),
        card_json: JSON.stringify(message.card),
        version: 1,
        delivered: 0,
        posted_json: null,
        sending: 0,
        at: message.at,
      })
      .onConflict((c) =>
        c
          .column('key')
          .doUpdateSet((e) => ({ card_json: JSON.stringify(message.card), version: e('messages.version', '+', 1) }))
          // A card that looks the same is not worth an edit.
          .where('messages.card_json', '!=', JSON.stringify(message.card)),
      )
      .execute();
  }

  async undelivered() {
    return (
      await this.#db.selectFrom('messages').selectAll().whereRef('delivered', '<', 'version').orderBy('at').execute()
    ).map(toMessage);
  }

  async message(key: string) {
    const row = await this.#db.selectFrom('messages').selectAll().where('key', '=', key).executeTakeFirst();
    return row && toMessage(row);
  }

  async sending(key: string): Promise<void> {
    await this.#db.updateTable('messages').set({ sending: 1 }).where('key', '=', key).execute();
  }

  async delivered(key: string, posted: Posted, version: number): Promise<void> {
    await this.#db
      .updateTable('messages')
      .set({ posted_json: JSON.stringify(posted), delivered: version })
      .where('key', '=', key)
      .where('delivered', '<', version)
      .execute();
  }

  async setting(name: string) {
    return (await this.#db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst())?.value;
  }

  async saveSetting(name: string, value: string): Promise<void> {
    await this.#db
      .insertInto('settings')
      .values({ name, value })
      .onConflict((c) => c.column('name').doUpdateSet({ value }))
      .execute();
  }

  async answers(): Promise<boolean> {
    await sql`select 1`.execute(this.#db);
    return true;
  }

  async close(): Promise<void> {
    this.#epoch = -1;
    await this.#db.destroy();
    await this.#held?.release();
    this.#closed();
  }
}

/** A request that was withdrawn while it was planned again gets no successor. */
async function stillApproved(tx: Tx, request: string): Promise<void> {
  const row = await tx.selectFrom('requests').select('state').where('id', '=', request).executeTakeFirst();
  if (row?.state === 'approved') return;
  fail('changed', {
    what: `${request} was not planned anew`,
    why: `it is ${row?.state ?? 'gone'} by now`,
    next: 'ask again if it is still wanted',
  });
}

/** Carries a lost race for a slot out of its transaction, so that it rolls back. */
class Taken extends Error {
  readonly slot: string;
  readonly by: string;
  constructor(slot: string, by: string) {
    super(`${slot} is taken by ${by}`);
    this.slot = slot;
    this.by = by;
  }
}
