import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { App, Receiver, ReceiverEvent } from '@slack/bolt';
import { type Log, reasonOf } from './log.ts';
import { onceOnly } from './once.ts';

/**
 * Signed requests over HTTP. Bolt's own receiver accepts a timestamp of tomorrow, an exact replay, and refuses a
 * content type with a charset (PLATFORMS.md §1); here both directions of the clock count, a signature is good
 * once, and the body is read by its meaning.
 */
export interface HttpOptions {
  readonly signingSecret: string;
  readonly port: number;
  readonly host: string;
  readonly log: Log;
  readonly now: () => number;
}

export interface HttpReceiver extends Receiver {
  /** Where it listens, `http://127.0.0.1:34567/slack/events`; undefined before start. */
  readonly url: string | undefined;
}

const PATH = '/slack/events';
const WINDOW_S = 300;
const MAX_BODY = 1024 * 1024;
/** Slack stops waiting after three seconds. */
const DEADLINE_MS = 3_000;

export function httpReceiver(options: HttpOptions): HttpReceiver {
  const { log, now } = options;
  const once = onceOnly(now);
  const fresh = signatures(now);
  let app: App | undefined;
  let server: Server | undefined;

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const raw = await bodyOf(request);
    if (raw === undefined) return answer(response, 413, 'The body is too large');
    if (new URL(request.url ?? '/', 'http://slack').pathname !== PATH) return answer(response, 404, 'Not found');
    if (request.method !== 'POST') return answer(response, 405, 'Only POST');
    const why = refusal(request, raw, options.signingSecret, now());
    if (why) {
      log({ level: 'warn', says: 'a request was refused', reason: why });
      return answer(response, 401, why);
    }
    if (!fresh(String(request.headers['x-slack-signature']))) {
      log({ level: 'warn', says: 'a signed request came a second time' });
      return answer(response, 409, 'This request was already delivered');
    }
    const body = decoded(raw.toString(), request.headers['content-type'] ?? '');
    if (!body) return answer(response, 400, 'The body is neither JSON nor a form');
    if (body.ssl_check === '1') return answer(response, 200);
    if (body.type === 'url_verification') return answer(response, 200, { challenge: body.challenge });
    await dispatch(body, request, response);
  };

  const dispatch = async (body: ReceiverEvent['body'], request: IncomingMessage, response: ServerResponse) => {
    const late = setTimeout(() => answer(response, 503, 'Nobody took this in time'), DEADLINE_MS);
    const retry = Number(request.headers['x-slack-retry-num'] ?? 0);
    const event: ReceiverEvent = {
      body,
      ack: async (content?: unknown) => {
        clearTimeout(late);
        answer(response, 200, content);
      },
      ...(retry > 0 ? { retryNum: retry, retryReason: String(request.headers['x-slack-retry-reason']) } : {}),
    };
    try {
      await once(event, (first) => app?.processEvent(first) ?? Promise.resolve());
      // Every listener of ours acknowledges before it works, so nobody felt meant.
      answer(response, 404, 'Nobody handles this');
    } finally {
      clearTimeout(late);
    }
  };

  return {
    get url() {
      if (!server?.listening) return undefined;
      const { address, port, family } = server.address() as AddressInfo;
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}${PATH}`;
    },
    init(bolt) {
      app = bolt;
    },
    async start() {
      const made = createServer((request, response) => {
        serve(request, response).catch((error: unknown) => {
          log({ level: 'error', says: 'a delivery of Slack was not handled', reason: reasonOf(error) });
          answer(response, 500, 'Internal error');
        });
      });
      made.requestTimeout = 10_000;
      server = made;
      await new Promise<void>((resolve, reject) => {
        made.once('error', reject);
        made.listen(options.port, options.host, resolve);
      });
    },
    async stop() {
      const made = server;
      if (!made?.listening) return;
      await new Promise<void>((resolve) => {
        made.close(() => resolve());
        made.closeIdleConnections();
        setTimeout(() => made.closeAllConnections(), 1000).unref();
      });
    },
  };
}

/** Why a request is not Slack's, or undefined when it is. */
function refusal(request: IncomingMessage, raw: Buffer, secret: string, now: number): string | undefined {
  const signature = String(request.headers['x-slack-signature'] ?? '');
  const stamp = String(request.headers['x-slack-request-timestamp'] ?? '');
  if (!/^\d{1,12}$/.test(stamp) || signature === '') return 'The request is not signed';
  const age = now / 1000 - Number(stamp);
  if (age > WINDOW_S) return 'The request is too old';
  if (age < -WINDOW_S) return 'The request is from the future; compare the clocks';
  const wanted = Buffer.from(`v0=${createHmac('sha256', secret).update(`v0:${stamp}:`).update(raw).digest('hex')}`);
  const given = Buffer.from(signature);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return 'The signature is wrong';
  return undefined;
}

/** Tells whether a signature is seen for the first time; remembers longer than a timestamp is good for. */
function signatures(now: () => number): (signature: string) => boolean {
  const seen = new Map<string, number>();
  return (signature) => {
    for (const [old, at] of seen) {
      if (now() - at < 3 * WINDOW_S * 1000) break;
      seen.delete(old);
    }
    if (seen.has(signature)) return false;
    seen.set(signature, now());
    return true;
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
  }
  return size > MAX_BODY ? undefined : Buffer.concat(chunks);
}

/** Commands come as a form, interactions as JSON inside a form, events as JSON. */
function decoded(raw: string, type: string): ReceiverEvent['body'] | undefined {
  try {
    if (type.split(';')[0]?.trim().toLowerCase() === 'application/json') return object(JSON.parse(raw));
    const form = Object.fromEntries(new URLSearchParams(raw));
    return form.payload === undefined ? form : object(JSON.parse(form.payload));
  } catch {
    return undefined;
  }
}

const object = (value: unknown): ReceiverEvent['body'] | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ReceiverEvent['body']) : undefined;

/** Answers once; what comes later is for a request that is over. */
function answer(response: ServerResponse, status: number, content?: unknown): void {
  if (response.headersSent || response.destroyed) return;
  if (content === undefined || content === '') response.writeHead(status).end();
  else if (typeof content === 'string') response.writeHead(status, { 'content-type': 'text/plain' }).end(content);
  else response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
}
