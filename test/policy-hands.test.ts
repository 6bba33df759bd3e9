import { describe, expect, test } from 'vitest';
import { needLine } from '../src/contracts/policy.ts';
import { ask, asksItself, judge, request, robotoff, site, votesOf } from './policy-world.ts';

/** What the shipped policies say of keys, files and the bot's own schedules. */
const presets = ['team', 'strict', 'solo'] as const;
const judges = Object.fromEntries(presets.map((preset) => [preset, bound({ preset })])) as Record<
  (typeof presets)[number],
  ReturnType<typeof bound>
>;
const cluster = { type: 'Cluster', cluster: 'ovh' } as const;
const lines = (verdict: ReturnType<(typeof judges)['team']['decide']>) => verdict.needs.map((need) => needLine(need));

describe.each(presets)('preset %s', (preset) => {
  const { decide } = judges[preset];

  test('a viewer sees neither who can log in nor what is written in files; an operator does', () => {
    for (const action of ['ssh.who', 'file.contents']) {
      expect(decide(ask('vera', action)).answer).toBe('denied');
      expect(decide(ask('olga', action)).answer).toBe('allowed');
      expect(decide(ask('ada', action)).answer).toBe('allowed');
    }
  });

  test('key-drift ends keys that were taken away, and can do nothing else', () => {
    const sync = (codes: string[], who = 'key-drift', action = 'ssh.sync') =>
      decide(asksItself(who, action, robotoff, { riskCodes: codes, risk: 'disruptive' })).answer;
    expect(sync(['only-removals'])).toBe('allowed');
    expect(sync(['only-removals', 'stopped'])).toBe('allowed');
    expect(sync([])).toBe('denied');
    expect(sync(['stale-keys'])).toBe('denied');
    expect(sync(['only-removals'], 'snapshots')).toBe('denied');
    expect(sync(['only-removals'], 'key-drift', 'ssh.grant')).toBe('denied');
    expect(sync(['only-removals'], 'key-drift', 'ct.destroy')).toBe('denied');
  });

  test('snapshots keeps snapshots, queued-grants gives what waited, and neither does the other’s work', () => {
    expect(decide(asksItself('snapshots', 'snapshot.keep')).answer).toBe('allowed');
    expect(decide(asksItself('queued-grants', 'snapshot.keep')).answer).toBe('denied');
    for (const action of ['ssh.grant', 'ssh.revoke'])
      expect(decide(asksItself('queued-grants', action, robotoff, { riskCodes: ['queued'] })).answer).toBe('allowed');
    expect(decide(asksItself('queued-grants', 'ssh.revoke', robotoff, { riskCodes: [] })).answer).toBe('denied');
    expect(decide(asksItself('queued-grants', 'ssh.grant', robotoff, { riskCodes: ['sudo'] })).answer).toBe('denied');
    expect(decide(asksItself('snapshots', 'ssh.grant', robotoff, { riskCodes: ['queued'] })).answer).toBe('denied');
    expect(decide(asksItself('made-up', 'snapshot.keep')).answer).toBe('denied');
  });

  test('access-reconcile clears what is left of leases that are over, and ends no other', () => {
    const revoke = (codes: string[], who = 'access-reconcile', action = 'ssh.revoke') =>
      decide(asksItself(who, action, robotoff, { riskCodes: codes })).answer;
    expect(revoke(['ended', 'foreign-lines'])).toBe('allowed');
    expect(revoke([])).toBe('denied');
    expect(revoke(['ended'], 'key-drift')).toBe('denied');
    expect(revoke(['ended'], 'access-reconcile', 'ssh.grant')).toBe('denied');
  });

  test('a schedule looks, but not at the audit and not into files, and decides nothing', () => {
    expect(decide(asksItself('key-drift', 'guest.see')).answer).toBe('allowed');
    expect(decide(asksItself('key-drift', 'ssh.who')).answer).toBe('allowed');
    expect(decide(asksItself('key-drift', 'audit.show')).answer).toBe('denied');
    expect(decide(asksItself('key-drift', 'file.contents')).answer).toBe('denied');
    for (const action of ['approve', 'deny', 'withdraw', 'run.cancel', 'person.prove']) {
      expect(decide(asksItself('key-drift', action, request())).answer).toBe('denied');
      expect(decide(asksItself('key-drift', action, request({ requester: 'automation:key-drift' }))).answer).toBe(
        'denied',
      );
    }
  });

  test('in read-only mode schedules change nothing either', () => {
    const verdict = decide(asksItself('snapshots', 'snapshot.keep', robotoff, { readonly: true }));
    expect([verdict.answer, verdict.policies]).toEqual(['denied', ['common.read-only']]);
  });

  test('nobody becomes a schedule by being called like one', () => {
    const named = { id: 'automation:snapshots', roles: [] };
    expect(decide({ ...ask('x', 'snapshot.keep'), person: named }).answer).toBe('denied');
    expect(decide({ ...ask('x', 'snapshot.keep'), person: { id: 'snapshots', roles: ['viewer'] } }).answer).toBe(
      'denied',
    );
  });

  test('what a schedule may do unseen, a person may not', () => {
    const verdict = decide(ask('ada', 'snapshot.keep'));
    expect([verdict.answer, lines(verdict)]).toEqual(['needs', ['confirmation by the requester']]);
    expect(verdict.policies).toContain('common.nothing-unseen');
  });

  test('only who asked may prove, and a viewer may not ask', () => {
    expect(decide(ask('olga', 'person.prove', request({ requester: 'olga' }))).answer).toBe('allowed');
    expect(decide(ask('ada', 'person.prove', request({ requester: 'olga' }))).answer).toBe('denied');
    expect(decide(ask('vera', 'person.add', cluster)).answer).toBe('denied');
  });

  test('a proof links an account by itself, and helps with nothing else', () => {
    expect(decide(ask('olga', 'person.add', cluster, { proven: true })).answer).toBe('allowed');
    for (const action of ['ssh.grant', 'ct.start', 'ct.create', 'file.restore'])
      expect(decide(ask('olga', action, robotoff, { proven: true })).answer).toBe('needs');
    expect(decide(ask('ada', 'ct.destroy', robotoff, { proven: true })).answer).toBe('needs');
    expect(decide(ask('olga', 'person.add', cluster, { proven: true, readonly: true })).answer).toBe('denied');
  });
});

