import { answerSubmission, answerSuggestion } from './slack-answers.ts';
import type { Delivery } from './slack-delivery.ts';
import { type Exchange, exchange } from './slack-exchange.ts';
import { elementsOf, type Found, find, stateFor, type Values } from './slack-inputs.ts';
import { wireMessage } from './slack-message-methods.ts';
import { wireView } from './slack-view-methods.ts';
import { findMessage, type Json, type SlackMessage, type SlackView, type SlackWorld, urlOf } from './slack-world.ts';

export interface SlackPerson {
  readonly id: string;
  /**
   * Types into the box: `/pve ct list` is a slash command, anything else a message that mentions the bot, or in a
   * direct message (channel `D…`) one that goes to it alone.
   */
  says(text: string, where?: { channel?: string; threadTs?: string }): Exchange;
  /** Clicks a button by action_id, label or value on a message or view as this person sees it. */
  clicks(on: SlackMessage | SlackView, button: string): Exchange;
  /** Picks an option of a select in a message, by value or label. */
  chooses(on: SlackMessage | SlackView, actionId: string, option: string): Promise<Exchange>;
  /** Fills a modal by action_id, block_id or label, and submits it; refuses what Slack's own client refuses. */
  submits(view: SlackView, values?: Values): Promise<Exchange>;
  closes(view: SlackView): Exchange | undefined;
  /** Types into an external select; the options as the person would see them. */
  suggests(on: SlackView | SlackMessage, actionId: string, text: string): Promise<{ text: string; value: string }[]>;
  opensHome(): Exchange;
}

