import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BUILT_IN_ACTIONS } from '../policies/index.ts';
import { shippedFiles } from '../policies/read.ts';
import { splitPolicies } from '../policies/split.ts';
import { ask, judge, request, robotoff, site, someActions, tuesday, votesOf } from './policy-world.ts';

const no = 'denied';
const yes = 'allowed';
const confirm = 'confirmation';
const type = 'typed-confirmation';
const one = '1 operator';
const two = '2 operator';

// biome-ignore format: this is a table
const table = {
  //                        nobody  vera   olga     ada
  team: {
    'ct.list':    { nobody: no, vera: yes, olga: yes,     ada: yes },
    'ct.start':   { nobody: no, vera: no,  olga: confirm, ada: confirm },
    'ct.create':  { nobody: no, vera: no,  olga: one,     ada: one },
    'ct.destroy': { nobody: no, vera: no,  olga: no,      ada: one },
  },
  strict: {
    'ct.list':    { nobody: no, vera: yes, olga: yes,     ada: yes },
    'ct.start':   { nobody: no, vera: no,  olga: confirm, ada: confirm },
    'ct.create':  { nobody: no, vera: no,  olga: one,     ada: one },
    'ct.destroy': { nobody: no, vera: no,  olga: no,      ada: two },
  },
  solo: {
    'ct.list':    { nobody: no, vera: yes, olga: yes,     ada: yes },
    'ct.start':   { nobody: no, vera: no,  olga: confirm, ada: confirm },
    'ct.create':  { nobody: no, vera: no,  olga: type,    ada: type },
    'ct.destroy': { nobody: no, vera: no,  olga: no,      ada: type },
  },
} as const;

/** The verdict in one word, as in the table. */
function answer(preset: keyof typeof table, who: string, action: string): string {
  const verdict = judge({ preset }).decide(ask(who, action));
  if (verdict.answer !== 'needs') return verdict.answer;
  return verdict.needs
    .map((need) => (need.kind === 'approvals' ? `${need.need} ${need.role}` : need.kind))
    .join(' and ');
}

describe('who may do what, and what it takes', () => {
  for (const [preset, actions] of Object.entries(table)) {
    for (const [action, row] of Object.entries(actions)) {
      test(`preset ${preset}, ${action}: ${Object.entries(row)
        .map(([who, what]) => `${who} ${what}`)
        .join(', ')}`, () => {
        const found = Object.keys(row).map((who) => [who, answer(preset as keyof typeof table, who, action)]);
        expect(Object.fromEntries(found)).toEqual(row);
      });
    }
  }

  test('whatever the card named is enough, and one thing less is not', () => {
    for (const preset of ['team', 'strict', 'solo'] as const) {
      const { decide } = bound(preset);
      expect(decide(ask('olga', 'ct.start', robotoff, { confirmed: true })).answer).toBe('allowed');
      expect(decide(ask('olga', 'ct.start')).answer).toBe('needs');
    }
    expect(bound('team').decide(ask('ada', 'ct.destroy', robotoff, votesOf(1))).answer).toBe('allowed');
    expect(bound('strict').decide(ask('ada', 'ct.destroy', robotoff, votesOf(1))).answer).toBe('needs');
    expect(bound('strict').decide(ask('ada', 'ct.destroy', robotoff, votesOf(2))).answer).toBe('allowed');
    expect(bound('solo').decide(ask('ada', 'ct.destroy', robotoff, { confirmed: true })).answer).toBe('needs');
    expect(bound('solo').decide(ask('ada', 'ct.destroy', robotoff, { confirmed: true, typed: true })).answer).toBe(
      'allowed',
    );
  });

  test('confirming alone does not replace the other person', () => {
    const verdict = judge().decide(
      ask('ada', 'ct.destroy', robotoff, { confirmed: true, typed: true, secondFactor: true }),
    );
    expect(verdict.needs).toEqual([{ kind: 'approvals', role: 'operator', have: 0, need: 1 }]);
    expect(verdict.policies).toEqual(['team.destructive']);
  });

  test('only admins read the audit, and help is for everyone', () => {
    const { decide } = bound('team');
    expect(decide(ask('olga', 'audit.show', { type: 'Bot' })).answer).toBe('denied');
    expect(decide(ask('ada', 'audit.show', { type: 'Bot' })).answer).toBe('allowed');
    expect(decide(ask('nobody', 'whoami', { type: 'Bot' })).answer).toBe('allowed');
  });

  test('a refusal says in plain words which role lacks which permission', () => {
    const { decide } = bound('team');
    expect(decide(ask('vera', 'ct.start')).why).toBe('No policy permits ct.start for role viewer.');
    expect(decide(ask('nobody', 'ct.list')).why).toBe(
      'You hold no role here, and no policy permits ct.list without one.',
    );
  });
});

describe('deciding about requests', () => {
  test('nobody approves their own request, admins included, in any preset', () => {
    for (const preset of ['team', 'strict', 'solo'] as const) {
      const verdict = bound(preset).decide(ask('ada', 'approve', request({ requester: 'ada' })));
      expect(verdict.answer).toBe('denied');
      expect(verdict.policies).toEqual(['common.own-request']);
      expect(verdict.why).toBe('You asked for this yourself; someone else has to approve it.');
    }
  });

  test('operators approve and deny what others asked for, viewers do not', () => {
    const { allows } = bound('team');
    expect(allows(ask('otto', 'approve', request()))).toBe(true);
    expect(allows(ask('otto', 'deny', request()))).toBe(true);
    expect(allows(ask('vera', 'approve', request()))).toBe(false);
    expect(allows(ask('vera', 'deny', request()))).toBe(false);
  });

  test('a request is withdrawn by who asked or by an operator, not by a bystander', () => {
    const { allows } = bound('team');
    for (const action of ['withdraw', 'run.cancel']) {
      expect(allows(ask('vera', action, request({ requester: 'vera' })))).toBe(true);
      expect(allows(ask('vera', action, request()))).toBe(false);
      expect(allows(ask('otto', action, request()))).toBe(true);
      expect(allows(ask('nobody', action, request({ requester: 'nobody' })))).toBe(false);
    }
  });
});

