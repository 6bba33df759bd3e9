import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, type SqliteDatabase, SqliteDialect } from 'kysely';
import { fail } from '../../src/contracts/failure.ts';
import type { Tables } from './schema.ts';

/** Versions before this one can corrupt a WAL database after a crash during a checkpoint. */
const OLDEST_SQLITE = [3, 51, 3] as const;

/** node:sqlite in the shape Kysely's SQLite dialect wants. */
function shape(db: DatabaseSync): SqliteDatabase {
  return {
    close: () => db.close(),
    prepare(text) {
      const statement = db.prepare(text);
      const values = (parameters: readonly unknown[]) =>
        parameters.map((p) => (p === undefined ? null : p)) as SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...values(parameters)),
        run: (parameters) => statement.run(...values(parameters)),
        iterate: (parameters) => statement.iterate(...values(parameters)) as IterableIterator<unknown>,
      };
    },
  };
}

/** Throws Failed when this version of the engine, as `3.51.3`, is older than the one that keeps a journal whole. */
export function demandSqlite(version: string): void {
  const parts = version.split('.').map(Number);
  const differs = OLDEST_SQLITE.findIndex((n, i) => (parts[i] ?? 0) !== n);
  if (differs < 0 || (parts[differs] ?? 0) > OLDEST_SQLITE[differs]!) return;
  fail('bad-input', {
    what: 'The store was not opened',
    why: `SQLite ${version} of this Node is too old for a journal that must survive a crash: ${OLDEST_SQLITE.join('.')} is needed`,
    next: 'use the newest Node 24: node -p process.versions.sqlite tells what it holds',
  });
}

/** Opens the file (made with mode 0600), checks the engine's version and sets it to lose nothing on power loss. */
export function openSqlite(file: string): Kysely<Tables> {
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(file, { timeout: 5000 });
  if (file !== ':memory:') chmodSync(file, 0o600);
  const { v } = db.prepare('select sqlite_version() as v').get() as { v: string };
  demandSqlite(v);
  db.exec(
    'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000;',
  );
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: shape(db) }) });
}

/**
 * Holds an exclusive lock on `<file>.lock` for the life of the process. The operating system drops it when the
 * process dies, also by kill -9. Returns undefined when another process holds it.
 */
export function holdFile(file: string): { release(): void } | undefined {
  if (file === ':memory:') return { release: () => undefined };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(`${file}.lock`, { timeout: 0 });
  try {
    lock.exec('pragma locking_mode = exclusive; begin exclusive;');
  } catch {
    lock.close();
    return undefined;
  }
  return { release: () => lock.close() };
}
