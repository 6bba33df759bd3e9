import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BUILT_IN_ACTIONS } from '../policies/index.ts';
import type { Circumstances } from '../src/contracts/policy.ts';
import { needLine } from '../src/contracts/policy.ts';
import { ask, judge, request, robotoff, site, tuesday, votesOf } from './policy-world.ts';

const readme = readFileSync(new URL('../policies/README.md', import.meta.url), 'utf8');
const examples = [...readme.matchAll(/```cedar\n([\s\S]*?)```/g)].map(([, text]) => text!);

describe('policies/README.md', () => {
  test('names every built-in action and every circumstance', () => {
    const missing = [...BUILT_IN_ACTIONS.map(({ action }) => action), ...Object.keys(tuesday)].filter(
      (name) => !readme.includes(`\`${name}\``),
    );
    expect(missing).toEqual([]);
  });

  test('shows three policies that load and do what it says', () => {
    expect(examples).toHaveLength(3);
    const siteDir = site(Object.fromEntries(examples.map((text, i) => [`${i}.cedar`, text])));
    const { decide } = bound(siteDir);

    const one = { approvals: { operator: 1, sre: 1 }, approvers: 1 };
    expect(decide(ask('olga', 'ct.create', robotoff, one)).needs.map((need) => needLine(need))).toEqual([
      '1 of 2 approvals from sre',
    ]);
    expect(decide(ask('olga', 'ct.create', { ...robotoff, tags: [] }, one)).answer).toBe('allowed');

    const quiet = { ...robotoff, tags: [] };
    const hours = (over: Partial<Circumstances>) => decide(ask('ada', 'ct.destroy', quiet, { ...votesOf(1), ...over }));
    expect(hours({ weekday: 5, minuteOfDay: 16 * 60 + 59 }).answer).toBe('allowed');
    expect(hours({ weekday: 5, minuteOfDay: 17 * 60 }).why).toBe(
      'Destroying is possible Monday to Friday from 9:00 to 17:00.',
    );
    expect(hours({ weekday: 6 }).answer).toBe('denied');

    const home = { ...quiet, cluster: 'home' };
    expect(decide(ask('olga', 'ct.start', home, { confirmed: true })).policies).toEqual(['site.home-has-a-channel']);
    expect(decide(ask('olga', 'ct.start', home, { confirmed: true, channel: 'C0HOME' })).answer).toBe('allowed');
    expect(decide(ask('otto', 'approve', request({ cluster: 'home' }))).answer).toBe('denied');
    expect(decide(ask('otto', 'approve', request({ cluster: 'ovh' }))).answer).toBe('allowed');
    expect(decide(ask('otto', 'deny', request({ cluster: 'home' }))).answer).toBe('allowed');
  });

  test('is right that a permit for some guests has to let the first question pass', () => {
    const roles = { dev: { includes: ['viewer'] } };
    const permit = (when: string) =>
      judge({
        roles,
        siteDir: site({
          'dev.cedar': `@id("site.dev") permit (principal in Role::"dev", action == Action::"ct.start", resource) when { ${when} };`,
        }),
      });
    const dev = { id: 'dana', roles: ['dev'] };
    const first = { ...ask('dana', 'ct.start', { type: 'Cluster', cluster: 'ovh' }, { early: true }), person: dev };
    const guests = (tags: string[]) => ({ ...ask('dana', 'ct.start', { ...robotoff, tags }), person: dev });
    const narrow = 'resource is Guest && resource.tags.contains("dev")';
    expect(permit(narrow).decide(first).answer).toBe('denied');
    expect(permit(`context.early || (${narrow})`).decide(first).answer).toBe('allowed');
    expect(permit(`context.early || (${narrow})`).decide(guests(['dev'])).needs).toEqual([{ kind: 'confirmation' }]);
    expect(permit(`context.early || (${narrow})`).decide(guests(['prod'])).answer).toBe('denied');
  });
});

function bound(siteDir: string) {
  const one = judge({ siteDir, roles: { sre: {} } });
  return { decide: one.decide.bind(one) };
}
