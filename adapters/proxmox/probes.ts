import type { Clock } from '../../src/contracts/clock.ts';
import type { ProbeAnswer, Trace } from '../../src/contracts/cluster.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { Probe } from '../../src/contracts/plan.ts';
import type { Asker } from './client.ts';
import { backupMade } from './probe-backup.ts';
import { ctCreated, guestConfig, guestGone, guestRunning, guestTask } from './probe-guest.ts';
import type { Timed } from './probe-look.ts';
import { replicationDisabled, replicationExists, replicationGone, replicationRan } from './probe-replication.ts';
import { rolledBack, snapshotExists, snapshotGone } from './probe-snapshot.ts';

/**
 * Finds out what became of a call. One look each: right after a lost answer nothing may be visible yet, for any
 * length of time (PROBES.md 1), so `absent` is what was seen and no proof; the caller repeats or gives up.
 * Never throws for what Proxmox or the network does: what cannot be told is `unknown`.
 */
export async function probe(client: Asker, clock: Clock, wanted: Probe, trace: Trace): Promise<ProbeAnswer> {
  try {
    return await ask(client, wanted, { ...trace, now: clock.now() });
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return { state: 'unknown', evidence: `${error.failure.what}: ${error.failure.why}` };
  }
}

function ask(client: Asker, wanted: Probe, trace: Timed): Promise<ProbeAnswer> {
  switch (wanted.kind) {
    case 'ct-created':
      return ctCreated(client, wanted, trace);
    case 'guest-running':
      return guestRunning(client, wanted, trace);
    case 'guest-task':
      return guestTask(client, wanted, trace);
    case 'guest-gone':
      return guestGone(client, wanted, trace);
    case 'guest-config':
      return guestConfig(client, wanted);
    case 'replication-exists':
      return replicationExists(client, wanted, trace);
    case 'replication-gone':
      return replicationGone(client, wanted);
    case 'replication-disabled':
      return replicationDisabled(client, wanted);
    case 'replication-ran':
      return replicationRan(client, wanted, trace);
    case 'backup-made':
      return backupMade(client, wanted, trace);
    case 'snapshot-exists':
      return snapshotExists(client, wanted, trace);
    case 'snapshot-gone':
      return snapshotGone(client, wanted, trace);
    case 'snapshot-rolled-back':
      return rolledBack(client, wanted, trace);
    case 'node-verb':
    case 'book':
      return fail('internal', {
        what: 'nothing was looked at',
        why: `the API cannot tell what a probe of ${wanted.kind} asks for`,
        next: 'please report this',
        sent: 'no',
      });
  }
}
