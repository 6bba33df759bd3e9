import { defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { switchReplicationStep } from '../src/contracts/steps.ts';
import { job } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { ageOf, findJob, jobPlan, stateOf } from './parts/jobs.ts';

export const replicationEnable = defineCommand({
  name: 'replication enable',
  summary: 'Let a paused replication job run again',
  examples: ['replication enable 103-0'],
  options: { job },
  positional: ['job'],
  action: 'replication.enable',
  risk: 'routine',
  version: 1,
  async plan({ job }, context) {
    const known = await findJob(job, context, 'enabled');
    if (!known.job.disabled) {
      fail('conflict', {
        what: `replication job ${known.job.id} was not enabled`,
        why: 'it is enabled already',
        next: 'nothing to do',
      });
    }
    const state = await stateOf(known.job, known.guest, context);
    return jobPlan('replication enable', 'Enable', known, context, {
      step: switchReplicationStep(known.job.id, false),
      // After a failover the job is reversed and has never run: its first run wipes the old node's last minutes (FACTS 1.7).
      risks:
        state && state.lastSync > 0
          ? []
          : [
              {
                code: 'overwrites-target',
                says: `it has no known run from ${known.guest.node}: the first one makes ${known.job.target} equal to it, and what only ${known.job.target} still holds is lost`,
              },
            ],
      observations: [
        { label: 'Last copy', value: ageOf(state, context) },
        { label: 'Schedule', value: known.job.schedule },
      ],
    });
  },
  preview: (plan) =>
    previewCard(plan, [
      `${intentText(plan, 'target')} is overwritten with what is new at the next run of its schedule`,
    ]),
  result: (plan, run) => resultCard(`Replication job ${intentText(plan, 'job')} is enabled`, run),
});
