import { schemaProblems } from '../oracles/discord-api.ts';
import { type Call, type DiscordAnswer, invalidBody, type Route, refuse } from './discord-errors.ts';
import { createMessage, editMessage, shown } from './discord-posting.ts';
import {
  type DiscordMessage,
  type DiscordWorld,
  findMessage,
  type Json,
  wireChannel,
  wireMessage,
} from './discord-world.ts';

const MANY = /^\/channels\/(\d+)\/messages$/;
const ONE = /^\/channels\/(\d+)\/messages\/(\d+)$/;
const THREAD = /^\/channels\/(\d+)\/messages\/(\d+)\/threads$/;

/** enforce_nonce looks back "a few minutes" (message.mdx:1092). */
const NONCE_LIFE = 5 * 60_000;

const unknownChannel = refuse(404, 10003, 'Unknown Channel');
const unknownMessage = refuse(404, 10008, 'Unknown Message');

function create(call: Call, world: DiscordWorld): DiscordAnswer {
  const channelId = call.at[0]!;
  if (!world.channels.has(channelId)) return unknownChannel;
  const { nonce, enforce_nonce } = (call.body ?? {}) as Json;
  const twin = world.messages.find(
    (one) =>
      one.nonce === String(nonce) &&
      one.channelId === channelId &&
      world.clock.now() - one.createdAt < NONCE_LIFE &&
      !one.deleted,
  );
  if (enforce_nonce === true && nonce !== undefined && twin) return shown(world, twin);
  return shown(world, createMessage(world, 'MessageCreateRequest', call, { channelId, webhook: false }));
}

/** An ephemeral message does not exist for the bot token. */
const visible = (world: DiscordWorld, call: Call): DiscordMessage | undefined => {
  const found = findMessage(world, call.at[0]!, call.at[1]!);
  return found?.ephemeralTo ? undefined : found;
};

function get(call: Call, world: DiscordWorld): DiscordAnswer {
  if (!world.channels.has(call.at[0]!)) return unknownChannel;
  const found = visible(world, call);
  return found ? shown(world, found) : unknownMessage;
}

function listing(call: Call, world: DiscordWorld): DiscordAnswer {
  if (!world.channels.has(call.at[0]!)) return unknownChannel;
  const before = call.query.get('before');
  const after = call.query.get('after');
  const found = world.messages.filter(
    (one) =>
      one.channelId === call.at[0] &&
      !one.deleted &&
      !one.ephemeralTo &&
      (!before || BigInt(one.id) < BigInt(before)) &&
      (!after || BigInt(one.id) > BigInt(after)),
  );
  const newest = found.reverse().slice(0, Number(call.query.get('limit') ?? 50));
  return { status: 200, json: newest.map((one) => wireMessage(one, world)) };
}

function edit(call: Call, world: DiscordWorld): DiscordAnswer {
  if (!world.channels.has(call.at[0]!)) return unknownChannel;
  const found = visible(world, call);
  if (!found) return unknownMessage;
  if (found.authorId !== world.applicationId)
    return refuse(403, 50005, 'Cannot edit a message authored by another user');
  return shown(world, editMessage(world, 'MessageEditRequestPartial', call, found));
}

function remove(call: Call, world: DiscordWorld): DiscordAnswer {
  const found = visible(world, call);
  if (!found) return unknownMessage;
  found.deleted = true;
  world.changed();
  return { status: 204 };
}

function thread(call: Call, world: DiscordWorld): DiscordAnswer {
  const found = visible(world, call);
  if (!found) return unknownMessage;
  if (found.threadId) return refuse(400, 160004, 'A thread has already been created for this message');
  const problems = schemaProblems('CreateTextThreadWithMessageRequest', call.body);
  if (problems.length > 0) return invalidBody(problems);
  // A thread made from a message has the message's own id.
  const channel = { id: found.id, name: String((call.body as Json).name), type: 11, parentId: found.channelId };
  found.threadId = channel.id;
  world.channels.set(channel.id, channel);
  world.dispatch('THREAD_CREATE', { ...wireChannel(channel, world), newly_created: true }, 1);
  world.changed();
  return { status: 201, json: wireChannel(channel, world) };
}

export const messageRoutes: Route[] = [
  { operation: 'create-message', method: 'POST', path: MANY, run: create },
  { operation: 'list-messages', method: 'GET', path: MANY, run: listing },
  { operation: 'get-message', method: 'GET', path: ONE, run: get },
  { operation: 'edit-message', method: 'PATCH', path: ONE, run: edit },
  { operation: 'delete-message', method: 'DELETE', path: ONE, run: remove },
  { operation: 'create-thread', method: 'POST', path: THREAD, run: thread },
];
