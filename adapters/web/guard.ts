import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Who may talk to the page. A web site that the same browser has open must not be able to act here:
 * the Host header stops DNS rebinding, Origin and the token stop posts from other sites (SameSite alone does not:
 * every port of 127.0.0.1 is the same site, and cookies do not know ports).
 */
export interface Guard {
  /** The cookie to send with the page when the browser has none yet. */
  session(request: IncomingMessage): { readonly token: string; readonly setCookie?: string };
  /** Why this request is refused, or undefined. */
  refuses(request: IncomingMessage): Refusal | undefined;
}

export interface Refusal {
  readonly status: 403 | 415 | 421;
  /** `session`: fetch a new token and try again. */
  readonly reason: 'host' | 'origin' | 'type' | 'session';
}

export const TOKEN_HEADER = 'x-bascule-token';
const SESSION = /^[a-f0-9]{32}$/;

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** `hosts`: the Host headers we answer to, with port, in lower case. */
export function createGuard(hosts: ReadonlySet<string>, port: number): Guard {
  const secret = randomBytes(32);
  const cookieName = `bascule-${port}`;
  const tokenOf = (session: string) => createHmac('sha256', secret).update(session).digest('hex');

  return {
    session(request) {
      const known = readCookie(request, cookieName);
      if (known !== undefined) return { token: tokenOf(known) };
      const session = randomBytes(16).toString('hex');
      return {
        token: tokenOf(session),
        setCookie: `${cookieName}=${session}; Path=/; HttpOnly; SameSite=Strict`,
      };
    },
    refuses(request) {
      const host = request.headers.host?.toLowerCase() ?? '';
      if (!hosts.has(host)) return { status: 421, reason: 'host' };
      if (crossSite(request)) return { status: 403, reason: 'origin' };
      if (request.method !== 'POST') return undefined;
      if (request.headers.origin?.toLowerCase() !== `http://${host}`) return { status: 403, reason: 'origin' };
      if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return { status: 415, reason: 'type' };
      const session = readCookie(request, cookieName);
      const token = request.headers[TOKEN_HEADER];
      if (session === undefined || typeof token !== 'string' || !same(token, tokenOf(session)))
        return { status: 403, reason: 'session' };
      return undefined;
    },
  };
}

/** Browsers say where a request comes from; following a link to the page itself is fine, anything else is not. */
function crossSite(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return !(request.method === 'GET' && request.headers['sec-fetch-mode'] === 'navigate');
}

function readCookie(request: IncomingMessage, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = part.trim().split('=');
    if (key === name && value !== undefined && SESSION.test(value)) return value;
  }
  return undefined;
}

function same(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
