import type { Guest, ReplicationJob, ReplicationState } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { Guard, Plan, PlannedStep, Risk, Target } from '../../src/contracts/plan.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { quorate } from './checks.ts';
import { span } from './units.ts';

/** Changing a replication job that exists: removing, disabling and enabling differ only in their step. */

export interface KnownJob {
  readonly job: ReplicationJob;
  readonly guest: Guest;
  readonly guards: readonly Guard[];
}

/** `103-0`, or `103` when it has only one job. */
export async function findJob(wanted: string, context: PlanContext, done: string): Promise<KnownJob> {
  const { view, root } = context;
  const what = `replication job ${wanted} was not ${done}`;
  const jobs = await view.replicationJobs();
  const matches = jobs.filter((job) => job.id === wanted || String(job.guest) === wanted);
  const job = matches[0];
  if (!job) {
    return fail('not-found', {
      what,
      why: 'there is no such job that you may see',
      next: `${root}replication list shows them`,
    });
  }
  if (matches.length > 1) {
    return fail('bad-input', {
      what,
      why: `${wanted} has ${matches.length} jobs`,
      next: `name one: ${matches.map((each) => `job:${each.id}`).join(', ')}`,
    });
  }
  const guard = quorate(await view.membership(), what);
  if (job.removing) {
    return fail('conflict', { what, why: 'it is being removed already', next: 'it is gone after the next minute' });
  }
  const guest = await view.findGuest(String(job.guest));
  return {
    job,
    guest,
    guards: [guard, { code: `replication:${job.id}`, says: `job ${job.id} to ${job.target} exists` }],
  };
}

/** When the copy was made, as its source tells; undefined when that node does not tell. */
export async function stateOf(
  job: ReplicationJob,
  guest: Guest,
  { view }: PlanContext,
): Promise<ReplicationState | undefined> {
  try {
    return (await view.replicationState(guest.node)).find((state) => state.id === job.id);
  } catch (error) {
    // A rescue happens while nodes are down; not knowing the age must not stop it.
    if (!(error instanceof Failed)) throw error;
    return undefined;
  }
}

export function ageOf(state: ReplicationState | undefined, context: PlanContext): string {
  if (!state) return 'unknown';
  return state.lastSync > 0 ? `${span(context.clock.now() / 1000 - state.lastSync)} ago` : 'never';
}

/** The job as a target: its id identifies it, the guest's tags and pool are for policy. */
function jobTarget(job: ReplicationJob, guest: Guest): Target {
  return {
    kind: 'replication',
    id: job.id,
    name: guest.name,
    node: guest.node,
    identity: `${job.id} to ${job.target}`,
    vmid: guest.vmid,
    tags: [...guest.tags].sort(),
    ...(guest.pool ? { pool: guest.pool } : {}),
  };
}

export function jobPlan(
  command: string,
  verb: string,
  { job, guest, guards }: KnownJob,
  context: PlanContext,
  more: { readonly step: PlannedStep; readonly risks: readonly Risk[]; readonly observations: Plan['observations'] },
): Plan {
  const { view } = context;
  return {
    command,
    version: 1,
    cluster: view.name,
    target: jobTarget(job, guest),
    title: `${verb} replication ${job.id}: ${guestLabel(guest)} to ${job.target}`,
    intent: { job: job.id, target: job.target, guest: guest.vmid },
    guards,
    observations: more.observations,
    risks: more.risks,
    steps: [more.step],
    reserves: [],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}
