import type { ReplicationJob, ReplicationState } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { guest, optional } from './options.ts';
import { attempt } from './parts/guests.ts';
import { count, span } from './parts/units.ts';

export const replicationList = defineCommand({
  name: 'replication list',
  summary: 'Replication jobs, and how old each copy is',
  examples: ['replication list', 'replication list 103'],
  options: { vmid: optional(guest, 'Only the jobs of this guest') },
  positional: ['vmid'],
  action: 'replication.list',
  risk: 'read',
  async answer({ vmid }, context) {
    const { view, clock, root } = context;
    const only = vmid === undefined ? undefined : await view.findGuest(vmid);
    const jobs = (await view.replicationJobs()).filter((job) => !only || job.guest === only.vmid);
    if (jobs.length === 0) {
      const whose = only ? `${only.vmid} ${only.name}` : 'guests that you may see';
      return {
        title: `${view.name}: no replication job of ${whose}`,
        tone: 'plain',
        footer: `${root}replication add makes one`,
      };
    }
    const [guests, states] = await Promise.all([view.guests(), statesByJob(context)]);
    const names = new Map(guests.map((each) => [each.vmid, each.name]));
    const now = clock.now() / 1000;
    const rows = jobs.map((job) => ({ job, state: stateText(job, states.get(job.id), now) }));
    const bad = rows.filter(({ state }) => !state.well).length;
    return {
      title: `${view.name}: ${count(jobs.length, 'replication job')}, ${bad === 0 ? 'all well' : `${bad} need a look`}`,
      tone: bad === 0 ? 'good' : 'warning',
      table: {
        columns: ['Job', 'Guest', 'From', 'To', 'Schedule', 'Copy', 'State'],
        rows: rows.map(({ job, state }) => [
          job.id,
          names.get(job.guest) ?? '?',
          states.get(job.id)?.source ?? job.source ?? '?',
          job.target,
          job.schedule,
          ageText(states.get(job.id), now),
          state.text,
        ]),
      },
    };
  },
});

/** Only the node a guest is on now tells the state of its jobs (FACTS 4.3). */
async function statesByJob({ view }: ReadContext): Promise<ReadonlyMap<string, ReplicationState>> {
  const up = (await view.nodes()).filter((node) => node.online);
  const answers = await Promise.all(up.map((node) => attempt(() => view.replicationState(node.name))));
  const states = answers.flatMap((answer) => ('value' in answer ? answer.value : []));
  return new Map(states.map((state) => [state.id, state]));
}

function ageText(state: ReplicationState | undefined, now: number): string {
  if (!state) return 'unknown';
  return state.lastSync > 0 ? `${span(now - state.lastSync)} old` : 'never';
}

/** FACTS 4.3, the table of readings. `next_sync` is 0, 1 or in 1970 in special states: never subtracted blindly. */
function stateText(
  job: ReplicationJob,
  state: ReplicationState | undefined,
  now: number,
): { readonly text: string; readonly well: boolean } {
  if (job.removing) return { text: 'being removed', well: true };
  if (!state) return { text: 'unknown (source node down)', well: false };
  if (state.failCount > 0) {
    const next = state.nextSync === 0 ? ', target offline' : '';
    return { text: `FAILED ${state.failCount}×${next}: ${state.error ?? 'no reason given'}`, well: false };
  }
  if (job.disabled) return { text: 'DISABLED', well: false };
  if (state.running) return { text: 'running now', well: true };
  if (state.lastSync === 0) return { text: 'never run, or just taken over', well: false };
  const overdue = now > state.nextSync + 2 * (state.duration ?? 0) + 60;
  return overdue ? { text: 'OVERDUE', well: false } : { text: 'ok', well: true };
}
