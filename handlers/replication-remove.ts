import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import type { Risk } from '../src/contracts/plan.ts';
import { removeReplicationStep } from '../src/contracts/steps.ts';
import { job } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { ageOf, findJob, jobPlan, type KnownJob, stateOf } from './parts/jobs.ts';
import { haServiceOf, prodTag } from './parts/risks.ts';

export const replicationRemove = defineCommand({
  name: 'replication remove',
  summary: 'End a replication job and delete its copy on the target',
  examples: ['replication remove 103-0'],
  options: { job },
  positional: ['job'],
  action: 'replication.remove',
  risk: 'disruptive',
  version: 1,
  async plan({ job }, context) {
    const known = await findJob(job, context, 'removed');
    const state = await stateOf(known.job, known.guest, context);
    return jobPlan('replication remove', 'Remove', known, context, {
      step: removeReplicationStep(known.job.id),
      risks: await risks(known, context),
      observations: [{ label: 'Last copy', value: ageOf(state, context) }],
    });
  },
  preview: (plan) =>
    previewCard(plan, [`The copy on ${intentText(plan, 'target')} is deleted at the scheduler's next minute`]),
  result: (plan, run) =>
    resultCard(`Replication job ${intentText(plan, 'job')} is marked for removal`, run, [
      'It and its copy are gone after the next minute; until then its number stays taken',
    ]),
});

async function risks({ job, guest }: KnownJob, context: PlanContext): Promise<readonly Risk[]> {
  const jobs = await context.view.replicationJobs();
  const last = !jobs.some((other) => other.guest === guest.vmid && other.id !== job.id && !other.removing);
  const service = await haServiceOf(context, guest);
  return [
    ...(last
      ? [
          {
            code: 'last-replica',
            says: `${job.target} holds the only copy: without it the guest lives on ${guest.node} alone`,
          },
        ]
      : []),
    // HA moves only the configuration and does not look whether the disks are there (ODDITIES 69).
    ...(service
      ? [
          {
            code: 'ha-managed',
            says: `HA would still move it to ${job.target} and fail to start it there without its disks`,
          },
        ]
      : []),
    ...prodTag(guest),
  ];
}
