/**
 * A Slack workspace on loopback that speaks Slack's own wire protocols and refuses what Slack refuses:
 * Web API, Block Kit limits, Socket Mode, signed HTTP delivery, response URLs, modals, App Home.
 * Facts: ../shared/chat/PLATFORMS.md and limits.json; without them blocks are not validated.
 */
import { limitsPresent } from '../oracles/limits.ts';
import type { PlatformClock } from './clock.ts';
import type { Fault } from './faults.ts';
import { listen } from './loopback.ts';
import { type Delivery, type DeliveryKind, type Pending, type Retries, slackDelivery } from './slack-delivery.ts';
import { type SlackPerson, slackPerson } from './slack-driver.ts';
import { type Forgery, type HttpReply, httpTransport, post, type SignedRequest, signed } from './slack-http.ts';
import { install } from './slack-install.ts';
import { type SlackSockets, slackSockets } from './slack-socket.ts';
import { liveMarkup, viewText, visibleText } from './slack-text.ts';
import { webApi } from './slack-web-api.ts';
import { type Json, type SlackMessage, type SlackView, type SlackWorld, slackWorld } from './slack-world.ts';

export type { Fault } from './faults.ts';
export type { DeliveryKind, Outcome, Pending } from './slack-delivery.ts';
export type { SlackPerson } from './slack-driver.ts';
export type { Exchange } from './slack-exchange.ts';
export type { Forgery, HttpReply, SignedRequest } from './slack-http.ts';
export type { Values } from './slack-inputs.ts';
export type { SlackMessage, SlackMetadata, SlackView } from './slack-world.ts';

export interface FakeSlack {
  /** `clientOptions.slackApiUrl` of Bolt; ends with a slash. */
  readonly apiUrl: string;
  readonly botToken: string;
  readonly appToken: string;
  readonly signingSecret: string;
  readonly botUser: string;
  readonly teamId: string;
  readonly clock: PlatformClock;
  readonly world: SlackWorld;
  readonly sockets: SlackSockets;
  /** Redelivery of what was not acked: kinds, deadline and delays in platform time. */
  readonly retries: Retries;
  /** What the platform let pass although it harms people; tests expect it empty. */
  readonly violations: string[];
  /** Signed requests that went out over HTTP, for replays. */
  readonly sent: SignedRequest[];

  /** A person; made on first use with this id as name. */
  user(id: string, facts?: { name?: string; email?: string; tz?: string }): SlackPerson;
  /** A user group (`S…`) and who is in it. */
  group(id: string, members: string[]): void;
  channel(id: string): void;
  /** Installs the app by its manifest: from now on only its scopes, commands and events exist. Throws what Slack refuses. */
  install(manifest: Json): void;
  /** From now on what people do goes to this request URL, or over Socket Mode again. */
  deliverTo(where: 'socket' | { http: string }): void;
  /** One hand-made signed request, forged where asked; neither retried nor interpreted. */
  deliverHttp(url: string, kind: DeliveryKind, payload: Json, forgery?: Forgery): Promise<HttpReply>;
  replay(url: string, request: SignedRequest): Promise<HttpReply>;
  /** Hands the same payload over once more, as a duplicate delivery. */
  again(pending: Pending): Pending;

  /** Copies of what everyone sees in a channel, oldest first, threads included; `as` adds what only they see. */
  messages(channel: string, options?: { as?: string; threadTs?: string }): SlackMessage[];
  message(ts: string): SlackMessage;
  home(user: string): SlackView | undefined;
  visibleText(of: SlackMessage | SlackView): string;
  liveMarkup(of: SlackMessage): ReturnType<typeof liveMarkup>;
  waitFor: SlackWorld['waitFor'];
  /** The first message in the channel whose visible text holds this. */
  shows(channel: string, text: string | RegExp, options?: { as?: string }): Promise<SlackMessage>;

