import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Simulator } from '../adapters/simulator/index.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { OPS, openWorld, PEOPLE, type World, type WorldOptions } from './world.ts';

/** Snapshots from the first word to the last effect: made, listed, gone back to, deleted, and everything between. */

let world: World;
afterEach(() => world?.close());

const MAKE = 'POST /nodes/ovh4/lxc/120/snapshot';
const DELETE = 'DELETE /nodes/ovh4/lxc/120/snapshot/before';
const BACK = 'POST /nodes/ovh4/lxc/120/snapshot/before/rollback';
const START = 'POST /nodes/ovh4/lxc/120/status/start';

/** The right to roll back is nobody's at first; here it is given, to the user and its token (privsep). */
function mayRollBack(simulator: Simulator): void {
  for (const ugid of ['bascule@pve', 'bascule@pve!operate']) simulator.grant(ugid, '/vms', 'BasculeRollback');
}

async function open(options: WorldOptions = {}): Promise<World> {
  world = await openWorld({ ...options, simulator: { speed: 0, ...options.simulator } });
  mayRollBack(world.simulator);
  return world;
}

/** Puts a snapshot there as somebody else would have made it, so many hours ago. */
function there(vmid: number, name: string, hours: number, description = ''): void {
  const guest = world.guest(vmid)!;
  const snaptime = Math.floor(Date.now() / 1000 - hours * 3600);
  guest.snapshots.push({
    name,
    description,
    snaptime,
    config: { ...guest.config },
    ...(guest.parent === undefined ? {} : { parent: guest.parent }),
  });
  guest.parent = name;
}

const names = (vmid: number) => world.guest(vmid)!.snapshots.map((each) => each.name);

async function makes(line = 'snapshot create 120 before'): Promise<void> {
  await world.oscar.says(line);
  await world.oscar.clicks('Run it', 'Make snapshot');
}

/** Alice asks for what takes another's approval, and Oscar gives it. */
async function approved(line: string, title: string): Promise<void> {
  await world.alice.says(line);
  await world.oscar.clicks('Approve', title);
}

const over = async (command: string): Promise<RequestRecord> => {
  const ends = ['done', 'failed', 'in-doubt'];
  const request = await world.slack.waitFor(async () => {
    const newest = await world.request(command).catch(() => undefined);
    return newest && ends.includes(newest.state) ? newest : undefined;
  }, `the end of ${command}`);
  await world.settled();
  return request;
};

describe.each(['8.4', '9.2'] as const)('on PVE %s', (pve) => {
  test('made by confirmation, listed, gone back to with another’s approval, and deleted', async () => {
    await open({ pve });
    await makes('snapshot create vmid:120 snapshot:before description:"before v2"');
    expect((await over('snapshot create')).state).toBe('done');
    await world.oscar.reads('Snapshot before of CT 120 staging is made');
    const made = await world.request('snapshot create');
    expect(world.guest(120)!.snapshots[0]).toMatchObject({ description: `before v2\nbascule:${made.id}\n` });

    await world.vera.says('snapshot list staging');
    await world.vera.reads(
      'CT 120 staging: 1 snapshot',
      'before',
      'bascule',
      'before v2',
      'with SSH access to the node',
    );

    world.guest(120)!.config['memory'] = 4096;
    await world.alice.says('snapshot rollback 120 before');
    await world.alice.reads('Roll CT 120 staging on ovh4 back', 'is lost, for good', 'stopped hard first', '0 of 1');
    await world.oscar.clicks('Approve', 'Roll CT 120');
    expect((await over('snapshot rollback')).state).toBe('done');
    await world.alice.reads('CT 120 staging is back at snapshot before', 'It runs');
    expect(world.guest(120)).toMatchObject({ running: true, parent: 'before' });
    expect(world.guest(120)!.config['memory']).not.toBe(4096);

    await approved('snapshot delete 120 before', 'Delete snapshot before');
    expect((await over('snapshot delete')).state).toBe('done');
    expect(names(120)).toEqual([]);
    expect(world.writes()).toEqual([MAKE, BACK, START, DELETE]);
    expect(world.simulator.requests.filter(({ status, method }) => method !== 'GET' && (status ?? 0) >= 400)).toEqual(
      [],
    );
    await world.vera.says('snapshot list 120');
    await world.vera.reads('CT 120 staging: no snapshots');
  });

  test('a VM likewise; rolled back with start:no it stays stopped', async () => {
    await open({ pve });
    await makes('snapshot create docker-staging v2');
    expect((await over('snapshot create')).state).toBe('done');
    await approved('snapshot rollback 200 v2 start:no', 'Roll VM 200');
    expect((await over('snapshot rollback')).state).toBe('done');
    await world.alice.reads('VM 200 docker-staging is back at snapshot v2', 'It is stopped');
    expect(world.guest(200)!.running).toBe(false);
    await approved('snapshot delete 200 v2', 'Delete snapshot v2');
    expect((await over('snapshot delete')).state).toBe('done');
    expect(names(200)).toEqual([]);
  });
});

