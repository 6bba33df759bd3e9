import type { z } from 'zod';
import type { BackupJob, RunningBackup } from '../../src/contracts/cluster.ts';
import type { BackupJobs, Tasks } from './schema.ts';
import { readUpid } from './upid.ts';

const numbers = (list: string | undefined): readonly number[] =>
  (list ?? '')
    .split(/[,;\s]+/)
    .map(Number)
    .filter((each) => Number.isInteger(each) && each > 0);

/** A job without `enabled` is (ODDITIES 7); one without a schedule has an old `starttime` and runs daily. */
export function backupJobsFrom(rows: z.output<typeof BackupJobs>): readonly BackupJob[] {
  return rows
    .filter((row) => row.type === undefined || row.type === 'vzdump')
    .map((row) => ({
      id: row.id,
      enabled: row.enabled !== 0,
      schedule: row.schedule ?? 'daily',
      all: row.all,
      vmids: numbers(row.vmid),
      exclude: numbers(row.exclude),
      ...(row.storage ? { storage: row.storage } : {}),
      ...(row.compress ? { compress: row.compress } : {}),
      ...(row.pool ? { pool: row.pool } : {}),
      ...(row.node ? { node: row.node } : {}),
    }))
    .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
}

/** Of several guests the UPID names none (ODDITIES 52). */
export function runningBackupsFrom(rows: z.output<typeof Tasks>, tokenId: string): readonly RunningBackup[] {
  return rows.flatMap((row) => {
    const upid = readUpid(row.upid);
    if (upid?.type !== 'vzdump') return [];
    const vmid = Number(upid.id) || undefined;
    return { upid: row.upid!, ours: upid.who === tokenId, ...(vmid === undefined ? {} : { vmid }) };
  });
}
