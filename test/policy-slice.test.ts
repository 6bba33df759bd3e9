import { type EntityJson, isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPolicies, shippedFiles, siteFiles } from '../policies/read.ts';
import { expandRoles } from '../policies/roles.ts';
import { allActions, schemaFor } from '../policies/schema.ts';
import { actionUid, contextFor, principalUid, resourceUid } from '../policies/world.ts';
import type { Question, Resource } from '../src/contracts/policy.ts';
import { ask, judge, robotoff, site, someActions, tuesday } from './policy-world.ts';

/** Two clusters with nodes of the same names and guests of the same numbers, and roles three levels deep. */
const clusters = ['ovh', 'home'];
const nodes = ['n1', 'n2', 'n3'];
const roles = { lead: { includes: ['sre'] }, sre: { includes: ['operator'] }, boss: { includes: ['lead', 'admin'] } };
const holders: Readonly<Record<string, readonly string[]>> = {
  vera: ['viewer'],
  olga: ['operator'],
  sam: ['sre'],
  lea: ['lead'],
  bob: ['boss'],
};
/** Who asks: people, and a schedule that is called like one of them. */
const askers: readonly Question['person'][] = [
  ...Object.entries(holders).map(([id, held]) => ({ id, roles: held })),
  { id: 'automation:snapshots', roles: [], automation: 'snapshots' },
  { id: 'automation:vera', roles: ['viewer'], automation: 'vera' },
];

const rules = [
  'forbid (principal in Role::"operator", action in Action::"read", resource in Cluster::"home")',
  'forbid (principal, action, resource in Node::"ovh/n2") unless { principal in Role::"lead" }',
  'forbid (principal in Role::"sre", action == Action::"ct.list", resource is Guest in Node::"home/n1")',
  'forbid (principal, action in Action::"changes", resource is Guest in Cluster::"ovh") when { resource.tags.contains("prod") && context.approvals.sre < 1 }',
  'forbid (principal in Role::"admin", action == Action::"approve", resource in Cluster::"ovh") when { resource.risk == "destructive" }',
  'forbid (principal is Automation, action == Action::"snapshot.keep", resource in Node::"ovh/n3")',
  'permit (principal == Automation::"snapshots", action == Action::"ct.start", resource is Guest in Cluster::"home") when { resource.tags.contains("dev") }',
  'permit (principal == Person::"vera", action == Action::"ct.start", resource is Guest in Node::"ovh/n1") when { resource has pool && resource.pool == "lab" }',
];
const ruleFiles = Object.fromEntries(rules.map((rule, i) => [`r${i}.cedar`, `@id("site.r${i}") ${rule};`]));

const guest = fc.record({
  type: fc.constant('Guest' as const),
  cluster: fc.constantFrom(...clusters),
  vmid: fc.integer({ min: 100, max: 110 }),
  name: fc.string(),
  node: fc.constantFrom(...nodes),
  tags: fc.subarray(['prod', 'dev', 'ml']),
  pool: fc.option(fc.constantFrom('lab', 'web'), { nil: undefined }),
  protected: fc.boolean(),
});
const otherResource: fc.Arbitrary<Resource> = fc.oneof(
  fc.record({ type: fc.constant('Cluster' as const), cluster: fc.constantFrom(...clusters) }),
  fc.record({
    type: fc.constant('Node' as const),
    cluster: fc.constantFrom(...clusters),
    node: fc.constantFrom(...nodes),
  }),
  fc.record({
    type: fc.constant('Request' as const),
    cluster: fc.constantFrom(...clusters),
    id: fc.constantFrom('r1', 'r2'),
    requester: fc.constantFrom(...Object.keys(holders)),
    command: fc.constant('ct destroy'),
    action: fc.constant('ct.destroy'),
    risk: fc.constantFrom('routine', 'destructive'),
  }),
);
const who = fc.constantFrom(...askers);
const votes = fc.record({ operator: fc.nat(2), sre: fc.nat(2) });

