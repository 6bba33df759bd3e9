import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Message, type Messages, maySee } from './messages.ts';

/** The pages that listen, each as one person (server-sent events). */
export interface Streams {
  /**
   * Sends what this person has missed since the browser's Last-Event-ID, then everything new. Events:
   * `reset` (forget what you show), `message`, `ready` (caught up), `panel`.
   */
  open(request: IncomingMessage, response: ServerResponse, person: string): void;
  /** Sends an event that is a whole state and therefore is never replayed. */
  tell(event: string, data: unknown): void;
  readonly count: () => number;
  closeAll(): void;
}

const HEARTBEAT_MS = 15_000;
/** A page that reads slower than this much behind is cut off; it reconnects and gets the newest state only. */
const BEHIND_BYTES = 4 * 1024 * 1024;

export function createStreams(messages: Messages): Streams {
  const open = new Set<{ response: ServerResponse; person: string }>();

  const send = (response: ServerResponse, event: string, data: unknown, version?: number) => {
    if (response.writableLength > BEHIND_BYTES) return void response.destroy();
    const id = version === undefined ? '' : `id: ${messages.epoch}.${version}\n`;
    response.write(`${id}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const sendMessage = (response: ServerResponse, message: Message) =>
    send(response, 'message', message, message.version);

  messages.watch((message) => {
    for (const { response, person } of open) if (maySee(person, message)) sendMessage(response, message);
  });
  const heartbeat = setInterval(() => {
    for (const { response } of open) response.write(': still here\n\n');
  }, HEARTBEAT_MS).unref();

  return {
    open(request, response, person) {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
      response.write('retry: 1000\n\n');
      const seen = lastSeen(request, messages.epoch);
      if (seen === undefined) send(response, 'reset', { epoch: messages.epoch });
      for (const message of messages.since(person, seen ?? 0)) sendMessage(response, message);
      send(response, 'ready', {});
      const stream = { response, person };
      open.add(stream);
      response.on('close', () => open.delete(stream));
    },
    tell(event, data) {
      for (const { response } of open) send(response, event, data);
    },
    count: () => open.size,
    closeAll() {
      clearInterval(heartbeat);
      for (const { response } of open) response.end();
      open.clear();
    },
  };
}

/** The version after which to replay, or undefined when the browser has seen nothing of this life. */
function lastSeen(request: IncomingMessage, epoch: string): number | undefined {
  const [life, version] = String(request.headers['last-event-id'] ?? '').split('.');
  if (life !== epoch || !/^\d{1,15}$/.test(version ?? '')) return undefined;
  return Number(version);
}
