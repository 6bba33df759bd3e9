import type { Kysely } from 'kysely';
import type { StoredWatch } from '../../src/contracts/watch.ts';
import { type Tables, text } from './schema.ts';

/** What the watch remembers: one row a cluster, the memory beside the news nobody has taken yet. */

export async function watchMemory(db: Kysely<Tables>, cluster: string): Promise<StoredWatch | undefined> {
  const row = await db.selectFrom('watch_memory').selectAll().where('cluster', '=', text(cluster)).executeTakeFirst();
  return row && { at: Number(row.at), memory: JSON.parse(row.memory_json), untaken: JSON.parse(row.untaken_json) };
}

export async function saveWatch(db: Kysely<Tables>, cluster: string, { at, memory, untaken }: StoredWatch) {
  const row = {
    cluster: text(cluster),
    at,
    memory_json: JSON.stringify(memory),
    untaken_json: JSON.stringify(untaken),
  };
  await db
    .insertInto('watch_memory')
    .values(row)
    .onConflict((c) => c.column('cluster').doUpdateSet(row))
    .execute();
}

export async function newsTaken(db: Kysely<Tables>, cluster: string): Promise<void> {
  await db.updateTable('watch_memory').set({ untaken_json: '[]' }).where('cluster', '=', text(cluster)).execute();
}
