import type { Cluster } from './contracts/cluster.ts';
import { fail } from './contracts/failure.ts';
import {
  canonical,
  type Effect,
  type Filling,
  fillHoles,
  isApiCall,
  isNodeCall,
  type Json,
  type Plan,
  type Probe,
} from './contracts/plan.ts';

/**
 * The hands a run gets: they do the effects of its approved plan and no others, with the named holes filled.
 * An effect that is not in the plan is a bug or an attack; either way it does not leave the house.
 */
export function guardedHands(hands: Cluster, plan: Plan, filling: Filling): Cluster {
  const allowed = new Set<string>();
  for (const step of plan.steps) for (const { call } of [step, ...(step.undo ?? [])]) allowed.add(canonical(call));
  return {
    name: hands.name,
    followTask: (upid, onLog) => hands.followTask(upid, onLog),
    probe: async (probe, trace) =>
      hands.probe(filled(probe, filling, `probe ${probe.kind}`) as unknown as Probe, { ...trace, ...filling }),
    async send(call, onLog) {
      if (hands.name !== plan.cluster || !allowed.has(canonical(call))) {
        fail('internal', {
          what: `${effectName(call)} was not done`,
          why: 'the approved plan does not hold this call',
          next: 'please report this: Bascule never runs anything outside a plan',
          sent: 'no',
        });
      }
      return hands.send(filled(call, filling, effectName(call)) as unknown as Effect, onLog);
    },
  };
}

function filled(value: Effect | Probe, filling: Filling, name: string): Json {
  try {
    return fillHoles(value as unknown as Json, filling);
  } catch (error) {
    return fail(
      'internal',
      {
        what: `${name} was not done`,
        why: 'it counts time from an approval, and this run has none',
        next: 'please report this',
        sent: 'no',
      },
      error,
    );
  }
}

/** For people: `POST /nodes/ovh1/lxc`, `ct.keys.set on ovh1`, `entry alice of links`. */
export function effectName(effect: Effect): string {
  if (isApiCall(effect)) return `${effect.method} ${effect.path}`;
  if (isNodeCall(effect)) return `${effect.verb} on ${effect.node}`;
  return `entry ${effect.key} of ${effect.shelf}`;
}
