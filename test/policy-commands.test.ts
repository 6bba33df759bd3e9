import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BUILT_IN_ACTIONS, type PolicyAction } from '../policies/index.ts';
import type { Command } from '../src/contracts/command.ts';
import type { Question, Resource } from '../src/contracts/policy.ts';
import { judge, request, robotoff, someActions, tuesday } from './policy-world.ts';

const registry = new URL('../handlers/index.ts', import.meta.url);
if (!existsSync(registry))
  console.log('no handlers/index.ts: the policies are held against a few made-up commands only');

/** Every action of every command, or of a few made-up ones. */
async function everyAction(): Promise<readonly PolicyAction[]> {
  if (!existsSync(registry)) return someActions;
  const { commands } = (await import(registry.href)) as { commands: readonly Command[] };
  return commands.map(({ action, risk }) => ({ action, risk }));
}

const actions = await everyAction();
const changes = actions.filter(({ risk }) => risk === 'routine' || risk === 'disruptive' || risk === 'destructive');
const presets = ['team', 'strict', 'solo'] as const;
const resources: readonly Resource[] = [
  { type: 'Cluster', cluster: 'ovh' },
  { type: 'Node', cluster: 'ovh', node: 'ovh1' },
  robotoff,
  request({ requester: 'somebody' }),
  request({ requester: 'ada' }),
  { type: 'Bot' },
];
const everyRole = ['viewer', 'operator', 'admin', 'sre'];

function question(action: string, resource: Resource, roles: readonly string[], over = {}): Question {
  return { person: { id: 'ada', roles }, action, resource, context: { ...tuesday, ...over } };
}

describe.each(presets)('preset %s', (preset) => {
  const { decide, allows } = bound(preset);

  test('no command that changes a cluster runs for any role when nobody has said yes', () => {
    expect(changes.length).toBeGreaterThan(0);
    for (const { action, risk } of changes) {
      for (const resource of resources) {
        for (const roles of [[], ...everyRole.map((role) => [role]), everyRole]) {
          const asked = question(action, resource, roles, { risk });
          const verdict = decide(asked);
          expect(verdict.answer, `${action} on ${resource.type} for ${roles}`).not.toBe('allowed');
          expect(verdict.answer === 'needs' ? verdict.needs.length : 1).toBeGreaterThan(0);
          // Apart from the preset, the rule that is always on refuses as well.
          if (verdict.answer === 'needs') expect(verdict.policies).toContain('common.nothing-unseen');
          expect(allows(asked)).toBe(false);
        }
      }
    }
  });

  test('no command that changes a cluster runs in read-only mode, whoever has approved', () => {
    const plenty = {
      readonly: true,
      confirmed: true,
      typed: true,
      secondFactor: true,
      reason: 'because',
      approvers: 9,
    };
    const approvals = Object.fromEntries(everyRole.map((role) => [role, 9]));
    for (const { action, risk } of changes) {
      for (const resource of resources) {
        expect(decide(question(action, resource, everyRole, { ...plenty, approvals, risk })).answer).toBe('denied');
      }
    }
  });

  test('every command and every built-in action can be reached by an admin', () => {
    const reachable = ({ action }: PolicyAction): boolean =>
      resources.some((resource) => decide(question(action, resource, ['admin'])).answer !== 'denied');
    expect([...actions, ...BUILT_IN_ACTIONS].filter((action) => !reachable(action))).toEqual([]);
  });

  test('a viewer changes nothing, not even with every approval', () => {
    const plenty = { confirmed: true, typed: true, approvers: 9, approvals: { operator: 9 } };
    for (const { action, risk } of changes) {
      for (const resource of resources) {
        expect(decide(question(action, resource, ['viewer'], { ...plenty, risk })).answer).toBe('denied');
      }
    }
  });
});

function bound(preset: (typeof presets)[number]) {
  const one = judge({ preset, actions, roles: { sre: { includes: ['operator'] } } });
  return { decide: one.decide.bind(one), allows: one.allows.bind(one) };
}
