import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Votes, denials and time: what a crash, a long night or a race must not turn into a run. */

let world: World;
afterEach(() => world?.close());

const open = async (options: WorldOptions = {}) => {
  world = await openWorld(options);
  return world;
};
const MINUTES = 60_000;

/** From now on the bot cannot count: a vote is stored and nothing follows, as if it was killed right there. */
function stopsCounting() {
  world.bot.requests.reassess = async () => undefined;
}

const kinds = async (id: string) => (await world.store.auditOf(id)).map((entry) => entry.kind);

describe('a vote that was stored right before the bot died', () => {
  test('is counted at the next start, while it is fresh', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    stopsCounting();
    await alice.clicks('Approve');
    await world.slack.waitFor(async () => (await world.request()).votes.length === 1, 'the vote');
    await world.restart();
    await oscar.reads('CT 120 staging is stopped');
  });

  test('does not run hours later, when the request has long expired', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    stopsCounting();
    await alice.clicks('Approve');
    await world.slack.waitFor(async () => (await world.request()).votes.length === 1, 'the vote');
    await world.restart(() => world.clock.passes(600 * MINUTES));
    await world.becomes('expired');
    await world.settled();
    expect(world.writes()).toEqual([]);
  });

  test('asks again when it is older than five minutes', async () => {
    const { oscar, alice, nina } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    stopsCounting();
    await alice.clicks('Approve');
    await world.slack.waitFor(async () => (await world.request()).votes.length === 1, 'the vote');
    await world.restart(() => world.clock.passes(20 * MINUTES));
    await oscar.reads('Stop CT 120', 'approved too long ago', '0 of 1 approval');
    expect(world.writes()).toEqual([]);
    await nina.clicks('Approve');
    await oscar.reads('CT 120 staging is stopped', 'approved by nina');
  });
});

describe('time', () => {
  test('a click after the hour is over counts for nothing, even before anybody has looked at the clock', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    world.bot.requests.expire = async () => undefined;
    world.clock.passes(61 * MINUTES);
    await alice.clicks('Approve');
    await alice.reads('Nothing was done', 'expired');
    await world.settled();
    expect(world.writes()).toEqual([]);
    expect((await world.request()).state).toBe('expired');
  });

  test('approved, but its guest stays held: after five minutes it asks again, and in the end it expires', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct reboot 120');
    await oscar.reads('Reboot CT 120', '0 of 1');
    world.tasks.hold();
    await alice.clicks('Approve', 'Reboot CT 120');
    await world.becomes('running', 'ct reboot');
    await oscar.says('ct shutdown 120');
    await alice.clicks('Approve', 'Shut down CT 120');
    await oscar.reads('Shut down CT 120', 'waits for run');
    world.clock.passes(6 * MINUTES);
    await oscar.reads('Shut down CT 120', 'approved too long ago', '0 of 1 approval');
    world.clock.passes(60 * MINUTES);
    await world.becomes('expired', 'ct shutdown');
  });
});

describe('a denial', () => {
  test('holds when the bot dies right after it was stored', async () => {
    const { oscar, alice, nina } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    const { store } = world;
    const vote = store.vote.bind(store);
    store.vote = async (...given) => {
      await vote(...given);
      throw new Error('killed');
    };
    await alice.clicks('Deny');
    await alice.reads('Something in Bascule broke');
    await world.restart();
    await nina.clicks('Approve');
    await world.becomes('denied');
    await world.settled();
    expect(world.writes()).toEqual([]);
  });

  test('that came first wins over an approval that is being counted', async () => {
    const { oscar, alice, nina } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    const { store } = world;
    const move = store.move.bind(store);
    let approved: Promise<unknown> | undefined;
    // Nina approves in the moment between Alice's denial and what follows from it.
    store.move = async (...given) => {
      if (given[2] === 'denied' && !approved) {
        approved = nina.clicks('Approve');
        await approved;
        await world.slack.waitFor(async () => (await world.request()).state !== 'waiting', 'the approval');
      }
      return move(...given);
    };
    await alice.clicks('Deny');
    await world.becomes('denied');
    await world.settled();
    expect(world.writes()).toEqual([]);
    const { id } = await world.request();
    expect((await kinds(id)).filter((kind) => kind === 'outcome')).toHaveLength(1);
  });
});

describe('roles that changed', () => {
  test('an approver with fewer roles is asked again once, not for ever', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-policy-'));
    writeFileSync(
      join(directory, 'site.cedar'),
      '@id("site.stop")\nforbid (principal, action == Action::"ct.stop", resource) unless { context.approvals.admin >= 1 };\n',
    );
    const { oscar, alice } = await open({ config: { policy: { preset: 'team', directory } } });
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1 approval from admin');
    // Alice may still approve, but by the time of the last look her vote no longer counts as an admin's.
    const { bot } = world;
    const check = bot.last.check.bind(bot.last);
    bot.last.check = (request) => {
      (world.config.people['alice']!.roles as string[]).splice(0, 1, 'operator');
      return check(request);
    };
    await alice.clicks('Approve');
    await oscar.reads('alice may no longer approve this', '0 of 1 approval from admin');
    await bot.requests.recount();
    await world.settled();
    const { id, state, votes } = await world.request();
    expect([state, votes]).toEqual(['waiting', []]);
    expect((await kinds(id)).filter((kind) => kind === 'approved')).toHaveLength(1);
    expect(world.writes()).toEqual([]);
    rmSync(directory, { recursive: true });
  });

  test('who asked under an account that is somebody else’s by now does not get it run', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    const { people } = world.config;
    people['alice']!.slack = 'U000OSCAR';
    delete people['oscar'];
    people['nina']!.roles = ['admin'];
    await world.nina.clicks('Approve');
    await alice.reads('Stop CT 120 staging on ovh4: failed', 'the account that asked was oscar');
    expect(world.writes()).toEqual([]);
  });
});

test('the audit of a click names the policies that let it count', async () => {
  const { oscar, alice } = await open();
  await oscar.says('ct stop 120');
  await oscar.reads('Stop CT 120', '0 of 1');
  await alice.clicks('Approve');
  await oscar.reads('CT 120 staging is stopped');
  await oscar.says('ct start 120');
  await oscar.clicks('Withdraw', 'Start CT 120');
  await oscar.reads('withdrawn by oscar');
  const entries = await world.store.auditFrom(0, 500);
  expect(entries.find(({ kind }) => kind === 'vote')?.body['policies']).toEqual(['common.operator.decides']);
  const withdrawn = entries.find(({ body }) => body['state'] === 'withdrawn')?.body['policies'];
  expect(withdrawn).toContain('common.requester.stops');
});

test('a request that was replaced says so in its own audit', async () => {
  const { oscar, alice } = await open();
  await oscar.says('ct stop 120');
  await oscar.reads('Stop CT 120', 'Approve');
  const { id } = await world.request();
  world.simulator.world.state.ha.resources.set('ct:120', { sid: 'ct:120', type: 'ct', state: 'started' });
  world.simulator.haRound();
  await alice.clicks('Approve');
  await oscar.reads('new since the last plan');
  const outcome = (await world.store.auditOf(id)).find((entry) => entry.kind === 'outcome');
  expect(outcome?.body).toMatchObject({ state: 'superseded', by: (await world.request()).id });
});
