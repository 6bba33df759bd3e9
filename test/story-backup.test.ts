import { afterEach, describe, expect, test } from 'vitest';
import { longestGap, tooOld } from '../handlers/parts/backups.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Backups and replication by hand: from the first word to what lies on the storage. */

let world: World;
afterEach(() => world?.close());

const VZDUMP = 'POST /nodes/ovh1/vzdump';
const SCHEDULE = 'POST /nodes/ovh2/replication/103-0/schedule_now';

async function open(options: WorldOptions = {}): Promise<World> {
  world = await openWorld({ ...options, simulator: { speed: 0, ...options.simulator } });
  return world;
}

async function asks(line: string, title: string): Promise<void> {
  await world.oscar.says(line);
  await world.oscar.clicks('Run it', title);
}

const backUp = () => asks('backup run 102', 'Back up CT 102');

const over = async (command: string): Promise<RequestRecord> => {
  const ends = ['done', 'failed', 'in-doubt'];
  const request = await world.slack.waitFor(async () => {
    const newest = await world.request(command).catch(() => undefined);
    return newest && ends.includes(newest.state) ? newest : undefined;
  }, `the end of ${command}`);
  await world.settled();
  return request;
};

const made = (vmid: number) =>
  world.simulator.world.volumes.filter((volume) => volume.content === 'backup' && volume.vmid === vmid);

/** Puts a backup on the storage `backups`, so many hours old. */
function there(vmid: number, hours: number, more: object = {}): void {
  const ctime = Math.floor(Date.now() / 1000 - hours * 3600);
  world.simulator.world.volumes.push({
    volid: `backups:backup/vzdump-lxc-${vmid}-${ctime}.tar.zst`,
    storage: 'backups',
    vmid,
    content: 'backup',
    format: 'tar.zst',
    size: 3 * 1024 ** 3,
    used: 3 * 1024 ** 3,
    ctime,
    ...more,
  });
}

describe.each(['8.4', '9.2'] as const)('on PVE %s', (pve) => {
  test('a guest is backed up to the storage of its job, and the list knows it at once', async () => {
    await open({ pve });
    there(103, 40, { protected: true });
    await world.vera.says('backup list');
    await world.vera.reads('overdue', 'without a job', '103 nutrition', 'OVERDUE', 'protected', 'IN NO JOB');
    await backUp();
    const run = await over('backup run');
    expect(run.state).toBe('done');
    await world.oscar.reads('CT 102 off-query is backed up to backups');
    const [volume] = made(102);
    expect(volume).toMatchObject({ storage: 'backups', notes: `off-query bascule:${run.id}` });
    expect(world.guest(102)!.lock).toBeUndefined();
    expect(world.writes()).toEqual([VZDUMP]);
    await world.vera.says('backup list 102');
    await world.vera.reads('CT 102 off-query: 1 backup', 'backup-nightly');
  });

  test('a replica is brought up to date by hand, once', async () => {
    await open({ pve });
    await asks('replication run 103', 'Run replication 103-0');
    await world.slack.waitFor(() => world.writes().length === 1, 'the call');
    world.simulator.replicationRound();
    expect((await over('replication run')).state).toBe('done');
    await world.oscar.reads('Replication job 103-0 has run');
    expect(world.writes()).toEqual([SCHEDULE]);
  });
});

describe('a lost answer', () => {
  test('to a backup is found out by its task, and no second one is made', async () => {
    await open();
    world.simulator.loseAnswer({ method: 'POST', path: /vzdump$/ });
    await backUp();
    expect((await over('backup run')).state).toBe('done');
    expect([world.writes(), made(102).length]).toEqual([[VZDUMP], 1]);
  });

  test('to a backup that never began is told as in doubt: asking again could make two', async () => {
    await open();
    world.simulator.onRequest({ method: 'POST', path: /vzdump$/ }, { kind: 'drop' });
    await backUp();
    expect(await over('backup run')).toMatchObject({ state: 'in-doubt' });
    expect([world.writes(), made(102)]).toEqual([[VZDUMP], []]);
  });

  test('to a replication run is found out by the copy', async () => {
    await open();
    world.simulator.loseAnswer({ method: 'POST', path: /schedule_now$/ });
    await asks('replication run 103', 'Run replication 103-0');
    await world.slack.waitFor(() => world.writes().length === 1, 'the call');
    world.simulator.replicationRound();
    expect((await over('replication run')).state).toBe('done');
  });
});

