import { type Answer, multipart, type Received } from './loopback.ts';
import { refused, store } from './slack-posting.ts';
import type { Json, SlackWorld } from './slack-world.ts';

type Method = (args: Json, world: SlackWorld) => Json;

const getUrl: Method = (args, world) => {
  const length = Number(args.length);
  if (!args.filename || !(length > 0)) return refused('invalid_arguments');
  const id = world.newId('F');
  world.files.set(id, { id, name: String(args.filename), length, done: false });
  return { ok: true, file_id: id, upload_url: `${world.origin}/upload/${id}` };
};

/** The middle step: the bytes arrive raw or as the one file of a multipart body. */
export async function receiveUpload(request: Received, id: string, world: SlackWorld): Promise<Answer> {
  const file = world.files.get(id);
  if (!file || file.content !== undefined) return { status: 404, text: 'upload not found' };
  const content = await uploaded(request);
  if (content.length !== file.length)
    return { status: 400, text: `length is ${content.length}, promised ${file.length}` };
  file.content = content.toString();
  return { status: 200, text: `OK - ${content.length}` };
}

async function uploaded(request: Received): Promise<Buffer> {
  if (!request.headers['content-type']?.startsWith('multipart/')) return request.body;
  for (const value of (await multipart(request)).values())
    if (typeof value !== 'string') return Buffer.from(await value.arrayBuffer());
  return Buffer.alloc(0);
}

const complete: Method = (args, world) => {
  const wanted = args.files as { id: string; title?: string }[];
  if (!Array.isArray(wanted) || wanted.length === 0) return refused('invalid_arguments');
  const found = wanted.map(({ id, title }) => ({ file: world.files.get(id), title }));
  if (found.some(({ file }) => !file || file.content === undefined || file.done)) return refused('file_not_found');
  const channel = args.channel_id === undefined ? undefined : String(args.channel_id);
  if (channel && !world.channels.has(channel) && !channel.startsWith('D')) return refused('channel_not_found');
  for (const { file, title } of found) Object.assign(file!, { done: true, title: title ?? file!.name });
  if (channel) {
    const message = store(world, {
      channel,
      text: String(args.initial_comment ?? ''),
      blocks: [],
      threadTs: args.thread_ts ? String(args.thread_ts) : undefined,
    });
    message.files = found.map(({ file }) => ({ id: file!.id, title: file!.title!, content: file!.content! }));
    world.changed();
  }
  return { ok: true, files: found.map(({ file }) => ({ id: file!.id, title: file!.title })) };
};

export const filesMethods: Record<string, Method> = {
  'files.getUploadURLExternal': getUrl,
  'files.completeUploadExternal': complete,
};
