import type { IncomingMessage, ServerResponse } from 'node:http';
import { readJson, refused, secure, sendJson, sendRefusal } from './answers.ts';
import type { Refusal } from './guard.ts';
import { createPosts, nobody, type Parts, type Post } from './posts.ts';

const REFUSALS: Readonly<Record<Refusal['reason'], readonly [why: string, next: string]>> = {
  host: ['the page was asked for under a name that is not its own', 'open the address that the bot printed'],
  origin: ['the request came from another site', 'use the page itself'],
  type: ['only JSON is taken', 'use the page itself'],
  session: ['the page was opened before the bot started anew', 'reload the page'],
};

/** Answers every request: guard first, then the page's files, the stream of events, and the posts. */
export function createRoutes(parts: Parts): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const posts = createPosts(parts);
  return async (request, response) => {
    secure(response);
    const refusal = parts.guard.refuses(request);
    if (refusal) return sendRefusal(response, refused(refusal.status, refusal.reason, ...REFUSALS[refusal.reason]));
    const url = URL.parse(request.url ?? '/', 'http://loopback');
    if (!url) return sendRefusal(response, refused(400, 'path', 'the address cannot be read', 'open /'));
    if (request.method === 'POST') return answerPost(posts.get(url.pathname), request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendRefusal(response, refused(405, 'method', 'only GET and POST are taken', 'use the page itself'));
    if (url.pathname === '/api/session') return sendSession(parts, request, response);
    if (url.pathname === '/api/events' && request.method === 'GET') return openStream(parts, url, request, response);
    const file = parts.files.get(url.pathname);
    if (!file) return sendRefusal(response, refused(404, 'path', 'there is no such page', 'open /'));
    response.writeHead(200, { 'content-type': file.type }).end(request.method === 'HEAD' ? undefined : file.body);
  };
}

async function answerPost(post: Post | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!post) return sendRefusal(response, refused(404, 'path', 'there is no such request', 'reload the page'));
  const read = await readJson(request);
  const answer = 'reason' in read ? read : await post(read.body);
  if ('reason' in answer) sendRefusal(response, answer);
  else sendJson(response, answer.status, answer.body);
}

async function sendSession(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { token, setCookie } = parts.guard.session(request);
  if (setCookie) response.setHeader('set-cookie', setCookie);
  const { people, channels, guide, desk, panel } = parts;
  sendJson(response, 200, {
    token,
    people,
    channels,
    guide,
    menu: desk.menu,
    panel: panel ? await panel.read() : null,
  });
}

function openStream(parts: Parts, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const person = url.searchParams.get('person') ?? '';
  if (parts.people.some(({ id }) => id === person)) parts.streams.open(request, response, person);
  else sendRefusal(response, nobody());
}
