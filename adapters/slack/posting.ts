import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted } from '../../src/contracts/chat.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { SlackApi } from './api.ts';
import { renderCard } from './render.ts';

/** Every message of ours carries its key as metadata, so that it can be found after its answer was lost. */
export const METADATA_TYPE = 'bascule';

interface Found {
  readonly messages?: readonly {
    readonly ts?: string;
    readonly metadata?: { readonly event_type?: string; readonly event_payload?: { readonly key?: unknown } };
  }[];
  readonly response_metadata?: { readonly next_cursor?: string };
}

const PAGE = 200;
const PAGES = 20;
const REMEMBERED = 2_000;

/** Posts once per key, one post at a time per channel, so that a 429 holds up only its own channel. */
export function poster(api: SlackApi) {
  const lanes = new Map<string, Promise<unknown>>();

  const inLane = <T>(channel: string, work: () => Promise<T>): Promise<T> => {
    const before = lanes.get(channel) ?? Promise.resolve();
    const mine = before.then(work, work);
    lanes.set(channel, mine);
    const clear = () => lanes.get(channel) === mine && lanes.delete(channel);
    mine.then(clear, clear);
    return mine;
  };

  const send = async (place: Place, card: Card, key: string): Promise<Posted> => {
    const { text, blocks } = renderCard(card);
    const { ts, channel } = await api.patient<{ ts: string; channel: string }>('chat.postMessage', {
      channel: place.channel,
      ...(place.thread && { thread_ts: place.thread }),
      text,
      blocks,
      metadata: { event_type: METADATA_TYPE, event_payload: { key } },
      ...NO_MARKUP,
      unfurl_links: false,
      unfurl_media: false,
    });
    return { platform: 'slack', channel, message: ts, ...(place.thread && { thread: place.thread }) };
  };

  /** What this process has posted, so that a key asked for twice is one message without asking Slack. */
  const done = new Map<string, Posted>();
  const remember = (key: string, posted: Posted) => {
    done.set(key, posted);
    for (const oldest of done.keys()) {
      if (done.size <= REMEMBERED) break;
      done.delete(oldest);
    }
    return posted;
  };

  return {
    post: (place: Place, card: Card, key: string, perhaps: boolean): Promise<Posted> =>
      inLane(place.channel, async () => {
        const earlier = done.get(key) ?? (perhaps ? await find(api, place, key) : undefined);
        return remember(key, earlier ?? (await send(place, card, key)));
      }),
  };
}

/** Nothing in our text is meant to be expanded; it is escaped as well. */
export const NO_MARKUP = { parse: 'none', link_names: false } as const;

/** Looks a key up among the messages of the channel or thread, newest first. */
async function find(api: SlackApi, place: Place, key: string): Promise<Posted | undefined> {
  const method = place.thread ? 'conversations.replies' : 'conversations.history';
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page++) {
    const found = await api
      .patient<Found>(method, {
        channel: place.channel,
        ...(place.thread && { ts: place.thread }),
        include_all_metadata: true,
        limit: PAGE,
        ...(cursor && { cursor }),
      })
      .catch((error: unknown) =>
        fail(
          'in-doubt',
          {
            what: 'A message was not posted again',
            why: 'an earlier try may have arrived, and the channel cannot be read',
            next: `look into the channel; the app needs to be a member and the scopes of the manifest`,
            sent: 'unknown',
          },
          error,
        ),
      );
    const hit = found.messages?.find(
      ({ metadata }) => metadata?.event_type === METADATA_TYPE && metadata.event_payload?.key === key,
    );
    if (hit?.ts)
      return {
        platform: 'slack',
        channel: place.channel,
        message: hit.ts,
        ...(place.thread && { thread: place.thread }),
      };
    cursor = found.response_metadata?.next_cursor || undefined;
    if (!cursor) return undefined;
  }
  return fail('in-doubt', {
    what: 'A message was not posted again',
    why: `an earlier try may have arrived, and it is not among the last ${PAGE * PAGES} messages`,
    next: 'look into the channel',
    sent: 'unknown',
  });
}
