import type { z } from 'zod';
import type { Clock } from '../../src/contracts/clock.ts';
import type { Member, Membership } from '../../src/contracts/cluster.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { type Read, reads } from './calls.ts';
import type { Asker } from './client.ts';
import { ClusterNodes, ClusterStatus, Qdevice, readAs } from './schema.ts';

type StatusRow = z.output<typeof ClusterStatus>[number];
type VoteRow = z.output<typeof ClusterNodes>[number];

/** What one node said. */
interface Told {
  readonly url: string;
  readonly status: readonly StatusRow[];
  readonly votes: readonly VoteRow[];
  readonly qdevice: z.output<typeof Qdevice>;
}

/**
 * Votes and members. The three questions go to one node at once, so that this costs about one call. A cut-off node
 * answers 200 with frozen data (ODDITIES 27): when the first one lacks quorum, the other addresses are asked too.
 */
export async function membership(client: Asker, clock: Clock): Promise<Membership> {
  const first = await firstToAnswer(client);
  if (isQuorate(first)) return described(first, clock, []);
  const others = client.urls.filter((url) => url !== first.url);
  const answers = await Promise.allSettled(others.map((url) => ask(client, url)));
  const told = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const quorate = told.find(isQuorate);
  if (!quorate) return described(first, clock, []);
  client.prefer(quorate.url);
  const cutOff = [first, ...told].filter((one) => !isQuorate(one)).map(localName);
  return described(quorate, clock, [...new Set(cutOff)].sort());
}

const noQdevice: Told['qdevice'] = { State: undefined, Algorithm: undefined };

async function firstToAnswer(client: Asker): Promise<Told> {
  let problem: unknown;
  for (const url of client.urls) {
    try {
      const told = await ask(client, url);
      client.prefer(url);
      return told;
    } catch (error) {
      if (!(error instanceof Failed) || error.failure.kind !== 'unavailable') throw error;
      problem ??= error;
    }
  }
  throw problem;
}

async function ask(client: Asker, url: string): Promise<Told> {
  const votes = optional<readonly VoteRow[]>(get(client, url, reads.clusterNodes(), ClusterNodes), []);
  const qdevice = optional(get(client, url, reads.qdevice(), Qdevice), noQdevice);
  const status = await get(client, url, reads.clusterStatus(), ClusterStatus);
  // A stand-alone host has no corosync configuration to read.
  if (!status.some((row) => row.type === 'cluster')) return { url, status, votes: [], qdevice: noQdevice };
  return { url, status, votes: await votes, qdevice: await qdevice };
}

async function get<S extends z.ZodType>(client: Asker, url: string, read: Read, schema: S): Promise<z.output<S>> {
  return readAs(schema, (await client.get(read, url)).data, client.attempt(read));
}

/** Extras whose lack is told as `votesKnown: false` or as no QDevice, not as a failure of the whole answer. */
async function optional<T>(question: Promise<T>, fallback: T): Promise<T> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof Failed) return fallback;
    throw error;
  }
}

const nodeRows = (told: Told) => told.status.filter((row) => row.type === 'node' && row.name !== undefined);

const localName = (told: Told) => nodeRows(told).find((row) => row.local)?.name ?? new URL(told.url).host;

/** Without a cluster row it is a stand-alone host, which always has quorum (ODDITIES 13). */
function isQuorate(told: Told): boolean {
  const cluster = told.status.find((row) => row.type === 'cluster');
  return cluster === undefined || cluster.quorate;
}

function described(told: Told, clock: Clock, cutOff: readonly string[]): Membership {
  const cluster = told.status.find((row) => row.type === 'cluster');
  const members = nodeRows(told)
    .map((row) => member(row, told.votes))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  const quorate = isQuorate(told);
  const qdevice = qdeviceOf(told, members.length);
  const expected = sum(members) + (qdevice?.votes ?? 0);
  const present = sum(members.filter((one) => one.online)) + (qdevice?.connected && quorate ? qdevice.votes : 0);
  const votesKnown = !cluster || members.every((one) => voteRow(one.name, told.votes)?.quorum_votes !== undefined);
  return {
    ...(cluster?.name === undefined ? {} : { clusterName: cluster.name }),
    asked: localName(told),
    at: clock.now(),
    quorate,
    members,
    ...(qdevice ? { qdevice } : {}),
    expected,
    present,
    needed: Math.floor(expected / 2) + 1,
    votesKnown,
    cutOff,
  };
}

const sum = (members: readonly Member[]) => members.reduce((votes, one) => votes + one.votes, 0);

const voteRow = (name: string, votes: readonly VoteRow[]) => votes.find((row) => (row.name ?? row.node) === name);

function member(row: StatusRow, votes: readonly VoteRow[]): Member {
  const configured = voteRow(row.name!, votes);
  const address = row.ip ?? configured?.ring0_addr;
  return {
    name: row.name!,
    online: row.online,
    votes: configured?.quorum_votes ?? 1,
    ...(address === undefined ? {} : { address }),
  };
}

/**
 * Proxmox does not tell how many votes the device has. `pvecm qdevice setup` gives one with the fifty-fifty
 * algorithm (even clusters) and one less than there are nodes with last-man-standing (odd clusters). Without
 * quorum its vote went to the other side or to nobody, so it is counted only for a quorate node.
 */
function qdeviceOf(told: Told, nodes: number): Membership['qdevice'] {
  const { State: state, Algorithm: algorithm } = told.qdevice;
  if (state === undefined) return undefined;
  const votes = /lms|last man/i.test(algorithm ?? '') ? Math.max(1, nodes - 1) : 1;
  return { state, votes, connected: state.toLowerCase() === 'connected' };
}
