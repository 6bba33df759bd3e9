import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted, Reply } from '../../src/contracts/chat.ts';
import type { Calls, Handle } from './calls.ts';
import { codeOf, explained, interactionIsOver, UNKNOWN_MESSAGE } from './failures.ts';
import { markOf } from './marks.ts';
import { type Poster, posted } from './posts.ts';
import { body } from './render.ts';

const WHAT = 'the answer was not shown';

const ANSWERED_PRIVATELY: Card = { title: 'Answered privately', tone: 'plain' };

/** How a command was acknowledged; Discord cannot change afterwards who sees that first message. */
export interface Deferral {
  readonly private: boolean;
  /** The message that says "thinking…", when Discord told us its id. */
  readonly message?: string;
}

interface Conversation {
  readonly to: Handle;
  readonly place: Place;
  readonly deferral: Deferral;
  readonly calls: Calls;
  readonly post: Poster;
  readonly warn: (what: string, error: unknown) => void;
}

/**
 * Answers to a command. The first answer takes the place of "thinking…" when both are public or both private;
 * otherwise that message is removed, since it cannot change sides. Later public answers are messages of their own.
 */
export function repliesTo(talk: Conversation): Reply {
  const { to, calls, deferral, place } = talk;
  let thinking = true;
  let count = 0;
  let turn: Promise<unknown> = Promise.resolve();

  async function removeFirst(): Promise<void> {
    try {
      await calls.deleteOriginal(to);
    } catch (error) {
      if (codeOf(error) !== UNKNOWN_MESSAGE) talk.warn('the first message of an answer stayed behind', error);
    }
  }

  async function privately(card: Card): Promise<undefined> {
    if (!thinking) return await calls.followUp(to, body(card)).then(() => undefined);
    if (deferral.private) {
      await calls.editOriginal(to, body(card));
      thinking = false;
      return;
    }
    // The first follow-up would fill the public "thinking…" message, for all to read. So that is filled before, with
    // nothing, and even if it cannot be removed afterwards the answer has stayed private.
    await calls.editOriginal(to, body(ANSWERED_PRIVATELY));
    thinking = false;
    await calls.followUp(to, body(card));
    await removeFirst();
  }

  async function publicly(card: Card, key: string): Promise<Posted> {
    if (thinking && !deferral.private) return await fillThinking(card, key);
    const made = await talk.post(place, card, key, false);
    if (thinking) await removeFirst();
    thinking = false;
    return made;
  }

  async function fillThinking(card: Card, key: string): Promise<Posted> {
    const content = body(card, markOf(key));
    const message = await calls.editOriginal(to, content).catch((error: unknown) => {
      if (!interactionIsOver(error) || !deferral.message) throw error;
      return calls.edit(place.thread ?? place.channel, deferral.message, content);
    });
    thinking = false;
    return posted(place, message);
  }

  return (card, key) => {
    count++;
    const name = key ?? `${to.id}-${count}`;
    const mine = turn.then(() => (card.private ? privately(card) : publicly(card, name)));
    turn = mine.catch(() => {});
    return mine.catch((error: unknown) => {
      throw explained(error, WHAT);
    });
  };
}

/** Answers to a click or a form: only the person who clicked sees them. */
export function asides(to: Handle, calls: Calls): Reply {
  return async (card) => {
    try {
      await calls.followUp(to, body(card));
    } catch (error) {
      throw explained(error, WHAT);
    }
    return undefined;
  };
}
