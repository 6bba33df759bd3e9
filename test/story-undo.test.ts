import { afterEach, describe, expect, test } from 'vitest';
import type { Simulator } from '../adapters/simulator/index.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Every step of a create failing in turn: what is taken back, what is left, and what is never touched. */

let world: World;
afterEach(() => world?.close());

const CREATE = 'POST /nodes/ovh1/lxc';
const START = 'POST /nodes/ovh1/lxc/100/status/start';
const STOP = 'POST /nodes/ovh1/lxc/100/status/stop';
const REPLICATE = 'POST /cluster/replication';
const UNPROTECT = 'PUT /nodes/ovh1/lxc/100/config';
const DESTROY = 'DELETE /nodes/ovh1/lxc/100';
const ENDS: readonly string[] = ['done', 'failed', 'in-doubt'];

/** Tasks stop as soon as this call has arrived; the earlier ones run. */
const holdAt = (call: string) => world.tasks.hold(() => world.writes().includes(call));
const arrived = (call: string) => world.slack.waitFor(() => world.writes().includes(call), call);
const underWay = (step: number) =>
  world.slack.waitFor(async () => {
    const request = await world.request();
    return (await world.store.steps(request.id))[step]?.upid ? request : undefined;
  }, `step ${step} under way`);

const over = () =>
  world.slack.waitFor(async () => {
    const request = await world.request();
    return ENDS.includes(request.state) ? request : undefined;
  }, 'the end of the run');

/** Oscar asks for CT 100 on ovh1, Alice approves; resolves once it has ended, well or badly. */
async function creating(fault: (simulator: Simulator) => void, options: WorldOptions = {}): Promise<RequestRecord> {
  world = await openWorld(options);
  fault(world.simulator);
  await approveCreate();
  const request = await over();
  await world.settled();
  return request;
}

async function approveCreate() {
  await world.oscar.says('ct create hostname:fresh node:ovh1');
  await world.oscar.reads('Create CT 100 fresh', '0 of 1');
  await world.alice.clicks('Approve');
}

function nothingOfOursIsLeft() {
  expect(world.guest(100)).toBeUndefined();
  expect([...world.simulator.world.state.jobs.keys()].filter((id) => id.startsWith('100-'))).toEqual([]);
  expect(world.simulator.world.volumes.filter((volume) => volume.vmid === 100)).toEqual([]);
}

function itIsThereOnce() {
  const { effects, world: cluster } = world.simulator;
  expect(effects.count('create', 100)).toBe(1);
  expect(effects.count('start', 100)).toBe(1);
  expect(effects.count('replication.create', '100-0')).toBe(1);
  expect(world.guest(100)).toMatchObject({ running: true, config: { hostname: 'fresh', protection: 1 } });
  expect([...cluster.state.jobs.keys()].filter((id) => id.startsWith('100-'))).toEqual(['100-0']);
}

describe('a step fails: what was done is taken back in reverse', () => {
  // biome-ignore format: this is a table
  test.each<[string, (simulator: Simulator) => void, string[], string]>([
    ['the create is refused at once', (sim) => sim.failNext({ method: 'POST', path: /\/lxc$/ }, { status: 500, reason: 'storage is on fire' }), [CREATE], 'storage is on fire'],
    ['the create fails inside its task', (sim) => sim.onTask({ type: 'vzcreate' }, { stage: 'unpacking', fail: 'no space left on device' }), [CREATE], 'no space left on device'],
    ['the start is refused at once', (sim) => sim.failNext({ method: 'POST', path: /start$/ }, { status: 500, reason: 'not today' }), [CREATE, START, UNPROTECT, DESTROY], 'not today'],
    ['the start fails inside its task', (sim) => sim.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'startup for container 100 failed' }), [CREATE, START, UNPROTECT, DESTROY], 'startup for container 100 failed'],
    ['the replication is refused', (sim) => sim.failNext({ method: 'POST', path: '/cluster/replication' }, { status: 500, reason: 'missing replicate feature' }), [CREATE, START, REPLICATE, STOP, UNPROTECT, DESTROY], 'missing replicate feature'],
  ])('%s', async (_what, fault, calls, why) => {
    const request = await creating(fault);
    expect(request.state).toBe('failed');
    expect(request.left).toEqual([]);
    expect(world.writes()).toEqual(calls);
    nothingOfOursIsLeft();
    await world.oscar.reads('Create CT 100 fresh on ovh1: failed', why, 'Nothing is left behind');
    expect((await world.store.reserved('off')).size).toBe(0);
  });

  test('8.4: the right to replicate was taken away under way', async () => {
    const request = await creating(
      (sim) =>
        sim.failNext(
          { method: 'POST', path: '/cluster/replication' },
          { status: 403, reason: 'Permission check failed (/storage, Datastore.Allocate)' },
        ),
      { pve: '8.4' },
    );
    expect(request).toMatchObject({ state: 'failed', left: [] });
    nothingOfOursIsLeft();
  });

  test('the audit holds every step, its undo and every UPID under one id', async () => {
    const { id } = await creating((sim) => sim.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'no' }));
    const audit = await world.store.auditOf(id);
    const steps = audit.filter(({ kind }) => kind === 'result').map(({ body }) => `${body['step']} ${body['state']}`);
    expect(steps).toEqual(['create done', 'start failed', 'undo:create:0 done', 'undo:create:1 done']);
    const upids = audit.find(({ kind, body }) => kind === 'outcome' && body['state'] === 'failed')!.body[
      'upids'
    ] as string[];
    expect(upids.map((upid) => upid.split(':')[5])).toEqual(
      expect.arrayContaining(['vzcreate', 'vzstart', 'vzdestroy']),
    );
    expect(await world.store.brokenLink()).toBeUndefined();
  });
});

