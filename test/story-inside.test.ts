import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { GRANTS } from '../src/contracts/books.ts';
import { ed25519 } from './platforms/github-keys.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Containers that come with their people, Docker and a script, over HTTPS and SSH at once. */

let world: World;
let folder: string;
afterEach(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ENDS: readonly string[] = ['done', 'failed', 'in-doubt'];

async function open(script = '#!/bin/sh\necho base is ready\n', house: object = {}, more: WorldOptions = {}) {
  folder = mkdtempSync(join(tmpdir(), 'bascule-scripts-'));
  writeFileSync(join(folder, 'base.sh'), script);
  world = await openWorld({
    ssh: true,
    cluster: {
      house: {
        ct: { replicateTo: ['ovh3', 'ovh1'] },
        ssh: { jump: { node: 'ovh1', host: 'gate.example.org' } },
        scripts: { base: join(folder, 'base.sh') },
        ...house,
      },
    },
    ...more,
  });
}

async function over() {
  const request = await world.slack.waitFor(async () => {
    const one = await world.request();
    return ENDS.includes(one.state) ? one : undefined;
  }, 'the end of the run');
  await world.settled();
  return request;
}

async function create() {
  await world.oscar.says('ct create hostname:fresh node:ovh1 person:@alice docker:yes setup:base');
  await world.oscar.reads('Create CT 100 fresh', 'alice-hub: 1 key, jump ovh1, for', '0 of 1');
  await world.alice.clicks('Approve');
  return over();
}

const keyFile = () => join(world.simulator.files(100), 'home/alice-hub/.ssh/authorized_keys');
const wayIn = () => [...world.simulator.hands('ovh1').jumpKeys.values()].join('\n');

describe('ct create person: docker: setup:', () => {
  test('ends with the user, the keys, the way in and the output of the script', async () => {
    await open();
    expect((await create()).state).toBe('done');
    await world.oscar.reads(
      'CT 100 fresh runs on ovh1',
      'alice-hub can log in until',
      'ssh -J bascule-jump@gate.example.org',
    );
    await world.oscar.reads('Running base in CT 100', 'base is ready');
    const guest = world.guest(100)!;
    expect(guest).toMatchObject({ running: true, config: { features: 'keyctl=1,nesting=1' } });
    const keys = readFileSync(keyFile(), 'utf8');
    expect(keys).toMatch(/^expiry-time="\d{14}Z" ssh-ed25519 /);
    expect(keys).toContain(ed25519('alice'));
    expect(wayIn()).toContain('permitopen="10.1.0.100:22"');
    const [entry] = await world.store.bookEntries(GRANTS);
    const mac = /hwaddr=([^,]+)/.exec(String(guest.config['net0']))?.[1];
    expect(entry).toMatchObject({ key: 'off/100/alice-hub', value: { identity: mac, person: 'alice', sudo: false } });
  });

  test('can be read to its last line before anybody approves, without its secrets', async () => {
    const body = Array.from({ length: 150 }, (_, n) => `echo step ${n} of a long script`).join('\n');
    await open(`#!/bin/sh\nAPI_TOKEN=not-a-real-secret\n${body}\n# the end\n`);
    await world.oscar.says('ct create hostname:fresh node:ovh1 setup:base');
    const card = await world.alice.reads('Create CT 100 fresh', 'SHA-256', 'To read it first: approval show');
    const { id } = await world.request();
    expect(card).toContain(`approval show ${id}`);
    let read = '';
    for (let part = 1, on = true; on; part += 1) {
      await world.alice.says(`approval show ${id} part:${part}`);
      const told = await world.alice.reads(`Create CT 100 fresh on ovh1 (${part} of `);
      read += told;
      on = told.includes(`approval show id:${id} part:${part + 1}`);
    }
    for (let n = 0; n < 150; n += 1) expect(read).toContain(`| echo step ${n} of a long script`);
    expect(read).toContain('| # the end');
    expect(read).toContain('API_TOKEN=***secret-1***');
    expect(read).not.toMatch(/not-a-real-secret|more lines?/);
  });

  test('a script that fails takes all of it back, and its last words are in the thread', async () => {
    await open('#!/bin/sh\necho no mirror >&2\nexit 3\n');
    expect(await create()).toMatchObject({ state: 'failed', left: [] });
    await world.oscar.reads('Create CT 100 fresh on ovh1: failed', 'exit code 3', 'Nothing is left behind');
    await world.oscar.reads('Running base in CT 100', 'no mirror');
    expect(world.guest(100)).toBeUndefined();
    expect(wayIn()).not.toContain('10.1.0.100');
    expect(await world.store.bookEntries(GRANTS)).toEqual([]);
    expect([...world.simulator.world.state.jobs.keys()].filter((id) => id.startsWith('100-'))).toEqual([]);
  });

  test('a node that allows no such script is known before anything is made', async () => {
    await open();
    world.simulator.hands('ovh1').config!.scripts = [];
    await world.oscar.says('ct create hostname:fresh node:ovh1 setup:base');
    await world.oscar.reads('fresh was not created', 'does not allow the script');
    expect(world.writes()).toEqual([]);
  });
});

describe('ct unlock', () => {
  test('a create that was killed early is unlocked and then destroyed, with its volume', async () => {
    await open();
    world.simulator.onTask({ type: 'vzcreate' }, { stage: 'locked', kill: true });
    await world.oscar.says('ct create hostname:fresh node:ovh1');
    await world.alice.clicks('Approve');
    expect((await over()).left.join('\n')).toContain('/pve ct unlock 100');
    expect(world.guest(100)).toMatchObject({ lock: 'create' });
    await world.oscar.says('ct unlock 100');
    await world.alice.clicks('Approve', 'Unlock CT 100');
    expect(await over()).toMatchObject({ command: 'ct unlock', state: 'done' });
    await world.oscar.reads('CT 100 is unlocked', 'ct destroy 100 confirm:100');
    expect(world.guest(100)?.lock).toBeUndefined();
    await world.alice.says('ct destroy 100 confirm:100');
    await world.alice.reads('Destroy CT 100');
    await world.oscar.clicks('Approve', 'Destroy CT 100');
    expect(await over()).toMatchObject({ command: 'ct destroy', state: 'done' });
    expect(world.guest(100)).toBeUndefined();
    expect(world.simulator.world.volumes.filter(({ vmid }) => vmid === 100)).toEqual([]);
  });
});

describe('scheduled snapshots', () => {
  test('are made when due, deleted past their time, and nothing is asked in between', async () => {
    await open('#!/bin/sh\n', { snapshots: [{ vmids: [103], keep: { hourly: '3h' } }] });
    const made = () => world.guest(103)!.snapshots.filter(({ name }) => name.startsWith('bascule-hourly-'));
    const counts: number[] = [];
    for (let hour = 0; hour < 5; hour += 1) {
      await world.runs('snapshots');
      await world.runs('snapshots');
      counts.push(made().length);
      world.clock.passes(3_600_000);
      world.tasks.passes(3_600_000);
    }
    expect(counts).toEqual([1, 2, 3, 3, 3]);
    const asked = await world.store.requests({ limit: 50 });
    expect(asked.map(({ command, state, requester }) => `${command} ${state} ${requester}`)).toEqual(
      Array(5).fill('snapshot keep done automation:snapshots'),
    );
    expect(made().at(-1)?.description).toMatch(/^scheduled hourly\nbascule:/);
  });

  test('are neither made nor deleted by a bot whose clock has jumped, and that is told', async () => {
    await open('#!/bin/sh\n', { snapshots: [{ vmids: [103], keep: { hourly: '3h' } }] });
    await world.runs('snapshots');
    const names = () => world.guest(103)!.snapshots.map(({ name }) => name);
    const before = names();
    world.clock.passes(400 * 24 * 3_600_000);
    await world.runs('snapshots');
    expect(names()).toEqual(before);
    await world.oscar.reads('scheduled snapshots that cannot be kept', "the clock of ovh2 and the bot's are far apart");
  });

  test('one that fails stops no other, is not taken for done, and is tried again', async () => {
    await open('#!/bin/sh\n', { snapshots: [{ vmids: [103, 115], keep: { hourly: '3h' } }] });
    world.simulator.failNext({ method: 'POST', path: /\/103\/snapshot$/ }, { status: 500, reason: 'pool is full' });
    await world.oscar.says('snapshot keep');
    await world.oscar.clicks('Run it');
    await world.oscar.reads('1 of 2 steps did not work', 'CT 103', 'pool is full', 'What was done stays');
    const made = (vmid: number) => world.guest(vmid)!.snapshots.filter(({ name }) => name.startsWith('bascule-'));
    expect([made(103).length, made(115).length]).toEqual([0, 1]);
    await world.runs('snapshots');
    expect([made(103).length, made(115).length]).toEqual([1, 1]);
  });

  test('are listed with their end, beside what only the node knows; it stops a rollback before anybody approves', async () => {
    await open('#!/bin/sh\n', { snapshots: [{ vmids: [103], keep: { hourly: '3h' } }] });
    await world.runs('snapshots');
    await world.vera.says('snapshot list 103');
    await world.vera.reads(
      '1 snapshot, 1 hidden',
      'schedule, hourly',
      'Schedule keeps: hourly 3 h',
      '__replicate_103-0',
    );
    const guest = world.guest(103)!;
    const [made] = guest.snapshots;
    guest.onDisk = [{ name: 'by-zfs', at: made!.snaptime + 60 }];
    await world.alice.says(`snapshot rollback 103 ${made!.name}`);
    await world.alice.reads('was not rolled back', 'Proxmox does not know of: by-zfs on rootfs', 'zfs destroy');
  });
});
