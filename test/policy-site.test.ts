import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitPolicies } from '../policies/split.ts';
import { needLine } from '../src/contracts/policy.ts';
import { ask, judge, refusal, robotoff, site, votesOf } from './policy-world.ts';

const sre = { sre: {} };

/** Loads one site file and says how it was refused, without the folder's random name. */
function refused(text: string, roles: Parameters<typeof judge>[0] = { roles: sre }): string {
  return refusal(() => judge({ ...roles, siteDir: site({ 'rules.cedar': text }) })).replaceAll(/\S*\/rules/g, 'rules');
}

describe('a site policy that does not fit is refused with its line', () => {
  test('an unknown action, with what was meant', () => {
    const why = refused(
      '// A typo.\n@id("a")\nforbid (\n  principal,\n  action == Action::"ct.detsroy",\n  resource\n);',
    );
    expect(why).toContain('rules.cedar:5: ');
    expect(why).toContain('unrecognized action `Action::"ct.detsroy"`');
    expect(why).toContain('did you mean');
  });

  test('a role that is not configured, as a principal and among the approvals', () => {
    expect(refused('@id("a") permit (principal in Role::"ser", action in Action::"read", resource);')).toContain(
      'valid entity eids',
    );
    const why = refused(
      '@id("a")\nforbid (principal, action in Action::"destructive", resource)\nunless { context.approvals.ser >= 2 };',
    );
    expect(why).toContain('rules.cedar:3: ');
    expect(why).toContain('did you mean `sre`');
  });

  test('an attribute that the resource may not have', () => {
    const why = refused(
      '@id("a") forbid (principal, action in Action::"destructive", resource) when { resource.tags.contains("prod") };',
    );
    expect(why).toMatch(/^rules\.cedar:1: .*attribute `tags`.* not found/);
  });

  test('text that is not Cedar, with the line counted past umlauts', () => {
    const why = refused('// Größenänderung für alle: ÄÖÜ\n@id("ä")\n// ÄÖÜ\nforbid (principal, action\nresource);');
    expect(why).toContain('rules.cedar:5: unexpected token `resource`');
    expect(refused('@id("a") permit (principal, action, resource) when { "')).toContain('rules.cedar:1: ');
  });

  test('a policy without a name, and a name used twice or taken by a shipped one', () => {
    expect(refused('\n\nforbid (principal, action, resource);')).toBe(
      'rules.cedar:3: a policy needs a name: write @id("…") above it',
    );
    const twice = '@id("a") forbid (principal, action in Action::"read", resource) when { context.readonly };\n';
    expect(refused(twice + twice)).toMatch(/rules\.cedar:2: @id\("a"\) is taken by .*rules\.cedar:1/);
    expect(refused(twice.replace('"a"', '"common.own-request"'))).toMatch(/is taken by .*common\.cedar:\d+/);
  });

  test('a policy that can never apply, since it would protect nothing', () => {
    expect(refused('@id("a") forbid (principal, action == Action::"guest.see", resource is Request);')).toContain(
      'rules.cedar:1: ',
    );
  });

  test('a template, and a rule about the roles of a requester, which no question carries', () => {
    expect(refused('@id("a") permit (principal == ?principal, action, resource);')).toContain('template');
    expect(
      refused(
        '@id("a") forbid (principal, action == Action::"approve", resource) when { resource.requester in Role::"sre" };',
      ),
    ).toContain('rules.cedar:1: ');
  });

  test('every fault of every file is named at once', () => {
    const folder = site({
      'a.cedar': '@id("a") permit (nonsense);',
      'b.cedar': '@id("b") permit (principal, action == Action::"x", resource);',
    });
    const why = refusal(() => judge({ siteDir: folder }));
    expect(why).toMatch(/a\.cedar:1: .*\n.*b\.cedar:1: /);
  });

  test('a folder that is not there, and a role that includes none', () => {
    expect(refusal(() => judge({ siteDir: '/nowhere/policies' }))).toBe('/nowhere/policies cannot be read (ENOENT)');
    expect(refusal(() => judge({ roles: { sre: { includes: ['opreator'] } } }))).toBe(
      'role sre includes opreator, which is not a role',
    );
  });

  test('two commands that disagree about the risk of one action', () => {
    const actions = [
      { action: 'ct.x', risk: 'routine' },
      { action: 'ct.x', risk: 'read' },
    ] as const;
    expect(refusal(() => judge({ actions }))).toBe('action ct.x cannot be used: it is called both routine and read');
    expect(refusal(() => judge({ actions: [{ action: 'approve', risk: 'read' }] }))).toContain('action approve');
  });
});

