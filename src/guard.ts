import type { Cluster } from './contracts/cluster.ts';
import { fail } from './contracts/failure.ts';
import { type Call, canonical, fillHoles, type Json, type Plan, type Probe } from './contracts/plan.ts';

/**
 * The hands a run gets: they make the calls of its approved plan and no others, with the named holes filled.
 * A call that is not in the plan is a bug or an attack; either way it does not leave the house.
 */
export function guardedHands(hands: Cluster, plan: Plan, run: string): Cluster {
  const allowed = new Set<string>();
  for (const step of plan.steps) for (const { call } of [step, ...(step.undo ?? [])]) allowed.add(canonical(call));
  return {
    name: hands.name,
    followTask: (upid, onLog) => hands.followTask(upid, onLog),
    probe: (probe, trace) => hands.probe(fillProbe(probe, run), trace),
    async send(call) {
      if (hands.name !== plan.cluster || !allowed.has(canonical(call))) {
        fail('internal', {
          what: `${call.method} ${call.path} was not sent`,
          why: 'the approved plan does not hold this call',
          next: 'please report this: Bascule never runs anything outside a plan',
          sent: 'no',
        });
      }
      return hands.send(fillCall(call, run));
    },
  };
}

function fillCall(call: Call, run: string): Call {
  const params = Object.entries(call.params).map(
    ([name, value]) => [name, typeof value === 'string' ? fillHoles(value, run) : value] as const,
  );
  return { ...call, params: Object.fromEntries(params) };
}

function fillProbe(probe: Probe, run: string): Probe {
  const filled = Object.entries(probe).map(
    ([name, value]: [string, Json]) => [name, typeof value === 'string' ? fillHoles(value, run) : value] as const,
  );
  return Object.fromEntries(filled) as Probe;
}
