import { request as ask, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeCertificate } from '../../adapters/simulator/certificate.ts';

/** What to do to the next answers: `pick` chooses a place inside the JSON, counted over all its values. */
export type Mutation =
  | { readonly kind: 'replace'; readonly pick: number; readonly value: unknown }
  | { readonly kind: 'drop'; readonly pick: number }
  | { readonly kind: 'cut'; readonly pick: number }
  | { readonly kind: 'body'; readonly text: string }
  | { readonly kind: 'status'; readonly status: number; readonly text: string };

export interface MutatingProxy {
  readonly url: string;
  readonly fingerprint: string;
  target: string;
  /** Spoils the answers of GETs from now on, after leaving the first `skip` of them as they are; undefined: none. */
  spoil(mutation: Mutation | undefined, skip?: number): void;
  /** Answers changed so far. */
  readonly changed: number;
  close(): Promise<void>;
}

/** Stands between the bot and a simulated node and spoils its answers; requests pass as they are. */
export async function startMutatingProxy(): Promise<MutatingProxy> {
  const { key, cert, fingerprint } = makeCertificate(['localhost'], ['127.0.0.1']);
  let changed = 0;
  let current: Mutation | undefined;
  let left = 0;
  const server = createServer({ key, cert }, (incoming, outgoing) => {
    const onward = ask(
      `${proxy.target}${incoming.url}`,
      {
        method: incoming.method,
        headers: { ...incoming.headers, host: new URL(proxy.target).host },
        rejectUnauthorized: false,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const mutation = incoming.method === 'GET' && left <= 0 ? current : undefined;
          left -= 1;
          const spoilt = mutation ? spoil(text, mutation) : text;
          if (spoilt !== text) changed += 1;
          const status = mutation?.kind === 'status' ? mutation.status : (answer.statusCode ?? 500);
          const { 'content-length': _length, 'transfer-encoding': _encoding, ...headers } = answer.headers;
          outgoing.writeHead(status, headers).end(spoilt);
        });
        answer.on('error', () => outgoing.destroy());
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: MutatingProxy = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fingerprint,
    target: '',
    spoil(mutation, skip = 0) {
      current = mutation;
      left = skip;
    },
    get changed() {
      return changed;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

function spoil(text: string, mutation: Mutation): string {
  if (mutation.kind === 'body' || mutation.kind === 'status') return mutation.text;
  if (mutation.kind === 'cut') return text.slice(0, mutation.pick % (text.length + 1));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text;
  }
  const places = placesIn(json);
  const place = places[mutation.pick % Math.max(places.length, 1)];
  if (!place) return text;
  const holder = place.holder as Record<string, unknown>;
  if (mutation.kind === 'drop') delete holder[place.key];
  else holder[place.key] = mutation.value;
  return JSON.stringify(json);
}

interface Spot {
  readonly holder: object;
  readonly key: string;
}

function placesIn(value: unknown): Spot[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [{ holder: value, key }, ...placesIn(inner)]);
}