describe('a lost answer', () => {
  test('to a create is found out, and nothing is made twice', async () => {
    await open();
    world.simulator.loseAnswer({ method: 'POST', path: /snapshot$/ });
    await makes();
    expect((await over('snapshot create')).state).toBe('done');
    expect(world.writes()).toEqual([MAKE]);
    expect(world.simulator.effects.count('snapshot', '120/before')).toBe(1);
  });

  test('to a create that never arrived is asked again', async () => {
    await open();
    world.simulator.onRequest({ method: 'POST', path: /snapshot$/ }, { kind: 'drop' });
    await makes();
    expect((await over('snapshot create')).state).toBe('done');
    expect(world.simulator.effects.count('snapshot', '120/before')).toBe(1);
  });

  test('to a create that takes effect only after it was asked again is ours all the same', async () => {
    await open();
    world.simulator.onRequest({ method: 'POST', path: /snapshot$/ }, { kind: 'drop' });
    world.simulator.onTask({ type: 'vzsnapshot' }, { delayMs: 80 });
    await makes();
    await world.slack.waitFor(() => world.writes().length === 2, 'the second try');
    const { id } = await world.request('snapshot create');
    there(120, 'before', 0, `bascule:${id}\n`);
    expect(await over('snapshot create')).toMatchObject({ state: 'done' });
    expect(world.simulator.tasks.of('ovh4')[0]?.exitstatus).toBe("snapshot name 'before' already used");
    expect(world.writes()).toEqual([MAKE, MAKE]);
    expect(names(120)).toEqual(['before']);
  });

  test('to a rollback is found out by its task alone', async () => {
    await open();
    there(120, 'before', 5);
    world.simulator.loseAnswer({ method: 'POST', path: /rollback$/ });
    await approved('snapshot rollback 120 before', 'Roll CT 120');
    expect((await over('snapshot rollback')).state).toBe('done');
    expect(world.simulator.effects.count('rollback', '120/before')).toBe(1);
    expect(world.guest(120)!.running).toBe(true);
  });

  test('to a rollback that nobody can find is never asked again', async () => {
    await open();
    there(120, 'before', 5);
    world.simulator.onRequest({ method: 'POST', path: /rollback$/ }, { kind: 'drop' });
    await approved('snapshot rollback 120 before', 'Roll CT 120');
    const request = await over('snapshot rollback');
    expect(request.state).toBe('in-doubt');
    expect(world.writes()).toEqual([BACK]);
    await world.alice.reads('Roll CT 120', 'nobody knows whether', 'Not begun: Starting CT 120');
    expect(world.guest(120)).toMatchObject({ running: true });
  });

  test('to a delete is found out by what is gone; one that never arrived is left to a person', async () => {
    await open();
    there(120, 'before', 5);
    world.simulator.loseAnswer({ method: 'DELETE', path: /snapshot\/before$/ });
    await approved('snapshot delete 120 before', 'Delete snapshot before');
    expect((await over('snapshot delete')).state).toBe('done');
    there(120, 'after', 4);
    world.simulator.onRequest({ method: 'DELETE', path: /snapshot\/after$/ }, { kind: 'drop' });
    await approved('snapshot delete 120 after', 'Delete snapshot after');
    expect((await over('snapshot delete')).state).toBe('in-doubt');
    expect(names(120)).toEqual(['after']);
  });
});

