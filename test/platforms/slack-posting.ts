import { checkBlocks, problemLines } from '../oracles/slack-blocks.ts';
import { findMessage, type Json, type ResponseUrl, type SlackMessage, type SlackWorld } from './slack-world.ts';

/** Answers of the Web API are always 200 with `ok`; a failure names itself in `error`. */
export const refused = (error: string, messages?: string[]): Json => ({
  ok: false,
  error,
  ...(messages && { response_metadata: { messages } }),
});

/** The limits apply to chat.* only: response_url is reported free of the text budget (limits.json slack.004). */
export function blocksRefusal(blocks: Json[], budget: boolean): Json | undefined {
  const verdict = checkBlocks(blocks);
  if (verdict.problems.length > 0) return refused('invalid_blocks', problemLines(verdict.problems));
  if (verdict.tooLong && budget) return refused('msg_blocks_too_long');
  return undefined;
}

export interface Draft {
  channel: string;
  text: string;
  blocks: Json[];
  metadata?: SlackMessage['metadata'];
  threadTs?: string;
  ephemeralTo?: string;
}

/** Stores a message of the bot. Longer text than 40,000 is cut, as Slack does. */
export function store(world: SlackWorld, draft: Draft): SlackMessage {
  if (draft.blocks.length > 0 && draft.text === '')
    world.violations.push(
      `${draft.channel}: blocks without top-level text: notifications and screen readers get nothing`,
    );
  const message: SlackMessage = {
    ...draft,
    blocks: withIds(world, draft.blocks),
    text: [...draft.text].slice(0, 40_000).join(''),
    ts: world.newTs(),
    user: world.botUser,
    files: [],
    edits: [],
    deleted: false,
  };
  world.messages.push(message);
  world.changed();
  return message;
}

/** Slack names the blocks that came without a block_id. */
const withIds = (world: SlackWorld, blocks: Json[]): Json[] =>
  blocks.map((block) => ({ block_id: world.newId('b'), ...block }));

export function edit(world: SlackWorld, message: SlackMessage, change: Partial<Draft>): void {
  message.edits.push({ text: message.text, blocks: message.blocks, at: world.clock.now() });
  Object.assign(message, change, change.blocks && { blocks: withIds(world, change.blocks) });
  world.changed();
}

/** Turns a body of an ack or of a response_url into a message; returns the HTTP answer of a response_url. */
export function respond(world: SlackWorld, url: ResponseUrl, body: Json): { status: number; text: string } {
  const source = url.source && findMessage(world, url.channel, url.source.ts);
  if (body.delete_original === true || body.delete_original === 'true') {
    if (!source) return { status: 404, text: 'message_not_found' };
    source.deleted = true;
    world.changed();
    return { status: 200, text: 'ok' };
  }
  const blocks = (typeof body.blocks === 'string' ? JSON.parse(body.blocks) : (body.blocks ?? [])) as Json[];
  const text = String(body.text ?? '');
  if (blocks.length === 0 && text === '') return { status: 500, text: 'no_text' };
  if (blocksRefusal(blocks, false)) {
    world.violations.push(`response_url: ${JSON.stringify(blocksRefusal(blocks, false))}`);
    return { status: 400, text: 'invalid_blocks' };
  }
  if (body.replace_original === true || body.replace_original === 'true') {
    if (source) {
      edit(world, source, { text, blocks });
      return { status: 200, text: 'ok' };
    }
    // bolt-js#2287: from a slash command nothing is replaced; one more message appears instead.
    world.violations.push('response_url of a slash command cannot replace_original: one more message appeared');
  }
  const ephemeral = body.response_type !== 'in_channel';
  const posted = store(world, {
    channel: url.channel,
    text,
    blocks,
    threadTs: body.thread_ts ? String(body.thread_ts) : undefined,
    ephemeralTo: ephemeral ? url.user : undefined,
  });
  url.posted.push(posted.ts);
  return { status: 200, text: 'ok' };
}

const FIVE_USES = 5;
const HALF_AN_HOUR = 30 * 60_000;

/** One POST to a response_url: five uses within 30 minutes. */
export function useResponseUrl(world: SlackWorld, id: string, raw: string): { status: number; text: string } {
  const url = world.responseUrls.get(id);
  if (!url) return { status: 404, text: 'invalid_url' };
  if (world.clock.now() - url.at > HALF_AN_HOUR) return { status: 404, text: 'expired_url' };
  if (url.uses >= FIVE_USES) return { status: 404, text: 'used_url' };
  let body: Json;
  try {
    body = JSON.parse(raw) as Json;
  } catch {
    return { status: 400, text: 'invalid_payload' };
  }
  url.uses += 1;
  return respond(world, url, body);
}
