import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createWeb, type Web } from '../../adapters/web/index.ts';
import { createMessages } from '../../adapters/web/messages.ts';
import type { Card } from '../../src/contracts/card.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { type ScriptedDesk, scriptedDesk } from './desk.ts';
import { type Listener, listen, openSession, post, type Session } from './web-client.ts';

const place = { platform: 'web', channel: 'ops' } as const;
const card = (title: string, more: Partial<Card> = {}): Card => ({ title, tone: 'plain', ...more });

describe('messages of the web page', () => {
  let web: Web;
  let desk: ScriptedDesk;
  let session: Session;
  const plugs = new Map<string, boolean>();
  const errors: string[] = [];
  const open: Listener[] = [];
  const page = async (person: string) => {
    const listener = await listen(web.url, person);
    open.push(listener);
    return listener;
  };
  const titles = ({ messages }: Listener) =>
    [...messages.values()].sort((a, b) => a.order - b.order).map((message) => message.card?.title ?? message.text);
  const shows = (listener: Listener, wanted: unknown[]) =>
    vi.waitFor(() => expect(titles(listener)).toEqual(wanted), { timeout: 5_000, interval: 10 });

  beforeEach(async () => {
    plugs.clear();
    plugs.set('ovh1', true);
    errors.length = 0;
    web = createWeb({
      host: '127.0.0.1',
      port: 0,
      people: [
        { id: 'alice', name: 'Alice', about: 'admin' },
        { id: 'bob', name: 'Bob', about: 'viewer' },
      ],
      channels: [{ id: 'ops', name: 'ops', about: '' }],
      panel: {
        title: 'Plugs',
        switches: async () => [...plugs].map(([id, on]) => ({ id, label: id, on, hint: 'a\u202Eb' })),
        async flip(id, on) {
          if (id === 'stuck') fail('conflict', { what: 'no', why: 'the plug is stuck', next: '' });
          plugs.set(id, on);
        },
      },
      log: { warn() {}, error: (_, message) => errors.push(message) },
    });
    desk = scriptedDesk();
    await web.start(desk);
    session = await openSession(web.url);
  });
  afterEach(async () => {
    for (const listener of open.splice(0)) listener.close();
    await web.stop();
  });

  test('a key is posted once, and the second post answers with the first message', async () => {
    const first = await web.post(place, card('one'), 'k', false);
    expect(await web.post(place, card('two'), 'k', true)).toEqual(first);
    await shows(await page('alice'), ['one']);
  });

  test('a card for one person cannot be posted to a channel', async () => {
    const refused = await web
      .post(place, card('secret', { private: true }), 'k', false)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Failed);
    expect((refused as Failed).failure.sent).toBe('no');
    await shows(await page('alice'), []);
  });

  test('editing a message that is gone or of an earlier life is refused, not ignored', async () => {
    const posted = await web.post(place, card('one'), 'k', false);
    await expect(web.update({ ...posted, message: `${posted.message}9` }, card('x'))).rejects.toThrow(Failed);
    await web.update(posted, card('two'));
    await shows(await page('alice'), ['two']);
  });

  test('a page that was away gets only what changed, in its newest form', async () => {
    const alice = await page('alice');
    const posted = await web.post(place, card('a'), 'a', false);
    await web.post(place, card('b'), 'b', false);
    await shows(alice, ['a', 'b']);
    await alice.cut();
    for (const step of ['1', '2', '3']) await web.update(posted, card(`a ${step}`));
    await web.post(place, card('c'), 'c', false);
    const before = alice.events.length;
    await alice.resume();
    await shows(alice, ['a 3', 'b', 'c']);
    const replayed = alice.events.slice(before).map(({ event }) => event);
    expect(replayed).toEqual(['message', 'message', 'ready']);
  });

  test('a page with an id of another life starts anew', async () => {
    await web.post(place, card('a'), 'a', false);
    const alice = await page('alice');
    expect(alice.events.map(({ event }) => event)).toEqual(['reset', 'message', 'ready']);
    expect(alice.events[1]?.id).toMatch(/^[a-z]{12}\.\d+$/);
  });

  test('a thread hangs under its message', async () => {
    const parent = await web.post(place, card('run'), 'run', false);
    const child = await web.post({ ...place, thread: parent.message }, card('log'), 'log', false);
    expect(child.thread).toBe(parent.message);
    const alice = await page('alice');
    expect(alice.messages.get(child.message)?.thread).toBe(parent.message);
  });

  test('what was typed is shown to all, unless the answer is private or the command unknown', async () => {
    for (const [id, text] of [
      ['1', '/pve ct list'],
      ['2', 'whoami'],
      ['3', 'my password is hunter2'],
    ])
      await post(web.url, session, '/api/say', { id, person: 'alice', channel: 'ops', input: { text } });
    const bob = await page('bob');
    await shows(bob, ['/pve ct list', 'echo /pve ct list', 'echo my password is hunter2']);
  });

  test('a filled form arrives as a command with its options', async () => {
    const input = { command: 'ct create', options: { hostname: 'a b', node: 'ovh1' } };
    await post(web.url, session, '/api/say', { id: '1', person: 'alice', channel: 'ops', input });
    expect(desk.asks[0]?.input).toEqual(input);
    const bob = await page('bob');
    expect(titles(bob)[0]).toBe('ct create hostname:"a b" node:ovh1');
  });

  test('a line waits for its answer and then no longer does', async () => {
    let answer: () => void = () => undefined;
    desk.command = (ask) =>
      new Promise((resolve) => {
        answer = () => void ask.reply(card('done')).then(() => resolve());
      });
    const alice = await page('alice');
    await post(web.url, session, '/api/say', { id: '1', person: 'alice', channel: 'ops', input: { text: 'ct list' } });
    const pending = () => [...alice.messages.values()].some((message) => message.pending);
    await vi.waitFor(() => expect(pending()).toBe(true));
    answer();
    await vi.waitFor(() => expect(pending()).toBe(false));
    await shows(alice, ['ct list', 'done']);
  });

  test('a desk that throws still gives an answer, without the reason in it', async () => {
    desk.command = () => Promise.reject(new Error('token=hunter2'));
    const alice = await page('alice');
    await post(web.url, session, '/api/say', { id: '1', person: 'alice', channel: 'ops', input: { text: 'ct list' } });
    await shows(alice, ['ct list', 'That did not work']);
    expect(JSON.stringify([...alice.messages.values()])).not.toContain('hunter2');
    expect(errors).toEqual(['the desk threw']);
  });

  test('a private answer to a click in a thread stays in that thread', async () => {
    const parent = await web.post(place, card('run'), 'run', false);
    const inner = { ...place, thread: parent.message };
    const child = await web.post(inner, card('log', { actions: [{ ref: 'r', label: 'R' }] }), 'log', false);
    desk.clickAnswers.set('r', card('no', { private: true }));
    const body = { id: '1', person: 'bob', channel: 'ops', message: child.message, ref: 'r' };
    await post(web.url, session, '/api/press', body);
    expect(desk.clicks[0]?.place).toEqual(inner);
    const bob = await page('bob');
    await shows(bob, ['run', 'log', 'no']);
    await shows(await page('alice'), ['run', 'log']);
  });

  test('the form of a command and what waits for me come from the desk', async () => {
    const { form } = JSON.parse((await post(web.url, session, '/api/form', { text: 'ct create node:ovh1' })).text);
    expect(form.fields.map(({ name, value }: { name: string; value?: string }) => [name, value])).toEqual([
      ['hostname', undefined],
      ['node', 'ovh1'],
      ['start', undefined],
    ]);
    expect(JSON.parse((await post(web.url, session, '/api/form', { text: 'ct list' })).text)).toEqual({ form: null });
    const { cards } = JSON.parse((await post(web.url, session, '/api/home', { person: 'bob' })).text);
    expect(cards[0].title).toBe('What you may do');
  });

  test('a plug that is pulled is seen by everybody, and a retry pulls it once', async () => {
    const bob = await page('bob');
    const body = { id: '1', switch: 'ovh1', on: false };
    expect((await post(web.url, session, '/api/flip', body)).status).toBe(200);
    plugs.set('ovh1', true);
    expect((await post(web.url, session, '/api/flip', body)).status).toBe(200);
    expect(plugs.get('ovh1')).toBe(true);
    const switches = [{ id: 'ovh1', label: 'ovh1', on: false, hint: 'a\\u{202E}b' }];
    await vi.waitFor(() => expect(bob.events).toContainEqual({ event: 'panel', data: { title: 'Plugs', switches } }));
  });

  test('a plug that does not exist or does not move says so', async () => {
    plugs.set('stuck', true);
    const unknown = await post(web.url, session, '/api/flip', { id: '1', switch: 'ovh9', on: false });
    expect(unknown.status).toBe(404);
    const stuck = await post(web.url, session, '/api/flip', { id: '2', switch: 'stuck', on: false });
    expect([stuck.status, JSON.parse(stuck.text).why]).toEqual([409, 'the plug is stuck']);
  });
});

test('the store keeps the newest messages and still knows the keys of the dropped ones', () => {
  const messages = createMessages(2, () => 0);
  const first = messages.add({ channel: 'ops', text: '1' }, 'k');
  messages.add({ channel: 'ops', text: '2' });
  messages.add({ channel: 'ops', text: '3' });
  expect(messages.since('anybody', 0).map(({ text }) => text)).toEqual(['2', '3']);
  expect(messages.add({ channel: 'ops', text: 'again' }, 'k')).toEqual(first);
  expect(messages.edit(first.id, { pending: false })).toBe(false);
});