describe('read-only mode', () => {
  const frozen = { readonly: true, confirmed: true, typed: true, ...votesOf(5) };

  test('refuses every change and every approval, and no vote lifts it', () => {
    for (const { action, risk } of someActions.filter(({ risk }) => risk !== 'read' && risk !== 'control')) {
      const verdict = judge().decide(ask('ada', action, robotoff, { ...frozen, risk }));
      expect([verdict.answer, verdict.policies]).toEqual(['denied', ['common.read-only']]);
      expect(verdict.why).toContain('read-only mode');
    }
    expect(judge().allows(ask('ada', 'approve', request(), frozen))).toBe(false);
  });

  test('still lets people look, deny, withdraw, stop a run and end it', () => {
    for (const action of ['deny', 'withdraw', 'run.cancel']) {
      expect(judge().allows(ask('ada', action, request(), frozen))).toBe(true);
    }
    expect(judge().allows(ask('vera', 'ct.list', robotoff, frozen))).toBe(true);
    expect(judge().allows(ask('ada', 'readonly.off', { type: 'Bot' }, frozen))).toBe(true);
    expect(judge().allows(ask('olga', 'readonly.off', { type: 'Bot' }, frozen))).toBe(false);
  });
});

describe('the first question, before there is a plan', () => {
  test('lets pass what approvals could still permit', () => {
    expect(judge().decide(ask('ada', 'ct.destroy', { type: 'Cluster', cluster: 'ovh' }, { early: true })).answer).toBe(
      'allowed',
    );
  });

  test('refuses what nothing can lift', () => {
    const cluster = { type: 'Cluster', cluster: 'ovh' } as const;
    expect(judge().decide(ask('olga', 'ct.destroy', cluster, { early: true })).answer).toBe('denied');
    expect(judge().decide(ask('ada', 'ct.destroy', cluster, { early: true, readonly: true })).answer).toBe('denied');
  });
});

describe('whatever goes wrong is a no', () => {
  const boom = site({
    'boom.cedar': `// Multiplies until it overflows.
@id("site.boom")
forbid (principal, action in Action::"read", resource)
when { context.minuteOfDay * 9223372036854775807 > 3 };`,
  });

  test('an error inside a forbid refuses instead of skipping the forbid', () => {
    const verdict = judge({ siteDir: boom }).decide(ask('ada', 'ct.list'));
    expect(verdict.answer).toBe('denied');
    expect(verdict.policies).toEqual(['site.boom']);
    expect(verdict.why).toMatch(/^Policy site\.boom failed: integer overflow/);
    expect(judge({ siteDir: boom }).allows(ask('ada', 'ct.list'))).toBe(false);
  });

  test('an action nobody registered is refused by name', () => {
    const verdict = judge().decide(ask('ada', 'ct.explode'));
    expect(verdict.answer).toBe('denied');
    expect(verdict.why).toContain('Action::"ct.explode"');
  });

  test('numbers that are none, and a role that does not exist, never open anything', () => {
    for (const approvers of [Number.NaN, 1.5, Number.POSITIVE_INFINITY]) {
      expect(judge().decide(ask('ada', 'ct.destroy', robotoff, { approvers })).answer).toBe('denied');
    }
    const ghost = { ...ask('x', 'ct.list'), person: { id: 'x', roles: ['ghost', '__proto__'] } };
    expect(judge().decide(ghost).answer).toBe('denied');
    expect(judge().decide(ask('ada', 'ct.create', robotoff, votesOf(3, 'ghost'))).answer).toBe('needs');
  });

  test('hostile text in every field is only text', () => {
    const nasty = '"]; permit(principal, action, resource); //\u202e\u0000';
    const guest = { ...robotoff, cluster: nasty, name: nasty, node: nasty, tags: [nasty], pool: nasty };
    const context = { ...tuesday, channel: nasty, platform: nasty, riskCodes: [nasty], reason: nasty };
    expect(
      judge().decide({ person: { id: nasty, roles: [nasty] }, action: 'ct.list', resource: guest, context }).answer,
    ).toBe('denied');
    expect(
      judge().decide({ person: { id: nasty, roles: ['viewer'] }, action: 'ct.list', resource: guest, context }).answer,
    ).toBe('allowed');
  });
});

describe('the shipped policies', () => {
  const everything = ['team', 'strict', 'solo'].flatMap((preset) => shippedFiles(preset));
  const sources = new Map([...new Set(everything)].map((file) => [file, readFileSync(file, 'utf8')]));

  test('each has a comment in plain words right above its name', () => {
    for (const [file, source] of sources) {
      const lines = source.split('\n');
      for (const { line } of splitPolicies(file, source)) {
        expect(lines[line - 1], `${file}:${line}`).toMatch(/^@id\("/);
        expect(lines[line - 2], `${file}:${line}`).toMatch(/^\/\/ [A-Z].*\.$/);
      }
    }
  });

  test('load with nothing but the built-in actions', () => {
    for (const preset of ['team', 'strict', 'solo'] as const)
      expect(() => judge({ preset, actions: [] })).not.toThrow();
    expect(BUILT_IN_ACTIONS.map(({ action }) => action)).toContain('withdraw');
  });
});

function bound(preset: 'team' | 'strict' | 'solo') {
  const one = judge({ preset });
  return { decide: one.decide.bind(one), allows: one.allows.bind(one) };
}
