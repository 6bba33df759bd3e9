import { createHmac } from 'node:crypto';
import type { Delivery, DeliveryKind, Pending, Transport } from './slack-delivery.ts';
import type { Json, SlackWorld } from './slack-world.ts';

/** A request as it went out; keep it to replay it. */
export interface SignedRequest {
  headers: Record<string, string>;
  body: string;
}

/** Ways to forge a delivery. */
export interface Forgery {
  /** Signs with another secret. */
  secret?: string;
  /** Seconds added to the timestamp: -301 is too old. */
  skewSeconds?: number;
  /** Sends this signature instead of the right one; `null` leaves the header out. */
  signature?: string | null;
  /** Changes the body after it was signed. */
  tamper?(body: string): string;
  retryNum?: number;
  retryReason?: string;
  headers?: Record<string, string>;
}

export interface HttpReply {
  status: number;
  text: string;
  /** The body where it is JSON. */
  json?: Json;
}

/** Encodes a payload as Slack does: commands as a form, interactions as a form with JSON inside, events as JSON. */
export function encode(kind: DeliveryKind, payload: Json): { type: string; body: string } {
  if (kind === 'events_api') return { type: 'application/json', body: JSON.stringify(payload) };
  const form =
    kind === 'interactive'
      ? new URLSearchParams({ payload: JSON.stringify(payload) })
      : new URLSearchParams(payload as Record<string, string>);
  return { type: 'application/x-www-form-urlencoded', body: form.toString() };
}

/** Builds a signed request (x-slack-signature v0), forged where asked. */
export function signed(world: SlackWorld, kind: DeliveryKind, payload: Json, forgery: Forgery = {}): SignedRequest {
  const { type, body } = encode(kind, payload);
  const timestamp = String(Math.floor(world.clock.now() / 1000) + (forgery.skewSeconds ?? 0));
  const hmac = createHmac('sha256', forgery.secret ?? world.signingSecret).update(`v0:${timestamp}:${body}`);
  const signature = forgery.signature === undefined ? `v0=${hmac.digest('hex')}` : forgery.signature;
  return {
    headers: {
      'content-type': type,
      'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
      'x-slack-request-timestamp': timestamp,
      ...(signature !== null && { 'x-slack-signature': signature }),
      ...(forgery.retryNum !== undefined && { 'x-slack-retry-num': String(forgery.retryNum) }),
      ...(forgery.retryReason !== undefined && { 'x-slack-retry-reason': forgery.retryReason }),
      ...forgery.headers,
    },
    body: forgery.tamper ? forgery.tamper(body) : body,
  };
}

export async function post(url: string, request: SignedRequest): Promise<HttpReply> {
  const response = await fetch(url, { method: 'POST', headers: request.headers, body: request.body });
  const text = await response.text();
  return { status: response.status, text, json: bodyOf(response.headers.get('content-type'), text) };
}

/** An ack body is either JSON or plain text that is shown as it is. */
function bodyOf(type: string | null, text: string): Json | undefined {
  if (text === '') return undefined;
  if (!type?.includes('json')) return { text };
  try {
    const json = JSON.parse(text) as unknown;
    return typeof json === 'object' && json !== null ? (json as Json) : { text: String(json) };
  } catch {
    return { text };
  }
}

/** Delivers to one HTTP address; every request it made is kept for replays. */
export function httpTransport(
  world: SlackWorld,
  url: string,
  delivery: () => Delivery,
  sent: SignedRequest[],
): Transport {
  return {
    send(pending: Pending, attempt, reason) {
      const retry =
        attempt > 0 ? { retryNum: attempt, retryReason: reason === 'timeout' ? 'http_timeout' : reason } : {};
      const request = signed(world, pending.kind, pending.payload, retry);
      sent.push(request);
      post(url, request).then(
        (reply) => {
          if (reply.status >= 200 && reply.status < 300) delivery().ack(pending, url, reply.json);
          else delivery().fail(pending, `http ${reply.status}`);
        },
        (error: unknown) => delivery().fail(pending, `connection failed: ${String(error)}`),
      );
      return url;
    },
  };
}