/** Everything there is as Cedar entities, written independently of policies/world.ts; the question's own things win. */
function wholeWorld(guests: readonly Resource[], resource: Resource): EntityJson[] {
  const all = new Map<string, EntityJson>();
  const add = (type: string, id: string, attrs: EntityJson['attrs'], parents: EntityJson['parents']): void => {
    all.set(`${type}::${id}`, { uid: { type, id }, attrs, parents });
  };
  // The roles each person ends up with, by hand.
  const ends: Readonly<Record<string, readonly string[]>> = {
    vera: ['viewer'],
    olga: ['operator', 'viewer'],
    sam: ['sre', 'operator', 'viewer'],
    lea: ['lead', 'sre', 'operator', 'viewer'],
    bob: ['boss', 'lead', 'sre', 'operator', 'viewer', 'admin'],
  };
  for (const [id, held] of Object.entries(ends)) {
    add(
      'Person',
      id,
      { id },
      held.map((role) => ({ type: 'Role', id: role })),
    );
  }
  for (const name of ['snapshots', 'vera']) add('Automation', name, { id: `automation:${name}` }, []);
  for (const cluster of clusters) {
    add('Cluster', cluster, { name: cluster }, []);
    for (const node of nodes)
      add('Node', `${cluster}/${node}`, { name: node, cluster }, [{ type: 'Cluster', id: cluster }]);
  }
  for (const one of [...guests, resource]) {
    if (one.type === 'Guest') {
      const { type, pool, ...rest } = one;
      const attrs = { ...rest, tags: [...rest.tags], ...(pool === undefined ? {} : { pool }) };
      add(type, `${one.cluster}/${one.vmid}`, attrs, [{ type: 'Node', id: `${one.cluster}/${one.node}` }]);
    }
    if (one.type === 'Request') {
      const { type, ...attrs } = one;
      add(type, one.id, attrs, [{ type: 'Cluster', id: one.cluster }]);
    }
  }
  return [...all.values()];
}

