import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from './contracts/clock.ts';
import type { Observation } from './contracts/watch.ts';
import type { Log } from './log.ts';
import type { Config } from './settings.ts';

/**
 * Takes what PVE and PBS say of their own accord: `POST /hooks/pve/<cluster>` and `/hooks/pbs/<name>`. Neither signs
 * anything nor tries again (FACTS 3.3), so this only hastens: the body is told to the watch as it came, and the cluster is
 * looked at.
 */
export interface HooksParts {
  readonly config: Pick<Config, 'clusters' | 'pbs'>;
  readonly where: { readonly host: string; readonly port: number };
  readonly hear: (observation: Observation) => Promise<void>;
  /** Another process leads: it looks for itself. */
  readonly leading: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HookCounts {
  taken: number;
  /** Without the secret, or with a wrong one. */
  refused: number;
  repeated: number;
  tooLarge: number;
}

export interface Hooks {
  readonly url: string;
  readonly counts: Readonly<HookCounts>;
  /** Takes nothing more; resolves when what was taken is told. */
  stop(): Promise<void>;
}

/** Bytes. A backup's log may be 1 MiB (FACTS 3.2), and more as JSON. */
const LARGEST = 3 * 1024 * 1024;
/** The same body within this time is the same notification, sent by several matchers or nodes. Milliseconds. */
const SAME = 10 * 60_000;
const KEPT = 2000;
/** Taken, and not told yet. */
const WAITING = 500;

interface Door {
  readonly cluster: string;
  readonly secret: string;
}

export async function serveHooks(parts: HooksParts): Promise<Hooks> {
  const { where, clock, log } = parts;
  const counts: HookCounts = { taken: 0, refused: 0, repeated: 0, tooLarge: 0 };
  const doors = doorsOf(parts.config);
  const seen = new Map<string, number>();
  const telling = new Set<Promise<void>>();

  const tell = (observation: Observation) => {
    const work = parts
      .hear(observation)
      .catch((error: unknown) =>
        log.error({ hook: observation.endpoint, error: String(error) }, 'a webhook was not told'),
      )
      .finally(() => telling.delete(work));
    telling.add(work);
  };

  const isRepeat = (path: string, body: Buffer): boolean => {
    const now = clock.now();
    const key = createHash('sha256').update(path).update('\0').update(body).digest('base64');
    const before = seen.get(key);
    seen.delete(key);
    seen.set(key, now);
    for (const [old, at] of seen) {
      if (seen.size <= KEPT && now - at < SAME) break;
      seen.delete(old);
    }
    return before !== undefined && now - before < SAME;
  };

  const answer = async (request: IncomingMessage): Promise<readonly [status: number, says: string]> => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    const door = doors.get(path);
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    // An unknown address is refused like a wrong secret: nobody learns what there is.
    if (!isSame(given ?? '', door?.secret ?? '') || !door || given === undefined) {
      counts.refused += 1;
      log.warn(
        { hook: path.slice(0, 100), from: request.socket.remoteAddress },
        'a webhook without the secret was refused',
      );
      return given === undefined ? [401, 'the secret is missing'] : [403, 'not with this secret'];
    }
    if (request.method !== 'POST' && request.method !== 'PUT') return [405, 'only POST'];
    if (!parts.leading()) return [503, 'standing by: another process leads, and looks for itself'];
    if (telling.size >= WAITING) return [503, 'too much at once'];
    const { body, whole } = await bodyOf(request);
    if (!whole) counts.tooLarge += 1;
    if (isRepeat(path, body)) {
      counts.repeated += 1;
      return [200, 'known'];
    }
    counts.taken += 1;
    const at = clock.now() / 1000;
    tell({ cluster: door.cluster, at, via: 'webhook', endpoint: path, status: 200, data: body.toString('utf8') });
    return whole ? [202, 'taken'] : [413, `cut after ${LARGEST} bytes`];
  };

  const server: Server = createServer({ requestTimeout: 20_000, headersTimeout: 10_000 }, (request, response) => {
    const say = (status: number, says: string) => {
      response.writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
        // What is left of a refused body is not waited for.
        ...(status >= 400 ? { connection: 'close' } : {}),
      });
      response.end(`${says}\n`);
    };
    answer(request).then(
      ([status, says]) => say(status, says),
      (error: unknown) => {
        log.warn({ error: String(error) }, 'a webhook broke off');
        response.destroy();
      },
    );
  });
  server.maxConnections = 200;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where.port, where.host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${where.host.includes(':') ? `[${where.host}]` : where.host}:${port}`,
    counts,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await Promise.allSettled(telling);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** By path. Those without a secret take nothing. */
function doorsOf({ clusters, pbs }: HooksParts['config']): ReadonlyMap<string, Door> {
  const doors = new Map<string, Door>();
  for (const [name, { watch }] of Object.entries(clusters))
    if (watch.hookSecret !== undefined) doors.set(`/hooks/pve/${name}`, { cluster: name, secret: watch.hookSecret });
  for (const [name, { cluster, hookSecret }] of Object.entries(pbs))
    if (hookSecret !== undefined) doors.set(`/hooks/pbs/${name}`, { cluster, secret: hookSecret });
  return doors;
}

/** In the same time whatever is given. An empty secret is nobody's. */
function isSame(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret)) && secret !== '';
}

/** What comes after the limit is not waited for. */
function bodyOf(request: IncomingMessage): Promise<{ readonly body: Buffer; readonly whole: boolean }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.once('error', reject);
    request.once('close', () => reject(new Error('the connection was cut')));
    request.once('end', () => resolve({ body: Buffer.concat(chunks), whole: true }));
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length <= LARGEST) return;
      request.removeAllListeners('data').pause();
      resolve({ body: Buffer.concat(chunks).subarray(0, LARGEST), whole: false });
    });
  });
}
