import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../../src/contracts/failure.ts';

/** What the page gets when something is refused: the same three answers as on a card. */
export type Refused = Pick<Failure, 'what' | 'why' | 'next'> & { readonly status: number; readonly reason: string };

const MAX_BODY_BYTES = 256 * 1024;

/**
 * Nothing from elsewhere, no inline script or style, no framing; trusted types make the DOM's markup sinks throw,
 * so a forgotten `innerHTML` is an error and never an injection.
 */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
};

export function secure(response: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

export function sendRefusal(response: ServerResponse, { status, ...rest }: Refused): void {
  // After a body that is too large this connection ends.
  if (status === 413) response.setHeader('connection', 'close');
  sendJson(response, status, rest);
}

/** The parsed body, or what to refuse it with. */
export async function readJson(request: IncomingMessage): Promise<{ readonly body: unknown } | Refused> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) {
      // Thrown away as it comes: closing at once would reset the connection before the answer is read.
      request.resume();
      return refused(413, 'size', `more than ${MAX_BODY_BYTES} bytes were sent`, 'send less');
    }
    chunks.push(chunk as Buffer);
  }
  try {
    return { body: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
  } catch {
    return refused(400, 'json', 'the body is not JSON', 'reload the page');
  }
}

export function refused(status: number, reason: string, why: string, next: string): Refused {
  return { status, reason, what: 'Nothing was done', why, next };
}
