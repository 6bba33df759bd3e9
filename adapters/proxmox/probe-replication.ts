import type { ProbeAnswer, ReplicationJob, Trace } from '../../src/contracts/cluster.ts';
import { fillHoles, MARKER, type Probe } from '../../src/contracts/plan.ts';
import { reads } from './calls.ts';
import type { Asker } from './client.ts';
import { hasMarker } from './guest-config.ts';
import { answer, sinceOn, type Timed, unlessMissing } from './probe-look.ts';
import { jobFrom } from './replication.ts';
import { OneReplicationJob, OneReplicationState, readAs } from './schema.ts';

type Asked<K extends Probe['kind']> = Extract<Probe, { readonly kind: K }>;

/** Asked by id, since the list hides jobs of guests that we may not see; a single one says 403. */
async function job(client: Asker, id: string): Promise<ReplicationJob | undefined> {
  const read = reads.replicationJob(id);
  const answered = await unlessMissing(client.get(read));
  return answered && jobFrom(readAs(OneReplicationJob, answered.data, client.attempt(read)));
}

export async function replicationExists(
  client: Asker,
  wanted: Asked<'replication-exists'>,
  trace: Trace,
): Promise<ProbeAnswer> {
  const found = await job(client, wanted.id);
  if (!found) return answer('absent', `there is no replication job ${wanted.id}`);
  const evidence = `replication job ${wanted.id} goes to ${found.target}`;
  if (found.removing) return answer('absent', `${evidence}, but is marked for removal`);
  if (found.target !== wanted.target) return answer('absent', `${evidence}, not to ${wanted.target}`);
  return hasMarker(found.comment, fillHoles(MARKER, trace))
    ? answer('done', `${evidence} and carries our mark`)
    : answer('already', `${evidence} without our mark`);
}

/** Deleting only marks; the entry goes with the scheduler's next round (ODDITIES 72). */
export async function replicationGone(client: Asker, wanted: Asked<'replication-gone'>): Promise<ProbeAnswer> {
  const found = await job(client, wanted.id);
  if (!found) return answer('already', `there is no replication job ${wanted.id}`);
  if (found.removing) return answer('done', `replication job ${wanted.id} is marked for removal`);
  return answer('absent', `replication job ${wanted.id} to ${found.target} is still there`);
}

/** Who switched it is not recorded. */
export async function replicationDisabled(client: Asker, wanted: Asked<'replication-disabled'>): Promise<ProbeAnswer> {
  const found = await job(client, wanted.id);
  if (!found) return answer('unknown', `there is no replication job ${wanted.id}`);
  const evidence = `replication job ${wanted.id} is ${found.disabled ? 'disabled' : 'enabled'}`;
  return answer(found.disabled === wanted.want ? 'already' : 'absent', evidence);
}

/** There is no task (FACTS 4.1): only the times of the last try and of the last copy tell, by the source's clock. */
export async function replicationRan(
  client: Asker,
  { node, id }: Asked<'replication-ran'>,
  trace: Timed,
): Promise<ProbeAnswer> {
  const since = Math.floor((await sinceOn(client, node, trace)) / 1000);
  const read = reads.replicationStatus(node, id);
  const answered = await unlessMissing(client.get(read));
  if (!answered)
    return answer('unknown', `${node} has no replication job ${id}: its guest has moved, or it was removed`);
  const state = readAs(OneReplicationState, answered.data, client.attempt(read));
  const { last_sync: synced = 0, last_try: tried = 0, fail_count: failed = 0 } = state;
  if (synced >= since && synced > 0) return answer('done', `replication job ${id} has copied since`);
  if (state.pid !== undefined) return answer('unknown', `replication job ${id} is copying`);
  if (tried >= since && failed > 0)
    return answer('unknown', `replication job ${id} was tried and failed: ${state.error ?? 'no reason given'}`);
  // Asked for, the time of the last try is forgotten until the next round of the scheduler.
  if (tried === 0) return answer('unknown', `replication job ${id} waits for the next minute of the scheduler`);
  return answer('absent', `replication job ${id} has not run since`);
}
