import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Card } from '../../src/contracts/card.ts';
import type { Chat, Place, Posted } from '../../src/contracts/chat.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { cards, destroyPrompt, hostile } from '../cards.ts';
import { NODES, type ScriptedDesk, scriptedDesk } from './desk.ts';

export type Who = 'alice' | 'bob';

/** Two people in one channel (`place`) of a platform, as its own wire shows them. `open` does not start the chat. */
export interface ChatDriver {
  readonly chat: Chat;
  readonly place: Place;
  /** Another channel of the same platform that both people read. */
  readonly elsewhere: Place;
  /** Types a command without its root: `ct create hostname:a node:ovh1`. Resolves once it is sent. */
  says(who: Who, text: string): Promise<void>;
  /** Presses the newest button with that label on what `who` sees. */
  clicks(who: Who, label: string): Promise<void>;
  /** Presses a button that asks for something, types and submits. */
  types(who: Who, label: string, text: string): Promise<void>;
  /** What completion offers `who` for one option while `typed` stands there: the values. */
  completes(who: Who, command: string, option: string, typed: string): Promise<readonly string[]>;
  /** Full visible text of each message that person can see, latest content, oldest first. */
  seen(who: Who): readonly string[];
  /** Mentions that would ping and links that could be clicked, in all messages; empty for cards. */
  live(): readonly string[];
  /** Every string that the platform hands back when the newest button with that label is pressed. */
  carries(label: string): readonly string[];
  /** Waits, by events or short polls, until `condition` holds; throws after some seconds with what is seen. */
  until(condition: () => boolean): Promise<void>;
  /** The platform delivers the last command again, word for word. */
  redeliver(): Promise<void>;
  /** The next post is stored but its answer is lost. */
  loseNextAnswer(): void;
  /** The next post is refused with 429 and a wait of about a second; tells whether that has happened. */
  refuse429(): () => boolean;
  /** The platform cuts or refreshes the connection; resolves when the cut has happened. */
  reconnect(): Promise<void>;
  /** How many messages exist for a key. */
  posts(key: string): number;
  close(): Promise<void>;
}

/** What a platform cannot do because it has no such thing (the web page has no rate limit). */
export type Lack = '429' | 'lost-answer' | 'reconnect' | 'redelivery' | 'completion';

/**
 * The sentences every chat adapter must pass over its own wire. Deliveries that arrive twice may reach the Desk
 * twice, as long as they carry the same `delivery`: the Desk is what handles each once, for ever; an adapter may
 * drop the ones it remembers itself.
 */