describe('what it takes', () => {
  test.each(['team', 'strict'] as const)('%s: linking an account tells both ways', (preset) => {
    const { decide } = judges[preset];
    expect(lines(decide(ask('olga', 'person.add', cluster)))).toEqual([
      '0 of 1 approval from operator, or the proof of the requester, by a signature, that the account is theirs',
    ]);
    expect(decide(ask('olga', 'person.add', cluster, votesOf(1))).answer).toBe('allowed');
    expect(lines(decide(ask('olga', 'ssh.grant')))).toEqual(['0 of 1 approval from operator']);
  });

  test('solo: the one admin types the name, or proves', () => {
    const { decide } = judges.solo;
    expect(decide(ask('ada', 'person.add', cluster)).needs).toEqual([{ kind: 'typed-confirmation' }]);
    expect(decide(ask('ada', 'person.add', cluster, { confirmed: true, typed: true })).answer).toBe('allowed');
  });

  test('writing over a file takes somebody else’s yes, or in solo the name typed; beside it a confirmation', () => {
    const over = { riskCodes: ['overwrites'] };
    for (const preset of ['team', 'strict'] as const) {
      const { decide } = judges[preset];
      expect(lines(decide(ask('olga', 'file.restore', robotoff, over)))).toEqual(['0 of 1 approval from operator']);
      expect(decide(ask('olga', 'file.restore', robotoff, { ...over, confirmed: true, typed: true })).answer).toBe(
        'needs',
      );
      expect(decide(ask('olga', 'file.restore', robotoff, { ...over, ...votesOf(1) })).answer).toBe('allowed');
    }
    expect(judges.solo.decide(ask('olga', 'file.restore', robotoff, over)).needs).toEqual([
      { kind: 'typed-confirmation' },
    ]);
    for (const preset of presets)
      expect(judges[preset].decide(ask('olga', 'file.restore')).needs).toEqual([{ kind: 'confirmation' }]);
  });

  test('a site that wants both an approval and a proof gets both, and says so', () => {
    const rule =
      '@id("site.both") forbid (principal, action == Action::"person.add", resource) unless { context.proven };';
    const more =
      '@id("site.more") forbid (principal, action == Action::"person.add", resource) unless { context.approvals.admin >= 1 };';
    const { decide } = bound({ siteDir: site({ 'both.cedar': rule + more }) });
    const verdict = decide(ask('olga', 'person.add', cluster));
    expect(lines(verdict)).toEqual([
      '0 of 1 approval from admin',
      'the proof of the requester, by a signature, that the account is theirs',
    ]);
    expect(decide(ask('olga', 'person.add', cluster, { ...votesOf(1, 'admin'), proven: true })).answer).toBe('allowed');
  });

  test('a rule of the site binds schedules too, unless it says that it is for people', () => {
    const rule = (who: string) =>
      bound({
        siteDir: site({
          'prod.cedar': `@id("site.prod") forbid (${who}, action in Action::"changes", resource is Guest) when { resource.tags.contains("prod") } unless { context.approvals.operator >= 1 };`,
        }),
      });
    const asked = asksItself('snapshots', 'snapshot.keep');
    expect(lines(rule('principal').decide(asked))).toEqual(['0 of 1 approval from operator']);
    expect(rule('principal is Person').decide(asked).answer).toBe('allowed');
  });
});

function bound(options: Parameters<typeof judge>[0]) {
  const one = judge(options);
  return { decide: one.decide.bind(one) };
}
