import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeysOf, Remembered } from '../adapters/github/index.ts';
import { failure, type GithubDesk, githubDesk, MINUTE, START } from './platforms/github-desk.ts';
import { dss, ed25519, fingerprint, rsa } from './platforms/github-keys.ts';

let desk: GithubDesk;
let there: GithubDesk['there'];
let clock: GithubDesk['clock'];
let stored: GithubDesk['stored'];
let logged: GithubDesk['logged'];
let open: GithubDesk['open'];
let paths: GithubDesk['paths'];

beforeEach(async () => {
  desk = await githubDesk();
  ({ there, clock, stored, logged, open, paths } = desk);
});

afterEach(() => desk.close());

const prints = (found: KeysOf) => found.keys.map((key) => key.fingerprint);

describe('while GitHub works', () => {
  test('a login gives its account and keys, spelled as GitHub does', async () => {
    const { id } = there.person('Alice', ed25519('a'), `${rsa(4096)} laptop`);
    expect(await open().keys('aLICE')).toEqual({
      login: 'Alice',
      id,
      keys: [
        expect.objectContaining({ type: 'ssh-ed25519', line: ed25519('a'), fingerprint: fingerprint(ed25519('a')) }),
        expect.objectContaining({ type: 'ssh-rsa', bits: 4096, line: rsa(4096) }),
      ],
      refused: [],
      at: START,
      fresh: true,
      via: 'api',
    });
    expect(there.asked.every((one) => one.userAgent === 'bascule' && one.authorization === undefined)).toBe(true);
  });

  test('asking again costs two 304s, confirms the time and gives the same keys, after a restart too', async () => {
    there.person('alice', ed25519('a'));
    await open().keys('alice');
    clock.turn(5 * MINUTE);
    const again = await open({ token: there.token }).keys('alice');
    expect(again).toMatchObject({ fresh: true, at: START + 5 * MINUTE, login: 'alice', via: 'api' });
    expect(prints(again)).toEqual([fingerprint(ed25519('a'))]);
    expect(there.asked.map((one) => one.status)).toEqual([200, 200, 304, 304]);
    expect(there.asked.at(-1)?.authorization).toBe(`Bearer ${there.token}`);
  });

  test('a changed key is seen in spite of ETags', async () => {
    const alice = there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    alice.keys = [ed25519('b')];
    expect(prints(await github.keys('alice'))).toEqual([fingerprint(ed25519('b'))]);
  });

  test('keys on the third page are read, and a change there is seen under an unchanged first page', async () => {
    const many = Array.from({ length: 250 }, (_, n) => ed25519(String(n)));
    const alice = there.person('alice', ...many);
    const github = open();
    expect(prints(await github.keys('alice'))).toEqual(many.map(fingerprint));
    alice.keys = [...many.slice(0, 249), ed25519('new')];
    expect(prints(await github.keys('alice')).at(-1)).toBe(fingerprint(ed25519('new')));
  });

  test('two questions at once about one login are one', async () => {
    there.person('alice', ed25519('a'));
    const github = open();
    await Promise.all([github.keys('alice'), github.keys('Alice'), github.keys('ALICE')]);
    expect(paths()).toEqual(['/users/alice', '/users/alice/keys']);
  });

  test('weak and broken keys are refused by name beside the good one', async () => {
    const smuggled = `${ed25519('b')}\ncommand="sh" ${ed25519('c')}`;
    there.person('alice', rsa(2048), dss(), smuggled, 'command="sh" ssh-rsa AAAA', ed25519('a'), ed25519('a'));
    const found = await open().keys('alice');
    expect(found.keys.map((key) => key.line)).toEqual([ed25519('a')]);
    expect(found.refused).toEqual([
      { type: 'ssh-rsa', fingerprint: fingerprint(rsa(2048)), why: expect.stringContaining('2048 bits is weak') },
      { type: 'ssh-dss', fingerprint: fingerprint(dss()), why: expect.stringContaining('DSA') },
      { type: 'ssh-ed25519', why: expect.stringContaining('line breaks') },
      { type: 'command="sh"', why: expect.stringContaining('options') },
    ]);
  });

  test('a site that allows weak RSA gets such keys marked, from what is stored as well', async () => {
    there.person('alice', rsa(2048));
    expect((await failure(open().keys('alice'))).why).toMatch(/one key was refused.*2048 bits is weak/);
    there.down.add('api').add('web');
    const found = await open({ weakRsa: 'allow' }).keys('alice');
    expect(found).toMatchObject({ fresh: false, keys: [{ bits: 2048, weak: true }] });
  });
});

