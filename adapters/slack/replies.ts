import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted, Reply } from '../../src/contracts/chat.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { refusalOf, type SlackApi } from './api.ts';
import { type Log, reasonOf } from './log.ts';
import { NO_MARKUP } from './posting.ts';
import { renderCard } from './render.ts';

/** Where an answer can go. `responseUrl` works for half an hour and five answers, also where the app is no member. */
export interface Origin {
  readonly delivery: string;
  readonly user: string;
  readonly place: Place;
  readonly responseUrl?: string;
}

interface Tools {
  readonly api: SlackApi;
  readonly post: (place: Place, card: Card, key: string, perhaps: boolean) => Promise<Posted>;
  readonly log: Log;
  /** The app's name, for `/invite @name`. */
  readonly name: () => string;
}

/** Slack's words for a channel the app cannot write to. */
const OUTSIDE = new Set(['not_in_channel', 'channel_not_found', 'is_archived']);
const TIMEOUT_MS = 10_000;

export function replies({ api, post, log, name }: Tools) {
  /** Only the person sees it. */
  const privately = async (origin: Origin, card: Card): Promise<void> => {
    if (origin.responseUrl && (await respond(origin.responseUrl, card, 'ephemeral'))) return;
    const { text, blocks } = renderCard(card);
    const { place, user } = origin;
    // In a conversation with the app itself there is nobody else to hide from.
    const direct = place.channel === user || place.channel.startsWith('D');
    await api.patient(direct ? 'chat.postMessage' : 'chat.postEphemeral', {
      channel: place.channel,
      ...(!direct && { user }),
      ...(place.thread && { thread_ts: place.thread }),
      text,
      blocks,
      ...NO_MARKUP,
    });
  };

  /**
   * Uses up one answer of a response_url. False when it is certain that nothing appeared (expired, used up, never
   * reached); a lost answer throws, since a second try might show the card twice.
   */
  const respond = async (url: string, card: Card, type: 'ephemeral' | 'in_channel'): Promise<boolean> => {
    const { text, blocks } = renderCard(card);
    const body = JSON.stringify({ response_type: type, replace_original: false, text, blocks });
    const headers = { 'content-type': 'application/json' };
    let status: number;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      });
      await response.body?.cancel();
      status = response.status;
    } catch (error) {
      return fail(
        'unavailable',
        { what: 'An answer may not have arrived', why: reasonOf(error), next: 'ask again', sent: 'unknown' },
        error,
      );
    }
    if (status >= 500)
      return fail('unavailable', {
        what: 'An answer may not have arrived',
        why: `Slack answered HTTP ${status}`,
        next: 'ask again',
        sent: 'unknown',
        status,
      });
    if (status >= 300) log({ level: 'warn', says: 'a response_url took no answer', status });
    return status < 300;
  };

  /** The channel cannot be written to: whoever asked still gets the answer, and the way to get the app in. */
  const fromOutside = async (origin: Origin, card: Card): Promise<void> => {
    const hint = `I am not in this channel: type /invite @${name()}`;
    const hinted: Card = { ...card, footer: [card.footer, hint].filter(Boolean).join('. ') };
    // Buttons and progress need a message that can be edited, so only a finished answer is shown to everybody.
    const finished = !card.actions?.length && card.tone !== 'busy' && !card.progress;
    const shown =
      origin.responseUrl && (await respond(origin.responseUrl, hinted, finished ? 'in_channel' : 'ephemeral'));
    if (!shown)
      await privately(
        { ...origin, responseUrl: undefined, place: { platform: 'slack', channel: origin.user } },
        hinted,
      );
  };

  return {
    privately,
    /** Answers a command: private cards for the person alone, all others as a message of the channel. */
    toAsk:
      (origin: Origin): Reply =>
      async (card, key = `reply-${origin.delivery}`) => {
        if (card.private) {
          await privately(origin, card);
          return undefined;
        }
        try {
          return await post(origin.place, card, key, false);
        } catch (error) {
          const outside = error instanceof Failed && OUTSIDE.has(refusalOf(error) ?? '');
          if (!outside) throw error;
          await fromOutside(origin, card);
          return undefined;
        }
      },
    /** Answers a click: only the person who clicked sees it. */
    toClick:
      (origin: Origin): Reply =>
      async (card) => {
        await privately(origin, card);
        return undefined;
      },
  };
}