describe('what cannot be taken back is named with the commands that clear it', () => {
  test('a create killed early leaves lock: create', async () => {
    const request = await creating((sim) => sim.onTask({ type: 'vzcreate' }, { stage: 'locked', kill: true }));
    expect(request.state).toBe('failed');
    expect(request.left.join('\n')).toContain('locked (create)');
    await world.oscar.reads('✗ Creating CT 100 fresh on ovh1: failed');
    await world.oscar.reads(
      'Create CT 100 fresh on ovh1: failed',
      'Left behind:',
      'Clear it with:',
      'ssh root@ovh1 pct unlock 100',
      'ssh root@ovh1 pct destroy 100',
    );
    expect(world.guest(100)).toMatchObject({ lock: 'create' });
    expect(world.writes()).toEqual([CREATE]);
  });

  test('a create killed late carries our mark and no lock, so it is taken back', async () => {
    const request = await creating((sim) => sim.onTask({ type: 'vzcreate' }, { stage: 'complete', kill: true }));
    expect(request).toMatchObject({ state: 'failed', left: [] });
    expect(world.simulator.effects.count('create', 100)).toBe(1);
    expect(world.simulator.effects.count('destroy', 100)).toBe(1);
    expect(world.guest(100)).toBeUndefined();
    await world.oscar.reads('failed', 'carries our mark', 'Nothing is left behind');
  });

  test('the destroy is refused', async () => {
    const request = await creating((sim) => {
      sim.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'no' });
      sim.failNext({ method: 'DELETE', path: /\/lxc\/100$/ }, { status: 500, reason: 'dataset is busy' });
    });
    expect(request.state).toBe('failed');
    await world.oscar.reads('Left behind:', 'Destroying CT 100 did not work: dataset is busy', 'pct destroy 100');
    expect(world.guest(100)).toBeDefined();
  });

  test('protection cannot be cleared, so nothing is destroyed', async () => {
    await creating((sim) => {
      sim.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'no' });
      sim.failNext({ method: 'PUT', path: /config$/ }, { status: 500, reason: 'got lock timeout' });
    });
    await world.oscar.reads('Left behind:', 'Clearing the protection of CT 100 did not work', 'pct destroy 100');
    expect(world.writes()).not.toContain(DESTROY);
    expect(world.guest(100)).toMatchObject({ config: { protection: 1 } });
  });
});

