import { defineCommand } from '../src/contracts/command.ts';
import { canonical, type Effect, isApiCall, isNodeCall, type Json } from '../src/contracts/plan.ts';
import { cut } from '../src/contracts/visible.ts';
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
      code: plan.steps.map(({ says, call }) => `${says}\n${inWords(call)}`),
      footer: `${root}run show ${found.id} · ${root}audit show ${found.id}`,
      private: true,
    };
  },
});

/** What a step sends, to the API, to a node or into our own books. */
function inWords(effect: Effect): string {
  if (isApiCall(effect)) return `${effect.method} ${effect.path}${parameters(effect.params)}`;
  if (isNodeCall(effect)) return `${effect.cluster}/${effect.node} ${effect.verb}${parameters(effect.args)}`;
  const { shelf, key, value } = effect;
  return value === null ? `forget ${shelf} ${key}` : `note ${shelf} ${key}${parameters({ value })}`;
}

/** Scripts are long; their SHA-256 stands beside them. */
const LONGEST = 300;

function parameters(params: { readonly [name: string]: Json }): string {
  return Object.entries(params)
    .map(([name, value]) => `\n  ${name}=${cut(inLine(value), LONGEST)}`)
    .join('');
}

function inLine(value: Json): string {
  return (typeof value === 'string' ? value : canonical(value)).replaceAll('\n', '\\n');
}
