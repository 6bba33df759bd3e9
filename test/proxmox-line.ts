import { afterEach } from 'vitest';
import { Client, type ProxmoxEvent } from '../adapters/proxmox/client.ts';
import type { Trust } from '../adapters/proxmox/trust.ts';
import { Failed, type Failure } from '../src/contracts/failure.ts';
import { Replay } from './proxmox-replay.ts';

export const secret = '6f1d4a52-7c1e-4d0e-9a55-0c7e1d2b3a4f';
export const token = `bot@pve!chatops=${secret}`;

/** Closed after each test, last first. */
export const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** A server that says what it is told. */
export async function replay(answer?: Replay['answer']): Promise<Replay & { url: string }> {
  const server = new Replay();
  open.push(server);
  if (answer) server.answer = answer;
  return Object.assign(server, { url: await server.listen() });
}

const short = { connect: 800, local: 800, read: 800, write: 800 };

/** A client of these servers that gives up within a second. */
export function connect(
  servers: readonly { url: string }[],
  tls: Trust,
  onEvent?: (event: ProxmoxEvent) => void,
): Client {
  const client = new Client({ name: 'off', urls: servers.map(({ url }) => url), token, tls, timings: short, onEvent });
  open.push(client);
  return client;
}

export const pinned = (...servers: readonly Replay[]): Trust => ({
  fingerprints: servers.map((server) => server.certificate.fingerprint),
});

export const read = { says: 'the version', path: '/version', query: {} };
export const write = { method: 'POST', path: '/nodes/ovh1/lxc', params: { vmid: 103, unprivileged: true } } as const;

export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Failed)) throw new Error(`this did not fail as it should: ${String(outcome)}`);
  return outcome.failure;
}

/** An address where nobody listens. */
export async function nobody(): Promise<{ url: string }> {
  const server = new Replay();
  const url = await server.listen();
  await server.close();
  return { url };
}
