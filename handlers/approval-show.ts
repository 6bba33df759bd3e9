import { defineCommand } from '../src/contracts/command.ts';
import { option, optional, request } from './options.ts';
import { effectText, inParts } from './parts/effects.ts';
import { requestFacts, voteLines } from './parts/requests.ts';

const part = option<number>({
  summary: 'Which part of a long plan; default: the first',
  example: 'part:2',
  read: (text) => (/^[1-9]\d{0,3}$/.test(text) ? { value: Number(text) } : { problem: 'part is a number from 1' }),
});

export const approvalShow = defineCommand({
  name: 'approval show',
  summary: 'One request: its plan, its risks and who said what',
  examples: ['approval show id:2sjvpvxb', 'approval show id:2sjvpvxb part:2'],
  options: { id: request, part: optional(part) },
  positional: ['id'],
  action: 'approval.show',
  risk: 'read',
  private: true,
  needsCluster: false,
  async answer({ id, part: wanted = 1 }, { records, clock, zone, root }) {
    const found = await records.request(id);
    const { plan } = found;
    // Whole: this is what people approve, so no card may cut it.
    const parts = inParts(plan.steps.map(({ says, call }) => `${says}\n${effectText(call)}`).join('\n\n'));
    const shown = Math.min(wanted, parts.length);
    const more =
      parts.length > shown ? [`The plan goes on: ${root}approval show id:${found.id} part:${shown + 1}`] : [];
    return {
      title: `${found.id}: ${plan.title}${parts.length > 1 ? ` (${shown} of ${parts.length})` : ''}`,
      tone:
        found.state === 'in-doubt' || found.state === 'failed'
          ? 'bad'
          : found.state === 'waiting'
            ? 'warning'
            : 'plain',
      ...(shown === 1
        ? {
            lines: [...plan.risks.map((risk) => `Risk: ${risk.says}`), ...voteLines(found, zone), ...more],
            facts: [...requestFacts(found, zone, clock.now()), ...plan.observations],
          }
        : { lines: more }),
      code: parts.slice(shown - 1, shown),
      footer: `${root}run show ${found.id} · ${root}audit show ${found.id}`,
      private: true,
    };
  },
});
