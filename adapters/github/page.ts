import { type Gone, MAX_KEYS } from './api.ts';
import { isOut, type Line, type Out } from './line.ts';

/**
 * GitHub's web pages about a login, for when the API is out of reach: they have no rate limit of 60 an hour.
 * They get no token.
 */
export class Page {
  readonly #line: Line;
  readonly #base: string;

  constructor(line: Line, base: string) {
    this.#line = line;
    this.#base = base;
  }

  /** {web}/{login}.keys: one key a line. */
  async keys(login: string): Promise<readonly string[] | Gone | Out> {
    const reply = await this.#line.get(`${this.#base}/${login}.keys`, { accept: 'text/plain' });
    if (isOut(reply)) return reply;
    if (reply.status === 404) return { gone: true };
    if (reply.status !== 200) return { out: `answered ${reply.status}` };
    // A login page of a private Enterprise or a captive portal is no list of keys.
    if (!/^text\/plain\b/i.test(reply.header('content-type') ?? ''))
      return { out: 'answered something that cannot be read' };
    const lines = reply.text.split(/\r?\n/).filter((line) => line !== '');
    return lines.length > MAX_KEYS ? { out: `lists more than ${MAX_KEYS} keys` } : lines;
  }

  /**
   * Whose login it is: {web}/{login}.png leads to the avatar, whose address holds the account's id
   * (https://avatars.githubusercontent.com/u/583231?v=4). Undefined where it does not.
   */
  async accountId(login: string): Promise<number | undefined> {
    const reply = await this.#line.get(`${this.#base}/${login}.png`, { accept: 'image/png' });
    if (isOut(reply) || reply.status < 300 || reply.status > 399) return undefined;
    const id = /\/u\/([1-9]\d{0,14})(?:[?#]|$)/.exec(reply.header('location') ?? '')?.[1];
    return id === undefined ? undefined : Number(id);
  }
}
