import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeysOf } from '../adapters/github/index.ts';
import { failure, type GithubDesk, githubDesk, MINUTE, START } from './platforms/github-desk.ts';
import { ed25519, fingerprint, rsa } from './platforms/github-keys.ts';
import { listen } from './platforms/loopback.ts';

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

describe('rate limits', () => {
  test('without requests left the page answers, and the API is left alone until the hour is over', async () => {
    const alice = there.person('Alice', ed25519('a'), rsa(2048));
    there.left = 0;
    const github = open();
    const found = await github.keys('Alice');
    expect(found).toMatchObject({ id: alice.id, fresh: true, via: 'page', refused: [{ type: 'ssh-rsa' }] });
    expect(prints(found)).toEqual([fingerprint(ed25519('a'))]);
    expect(logged[0]?.says).toBe("GitHub's API is rate-limited until 10:26 UTC; asking its page");
    await github.keys('Alice');
    expect(paths()).toEqual(['/users/Alice', '/Alice.keys', '/Alice.png', '/Alice.keys', '/Alice.png']);
    there.left = 60;
    clock.turn(61 * MINUTE);
    expect((await github.keys('Alice')).via).toBe('api');
  });

  test('a limit met between the two questions needs no second proof of whose login it is', async () => {
    there.person('alice', ed25519('a'));
    there.left = 1;
    expect(await open().keys('alice')).toMatchObject({ via: 'page', fresh: true });
    expect(paths()).toEqual(['/users/alice', '/users/alice/keys', '/alice.keys']);
  });

  test('a secondary limit is obeyed for as long as it says', async () => {
    there.person('alice', ed25519('a'));
    there.faults.next('user', { kind: 'rate-limited', retryAfter: 120 });
    const github = open();
    expect((await github.keys('alice')).via).toBe('page');
    clock.turn(119_000);
    expect((await github.keys('alice')).via).toBe('page');
    clock.turn(2_000);
    expect((await github.keys('alice')).via).toBe('api');
  });

  test('a limit that claims to last for years is believed for an hour', async () => {
    there.person('alice', ed25519('a'));
    there.faults.next('user', { kind: 'rate-limited', retryAfter: 999_999_999 });
    const github = open();
    await github.keys('alice');
    clock.turn(66 * MINUTE);
    expect((await github.keys('alice')).via).toBe('api');
  });

  test('a token that is not taken shows in the log without itself, and the page answers', async () => {
    there.person('alice', ed25519('a'));
    const found = await open({ token: 'ghp_wrong_secret' }).keys('alice');
    expect(found).toMatchObject({ via: 'page', fresh: true });
    expect(logged[0]?.says).toContain('does not take the configured token (401)');
    expect(JSON.stringify([logged, found, [...stored]])).not.toContain('ghp_wrong_secret');
  });

  test('the page never gets the token', async () => {
    there.person('alice', ed25519('a'));
    there.down.add('api');
    await open({ token: there.token }).keys('alice');
    const page = there.asked.filter((one) => !one.path.startsWith('/api/'));
    expect(page.map((one) => one.authorization)).toEqual([undefined, undefined]);
  });
});

describe('while GitHub is down', () => {
  test('what is stored is used, and how old it is and why is said', async () => {
    there.person('alice', ed25519('a'));
    await open().keys('alice');
    there.down.add('api').add('web');
    clock.turn(185 * MINUTE);
    const found = await open().keys('alice');
    expect(prints(found)).toEqual([fingerprint(ed25519('a'))]);
    expect(found).toMatchObject({ fresh: false, at: START, login: 'alice', via: 'store' });
    expect(found.stale).toBe(
      "GitHub's API answered 503, and its page answered 503; these are its keys of 3 h 5 min ago",
    );
  });

  test('with nothing stored it is unavailable and says why', async () => {
    there.person('alice', ed25519('a'));
    there.down.add('api').add('web');
    expect(await failure(open().keys('alice'))).toMatchObject({
      kind: 'unavailable',
      why: "GitHub's API answered 503, and its page answered 503; nothing is stored about alice yet",
    });
    expect(stored.size).toBe(0);
  });

  test('a server that is not there at all is named with its error', async () => {
    const gone = await listen(() => ({ status: 200 }));
    await gone.close();
    const github = open({ apiUrl: `http://127.0.0.1:${gone.port}/api/v3` });
    expect((await failure(github.keys('alice'))).why).toContain('cannot be reached (ECONNREFUSED)');
  });

  test('a page that is gone while the API is down takes no keys away', async () => {
    there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    there.down.add('api');
    there.remove('alice');
    expect(await github.keys('alice')).toMatchObject({ fresh: false, keys: [{ line: ed25519('a') }] });
  });

  test('a kept connection that was cut is opened again', async () => {
    there.person('alice', ed25519('a'));
    there.faults.next('user', { kind: 'reset', stored: false });
    expect((await open().keys('alice')).via).toBe('api');
  });

  test('a GitHub that accepts and never answers is given up after its time', async () => {
    there.person('alice', ed25519('a'));
    there.faults.next('user', { kind: 'hang', stored: false });
    const asking = open().keys('alice');
    await expect.poll(() => there.asked.length).toBe(1);
    clock.turn(15_000);
    expect((await asking).via).toBe('page');
    expect(logged[0]?.says).toContain('did not answer within 15 s');
    expect(clock.waiting).toBe(0);
  });

  test('closing does not wait for an answer that never comes', async () => {
    there.faults.next('user', { kind: 'hang', stored: false });
    const github = open();
    const asking = failure(github.keys('alice'));
    await expect.poll(() => there.asked.length).toBe(1);
    await github.close();
    expect((await asking).why).toContain('the bot stops');
  });
});

