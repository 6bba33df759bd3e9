import { type Changes, changes } from './changes.ts';
import { type PlatformClock, platformClock } from './clock.ts';
import { type Faults, faults } from './faults.ts';
import { visibleText } from './slack-text.ts';

export type Json = Record<string, unknown>;

export interface SlackMetadata {
  event_type: string;
  event_payload: Json;
}

/** One message as it stands now. The driver hands out copies: an old copy is what an old screen shows. */
export interface SlackMessage {
  ts: string;
  channel: string;
  /** The bot's or a person's user id. */
  user: string;
  text: string;
  blocks: Json[];
  metadata?: SlackMetadata;
  threadTs?: string;
  /** Set for a message that only this person sees. */
  ephemeralTo?: string;
  files: { id: string; title: string; content: string }[];
  /** What the message was before each edit, oldest first. */
  edits: { text: string; blocks: Json[]; at: number }[];
  deleted: boolean;
}

export interface SlackView {
  id: string;
  hash: string;
  /** The view as the bot sent it. */
  body: Json;
  /** Who sees it. */
  user: string;
  rootId: string;
  previousId?: string;
  closed: boolean;
}

/** Lets one interaction open a view or answer for a while. */
export interface Trigger {
  id: string;
  user: string;
  at: number;
  used: boolean;
  /** The view the click came from, for views.push. */
  fromView?: string;
  /** Views opened with it. */
  opened: string[];
}

export interface ResponseUrl {
  id: string;
  channel: string;
  user: string;
  at: number;
  uses: number;
  /** The message a click came from; a slash command has none. */
  source?: { ts: string; ephemeral: boolean };
  /** ts of what was posted through it, ack included. */
  posted: string[];
}

export interface SlackUser {
  id: string;
  name: string;
  email: string;
  tz: string;
  deleted: boolean;
}

export interface SlackFile {
  id: string;
  name: string;
  length: number;
  content?: string;
  title?: string;
  done: boolean;
}

/** Everything the workspace knows; the parts of the stand-in share it. */
export interface SlackWorld extends Changes {
  clock: PlatformClock;
  faults: Faults;
  teamId: string;
  appId: string;
  botUser: string;
  botId: string;
  botToken: string;
  appToken: string;
  signingSecret: string;
  verificationToken: string;
  /** Base of response and upload URLs, ends without a slash. */
  origin: string;
  users: Map<string, SlackUser>;
  groups: Map<string, Set<string>>;
  /** Channels the bot is a member of. */
  channels: Set<string>;
  /** Bot scopes; `*` until an app manifest is installed. */
  scopes: Set<string>;
  /** Slash commands of the installed manifest and whether Slack escapes mentions in them; undefined means any. */
  commands?: Map<string, { escape: boolean }>;
  /** Events of the installed manifest (`app_mention`, `message.im`); undefined means any. */
  events?: Set<string>;
  /** Whether the per-minute tiers of the Web API are counted. */
  enforceTiers: boolean;
  planHasGroups: boolean;
  messages: SlackMessage[];
  views: Map<string, SlackView>;
  homes: Map<string, SlackView>;
  triggers: Map<string, Trigger>;
  responseUrls: Map<string, ResponseUrl>;
  files: Map<string, SlackFile>;
  /** Each Web API call in order. */
  calls: { method: string; args: Json; at: number; answer?: string }[];
  /** What Slack would let pass although it harms: missing fallback text, second acks, and the like. */
  violations: string[];
  newTs(): string;
  newId(prefix: string): string;
  trigger(user: string, fromView?: string): Trigger;
  responseUrl(channel: string, user: string, source?: ResponseUrl['source']): ResponseUrl;
}

export function slackWorld(): SlackWorld {
  const clock = platformClock();
  const messages: SlackMessage[] = [];
  let counter = 0;
  let lastTs = 0;
  const newId = (prefix: string) => `${prefix}${(++counter).toString(36).toUpperCase().padStart(9, '0')}`;
  const triggers = new Map<string, Trigger>();
  const responseUrls = new Map<string, ResponseUrl>();
  const dump = () =>
    messages
      .filter((one) => !one.deleted)
      .slice(-20)
      .map((one) => `${one.channel}${one.ephemeralTo ? ` (only ${one.ephemeralTo})` : ''}: ${visibleText(one)}`)
      .join('\n---\n');
  return {
    ...changes(dump),
    clock,
    faults: faults(),
    teamId: 'T000000001',
    appId: 'A000000001',
    botUser: 'U0000000BOT',
    botId: 'B000000001',
    botToken: 'xoxb-1000-2000-stand-in-bot-token',
    appToken: 'xapp-1-A000000001-3000-stand-in-app-token',
    signingSecret: '8f742231b10e8888abcd99yyyzzz85a5',
    verificationToken: 'stand-in-verification-token',
    origin: '',
    users: new Map(),
    groups: new Map(),
    channels: new Set(['C000OPS', 'C000DEV']),
    scopes: new Set(['*']),
    enforceTiers: false,
    planHasGroups: true,
    messages,
    views: new Map(),
    homes: new Map(),
    triggers,
    responseUrls,
    files: new Map(),
    calls: [],
    violations: [],
    newId,
    newTs() {
      // A ts is unique within its channel; microseconds keep order when several posts share a millisecond.
      lastTs = Math.max(lastTs + 1, clock.now() * 1000);
      return `${Math.floor(lastTs / 1_000_000)}.${String(lastTs % 1_000_000).padStart(6, '0')}`;
    },
    trigger(user, fromView) {
      const one: Trigger = { id: `${newId('')}.trigger`, user, at: clock.now(), used: false, fromView, opened: [] };
      triggers.set(one.id, one);
      return one;
    },
    responseUrl(channel, user, source) {
      const one: ResponseUrl = { id: newId('R'), channel, user, at: clock.now(), uses: 0, source, posted: [] };
      responseUrls.set(one.id, one);
      return one;
    },
  };
}

export const urlOf = (world: SlackWorld, one: ResponseUrl): string => `${world.origin}/response/${one.id}`;

/** Finds a live message by channel and ts. */
export const findMessage = (world: SlackWorld, channel: unknown, ts: unknown): SlackMessage | undefined =>
  world.messages.find((one) => one.ts === ts && one.channel === channel && !one.deleted);

export const granted = (world: SlackWorld, scope: string): boolean => world.scopes.has('*') || world.scopes.has(scope);
