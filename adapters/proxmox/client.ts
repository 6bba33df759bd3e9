import { Agent, type Dispatcher, request } from 'undici';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { Call } from '../../src/contracts/plan.ts';
import type { Read } from './calls.ts';
import { type Attempt, closed, refused, unanswered, unreadable } from './failures.ts';
import { tokenId } from './privileges.ts';
import { connectorFor, NotConnected, PinMismatch, type Trust } from './trust.ts';

/** Milliseconds. */
export interface Timings {
  readonly connect: number;
  /** Until an answer begins that the asked node gives by itself: everything outside /nodes. */
  readonly local: number;
  /** Until any other read's answer begins. Proxmox itself waits 30 s for another node before it says 596. */
  readonly read: number;
  readonly write: number;
}

export const usualTimings: Timings = { connect: 5_000, local: 10_000, read: 35_000, write: 65_000 };

/** What the connection noticed, for logs and metrics. Holds no secrets. */
export type ProxmoxEvent =
  | { readonly kind: 'unreachable'; readonly url: string; readonly why: string }
  | { readonly kind: 'switched'; readonly from: string; readonly to: string }
  | { readonly kind: 'pin-mismatch'; readonly url: string; readonly seen: string };

export interface ClientOptions {
  readonly name: string;
  readonly urls: readonly string[];
  readonly token: string;
  readonly tls: Trust;
  readonly timings?: Partial<Timings>;
  readonly onEvent?: (event: ProxmoxEvent) => void;
}

/** A success: `data`, and `total` beside it for paged lists. */
export interface Answered {
  readonly data: unknown;
  readonly total?: unknown;
  /** The base URL that answered. */
  readonly url: string;
}

const answerLimit = 64 * 1024 * 1024;

/**
 * Speaks the API with a token. Reads go to the next base URL when one is out of reach and are repeated once when
 * the server cut a kept-alive connection (it does after every error, ODDITIES 43). Writes use a fresh connection
 * each, so that a stale one can never leave them in doubt, and go to the next URL only if nothing of them left.
 */
