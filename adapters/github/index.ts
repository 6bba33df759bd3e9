import type { Clock } from '../../src/contracts/clock.ts';
import { fail } from '../../src/contracts/failure.ts';
import { addresses, checkLogin } from './addresses.ts';
import { type Account, Api, isGone } from './api.ts';
import { type Judged, judge, type KeyRules, type Offer, type Refused, readOffer, type SshKey } from './keys.ts';
import { isOut, Line } from './line.ts';
import { Page } from './page.ts';
import { type Remember, type Remembered, recall } from './remembered.ts';
import { signerOf } from './signature.ts';
import { ago, nobody, noKeys, notPerson, renamed, somebodyElse, unreachable } from './words.ts';

export { checkLogin } from './addresses.ts';
export { type KeyDiff, keyDiff, type Refused, readKey, type SshKey } from './keys.ts';
export { type Remember, type Remembered, rememberedSchema } from './remembered.ts';

/** One thing worth a line in the log; never holds the token. */
export interface GithubEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly says: string;
  readonly [fact: string]: unknown;
}

export interface GithubOptions extends KeyRules {
  /** https://api.github.com; GitHub Enterprise: https://host/api/v3. */
  readonly apiUrl?: string;
  /** https://github.com, for LOGIN.keys; by itself the one that belongs to `apiUrl`. */
  readonly webUrl?: string;
  /** Any token: none of its rights are needed, but it asks 5,000 times an hour instead of 60. */
  readonly token?: string;
  /** PEM of a private CA, for GitHub Enterprise. */
  readonly ca?: string;
  readonly clock: Clock;
  readonly remember: Remember;
  readonly log: (event: GithubEvent) => void;
}

/** A login's keys, and how sure that is. */
export interface KeysOf {
  /** As GitHub spells it (as asked, when only its page answered and nothing was remembered). */
  readonly login: string;
  /** The account behind the login; stays when it is renamed. */
  readonly id: number;
  readonly keys: readonly SshKey[];
  readonly refused: readonly Refused[];
  /** When GitHub last confirmed it, epoch ms. */
  readonly at: number;
  /** GitHub has confirmed it just now, the keys and whose they are. */
  readonly fresh: boolean;
  /** Why these are old and how old, when they are not fresh. */
  readonly stale?: string;
  /** Where the keys were read: the API, the page LOGIN.keys, or what is stored. */
  readonly via: 'api' | 'page' | 'store';
}

export interface Github {
  /**
   * The keys of a login. Throws Failed: bad-input (no login at all; an organization), not-found (no such login, or
   * no usable key), conflict (the login is somebody else's by now), unavailable (GitHub is out of reach and nothing
   * is stored). `mayBeEmpty`: no usable key is an answer too, as it is for key drift.
   */
  keys(login: string, options?: { readonly mayBeEmpty?: boolean }): Promise<KeysOf>;
  /** Fingerprint of the key that signed `message`; undefined when it is no sound signature of it. Never throws. */
  signer(message: string, signature: string): string | undefined;
  close(): Promise<void>;
}

export function openGithub(options: GithubOptions): Github {
  const { api, web } = addresses(options.apiUrl, options.webUrl);
  const line = new Line(options.clock, options.ca);
  const people = new Lookup(options, api, new Api(line, options.clock, api, options.token), new Page(line, web));
  const asking = new Map<string, Promise<KeysOf>>();
  /** Two questions at once about one login are one. */
  const shared = (login: string): Promise<KeysOf> => {
    const name = login.toLowerCase();
    const going = asking.get(name) ?? people.look(login).finally(() => asking.delete(name));
    asking.set(name, going);
    return going;
  };
  return {
    async keys(login, { mayBeEmpty = false } = {}) {
      const found = await shared(checkLogin(login));
      return found.keys.length > 0 || mayBeEmpty ? found : noKeys(found);
    },
    signer: signerOf,
    close: () => line.close(),
  };
}

/** What was learnt in one look, before it is stored. */
interface Learnt {
  readonly id: number;
  readonly login: string;
  readonly offer: Offer;
  readonly accountEtag?: string;
  readonly keysEtag?: string;
}

class Lookup {
  readonly #options: GithubOptions;
  readonly #from: string;
  readonly #api: Api;
  readonly #page: Page;

  constructor(options: GithubOptions, from: string, api: Api, page: Page) {
    this.#options = options;
    this.#from = from;
    this.#api = api;
    this.#page = page;
  }