describe('failures', () => {
  test('a create that fails in its task leaves nothing', async () => {
    await open();
    world.simulator.onTask({ type: 'vzsnapshot' }, { stage: 'prepared', fail: 'zfs error: out of space' });
    await makes();
    expect(await over('snapshot create')).toMatchObject({ state: 'failed', left: [] });
    await world.oscar.reads('failed', 'out of space', 'Nothing is left behind');
    expect(world.guest(120)).toMatchObject({ snapshots: [] });
    expect(world.guest(120)!.lock).toBeUndefined();
  });

  test('a create that is killed leaves a half one and its lock, and the card says how to clear them', async () => {
    await open();
    world.simulator.onTask({ type: 'vzsnapshot' }, { stage: 'prepared', kill: true });
    await makes();
    const request = await over('snapshot create');
    expect(request.state).toBe('failed');
    await world.oscar.reads('Left behind:', 'pct unlock 120', 'pct delsnapshot 120 before --force 1');
    expect(world.guest(120)).toMatchObject({ lock: 'snapshot', snapshots: [{ name: 'before', snapstate: 'prepare' }] });
    await world.vera.says('snapshot list 120');
    await world.vera.reads('1 not usable', 'NOT USABLE');
    await world.oscar.says('snapshot create 120 another');
    await world.oscar.reads('another', 'locked (snapshot)');
  });

  test('a rollback that stops half way says that the guest is stopped and locked', async () => {
    await open();
    there(120, 'before', 5);
    world.simulator.onTask({ type: 'vzrollback' }, { stage: 'rolling back', fail: 'zfs error: dataset is busy' });
    await approved('snapshot rollback 120 before', 'Roll CT 120');
    expect((await over('snapshot rollback')).state).toBe('failed');
    await world.alice.reads('dataset is busy', 'Left behind:', 'locked (rollback)', 'pct unlock 120');
    expect(world.guest(120)).toMatchObject({ running: false, lock: 'rollback' });
    expect(world.writes()).toEqual([BACK]);
  });

  test('a delete that stops half way says so', async () => {
    await open();
    there(120, 'before', 5);
    world.simulator.onTask({ type: 'vzdelsnapshot' }, { stage: 'deleting', fail: 'zfs error: dataset is busy' });
    await approved('snapshot delete 120 before', 'Delete snapshot before');
    expect((await over('snapshot delete')).state).toBe('failed');
    await world.alice.reads('dataset is busy', 'half deleted', 'pct unlock 120');
  });

  test('a snapshot of somebody else that takes the name meanwhile is neither overwritten nor taken back', async () => {
    await open();
    world.simulator.onTask({ type: 'vzsnapshot' }, { delayMs: 60 });
    world.simulator.onRequest({ method: 'POST', path: /snapshot$/ }, { kind: 'delay', ms: 1 });
    await makes();
    await world.slack.waitFor(() => world.writes().includes(MAKE), MAKE);
    there(120, 'before', 0, 'theirs');
    expect(await over('snapshot create')).toMatchObject({ state: 'failed', left: [] });
    expect(world.guest(120)!.snapshots).toMatchObject([{ name: 'before', description: 'theirs' }]);
    expect(world.writes()).toEqual([MAKE]);
  });

  test('a start that fails after the rollback says what was done and has no way back', async () => {
    await open();
    there(120, 'before', 5);
    world.simulator.onTask({ type: 'vzstart' }, { stage: 'starting', fail: 'startup failed' });
    await approved('snapshot rollback 120 before', 'Roll CT 120');
    expect((await over('snapshot rollback')).state).toBe('failed');
    await world.alice.reads('startup failed', 'rollback was done and has no way back');
  });
});

describe('undo', () => {
  test('a create that is stopped under way is taken back, and only it', async () => {
    await open();
    there(120, 'older', 5);
    world.tasks.hold(() => world.writes().includes(MAKE));
    await makes();
    const request = await world.slack.waitFor(async () => {
      const newest = await world.request('snapshot create').catch(() => undefined);
      return newest && (await world.store.steps(newest.id))[0]?.upid ? newest : undefined;
    }, 'the task');
    await world.oscar.says(`run cancel ${request.id}`);
    await world.oscar.reads('Stopping: Make snapshot before');
    world.tasks.release();
    expect(await over('snapshot create')).toMatchObject({ state: 'failed', left: [] });
    expect(world.writes()).toEqual([MAKE, DELETE]);
    expect(names(120)).toEqual(['older']);
    expect(world.guest(120)).toMatchObject({ parent: 'older' });
  });
});

