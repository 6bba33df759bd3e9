import { type Kysely, sql, type Transaction } from 'kysely';
import type { BookEntry } from '../../src/contracts/books.ts';
import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted } from '../../src/contracts/chat.ts';
import type { Incident, IncidentFilter } from '../../src/contracts/incident.ts';
import type { RequestState, Vote } from '../../src/contracts/records.ts';
import {
  LostLead,
  type MovePatch,
  type NewAudit,
  type NewRequest,
  type RequestFilter,
  type Store,
  type StoredOffer,
  type StoredStep,
} from '../../src/contracts/store.ts';
import type { StoredWatch } from '../../src/contracts/watch.ts';
import * as books from './books.ts';
import { append, firstBrokenLink, toEntry } from './chain.ts';
import { figures } from './figures.ts';
import * as incidents from './incidents.ts';
import * as journal from './journal.ts';
import * as messages from './messages.ts';
import { migrate } from './migrations.ts';
import { holdSession, openPostgres } from './postgres.ts';
import * as requests from './requests.ts';
import { Taken } from './requests.ts';
import { type Tables, text } from './schema.ts';
import { holdFile, openSqlite } from './sqlite.ts';
import * as watch from './watch.ts';

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
      await requests.create(tx, request);
      return {};
    }).catch((error: unknown) => {
      if (error instanceof Taken) return { taken: { slot: error.slot, by: error.by } };
      throw error;
    });
  }

  request(id: string) {
    return requests.byId(this.#db, id);
  }

  requests(filter: RequestFilter) {
    return requests.list(this.#db, filter);
  }

  button(ref: string) {
    return requests.button(this.#db, ref);
  }

  reserved(cluster: string, except = '') {
    return requests.reserved(this.#db, cluster, except);
  }

  async vote(request: string, vote: Vote, audit: readonly NewAudit[], denied?: MovePatch): Promise<boolean> {
    return this.#asLeader((tx) => requests.vote(tx, request, vote, audit, denied));
  }

  async move(
    request: string,
    from: readonly RequestState[],
    to: RequestState,
    patch: MovePatch,
    audit: readonly NewAudit[],
  ): Promise<boolean> {
    return this.#asLeader((tx) => requests.move(tx, request, from, to, patch, audit));
  }

  async lock(request: string, locks: readonly string[]): Promise<string | undefined> {
    return this.#asLeader(async (tx) => {
      await requests.lock(tx, request, locks);
      return undefined;
    }).catch((error: unknown) => {
      if (error instanceof Taken) return error.by;
      throw error;
    });
  }

  steps(request: string) {
    return journal.steps(this.#db, request);
  }

  async writeStep(step: StoredStep, audit: readonly NewAudit[]): Promise<void> {
    await this.#asLeader((tx) => journal.writeStep(tx, step, audit));
  }

  async askToStop(request: string, audit: readonly NewAudit[]): Promise<boolean> {
    return this.#asLeader((tx) => journal.askToStop(tx, request, audit));
  }

  stopAsked(request: string) {
    return journal.stopAsked(this.#db, request);
  }

  wish(message: { readonly key: string; readonly place: Place; readonly card: Card; readonly at: number }) {
    return messages.wish(this.#db, message);
  }

  deadLetters(before: number, limit: number) {
    return messages.deadLetters(this.#db, before, limit);
  }

  figures() {
    return figures(this.#db);
  }

  undelivered() {
    return messages.undelivered(this.#db);
  }

  message(key: string) {
    return messages.message(this.#db, key);
  }

  sending(key: string) {
    return messages.sending(this.#db, key);
  }

  delivered(key: string, posted: Posted, version: number) {
    return messages.delivered(this.#db, key, posted, version);
  }

  bookEntries(shelf: string) {
    return books.bookEntries(this.#db, shelf);
  }

  bookEntry(shelf: string, key: string) {
    return books.bookEntry(this.#db, shelf, key);
  }

  async writeBook(entry: BookEntry, audit: readonly NewAudit[]): Promise<void> {
    await this.#asLeader(async (tx) => {
      await books.writeEntry(tx, entry);
      await append(tx, audit);
    });
  }

  saveOffers(offers: readonly StoredOffer[]) {
    return books.saveOffers(this.#db, offers);
  }

  offer(ref: string) {
    return books.offer(this.#db, ref);
  }

  advance(schedule: string, due: number, next: number) {
    return books.advance(this.#db, schedule, due, next);
  }

  due(schedule: string) {
    return books.due(this.#db, schedule);
  }

  incidents(filter: IncidentFilter) {
    return incidents.incidents(this.#db, filter);
  }

  incident(id: string) {
    return incidents.incident(this.#db, id);
  }

  async saveIncident(incident: Incident): Promise<void> {
    await this.#asLeader((tx) => incidents.saveIncident(tx, incident));
  }

  async forgetIncidents(before: number): Promise<void> {
    await this.#asLeader((tx) => incidents.forgetIncidents(tx, before));
  }

  watchMemory(cluster: string) {
    return watch.watchMemory(this.#db, cluster);
  }

  async saveWatch(cluster: string, stored: StoredWatch): Promise<void> {
    await this.#asLeader((tx) => watch.saveWatch(tx, cluster, stored));
  }

  async newsTaken(cluster: string): Promise<void> {
    await this.#asLeader((tx) => watch.newsTaken(tx, cluster));
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
