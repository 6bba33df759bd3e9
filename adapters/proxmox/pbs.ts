import { Agent, type Dispatcher, request } from 'undici';
import type { Clock } from '../../src/contracts/clock.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { PbsConnection } from '../../src/contracts/pbs.ts';
import type { Observation } from '../../src/contracts/watch.ts';
import { connectorFor, PinMismatch, type Trust } from './trust.ts';

export interface PbsOptions {
  /** Our name of the server. */
  readonly name: string;
  /** `https://pbs.example:8007`. */
  readonly url: string;
  /** `user@realm!id:secret`. */
  readonly token: string;
  readonly tls: Trust;
  readonly clock: Clock;
  /** Milliseconds until a connection stands, and until an answer begins. */
  readonly timings?: { readonly connect: number; readonly read: number };
}

type Seen = Omit<Observation, 'cluster'>;

const LARGEST = 16 * 1024 * 1024;
/** Tasks of the newest two days, so that nothing is missed over a night without the bot. Seconds. */
const SINCE = 2 * 86_400;
const TASKS = 500;

/** A Proxmox Backup Server over its API, reading only. Throws Failed bad-input for what cannot be right; asks nothing yet. */
export function connectPbs({ name, url, token, tls, clock, timings }: PbsOptions): PbsConnection {
  const { connect, read } = timings ?? { connect: 5_000, read: 15_000 };
  if (!/^[^\s:/!=]+@[^\s:/!=]+![A-Za-z][\w.-]+:[\x21-\x7e]+$/.test(token))
    fail('bad-input', {
      what: `the API token of PBS ${name} cannot be used`,
      why: 'it is not of the form user@realm!id:secret',
      next: 'copy it from proxmox-backup-manager user generate-token: tokenid, a colon, value',
    });
  const base = new URL(url).origin;
  const agent = new Agent({
    connect: connectorFor(tls, connect),
    headersTimeout: read,
    bodyTimeout: read,
    maxResponseSize: LARGEST,
  });
  const secret = token.slice(token.indexOf(':') + 1);

  const get = async (endpoint: string): Promise<Seen> => {
    const seen = (answer: Pick<Seen, 'status' | 'data' | 'error'>): Seen => ({
      at: clock.now() / 1000,
      via: `pbs:${name}`,
      endpoint,
      ...answer,
    });
    try {
      const response = await request(`${base}/api2/json${endpoint}`, {
        dispatcher: agent,
        headers: { authorization: `PBSAPIToken=${token}`, accept: 'application/json' },
      });
      return seen(contentOf(response.statusCode, await response.body.text(), response));
    } catch (error) {
      const why =
        error instanceof PinMismatch ? `another certificate than the pinned one: ${error.seen}` : wordsOf(error);
      return seen({ status: 0, error: `${base}: ${why}`.replaceAll(secret, '***') });
    }
  };

  return {
    name,
    async look() {
      const since = Math.floor(clock.now() / 1000) - SINCE;
      return Promise.all([get(`/nodes/localhost/tasks?limit=${TASKS}&since=${since}`), get('/status/datastore-usage')]);
    },
    close: () => agent.destroy(),
  };
}

function contentOf(status: number, text: string, { statusText }: Dispatcher.ResponseData) {
  if (status !== 200) return { status, error: (text.trim() || statusText || `HTTP ${status}`).slice(0, 300) };
  try {
    const body = JSON.parse(text) as { data?: unknown } | null;
    if (typeof body === 'object' && body !== null && 'data' in body) return { status, data: body.data };
  } catch {
    // Said below: the same as JSON without data.
  }
  return { status, error: 'the answer is not JSON with data: something other than PBS may be in front of it' };
}

function wordsOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return `${code ?? ''} ${message}`.trim().slice(0, 300);
}
