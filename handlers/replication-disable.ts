import { defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { switchReplicationStep } from '../src/contracts/steps.ts';
import { job } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { findJob, jobPlan } from './parts/jobs.ts';

/** Routine, and asks nothing that could be slow: in a rescue there is about a minute (FACTS 1.7). */
export const replicationDisable = defineCommand({
  name: 'replication disable',
  summary: 'Pause a replication job; after a failover this rescues what the dead node still holds',
  examples: ['replication disable 103-0'],
  options: { job },
  positional: ['job'],
  action: 'replication.disable',
  risk: 'routine',
  version: 1,
  async plan({ job }, context) {
    const known = await findJob(job, context, 'disabled');
    if (known.job.disabled) {
      fail('conflict', {
        what: `replication job ${known.job.id} was not disabled`,
        why: 'it is disabled already',
        next: 'nothing to do',
      });
    }
    return jobPlan('replication disable', 'Disable', known, context, {
      step: switchReplicationStep(known.job.id, true),
      risks: [],
      observations: [{ label: 'Schedule', value: known.job.schedule }],
    });
  },
  preview: (plan) =>
    previewCard(plan, [
      `${intentText(plan, 'target')} keeps its copy as it is now; new data is not copied until it is enabled`,
    ]),
  result: (plan, run) =>
    resultCard(`Replication job ${intentText(plan, 'job')} is disabled`, run, [
      `Nothing on ${intentText(plan, 'target')} is overwritten by it any more; the copy there gets older until it is enabled`,
    ]),
});
