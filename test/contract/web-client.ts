import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { CardView } from '../../adapters/web/render.ts';

/** The chat page without a browser: real HTTP, real server-sent events, and whatever headers a test wants. */

export interface WireMessage {
  readonly id: string;
  readonly order: number;
  readonly version: number;
  readonly channel: string;
  readonly thread?: string;
  readonly from?: string;
  readonly only?: string;
  readonly text?: string;
  readonly card?: CardView;
  readonly pending?: boolean;
}

export interface Got {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One request to 127.0.0.1 with exactly these headers; `host` too, which fetch would not allow. */
export function send(url: string, path: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const target = new URL(url);
    const made = request(
      { host: target.hostname.replace(/^\[|\]$/g, ''), port: target.port, path, method, headers },
      async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        });
      },
    );
    made.on('error', reject);
    made.end(body);
  });
}

export interface Session {
  readonly token: string;
  readonly cookie: string;
  /** Headers of an honest post. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly [key: string]: unknown };
}

export async function openSession(url: string): Promise<Session> {
  const got = await send(url, '/api/session');
  const cookie = got.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const body = JSON.parse(got.text) as { token: string };
  const headers = {
    origin: new URL(url).origin,
    'content-type': 'application/json',
    'x-bascule-token': body.token,
    cookie,
  };
  return { token: body.token, cookie, headers, body };
}

/** Posts JSON the way the page does. */
export async function post(url: string, session: Session, path: string, body: unknown): Promise<Got> {
  return send(url, path, { method: 'POST', headers: session.headers, body: JSON.stringify(body) });
}

/** What one person's page shows; every event that changes it calls `changed`. */
export interface Listener {
  readonly messages: ReadonlyMap<string, WireMessage>;
  readonly events: readonly { readonly event: string; readonly id?: string; readonly data: unknown }[];
  /** Cuts the connection; resolves when it is gone. The next one is opened by {@link Listener.resume}. */
  cut(): Promise<void>;
  /** As the browser does: with the Last-Event-ID it saw. Resolves once caught up. */
  resume(): Promise<void>;
  close(): void;
}

export async function listen(url: string, person: string, changed: () => void = () => undefined): Promise<Listener> {
  const messages = new Map<string, WireMessage>();
  const events: { event: string; id?: string; data: unknown }[] = [];
  let lastId: string | undefined;
  let current: ClientRequest | undefined;

  const take = (block: string, ready: () => void) => {
    const fields = new Map(
      block
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]),
    );
    const event = fields.get('event');
    if (event === undefined) return;
    const id = fields.get('id');
    const data = JSON.parse(fields.get('data') ?? 'null');
    lastId = id ?? lastId;
    events.push({ event, ...(id !== undefined && { id }), data });
    if (event === 'reset') messages.clear();
    if (event === 'message') messages.set(data.id, data);
    changed();
    if (event === 'ready') ready();
  };

  const resume = () =>
    new Promise<void>((resolve, reject) => {
      const target = new URL(url);
      const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
      const path = `/api/events?person=${encodeURIComponent(person)}`;
      current = request({ host: target.hostname, port: target.port, path, headers }, (response) => {
        if (response.statusCode !== 200) return reject(new Error(`events answered ${response.statusCode}`));
        let rest = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          const blocks = (rest + chunk).split('\n\n');
          rest = blocks.pop() ?? '';
          for (const block of blocks) take(block, resolve);
        });
        response.on('error', () => undefined);
      });
      current.on('error', reject).end();
    });

  await resume();
  return {
    messages,
    events,
    cut: () =>
      new Promise((resolve) => {
        current?.once('close', resolve).destroy();
      }),
    resume,
    close: () => current?.destroy(),
  };
}