export class Client {
  readonly #options: ClientOptions;
  readonly #timings: Timings;
  readonly #urls: readonly string[];
  readonly #reading: Agent;
  readonly #writing: Agent;
  readonly #closing = new AbortController();
  #good = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#timings = { ...usualTimings, ...options.timings };
    this.#urls = options.urls.map(baseUrl);
    if (this.#urls.length === 0) badAddress('', 'no address is given');
    checkToken(options.token);
    const common = {
      connect: connectorFor(options.tls, this.#timings.connect),
      bodyTimeout: this.#timings.read,
      maxResponseSize: answerLimit,
    };
    // The server drops idle connections after 5 s; leave before it does.
    this.#reading = new Agent({
      ...common,
      headersTimeout: this.#timings.read,
      keepAliveTimeout: 3_500,
      connections: 16,
    });
    this.#writing = new Agent({ ...common, headersTimeout: this.#timings.write, pipelining: 0 });
  }

  get name(): string {
    return this.#options.name;
  }

  /** `user@realm!id`, without the secret. */
  get tokenId(): string {
    return tokenId(this.#options.token);
  }

  /** Aborts when the connection is closed: nobody should wait for it any longer. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The base URLs, the one that answered last first. */
  get urls(): readonly string[] {
    return [...this.#urls.slice(this.#good), ...this.#urls.slice(0, this.#good)];
  }

  /** Ask this URL first from now on. */
  prefer(url: string): void {
    const index = this.#urls.indexOf(url);
    if (index < 0 || index === this.#good) return;
    this.#options.onEvent?.({ kind: 'switched', from: this.#urls[this.#good]!, to: url });
    this.#good = index;
  }

  attempt(read: Read): Attempt {
    const { name, token } = this.#options;
    return { cluster: name, method: 'GET', path: read.path, says: read.says, token };
  }

  /** Asks. With `url` only that one is asked. Throws Failed. */
  async get(read: Read, url?: string): Promise<Answered> {
    const { answer, base } = await this.#asked(read, url, (base, attempt) => this.#once(base, attempt, read.query));
    return this.#success(this.attempt(read), answer, base);
  }

  /** The bytes of a file, at most `limit` of them. Throws Failed. */
  async download(read: Read, limit: number): Promise<Uint8Array> {
    const { answer } = await this.#asked(read, undefined, (base, attempt) =>
      this.#bytes(base, attempt, read.query, limit),
    );
    return answer.bytes;
  }

  /** Asks one base URL after the other until one gives an answer of its own. */
  async #asked<T extends Raw>(
    read: Read,
    url: string | undefined,
    ask: (base: string, attempt: Attempt) => Promise<T>,
  ): Promise<{ readonly answer: T; readonly base: string }> {
    checkPath(read.path);
    const attempt = this.attempt(read);
    const urls = url === undefined ? this.urls : [url];
    for (const [index, base] of urls.entries()) {
      const last = index === urls.length - 1;
      try {
        const answer = await ask(base, attempt);
        const broken = entryBroken(answer, read.path);
        if (url === undefined && !broken) this.prefer(base);
        if (answer.status === 200) return { answer, base };
        if (last || !broken) throw new Failed(refused(attempt, answer));
        this.#report(base, new Error(`${answer.status} ${answer.reason}`));
      } catch (error) {
        if (error instanceof Failed) throw error;
        if (this.#closing.signal.aborted) throw new Failed(closed(attempt), { cause: error });
        this.#report(base, error);
        if (last) throw new Failed(unanswered(attempt, base, error, sentOf(error)), { cause: error });
      }
    }
    return fail('internal', { what: 'nothing was asked', why: 'no address', next: 'configure one' });
  }

  /**
   * One answer as it came, of the first base URL that gives one of its own; those in `skip` are not asked. Without an
   * answer: the first URL's trouble. Never throws. `patience`: milliseconds until an answer must begin.
   */
  async raw(read: Read, skip: ReadonlySet<string>, patience: number): Promise<RawAnswer> {
    if (!isClean(read.path)) return { url: this.urls[0]!, error: `the path is not clean: ${read.path.slice(0, 200)}` };
    const attempt = this.attempt(read);
    let trouble: RawAnswer | undefined;
    for (const base of this.urls) {
      if (skip.has(base)) continue;
      try {
        const answer = await this.#once(base, attempt, read.query, patience);
        if (!entryBroken(answer, read.path)) {
          this.prefer(base);
          return { url: base, answer };
        }
        this.#report(base, new Error(`${answer.status} ${answer.reason}`));
        trouble ??= { url: base, answer };
      } catch (error) {
        this.#report(base, error);
        const { why } = unanswered(attempt, base, error, sentOf(error));
        trouble ??= { url: base, error: why };
      }
      if (this.#closing.signal.aborted) break;
    }
    return trouble ?? { url: this.urls[0]!, error: 'no address is left to ask' };
  }

  /** Changes something. Throws Failed whose `sent` tells how far it got. */
  async send(call: Call): Promise<Answered> {
    checkPath(call.path);
    const { name, token } = this.#options;
    const attempt: Attempt = { cluster: name, method: call.method, path: call.path, token, params: call.params };
    const urls = this.urls;
    for (const [index, base] of urls.entries()) {
      try {
        const answer = await this.#exchange(base, attempt, call.params, this.#writing);
        if (answer.status !== 200) throw new Failed(refused(attempt, answer));
        this.prefer(base);
        return this.#success(attempt, answer, base);
      } catch (error) {
        if (error instanceof Failed) throw error;
        this.#report(base, error);
        const never = error instanceof NotConnected;
        if (!never || index === urls.length - 1)
          throw new Failed(unanswered(attempt, base, error, sentOf(error)), { cause: error });
      }
    }
    return fail('internal', { what: 'nothing was sent', why: 'no address', next: 'configure one', sent: 'no' });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#reading.destroy(), this.#writing.destroy()]);
  }

  /** One read, repeated once on the same URL when the connection was cut under it. */
  async #once(base: string, attempt: Attempt, query: Params, patience?: number): Promise<Raw> {
    try {
      return await this.#exchange(base, attempt, query, this.#reading, patience);
    } catch (error) {
      if (!wasCut(error)) throw error;
      return await this.#exchange(base, attempt, query, this.#reading, patience);
    }
  }

  async #exchange(
    base: string,
    attempt: Attempt,
    params: Params,
    dispatcher: Dispatcher,
    patience?: number,
  ): Promise<Raw> {
    const response = await this.#response(base, attempt, params, dispatcher, patience);
    return { ...statusOf(response), body: parse(await response.body.text()) };
  }

  /** What comes after the limit is not waited for. */
  async #bytes(base: string, attempt: Attempt, params: Params, limit: number): Promise<Raw & { bytes: Uint8Array }> {
    const response = await this.#response(base, attempt, params, this.#reading);
    const status = statusOf(response);
    if (status.status !== 200) return { ...status, body: parse(await response.body.text()), bytes: new Uint8Array() };
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response.body) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= limit) break;
    }
    return { ...status, body: undefined, bytes: Buffer.concat(chunks).subarray(0, limit) };
  }

  async #response(base: string, attempt: Attempt, params: Params, dispatcher: Dispatcher, patience?: number) {
    const { method, path, token } = attempt;
    const form = encode(params);
    // A body in GET or DELETE is a 501, and so is a chunked one (ODDITIES 41, 42): strings only, and in the query.
    const inBody = method === 'POST' || method === 'PUT';
    return request(`${base}/api2/json${path}${!inBody && form ? `?${form}` : ''}`, {
      dispatcher,
      method: method as Dispatcher.HttpMethod,
      headers: {
        authorization: `PVEAPIToken=${token}`,
        accept: 'application/json',
        ...(inBody ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      ...(inBody ? { body: form } : {}),
      ...(method === 'GET' && !path.startsWith('/nodes/') ? { headersTimeout: this.#timings.local } : {}),
      ...(patience === undefined ? {} : { headersTimeout: patience, bodyTimeout: patience }),
    });
  }

  #success(attempt: Attempt, answer: Raw, url: string): Answered {
    const body = answer.body as { data?: unknown; total?: unknown } | null | undefined;
    if (body === null || typeof body !== 'object' || !('data' in body))
      throw new Failed(unreadable(attempt, 'no JSON with data'));
    return { data: body.data, total: body.total, url };
  }

  #report(url: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#options.onEvent?.(
      error instanceof PinMismatch
        ? { kind: 'pin-mismatch', url, seen: error.seen }
        : { kind: 'unreachable', url, why },
    );
  }
}

