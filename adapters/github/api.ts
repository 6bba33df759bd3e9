import { z } from 'zod';
import type { Clock } from '../../src/contracts/clock.ts';
import { isOut, type Line, type Out, type Reply } from './line.ts';
import type { Remembered } from './remembered.ts';

/** Who a login belongs to now. The id stays when an account is renamed; the login may then go to somebody else. */
export interface Account {
  readonly id: number;
  /** As GitHub spells it. */
  readonly login: string;
  /** `User`, `Organization`, `Bot`. */
  readonly type: string;
  readonly etag?: string;
}

/** Keys as GitHub wrote them, not yet looked at. */
export interface Listed {
  readonly texts: readonly string[];
  readonly etag?: string;
}

/** GitHub has nothing by that name. */
export interface Gone {
  readonly gone: true;
}

export const isGone = (answer: object): answer is Gone => 'gone' in answer;

const PAGE = 100;
const MAX_PAGES = 10;
/** More than this are not taken from anywhere: they would fill the store and every authorized_keys file. */
export const MAX_KEYS = PAGE * MAX_PAGES;

const accountSchema = z.object({
  id: z.int().positive(),
  login: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/),
  type: z.string().max(40).default('User'),
});

const keysSchema = z.array(z.object({ key: z.string() })).max(PAGE);

const OTHER_THAN_JSON = { out: 'answered something that cannot be read' };

/** The REST API. A rate limit is obeyed until it ends, as GitHub asks: who goes on asking is shut out for longer. */
export class Api {
  readonly #line: Line;
  readonly #clock: Clock;
  readonly #base: string;
  readonly #token: string | undefined;
  #quietUntil = 0;

  constructor(line: Line, clock: Clock, base: string, token?: string) {
    this.#line = line;
    this.#clock = clock;
    this.#base = base;
    this.#token = token;
  }

  /** GET /users/{login}. With what is remembered of it, an unchanged answer costs nothing of the rate limit. */
  async account(login: string, known?: Remembered): Promise<Account | Gone | Out> {
    const reply = await this.#get(`/users/${login}`, known?.accountEtag);
    if (isOut(reply) || isGone(reply)) return reply;
    if (reply.status === 304)
      return known?.accountEtag
        ? { id: known.id, login: known.login, type: 'User', etag: known.accountEtag }
        : OTHER_THAN_JSON;
    const account = accountSchema.safeParse(json(reply.text));
    // An answer about another login would pin the wrong person.
    if (!account.success || account.data.login.toLowerCase() !== login.toLowerCase()) return OTHER_THAN_JSON;
    return { ...account.data, etag: etagOf(reply) };
  }

  /** GET /user/{id}: how an account is called now. */
  async loginOf(id: number): Promise<string | undefined> {
    const reply = await this.#get(`/user/${id}`);
    if (isOut(reply) || isGone(reply)) return undefined;
    const account = accountSchema.safeParse(json(reply.text));
    return account.success && account.data.id === id ? account.data.login : undefined;
  }

  /** GET /users/{login}/keys, all pages; undefined when nothing has changed since `etag`. */
  async keys(login: string, etag?: string): Promise<Listed | undefined | Gone | Out> {
    const texts: string[] = [];
    for (let page = 1; page <= MAX_PAGES; page++) {
      const reply = await this.#get(
        `/users/${login}/keys?per_page=${PAGE}&page=${page}`,
        page === 1 ? etag : undefined,
      );
      if (isOut(reply) || isGone(reply)) return reply;
      if (reply.status === 304) return page === 1 && etag !== undefined ? undefined : OTHER_THAN_JSON;
      const keys = keysSchema.safeParse(json(reply.text));
      if (!keys.success) return OTHER_THAN_JSON;
      texts.push(...keys.data.map((entry) => entry.key));
      // The address of the next page is built here, not taken from the answer.
      const more = /\brel="?next\b/.test(reply.header('link') ?? '');
      // An ETag is one page's: with several, page 2 may change under an unchanged page 1.
      if (!more) return { texts, ...(page === 1 ? { etag: etagOf(reply) } : {}) };
    }
    return { out: `lists more than ${MAX_KEYS} keys` };
  }

  async #get(path: string, etag?: string): Promise<Reply | Gone | Out> {
    if (this.#clock.now() < this.#quietUntil) return this.#limited();
    const reply = await this.#line.get(`${this.#base}${path}`, {
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
    });
    if (isOut(reply) || reply.status === 200 || reply.status === 304) return reply;
    // A proxy or a wrong base URL says 404 as well, but not in GitHub's words.
    if (reply.status === 404) return 'message' in Object(json(reply.text)) ? { gone: true } : OTHER_THAN_JSON;
    const quiet = quietMs(reply, this.#clock.now());
    if (quiet !== undefined) {
      this.#quietUntil = this.#clock.now() + quiet;
      return this.#limited();
    }
    if (reply.status === 401) return { out: 'does not take the configured token (401)' };
    return { out: `answered ${reply.status}` };
  }

  #limited(): Out {
    return { out: `is rate-limited until ${new Date(this.#quietUntil).toISOString().slice(11, 16)} UTC` };
  }
}

/** Longest wait that is believed, ms: GitHub's windows last an hour. */
const LONGEST_QUIET = 65 * 60_000;
/** GitHub's advice for secondary limits that name no time. */
const USUAL_QUIET = 60_000;

/**
 * How long to keep quiet, ms, or undefined when this is no rate limit. The reset is in GitHub's time, so it is
 * measured from the answer's own Date where it has one.
 */
function quietMs(reply: Reply, now: number): number | undefined {
  if (reply.status !== 403 && reply.status !== 429) return undefined;
  const after = seconds(reply.header('retry-after'));
  if (after !== undefined) return clamp(after * 1000);
  const reset = seconds(reply.header('x-ratelimit-reset'));
  if (reply.header('x-ratelimit-remaining') === '0' && reset !== undefined) {
    const date = Date.parse(reply.header('date') ?? '');
    return clamp(reset * 1000 - (Number.isNaN(date) ? now : date));
  }
  return reply.status === 429 ? USUAL_QUIET : undefined;
}

const seconds = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;

const clamp = (ms: number): number => Math.min(Math.max(ms, 1_000), LONGEST_QUIET);

/** Only what can go back in a header as it is. */
function etagOf(reply: Reply): string | undefined {
  const etag = reply.header('etag');
  return etag !== undefined && /^(W\/)?"[\x21\x23-\x7e]{1,200}"$/.test(etag) ? etag : undefined;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller's schema refuses it and says so
  }
}
