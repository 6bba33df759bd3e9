import { createHash } from 'node:crypto';
import { brokenAnswer, type Faults, faults } from './faults.ts';
import { type Answer, listen, type Received } from './loopback.ts';

/** One request as it arrived, and what it was answered. */
export interface Asked {
  readonly path: string;
  readonly authorization?: string;
  readonly ifNoneMatch?: string;
  readonly userAgent?: string;
  /** Missing when the connection was cut or left hanging. */
  readonly status?: number;
}

export interface GithubPerson {
  id: number;
  login: string;
  type: string;
  keys: string[];
}

/**
 * A GitHub on loopback: accounts, their keys by API (pages, ETags, rate limit of 60 an hour per asker, 5,000 with
 * the token) and by the pages LOGIN.keys and LOGIN.png. `faults` breaks single calls: `user`, `keys`, `page`,
 * `avatar`; `down` breaks a whole side until it is cleared.
 */
export interface GithubPlatform {
  readonly apiUrl: string;
  readonly webUrl: string;
  readonly token: string;
  readonly faults: Faults;
  readonly asked: Asked[];
  /** Which sides answer 503 now. */
  readonly down: Set<'api' | 'web'>;
  /** Answers given instead of the usual ones, by path (without query), for hostile answers. */
  readonly instead: Map<string, Answer>;
  /** Whether LOGIN.png tells the account's id, as github.com does. */
  avatarsTell: boolean;
  /** Requests left in this hour without a token. */
  left: number;
  person(login: string, ...keys: string[]): GithubPerson;
  /** The same account with other keys. */
  change(login: string, ...keys: string[]): void;
  organization(login: string): void;
  rename(from: string, to: string): void;
  remove(login: string): void;
  close(): Promise<void>;
}

const API = '/api/v3';
const HOUR = 3600;