/** The part of a client that only looks. */
export type Asker = Pick<Client, 'name' | 'tokenId' | 'urls' | 'closing' | 'prefer' | 'attempt' | 'get' | 'download'>;

/** `answer`: of any status. */
export interface RawAnswer {
  readonly url: string;
  readonly answer?: Raw;
  readonly error?: string;
}

export interface Raw {
  readonly status: number;
  readonly reason: string;
  readonly body: unknown;
}

type Params = Readonly<Record<string, string | number | boolean>>;

/** Booleans as 1 and 0: `True` is refused (ODDITIES 3). */
export function encode(params: Params): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    form.append(name, typeof value === 'boolean' ? (value ? '1' : '0') : String(value));
  return form.toString();
}

/**
 * The daemons behind the entry node are down: 595…599 for a path that no other node had to answer, or a refused
 * connection, which is the same in both cases and quickly asked again elsewhere.
 */
function entryBroken(answer: Raw, path: string): boolean {
  // There a 503 is the backup's own slowness (FACTS 6), which is the same behind every address.
  if (path.endsWith('/file-restore/list') && answer.status < 595) return false;
  if (answer.status >= 595) return !path.startsWith('/nodes/') || answer.reason === 'Connection refused';
  return [502, 503, 504].includes(answer.status);
}

const wasCut = (error: unknown) =>
  !(error instanceof NotConnected) &&
  ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes((error as NodeJS.ErrnoException).code ?? '');

const sentOf = (error: unknown) => (error instanceof NotConnected ? 'no' : 'unknown');

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // 595…599 and 401 have no JSON; a 200 without it is refused by the caller
  }
}

const statusOf = (response: Dispatcher.ResponseData) => ({
  status: response.statusCode,
  reason: utf8(response.statusText),
});

/** Node reads the status line as latin1; Proxmox writes UTF-8. */
function utf8(reason: string): string {
  const text = Buffer.from(reason, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? reason : text;
}

function baseUrl(text: string): string {
  const url = URL.parse(text);
  if (!url) return badAddress(text, 'it is not an URL');
  if (url.protocol !== 'https:')
    return badAddress(text, 'only https:// is spoken, since the token travels with each call');
  if (url.username || url.password) return badAddress(url.host, 'it holds a login; only tokens are used');
  if (url.pathname.replace(/\/$/, '') !== '' || url.search || url.hash)
    return badAddress(text, 'it must end after the port');
  return url.origin;
}

function badAddress(text: string, why: string): never {
  return fail('bad-input', {
    what: `the address ${JSON.stringify(text.slice(0, 200))} cannot be used`,
    why,
    next: 'write it like https://ovh1.example:8006',
  });
}

function checkToken(token: string): void {
  if (/^[^\s:/!=]+@[^\s:/!=]+![A-Za-z][\w.-]+=[\x21-\x7e]+$/.test(token)) return;
  fail('bad-input', {
    what: 'the API token cannot be used',
    why: 'it is not of the form user@realm!id=secret',
    next: 'copy it from `pveum user token add`: full-tokenid, an equals sign, value',
  });
}

const isClean = (path: string): boolean =>
  /^(\/[A-Za-z0-9\-_.!~*'()%:@]+)+$/.test(path) && !/(^|\/)\.{1,2}(\/|$)/.test(path);

function checkPath(path: string): void {
  if (isClean(path)) return;
  fail('internal', {
    what: 'the call was not sent',
    why: `its path is not clean: ${path}`,
    next: 'report this',
    sent: 'no',
  });
}