describe('traps', () => {
  test('without the right to roll back the refusal names the line that gives it', async () => {
    world = await openWorld({ simulator: { speed: 0 } });
    there(120, 'before', 5);
    await world.alice.says('snapshot rollback 120 before');
    await world.alice.reads(
      'CT 120 staging was not rolled back',
      'VM.Snapshot.Rollback',
      'pveum role add BasculeRollback',
    );
    expect(world.writes()).toEqual([]);
  });

  test('on ZFS only the newest can be gone back to, and the card says which are in the way', async () => {
    await open();
    for (const [name, hours] of [
      ['first', 9],
      ['second', 5],
    ] as const)
      there(120, name, hours);
    await world.alice.says('snapshot rollback 120 first');
    await world.alice.reads('CT 120 staging was not rolled back', 'only to the newest', 'second');
    expect(world.writes()).toEqual([]);
  });

  test('one that only the node knows of stops it, and nothing has changed', async () => {
    await open();
    there(120, 'before', 5);
    world.guest(120)!.onDisk = [{ name: 'by-hand', at: Math.floor(Date.now() / 1000 - 3600) }];
    await approved('snapshot rollback 120 before', 'only the node shows');
    expect(await over('snapshot rollback')).toMatchObject({ state: 'failed', left: [] });
    await world.alice.reads("can't rollback, 'before' is not most recent snapshot", 'Nothing is left behind');
    expect(world.guest(120)).toMatchObject({ running: true });
  });

  test('a replicated, protected guest: what is lost is on the card, and afterwards replication needs the snapshot', async () => {
    await open();
    there(117, 'before', 5);
    await world.alice.says('snapshot rollback 117 before');
    await world.alice.reads('117-0 to ovh4', 'older base or copies all', 'only guards against destroying');
    await world.oscar.clicks('Approve', 'Roll CT 117');
    expect((await over('snapshot rollback')).state).toBe('done');
    await world.alice.reads('Do not delete before before the next replication');
    await approved('snapshot delete 117 before', 'Delete snapshot before');
    expect(await over('snapshot delete')).toMatchObject({ state: 'failed', left: [] });
    await world.alice.reads("needed by replication job '117-0' - run replication first");
    expect(names(117)).toEqual(['before']);
  });

  test('one that was made anew under the same name after the approval is not touched', async () => {
    await open();
    there(120, 'before', 5);
    await world.alice.says('snapshot delete 120 before');
    await world.alice.reads('Delete snapshot before');
    world.guest(120)!.snapshots = [];
    there(120, 'before', 1);
    await world.oscar.clicks('Approve', 'Delete snapshot before');
    await world.slack.waitFor(
      async () => (await world.store.requests({ limit: 9 })).some(({ state }) => state === 'superseded'),
      'a new card',
    );
    await world.settled();
    expect(await world.request('snapshot delete')).toMatchObject({ state: 'waiting', votes: [] });
    expect(world.writes()).toEqual([]);
    expect(names(120)).toEqual(['before']);
  });

  test('who may not see the guest learns nothing of its snapshots', async () => {
    await open();
    there(120, 'before', 5);
    await world.mallory.says('snapshot list 120');
    await world.mallory.reads('snapshot.list');
    expect(world.mallory.sees().join('\n')).not.toContain('before');
  });

  test('a guest that policy hides shows no snapshots, neither in answers nor while typing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bascule-site-'));
    const rule = `@id("house.dev") forbid (principal, action == Action::"guest.see", resource is Guest)
when { resource.tags.contains("dev") } unless { principal in Role::"admin" };`;
    writeFileSync(join(folder, 'house.cedar'), rule);
    try {
      await open({ config: { policy: { directory: folder } } });
      there(120, 'secretname', 5);
      for (const line of ['snapshot list 120', 'snapshot delete 120 secretname']) {
        const before = world.oscar.sees().length;
        await world.oscar.says(line);
        await world.slack.waitFor(() => world.oscar.sees().length > before, 'an answer');
        await world.oscar.reads('There is no guest 120');
      }
      const asked = { command: 'snapshot delete', option: 'snapshot', typed: '', options: { vmid: '120' }, limit: 9 };
      const place = { platform: 'slack', channel: OPS } as const;
      const complete = (id: string) =>
        world.bot.desk.complete({ ...asked, place, actor: { platform: 'slack', id, name: id } });
      expect(await complete(PEOPLE.oscar.slack)).toEqual([]);
      expect(await complete(PEOPLE.alice.slack)).toEqual([{ label: 'secretname', value: 'secretname' }]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('names complete from the guest that was named before', async () => {
    await open();
    there(120, 'before', 5);
    there(120, 'later', 4);
    const values = async (options: Record<string, string>) => {
      const actor = { platform: 'slack', id: PEOPLE.alice.slack, name: 'alice' } as const;
      const place = { platform: 'slack', channel: OPS } as const;
      const asked = { command: 'snapshot delete', option: 'snapshot', typed: '', limit: 10 };
      return (await world.bot.desk.complete({ ...asked, options, actor, place })).map(({ value }) => value);
    };
    expect(await values({ vmid: '120' })).toEqual(['later', 'before']);
    expect(await values({})).toEqual([]);
    expect(await values({ vmid: '999' })).toEqual([]);
  });
});
