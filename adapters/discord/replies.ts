import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted, Reply } from '../../src/contracts/chat.ts';
import type { Calls, Handle } from './calls.ts';
import { codeOf, explained, interactionIsOver, UNKNOWN_MESSAGE } from './failures.ts';
import { markOf } from './marks.ts';
import { type Poster, posted } from './posts.ts';
import { body } from './render.ts';

const WHAT = 'the answer was not shown';

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

  async function removeThinking(): Promise<void> {
    if (!thinking) return;
    await calls.deleteOriginal(to).catch((error: unknown) => {
      if (codeOf(error) !== UNKNOWN_MESSAGE) throw error;
    });
    thinking = false;
  }

  async function privately(card: Card): Promise<undefined> {
    if (thinking && deferral.private) {
      await calls.editOriginal(to, body(card));
      thinking = false;
      return;
    }
    // The first follow-up would fill the public "thinking…" message, for all to read: it has to be gone before.
    await removeThinking();
    await calls.followUp(to, body(card));
  }

  async function publicly(card: Card, key: string): Promise<Posted> {
    if (thinking && !deferral.private) return await fillThinking(card, key);
    const made = await talk.post(place, card, key, false);
    await removeThinking().catch((error: unknown) => talk.warn('a "thinking…" message stayed behind', error));
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
