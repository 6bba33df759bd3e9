import { defineCommand } from '../src/contracts/command.ts';
import { request } from './options.ts';
import { requestFacts, stateText, stepRows } from './parts/requests.ts';

export const runShow = defineCommand({
  name: 'run show',
  summary: 'What a run did, step by step, and what it left behind',
  examples: ['run show id:2sjvpvxb'],
  options: { id: request },
  positional: ['id'],
  action: 'run.show',
  risk: 'read',
  needsCluster: false,
  async answer({ id }, { records, clock, zone, root }) {
    const found = await records.request(id);
    const run = await records.run(id);
    const upids = run.steps.flatMap((step) => (step.upid ? [step.upid] : []));
    const commands = run.left.filter((line) => line.startsWith('ssh '));
    const left = run.left.filter((line) => !line.startsWith('ssh '));
    const code = [commands, upids].filter((block) => block.length > 0).map((block) => block.join('\n'));
    const bad = run.state === 'failed' || run.state === 'in-doubt';
    return {
      title: `${found.plan.title}: ${stateText(run.state)}`,
      tone: bad
        ? 'bad'
        : run.state === 'done'
          ? 'good'
          : run.state === 'running' || run.state === 'undoing'
            ? 'busy'
            : 'plain',
      lines: [...(run.steps.length === 0 ? ['No step was begun'] : []), ...left.map((line) => `Left: ${line}`)],
      facts: requestFacts(found, zone, clock.now()),
      ...(run.steps.length > 0 ? { table: { columns: ['Step', 'State', 'Took', 'Said'], rows: stepRows(run) } } : {}),
      ...(code.length > 0 ? { code } : {}),
      footer: `${root}audit show ${found.id} for everything`,
    };
  },
});
