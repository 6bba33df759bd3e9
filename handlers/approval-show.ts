import { defineCommand } from '../src/contracts/command.ts';
import { request } from './options.ts';
import { effectText } from './parts/effects.ts';
import { requestFacts, voteLines } from './parts/requests.ts';

export const approvalShow = defineCommand({
  name: 'approval show',
  summary: 'One request: its plan, its risks and who said what',
  examples: ['approval show id:2sjvpvxb'],
  options: { id: request },
  positional: ['id'],
  action: 'approval.show',
  risk: 'read',
  private: true,
  needsCluster: false,
  async answer({ id }, { records, clock, zone, root }) {
    const found = await records.request(id);
    const { plan } = found;
    return {
      title: `${found.id}: ${plan.title}`,
      tone:
        found.state === 'in-doubt' || found.state === 'failed'
          ? 'bad'
          : found.state === 'waiting'
            ? 'warning'
            : 'plain',
      lines: [...plan.risks.map((risk) => `Risk: ${risk.says}`), ...voteLines(found, zone)],
      facts: [...requestFacts(found, zone, clock.now()), ...plan.observations],
      code: plan.steps.map(({ says, call }) => `${says}\n${effectText(call)}`),
      footer: `${root}run show ${found.id} · ${root}audit show ${found.id}`,
      private: true,
    };
  },
});
