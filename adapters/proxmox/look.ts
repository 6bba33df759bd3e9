import type { Clock } from '../../src/contracts/clock.ts';
import type { Observation } from '../../src/contracts/watch.ts';
import { reads } from './calls.ts';
import type { Client, Raw } from './client.ts';
import { messageOf } from './failures.ts';

/** A watch that waits longer than this for one node misses what happens to the others. Milliseconds. */
const PATIENCE = 8_000;

/** Answers as they come, with the name of the node that gave them. */
export class Looker {
  readonly #client: Pick<Client, 'name' | 'raw' | 'urls'>;
  readonly #clock: Clock;
  /** By base URL: the node behind it. */
  readonly #nodes = new Map<string, string>();

  constructor(client: Pick<Client, 'name' | 'raw' | 'urls'>, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async look(endpoint: string, { not = [] }: { readonly not?: readonly string[] } = {}): Promise<Observation> {
    const { name: cluster } = this.#client;
    const skip = new Set(this.#client.urls.filter((url) => not.includes(this.#nodes.get(url) ?? hostOf(url))));
    const { url, answer, error } = await this.#client.raw(readOf(endpoint), skip, PATIENCE);
    const at = this.#clock.now() / 1000;
    if (!answer)
      return { cluster, at, via: this.#nodes.get(url) ?? hostOf(url), endpoint, status: 0, error: error ?? '' };
    const via = await this.#nodeAt(url, endpoint, answer);
    return { cluster, at, via, endpoint, ...contentOf(answer) };
  }

  /** Learnt from what passes by, or asked once. A node that gets another address is known again by `/cluster/status`. */
  async #nodeAt(url: string, endpoint: string, answer: Raw): Promise<string> {
    const told = endpoint === '/cluster/status' ? localNode(answer) : undefined;
    if (told !== undefined) this.#nodes.set(url, told);
    const known = this.#nodes.get(url);
    if (known !== undefined) return known;
    const others = new Set(this.#client.urls.filter((other) => other !== url));
    const asked = await this.#client.raw(reads.clusterStatus(), others, PATIENCE);
    const node = asked.answer && localNode(asked.answer);
    if (node !== undefined) this.#nodes.set(url, node);
    return node ?? hostOf(url);
  }
}

/** `/nodes/ovh1/tasks?limit=50` as path and query. */
function readOf(endpoint: string) {
  const [path = '', query = ''] = endpoint.split('?', 2);
  return { path, query: Object.fromEntries(new URLSearchParams(query)), says: path };
}

function contentOf(answer: Raw): Pick<Observation, 'status' | 'data' | 'error'> {
  const { status, body } = answer;
  if (status !== 200) return { status, error: messageOf(answer) || `HTTP ${status}` };
  if (typeof body === 'object' && body !== null && 'data' in body) return { status, data: body.data };
  return { status, error: 'the answer is not JSON with data: something other than Proxmox VE may be in front of it' };
}

/** The node that answers marks its own row. */
function localNode({ status, body }: Raw): string | undefined {
  const rows = (body as { data?: unknown } | null | undefined)?.data;
  if (status !== 200 || !Array.isArray(rows)) return undefined;
  const own = rows.find((row) => row?.type === 'node' && (row.local === 1 || row.local === '1'));
  return typeof own?.name === 'string' && own.name !== '' ? own.name : undefined;
}

const hostOf = (url: string): string => new URL(url).host;