describe('hostile answers', () => {
  const user = '/api/v3/users/alice';
  const big = 'x'.repeat(2 * 1024 * 1024);

  test.each([
    ['no JSON', { status: 200, text: '<html>' }],
    ['another login', { status: 200, json: { id: 5, login: 'mallory', type: 'User' } }],
    ['an id that is no number', { status: 200, json: { id: '5', login: 'alice' } }],
    ['an id that is not whole', { status: 200, json: { id: 1e300, login: 'alice' } }],
    ['an unasked 304', { status: 304 }],
    ['a redirect', { status: 301, headers: { location: 'http://127.0.0.1:1/' } }],
    ['a 404 of some proxy', { status: 404, text: 'no such page' }],
    ['far too much', { status: 200, text: big }],
    ['headers without end', { status: 200, json: {}, headers: { 'x-a': 'y'.repeat(40_000) } }],
  ])('an account that is %s is not believed', async (_, answer) => {
    there.person('alice', ed25519('a'));
    there.instead.set(user, answer);
    expect(await open().keys('alice')).toMatchObject({ via: 'page', fresh: true });
    expect(logged[0]?.says).toMatch(/cannot be read|answered 301|far too much|HEADERS_OVERFLOW/);
  });

  test.each([
    ['an object', { status: 200, json: { key: ed25519('evil') } }],
    ['entries without a key', { status: 200, json: [{ id: 1 }] }],
    [
      'more on a page than was asked for',
      { status: 200, json: Array.from({ length: 101 }, () => ({ key: ed25519('x') })) },
    ],
    ['pages without end', { status: 200, json: [{ key: ed25519('x') }], headers: { link: '<http://x>; rel="next"' } }],
    ['far too much', { status: 200, text: big }],
  ])('a list of keys that is %s is not believed', async (_, answer) => {
    there.person('alice', ed25519('a'));
    there.instead.set(`${user}/keys`, answer);
    const found = await open().keys('alice');
    expect(found).toMatchObject({ via: 'page', keys: [{ line: ed25519('a') }] });
    expect(paths().filter((path) => path.endsWith('/keys')).length).toBeLessThanOrEqual(10);
  });

  test.each([
    ['a login form', { status: 200, text: '<html>', headers: { 'content-type': 'text/html' } }],
    [
      'a form that calls itself text',
      { status: 200, text: '<html>\n</html>', headers: { 'content-type': 'text/plain' } },
    ],
    ['a redirect', { status: 302, headers: { location: '/login' } }],
    ['far too much', { status: 200, text: big, headers: { 'content-type': 'text/plain' } }],
    ['lines without end', { status: 200, text: 'x\n'.repeat(2_000), headers: { 'content-type': 'text/plain' } }],
  ])('a page that is %s takes nothing away from what is stored', async (_, answer) => {
    there.person('alice', ed25519('a'));
    const github = open();
    await github.keys('alice');
    there.down.add('api');
    there.instead.set('/alice.keys', answer);
    expect(await github.keys('alice')).toMatchObject({ via: 'store', fresh: false, keys: [{ line: ed25519('a') }] });
  });

  test('options and comments on the page become refusals and plain lines', async () => {
    there.person('alice', `${ed25519('a')} alice`, `command="sh" ${ed25519('b')}`, `\ufeff${ed25519('c')}`);
    there.down.add('api');
    const found = await open().keys('alice');
    expect(found.keys.map((key) => key.line)).toEqual([ed25519('a')]);
    expect(found.refused).toHaveLength(2);
  });

  test('an ETag that could not go back in a header is not kept', async () => {
    const { id } = there.person('alice', ed25519('a'));
    there.instead.set(user, { status: 200, json: { id, login: 'alice' }, headers: { etag: '"a b\u00ff"' } });
    await open().keys('alice');
    expect(stored.get('alice')?.accountEtag).toBeUndefined();
    expect(stored.get('alice')?.keysEtag).toMatch(/^W\//);
  });
});

describe('addresses', () => {
  const at = (apiUrl?: string, webUrl?: string) => open({ apiUrl, webUrl });

  test.each([
    'ftp://github.example',
    'http://github.example/api/v3',
    'https://me:secret@github.example/api/v3',
    'https://github.example/api/v3?x=1',
    'github.example',
  ])('%s is refused', async (address) => {
    const { kind, what } = await failure(() => at(address));
    expect(kind).toBe('bad-input');
    expect(what).not.toContain('secret');
    expect((await failure(() => at(undefined, address))).kind).toBe('bad-input');
  });

  test('an Enterprise API whose web address cannot be told never falls back to github.com', async () => {
    expect(await failure(() => at('https://ghe.example/rest'))).toMatchObject({ kind: 'bad-input' });
    expect(() => at('https://ghe.example/rest', 'https://ghe.example')).not.toThrow();
    for (const known of [undefined, 'https://ghe.example/api/v3/', 'https://api.octo.ghe.com'])
      expect(() => at(known)).not.toThrow();
  });

  test('an Enterprise is asked below its own base and for its own pages', async () => {
    there.person('alice', ed25519('a'));
    there.left = 1;
    await open({ apiUrl: `${there.apiUrl}/` }).keys('alice');
    expect(there.asked.map((one) => one.path)).toEqual([
      '/api/v3/users/alice',
      '/api/v3/users/alice/keys',
      '/alice.keys',
    ]);
  });
});
