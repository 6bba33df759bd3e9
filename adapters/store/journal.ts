import type { Kysely, Transaction } from 'kysely';
import type { NewAudit, StoredStep } from '../../src/contracts/store.ts';
import { append } from './chain.ts';
import { fromStep, toStep } from './rows.ts';
import type { Tables } from './schema.ts';

/** The steps of runs, and whether somebody asked a run to stop. */

export async function steps(db: Kysely<Tables>, request: string): Promise<readonly StoredStep[]> {
  const rows = db.selectFrom('steps').selectAll().where('request', '=', request).orderBy('n');
  return (await rows.execute()).map(toStep);
}

export async function writeStep(tx: Transaction<Tables>, step: StoredStep, audit: readonly NewAudit[]): Promise<void> {
  const row = fromStep(step);
  await tx
    .insertInto('steps')
    .values(row)
    .onConflict((c) => c.columns(['request', 'n']).doUpdateSet(row))
    .execute();
  await append(tx, audit);
}

export async function askToStop(tx: Transaction<Tables>, request: string, audit: readonly NewAudit[]) {
  const { numUpdatedRows } = await tx
    .updateTable('requests')
    .set({ stop_asked: 1 })
    .where('id', '=', request)
    .where('state', '=', 'running')
    .executeTakeFirst();
  if (Number(numUpdatedRows) === 0) return false;
  await append(tx, audit);
  return true;
}

export async function stopAsked(db: Kysely<Tables>, request: string): Promise<boolean> {
  const row = await db.selectFrom('requests').select('stop_asked').where('id', '=', request).executeTakeFirst();
  return Number(row?.stop_asked ?? 0) === 1;
}