describe('the card says exactly what is missing', () => {
  const lines = (rules: string, over = {}, roles: Parameters<typeof judge>[0] = { roles: sre }) => {
    const verdict = judge({ ...roles, siteDir: site({ 'rules.cedar': rules }) }).decide(
      ask('ada', 'ct.destroy', robotoff, over),
    );
    return verdict.answer === 'needs' ? verdict.needs.map((need) => needLine(need)) : [verdict.answer, verdict.why];
  };
  const rule = (unless: string) =>
    `@id("site.rule") forbid (principal, action in Action::"changes", resource) unless { ${unless} };`;

  test('two of the custom role sre, of whom one has approved', () => {
    const have = { approvals: { sre: 1, operator: 1 }, approvers: 1 };
    expect(lines(rule('context.approvals.sre >= 2'), have)).toEqual(['1 of 2 approvals from sre']);
  });

  test('a vote of a role counts for the roles it includes, so fewer people are asked for', () => {
    const roles = { sre: { includes: ['operator'] } };
    expect(lines(rule('context.approvals.sre >= 1'), {}, { roles })).toEqual(['0 of 1 approval from sre']);
    expect(lines(rule('context.approvals.sre >= 1'), {}, { roles: sre })).toEqual([
      '0 of 1 approval from sre',
      '0 of 1 approval from operator',
    ]);
    expect(lines(rule('context.approvals.sre >= 1'), {}, { roles, preset: 'strict' })).toEqual([
      '0 of 2 approvals from operator',
      '0 of 1 approval from sre',
    ]);
  });

  test('the fewest votes among alternatives', () => {
    const either = rule('context.approvals.sre >= 3 || context.approvals.admin >= 1');
    expect(lines(either)).toEqual(['0 of 1 approval from admin']);
  });

  test('people of any role are asked for under the least role that may approve', () => {
    expect(lines(rule('context.approvers >= 3'))).toEqual(['0 of 3 approvals from operator']);
  });

  test('a confirmation rather than typing, and typing rather than a reason or a second factor', () => {
    const free = 'context.confirmed || context.typed || context.approvers >= 1';
    expect(lines(rule(free), votesOf(1))).toEqual(['allowed', '']);
    const solo = { preset: 'solo', roles: sre } as const;
    expect(lines(rule(free), {}, solo)).toEqual(["confirmation by the requester, typing the target's name or number"]);
    expect(lines(rule('context.reason != "" || context.secondFactor'), {}, solo)).toEqual([
      "confirmation by the requester, typing the target's name or number",
      'a reason',
    ]);
    expect(lines(rule('context.secondFactor'), {}, solo)).toEqual([
      "confirmation by the requester, typing the target's name or number",
      'a second factor from the requester',
    ]);
  });

  test('nothing is promised when a rule can be met by nobody', () => {
    const why = 'Not before the freeze ends.';
    const frozen = `@id("site.freeze") @says("${why}") forbid (principal, action in Action::"changes", resource) when { context.weekday == 2 };`;
    expect(lines(frozen)).toEqual(['denied', why]);
    expect(lines(rule('context.approvals.sre >= 100'))).toEqual(['denied', 'Forbidden by policy site.rule.']);
  });

  test('a rule over many roles still gets an answer, of which no vote can be left out', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const roles = Object.fromEntries(names.map((name) => [name, {}]));
    const all = rule(names.map((name) => `context.approvals.${name} >= 1`).join(' && '));
    const needed = [...names, 'operator'].map((name) => `0 of 1 approval from ${name}`);
    expect(lines(all, {}, { roles }).sort()).toEqual(needed.sort());
  });
});

describe('a site tightens, and never loosens, the preset', () => {
  test('a wide permit does not skip the approval', () => {
    const folder = site({ 'wide.cedar': '@id("site.wide") permit (principal, action, resource);' });
    const verdict = judge({ siteDir: folder }).decide(
      ask('nobody', 'ct.destroy', robotoff, { confirmed: true, typed: true }),
    );
    expect(verdict.needs).toEqual([{ kind: 'approvals', role: 'operator', have: 0, need: 1 }]);
  });

  test('files that are not policies are left alone, and two loads of one folder answer alike', () => {
    const folder = site({
      'README.md': 'not cedar (',
      'x.cedar': '@id("site.x") forbid (principal, action in Action::"read", resource);',
    });
    expect(judge({ siteDir: folder }).allows(ask('ada', 'ct.list'))).toBe(false);
    expect(judge({ siteDir: folder }).allows(ask('ada', 'ct.list'))).toBe(false);
    expect(judge().allows(ask('ada', 'ct.list'))).toBe(true);
  });
});

describe('a file is cut into its policies', () => {
  test('at semicolons, but not those in texts and comments', () => {
    const file = '// a; b "\n@id("x;\\"//;") permit (a); // tail; "\r\n\r\n  @id("y")\nforbid (b)\n// inner;\n; // end';
    expect(splitPolicies('f', file)).toEqual([
      { file: 'f', line: 2, text: '@id("x;\\"//;") permit (a);' },
      { file: 'f', line: 4, text: '@id("y")\nforbid (b)\n// inner;\n;' },
    ]);
    expect(splitPolicies('f', '\uFEFF // nothing here;\n')).toEqual([]);
  });

  test('without losing or moving a character, whatever the file holds', () => {
    const scrap = fc.constantFrom('"', '\\', '/', '//', ';', '\n', 'permit', ' ', 'ö', '@id("a")');
    fc.assert(
      fc.property(fc.array(scrap, { maxLength: 40 }), (scraps) => {
        const file = scraps.join('');
        let from = 0;
        for (const { line, text } of splitPolicies('f', file)) {
          // A comment before it may hold the same characters, so look from its own line on.
          const start =
            file
              .split('\n')
              .slice(0, line - 1)
              .join('\n').length + (line > 1 ? 1 : 0);
          const at = file.indexOf(text, Math.max(from, start));
          expect(at).toBeGreaterThanOrEqual(from);
          const between = file.slice(from, at);
          expect(between.replaceAll(/\/\/[^\n]*/g, '').trim()).toBe('');
          expect(line).toBe(file.slice(0, at).split('\n').length);
          from = at + text.length;
        }
        expect(
          file
            .slice(from)
            .replaceAll(/\/\/[^\n]*/g, '')
            .trim(),
        ).toBe('');
      }),
    );
  });
});