export function slackPerson(world: SlackWorld, delivery: () => Delivery, id: string): SlackPerson {
  const who = () => ({
    id,
    username: world.users.get(id)?.name ?? id,
    name: world.users.get(id)?.name ?? id,
    team_id: world.teamId,
  });
  const common = () => ({
    team: { id: world.teamId, domain: 'stand-in' },
    enterprise: null,
    is_enterprise_install: false,
    api_app_id: world.appId,
    token: world.verificationToken,
    user: who(),
  });
  const isView = (on: SlackMessage | SlackView): on is SlackView => 'rootId' in on;

  const mustSee = (on: SlackMessage | SlackView) => {
    if (isView(on)) {
      if (on.user !== id) throw new Error(`${id} does not see the view of ${on.user}`);
      if (world.views.get(on.id)?.closed) throw new Error(`the view ${on.id} is closed`);
    } else {
      if (on.ephemeralTo && on.ephemeralTo !== id)
        throw new Error(`${id} does not see a message only ${on.ephemeralTo} sees`);
      if (!findMessage(world, on.channel, on.ts)) throw new Error(`the message ${on.ts} is gone`);
    }
  };

  /** The part of a payload that says where the element stands. */
  const place = (on: SlackMessage | SlackView): Json => {
    if (isView(on))
      return { container: { type: 'view', view_id: on.id }, view: wireView(on, world, stateFor(on.body, {})) };
    const container = {
      type: 'message',
      message_ts: on.ts,
      channel_id: on.channel,
      is_ephemeral: on.ephemeralTo !== undefined,
      ...(on.threadTs && { thread_ts: on.threadTs }),
    };
    const channel = { id: on.channel, name: on.channel.toLowerCase() };
    // Payloads of ephemeral messages do not carry the message.
    return on.ephemeralTo ? { container, channel } : { container, channel, message: wireMessage(on, world, false) };
  };

  const act = (on: SlackMessage | SlackView, found: Found, action: Json): Exchange => {
    const view = isView(on);
    const trigger = world.trigger(id, view ? on.id : undefined);
    const url = view
      ? undefined
      : world.responseUrl(on.channel, id, { ts: on.ts, ephemeral: on.ephemeralTo !== undefined });
    const { element, block } = found;
    const payload: Json = {
      type: 'block_actions',
      ...common(),
      ...place(on),
      trigger_id: trigger.id,
      ...(url && { response_url: urlOf(world, url) }),
      state: { values: {} },
      actions: [
        {
          action_id: element.action_id ?? world.newId('a'),
          block_id: block.block_id,
          type: element.type,
          action_ts: world.newTs(),
          ...action,
        },
      ],
    };
    return exchange(world, delivery().deliver('interactive', payload), trigger, url);
  };

  const slash = (text: string, channel: string): Exchange => {
    const [command = '', ...rest] = text.split(' ');
    if (world.commands && !world.commands.has(command))
      throw new Error(`${command} is not a valid command: the manifest lacks it`);
    const trigger = world.trigger(id);
    const url = world.responseUrl(channel, id);
    const payload = {
      token: world.verificationToken,
      team_id: world.teamId,
      team_domain: 'stand-in',
      channel_id: channel,
      channel_name: channel.toLowerCase(),
      user_id: id,
      user_name: who().name,
      command,
      // Slack encodes these three in everything people type (limits.json slack.084).
      text: world.commands?.get(command)?.escape ? escaped(world, encoded(rest.join(' '))) : encoded(rest.join(' ')),
      api_app_id: world.appId,
      is_enterprise_install: 'false',
      response_url: urlOf(world, url),
      trigger_id: trigger.id,
    };
    return exchange(world, delivery().deliver('slash_commands', payload), trigger, url);
  };

  const event = (body: Json, subscription = String(body.type)): Exchange => {
    if (world.events && !world.events.has(subscription))
      throw new Error(`the manifest does not subscribe to ${subscription}`);
    const payload = {
      type: 'event_callback',
      token: world.verificationToken,
      team_id: world.teamId,
      api_app_id: world.appId,
      event_id: world.newId('Ev'),
      event_time: Math.floor(world.clock.now() / 1000),
      authorizations: [{ team_id: world.teamId, user_id: world.botUser, is_bot: true }],
      event: body,
    };
    return exchange(world, delivery().deliver('events_api', payload), world.trigger(id));
  };

  const person: SlackPerson = {
    id,
    says(text, { channel = 'C000OPS', threadTs } = {}) {
      if (text.startsWith('/')) {
        if (threadTs) throw new Error('Slack does not run slash commands inside threads (PLATFORMS.md §5.9)');
        return slash(text, channel);
      }
      const ts = world.newTs();
      const direct = channel.startsWith('D');
      const said = direct ? encoded(text) : `<@${world.botUser}> ${encoded(text)}`;
      world.messages.push({
        ts,
        channel,
        user: id,
        text: said,
        blocks: [],
        threadTs,
        files: [],
        edits: [],
        deleted: false,
      });
      world.changed();
      const thread = threadTs ? { thread_ts: threadTs } : {};
      const body = { user: id, text: said, ts, channel, event_ts: ts, ...thread };
      if (direct) return event({ type: 'message', channel_type: 'im', ...body }, 'message.im');
      return event({ type: 'app_mention', ...body });
    },
    clicks(on, button) {
      mustSee(on);
      const found = find(on, (one) => one.type === 'button', button);
      const { text, value, style } = found.element;
      return act(on, found, { text, ...(value !== undefined && { value }), ...(style !== undefined && { style }) });
    },
    async chooses(on, actionId, wanted) {
      mustSee(on);
      const found = find(on, (one) => one.type !== 'button', actionId);
      const option = await optionFor(found, wanted, (text) => person.suggests(on, actionId, text));
      return act(on, found, { selected_option: option });
    },
    async submits(view, values = {}) {
      mustSee(view);
      const now = world.views.get(view.id)!;
      const chosen: Values = { ...values };
      for (const { element, block } of elementsOf(now)) {
        const key = [element.action_id, block.block_id, (block.label as Json | undefined)?.text].find(
          (one) => String(one) in values,
        );
        if (element.type !== 'external_select' || key === undefined) continue;
        const wanted = String(values[String(key)]);
        const offered = await person.suggests(now, String(element.action_id), wanted);
        const hit = offered.find((one) => one.value === wanted || one.text === wanted);
        if (!hit)
          throw new Error(
            `${String(key)} offers no "${wanted}", only ${JSON.stringify(offered.map((one) => one.text))}`,
          );
        chosen[String(key)] = { text: { type: 'plain_text', text: hit.text }, value: hit.value };
      }
      const trigger = world.trigger(id, now.id);
      const payload = {
        type: 'view_submission',
        ...common(),
        trigger_id: trigger.id,
        view: wireView(now, world, stateFor(now.body, chosen, true)),
        response_urls: [],
      };
      const sent = exchange(world, delivery().deliver('interactive', payload), trigger);
      answerSubmission(world, sent, now);
      return sent;
    },
    closes(view) {
      mustSee(view);
      const now = world.views.get(view.id)!;
      now.closed = true;
      world.changed();
      if (now.body.notify_on_close !== true) return undefined;
      const payload = { type: 'view_closed', ...common(), view: wireView(now, world), is_cleared: false };
      return exchange(world, delivery().deliver('interactive', payload), world.trigger(id));
    },
    async suggests(on, actionId, text) {
      mustSee(on);
      const { element, block } = find(on, (one) => String(one.type).includes('external_select'), actionId);
      // Slack asks only from min_query_length characters on, three by default.
      if ([...text].length < Number(element.min_query_length ?? 3)) return [];
      const payload = {
        type: 'block_suggestion',
        ...common(),
        ...place(on),
        action_id: element.action_id,
        block_id: block.block_id,
        value: text,
      };
      return await answerSuggestion(world, delivery().deliver('interactive', payload));
    },
    opensHome() {
      const home = world.homes.get(id);
      const view = home ? { view: wireView(home, world) } : {};
      return event({
        type: 'app_home_opened',
        user: id,
        channel: `D${id}`,
        tab: 'home',
        event_ts: world.newTs(),
        ...view,
      });
    },
  };
  return person;
}

async function optionFor(
  found: Found,
  wanted: string,
  suggest: (text: string) => Promise<{ text: string; value: string }[]>,
) {
  if (found.element.type === 'external_select') {
    const hit = (await suggest(wanted)).find((one) => one.value === wanted || one.text === wanted);
    if (!hit) throw new Error(`no option "${wanted}" is offered`);
    return { text: { type: 'plain_text', text: hit.text }, value: hit.value };
  }
  const options = (found.element.options ?? []) as { text: { text: string }; value: string }[];
  const hit = options.find((one) => one.value === wanted || one.text.text === wanted);
  if (!hit) throw new Error(`no option "${wanted}" in ${JSON.stringify(options.map((one) => one.text.text))}`);
  return hit;
}

/** With `should_escape` Slack turns `@name` and `#channel` of slash commands into ids with labels. */
const escaped = (world: SlackWorld, text: string): string =>
  text.replace(/(?<!\S)([@#])([\w.-]+)/g, (typed, sign: string, name: string) => {
    const user = [...world.users.values()].find((one) => one.name === name);
    if (sign === '@') return user ? `<@${user.id}|${name}>` : typed;
    return world.channels.has(name.toUpperCase()) ? `<#${name.toUpperCase()}|${name}>` : typed;
  });

const encoded = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
