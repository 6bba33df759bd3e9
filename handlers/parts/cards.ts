import type { Card, Fact } from '../../src/contracts/card.ts';
import type { Guest } from '../../src/contracts/cluster.ts';
import type { Plan, Target } from '../../src/contracts/plan.ts';
import type { RunRecord } from '../../src/contracts/records.ts';

/** A preview that most changes share: title, lines, what was seen. The pipeline adds the dangers and what is missing. */
export function previewCard(plan: Plan, lines: readonly string[], facts: readonly Fact[] = plan.observations): Card {
  return {
    title: plan.title,
    tone: plan.risks.length > 0 ? 'warning' : 'plain',
    lines,
    facts,
  };
}

export function resultCard(title: string, run: RunRecord, lines: readonly string[] = []): Card {
  return { title, tone: 'good', lines, footer: `Run ${run.id}` };
}

/** A guest as the target of a plan; `identity` is its MAC where it has one. */
export function guestTarget(
  guest: Guest,
  more: { readonly identity?: string; readonly protected?: boolean } = {},
): Target {
  return {
    kind: 'guest',
    id: String(guest.vmid),
    name: guest.name,
    node: guest.node,
    vmid: guest.vmid,
    tags: [...guest.tags].sort(),
    ...(guest.pool ? { pool: guest.pool } : {}),
    ...(more.identity ? { identity: more.identity } : {}),
    ...(more.protected === undefined ? {} : { protected: more.protected }),
  };
}

/** A plan's intent as text; empty for a value that is not there. */
export function intentText(plan: Plan, key: string): string {
  const value = plan.intent[key];
  return value === undefined || value === null ? '' : String(value);
}
