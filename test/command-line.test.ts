import { describe, expect, test } from 'vitest';
import { commands } from '../handlers/index.ts';
import { expandRoles } from '../policies/index.ts';
import { portOf, pveOf, readArguments } from '../src/arguments.ts';
import { Failed } from '../src/contracts/failure.ts';
import { explain, type Imagined } from '../src/explain.ts';
import { judgeFor } from '../src/main.ts';
import { roleTable } from '../src/people.ts';
import { configSchema } from '../src/settings.ts';

function explained(command: string, imagined: Imagined = {}, more: Record<string, unknown> = {}): string {
  const config = configSchema.parse({
    clusters: { home: { urls: ['https://192.0.2.11:8006'], token: 'bascule@pve!watch=secret' } },
    people: { alice: { roles: ['admin'] }, vera: { roles: ['viewer'] } },
    ...more,
  });
  const roles = expandRoles(roleTable(config));
  return explain({ config, judge: judgeFor(config), roles, commands, command, now: 0, imagined }).join('\n');
}

const failureOf = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    if (error instanceof Failed) return error.failure;
    throw error;
  }
  throw new Error('it did not fail');
};

describe('bascule policy explain', () => {
  test('tells for each role who may, with whose yes, and by which policy', () => {
    const text = explained('ct destroy', {}, { policy: { preset: 'strict' } });
    expect(text).toMatch(/^ct destroy \(destructive\) in cluster home, for a guest without tags:$/m);
    expect(text).toMatch(/^ {2}viewer: no: No policy permits ct\.destroy for role viewer/m);
    expect(text).toMatch(/^ {2}admin: needs 0 of 2 approvals from operator \[.*strict\.destructive/m);
  });

  test('tells for one person, and what a look, a request and read-only mode change', () => {
    expect(explained('quorum', { person: 'vera' })).toMatch(/^ {2}vera: yes \[/m);
    expect(explained('ct start', { person: 'alice' })).toContain('alice: needs confirmation by alice');
    expect(explained('run cancel', { person: 'alice' })).toMatch(/^ {2}alice: yes \[/m);
    expect(explained('run cancel', { person: 'vera' })).toMatch(/^ {2}vera: no: /m);
    expect(explained('ct start', { person: 'alice' }, { readonly: true })).toContain(
      'alice: no: The bot is in read-only',
    );
  });

  test('every command can be explained', () => {
    for (const { name } of commands) expect(explained(name), name).not.toContain('could not be asked');
  });

  test('what is not there is refused with what there is', () => {
    expect(failureOf(() => explained('ct stp')).why).toBe('there is no command ct stp');
    expect(failureOf(() => explained('ct stop', { person: 'bob' })).next).toBe('its people: alice, vera');
    expect(failureOf(() => explained('ct stop', { person: 'constructor' })).next).toBe('its people: alice, vera');
    expect(failureOf(() => explained('ct stop', { cluster: 'away' })).next).toBe('its clusters: home');
  });
});

describe('the command line', () => {
  test('an option nobody knows is answered without a stack', () => {
    expect(failureOf(() => readArguments(['start', '--confg', 'x']))).toMatchObject({
      why: "Unknown option '--confg'",
      next: 'bascule --help lists what there is',
    });
  });

  test('a port is a port, and a version one that is simulated', () => {
    expect([portOf('0', '--port'), portOf('65535', '--port'), portOf(undefined, '--port')]).toEqual([
      0,
      65_535,
      undefined,
    ]);
    for (const wrong of ['abc', '65536', '-1', '', '1e3'])
      expect(failureOf(() => portOf(wrong, '--port')).kind).toBe('bad-input');
    expect([pveOf('8.4'), pveOf('9.2'), pveOf(undefined)]).toEqual(['8.4', '9.2', '9.2']);
    expect(failureOf(() => pveOf('7')).next).toBe('--pve 8.4 or --pve 9.2');
  });
});
