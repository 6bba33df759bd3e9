import type { APIMessage } from 'discord.js';
import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted } from '../../src/contracts/chat.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { cut, visible } from '../../src/contracts/visible.ts';
import type { Calls } from './calls.ts';
import { codeOf, explained, THREAD_EXISTS, UNKNOWN_CHANNEL } from './failures.ts';
import { THREAD_NAME_MAX } from './limits.ts';
import { markOf, nonceOf } from './marks.ts';
import { body, carriesMark } from './render.ts';

const PAGE = 100;
const NOT_POSTED = 'the message was not posted';

const shownToAll = {
  what: NOT_POSTED,
  why: 'it is for one person, and a channel has many',
  next: 'report this with the log',
  sent: 'no',
} as const;

/** How far back an earlier try is looked for: 500 messages. */
const PAGES = 5;

export type Poster = (place: Place, card: Card, key: string, perhaps: boolean) => Promise<Posted>;

/** Where a place's messages are: on Discord a thread is a channel of its own. */
export const roomOf = (place: Pick<Place, 'channel' | 'thread'>): string => place.thread ?? place.channel;

/** Posts once per key: by nonce for the next few minutes, by the mark in the footer after that. */
export function poster(calls: Calls): Poster {
  let self: string | undefined;

  async function earlier(place: Place, mark: string): Promise<Posted | undefined> {
    self ??= (await calls.self()).id;
    let before: string | undefined;
    for (let page = 0; page < PAGES; page++) {
      const messages = await calls.recent(roomOf(place), PAGE, before);
      const found = messages.find((message) => message.author.id === self && carriesMark(message.embeds, mark));
      if (found) return posted(place, found);
      if (messages.length < PAGE) return undefined;
      before = messages.at(-1)!.id;
    }
    return undefined;
  }

  async function create(place: Place, card: Card, key: string): Promise<Posted> {
    const send = async () => posted(place, await calls.create(roomOf(place), body(card, markOf(key)), nonceOf(key)));
    try {
      return await send();
    } catch (error) {
      if (!needsThread(error, place)) throw error;
      await startThread(calls, place, card);
      return await send();
    }
  }

  /** An earlier try may have shown what has changed since: what was found is made to show this card. */
  async function found(place: Place, card: Card, key: string): Promise<Posted | undefined> {
    const before = await earlier(place, markOf(key));
    if (before) await calls.edit(roomOf(before), before.message, body(card, markOf(key)));
    return before;
  }

  return async (place, card, key, perhaps) => {
    if (card.private) return fail('internal', shownToAll);
    try {
      const before = perhaps ? await lookedUp(() => found(place, card, key), place) : undefined;
      return before ?? (await create(place, card, key));
    } catch (error) {
      throw explained(error, NOT_POSTED);
    }
  };
}

/** A thread that does not exist yet holds nothing; a lookup that fails otherwise leaves it open whether we posted. */
async function lookedUp(look: () => Promise<Posted | undefined>, place: Place): Promise<Posted | undefined> {
  try {
    return await look();
  } catch (error) {
    if (needsThread(error, place)) return undefined;
    const { failure } = explained(error, NOT_POSTED);

    throw new Failed({ ...failure, sent: 'unknown' });
  }
}

/** A thread that hangs on a message has that message's id, and exists only once somebody started it. */
function needsThread(error: unknown, place: Place): boolean {
  return codeOf(error) === UNKNOWN_CHANNEL && place.thread !== undefined && place.thread !== place.channel;
}

async function startThread(calls: Calls, place: Place, card: Card): Promise<void> {
  try {
    await calls.startThread(
      place.channel,
      place.thread!,
      cut(visible(card.title).trim(), THREAD_NAME_MAX) || 'Details',
    );
  } catch (error) {
    if (codeOf(error) !== THREAD_EXISTS) throw error;
  }
}

export function posted(place: Pick<Place, 'channel' | 'thread'>, message: Pick<APIMessage, 'id'>): Posted {
  return {
    platform: 'discord',
    channel: place.channel,
    message: message.id,
    ...(place.thread !== undefined && { thread: place.thread }),
  };
}
