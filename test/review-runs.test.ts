import { afterEach, describe, expect, test } from 'vitest';
import type { Card } from '../src/contracts/card.ts';
import type { ProbeAnswer } from '../src/contracts/cluster.ts';
import { Failed, type Failure, failure } from '../src/contracts/failure.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { makeLog } from '../src/log.ts';
import { Interrupted, performStep } from '../src/step.ts';
import { Telling } from '../src/telling.ts';
import { hurried, openWorld, type World, type WorldOptions } from './world.ts';

/** Runs in the places where a process dies, an answer is lost, or somebody else has been there meanwhile. */

let world: World;
afterEach(() => world?.close());

const open = async (options: WorldOptions = {}) => {
  world = await openWorld(options);
  return world;
};
const UNPROTECT = 'PUT /nodes/ovh1/lxc/100/config';

async function approveCreate() {
  await world.oscar.says('ct create hostname:fresh node:ovh1');
  await world.oscar.reads('Create CT 100 fresh', '0 of 1');
  await world.alice.clicks('Approve');
}

describe('what a process that died left untold', () => {
  test('a run that ended is shown as ended at the next start', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120', '0 of 1');
    const { store } = world;
    const wish = store.wish.bind(store);
    // Killed between the end of the run in the journal and the wish for its last card.
    store.wish = async (message) => {
      const [one] = await store.requests({ limit: 1 });
      if (one?.state !== 'done') await wish(message);
    };
    await alice.clicks('Approve');
    await world.becomes('done');
    await world.settled();
    expect(oscar.sees().join('\n')).not.toContain('is stopped on ovh4');
    await world.restart();
    await oscar.reads('CT 120 staging is stopped on ovh4');
    expect(world.writes()).toHaveLength(1);
  });

  test('a request whose card was never wished for gets one', async () => {
    const { oscar } = await open();
    const { store } = world;
    store.wish = async () => undefined;
    await oscar.says('ct stop 120');
    await world.becomes('waiting');
    await world.restart();
    await oscar.reads('Stop CT 120', '0 of 1 approval');
  });
});

test('a card that was begun earlier does not overwrite a later one', async () => {
  let state: RequestRecord['state'] = 'waiting';
  const shown: string[] = [];
  let known = (): void => undefined;
  const lookedUp = new Promise<void>((resolve) => {
    known = resolve;
  });
  const telling = new Telling({
    config: { clusters: {} },
    clock: hurried,
    log: makeLog('silent'),
    registry: { commands: new Map() },
    planning: { judge: () => ({ needs: [] }) },
    store: { request: async () => asked(state), steps: async () => [] },
    // Drawing a waiting card looks up who asked, which takes as long as the platform takes.
    people: { nameOf: (id: string) => id, identify: () => lookedUp.then(() => ({ person: {} })) },
    outbox: { show: async (_key: string, _place: unknown, card: Card) => void shown.push(card.title) },
  } as never);
  const early = telling.changed('r1');
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  state = 'denied';
  const late = telling.changed('r1');
  await new Promise((resolve) => setImmediate(resolve));
  known();
  await Promise.all([early, late]);
  expect(shown.at(-1)).toBe('Stop CT 120: denied');
});

test('a cluster that left the config while a run was under way stops that run in doubt, not the bot', async () => {
  const { oscar, alice } = await open();
  await oscar.says('ct reboot 120');
  await oscar.reads('Reboot CT 120', '0 of 1');
  world.tasks.hold();
  await alice.clicks('Approve');
  await world.slack.waitFor(async () => {
    const request = await world.request();
    return (await world.store.steps(request.id))[0]?.upid;
  }, 'the reboot under way');
  const { off } = world.config.clusters;
  delete world.config.clusters['off'];
  world.config.clusters['other'] = off!;
  await world.restart();
  const request = await world.becomes('in-doubt');
  expect(request.note).toContain('cluster off');
  expect(request.left.join('\n')).toContain('Rebooting CT 120');
  expect(world.logged.join('')).not.toContain('BROKEN');
  world.tasks.release();
});