describe('a backup that fails says why, and leaves nothing', () => {
  const failed = async (...words: string[]) => {
    const request = await over('backup run');
    expect(request.state).toBe('failed');
    await world.oscar.reads(...words);
    expect(made(102)).toEqual([]);
    expect(world.guest(102)!.lock).toBeUndefined();
  };

  test('on a storage that fills up meanwhile', async () => {
    await open();
    world.tasks.hold();
    await backUp();
    await world.slack.waitFor(() => world.writes().length === 1, 'the call');
    world.simulator.world.fill('ovh1', 'backups', 0);
    world.tasks.release();
    await failed('job errors');
    expect(world.simulator.tasks.of('ovh1')[0]?.log.join('\n')).toMatch(/No space left on device/);
  });

  test('on a storage that goes away meanwhile', async () => {
    await open();
    world.tasks.hold();
    await backUp();
    await world.slack.waitFor(() => world.writes().length === 1, 'the call');
    world.simulator.world.state.storages.get('backups')!.offline = true;
    world.tasks.release();
    await failed('job errors');
  });

  test('and is refused beforehand when the storage is down, the guest is locked or another one runs', async () => {
    await open();
    world.simulator.world.state.storages.get('backups')!.offline = true;
    await world.oscar.says('backup run 102');
    await world.oscar.reads('CT 102 off-query was not backed up', 'does not answer');
    world.simulator.world.state.storages.get('backups')!.offline = false;
    world.guest(102)!.lock = 'snapshot';
    await world.oscar.says('backup run 102');
    await world.oscar.reads('locked (snapshot)');
    world.guest(102)!.lock = undefined;
    world.tasks.hold();
    await backUp();
    await world.slack.waitFor(() => world.writes().length === 1, 'the call');
    await world.nina.says('backup run 101');
    await world.nina.reads('a backup of 102 runs on ovh1');
    world.tasks.release();
    expect((await over('backup run')).state).toBe('done');
  });

  test('when its node dies, and the guest then stays locked until somebody unlocks it', async () => {
    await open();
    world.simulator.onTask({ type: 'vzdump' }, { kill: true, stage: 'writing' });
    await backUp();
    expect(await over('backup run')).toMatchObject({ state: 'failed' });
    await world.oscar.reads('pct unlock 102');
    expect([world.guest(102)!.lock, made(102)]).toEqual(['backup', []]);
  });
});

test('a guest that moved away since is not backed up, and that is said', async () => {
  await open();
  world.simulator.onRequest(
    { method: 'POST', path: /vzdump$/ },
    { kind: 'answer', status: 200, reason: 'OK', body: { data: 'OK' } },
  );
  await backUp();
  expect(await over('backup run')).toMatchObject({ state: 'failed' });
  await world.oscar.reads('guest 102 is not on ovh1 any more');
});

test('viewers look and make no backups', async () => {
  await open();
  const before = await world.asItStands();
  await world.vera.says('backup run 102');
  await world.vera.reads('not allowed');
  await world.vera.says('replication run 103');
  await world.vera.reads('replication run: not allowed');
  expect(await world.asItStands()).toEqual(before);
});

test.for<[string, number]>([
  ['02:30', 1],
  ['mon..fri 22:00', 3],
  ['sat 01:00', 7],
  ['mon,thu 03:00', 4],
  ['fri..mon 03:00', 4],
  ['weekly', 7],
  ['monthly', 31],
  ['*-*-1 03:00', 31],
  ['*/30', 1],
])('a job that runs %s leaves %i days at most between two backups', ([schedule, days]) => {
  expect(longestGap(schedule)).toBe(days * 86_400);
});

test('overdue goes by the enabled job that runs most often', () => {
  const job = { all: true, vmids: [], exclude: [] };
  const weekly = { ...job, id: 'w', enabled: true, schedule: 'sat 01:00' };
  const nightly = { ...job, id: 'n', enabled: false, schedule: '02:30' };
  expect(tooOld([weekly, nightly])).toBe(7 * 86_400 + 7200);
  expect(tooOld([nightly])).toBe(86_400 + 7200);
});
