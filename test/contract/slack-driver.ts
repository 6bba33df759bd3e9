import { createSlack, type SlackChat, type SlackEvent } from '../../adapters/slack/index.ts';
import type { Place } from '../../src/contracts/chat.ts';
import { type Exchange, type FakeSlack, type SlackMessage, startSlack } from '../platforms/slack.ts';
import type { ChatDriver, Who } from './chat-suite.ts';

export interface SlackDriver extends ChatDriver {
  readonly chat: SlackChat;
  readonly slack: FakeSlack;
  readonly ids: typeof IDS;
  /** What the adapter logged. */
  readonly log: SlackEvent[];
}

const IDS = { alice: 'U000ALICE', bob: 'U0000BOB' } as const;

/** Alice and Bob in #ops of a Slack workspace on loopback, with the real adapter on its wire. */
export async function slackDriver(mode: 'socket' | 'http', editEveryMs = 50): Promise<SlackDriver> {
  const slack = await startSlack();
  // A loaded machine must not run into Slack's three seconds.
  slack.clock.freeze();
  const people = { alice: slack.user(IDS.alice, { name: 'alice' }), bob: slack.user(IDS.bob, { name: 'bob' }) };
  const place: Place = { platform: 'slack', channel: 'C000OPS' };
  const elsewhere: Place = { platform: 'slack', channel: 'C000DEV' };
  const log: SlackEvent[] = [];
  const way =
    mode === 'socket'
      ? { appToken: slack.appToken }
      : { signingSecret: slack.signingSecret, http: { port: 0, host: '127.0.0.1' } };
  const chat = createSlack({
    botToken: slack.botToken,
    apiUrl: slack.apiUrl,
    root: '/pve',
    log: (event) => log.push(event),
    editEveryMs,
    ...way,
  });
  let last: Exchange | undefined;

  const route = () => {
    if (chat.url) slack.deliverTo({ http: chat.url });
  };
  const messages = (who: Who): SlackMessage[] =>
    [place, elsewhere]
      .flatMap(({ channel }) => slack.messages(channel, { as: IDS[who] }))
      .sort((a, b) => Number(a.ts) - Number(b.ts));
  const withButton = (who: Who, label: string) => {
    const found = messages(who).findLast((message) => buttons(message).some((one) => one.label === label));
    if (!found) throw new Error(`nobody shows ${who} a button "${label}"`);
    return found;
  };
  const arrived = async (exchange: Exchange) => {
    const outcome = await exchange.acked();
    if (outcome.status !== 'ok') throw new Error(`Slack shows an error: ${outcome.status} ${outcome.reason}`);
  };

  return {
    chat,
    slack,
    ids: IDS,
    log,
    place,
    elsewhere,
    async says(who, text) {
      route();
      last = people[who].says(`/pve ${text}`, { channel: place.channel });
      await arrived(last);
    },
    async clicks(who, label) {
      route();
      await arrived(people[who].clicks(withButton(who, label), label));
    },
    async types(who, label, text) {
      route();
      const exchange = people[who].clicks(withButton(who, label), label);
      await arrived(exchange);
      await arrived(await people[who].submits(await exchange.view(), { typed: text }));
    },
    async completes(who, command, option, typed) {
      route();
      const view = await people[who].says(`/pve ${command}`, { channel: place.channel }).view();
      return (await people[who].suggests(view, `field-${option}`, typed)).map(({ value }) => value);
    },
    seen: (who) => messages(who).map((message) => slack.visibleText(message)),
    live: () =>
      [...messages('alice'), ...messages('bob')].flatMap((message) => {
        const { mentions, links } = slack.liveMarkup(message);
        return [...mentions, ...links.map(({ url }) => url)];
      }),
    carries: (label) =>
      buttons(withButton('alice', label))
        .filter((one) => one.label === label)
        .flatMap(({ sent }) => sent),
    until: async (condition) => {
      await slack.waitFor(condition);
    },
    async redeliver() {
      if (!last) throw new Error('nothing was said yet');
      await slack.again(last.pending).done;
    },
    loseNextAnswer: () => slack.failNext('chat.postMessage', { kind: 'reset', stored: true }),
    refuse429() {
      const before = slack.calls('chat.postMessage').length;
      slack.failNext('chat.postMessage', { kind: 'rate-limited', retryAfter: 1 });
      return () => slack.calls('chat.postMessage').length > before;
    },
    reconnect: () => slack.sockets.refresh(),
    posts: (key) =>
      [...slack.postCounts()]
        .filter(([name]) => name.includes(JSON.stringify({ key })))
        .reduce((sum, [, n]) => sum + n, 0),
    async close() {
      await slack.stop();
      // What Slack lets pass although it harms people.
      if (slack.violations.length > 0) throw new Error(slack.violations.join('\n'));
    },
  };
}

interface ShownButton {
  readonly label: string;
  readonly sent: readonly string[];
}

function buttons(message: SlackMessage): ShownButton[] {
  return message.blocks
    .filter((block) => block.type === 'actions')
    .flatMap((block) => block.elements as Record<string, unknown>[])
    .map((one) => ({
      label: String((one.text as { text: string }).text),
      sent: [one.action_id, one.value, one.url].filter((part) => part !== undefined).map(String),
    }));
}