describe('lost answers', () => {
  const paths = [
    ['create', 'POST', /\/nodes\/ovh1\/lxc$/],
    ['start', 'POST', /\/100\/status\/start$/],
    ['replicate', 'POST', /^\/cluster\/replication$/],
  ] as const;

  test.each(paths)(
    'the answer of %s is lost after it was done: it is found, not repeated',
    async (_step, method, path) => {
      const request = await creating((sim) => sim.loseAnswer({ method, path }));
      expect(request).toMatchObject({ state: 'done', left: [] });
      expect(world.writes()).toEqual([CREATE, START, REPLICATE]);
      itIsThereOnce();
    },
  );

  test.each(paths)(
    'the call of %s is lost before it was done: it is repeated where Proxmox refuses a second',
    async (step, method, path) => {
      const request = await creating((sim) => sim.onRequest({ method, path }, { kind: 'drop' }));
      expect(request).toMatchObject({ state: 'done', left: [] });
      itIsThereOnce();
      const rows = await world.store.steps(request.id);
      expect(rows.find(({ name }) => name === step)!.sent).toBe(2);
    },
  );

  test.each(paths)('%s hangs, but is done: it is found', async (_step, method, path) => {
    const request = await creating((sim) => sim.hang({ method, path }, true), { timings: { write: 300 } });
    expect(request).toMatchObject({ state: 'done', left: [] });
    itIsThereOnce();
  });

  test.each(paths)('%s hangs and is never done: it is repeated and done once', async (_step, method, path) => {
    const request = await creating((sim) => sim.hang({ method, path }), { timings: { write: 300 } });
    expect(request).toMatchObject({ state: 'done', left: [] });
    itIsThereOnce();
  });

  test('the answer of the destroy is lost while undoing', async () => {
    const request = await creating((sim) => {
      sim.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'no' });
      sim.loseAnswer({ method: 'DELETE', path: /\/lxc\/100$/ });
    });
    expect(request).toMatchObject({ state: 'failed', left: [] });
    nothingOfOursIsLeft();
    expect(world.simulator.effects.count('destroy', 100)).toBe(1);
  });

  test('the node goes down in the middle of the create: the run stops in doubt and says what to look at', async () => {
    world = await openWorld();
    world.tasks.hold();
    await approveCreate();
    await underWay(0);
    await world.simulator.unplug('ovh1');
    world.tasks.release();
    await world.slack.waitFor(async () => {
      world.clock.passes(30_000);
      return (await world.request()).state === 'in-doubt';
    });
    await world.oscar.reads(
      'Create CT 100 fresh on ovh1: IN DOUBT',
      'nobody knows whether "create" took effect',
      'Not begun: Starting CT 100',
      'run cancel id:',
      'pct unlock 100',
    );
    expect(world.writes()).toEqual([CREATE]);
  });
});

describe('what is not ours is never touched', () => {
  test('somebody destroyed our container and made another under the same number', async () => {
    world = await openWorld();
    world.simulator.onTask({ type: 'vzstart' }, { delayMs: 10, stage: 'starting', fail: 'no' });
    holdAt(START);
    await approveCreate();
    await underWay(1);
    const theirs = structuredClone(world.guest(120)!);
    world.simulator.world.state.guests.set(100, {
      ...theirs,
      vmid: 100,
      node: 'ovh1',
      running: false,
      config: { ...theirs.config, hostname: 'theirs' },
    });
    world.tasks.release();
    expect(await over()).toMatchObject({ state: 'failed' });
    await world.oscar.reads('failed', 'Left behind:', "somebody else's guest now has this vmid");
    expect(world.guest(100)).toMatchObject({ config: { hostname: 'theirs' } });
    expect(world.writes()).toEqual([CREATE, START]);
  });

  test('the number was taken just before the create: the other one stays as it is', async () => {
    world = await openWorld();
    world.simulator.onRequest({ method: 'POST', path: /\/lxc$/ }, { kind: 'delay', ms: 10 });
    world.simulator.failNext(
      { method: 'POST', path: /\/lxc$/ },
      { status: 500, reason: "CT 100 already exists on node 'ovh1'" },
    );
    const { guests } = world.simulator.world.state;
    await world.oscar.says('ct create hostname:fresh node:ovh1');
    await world.oscar.reads('Create CT 100 fresh', '0 of 1');
    const check = world.bot.last.check.bind(world.bot.last);
    world.bot.last.check = async (request) => {
      const answer = await check(request);
      guests.set(100, { ...structuredClone(guests.get(115)!), vmid: 100, node: 'ovh1' });
      return answer;
    };
    await world.alice.clicks('Approve');
    expect(await over()).toMatchObject({ state: 'failed', left: [] });
    await world.settled();
    expect(world.guest(100)).toMatchObject({ config: { hostname: 'matomo' } });
    expect(world.writes().filter((call) => call !== CREATE)).toEqual([]);
  });
});

describe('in doubt', () => {
  const stopping = async (fault: (simulator: Simulator) => void) => {
    world = await openWorld();
    fault(world.simulator);
    await world.oscar.says('ct stop 120');
    await world.alice.clicks('Approve');
  };

  test('a stop whose call was lost is not repeated; the card says so, and closing it frees the guest', async () => {
    await stopping((sim) => sim.onRequest({ method: 'POST', path: /stop$/ }, { kind: 'drop' }));
    const { oscar, alice } = world;
    await oscar.reads('Stop CT 120 staging on ovh4: IN DOUBT', 'The call may still take effect');
    const { id } = await world.request();
    expect((await world.store.steps(id))[0]).toMatchObject({ state: 'in-doubt', sent: 1 });
    await oscar.says('ct reboot 120');
    await alice.clicks('Approve', 'Reboot CT 120');
    await oscar.reads('Reboot CT 120', `waits for run ${id} on the same guest`);
    await oscar.says(`run cancel id:${id}`);
    await oscar.reads('Closed: Stop CT 120 staging', 'Its guest is free');
    await oscar.reads('CT 120 staging was rebooted');
    await oscar.reads('Stop CT 120 staging on ovh4: failed', 'closed by oscar after a look');
    expect(world.writes()).toHaveLength(2);
  });

  test('a stop whose answer was lost is found by its task', async () => {
    await stopping((sim) => sim.loseAnswer({ method: 'POST', path: /stop$/ }));
    await world.oscar.reads('CT 120 staging is stopped on ovh4');
    await world.settled();
    expect(world.simulator.effects.count('stop', 120)).toBe(1);
  });

  test('only who may stop a run can close it', async () => {
    await stopping((sim) => sim.onRequest({ method: 'POST', path: /stop$/ }, { kind: 'drop' }));
    await world.oscar.reads('IN DOUBT');
    const { id } = await world.request();
    await world.vera.says(`run cancel id:${id}`);
    await world.vera.reads('run cancel: not allowed');
    expect((await world.request()).state).toBe('in-doubt');
  });
});

