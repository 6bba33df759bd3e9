import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { parseConfig, readConfig } from '../src/config.ts';
import { Failed } from '../src/contracts/failure.ts';
import type { Config } from '../src/settings.ts';

const SECRET = 'xoxb-the-marked-secret';
const env = { SLACK: SECRET, APP: 'xapp-marked-secret', PVE: 'bot@pve!b=marked-secret', SHORT: 'a' };
const FILE = '/etc/bascule/bascule.yaml';

const slack = ['slack:', '  botToken: ${env:SLACK}', '  appToken: ${env:APP}'];
const cluster = ['clusters:', '  home:', '    urls: [https://pve.example:8006]', '    token: ${env:PVE}'];
const text = (...lines: readonly string[]) => `${lines.join('\n')}\n`;
const parse = (source: string): Config => parseConfig(source, FILE, env);

const folder = mkdtempSync(join(tmpdir(), 'bascule-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What is wrong, one line each; anything but a Failed is a bug. */
function wrong(...lines: readonly string[]): string[] {
  try {
    parse(text(...lines));
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    expect(error.failure.kind).toBe('bad-input');
    expect(inspect(error, { depth: 9 })).not.toContain('marked-secret');
    return error.failure.why.split('\n').map((line) => line.replace(`${FILE}:`, ''));
  }
  throw new Error('the config was taken');
}

describe('a config that is right', () => {
  test('a first one is short, and everything else has a default', () => {
    const config = parse(text(...slack, ...cluster));
    expect(config).toMatchObject({
      slack: { command: '/pve', apiUrl: 'https://slack.com/api/' },
      people: {},
      everyone: 'none',
      policy: { preset: 'team' },
      readonly: false,
      requestHours: 1,
      store: { file: '/etc/bascule/var/bascule.sqlite' },
      log: 'info',
    });
    expect(config.clusters['home']).toMatchObject({ zone: 'UTC', channels: [], sites: {} });
    expect(config.clusters['home']?.house.ct).toMatchObject({
      address: '10.1.0.{vmid}/24',
      swap: 256,
      unprivileged: true,
      onboot: true,
      protection: true,
      replicateTo: [],
      replicateSchedule: '*/5',
    });
  });

  test('secrets come from the environment and from files beside the config', () => {
    writeFileSync(join(folder, 'token'), '  from@pve!file=1\n');
    const file = join(folder, 'bascule.yaml');
    writeFileSync(file, text(...slack, 'clusters:', '  a:', '    urls: [https://a]', '    token: ${file:token}'));
    const config = readConfig(file, env);
    expect(config.slack?.botToken).toBe(SECRET);
    expect(config.clusters['a']?.token).toBe('from@pve!file=1');
  });

  test('what a secret holds is not read again', () => {
    const config = parseConfig(text(...slack, ...cluster), FILE, { ...env, PVE: '${file:/etc/passwd}${env:SLACK}' });
    expect(config.clusters['home']?.token).toBe('${file:/etc/passwd}${env:SLACK}');
  });

  test('paths are relative to the file', () => {
    const config = parse(text(...cluster, '    ca: pve-root-ca.pem', 'policy: {directory: policies}'));
    expect(config.clusters['home']?.ca).toBe('/etc/bascule/pve-root-ca.pem');
    expect(config.policy.directory).toBe('/etc/bascule/policies');
    expect(parse(text(...cluster, 'store: {file: /var/x}')).store).toEqual({ file: '/var/x' });
  });

  test('house rules can be written once and meant twice', () => {
    const config = parse(
      text(
        'clusters:',
        '  a: {urls: [https://a], token: x, house: &rules {ct: {memory: 2048}}}',
        '  b: {urls: [https://b], token: x, house: *rules}',
      ),
    );
    expect(config.clusters['b']?.house.ct.memory).toBe(2048);
  });
});

describe('a config that is wrong says where and what was meant', () => {
  // biome-ignore format: this is a table
  const mistakes: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['an unknown key', [...cluster, 'redonly: true'], ['5:1: unknown key redonly, did you mean readonly?']],
    ['an unknown key deep inside', [...cluster, '    house:', '      ct:', '        memry: 5'],
      ['7:9: unknown key memry, did you mean memory?']],
    ['an unknown key like no other', [...cluster, 'frobnicate: 1'], ['5:1: unknown key frobnicate']],
    ['an unknown key of a person', ['clusters: {}', 'people:', '  a: {rolls: [admin]}'],
      ['3:7: unknown key rolls, did you mean roles?']],
    ['several mistakes at once', ['clusters: {}', 'readonly: maybe', 'log: loud'],
      ['2:1: readonly: Invalid input: expected boolean, received string',
        '3:1: log: Invalid option: expected one of "trace"|"debug"|"info"|"warn"|"error"|"silent"']],
    ['an id that YAML takes for a number', ['clusters: {}', 'people: {a: {discord: 123456789012345678}}'],
      ['2:14: people.a.discord: Invalid input: expected string, received number; put it in quotes']],
    ['an address without TLS', ['clusters:', '  a:', '    urls: [https://a, http://b]', '    token: x'],
      ['3:23: clusters.a.urls.1: Invalid URL']],
    ['a fingerprint that is none', [...cluster, '    fingerprints: [abc]'],
      ['5:20: clusters.home.fingerprints.0: must be a SHA-256 fingerprint']],
    ['a time zone that is none', [...cluster, '    zone: Europe/Pariss'],
      ['5:5: clusters.home.zone: is not an IANA time zone such as Europe/Paris']],
    ['a cluster that cannot be typed', ['clusters: {Home Lab: {}}'],
      ['1:12: clusters.Home Lab: must be lower-case letters, digits and dashes']],
    ['a store that is neither', ['clusters: {}', 'store: {fil: x}'],
      ['2:1: store: must be file: with a path, or url: with a PostgreSQL URL']],
    ['a range turned round', [...cluster, '    house: {ct: {range: [200, 100]}}'],
      ['5:18: clusters.home.house.ct.range: must begin with the smaller number']],
    ['Slack in two ways at once', [...slack, '  signingSecret: x', 'clusters: {}'],
      ['1:1: slack: give appToken (Socket Mode), or signingSecret and listen (HTTP), not both']],
    ['Slack in no way', ['slack: {botToken: x}', 'clusters: {}'],
      ['1:1: slack: give appToken (Socket Mode), or signingSecret and listen (HTTP), not both']],
    ['no clusters', ['readonly: true'], ['1:1: clusters: Invalid input: expected record, received undefined']],
    ['nothing but a word', ['hello'], ['1:1: the file: Invalid input: expected object, received string']],
    ['a variable that is not set', ['slack: {botToken: "${env:NOPE}", appToken: x}', 'clusters: {}'],
      ['1:19: the environment has no NOPE']],
    ['a secret file that is not there', ['clusters: {}', 'store:', '  url: ${file:nope}'],
      ['3:8: nope cannot be read (ENOENT)']],
    ['an unknown role', ['clusters: {}', 'people: {a: {roles: [boss]}}', 'roles: {x: {includes: [y]}}'],
      [' people.a.roles: there is no role boss', ' roles.x.includes: there is no role y']],
    ['one account of two people', ['clusters: {}', 'people: {a: {slack: U1}, b: {slack: U1}}'],
      [' people.b.slack: U1 already belongs to a']],
    ['a channel of two clusters', ['clusters:', '  a: {urls: [https://a], token: x, channels: [C1]}',
      '  b: {urls: [https://b], token: x, channels: [C1]}'], [' clusters.b.channels: C1 is already bound to a']],
    ['tabs', ['clusters:', '\thome: 1'], ['2:1: Tabs are not allowed as indentation']],
    ['a key twice', ['clusters: {}', 'clusters: {}'], ['2:1: Map keys must be unique']],
    ['a second document', ['clusters: {}', '---', 'a: 1'], ['2:1: a second document begins here (---); the config is one']],
    ['an alias of nothing', ['clusters: *homes'], ['1:11: an alias (*name) of nothing']],
  ];
  test.each(mistakes)('%s', (_name, lines, says) => {
    expect(wrong(...lines)).toEqual(says);
  });

  test('aliases of aliases do not fill the memory', () => {
    const nine = (of: string) => `[${Array(9).fill(of).join(', ')}]`;
    const lines = ['a', 'b', 'c', 'd'].map(
      (name, n) => `${name}: &${name} ${nine(n === 0 ? 'x' : `*${'abcd'[n - 1]}`)}`,
    );
    expect(wrong(...lines)).toEqual([' too many aliases (*name)']);
  });

  test('a file that cannot be read is named, with what to do', () => {
    const failed = (() => {
      try {
        return readConfig(join(folder, 'nope.yaml'), env);
      } catch (error) {
        return error as Failed;
      }
    })();
    expect(failed).toBeInstanceOf(Failed);
    expect((failed as Failed).failure.why).toContain('nope.yaml cannot be read (ENOENT)');
    expect((failed as Failed).failure.next).toContain('bascule demo');
  });
});

describe('no secret is ever in a message', () => {
  const marked = 'marked-secret';
  // Where people put secrets by mistake, and where a broken file puts them.
  test.each([
    ['as a role', ['clusters: {}', 'people: {a: {roles: ["${env:SLACK}"]}}']],
    [
      'as an account of two people',
      ['clusters: {}', 'people: {a: {slack: "${env:SLACK}"}, b: {slack: "${env:SLACK}"}}'],
    ],
    ['as a channel of two clusters', [...cluster, '    channels: ["${env:SLACK}", "${env:SLACK}"]']],
    ['as a key', ['clusters: {}', '"${env:SLACK}": 1']],
    ['as an address', ['clusters: {a: {urls: ["${env:SLACK}"], token: x}}']],
    ['as a store', ['clusters: {}', 'store: "${env:SLACK}"']],
    ['as a log level', ['clusters: {}', 'log: ${env:SLACK}']],
    ['as an alias', ['slack: {botToken: *marked-secret}', 'clusters: {}']],
    ['behind a bracket too many', ['clusters: {}', `]${marked}`]],
    ['behind a block mark', [`slack: |${marked}`, '  x']],
    ['behind a quoted word', [`slack: "x" ${marked}`]],
    ['in a quote that is never closed', [`slack: {botToken: "${marked}`]],
    ['in a value that is of another type', [`slack: {botToken: {x: ${marked}}, appToken: x}`, 'clusters: {}']],
  ])('%s', (_name, lines) => {
    expect(wrong(...lines).join('\n')).not.toContain(marked);
  });

  test('wherever the file is broken', () => {
    const whole = text(...slack, ...cluster, 'people: {a: {slack: U1, roles: [admin]}}', `log: [${marked}]`);
    const breaks = fc.constantFrom(...'{}[]:,"\'|>*&!%@`\n\t -#?', '\n---\n', '<<: ', '  ');
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(8), breaks, (place, cut, mark) => {
        const broken = whole.slice(0, place) + mark + whole.slice(place + cut);
        try {
          parse(broken);
        } catch (error) {
          expect(error).toBeInstanceOf(Failed);
          // A broken token is no longer the secret; a key made of one is named as any unknown key.
          expect((error as Failed).failure.why).not.toContain(SECRET);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