describe('the slice of the world that a question carries', () => {
  test('gives the same answer as the whole world, through every hierarchy', () => {
    const siteDir = site(ruleFiles);
    const ours = judge({ siteDir, roles });
    const expandedRoles = expandRoles(roles);
    const schema = schemaFor([...expandedRoles.keys()], allActions(someActions));
    const policies = readPolicies(shippedFiles('team'), siteFiles(siteDir), schema);
    const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
    const seen = new Set<string>();

    fc.assert(
      fc.property(
        fc.array(guest, { maxLength: 30 }),
        fc.oneof(guest, otherResource),
        who,
        votes,
        fc.boolean(),
        fc.nat(),
        (guests, resource, person, approvals, confirmed, pick) => {
          const possible =
            resource.type === 'Request'
              ? ['approve', 'deny', 'withdraw']
              : [...someActions.slice(0, 4).map(({ action }) => action), 'snapshot.keep'];
          const action = possible[pick % possible.length]!;
          const context = { ...tuesday, approvals, approvers: Math.max(approvals.operator, approvals.sre), confirmed };
          const question: Question = { person, action, resource, context };
          const whole = isAuthorized({
            principal: principalUid(person),
            action: actionUid(action),
            resource: resourceUid(resource),
            context: contextFor(context, expandedRoles.keys()),
            entities: wholeWorld(guests, resource),
            schema,
            validateRequest: true,
            policies: { staticPolicies },
          });
          if (whole.type !== 'success') throw new Error(JSON.stringify(whole.errors));
          const expected = whole.response.diagnostics.errors.length === 0 && whole.response.decision === 'allow';
          expect(ours.allows(question)).toBe(expected);
          for (const id of whole.response.diagnostics.reason) seen.add(id);
        },
      ),
      { numRuns: 300 },
    );
    // The property would be hollow if the rules about hierarchies never decided anything.
    expect([...seen].filter((id) => id.startsWith('site.')).length).toBeGreaterThanOrEqual(4);
  });

  test('what is remembered about lists is what would be answered anew', () => {
    const shipped = judge({ roles });
    const ours = judge({ roles, siteDir: site(ruleFiles) });
    fc.assert(
      fc.property(fc.oneof(guest, otherResource), who, fc.boolean(), fc.nat(), (resource, person, readonly, pick) => {
        const possible = {
          Guest: 'guest.see',
          Node: 'node.see',
          Cluster: 'cluster.see',
          Request: 'request.see',
          Bot: 'help',
        };
        const action = pick % 2 === 0 ? possible[resource.type] : 'ct.list';
        const question: Question = {
          person: pick % 3 === 0 ? { ...person, roles: [] } : person,
          action,
          resource,
          context: { ...tuesday, readonly, early: pick % 5 === 0 },
        };
        for (const one of [shipped, ours]) expect(one.allows(question)).toBe(one.decide(question).answer === 'allowed');
      }),
      { numRuns: 500 },
    );
  });

  test('remembering a list forgets neither the circumstances nor the groups of an action', () => {
    const channel =
      '@id("site.a") forbid (principal, action == Action::"guest.see", resource) when { context.channel == "C-lobby" };';
    const home = '@id("site.b") forbid (principal, action in Action::"changes", resource in Cluster::"home");';
    const one = judge({ siteDir: site({ 'rules.cedar': `${channel}\n${home}` }) });
    expect(one.allows(ask('vera', 'guest.see', robotoff))).toBe(true);
    expect(one.allows(ask('vera', 'guest.see', robotoff, { channel: 'C-lobby' }))).toBe(false);
    expect(one.allows(ask('vera', 'guest.see', robotoff))).toBe(true);
    expect(one.allows(ask('olga', 'ct.start', robotoff, { confirmed: true }))).toBe(true);
    expect(one.allows(ask('olga', 'ct.start', { ...robotoff, cluster: 'home' }, { confirmed: true }))).toBe(false);
  });

  test('met needs are always enough, and leaving any one out never is', () => {
    const ours = judge({ siteDir: site(ruleFiles), roles });
    const all = expandRoles(roles);
    fc.assert(
      fc.property(guest, who, votes, fc.boolean(), fc.nat(), (resource, person, approvals, confirmed, pick) => {
        const action = someActions[1 + (pick % 3)]!.action;
        const context = { ...tuesday, approvals, approvers: approvals.operator + approvals.sre, confirmed };
        const question: Question = { person, action, resource, context };
        const verdict = ours.decide(question);
        if (verdict.answer !== 'needs') return;
        expect(ours.allows({ ...question, context: met(question, verdict.needs, all) })).toBe(true);
        for (const left of verdict.needs) {
          const rest = verdict.needs.filter((need) => need !== left);
          expect(ours.allows({ ...question, context: met(question, rest, all) })).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** The circumstances once exactly these needs are met, counting votes as the card promises. */
function met(
  { context }: Question,
  needs: ReturnType<ReturnType<typeof judge>['decide']>['needs'],
  all: ReadonlyMap<string, readonly string[]>,
) {
  const approvals: Record<string, number> = { ...context.approvals };
  let { approvers, confirmed, typed } = context;
  const strongestFirst = [...needs].sort((a, b) =>
    a.kind === 'approvals' && b.kind === 'approvals' ? all.get(b.role)!.length - all.get(a.role)!.length : 0,
  );
  for (const need of strongestFirst) {
    if (need.kind === 'confirmation') confirmed = true;
    if (need.kind === 'typed-confirmation') [confirmed, typed] = [true, true];
    if (need.kind !== 'approvals') continue;
    for (let have = approvals[need.role] ?? 0; have < need.need; have++) {
      for (const role of all.get(need.role)!) approvals[role] = (approvals[role] ?? 0) + 1;
      approvers++;
    }
  }
  return { ...context, approvals, approvers, confirmed, typed };
}