  async look(login: string): Promise<KeysOf> {
    const known = await recall(this.#options.remember, login, this.#from);
    const account = await this.#api.account(login, known);
    if (isGone(account)) return this.#gone(login, known);
    if (isOut(account)) return this.#withoutApi(login, known, undefined, account.out);
    if (account.type !== 'User') notPerson(account.login, account.type);
    await this.#sameAccount(known, account.login, account.id);
    const listed = await this.#api.keys(account.login, known?.keysEtag);
    if (listed === undefined) return this.#confirmed({ ...remembered(known), ...identity(account) }, 'api');
    if (isGone(listed)) return this.#gone(login, known);
    if (isOut(listed)) return this.#withoutApi(login, known, account, listed.out);
    return this.#confirmed({ ...identity(account), offer: readOffer(listed.texts), keysEtag: listed.etag }, 'api');
  }

  /**
   * Reads the page instead. Keys change only when it is certain whose they are: a login that was given up can be
   * taken by anyone within minutes. So the page counts when the account's id is confirmed too, or when it shows
   * the very keys that are stored.
   */
  async #withoutApi(
    login: string,
    known: Remembered | undefined,
    account: Account | undefined,
    api: string,
  ): Promise<KeysOf> {
    const { log } = this.#options;
    log({ level: 'warn', says: `GitHub's API ${api}; asking its page`, login });
    const texts = await this.#page.keys(login);
    if (isOut(texts)) return this.#stored(login, known, `GitHub's API ${api}, and its page ${texts.out}`);
    if (isGone(texts)) {
      if (!known) return nobody(login);
      return this.#stored(login, known, `GitHub's API ${api}, and its page knows no ${login}`);
    }
    const offer = readOffer(texts);
    if (texts.length > 0 && offer.lines.length === 0 && offer.broken.length > 0)
      return this.#stored(login, known, `GitHub's API ${api}, and its page shows no keys that can be read`);
    const id = account?.id ?? (await this.#page.accountId(login));
    if (id === undefined && !(known && sameLines(known, offer)))
      return this.#stored(login, known, `GitHub's API ${api}, and its page does not tell whose ${login} is now`);
    const name = account?.login ?? known?.login ?? login;
    await this.#sameAccount(known, name, id ?? known?.id);
    return this.#confirmed({ id: id ?? remembered(known).id, login: name, offer }, 'page');
  }

  async #confirmed(learnt: Learnt, via: 'api' | 'page'): Promise<KeysOf> {
    const { clock, remember } = this.#options;
    const at = clock.now();
    const { id, login, offer, accountEtag, keysEtag } = learnt;
    const { lines, broken } = offer;
    await remember.write(login.toLowerCase(), {
      from: this.#from,
      login,
      id,
      at,
      lines,
      broken,
      ...(accountEtag === undefined ? {} : { accountEtag }),
      ...(keysEtag === undefined ? {} : { keysEtag }),
    });
    return { login, id, ...this.#judged(offer), at, fresh: true, via };
  }

  #stored(login: string, known: Remembered | undefined, why: string): KeysOf {
    const { clock, log } = this.#options;
    if (!known) return unreachable(login, why);
    const stale = `${why}; these are its keys of ${ago(clock.now() - known.at)}`;
    log({ level: 'warn', says: stale, login });
    return {
      login: known.login,
      id: known.id,
      ...this.#judged(known),
      at: known.at,
      fresh: false,
      stale,
      via: 'store',
    };
  }

  async #gone(login: string, known: Remembered | undefined): Promise<never> {
    if (!known) return nobody(login);
    return renamed(login, known.id, await this.#api.loginOf(known.id));
  }

  async #sameAccount(known: Remembered | undefined, login: string, id: number | undefined): Promise<void> {
    if (!known || id === undefined || known.id === id) return;
    this.#options.log({
      level: 'error',
      says: `the login ${login} belongs to somebody else now`,
      was: known.id,
      is: id,
    });
    somebodyElse(login, known.id, id, await this.#api.loginOf(known.id));
  }

  #judged(offer: Offer): Judged {
    return judge(offer, { weakRsa: this.#options.weakRsa });
  }
}

const identity = ({ id, login, etag }: Account) => ({ id, login, accountEtag: etag });

/** Only reached where GitHub was asked about something remembered. */
function remembered(known: Remembered | undefined): Learnt {
  if (known) return { id: known.id, login: known.login, offer: known, keysEtag: known.keysEtag };
  return fail('internal', { what: 'nothing is stored', why: 'GitHub says nothing has changed', next: 'report this' });
}

function sameLines(known: Remembered, offer: Offer): boolean {
  return (
    known.lines.length === offer.lines.length && new Set([...known.lines, ...offer.lines]).size === offer.lines.length
  );
}
