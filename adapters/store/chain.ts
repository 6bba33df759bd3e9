import { createHash } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { canonical } from '../../src/contracts/plan.ts';
import type { AuditEntry } from '../../src/contracts/records.ts';
import type { NewAudit } from '../../src/contracts/store.ts';
import { type Tables, text } from './schema.ts';

/** sha256 over every field but the hash itself, with sorted keys. */
export function linkHash(entry: Omit<AuditEntry, 'hash'>): string {
  const { seq, at, id, kind, who, body, previous } = entry;
  return createHash('sha256').update(canonical({ seq, at, id, kind, who, body, previous })).digest('hex');
}

/** Appends to the chain; the head row is updated first, so that two writers queue behind its lock. */
export async function append(tx: Transaction<Tables>, entries: readonly NewAudit[]): Promise<void> {
  if (entries.length === 0) return;
  const { rows } = await sql<{ seq: number; hash: string }>`
    update audit_head set seq = seq + ${entries.length} where one = 1 returning seq, hash`.execute(tx);
  const head = rows[0];
  if (!head) throw new Error('the audit chain has no head row: the store is damaged');
  let seq = Number(head.seq) - entries.length;
  let previous = head.hash;
  for (const one of entries) {
    seq += 1;
    const body = JSON.parse(JSON.stringify(one.body)) as AuditEntry['body'];
    // Hashed as it will be read back.
    const entry = { at: one.at, id: text(one.id), kind: text(one.kind), who: text(one.who) };
    const hash = linkHash({ ...entry, body, seq, previous });
    await tx
      .insertInto('audit')
      .values({
        seq,
        at: entry.at,
        id: entry.id,
        kind: entry.kind,
        who: entry.who,
        body_json: JSON.stringify(body),
        previous,
        hash,
      })
      .execute();
    previous = hash;
  }
  await sql`update audit_head set hash = ${previous} where one = 1`.execute(tx);
}

export function toEntry(row: Tables['audit']): AuditEntry {
  const { seq, at, id, kind, who, previous, hash } = row;
  return { seq: Number(seq), at: Number(at), id, kind, who, body: JSON.parse(row.body_json), previous, hash };
}

/**
 * Walks the whole chain; resolves the seq of the first link that does not fit, or undefined when all do. The head
 * tells where it must end: a chain that was cut off there would be whole in itself.
 */
export async function firstBrokenLink(db: Kysely<Tables>): Promise<number | undefined> {
  let previous = '0'.repeat(64);
  for (let after = 0; ; ) {
    const head = await db
      .selectFrom('audit_head')
      .select(['seq', 'hash'])
      .where('one', '=', 1)
      .executeTakeFirstOrThrow();
    const rows = await db.selectFrom('audit').selectAll().where('seq', '>', after).orderBy('seq').limit(500).execute();
    for (const row of rows) {
      const entry = toEntry(row);
      if (entry.seq !== after + 1 || entry.previous !== previous || linkHash(entry) !== entry.hash) return entry.seq;
      after = entry.seq;
      previous = entry.hash;
    }
    if (rows.length === 500) continue;
    // Read before the rows: what was added meanwhile makes them longer than the head says, never shorter.
    const ended = Number(head.seq);
    return after < ended || (after === ended && previous !== head.hash) ? after + 1 : undefined;
  }
}