describe('stopping a run', () => {
  test('run cancel lets the step end, then takes everything back', async () => {
    world = await openWorld();
    world.tasks.hold();
    await approveCreate();
    const { id } = await underWay(0);
    await world.oscar.says(`run cancel id:${id}`);
    await world.oscar.reads('Stopping: Create CT 100 fresh', 'ends first');
    world.tasks.release();
    expect(await over()).toMatchObject({ state: 'failed', left: [], note: 'stopped on request' });
    await world.settled();
    expect(world.writes()).toEqual([CREATE, UNPROTECT, DESTROY]);
    nothingOfOursIsLeft();
    await world.oscar.reads('failed', 'stopped on request', 'Nothing is left behind');
  });

  test('the button does the same', async () => {
    world = await openWorld();
    world.tasks.hold();
    await approveCreate();
    await underWay(0);
    await world.nina.clicks('Stop and undo');
    await world.slack.waitFor(async () => world.store.stopAsked((await world.request()).id));
    world.tasks.release();
    expect(await over()).toMatchObject({ state: 'failed', left: [] });
    nothingOfOursIsLeft();
  });

  test('asked for while the last step runs, it is taken back all the same', async () => {
    world = await openWorld();
    world.simulator.onRequest({ method: 'POST', path: '/cluster/replication' }, { kind: 'delay', ms: 10 });
    holdAt(REPLICATE);
    await approveCreate();
    await arrived(REPLICATE);
    await world.oscar.says(`run cancel id:${(await world.request()).id}`);
    await world.oscar.reads('Stopping:');
    world.tasks.release();
    expect(await over()).toMatchObject({ state: 'failed', left: [] });
    nothingOfOursIsLeft();
  });

  test('a run without a way back is not called failed because somebody asked to stop it', async () => {
    world = await openWorld();
    await world.oscar.says('ct stop 120');
    world.tasks.hold();
    await world.alice.clicks('Approve');
    const { id } = await world.becomes('running');
    await world.oscar.says(`run cancel id:${id}`);
    await world.oscar.reads('Stopping:');
    world.tasks.release();
    expect(await over()).toMatchObject({ state: 'done', left: [] });
  });
});

describe('a restart in the middle', () => {
  test.each([
    [0, CREATE],
    [1, START],
  ])(
    'while the task of step %i is under way: the next process goes on, and nothing is done twice',
    async (step, call) => {
      world = await openWorld();
      holdAt(call);
      await approveCreate();
      await underWay(step);
      await world.restart();
      world.tasks.release();
      expect(await over()).toMatchObject({ state: 'done', left: [] });
      await world.settled();
      itIsThereOnce();
      expect(world.writes()).toEqual([CREATE, START, REPLICATE]);
      await world.oscar.reads('CT 100 fresh runs on ovh1', 'approved by alice');
      expect([...world.slack.postCounts().values()].every((count) => count === 1)).toBe(true);
    },
  );

  test('while undoing: the next process takes back the rest', async () => {
    world = await openWorld();
    world.simulator.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'no' });
    holdAt(DESTROY);
    await approveCreate();
    await arrived(DESTROY);
    await world.restart();
    world.tasks.release();
    expect(await over()).toMatchObject({ state: 'failed', left: [] });
    nothingOfOursIsLeft();
    expect(world.writes()).toEqual([CREATE, START, UNPROTECT, DESTROY]);
  });

  test('with a card waiting: it can still be approved, and its buttons still count', async () => {
    world = await openWorld();
    await world.oscar.says('ct stop 120');
    await world.oscar.reads('0 of 1');
    await world.restart();
    await world.alice.clicks('Approve');
    await world.oscar.reads('CT 120 staging is stopped on ovh4', 'approved by alice');
  });
});