  /** Faults for the next calls of a method (`chat.postMessage`, `response_url`, `upload`, `*`). */
  failNext(method: string, ...faults: Fault[]): void;
  /** How often each metadata (per channel) was posted; more than 1 is a double post. */
  postCounts(): Map<string, number>;
  /** Calls of one method so far. */
  calls(method: string): SlackWorld['calls'];
  stop(): Promise<void>;
}

// Once per test file, not once per workspace.
if (!limitsPresent) console.log('slack stand-in: ../shared/chat/limits.json is absent, blocks are not validated');

export async function startSlack(): Promise<FakeSlack> {
  const world = slackWorld();
  const sent: SignedRequest[] = [];
  let http: string | undefined;
  const loopback = await listen((request) => webApi(request, world, () => sockets.open()));
  world.origin = `http://127.0.0.1:${loopback.port}`;
  const sockets = slackSockets(
    world,
    () => loopback,
    () => delivery,
  );
  const delivery: Delivery = slackDelivery(world, () =>
    http === undefined ? sockets : httpTransport(world, http, () => delivery, sent),
  );
  const text = (of: SlackMessage | SlackView) => ('rootId' in of ? viewText(of.body) : visibleText(of));

  const slack: FakeSlack = {
    apiUrl: `${world.origin}/api/`,
    botToken: world.botToken,
    appToken: world.appToken,
    signingSecret: world.signingSecret,
    botUser: world.botUser,
    teamId: world.teamId,
    clock: world.clock,
    world,
    sockets,
    retries: delivery.retries,
    violations: world.violations,
    sent,
    user(id, facts = {}) {
      if (!world.users.has(id) || Object.keys(facts).length > 0) {
        const name = facts.name ?? world.users.get(id)?.name ?? id.toLowerCase();
        const { email = `${id.toLowerCase()}@example.org`, tz = 'Europe/Paris' } = facts;
        world.users.set(id, { id, name, email, tz, deleted: false });
      }
      return slackPerson(world, () => delivery, id);
    },
    group: (id, members) => void world.groups.set(id, new Set(members)),
    channel: (id) => void world.channels.add(id),
    install: (manifest) => install(world, manifest),
    deliverTo(where) {
      http = where === 'socket' ? undefined : where.http;
    },
    deliverHttp: (url, kind, payload, forgery) => post(url, signed(world, kind, payload, forgery)),
    replay: post,
    again: (pending) => delivery.deliver(pending.kind, pending.payload),
    messages(channel, { as, threadTs } = {}) {
      const inside = (one: SlackMessage) =>
        one.channel === channel && !one.deleted && (!threadTs || one.threadTs === threadTs);
      const seen = world.messages.filter((one) => inside(one) && (!one.ephemeralTo || one.ephemeralTo === as));
      return structuredClone(seen);
    },
    message(ts) {
      const found = world.messages.find((one) => one.ts === ts);
      if (!found) throw new Error(`no message ${ts}`);
      return structuredClone(found);
    },
    home: (user) => structuredClone(world.homes.get(user)),
    visibleText: text,
    liveMarkup,
    waitFor: world.waitFor,
    shows(channel, wanted, options) {
      const hit = (one: SlackMessage) =>
        typeof wanted === 'string' ? text(one).includes(wanted) : wanted.test(text(one));
      return world.waitFor(() => slack.messages(channel, options).findLast(hit), `"${wanted}" in ${channel}`);
    },
    failNext: world.faults.next,
    postCounts() {
      const counts = new Map<string, number>();
      for (const { metadata, channel } of world.messages) {
        if (!metadata) continue;
        const key = `${channel} ${metadata.event_type} ${JSON.stringify(metadata.event_payload)}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return counts;
    },
    calls: (method) => world.calls.filter((one) => one.method === method),
    async stop() {
      delivery.stop();
      await sockets.stop();
      await loopback.close();
    },
  };
  return slack;
}
