import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createWeb, type Web } from '../../adapters/web/index.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { type ScriptedDesk, scriptedDesk } from './desk.ts';
import { listen, openSession, post, type Sent, type Session, send } from './web-client.ts';

const options = {
  host: '127.0.0.1',
  port: 0,
  people: [
    { id: 'alice', name: 'Alice', about: 'admin' },
    { id: 'bob', name: 'Bob', about: 'viewer' },
  ],
  channels: [{ id: 'ops', name: 'ops', about: '' }],
  log: { warn() {}, error() {} },
};
const say = { id: 'd-1', person: 'alice', channel: 'ops', input: { text: 'ct list' } };

describe('the web page lets no other site act in it', () => {
  let web: Web;
  let desk: ScriptedDesk;
  let session: Session;
  const port = () => new URL(web.url).port;
  const posting = (headers: Readonly<Record<string, string>>, body: string = JSON.stringify(say)) =>
    send(web.url, '/api/say', { method: 'POST', headers: { ...session.headers, ...headers }, body });
  const reason = ({ text }: { text: string }) => JSON.parse(text).reason;

  beforeEach(async () => {
    web = createWeb(options);
    desk = scriptedDesk();
    await web.start(desk);
    session = await openSession(web.url);
  });
  afterEach(() => web.stop());

  test('an honest post is taken', async () => {
    expect((await posting({})).status).toBe(202);
    expect(desk.handled).toEqual(['ct list']);
  });

  test.each(['/', '/page.js', '/api/session', '/api/events?person=alice', '/api/say'])(
    'a name that was rebound to this machine gets nothing of %s',
    async (path) => {
      for (const host of ['evil.example', `evil.example:${port()}`, `127.0.0.1.evil.example:${port()}`, '127.0.0.1']) {
        const got = await send(web.url, path, { headers: { host } });
        expect([got.status, reason(got)]).toEqual([421, 'host']);
        expect(got.headers['set-cookie']).toBeUndefined();
        expect(got.text).not.toContain('token');
      }
    },
  );

  test('a rebound name cannot post even with a stolen token', async () => {
    const host = `evil.example:${port()}`;
    expect((await posting({ host, origin: `http://${host}` })).status).toBe(421);
    expect(desk.asks).toEqual([]);
  });

  test('localhost is this page too, by its own origin', async () => {
    const host = `localhost:${port()}`;
    expect((await posting({ host, origin: `http://${host}` })).status).toBe(202);
    expect((await posting({ host })).status).toBe(403);
  });

  test('a post from another site, another port, no site or a sandbox is refused', async () => {
    for (const origin of ['https://evil.example', 'http://127.0.0.1:1', 'null', `https://127.0.0.1:${port()}`])
      expect(reason(await posting({ origin }))).toBe('origin');
    const { origin: _, ...withoutOrigin } = session.headers;
    const sent: Sent = { method: 'POST', headers: withoutOrigin, body: JSON.stringify(say) };
    expect(reason(await send(web.url, '/api/say', sent))).toBe('origin');
    expect(desk.asks).toEqual([]);
  });

  test('what the browser calls another site cannot read the session or the messages', async () => {
    for (const path of ['/api/session', '/api/events?person=alice', '/page.js'])
      for (const site of ['cross-site', 'same-site']) {
        const got = await send(web.url, path, { headers: { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' } });
        expect([got.status, reason(got)]).toEqual([403, 'origin']);
      }
  });

  test('a link on another site may lead here', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect((await send(web.url, '/', { headers })).status).toBe(200);
  });

  test('a form of another site cannot post, whatever type it claims', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])
      expect((await posting({ 'content-type': type })).status).toBe(415);
    expect(desk.asks).toEqual([]);
  });

  test('token and cookie must belong together, and both must be there', async () => {
    const other = await openSession(web.url);
    expect(reason(await posting({ 'x-bascule-token': other.token }))).toBe('session');
    expect(reason(await posting({ cookie: other.cookie }))).toBe('session');
    expect(reason(await posting({ 'x-bascule-token': '' }))).toBe('session');
    expect(reason(await posting({ cookie: '' }))).toBe('session');
    expect(desk.asks).toEqual([]);
  });

  test('the cookie is out of reach for scripts and other sites', async () => {
    const [cookie = ''] = (await send(web.url, '/api/session')).headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^bascule-\d+=[a-f0-9]{32}; Path=\/; HttpOnly; SameSite=Strict$/);
  });

  test('every answer, refusals included, forbids inline code, frames and sniffing', async () => {
    for (const path of ['/', '/page.js', '/style.css', '/api/session', '/nothing']) {
      const { headers } = await send(web.url, path);
      const policy = headers['content-security-policy'] ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).not.toMatch(/unsafe|http:|https:|\*/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  test('only the files of the page exist', async () => {
    for (const path of ['/../index.ts', '/..%2findex.ts', '/page/page.js', '/%00', '/index.html', '//', '/page.js/'])
      expect([400, 404]).toContain((await send(web.url, path)).status);
  });

  test('too much, too odd and not JSON are refused, and the page lives on', async () => {
    expect((await posting({}, `"${'x'.repeat(3_000_000)}"`)).status).toBe(413);
    expect((await posting({}, '{')).status).toBe(400);
    for (const body of [
      { ...say, person: 'mallory' },
      { ...say, channel: 'secret' },
      { ...say, more: 1 },
      { ...say, id: '' },
      { ...say, input: { text: 'x'.repeat(16_001) } },
      { ...say, input: { command: 'ct list', options: { __proto__x: 1 } } },
      [],
      null,
    ])
      expect([400, 404]).toContain((await posting({}, JSON.stringify(body))).status);
    expect(desk.asks).toEqual([]);
    expect((await posting({})).status).toBe(202);
  });

  test('only GET and POST are known', async () => {
    expect((await send(web.url, '/', { method: 'PUT' })).status).toBe(405);
    expect((await send(web.url, '/api/session', { method: 'OPTIONS' })).headers['access-control-allow-origin']).toBe(
      undefined,
    );
    expect((await post(web.url, session, '/api/nothing', {})).status).toBe(404);
  });

  test('nobody listens as somebody who does not exist', async () => {
    await expect(listen(web.url, 'mallory')).rejects.toThrow('404');
  });

  test('after a restart an old page is told to fetch a new token', async () => {
    await web.stop();
    await web.start(desk);
    const got = await send(web.url, '/api/say', {
      method: 'POST',
      headers: { ...session.headers, origin: new URL(web.url).origin },
      body: JSON.stringify(say),
    });
    expect([got.status, reason(got)]).toEqual([403, 'session']);
  });
});

test.each(['0.0.0.0', '::', '192.168.1.5', 'example.org', '127.0.0.1.example.org'])(
  'the page without logins is not opened on %s',
  (host) => {
    expect(() => createWeb({ ...options, host })).toThrow(Failed);
  },
);
