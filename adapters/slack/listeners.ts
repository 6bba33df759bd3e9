import type { App, types } from '@slack/bolt';
import type { Actor, Desk, Place } from '../../src/contracts/chat.ts';
import type { SlackApi } from './api.ts';
import {
  COMMAND_FORM,
  commandView,
  FIELD,
  filled,
  type Memory,
  memoryOf,
  options,
  PROMPT_FORM,
  promptView,
  TYPED,
} from './forms.ts';
import { OPTIONS_MAX } from './limits.ts';
import { type Log, reasonOf } from './log.ts';
import { BUTTON_ID, homeBlocks } from './render.ts';
import type { Origin, replies } from './replies.ts';
import { typedText } from './text.ts';

export interface Listening {
  readonly desk: Desk;
  readonly api: SlackApi;
  readonly replies: ReturnType<typeof replies>;
  readonly root: string;
  readonly log: Log;
}

/** Slack waits three seconds for suggestions and takes no later ones. */
const SUGGEST_WITHIN_MS = 2_500;

const actorOf = (user: { readonly id: string; readonly name?: string; readonly username?: string }): Actor => ({
  platform: 'slack',
  id: user.id,
  name: user.name ?? user.username ?? user.id,
});

const placeOf = (channel: string, thread?: string): Place => ({
  platform: 'slack',
  channel,
  ...(thread !== undefined && { thread }),
});

/** Everything Slack tells us, as asks and clicks. Each listener acknowledges before it works. */
export function listen(app: App, tools: Listening): void {
  commands(app, tools);
  buttons(app, tools);
  forms(app, tools);
  conversation(app, tools);
}

function commands(app: App, { desk, api, replies, root, log }: Listening): void {
  app.command(root, async ({ ack, command }) => {
    await ack();
    const text = typedText(command.text ?? '').trim();
    const place = placeOf(command.channel_id);
    const form = desk.form(text);
    if (form) {
      const memory: Memory = { channel: place.channel, responseUrl: command.response_url };
      const opened = await openView(api, command.trigger_id, commandView(form, memory), log);
      // Without a form the answer names what is missing.
      if (opened) return;
    }
    const origin = {
      delivery: command.trigger_id,
      user: command.user_id,
      place,
      responseUrl: command.response_url,
    };
    const actor = actorOf({ id: command.user_id, name: command.user_name });
    await desk.command({ delivery: origin.delivery, actor, place, input: { text }, reply: replies.toAsk(origin) });
  });
}

function buttons(app: App, { desk, api, replies, log }: Listening): void {
  app.action({ type: 'block_actions', action_id: new RegExp(`^${BUTTON_ID}`) }, async ({ ack, action, body }) => {
    await ack();
    if (body.type !== 'block_actions' || action.type !== 'button' || !action.value) return;
    const { channel, thread } = whereOf(body);
    const place = placeOf(channel, thread);
    const origin: Origin = { delivery: body.trigger_id, user: body.user.id, place, responseUrl: body.response_url };
    const ref = action.value;
    const prompt = await desk.prompt(ref);
    if (prompt) {
      const memory: Memory = { channel, thread, responseUrl: body.response_url, ref };
      if (await openView(api, body.trigger_id, promptView(prompt, memory), log)) return;
      const lines = ['Slack did not open it in time', 'Press the button again'];
      await replies.privately(origin, { title: 'The form did not open', tone: 'bad', lines });
      return;
    }
    const actor = actorOf(body.user);
    await desk.click({ delivery: origin.delivery, actor, place, ref, reply: replies.toClick(origin) });
    if (body.view?.type === 'home') await publishHome(desk, api, actor);
  });
}

/** Where a button stands; one in the home tab answers in the direct message with the person. */
function whereOf(
  body: { readonly user: { readonly id: string }; readonly channel?: { readonly id: string } } & object,
) {
  const { container } = body as { readonly container?: { readonly thread_ts?: unknown } };
  const thread = typeof container?.thread_ts === 'string' ? container.thread_ts : undefined;
  return { channel: body.channel?.id ?? body.user.id, thread };
}

