import type { ReceiverEvent } from '@slack/bolt';

/**
 * Deliveries that arrive again (a lost ack, a refreshed socket, a replayed request) are acknowledged with the
 * first answer and not handled a second time. This remembers some minutes of one process; the Desk gets the same
 * `delivery` and is what keeps the promise for ever.
 */
export function onceOnly(now: () => number): (event: ReceiverEvent, handle: Handle) => Promise<void> {
  const seen = new Map<string, { at: number; answer: Promise<unknown> }>();
  const forget = () => {
    const oldest = now() - REMEMBERED_MS;
    for (const [id, { at }] of seen) {
      if (at > oldest && seen.size <= REMEMBERED) return;
      seen.delete(id);
    }
  };
  return async (event, handle) => {
    const id = deliveryId(event.body);
    if (id === undefined) return await handle(event);
    const earlier = seen.get(id);
    if (earlier) return await event.ack(await earlier.answer);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    seen.set(id, { at: now(), answer: promise });
    forget();
    let acked = false;
    const ack = async (answer?: unknown) => {
      acked = true;
      resolve(answer);
      await event.ack(answer);
    };
    try {
      await handle({ ...event, ack });
    } finally {
      resolve(undefined);
      // Nobody was told that it arrived, so a repeat is the first real try.
      if (!acked) seen.delete(id);
    }
  };
}

type Handle = (event: ReceiverEvent) => Promise<void>;

const REMEMBERED_MS = 15 * 60_000;
const REMEMBERED = 20_000;

/** Slack's id of one delivery, the same however often it is delivered; suggestions have none and change nothing. */
export function deliveryId(body: ReceiverEvent['body']): string | undefined {
  if (body.type === 'block_suggestion') return undefined;
  const id = body.type === 'event_callback' ? body.event_id : body.trigger_id;
  return typeof id === 'string' && id !== '' ? id : undefined;
}
