import { schemaProblems, strayFields } from '../oracles/discord-api.ts';
import { EPHEMERAL, IS_COMPONENTS_V2, mentionsOpen, messageProblems } from '../oracles/discord-message.ts';
import type { Problem } from '../oracles/slack-shapes.ts';
import { type Call, type DiscordAnswer, invalidBody, refuse } from './discord-errors.ts';
import { type DiscordMessage, type DiscordWorld, type Json, wireMessage } from './discord-world.ts';

export type Schema =
  | 'MessageCreateRequest'
  | 'MessageEditRequestPartial'
  | 'IncomingWebhookRequestPartial'
  | 'IncomingWebhookUpdateRequestPartial'
  | 'IncomingWebhookInteractionRequest'
  | 'IncomingWebhookUpdateForInteractionCallbackRequestPartial';

interface Target {
  channelId: string;
  interactionId?: string;
  /** Who alone sees it. */
  ephemeralTo?: string;
  /** In interactions and webhooks only user mentions parse by default (limits.json discord.143). */
  webhook: boolean;
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** Everything Discord refuses in a message body, given what the message was before. */
function check(
  schema: Schema,
  body: Json,
  after: { content: string; embeds: Json[]; components: Json[]; flags: number },
): Problem[] {
  return [...schemaProblems(schema, body), ...messageProblems(after)];
}

/** What Discord lets pass although it harms: pings by text, and fields it ignores. */
function watch(world: DiscordWorld, schema: Schema, body: Json, what: string): void {
  const open = mentionsOpen(body.allowed_mentions);
  if (open) world.violations.push(`${what}: ${open}`);
  // discord.js always sends these two, false where they mean nothing.
  const { tts, enforce_nonce, ...rest } = body;
  const said = { ...rest, ...(tts ? { tts } : {}), ...(enforce_nonce ? { enforce_nonce } : {}) };
  for (const stray of strayFields(schema, said)) world.violations.push(`${what}: Discord ignores ${stray}`);
}

export function createMessage(
  world: DiscordWorld,
  schema: Schema,
  call: Call,
  target: Target,
): DiscordMessage | DiscordAnswer {
  const body = (call.body ?? {}) as Json;
  const after = {
    content: String(body.content ?? ''),
    embeds: list(body.embeds),
    components: list(body.components),
    flags: Number(body.flags ?? 0),
  };
  const problems = check(schema, body, after);
  if (problems.length > 0) return invalidBody(problems);
  if (isEmpty(after) && call.files.length === 0) return refuse(400, 50006, 'Cannot send an empty message');
  watch(world, schema, body, schema);
  const message: DiscordMessage = {
    id: world.newId(),
    channelId: target.channelId,
    authorId: world.applicationId,
    ...after,
    ephemeralTo: target.ephemeralTo,
    attachments: call.files,
    nonce: body.nonce === undefined || body.nonce === null ? undefined : String(body.nonce),
    interactionId: target.interactionId,
    loading: false,
    pings: pingsOf(world, after, body.allowed_mentions, target.webhook),
    edits: [],
    createdAt: world.clock.now(),
    deleted: false,
  };
  world.messages.push(message);
  if (!message.ephemeralTo)
    world.dispatch('MESSAGE_CREATE', { ...wireMessage(message, world), guild_id: world.guildId }, 1 << 9);
  world.changed();
  return message;
}

const isEmpty = (one: { content: string; embeds: Json[]; components: Json[] }) =>
  one.content === '' && one.embeds.length === 0 && one.components.length === 0;

export function editMessage(
  world: DiscordWorld,
  schema: Schema,
  call: Call,
  message: DiscordMessage,
): DiscordMessage | DiscordAnswer {
  const body = (call.body ?? {}) as Json;
  const given = <T>(name: string, old: T, make: (value: unknown) => T) =>
    body[name] === undefined ? old : make(body[name]);
  const flags = given('flags', message.flags, (value) => (Number(value ?? 0) | (message.flags & EPHEMERAL)) >>> 0);
  // The V2 flag cannot be taken off a message again.
  const after = {
    content: given('content', message.content, (value) => String(value ?? '')),
    embeds: given('embeds', message.embeds, list),
    components: given('components', message.components, list),
    flags: flags | (message.flags & IS_COMPONENTS_V2),
  };
  const problems = check(schema, body, after);
  if (problems.length > 0) return invalidBody(problems);
  if (isEmpty(after) && call.files.length === 0 && message.attachments.length === 0)
    return refuse(400, 50006, 'Cannot send an empty message');
  watch(world, schema, body, schema);
  if (message.loading) message.loading = false;
  else {
    const { content, embeds, components } = message;
    message.edits.push({ content, embeds, components, at: world.clock.now() });
  }
  Object.assign(message, after);
  if (call.files.length > 0) message.attachments = [...message.attachments, ...call.files];
  if (!message.ephemeralTo)
    world.dispatch('MESSAGE_UPDATE', { ...wireMessage(message, world), guild_id: world.guildId }, 1 << 9);
  world.changed();
  return message;
}

/** Who is really notified by the text, after allowed_mentions. */
function pingsOf(
  world: DiscordWorld,
  after: { content: string; components: Json[] },
  allowed: unknown,
  webhook: boolean,
): string[] {
  const text = `${after.content}\n${displays(after.components)}`.replace(/```[\s\S]*?```|`[^`\n]+`/g, '');
  const rule = (allowed ?? { parse: webhook ? ['users'] : ['users', 'roles', 'everyone'] }) as {
    parse?: string[];
    users?: string[];
    roles?: string[];
  };
  const may = (kind: 'users' | 'roles', id: string) => rule.parse?.includes(kind) || rule[kind]?.includes(id);
  const users = [...text.matchAll(/<@!?(\d+)>/g)].map(([, id = '']) => id);
  const roles = [...text.matchAll(/<@&(\d+)>/g)].map(([, id = '']) => id);
  const everyone = /@everyone|@here/.test(text) && rule.parse?.includes('everyone') ? ['everyone'] : [];
  return [
    ...users.filter((id) => world.members.has(id) && may('users', id)),
    ...roles.filter((id) => world.roles.has(id) && may('roles', id)),
    ...everyone,
  ];
}

const displays = (components: Json[]): string =>
  components.map((one) => [one.content ?? '', displays(list(one.components))].join('\n')).join('\n');

export const isMessage = (made: DiscordMessage | DiscordAnswer): made is DiscordMessage => 'channelId' in made;

export const shown = (world: DiscordWorld, made: DiscordMessage | DiscordAnswer): DiscordAnswer =>
  isMessage(made) ? { status: 200, json: wireMessage(made, world) } : made;
