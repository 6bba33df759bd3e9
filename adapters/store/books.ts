import type { Kysely, Transaction } from 'kysely';
import type { BookEntry } from '../../src/contracts/books.ts';
import type { StoredOffer } from '../../src/contracts/store.ts';
import { type Tables, text } from './schema.ts';

/** What is remembered apart from requests: books, the commands behind buttons of notices, and schedules. */

const toEntry = (row: Tables['books']): BookEntry => ({
  shelf: row.shelf,
  key: row.key,
  value: JSON.parse(row.value_json),
  run: row.run,
  at: Number(row.at),
});

/** In order of their keys, the same in both databases. */
export async function bookEntries(db: Kysely<Tables>, shelf: string): Promise<readonly BookEntry[]> {
  const rows = await db.selectFrom('books').selectAll().where('shelf', '=', text(shelf)).execute();
  return rows.map(toEntry).sort((a, b) => (a.key < b.key ? -1 : 1));
}

export async function bookEntry(db: Kysely<Tables>, shelf: string, key: string): Promise<BookEntry | undefined> {
  const row = await db
    .selectFrom('books')
    .selectAll()
    .where('shelf', '=', text(shelf))
    .where('key', '=', text(key))
    .executeTakeFirst();
  return row && toEntry(row);
}

/** Null removes. */
export async function writeEntry(tx: Transaction<Tables>, entry: BookEntry): Promise<void> {
  const shelf = text(entry.shelf);
  const key = text(entry.key);
  if (entry.value === null) {
    await tx.deleteFrom('books').where('shelf', '=', shelf).where('key', '=', key).execute();
    return;
  }
  const row = { shelf, key, value_json: JSON.stringify(entry.value), run: text(entry.run), at: entry.at };
  await tx
    .insertInto('books')
    .values(row)
    .onConflict((c) => c.columns(['shelf', 'key']).doUpdateSet(row))
    .execute();
}

export async function saveOffers(db: Kysely<Tables>, offers: readonly StoredOffer[]): Promise<void> {
  if (offers.length === 0) return;
  const rows = offers.map(({ ref, notice, cluster, command, options, at }) => ({
    ref: text(ref),
    notice: text(notice),
    cluster: text(cluster),
    command: text(command),
    options_json: JSON.stringify(options),
    at,
  }));
  await db
    .insertInto('offers')
    .values(rows)
    .onConflict((c) => c.doNothing())
    .execute();
}

export async function offer(db: Kysely<Tables>, ref: string): Promise<StoredOffer | undefined> {
  const row = await db.selectFrom('offers').selectAll().where('ref', '=', text(ref)).executeTakeFirst();
  if (!row) return undefined;
  const { options_json, at, ...rest } = row;
  return { ...rest, options: JSON.parse(options_json), at: Number(at) };
}

export async function advance(db: Kysely<Tables>, name: string, due: number, next: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('schedules')
    .set({ due: next })
    .where('name', '=', text(name))
    .where('due', '=', due)
    .executeTakeFirst();
  if (Number(numUpdatedRows) > 0) return true;
  await db
    .insertInto('schedules')
    .values({ name: text(name), due: next })
    .onConflict((c) => c.doNothing())
    .execute();
  return false;
}

export async function due(db: Kysely<Tables>, name: string): Promise<number | undefined> {
  const row = await db.selectFrom('schedules').select('due').where('name', '=', text(name)).executeTakeFirst();
  return row && Number(row.due);
}
