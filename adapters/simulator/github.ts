import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newSshKey } from './ssh.ts';

/**
 * A small GitHub beside the cluster, plain HTTP on loopback: accounts, their SSH keys by API (with ETags) and by the
 * pages LOGIN.keys and LOGIN.png. It has no rate limit and asks for no token.
 */
export interface SimulatedGithub {
  /** For `github.apiUrl` in the config; the pages are beside it. */
  readonly apiUrl: string;
  /** Paths asked so far, with what was answered. */
  readonly asked: { readonly path: string; readonly status: number }[];
  /** While true everything answers 503. */
  down: boolean;
  readonly logins: readonly string[];
  /** Key lines as the account has them now. Throws for a login that is not there. */
  keys(login: string): readonly string[];
  /** Makes these the account's keys. A new login becomes an account. */
  setKeys(login: string, lines: readonly string[]): void;
  /** The private half of the account's first key, in OpenSSH's form. */
  privateKey(login: string): string;
  remove(login: string): void;
  close(): Promise<void>;
}

interface Account {
  readonly id: number;
  readonly login: string;
  keys: readonly string[];
  readonly private?: string;
}

/** An RSA key of 1024 bits whose private half was thrown away: nobody should take it. */
const weakKey =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC9sr2YvUKH+QqeqACvWCIVtuviC1DCT5qrshE4xmWHcnS40ptsavyG8n+emNCZD0vfAXPOEFybVIkgfRIk61+RWzVDp8rcCtgoP7t1bBT0hvlbvnYx+aNdGiKjy2xIicwOE98ev3WUbF7ApB8cOqRjEh5byPyl9f9VGXzUCnmnzw==';

const api = '/api/v3';
const firstId = 583_000;
const noSuch = { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' };

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}

const json = (status: number, body: unknown, headers = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  text: JSON.stringify(body),
});

const plain = (status: number, text: string): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  text,
});

/** As GitHub prints a public key: type and base64, no comment. */
export const bare = (line: string): string => line.trim().split(' ').slice(0, 2).join(' ');

/** alice has two keys, oscar one, nina one and a weak one. */
export async function startGithub(host = '127.0.0.1'): Promise<SimulatedGithub> {
  const accounts = new Map<string, Account>();
  const asked: SimulatedGithub['asked'] = [];
  const add = (login: string, keys: readonly string[], secret?: string) =>
    accounts.set(login.toLowerCase(), { id: firstId + accounts.size, login, keys, private: secret });
  for (const [login, more] of [
    ['alice', [bare(newSshKey().public)]],
    ['oscar', []],
    ['nina', [weakKey]],
  ] as const) {
    const key = newSshKey();
    add(login, [bare(key.public), ...more], key.private);
  }

  const find = (login: string): Account => {
    const account = accounts.get(login.toLowerCase());
    if (!account) throw new Error(`the simulated GitHub has no account ${login}`);
    return account;
  };

  const users = (url: URL, known: string | undefined): Answer => {
    const [, kind, name = '', keys] = /^\/api\/v3\/(users?)\/([\w-]+)(\/keys)?$/.exec(url.pathname) ?? [];
    const account =
      kind === 'user' ? [...accounts.values()].find(({ id }) => String(id) === name) : accounts.get(name.toLowerCase());
    if (!account) return json(404, noSuch);
    const { id, login } = account;
    if (!keys) return tagged({ login, id, type: 'User', site_admin: false }, known);
    const size = Math.min(Number(url.searchParams.get('per_page') ?? 30), 100);
    const page = Number(url.searchParams.get('page') ?? 1);
    const rows = account.keys.slice((page - 1) * size, page * size).map((key, n) => ({ id: page * 1000 + n, key }));
    const next = page * size < account.keys.length;
    const link = `<${url.origin}${url.pathname}?per_page=${size}&page=${page + 1}>; rel="next"`;
    return tagged(rows, known, next ? { link } : {});
  };

  const pages = (path: string): Answer => {
    const [, login = '', ending] = /^\/([\w-]+)\.(keys|png)$/.exec(path) ?? [];
    const account = accounts.get(login.toLowerCase());
    if (!account) return plain(404, 'Not Found');
    if (ending === 'keys') return plain(200, account.keys.map((key) => `${key}\n`).join(''));
    return { status: 302, headers: { location: `https://avatars.githubusercontent.com/u/${account.id}?v=4` } };
  };

  const answer = (request: IncomingMessage): Answer => {
    const url = new URL(request.url ?? '/', 'http://github');
    if (github.down) return plain(503, 'Unicorn!');
    if (request.method !== 'GET') return json(404, noSuch);
    const known = request.headers['if-none-match'];
    return url.pathname.startsWith(`${api}/`) ? users(url, known) : pages(url.pathname);
  };

  const server = createServer((request, response) => {
    const { status, headers, text = '' } = answer(request);
    asked.push({ path: request.url ?? '', status });
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));

  const github: SimulatedGithub = {
    apiUrl: `http://${host}:${(server.address() as AddressInfo).port}${api}`,
    asked,
    down: false,
    get logins() {
      return [...accounts.values()].map(({ login }) => login);
    },
    keys: (login) => find(login).keys,
    setKeys(login, lines) {
      const account = accounts.get(login.toLowerCase());
      if (account) account.keys = lines.map(bare);
      else add(login, lines.map(bare));
    },
    privateKey(login) {
      const { private: secret } = find(login);
      if (secret === undefined) throw new Error(`the private key of ${login} is not here`);
      return secret;
    },
    remove: (login) => {
      accounts.delete(login.toLowerCase());
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return github;
}

/** An answer with its ETag, or 304 when the asker has it already. */
function tagged(body: unknown, known: string | undefined, more: Readonly<Record<string, string>> = {}): Answer {
  const etag = `W/"${createHash('sha256').update(JSON.stringify(body)).digest('hex')}"`;
  if (known === etag) return { status: 304, headers: { etag, ...more } };
  return json(200, body, { etag, ...more });
}