describe('logins', () => {
  test.each([
    '',
    '-alice',
    'al ice',
    'alice/../bob',
    'alice?x',
    'alice\n',
    'älice',
    'a'.repeat(40),
    'alice.keys',
    '%2e%2e',
    '_x',
    'dependabot[bot]',
  ])('%j is refused before anything is asked', async (login) => {
    const github = open();
    expect((await failure(github.keys(login))).kind).toBe('bad-input');
    expect(there.asked).toEqual([]);
  });

  test('logins of Enterprise Managed Users and old ones with odd hyphens are asked for', async () => {
    for (const login of ['octo_corp', 'a--b', 'old-', 'a'.repeat(39), '7']) {
      there.person(login, ed25519(login));
      expect((await open().keys(login)).login).toBe(login);
    }
  });

  test('an unknown login is not found', async () => {
    expect(await failure(open().keys('nobody'))).toMatchObject({
      kind: 'not-found',
      why: 'there is nobody called nobody on GitHub',
    });
  });

  test('an organization is not a person', async () => {
    there.organization('acme');
    expect(await failure(open().keys('acme'))).toMatchObject({
      kind: 'bad-input',
      why: expect.stringMatching(/an organization/),
    });
  });

  test('a login without keys fails with words, unless an empty answer is wanted', async () => {
    const alice = there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    alice.keys = [];
    expect(await failure(github.keys('alice'))).toMatchObject({
      kind: 'not-found',
      why: 'alice has no SSH keys on GitHub',
    });
    expect(await github.keys('alice', { mayBeEmpty: true })).toMatchObject({ keys: [], fresh: true });
  });
});

describe('whose login it is', () => {
  test('a login taken by somebody else is a conflict that names both, and their keys are not stored', async () => {
    there.person('alice', ed25519('a'));
    const github = open();
    const { id } = await github.keys('alice');
    there.rename('alice', 'alice-new');
    const thief = there.person('alice', ed25519('evil'));
    const { kind, why, next } = await failure(github.keys('alice'));
    expect(kind).toBe('conflict');
    expect(why).toBe(
      `the login now belongs to somebody else: account ${thief.id}, where it was ${id} (called alice-new now)`,
    );
    expect(next).toContain('github:alice-new');
    expect(JSON.stringify([...stored])).not.toContain(ed25519('evil'));
    expect(logged.some((event) => event.level === 'error' && event.says.includes('somebody else'))).toBe(true);
  });

  test('a renamed account is found under its new name, a deleted one is said to be gone', async () => {
    there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    there.rename('alice', 'alicia');
    expect(await failure(github.keys('alice'))).toMatchObject({
      kind: 'not-found',
      why: expect.stringContaining('is called alicia'),
      next: 'link the person again with github:alicia',
    });
    there.remove('alicia');
    expect((await failure(github.keys('alice'))).why).toMatch(/no longer exists/);
  });

  test('the thief is found out on the page as well while the API is down', async () => {
    there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    there.rename('alice', 'alice-new');
    there.person('alice', ed25519('evil'));
    there.down.add('api');
    expect((await failure(github.keys('alice'))).kind).toBe('conflict');
  });

  test('where the page does not tell whose login it is, its new keys are not believed', async () => {
    const alice = there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    there.down.add('api');
    there.avatarsTell = false;
    clock.turn(MINUTE);
    expect(await github.keys('alice')).toMatchObject({ fresh: true, via: 'page', at: START + MINUTE, id: alice.id });
    alice.keys = [ed25519('a'), ed25519('perhaps evil')];
    const found = await github.keys('alice');
    expect(prints(found)).toEqual([fingerprint(ed25519('a'))]);
    expect(found).toMatchObject({ fresh: false, stale: expect.stringContaining('does not tell whose alice is now') });
  });

  test('what is stored from another GitHub is not compared with this one', async () => {
    there.person('alice', ed25519('a'));
    await open().keys('alice');
    stored.set('alice', { ...stored.get('alice')!, from: 'https://api.github.com' });
    expect(await failure(open().keys('alice'))).toMatchObject({
      kind: 'conflict',
      why: expect.stringContaining('was linked on https://api.github.com'),
    });
  });

  test('what is stored and cannot be read is said, not replaced', async () => {
    there.person('alice', ed25519('a'));
    stored.set('alice', { login: 'alice' } as unknown as Remembered);
    expect((await failure(open().keys('alice'))).kind).toBe('internal');
    expect(stored.get('alice')).toEqual({ login: 'alice' });
  });
});