/** `now` is in ms and rules the rate limit. */
export async function githubPlatform(now: () => number): Promise<GithubPlatform> {
  const people = new Map<string, GithubPerson>();
  const token = 'ghp_loopback0123456789';
  const broken = faults();
  const asked: Asked[] = [];
  let lastId = 1000;

  const add = (login: string, type: string, keys: string[]): GithubPerson => {
    const person = { id: ++lastId, login, type, keys };
    people.set(login.toLowerCase(), person);
    return person;
  };

  const handle = (request: Received): Answer => {
    const { path } = request;
    const instead = platform.instead.get(path);
    if (instead) return instead;
    const operation = operationOf(path);
    const fault = broken.take(operation);
    const cut = fault && brokenAnswer(fault);
    if (cut) return cut;
    const api = path.startsWith(`${API}/`);
    if (platform.down.has(api ? 'api' : 'web')) return { status: 503, text: '<html>Unicorn!</html>' };
    if (!api) return page(request);
    if (fault?.kind === 'rate-limited') return secondary(fault.retryAfter);
    return limited(request);
  };

  const page = ({ path }: Received): Answer => {
    const [, login = '', ending] = /^\/([\w-]+)\.(keys|png)$/.exec(path) ?? [];
    const person = people.get(login.toLowerCase());
    if (!person) return { status: 404, text: 'Not Found', headers: { 'content-type': 'text/plain; charset=utf-8' } };
    if (ending === 'keys')
      return {
        status: 200,
        text: person.keys.map((key) => `${key}\n`).join(''),
        headers: { 'content-type': 'text/plain; charset=utf-8' },
      };
    const avatar = platform.avatarsTell ? `/u/${person.id}?v=4` : '/avatars/default.png';
    return { status: 302, text: '', headers: { location: `https://avatars.githubusercontent.com${avatar}` } };
  };

  /** Counts as GitHub does: everything but a 304 to somebody with a token. */
  const limited = (request: Received): Answer => {
    const { authorization, 'user-agent': agent } = request.headers;
    if (!agent) return { status: 403, text: 'Request forbidden by administrative rules.' };
    if (authorization !== undefined && authorization !== `Bearer ${token}`)
      return { status: 401, json: { message: 'Bad credentials', status: '401' } };
    const reset = String(Math.floor(now() / 1000) + HOUR);
    const date = new Date(now()).toUTCString();
    const counts = authorization === undefined;
    const headers = { date, 'x-ratelimit-limit': counts ? '60' : '5000', 'x-ratelimit-reset': reset };
    if (counts && platform.left <= 0)
      return {
        status: 403,
        json: { message: 'API rate limit exceeded for 127.0.0.1.', documentation_url: 'https://docs.github.com/rest' },
        headers: { ...headers, 'x-ratelimit-remaining': '0' },
      };
    if (counts) platform.left -= 1;
    const answer = api(request);
    const remaining = { 'x-ratelimit-remaining': counts ? String(platform.left) : '4999' };
    return { ...answer, headers: { ...headers, ...remaining, ...answer.headers } };
  };

  const api = (request: Received): Extract<Answer, { status: number }> => {
    const [, kind, name = '', keys] = /^\/api\/v3\/(users?)\/([\w-]+)(\/keys)?$/.exec(request.path) ?? [];
    const person =
      kind === 'user' ? [...people.values()].find((one) => String(one.id) === name) : people.get(name.toLowerCase());
    if (!person) return { status: 404, json: { message: 'Not Found', status: '404' } };
    if (!keys) {
      const { id, login, type } = person;
      return tagged(request, { login, id, node_id: `MDQ6VXNlcj${id}`, type, site_admin: false, public_repos: 8 });
    }
    const size = Math.min(Number(request.query.get('per_page') ?? 30), 100);
    const at = Number(request.query.get('page') ?? 1);
    const listed = person.keys.slice((at - 1) * size, at * size).map((key, n) => ({ id: at * 1000 + n, key }));
    const next = `<http://elsewhere.invalid${request.path}?per_page=${size}&page=${at + 1}>; rel="next"`;
    return tagged(request, listed, at * size < person.keys.length ? { link: next } : {});
  };

  const loopback = await listen((request) => {
    const answer = handle(request);
    const { authorization, 'if-none-match': ifNoneMatch, 'user-agent': userAgent } = request.headers;
    const status = 'status' in answer ? answer.status : undefined;
    asked.push({ path: request.path, authorization, ifNoneMatch, userAgent, status });
    return answer;
  });
  const web = `http://127.0.0.1:${loopback.port}`;

  const platform: GithubPlatform = {
    apiUrl: `${web}${API}`,
    webUrl: web,
    token,
    faults: broken,
    asked,
    down: new Set(),
    instead: new Map(),
    avatarsTell: true,
    left: 60,
    person: (login, ...keys) => add(login, 'User', keys),
    change(login, ...keys) {
      const person = people.get(login.toLowerCase());
      if (!person) throw new Error(`there is no ${login} to change`);
      person.keys = keys;
    },
    organization: (login) => {
      add(login, 'Organization', []);
    },
    rename(from, to) {
      const person = people.get(from.toLowerCase());
      if (!person) throw new Error(`there is no ${from} to rename`);
      people.delete(from.toLowerCase());
      person.login = to;
      people.set(to.toLowerCase(), person);
    },
    remove: (login) => {
      people.delete(login.toLowerCase());
    },
    close: () => loopback.close(),
  };
  return platform;
}

function operationOf(path: string): string {
  if (path.endsWith('/keys')) return 'keys';
  if (path.endsWith('.keys')) return 'page';
  return path.endsWith('.png') ? 'avatar' : 'user';
}

/** An answer with its ETag, or 304 when the asker has it already. */
function tagged(request: Received, json: unknown, more: Record<string, string> = {}) {
  const etag = `W/"${createHash('sha256').update(JSON.stringify(json)).digest('hex')}"`;
  const headers = { etag, ...more };
  if (request.headers['if-none-match'] === etag) return { status: 304, headers };
  return { status: 200, json, headers };
}

function secondary(retryAfter: number): Answer {
  return {
    status: 403,
    json: { message: 'You have exceeded a secondary rate limit.' },
    headers: { 'retry-after': String(retryAfter), 'x-ratelimit-remaining': '41' },
  };
}
