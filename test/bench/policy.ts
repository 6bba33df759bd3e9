import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPolicies } from '../../policies/index.ts';
import type { Circumstances, Judge, Question, Resource } from '../../src/contracts/policy.ts';

const SITE_POLICIES = 200;
const GUESTS = 10_000;
const WARM_UP = 500;
const QUESTIONS = 4_000;

const context: Circumstances = {
  platform: 'slack',
  channel: 'C1',
  risk: 'routine',
  riskCodes: ['running', 'prod-tag'],
  weekday: 2,
  minuteOfDay: 842,
  approvals: { operator: 1, sre: 1 },
  approvers: 1,
  confirmed: true,
  typed: false,
  secondFactor: false,
  proven: false,
  reason: '',
  readonly: false,
  early: false,
};

/** The first question about a plan, when nobody has said anything: the search for what is missing is part of it. */
const unanswered = { approvals: {}, approvers: 0, confirmed: false };

const actions = [
  { action: 'ct.show', risk: 'read' },
  { action: 'ct.start', risk: 'routine' },
  { action: 'ct.reboot', risk: 'disruptive' },
  { action: 'ct.destroy', risk: 'destructive' },
] as const;

/** One policy after the other as sites write them: about tags, pools, nodes, hours, channels and approvals. */
function sitePolicy(number: number): string {
  const rules = [
    `forbid (principal, action in Action::"destructive", resource is Guest) when { resource.tags.contains("team-${number}") } unless { context.approvals.sre >= 2 };`,
    `forbid (principal, action in Action::"changes", resource is Guest in Node::"site/pve-${number}") unless { principal in Role::"sre" };`,
    `forbid (principal, action in Action::"disruptive", resource) when { context.channel == "C-${number}" && context.minuteOfDay < 480 };`,
    `permit (principal in Role::"sre", action in Action::"changes", resource is Guest) when { resource has pool && resource.pool == "pool-${number}" };`,
  ];
  return `@id("site.${number}")\n${rules[number % rules.length]}\n`;
}

function world(): readonly Resource[] {
  return Array.from({ length: GUESTS }, (_, i) => ({
    type: 'Guest',
    cluster: 'site',
    vmid: 100 + i,
    name: `guest-${i}`,
    node: `pve-${(i % 16) * 200 + 3}`,
    tags: [`team-${i % 50}`, 'prod'],
    pool: `pool-${i % 20}`,
    protected: i % 3 === 0,
  }));
}

/** Nearest-rank percentile of `sorted`, which must not be empty. */
const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!;

/**
 * Milliseconds per `decide()` with 200 site policies over a world of 10,000 guests, reading, routine, disruptive
 * and destructive questions in turn, so verdicts of every kind, the search for what is missing included.
 */
export async function benchPolicy(): Promise<{ p50: number; p99: number }> {
  const siteDir = mkdtempSync(join(tmpdir(), 'bascule-bench-'));
  try {
    for (let i = 0; i < SITE_POLICIES; i++) writeFileSync(join(siteDir, `${i}.cedar`), sitePolicy(i));
    const judge = loadPolicies({ preset: 'team', roles: { sre: { includes: ['operator'] } }, actions, siteDir });
    return measure(judge, world());
  } finally {
    rmSync(siteDir, { recursive: true });
  }
}

function measure(judge: Judge, guests: readonly Resource[]): { p50: number; p99: number } {
  const took: number[] = [];
  const answers = new Set<string>();
  for (let i = 0; i < WARM_UP + QUESTIONS; i++) {
    const { action, risk } = actions[i % actions.length]!;
    const question: Question = {
      person: { id: `person-${i % 100}`, roles: i % 8 < 4 ? ['operator'] : ['admin', 'sre'] },
      action,
      // A stride prime to the number of guests visits all of them in no order.
      resource: guests[(i * 7919) % guests.length]!,
      context: { ...context, risk, ...(i % 3 === 0 ? unanswered : {}) },
    };
    const begin = performance.now();
    const verdict = judge.decide(question);
    if (i >= WARM_UP) took.push(performance.now() - begin);
    answers.add(verdict.answer);
  }
  if (answers.size < 3) throw new Error(`the questions were all answered alike: ${[...answers].join(', ')}`);
  took.sort((a, b) => a - b);
  return { p50: percentile(took, 0.5), p99: percentile(took, 0.99) };
}
