import type { z } from 'zod';
import type { ReplicationJob, ReplicationState } from '../../src/contracts/cluster.ts';
import type { ReplicationJobRow, ReplicationStates } from './schema.ts';

/** The vmid is the first half of the id as well. */
const guestOf = (row: { readonly id: string; readonly guest?: number }) =>
  row.guest ?? (Number.parseInt(row.id, 10) || 0);

/** A job without a schedule runs every 15 minutes; remove_job is `full` or `local` once it is to go (FACTS §4). */
export function jobFrom(row: ReplicationJobRow): ReplicationJob {
  return {
    id: row.id,
    guest: guestOf(row),
    source: row.source,
    target: row.target ?? '',
    schedule: row.schedule ?? '*/15',
    disabled: row.disable,
    comment: (row.comment ?? '').trimEnd(),
    removing: Boolean(row.remove_job),
  };
}

export function stateFrom(row: z.output<typeof ReplicationStates>[number]): ReplicationState {
  return {
    id: row.id,
    guest: guestOf(row),
    source: row.source,
    target: row.target ?? '',
    lastSync: row.last_sync ?? 0,
    lastTry: row.last_try ?? 0,
    nextSync: row.next_sync ?? 0,
    failCount: row.fail_count ?? 0,
    error: row.error,
    duration: row.duration,
    running: row.pid !== undefined,
  };
}