describe('a step whose answers cannot be trusted', () => {
  const lost = failure('in-doubt', { what: 'w', why: 'no answer in time', next: 'n', sent: 'unknown' });
  const refusal = failure('refused', { what: 'w', why: 'storage is on fire', next: 'n', sent: 'refused' });

  /** Plays these answers to the sends, and to the looks; the last of each repeats. */
  async function played(
    repeat: 'refused' | 'never',
    sends: readonly Failure[],
    looks: readonly ProbeAnswer['state'][],
  ) {
    let sent = 0;
    let looked = 0;
    const row = await performStep(
      {
        call: { method: 'POST', path: '/nodes/ovh1/lxc', params: {} },
        probe: { kind: 'ct-created', node: 'ovh1', vmid: 100 },
        repeat,
      },
      { request: 'r1', n: 0, name: 'create', says: 'Creating', state: 'pending', note: '', sent: 0, ours: false },
      {
        hands: {
          name: 'off',
          send: async () => {
            throw new Failed(sends[Math.min(sent++, sends.length - 1)]!);
          },
          followTask: async () => ({ ok: true, warnings: 0, exit: 'OK', killed: false, log: [] }),
          probe: async () => ({ state: looks[Math.min(looked++, looks.length - 1)]!, evidence: 'seen' }),
        },
        clock: hurried,
        run: 'r1',
        signal: new AbortController().signal,
        write: async () => undefined,
        onLog: () => undefined,
      },
    );
    return { ...row, sends: sent, looks: looked };
  }

  test('a refused first call did nothing', async () => {
    expect(await played('refused', [refusal], ['absent'])).toMatchObject({ state: 'failed', sends: 1 });
  });

  test('a refused repeat does not prove that the lost first call is dead', async () => {
    const row = await played('refused', [lost, refusal], ['absent']);
    expect(row).toMatchObject({ state: 'in-doubt', sends: 3 });
    expect(row.note).toContain('may still take effect');
  });

  test('a call that must not be repeated is looked for until the patience ends', async () => {
    expect(await played('never', [lost], ['absent', 'absent', 'absent', 'absent', 'done'])).toMatchObject({
      state: 'done',
      sends: 1,
    });
    expect(await played('never', [lost], ['absent'])).toMatchObject({ state: 'in-doubt', sends: 1 });
  });
});

test('resumed in the middle of an undo, somebody else’s guest keeps its protection', async () => {
  await open();
  world.simulator.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'no' });
  const { store } = world;
  const write = store.writeStep.bind(store);
  let died = false;
  // Dies right after writing down that it will clear the protection; until the next start the number changes hands.
  store.writeStep = async (step, audit) => {
    await write(step, audit);
    if (died || step.name !== 'undo:create:0') return;
    died = true;
    const theirs = structuredClone(world.guest(120)!);
    world.simulator.world.state.guests.set(100, {
      ...theirs,
      vmid: 100,
      node: 'ovh1',
      config: { ...theirs.config, hostname: 'theirs', protection: 1 },
    });
    throw new Interrupted('killed');
  };
  await approveCreate();
  const request = await world.becomes('failed');
  expect(died).toBe(true);
  expect(world.writes()).not.toContain(UNPROTECT);
  expect(world.guest(100)).toMatchObject({ config: { hostname: 'theirs', protection: 1 } });
  expect(request.left.join('\n')).toContain("somebody else's guest now has this vmid");
});

test('a request that is over by the time it would start is left alone', async () => {
  const { oscar, alice } = await open();
  await oscar.says('ct stop 120');
  await oscar.reads('Stop CT 120', '0 of 1');
  const { store } = world;
  const requests = store.requests.bind(store);
  await alice.clicks('Approve');
  await oscar.reads('CT 120 staging is stopped');
  await world.settled();
  const audit = await store.auditOf((await world.request()).id);
  // A list that was read a moment too early.
  store.requests = async (filter) =>
    (await requests({ ...filter, states: ['done'] })).map((one) => ({ ...one, state: 'approved' as const }));
  await world.bot.runner.wake();
  store.requests = requests;
  await world.settled();
  expect(await store.auditOf((await world.request()).id)).toEqual(audit);
  expect((await world.request()).votes).toHaveLength(1);
});

test('a bug in a command fails the request before anything runs, not the bot', async () => {
  const { oscar, alice } = await open();
  await oscar.says('ct stop 120');
  await oscar.reads('Stop CT 120', '0 of 1');
  const { store } = world;
  store.reserved = async () => {
    throw new TypeError('cannot read properties of undefined');
  };
  await alice.clicks('Approve');
  await oscar.reads('Stop CT 120 staging on ovh4: failed', 'Nothing was changed');
  expect(world.logged.join('')).not.toContain('BROKEN');
  expect(world.writes()).toEqual([]);
});

function asked(state: RequestRecord['state']): RequestRecord {
  const place = { platform: 'web', channel: 'ops' } as const;
  return {
    id: 'r1',
    state,
    cluster: 'off',
    command: 'ct stop',
    action: 'ct.stop',
    risk: 'disruptive',
    options: {},
    requester: 'oscar',
    actor: { platform: 'web', id: 'oscar', name: 'Oscar' },
    place,
    plan: {
      command: 'ct stop',
      version: 1,
      cluster: 'off',
      target: { kind: 'guest', id: '120', name: 'a' },
      title: 'Stop CT 120',
      intent: {},
      guards: [],
      observations: [],
      risks: [],
      steps: [],
      reserves: [],
      locks: [],
    },
    fingerprint: 'f1',
    votes: [],
    createdAt: 0,
    expiresAt: 1,
    left: [],
    note: '',
  };
}
