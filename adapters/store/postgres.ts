import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Tables } from './schema.ts';

/** Session advisory lock of the leading process. Needs direct or session-mode connections: a transaction pooler would lose it. */
const LEADER_LOCK = 0x6261_7363; // "basc"

// bigint columns hold epoch milliseconds and counters, all well below 2^53.
pg.types.setTypeParser(20, Number);

export function openPostgres(url: string): { db: Kysely<Tables>; pool: pg.Pool } {
  const pool = new pg.Pool({ connectionString: url, max: 8, connectionTimeoutMillis: 5000 });
  // A dropped idle connection is replaced by the pool; the query that meets it reports it.
  pool.on('error', () => undefined);
  return { db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }), pool };
}

/**
 * Tries to take the session lock on a connection of its own. The connection is the proof of life: when it ends,
 * PostgreSQL gives the lock to the next, and `lost` is called here.
 */
export async function holdSession(
  url: string,
  lost: (why: string) => void,
): Promise<{ release(): Promise<void> } | undefined> {
  const client = new pg.Client({ connectionString: url, keepAlive: true, connectionTimeoutMillis: 5000 });
  let leading = false;
  let released = false;
  const gone = (why: string) => {
    if (leading && !released) lost(why);
    leading = false;
  };
  client.on('error', (error: Error) => gone(error.message));
  client.on('end', () => gone('the session to PostgreSQL ended'));
  await client.connect();
  const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [LEADER_LOCK]);
  if (!rows[0]?.held) {
    released = true;
    await client.end();
    return undefined;
  }
  leading = true;
  return {
    release: async () => {
      released = true;
      await client.end();
    },
  };
}
