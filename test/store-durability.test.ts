import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { SqlStore } from '../adapters/store/index.ts';
import { migrate } from '../adapters/store/migrations.ts';
import { openSqlite } from '../adapters/store/sqlite.ts';

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
