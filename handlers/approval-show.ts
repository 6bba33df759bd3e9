import { defineCommand } from '../src/contracts/command.ts';
import { request } from './options.ts';
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
      code: plan.steps.map(({ says, call }) => `${says}\n${call.method} ${call.path}${parameters(call.params)}`),
      footer: `${root}run show ${found.id} · ${root}audit show ${found.id}`,
      private: true,
    };
  },
});

function parameters(params: Readonly<Record<string, unknown>>): string {
  return Object.entries(params)
    .map(([name, value]) => `\n  ${name}=${String(value).replaceAll('\n', '\\n')}`)
    .join('');
}
