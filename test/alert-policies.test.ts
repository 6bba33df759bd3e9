import { describe, expect, test } from 'vitest';
import { nextMorning } from '../handlers/alert-snooze.ts';
import { commands } from '../handlers/index.ts';
import type { Resource } from '../src/contracts/policy.ts';
import { configSchema } from '../src/settings.ts';
import { ask, judge } from './policy-world.ts';
import { refusalOf } from './views/ask.ts';
import { fourNodes } from './views/fake-view.ts';

/** Who may do what about incidents, what the config says of alerts, and what is refused. */

const here: Resource = { type: 'Cluster', cluster: 'ovh' };

describe.each(['team', 'strict', 'solo'] as const)('preset %s', (preset) => {
  const judged = judge({ preset, actions: commands.map(({ action, risk }) => ({ action, risk })) });
  const may = (roles: string[], action: string, more = {}) =>
    judged.decide({ ...ask('somebody', action, here, more), person: { id: 'somebody', roles } }).answer;

  test('operators and up acknowledge, snooze and test with one click; viewers only look', () => {
    for (const action of ['alert.ack', 'alert.snooze', 'alert.test']) {
      expect([may([], action), may(['viewer'], action), may(['operator'], action), may(['admin'], action)]).toEqual([
        'denied',
        'denied',
        'allowed',
        'allowed',
      ]);
      expect(may(['operator'], action, { readonly: true })).toBe('allowed');
    }
    expect(may(['viewer'], 'alert.list')).toBe('allowed');
    expect(may([], 'alert.list')).toBe('denied');
  });

  test('a silence is confirmed by who asks', () => {
    for (const action of ['alert.silence', 'alert.unsilence']) {
      expect(may(['viewer'], action, { confirmed: true })).toBe('denied');
      expect(may(['operator'], action)).toBe('needs');
      expect(may(['operator'], action, { confirmed: true })).toBe('allowed');
    }
  });
});

describe('the config', () => {
  const read = (alerts: unknown) =>
    configSchema.parse({ clusters: { off: { urls: ['https://a:8006'], token: 't', alerts } } }).clusters['off']!.alerts;

  test('keeps the simple list, and takes rules', () => {
    expect(read([{ slack: 'C1' }])[0]).toMatchObject({ slack: 'C1', severity: 'warning', kinds: [], digest: true });
    const quiet = { from: '22:00', to: '07:00', breakThrough: true };
    expect(
      read([
        {
          discord: '1',
          severity: 'critical',
          kinds: ['backup-*'],
          tags: ['prod'],
          mentions: ['role:123456789012345678'],
          quiet,
        },
      ])[0],
    ).toMatchObject({ quiet });
  });

  test.each([
    ['a time that is none', { quiet: { from: '24:00', to: '07:00' } }, 'must be a time of day such as 22:00'],
    [
      'quiet hours without length',
      { quiet: { from: '07:00', to: '07:00' } },
      'must not begin and end at the same time',
    ],
    ['a mention that is a name', { mentions: ['@oncall'] }, 'must be a platform id'],
    ['a kind that cannot be', { kinds: ['*backup'] }, 'must be a kind such as backup-failed, or backup-*'],
    ['a severity that is none', { severity: 'fatal' }, 'Invalid'],
  ])('refuses %s', (_name, rule, says) => {
    expect(() => read([{ slack: 'C1', ...rule }])).toThrow(says);
  });
});

test('a silence must say what about, and of what there is', async () => {
  const refused = async (options: Record<string, string>) =>
    (await refusalOf('alert silence', options, fourNodes())).why;
  expect(await refused({})).toBe('it must say what about');
  expect(await refused({ kind: 'backup-failed' })).toBe('without an end it needs a reason');
  expect(await refused({ node: 'ovh9', for: '1h' })).toBe('there is no node ovh9');
  expect((await refusalOf('alert unsilence', { id: 's234567' }, fourNodes())).why).toContain('there is none by the id');
});

test('morning is eight by the clock, whatever the clocks do that night', () => {
  const at = (iso: string) => new Date(nextMorning(Date.parse(iso), 'Europe/Paris')).toISOString();
  expect(at('2026-11-20T22:00:00Z')).toBe('2026-11-21T07:00:00.000Z');
  expect(at('2026-11-21T06:59:00Z')).toBe('2026-11-21T07:00:00.000Z');
  expect(at('2026-11-21T07:00:00Z')).toBe('2026-11-22T07:00:00.000Z');
  expect(at('2026-03-28T22:00:00Z')).toBe('2026-03-29T06:00:00.000Z');
  expect(at('2026-10-24T22:00:00Z')).toBe('2026-10-25T07:00:00.000Z');
});
