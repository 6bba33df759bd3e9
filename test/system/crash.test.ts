import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RequestRecord } from '../../src/contracts/records.ts';
import { lookInto, openStage, type Stage, type StoreConfig, until } from './stage.ts';

/**
 * kill -9 around every journal write and at random instants of a create run. Afterwards, whatever happened: no
 * approved run is lost, no container exists twice, and nothing half made exists that the card does not name.
 */
let stage: Stage;
const tally = { done: 0, failed: 0, 'in-doubt': 0, kills: 0 };
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  console.log(
    `crash test: ${tally.kills} kills, ${tally.done} runs done, ${tally.failed} failed and undone, ${tally['in-doubt']} in doubt`,
  );
  await stage?.close();
});

const OVER = ['done', 'failed', 'in-doubt'];
let serial = 0;

interface Kill {
  readonly env?: Readonly<Record<string, string>>;
  /** Kill from outside, this many milliseconds after the approval was clicked. */
  readonly afterMs?: number;
}

/** Asks, approves, kills, starts again, and holds the world against the promise. */
async function survive(kill: Kill): Promise<{ readonly killed: boolean; readonly request: RequestRecord }> {
  serial += 1;
  const hostname = `crash-${serial}`;
  const before = stage.simulator.effects.all.length;
  const store: StoreConfig = { file: join(stage.folder, `${hostname}.sqlite`) };
  const first = await stage.bot(store, kill.env);
  await stage.says('oscar', `ct create hostname:${hostname} node:ovh1`);
  await stage.clicks('alice', 'Approve', hostname);
  if (kill.afterMs !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, kill.afterMs));
    await first.kill();
  }
  const look = await lookInto(store);
  const state = async () => (await look.requests()).find((request) => OVER.includes(request.state));
  // Either it dies at its own hand, or the run had fewer writes than that and simply ends.
  await Promise.race([first.ended, until('the first bot dies or the run ends', state)]);
  const killed = first.process.signalCode === 'SIGKILL';
  if (!killed) await first.kill();
  else tally.kills += 1;
  const second = await stage.bot(store);
  await approvedAgainIfAsked(hostname, look);
  const request = await until(`the run of ${hostname} ends after the restart`, state);
  await second.kill();
  await look.close();
  await holdsAgainstTheWorld(request, hostname, before);
  tally[request.state as 'done'] += 1;
  return { killed, request };
}

/** A kill before the vote was stored loses the click, not a promise: the card still asks for it. */
async function approvedAgainIfAsked(hostname: string, look: Awaited<ReturnType<typeof lookInto>>): Promise<void> {
  const [request] = await look.requests();
  if (request?.state === 'waiting' && request.votes.length === 0) await stage.clicks('alice', 'Approve', hostname);
}

async function holdsAgainstTheWorld(request: RequestRecord, hostname: string, before: number): Promise<void> {
  const { state } = stage.simulator.world;
  const made = [...state.guests.values()].filter((guest) => guest.config['hostname'] === hostname);
  const creates = stage.simulator.effects.all.slice(before).filter((effect) => effect.kind === 'create');
  expect(made.length, `${hostname}: containers by that name`).toBeLessThanOrEqual(1);
  expect(creates.length, `${hostname}: creations that took effect`).toBeLessThanOrEqual(1);
  if (request.state === 'done') {
    expect(made).toHaveLength(1);
    expect(made[0]!.running).toBe(true);
    expect([...state.jobs.values()].filter((job) => job.guest === made[0]!.vmid)).toHaveLength(1);
    return;
  }
  const told = JSON.stringify([request.note, request.left]);
  if (made.length > 0) expect(told, 'what is left is named').toContain(String(made[0]!.vmid));
}

test('a bot killed before or after any journal write finishes what was approved, once', async () => {
  for (const when of ['before', 'after']) {
    for (let n = 1; ; n += 1) {
      const { killed, request } = await survive({ env: { KILL_AT: String(n), KILL_WHEN: when } });
      expect(request.state, `killed ${when} write ${n}: ${request.note} ${request.left.join('; ')}`).toBe('done');
      if (!killed) {
        expect(n, 'a create run has at least ten journal writes').toBeGreaterThan(10);
        break;
      }
    }
  }
});

test('a bot killed at any moment of a create run loses nothing and doubles nothing', async () => {
  for (let i = 0; i < 25; i += 1) await survive({ afterMs: Math.floor(Math.random() * 900) });
});
