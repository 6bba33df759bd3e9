import type { Outcome, Pending } from './slack-delivery.ts';
import { respond } from './slack-posting.ts';
import type { Json, ResponseUrl, SlackMessage, SlackView, SlackWorld, Trigger } from './slack-world.ts';

/** One thing a person did and everything that came back for it. */
export interface Exchange {
  readonly pending: Pending;
  /** How Slack's client sees it end: acked, timed out after 3 s, or failed. Never rejects. */
  acked(): Promise<Outcome>;
  /** Messages that answered through the ack or the response_url, ephemeral ones included. */
  readonly answers: SlackMessage[];
  /** The first of these, once it is there. */
  answer(): Promise<SlackMessage>;
  /** Modals opened with this trigger, newest last. */
  readonly views: SlackView[];
  view(): Promise<SlackView>;
  /** Field errors of a submitted modal, by block_id. */
  readonly errors: Record<string, string>;
}

/** An empty body, or empty text, acks and shows nothing. */
const says = (body: Json | undefined): body is Json =>
  body !== undefined && (Boolean(body.text) || Array.isArray(body.blocks) || body.response_type !== undefined);

export function exchange(world: SlackWorld, pending: Pending, trigger: Trigger, url?: ResponseUrl): Exchange {
  const copy = <T>(value: T): T => structuredClone(value);
  const done = pending.done.then((outcome) => {
    // The body of an ack of a slash command is a message; of a click it is ignored.
    if (outcome.status === 'ok' && says(outcome.body) && url && pending.kind === 'slash_commands') {
      const answer = respond(world, url, outcome.body);
      if (answer.status !== 200) world.violations.push(`ack of a slash command refused: ${answer.text}`);
    }
    return outcome;
  });
  const one: Exchange = {
    pending,
    errors: {},
    acked: () => done,
    get answers() {
      const ts = url?.posted ?? [];
      return world.messages.filter((message) => ts.includes(message.ts) && !message.deleted).map(copy);
    },
    answer: () => world.waitFor(() => one.answers[0], 'an answer through ack or response_url'),
    get views() {
      return trigger.opened.map((id) => copy(world.views.get(id)!));
    },
    view: () => world.waitFor(() => one.views.at(-1), 'a modal'),
  };
  return one;
}
