import { type Kysely, sql } from 'kysely';
import type { Tables } from './schema.ts';

/**
 * Versioned migrations, in order and never edited after a release; each runs in its own transaction with the
 * bump of the version. The types used (text, integer/bigint) exist in SQLite and PostgreSQL.
 */
type Migration = (db: Kysely<Tables>) => Promise<void>;

const first: Migration = async (db) => {
  const { schema } = db;
  await schema
    .createTable('requests')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('cluster', 'text', (c) => c.notNull())
    .addColumn('command', 'text', (c) => c.notNull())
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('risk', 'text', (c) => c.notNull())
    .addColumn('options_json', 'text', (c) => c.notNull())
    .addColumn('requester', 'text', (c) => c.notNull())
    .addColumn('actor_json', 'text', (c) => c.notNull())
    .addColumn('place_json', 'text', (c) => c.notNull())
    .addColumn('plan_json', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addColumn('approved_at', 'bigint')
    .addColumn('started_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('note', 'text', (c) => c.notNull())
    .addColumn('left_json', 'text', (c) => c.notNull())
    .addColumn('stop_asked', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.createIndex('requests_by_state').on('requests').columns(['state', 'created_at']).execute();
  await schema
    .createTable('votes')
    .addColumn('request', 'text', (c) => c.notNull())
    .addColumn('person', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('actor_json', 'text', (c) => c.notNull())
    .addColumn('roles_json', 'text', (c) => c.notNull())
    .addColumn('typed', 'integer', (c) => c.notNull())
    .addColumn('reason', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('votes_once', ['request', 'person', 'kind', 'fingerprint'])
    .execute();
  await schema
    .createTable('buttons')
    .addColumn('ref', 'text', (c) => c.primaryKey())
    .addColumn('request', 'text', (c) => c.notNull())
    .addColumn('verb', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('typed', 'text')
    .execute();
  await schema
    .createTable('slots')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('request', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createTable('steps')
    .addColumn('request', 'text', (c) => c.notNull())
    .addColumn('n', 'integer', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('says', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('upid', 'text')
    .addColumn('started_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('note', 'text', (c) => c.notNull())
    .addColumn('sent', 'integer', (c) => c.notNull())
    .addColumn('ours', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('steps_once', ['request', 'n'])
    .execute();
  await schema
    .createTable('messages')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('place_json', 'text', (c) => c.notNull())
    .addColumn('card_json', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('delivered', 'integer', (c) => c.notNull())
    .addColumn('posted_json', 'text')
    .addColumn('sending', 'integer', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .execute();
  await schema
    .createTable('deliveries')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .execute();
  await schema
    .createTable('audit')
    .addColumn('seq', 'bigint', (c) => c.primaryKey())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('who', 'text', (c) => c.notNull())
    .addColumn('body_json', 'text', (c) => c.notNull())
    .addColumn('previous', 'text', (c) => c.notNull())
    .addColumn('hash', 'text', (c) => c.notNull())
    .execute();
  await schema.createIndex('audit_by_id').on('audit').column('id').execute();
  await schema
    .createTable('audit_head')
    .addColumn('one', 'integer', (c) => c.primaryKey())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('hash', 'text', (c) => c.notNull())
    .execute();
  await sql`insert into audit_head (one, seq, hash) values (1, 0, ${'0'.repeat(64)})`.execute(db);
  await schema
    .createTable('settings')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createTable('leader')
    .addColumn('one', 'integer', (c) => c.primaryKey())
    .addColumn('epoch', 'bigint', (c) => c.notNull())
    .execute();
  await sql`insert into leader (one, epoch) values (1, 0)`.execute(db);
};

/** What steps answered; the bot's own books; buttons of notices; schedules. */
const second: Migration = async (db) => {
  const { schema } = db;
  await schema.alterTable('steps').addColumn('result_json', 'text').execute();
  await schema
    .createTable('books')
    .addColumn('shelf', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('value_json', 'text', (c) => c.notNull())
    .addColumn('run', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('books_once', ['shelf', 'key'])
    .execute();
  await schema
    .createTable('offers')
    .addColumn('ref', 'text', (c) => c.primaryKey())
    .addColumn('notice', 'text', (c) => c.notNull())
    .addColumn('cluster', 'text', (c) => c.notNull())
    .addColumn('command', 'text', (c) => c.notNull())
    .addColumn('options_json', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .execute();
  await schema
    .createTable('schedules')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('due', 'bigint', (c) => c.notNull())
    .execute();
};

/** What the watch remembers of each cluster, and its incidents. */
const third: Migration = async ({ schema }) => {
  await schema
    .createTable('watch_memory')
    .addColumn('cluster', 'text', (c) => c.primaryKey())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('memory_json', 'text', (c) => c.notNull())
    .addColumn('untaken_json', 'text', (c) => c.notNull())
    .execute();
  await schema
    .createTable('incidents')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('cluster', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('opened_at', 'bigint', (c) => c.notNull())
    .addColumn('changed_at', 'bigint', (c) => c.notNull())
    .addColumn('incident_json', 'text', (c) => c.notNull())
    .execute();
  await schema.createIndex('incidents_by_state').on('incidents').columns(['state', 'cluster', 'changed_at']).execute();
};

const MIGRATIONS: readonly Migration[] = [first, second, third];

/** Advisory lock of the process that migrates; not the leader's. */
const MIGRATION_LOCK = 0x6261_736d; // "basm"

/** Brings the schema to a version, the newest unless told; throws when the store was written by a newer Bascule. */
export async function migrate(
  db: Kysely<Tables>,
  kind: 'sqlite' | 'postgres' = 'sqlite',
  to = MIGRATIONS.length,
): Promise<void> {
  for (;;) {
    const done = await db.transaction().execute(async (tx) => {
      // On an empty PostgreSQL two processes would make the same table at once, which `if not exists` does not prevent.
      if (kind === 'postgres') await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx);
      await sql`create table if not exists schema_version (one integer primary key, version integer not null)`.execute(
        tx,
      );
      await sql`insert into schema_version (one, version) values (1, 0) on conflict do nothing`.execute(tx);
      // The update takes the row's lock, so two starting processes migrate one after the other.
      const { rows } = await sql<{
        version: number;
      }>`update schema_version set version = version where one = 1 returning version`.execute(tx);
      const version = Number(rows[0]?.version ?? 0);
      if (version > MIGRATIONS.length) {
        throw new Error(
          `the store has schema version ${version}, this Bascule knows ${MIGRATIONS.length}: start the newer Bascule again`,
        );
      }
      const next = version < to ? MIGRATIONS[version] : undefined;
      if (!next) return true;
      await next(tx);
      await sql`update schema_version set version = ${version + 1} where one = 1`.execute(tx);
      return false;
    });
    if (done) return;
  }
}
