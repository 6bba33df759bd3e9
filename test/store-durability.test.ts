import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { SqlStore } from '../adapters/store/index.ts';
import { migrate } from '../adapters/store/migrations.ts';
import { demandSqlite, openSqlite } from '../adapters/store/sqlite.ts';

test('after a look, also one that broke, the journal reaches the disk with every write again', async () => {
  const db = openSqlite(':memory:');
  await migrate(db, 'sqlite');
  const store = new SqlStore('sqlite', db, async () => undefined);
  const level = async () =>
    (await sql<{ synchronous: number }>`pragma synchronous`.execute(db)).rows.map((row) => row.synchronous);
  const look = { at: 1, id: 'slack:1', kind: 'read', who: 'alice', body: {} };
  await store.audit([look]);
  expect(await store.firstSeen('slack:1', 1)).toBe(true);
  expect(await store.firstSeen('slack:1', 2)).toBe(false);
  expect(await level()).toEqual([2]);
  const broken = { ...look, body: { loop: 1n } } as unknown as typeof look;
  await expect(store.audit([broken])).rejects.toThrow('BigInt');
  expect(await level()).toEqual([2]);
  expect(await store.auditOf('slack:1')).toHaveLength(1);
  await store.close();
});

test('a SQLite that may lose a journal is refused, with what to do', () => {
  for (const old of ['3.51.2', '3.50.9', '2.99.99', '3.9', '3'])
    expect(() => demandSqlite(old), old).toThrow('too old');
  for (const good of ['3.51.3', '3.51.10', '3.52.0', '4.0.0']) expect(() => demandSqlite(good), good).not.toThrow();
});
