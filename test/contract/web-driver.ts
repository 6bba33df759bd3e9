import { randomUUID } from 'node:crypto';
import { createWeb } from '../../adapters/web/index.ts';
import type { CardView } from '../../adapters/web/render.ts';
import type { Chat, Place } from '../../src/contracts/chat.ts';
import type { ChatDriver, Who } from './chat-suite.ts';
import { type Listener, listen, openSession, post, type Session, type WireMessage } from './web-client.ts';

const channels = [
  { id: 'ops', name: 'ops', about: '' },
  { id: 'alerts', name: 'alerts', about: '' },
];
const people = [
  { id: 'alice', name: 'Alice', about: 'admin' },
  { id: 'bob', name: 'Bob', about: 'admin' },
];
const place: Place = { platform: 'web', channel: 'ops' };

/** Every text of a card, in the order the page shows them. */
function textsOf(card: CardView): string[] {
  return [
    card.title,
    ...card.lines,
    ...card.facts.flatMap(({ label, value }) => [label, value]),
    ...(card.progress ? [card.progress.says] : []),
    ...(card.table ? [...card.table.columns, ...card.table.rows.flat()] : []),
    ...card.code,
    ...card.cuts,
    ...card.actions.map(({ label }) => label),
    ...(card.footer === undefined ? [] : [card.footer]),
  ];
}

/** What the page knows how to show; all of it goes through textContent. Anything else on the wire would be markup. */
const PLAIN = new Set(
  'title tone lines facts label value table columns rows code progress done total says actions ref style footer cuts'.split(
    ' ',
  ),
);

function strangeKeys(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(strangeKeys);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [...(PLAIN.has(key) ? [] : [key]), ...strangeKeys(inner)]);
}

/** Alice and Bob at the demo's page, each with a connection of their own. */
export async function webDriver(): Promise<ChatDriver> {
  const web = createWeb({ host: '127.0.0.1', port: 0, people, channels, log: { warn() {}, error() {} } });
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const look of waiting) look();
  };
  const pages = new Map<Who, Listener>();
  const byKey = new Map<string, Set<string>>();
  let session: Session;
  let last: { path: string; body: unknown } | undefined;

  const page = (who: Who) => {
    const found = pages.get(who);
    if (!found) throw new Error(`${who} has no page open`);
    return found;
  };
  /** Two pages have two connections: what one shows to everybody, the other must have got too. */
  const level = () => {
    const all = [...pages.values()];
    const open = all.flatMap(({ messages }) => [...messages.values()].filter(({ only }) => only === undefined));
    return open.every(({ id, version }) => all.every(({ messages }) => (messages.get(id)?.version ?? 0) >= version));
  };
  const inOrder = (who: Who) => [...page(who).messages.values()].sort((a, b) => a.order - b.order);
  const deliver = async (path: string, body: object) => {
    last = { path, body: { id: randomUUID(), ...body } };
    await redeliver();
  };
  const redeliver = async () => {
    if (!last) throw new Error('nothing was delivered yet');
    const got = await post(web.url, session, last.path, last.body);
    if (got.status !== 202) throw new Error(`${last.path} answered ${got.status} ${got.text}`);
  };
  const buttonOf = (who: Who, label: string) => {
    for (const message of inOrder(who).reverse()) {
      const action = message.card?.actions.find((one) => one.label === label);
      if (action) return { message, action };
    }
    throw new Error(`${who} sees no button ${label}`);
  };
  const press = async (who: Who, label: string, typed?: string) => {
    const { message, action } = buttonOf(who, label);
    const { prompt } = JSON.parse((await post(web.url, session, '/api/prompt', { ref: action.ref })).text);
    if ((prompt !== null) !== (typed !== undefined)) throw new Error(`prompt of ${label}: ${JSON.stringify(prompt)}`);
    const body = { person: who, channel: message.channel, message: message.id, ref: action.ref };
    await deliver('/api/press', typed === undefined ? body : { ...body, typed });
  };

  const chat: Chat = {
    platform: 'web',
    update: (posted, card) => web.update(posted, card),
    groupsOf: (userId, groups) => web.groupsOf(userId, groups),
    stop: () => web.stop(),
    async start(desk) {
      await web.start(desk);
      session = await openSession(web.url);
      for (const who of ['alice', 'bob'] as const) pages.set(who, await listen(web.url, who, changed));
    },
    async post(where, card, key, perhaps) {
      const posted = await web.post(where, card, key, perhaps);
      byKey.set(key, (byKey.get(key) ?? new Set()).add(posted.message));
      return posted;
    },
  };

  return {
    chat,
    place,
    elsewhere: { platform: 'web', channel: 'alerts' },
    says: (who, text) => deliver('/api/say', { person: who, channel: place.channel, input: { text } }),
    clicks: (who, label) => press(who, label),
    types: (who, label, text) => press(who, label, text),
    async completes(who, command, option, typed) {
      const query = { person: who, channel: place.channel, command, option, typed, options: {} };
      const { choices } = JSON.parse((await post(web.url, session, '/api/complete', query)).text);
      return choices.map(({ value }: { value: string }) => value);
    },
    seen: (who) => inOrder(who).map((message) => shown(message)),
    live: () => [...pages.keys()].flatMap((who) => inOrder(who).flatMap(({ card }) => strangeKeys(card))),
    carries(label) {
      const { message, action } = buttonOf('alice', label);
      return [action.ref, message.id, message.channel];
    },
    until: (condition) =>
      until(
        () => condition() && level(),
        waiting,
        () => inOrder('alice').map(shown),
      ),
    redeliver,
    loseNextAnswer: () => unlike('loses no answer: it is asked in the same process'),
    refuse429: () => unlike('has no rate limit'),
    async reconnect() {
      for (const listener of pages.values()) {
        await listener.cut();
        // As a browser: without waiting for the person, who goes on typing.
        listener.resume().catch((error: unknown) => console.error('the page could not reconnect', error));
      }
    },
    /** Cards on the wire that no other key explains, so that a second post under this key is seen. */
    posts(key) {
      const others = new Set([...byKey].flatMap(([other, ids]) => (other === key ? [] : [...ids])));
      return inOrder('alice').filter(({ id, card }) => card && !others.has(id)).length;
    },
    async close() {
      for (const listener of pages.values()) listener.close();
    },
  };
}

const shown = (message: WireMessage): string =>
  message.card ? textsOf(message.card).join('\n') : (message.text ?? '');

function unlike(how: string): never {
  throw new Error(`the web page ${how}`);
}

/** Looks after every event, and now and then for what arrives by no event. */
function until(condition: () => boolean, waiting: Set<() => void>, seen: () => string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      waiting.delete(look);
      clearInterval(poll);
      clearTimeout(limit);
      settle();
    };
    const look = () => {
      try {
        if (condition()) end(resolve);
      } catch (error) {
        end(() => reject(error));
      }
    };
    const poll = setInterval(look, 20);
    const limit = setTimeout(() => end(() => reject(new Error(`not within 5 s; seen: ${seen().join(' | ')}`))), 5_000);
    waiting.add(look);
    look();
  });
}
