import { broken, type Call, forbidden, has, may, need, needQuorum, on, Paged, type Route } from './call.ts';
import { splitList } from './formats.ts';
import { nextSync, replicatable, settle, stateOn } from './replication.ts';
import type { ReplicationJob } from './state.ts';
import { flag, format, integer, node, number, oneOf, optional, type Rules, text, vmid } from './verify.ts';
import { digestOf } from './world.ts';

const noQuorum = `cfs-lock 'file-replication_cfg' error: no quorum!`;

/** 8.4 asks for a right on all storages; 9 has a privilege of its own on the guest. */
function needReplicate(call: Call, guest: number): void {
  if (call.world.pve === '9.2') need(call, `/vms/${guest}`, 'VM.Replicate');
  else need(call, '/storage', 'Datastore.Allocate');
}

const guestOfId = (id: string | undefined): number => Number((id ?? '').split('-')[0]);

const jobRow = (job: ReplicationJob) => ({
  id: job.id,
  type: 'local',
  guest: job.guest,
  jobnum: job.jobnum,
  source: job.source,
  target: job.target,
  ...(job.schedule !== undefined && { schedule: job.schedule }),
  ...(job.rate !== undefined && { rate: job.rate }),
  ...(job.comment !== undefined && { comment: job.comment }),
  ...(job.disable && { disable: 1 }),
  ...(job.removeJob && { remove_job: job.removeJob }),
});

/** Rows of guests that the caller may not see are left out. */
function list(call: Call): unknown[] {
  return [...call.state.jobs.values()]
    .filter((job) => may(call, `/vms/${job.guest}`, 'VM.Audit'))
    .map((job) => jobRow(settled(call, job)));
}

function settled(call: Call, job: ReplicationJob): ReplicationJob {
  const guest = call.state.guests.get(job.guest);
  if (guest) settle(job, guest);
  return job;
}

const jobsDigest = (call: Call) => digestOf([...call.state.jobs.values()]);

function show(call: Call): unknown {
  need(call, `/vms/${guestOfId(call.params.id)}`, 'VM.Audit');
  const job = call.state.jobs.get(call.params.id as string);
  if (!job) throw broken(`no such replication job '${call.params.id}'`);
  return { ...jobRow(settled(call, job)), digest: jobsDigest(call) };
}

function create(call: Call): null {
  const { id = '', target = '' } = call.params;
  const vmid = guestOfId(id);
  needReplicate(call, vmid);
  const guest = call.state.guests.get(vmid);
  if (!guest) throw broken(`Guest '${vmid}' does not exist.`);
  if (!call.world.nodes.has(target)) throw broken(`Target '${target}' does not exist.`);
  if (target === guest.node) throw broken('Source and target must not be identical');
  let volumes: string[];
  try {
    volumes = replicatable(call.world, call.state, guest);
  } catch (error) {
    throw broken((error as Error).message);
  }
  if (volumes.length === 0) throw broken('No replicatable volumes found');
  needQuorum(call, noQuorum);
  if (call.state.jobs.has(id)) throw broken(`replication job '${id}' already exists`);
  const same = [...call.state.jobs.values()].some((job) => job.guest === vmid && job.target === target);
  if (same) throw broken(`replication job for guest '${vmid}' to target 'local/${target}' already exists`);
  const job: ReplicationJob = { id, guest: vmid, jobnum: Number(id.split('-')[1]), source: guest.node, target };
  apply(job, call.params);
  call.state.jobs.set(id, job);
  effect(call, 'replication.create', id);
  return null;
}

function effect(call: Call, kind: string, id: string): void {
  call.effects.add({ kind, id, node: call.node.name, by: call.caller.full, at: call.world.clock.now() });
}

function apply(job: ReplicationJob, params: Record<string, string>): void {
  if (params.schedule !== undefined) job.schedule = params.schedule;
  if (params.comment !== undefined) job.comment = params.comment;
  if (params.rate !== undefined) job.rate = Number(params.rate);
  if (params.disable !== undefined) job.disable = params.disable === '1';
  if (params.remove_job !== undefined) job.removeJob = params.remove_job as 'local' | 'full';
}

function existing(call: Call): ReplicationJob {
  needReplicate(call, guestOfId(call.params.id));
  const job = call.state.jobs.get(call.params.id as string);
  needQuorum(call, noQuorum);
  if (!job) throw broken(`no such job '${call.params.id}'`);
  return job;
}

function update(call: Call): null {
  const job = existing(call);
  if (has(call, 'digest') && call.params.digest !== jobsDigest(call)) {
    throw broken('detected modified configuration - file changed by other user? Try again.');
  }
  for (const key of splitList(call.params.delete ?? '')) delete (job as unknown as Record<string, unknown>)[key];
  apply(job, call.params);
  effect(call, 'replication.update', job.id);
  return null;
}

