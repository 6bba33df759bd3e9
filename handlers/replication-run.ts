import { defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { runReplicationStep } from '../src/contracts/steps.ts';
import { job } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { reachable } from './parts/checks.ts';
import { ageOf, findJob, jobPlan, stateOf } from './parts/jobs.ts';
import { span } from './parts/units.ts';

/** The scheduler looks once a minute; a copy may take as long as it takes, but somebody waits for this one. */
const SCHEDULER = 90;
const LONGEST = 1800;

export const replicationRun = defineCommand({
  name: 'replication run',
  summary: 'Copy a guest to its replica now, without waiting for the schedule',
  examples: ['replication run 103-0', 'replication run job:103'],
  options: { job },
  positional: ['job'],
  action: 'replication.run',
  risk: 'routine',
  version: 1,
  async plan({ job }, context) {
    const known = await findJob(job, context, 'run');
    const { guest } = known;
    const what = `replication job ${known.job.id} was not run`;
    if (known.job.disabled) {
      fail('conflict', {
        what,
        why: 'it is disabled, and the scheduler passes over disabled jobs',
        next: `${context.root}replication enable job:${known.job.id}`,
      });
    }
    const target = (await context.everything.nodes()).find((node) => node.name === known.job.target);
    if (!target?.online) {
      fail('unavailable', { what, why: `its target ${known.job.target} is offline`, next: 'wait until it is back' });
    }
    const guards = [...known.guards, await reachable(guest, context, what)];
    const state = await stateOf(known.job, guest, context);
    if (state?.running) {
      fail('conflict', { what, why: 'it is copying right now', next: `look again: ${context.root}replication list` });
    }
    const seconds = Math.min(LONGEST, SCHEDULER + Math.max(120, Math.ceil(5 * (state?.duration ?? 0))));
    return jobPlan('replication run', 'Run', { ...known, guards }, context, {
      step: runReplicationStep(known.job.id, guest.node, known.job.target, seconds),
      // After a failover the first run from here wipes what only the old node still holds (FACTS 1.7).
      risks:
        state && state.lastSync > 0
          ? []
          : [
              {
                code: 'overwrites-target',
                says: `it has no known run from ${guest.node}: the first one makes ${known.job.target} equal to it, and what only ${known.job.target} still holds is lost`,
              },
            ],
      observations: [
        { label: 'Last copy', value: ageOf(state, context) },
        ...(state?.duration ? [{ label: 'Took', value: span(state.duration) }] : []),
        ...(state?.failCount
          ? [{ label: 'Failed', value: `${state.failCount}×: ${state.error ?? 'no reason given'}` }]
          : []),
      ],
    });
  },
  preview: (plan) =>
    previewCard(plan, [
      `It begins with the next full minute; ${intentText(plan, 'target')} then holds what is here now`,
    ]),
  result: (plan, run) =>
    resultCard(`Replication job ${intentText(plan, 'job')} has run`, run, [
      `${intentText(plan, 'target')} holds a copy from after this was asked for`,
    ]),
});