function forms(app: App, { desk, replies, log }: Listening): void {
  app.view(COMMAND_FORM, async ({ ack, body, view }) => {
    const memory = memoryOf(view.private_metadata);
    if (!memory?.command) return await ack();
    const values = filled(view.state.values);
    const errors = missing(view.blocks, values);
    if (Object.keys(errors).length > 0) return await ack({ response_action: 'errors', errors });
    await ack();
    const origin = submitted(view.id, body.user.id, memory);
    await desk.command({
      delivery: origin.delivery,
      actor: actorOf(body.user),
      place: origin.place,
      input: { command: memory.command, options: values },
      reply: replies.toAsk(origin),
    });
  });

  app.view(PROMPT_FORM, async ({ ack, body, view }) => {
    await ack();
    const memory = memoryOf(view.private_metadata);
    if (!memory?.ref) return;
    const origin = submitted(view.id, body.user.id, memory);
    const typed = view.state.values[TYPED]?.[TYPED]?.value ?? '';
    const { delivery, place } = origin;
    const reply = replies.toClick(origin);
    await desk.click({ delivery, actor: actorOf(body.user), place, ref: memory.ref, typed, reply });
  });

  app.options<'block_suggestion'>(
    { type: 'block_suggestion', action_id: new RegExp(`^${FIELD}`) },
    async ({ ack, body }) => {
      const memory = memoryOf(body.view?.private_metadata ?? '');
      if (!memory?.command) return await ack({ options: [] });
      const query = {
        actor: actorOf(body.user),
        place: placeOf(memory.channel, memory.thread),
        command: memory.command,
        option: body.action_id.slice(FIELD.length),
        typed: typedText(body.value),
        options: filled(body.view?.state.values ?? {}),
        limit: OPTIONS_MAX,
      };
      const found = desk.complete(query).catch((error: unknown) => {
        log({ level: 'error', says: 'completion failed', reason: reasonOf(error) });
        return [];
      });
      await ack({ options: options(await inTime(found, [])) });
    },
  );
}

/** One submission of one form: closing it twice is the same delivery. */
const submitted = (view: string, user: string, { channel, thread, responseUrl }: Memory): Origin => ({
  delivery: `view-${view}`,
  user,
  place: placeOf(channel, thread),
  responseUrl,
});

/** Slack checks that required fields are not empty, but takes blanks for an answer. */
function missing(blocks: readonly types.AnyBlock[], values: Readonly<Record<string, string>>): Record<string, string> {
  const required = blocks.flatMap((block) => (isRequired(block) ? [block.block_id ?? ''] : []));
  const empty = required.filter((block) => values[block.slice(FIELD.length)] === undefined);
  return Object.fromEntries(empty.map((block) => [block, `Fill in ${block.slice(FIELD.length)}`]));
}

const isRequired = (block: types.AnyBlock): boolean =>
  block.type === 'input' && !('optional' in block && block.optional);

/** Direct messages and mentions: the way to give commands inside a thread, where Slack runs no slash commands. */
function conversation(app: App, { desk, api, replies, log }: Listening): void {
  const said = async (delivery: string, user: string, channel: string, raw: string, thread?: string) => {
    const text = typedText(raw.replace(/^\s*<@[^<>]+>/, '')).trim();
    const place = placeOf(channel, thread);
    const origin: Origin = { delivery, user, place };
    const actor = actorOf({ id: user });
    await desk.command({ delivery, actor, place, input: { text }, reply: replies.toAsk(origin) });
  };
  app.event('app_mention', async ({ event, body }) => {
    if (!event.user) return;
    await said(body.event_id, event.user, event.channel, event.text, event.thread_ts);
  });
  app.event('message', async ({ event, body }) => {
    if (event.channel_type !== 'im' || event.subtype !== undefined || event.bot_id) return;
    await said(body.event_id, event.user, event.channel, event.text ?? '', event.thread_ts);
  });
  app.event('app_home_opened', async ({ event }) => {
    if (event.tab !== 'home') return;
    await publishHome(desk, api, actorOf({ id: event.user })).catch((error: unknown) =>
      log({ level: 'error', says: 'the home tab was not shown', reason: reasonOf(error) }),
    );
  });
}

async function publishHome(desk: Desk, api: SlackApi, actor: Actor): Promise<void> {
  const blocks = homeBlocks(await desk.home(actor));
  await api.patient('views.publish', { user_id: actor.id, view: { type: 'home', blocks } });
}

/** A trigger is good for three seconds and one view; false when Slack did not open it. */
async function openView(api: SlackApi, trigger_id: string, view: types.ModalView, log: Log): Promise<boolean> {
  try {
    await api.once('views.open', { trigger_id, view });
    return true;
  } catch (error) {
    log({ level: 'warn', says: 'a form did not open', reason: reasonOf(error) });
    return false;
  }
}

async function inTime<T>(work: Promise<T>, otherwise: T): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const late = setTimeout(() => resolve(otherwise), SUGGEST_WITHIN_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(late);
  }
}