/** Only marks; the source node's scheduler cleans up and takes the entry away. */
function remove(call: Call): null {
  const job = existing(call);
  if (on(call, 'force')) call.state.jobs.delete(job.id);
  else job.removeJob = on(call, 'keep') ? 'local' : 'full';
  effect(call, 'replication.remove', job.id);
  return null;
}

/** Jobs of guests that are on this node now, with this node's own memory of them. */
function statusRow(call: Call, job: ReplicationJob): Record<string, unknown> {
  const guest = call.state.guests.get(job.guest);
  const state = stateOn(call.node, job.id);
  return {
    ...jobRow(settled(call, job)),
    vmtype: guest?.kind ?? 'lxc',
    last_sync: state.lastSync,
    last_try: state.lastTry,
    fail_count: state.failCount,
    next_sync: nextSync(job, state, call.world.reaches(call.node.name, job.target)),
    ...(state.duration !== undefined && { duration: state.duration }),
    ...(state.error !== undefined && { error: state.error }),
    ...(state.runningSince !== undefined && { pid: 4711 }),
  };
}

const here = (call: Call) =>
  [...call.state.jobs.values()].filter(
    (job) => call.state.guests.get(job.guest)?.node === call.node.name && may(call, `/vms/${job.guest}`, 'VM.Audit'),
  );

const statusList = (call: Call) =>
  here(call)
    .filter((job) => call.params.guest === undefined || job.guest === Number(call.params.guest))
    .map((job) => statusRow(call, job));

function jobHere(call: Call): ReplicationJob {
  const job = call.state.jobs.get(call.params.id as string);
  if (!may(call, `/vms/${guestOfId(call.params.id)}`, 'VM.Audit'))
    throw forbidden(`/vms/${guestOfId(call.params.id)}, VM.Audit`);
  if (!job || call.state.guests.get(job.guest)?.node !== call.node.name)
    throw broken(`no such replication job '${call.params.id}'`);
  return job;
}

function log(call: Call): Paged {
  const state = stateOn(call.node, jobHere(call).id);
  const lines = state.log.length > 0 ? state.log : ['no content'];
  const start = Number(call.params.start ?? 0);
  const limit = Number(call.params.limit ?? 50);
  return new Paged(
    lines.slice(start, limit === 0 ? undefined : start + limit).map((t, index) => ({ n: start + index + 1, t })),
    lines.length,
  );
}

/** Forgets the last try, so that the next scheduler round runs it; answers an empty text. */
function scheduleNow(call: Call): string {
  needReplicate(call, guestOfId(call.params.id));
  const job = jobHere(call);
  const state = stateOn(call.node, job.id);
  state.lastTry = 0;
  call.node.replication.set(job.id, state);
  effect(call, 'replication.schedule', job.id);
  return '';
}

const id = format('pve-replication-job-id', { pattern: /^[1-9][0-9]{2,8}-\d{1,9}$/ });
const settings: Rules = {
  id,
  comment: optional(text({ maxLength: 4096 })),
  disable: flag,
  rate: optional(number(1)),
  remove_job: optional(oneOf('local', 'full')),
  schedule: optional(format('pve-calendar-event', { maxLength: 128 })),
  source: optional(node),
};

/** In 8.4 the right on /storage is checked before the parameters. */
const early = (call: Call) => {
  if (call.world.pve === '8.4') needReplicate(call, 0);
};

export const replicationRoutes: Route[] = [
  { method: 'GET', path: '/cluster/replication', rules: {}, run: list },
  {
    method: 'POST',
    path: '/cluster/replication',
    rules: { ...settings, target: node, type: oneOf('local') },
    may: early,
    run: create,
  },
  { method: 'GET', path: '/cluster/replication/{id}', rules: { id }, run: show },
  {
    method: 'PUT',
    path: '/cluster/replication/{id}',
    may: early,
    run: update,
    rules: {
      ...settings,
      delete: optional(format('pve-configid-list', { maxLength: 4096 })),
      digest: optional(text({ maxLength: 64 })),
    },
  },
  {
    method: 'DELETE',
    path: '/cluster/replication/{id}',
    rules: { id, keep: flag, force: flag },
    may: early,
    run: remove,
  },
  { method: 'GET', path: '/nodes/{node}/replication', rules: { node, guest: optional(vmid) }, run: statusList },
  {
    method: 'GET',
    path: '/nodes/{node}/replication/{id}/status',
    rules: { node, id },
    run: (call) => statusRow(call, jobHere(call)),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/replication/{id}/log',
    rules: { node, id, start: optional(integer(0)), limit: optional(integer(0)) },
    run: log,
  },
  { method: 'POST', path: '/nodes/{node}/replication/{id}/schedule_now', rules: { node, id }, run: scheduleNow },
];