export function chatSuite(name: string, open: () => Promise<ChatDriver>, lacks: readonly Lack[] = []): void {
  const has = (what: Lack) => test.skipIf(lacks.includes(what));

  describe(name, () => {
    let driver: ChatDriver;
    let desk: ScriptedDesk;

    beforeEach(async () => {
      driver = await open();
      desk = scriptedDesk();
      await driver.chat.start(desk);
    });
    afterEach(async () => {
      await driver.chat.stop();
      await driver.close();
    });

    const sees = (who: Who, text: string) => driver.seen(who).some((one) => one.includes(text));
    const count = (who: Who, text: string) => driver.seen(who).filter((one) => one.includes(text)).length;
    const shows = (who: Who, text: string) => driver.until(() => sees(who, text));
    const post = (card: Card, key: string, perhaps = false) => driver.chat.post(driver.place, card, key, perhaps);

    test('a command is answered once, where everybody sees it', async () => {
      await driver.says('alice', 'ct list');
      await shows('alice', 'echo ct list');
      expect(count('bob', 'echo ct list')).toBe(1);
      expect(desk.handled).toEqual(['ct list']);
      expect(desk.asks[0]).toMatchObject({ actor: { platform: driver.chat.platform }, place: driver.place });
    });

    test('options arrive with the command, two people are told apart', async () => {
      await driver.says('alice', 'ct create hostname:robotoff node:ovh1');
      await driver.says('bob', 'ct list node:ovh2');
      await driver.until(() => desk.handled.length === 2);
      expect([...desk.handled].sort()).toEqual(['ct create hostname:robotoff node:ovh1', 'ct list node:ovh2']);
      expect(new Set(desk.asks.map((ask) => ask.actor.id)).size).toBe(2);
    });

    test('a private answer is seen only by the person who asked', async () => {
      await driver.says('alice', 'whoami');
      await shows('alice', 'echo whoami');
      expect(sees('bob', 'echo whoami')).toBe(false);
    });

    test('a message is edited in place and later content wins', async () => {
      const posted = await post(cards.progress, 'run-1');
      await shows('bob', cards.progress.title);
      for (let done = 3; done < 5; done++)
        await driver.chat.update(posted, { ...cards.progress, progress: { done, total: 5, says: `Step ${done}` } });
      await driver.chat.update(posted, { title: 'CT 112 metabase runs', tone: 'good' });
      await shows('bob', 'CT 112 metabase runs');
      await driver.until(() => !sees('bob', 'Creating CT 112'));
      expect(driver.posts('run-1')).toBe(1);
      expect(count('bob', 'CT 112 metabase runs')).toBe(1);
    });

    test('a decided card loses its buttons', async () => {
      const posted = await post(cards.create, 'request-1');
      await driver.chat.update(posted, { ...cards.create, actions: undefined, footer: 'Denied by bob' });
      await shows('alice', 'Denied by bob');
      await expect(driver.clicks('alice', 'Approve')).rejects.toThrow();
    });

    has('redelivery')('a delivery that arrives twice is handled once', async () => {
      await driver.says('alice', 'ct list');
      await shows('alice', 'echo ct list');
      await driver.redeliver();
      await driver.says('alice', 'whoami');
      await shows('alice', 'echo whoami');
      expect(desk.handled).toEqual(['ct list', 'whoami']);
      expect(new Set(desk.asks.map((ask) => ask.delivery)).size).toBe(2);
      expect(count('bob', 'echo ct list')).toBe(1);
    });

    has('lost-answer')('a lost answer never posts twice', async () => {
      driver.loseNextAnswer();
      const first = await post(cards.quorum, 'alert-7').catch((error: unknown) => error);
      if (first instanceof Error) {
        expect(first).toBeInstanceOf(Failed);
        expect((first as Failed).failure.sent).toBe('unknown');
      }
      const posted: Posted = await post(cards.quorum, 'alert-7', true);
      expect(driver.posts('alert-7')).toBe(1);
      await driver.chat.update(posted, { title: 'resolved', tone: 'good' });
      await shows('bob', 'resolved');
    });

    test('a post that perhaps happened, but did not, is made', async () => {
      await post(cards.quorum, 'alert-8', true);
      await shows('bob', cards.quorum.title);
      expect(driver.posts('alert-8')).toBe(1);
    });

    has('429')('a 429 is waited out and does not hold up other channels', async () => {
      const arrived: string[] = [];
      const refused = driver.refuse429();
      const here = post(cards.quorum, 'slow').then(() => arrived.push('here'));
      await driver.until(refused);
      const there = driver.chat.post(driver.elsewhere, cards.bare, 'fast', false).then(() => arrived.push('there'));
      await Promise.all([here, there]);
      expect(arrived).toEqual(['there', 'here']);
      expect([driver.posts('slow'), driver.posts('fast')]).toEqual([1, 1]);
    });

    has('reconnect')('a reconnect loses nothing', async () => {
      await driver.says('alice', 'ct list');
      await driver.reconnect();
      await driver.says('alice', 'quorum');
      await shows('alice', 'echo quorum');
      await shows('alice', 'echo ct list');
      expect([...desk.handled].sort()).toEqual(['ct list', 'quorum']);
    });

    test('a button hands over its reference and nothing of the command', async () => {
      await post(cards.create, 'request-2');
      await shows('alice', 'Needs 1 of 1');
      const carried = driver.carries('Approve').join(' ');
      expect(carried).toContain('a1');
      expect(carried).not.toMatch(/metabase|ovh1|create|112/i);
      desk.clickAnswers.set('a1', { title: 'You may not approve your own request', tone: 'bad', private: true });
      await driver.clicks('alice', 'Approve');
      await shows('alice', 'You may not approve');
      expect(desk.clicks[0]).toMatchObject({ ref: 'a1', place: driver.place });
      expect(desk.clicks[0]?.typed).toBeUndefined();
      expect(sees('bob', 'You may not approve')).toBe(false);
    });

    test('a button that asks opens a form, and what was typed arrives with the click', async () => {
      desk.prompts.set('d1', destroyPrompt);
      await post(cards.prompt, 'request-3');
      await shows('alice', cards.prompt.title);
      await driver.types('alice', 'Destroy', '103');
      await driver.until(() => desk.clicks.length > 0);
      expect(desk.clicks).toHaveLength(1);
      expect(desk.clicks[0]).toMatchObject({ ref: 'd1', typed: '103', place: driver.place });
    });

    test.each(Object.entries(hostile))('hostile text never becomes markup or a mention: %s', async (key, card) => {
      await post(card, `hostile-${key}`);
      await driver.until(() => driver.posts(`hostile-${key}`) === 1);
      await driver.until(() => driver.seen('bob').length > 0);
      expect(driver.live()).toEqual([]);
      expect(driver.seen('bob').join('')).not.toMatch(
        /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200B\u202A-\u202E\u2066-\u2069]/,
      );
    });

    test('a card that is too long is cut and says so', async () => {
      const lines = Array.from({ length: 400 }, (_, line) => `line ${line} ${'word '.repeat(30)}`);
      await post({ title: 'A long log', tone: 'plain', lines, footer: 'the end' }, 'long');
      await shows('bob', 'A long log');
      const text = driver.seen('bob').join('\n');
      expect(text).toContain('line 0');
      expect(text).toContain('the end');
      const left = Number(/… (\d+) more lines/.exec(text)?.[1]);
      expect(left + [...text.matchAll(/line \d+/g)].length).toBe(400);
    });

    test('a table that is too long says how many rows are left out', async () => {
      const rows = Array.from({ length: 400 }, (_, row) => [String(1000 + row), `guest-${row}.example.org`, 'running']);
      await post({ title: 'Guests', tone: 'plain', table: { columns: ['VMID', 'Name', 'State'], rows } }, 'table');
      await shows('bob', 'guest-0');
      const text = driver.seen('bob').join('\n');
      const left = Number(/… (\d+) more rows/.exec(text)?.[1]);
      expect(left + [...text.matchAll(/guest-\d+/g)].length).toBe(400);
    });

    has('completion')('completion offers only what the desk offers this person', async () => {
      expect(await driver.completes('alice', 'ct create', 'node', '')).toEqual(NODES);
      expect(await driver.completes('alice', 'ct create', 'node', 'ovh2')).toEqual(['ovh2']);
      expect(desk.completions.at(-1)).toMatchObject({ command: 'ct create', option: 'node', typed: 'ovh2' });
      expect(desk.completions.at(-1)?.actor).toMatchObject({ platform: driver.chat.platform });
    });

    test('the chat stops and can be stopped twice', async () => {
      await driver.chat.stop();
      await driver.chat.stop();
    });
  });
}
