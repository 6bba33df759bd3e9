import type { Fact } from '../../src/contracts/card.ts';
import type { RequestRecord, RequestState, RunRecord, StepRecord } from '../../src/contracts/records.ts';
import { dateTime, span } from './units.ts';

/** How requests and runs are told. */

/** States in which something may still happen. */
export const OPEN: readonly RequestState[] = ['waiting', 'approved', 'running', 'undoing', 'in-doubt'];

const STATES: Readonly<Record<RequestState, string>> = {
  waiting: 'waiting for approval',
  approved: 'approved, about to run',
  running: 'running',
  undoing: 'being undone',
  done: 'done',
  failed: 'failed',
  'in-doubt': 'IN DOUBT: a person must look',
  denied: 'denied',
  withdrawn: 'withdrawn',
  expired: 'expired',
  superseded: 'replaced by a newer plan',
};

export function stateText(state: RequestState): string {
  return STATES[state];
}

/** Who said what to this plan; votes on an older plan do not count and say so. */
export function voteLines(request: RequestRecord, zone: string): readonly string[] {
  const verbs = { approve: 'approved', deny: 'denied', confirm: 'confirmed', proof: 'proved' } as const;
  return request.votes.map((vote) => {
    const old = vote.fingerprint === request.fingerprint ? '' : ' (an older plan, does not count)';
    const reason = vote.reason ? `: ${vote.reason}` : '';
    return `${dateTime(vote.at, zone)} ${vote.person} ${verbs[vote.kind]}${old}${reason}`;
  });
}

export function requestFacts(request: RequestRecord, zone: string, now: number): readonly Fact[] {
  const left = request.expiresAt - now;
  return [
    { label: 'State', value: `${stateText(request.state)}${request.note ? `: ${inLine(request.note)}` : ''}` },
    {
      label: 'Asked by',
      value: `${request.requester} on ${request.actor.platform}, ${dateTime(request.createdAt, zone)}`,
    },
    { label: 'Risk', value: [request.risk, ...request.plan.risks.map((risk) => risk.code)].join(', ') },
    { label: 'Typed', value: typedAgain(request) },
    ...(request.state === 'waiting' && left > 0 ? [{ label: 'Expires', value: `in ${span(left / 1000)}` }] : []),
    ...(request.endedAt === undefined ? [] : [{ label: 'Ended', value: dateTime(request.endedAt, zone) }]),
  ];
}

/** A card's cells and facts are of one line each. */
export const inLine = (text: string): string => text.trim().replaceAll(/\s*\n\s*/g, '; ');

function typedAgain({ command, options }: RequestRecord): string {
  return [command, ...Object.entries(options).map(([name, value]) => `${name}:${value}`)].join(' ');
}

const STEP_STATES: Readonly<Record<StepRecord['state'], string>> = {
  pending: 'not begun',
  intent: 'running',
  done: 'done',
  failed: 'FAILED',
  'in-doubt': 'IN DOUBT',
  undone: 'undone',
  'undo-failed': 'NOT UNDONE',
};

export function stepRows(run: RunRecord): readonly (readonly string[])[] {
  return run.steps.map((step) => [
    step.says,
    STEP_STATES[step.state],
    step.startedAt !== undefined && step.endedAt !== undefined ? span((step.endedAt - step.startedAt) / 1000) : '',
    inLine(step.note),
  ]);
}
