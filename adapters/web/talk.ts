import { randomUUID } from 'node:crypto';
import type { Card } from '../../src/contracts/card.ts';
import type { Actor, Desk, MenuEntry, Place, Posted, Reply } from '../../src/contracts/chat.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Messages } from './messages.ts';
import { render, short } from './render.ts';
import type { Press, Say } from './schema.ts';

/** What the page needs of a logger (pino fits). */
export interface Log {
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** What people do on the page, turned into asks and clicks, and the answers turned into messages. */
export interface Talk {
  say(say: Say, actor: Actor): void;
  press(press: Press, actor: Actor): void;
  post(place: Place, card: Card, key: string): Posted;
  update(posted: Posted, card: Card): void;
}

export function createTalk(messages: Messages, log: Log, desk: () => Desk): Talk {
  const handled = createOnce();

  const addCard = (place: Place, card: Card, key: string, only?: string): Posted => {
    const { id, channel, thread } = messages.add(
      {
        channel: place.channel,
        ...(place.thread !== undefined && { thread: place.thread }),
        ...(only !== undefined && { only }),
        card: render(card),
      },
      key,
    );
    return { platform: 'web', channel, message: id, ...(thread !== undefined && { thread }) };
  };

  const replyTo = (actor: Actor, place: Place, answered: () => void): Reply => {
    return async (card, key) => {
      answered();
      const name = key ?? randomUUID();
      // A private answer has its own keys per person: the same key may also name a message of the channel.
      const posted = addCard(
        place,
        card,
        card.private ? `${actor.id} ${name}` : name,
        card.private ? actor.id : undefined,
      );
      return card.private ? undefined : posted;
    };
  };

  /** The desk never throws by contract; if it does, nobody is left without an answer. */
  const settle = (work: Promise<void>, reply: Reply, delivery: string) =>
    work.catch(async (error: unknown) => {
      log.error({ err: error, delivery }, 'the desk threw');
      await reply(crashed(delivery));
    });

  return {
    say({ id, channel, input }, actor) {
      if (!handled(id)) return;
      const place: Place = { platform: 'web', channel };
      const said = 'text' in input ? input.text : spell(input.command, input.options);
      const open = isOpen(said, desk().menu);
      const echo = messages.add({
        channel,
        from: actor.id,
        text: short(said, 2_000),
        pending: true,
        ...(!open && { only: actor.id }),
      });
      const answered = () => {
        if (messages.find(echo.id)?.pending) messages.edit(echo.id, { pending: false });
      };
      const reply = replyTo(actor, place, answered);
      void settle(desk().command({ delivery: id, actor, place, input, reply }), reply, id).finally(answered);
    },
    press({ id, channel, message, ref, typed }, actor) {
      if (!handled(id)) return;
      const thread = message === undefined ? undefined : messages.find(message)?.thread;
      const place: Place = { platform: 'web', channel, ...(thread !== undefined && { thread }) };
      const reply = replyTo(actor, place, () => undefined);
      const click = { delivery: id, actor, place, ref, ...(typed !== undefined && { typed }), reply };
      void settle(desk().click(click), reply, id);
    },
    post(place, card, key) {
      if (card.private)
        fail('bad-input', {
          what: 'The message was not posted',
          why: 'it is for one person only, and a channel has many',
          next: 'answer that person instead',
          sent: 'no',
        });
      return addCard(place, card, key);
    },
    update({ message }, card) {
      if (messages.edit(message, { card: render(card) })) return;
      fail('not-found', {
        what: 'The message was not updated',
        why: 'the page no longer has it: it forgets when it restarts, and keeps only the newest',
        next: 'post a new message',
        sent: 'refused',
      });
    },
  };
}

/** True the first time an id is seen. Remembers the newest ones: a retry comes within seconds. */
function createOnce(keep = 10_000): (id: string) => boolean {
  const seen = new Set<string>();
  return (id) => {
    if (seen.has(id)) return false;
    seen.add(id);
    for (const oldest of seen) {
      if (seen.size <= keep) break;
      seen.delete(oldest);
    }
    return true;
  };
}

/** Everybody sees what was asked in the channel, unless the answer is private or we cannot tell. */
function isOpen(said: string, menu: readonly MenuEntry[]): boolean {
  const words = said
    .trim()
    .replace(/^\/(?:pve\s+)?/i, '')
    .toLowerCase()
    .split(/\s+/);
  const entry = menu.find(({ name }) => name.split(' ').every((word, i) => words[i] === word));
  return entry !== undefined && !entry.private;
}

/** A filled form as the line that would have done the same. */
function spell(command: string, options: Readonly<Record<string, string>>): string {
  const words = Object.entries(options).map(
    ([name, value]) => `${name}:${/[\s"]/.test(value) ? JSON.stringify(value) : value}`,
  );
  return [command, ...words].join(' ');
}

function crashed(delivery: string): Card {
  return {
    title: 'That did not work',
    tone: 'bad',
    lines: ['Something broke inside the bot; whether anything changed is not known', 'Next: look at the log'],
    footer: `ref ${delivery}`,
    private: true,
  };
}
