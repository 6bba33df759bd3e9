import { blocksRefusal, edit, refused, store } from './slack-posting.ts';
import { findMessage, type Json, type SlackMessage, type SlackWorld } from './slack-world.ts';

type Method = (args: Json, world: SlackWorld) => Json;

/** The message as the Web API shows it. */
export function wireMessage(message: SlackMessage, world: SlackWorld, withMetadata: boolean): Json {
  return {
    type: 'message',
    user: message.user,
    ts: message.ts,
    text: message.text,
    team: world.teamId,
    ...(message.user === world.botUser && { bot_id: world.botId, app_id: world.appId }),
    ...(message.blocks.length > 0 && { blocks: message.blocks }),
    ...(message.threadTs && { thread_ts: message.threadTs }),
    ...(message.edits.length > 0 && { edited: { user: message.user, ts: message.ts } }),
    ...(withMetadata && message.metadata && { metadata: message.metadata }),
  };
}

interface Parsed {
  refusal?: Json;
  text: string;
  blocks: Json[];
  metadata?: SlackMessage['metadata'];
}

function parse(args: Json): Parsed {
  const text = String(args.text ?? '');
  const none = { text, blocks: [] };
  if (args.attachments !== undefined && !Array.isArray(args.attachments))
    return { ...none, refusal: refused('invalid_attachments') };
  if (args.blocks !== undefined && !Array.isArray(args.blocks))
    return { ...none, refusal: refused('invalid_blocks_format') };
  const blocks = (args.blocks ?? []) as Json[];
  const refusal = blocksRefusal(blocks, true) ?? metadataRefusal(args.metadata);
  const empty = text === '' && blocks.length === 0 ? refused('no_text') : undefined;
  return { text, blocks, metadata: args.metadata as SlackMessage['metadata'], refusal: refusal ?? empty };
}

/** Metadata values are scalars, arrays and objects up to 8 KB in all (docs.slack.dev/messaging/message-metadata). */
function metadataRefusal(metadata: unknown): Json | undefined {
  if (metadata === undefined) return undefined;
  const { event_type, event_payload } = (metadata ?? {}) as Json;
  if (typeof event_type !== 'string' || typeof event_payload !== 'object' || event_payload === null)
    return refused('invalid_metadata_format', ['metadata needs event_type and event_payload']);
  return JSON.stringify(metadata).length > 8000 ? refused('metadata_too_large') : undefined;
}

const knownChannel = (world: SlackWorld, channel: unknown) =>
  world.channels.has(String(channel)) || /^D/.test(String(channel)) || world.users.has(String(channel));

const postMessage: Method = (args, world) => {
  if (!knownChannel(world, args.channel)) return refused('channel_not_found');
  const { refusal, ...parsed } = parse(args);
  if (refusal) return refusal;
  // Posting to a person opens the direct message with them.
  const channel = world.users.has(String(args.channel)) ? `D${String(args.channel)}` : String(args.channel);
  const threadTs = args.thread_ts === undefined ? undefined : String(args.thread_ts);
  const parent = threadTs && world.messages.find((one) => one.channel === channel && one.ts === threadTs);
  if (threadTs && (!parent || parent.ephemeralTo)) return refused('thread_not_found');
  const message = store(world, { channel, threadTs, ...parsed });
  return { ok: true, channel, ts: message.ts, message: wireMessage(message, world, true) };
};

const postEphemeral: Method = (args, world) => {
  if (!knownChannel(world, args.channel)) return refused('channel_not_found');
  if (!world.users.has(String(args.user))) return refused('user_not_in_channel');
  const { refusal, ...parsed } = parse(args);
  if (refusal) return refusal;
  const threadTs = args.thread_ts === undefined ? undefined : String(args.thread_ts);
  const message = store(world, { channel: String(args.channel), ephemeralTo: String(args.user), threadTs, ...parsed });
  return { ok: true, message_ts: message.ts };
};

const update: Method = (args, world) => {
  if (!knownChannel(world, args.channel)) return refused('channel_not_found');
  const message = findMessage(world, args.channel, args.ts);
  // An ephemeral message does not exist for chat.update (limits.json slack.065).
  if (!message || message.ephemeralTo) return refused('message_not_found');
  if (message.user !== world.botUser) return refused('cant_update_message');
  const { refusal, text, blocks, metadata } = parse(args);
  if (refusal) return refusal;
  // Blocks and metadata that are not sent stay as they were; `blocks: []` takes them off
  // (reference of chat.update; python-slack-sdk#523: text alone changes nothing that people see).
  edit(world, message, { text, ...(args.blocks !== undefined && { blocks }), ...(metadata && { metadata }) });
  return { ok: true, channel: message.channel, ts: message.ts, text, message: wireMessage(message, world, true) };
};

const remove: Method = (args, world) => {
  const message = findMessage(world, args.channel, args.ts);
  if (!message || message.ephemeralTo) return refused('message_not_found');
  if (message.user !== world.botUser) return refused('cant_delete_message');
  message.deleted = true;
  world.changed();
  return { ok: true, channel: message.channel, ts: message.ts };
};

const permalink: Method = (args, world) => {
  const message = findMessage(world, args.channel, args.message_ts);
  if (!message || message.ephemeralTo) return refused('message_not_found');
  const path = `archives/${message.channel}/p${message.ts.replace('.', '')}`;
  return { ok: true, channel: message.channel, permalink: `https://stand-in.slack.com/${path}` };
};

const truthy = (value: unknown) => ['true', '1', 'True'].includes(String(value));

function page(found: SlackMessage[], args: Json, world: SlackWorld): Json {
  const limit = Math.min(Number(args.limit ?? 100), 999);
  const start = Number(args.cursor ?? 0);
  const oldest = String(args.oldest ?? '0');
  const latest = args.latest === undefined ? undefined : String(args.latest);
  const inclusive = truthy(args.inclusive);
  const inside = found.filter(({ ts }) => {
    const after = Number(ts) > Number(oldest) || (inclusive && ts === oldest);
    return after && (latest === undefined || Number(ts) < Number(latest) || (inclusive && ts === latest));
  });
  const messages = inside
    .slice(start, start + limit)
    .map((one) => wireMessage(one, world, truthy(args.include_all_metadata)));
  const more = inside.length > start + limit;
  return {
    ok: true,
    messages,
    has_more: more,
    ...(more && { response_metadata: { next_cursor: String(start + limit) } }),
  };
}

const shared = (world: SlackWorld, channel: unknown) =>
  world.messages.filter((one) => one.channel === channel && !one.deleted && !one.ephemeralTo);

const history: Method = (args, world) => {
  if (!knownChannel(world, args.channel)) return refused('channel_not_found');
  const found = shared(world, args.channel).filter((one) => !one.threadTs || one.threadTs === one.ts);
  return page(found.reverse(), args, world);
};

const replies: Method = (args, world) => {
  if (!knownChannel(world, args.channel)) return refused('channel_not_found');
  const found = shared(world, args.channel).filter((one) => one.ts === args.ts || one.threadTs === args.ts);
  return found.length > 0 ? page(found, args, world) : refused('thread_not_found');
};

export const messageMethods: Record<string, Method> = {
  'chat.postMessage': postMessage,
  'chat.postEphemeral': postEphemeral,
  'chat.update': update,
  'chat.delete': remove,
  'chat.getPermalink': permalink,
  'conversations.history': history,
  'conversations.replies': replies,
  'conversations.open': (args) => ({ ok: true, channel: { id: `D${String(args.users)}` } }),
};
