import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { GRANTS, KEPT, QUEUE } from '../src/contracts/books.ts';
import { ed25519, fingerprint } from './platforms/github-keys.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Keys that change on GitHub, against accounts that somebody made by hand in CT 103 and 110. */
let world: World;
afterEach(() => world?.close());

const [MINE, NEW, OTHER] = [ed25519('alice'), ed25519('alice-new'), ed25519('olga')];

async function open(options: WorldOptions = {}, removedKeys: 'ask' | 'apply' = 'ask'): Promise<World> {
  world = await openWorld({
    ssh: true,
    ...options,
    simulator: { speed: 0, ...options.simulator },
    cluster: { house: { ssh: { jump: { node: 'ovh1', host: 'gate.example.org' }, removedKeys } }, ...options.cluster },
  });
  return world;
}

const inside = (vmid: number, path: string): string => join(world.simulator.files(vmid), path);
const keysOf = (vmid: number, user = 'alice'): string =>
  readFileSync(inside(vmid, `home/${user}/.ssh/authorized_keys`), 'utf8');

/** An account as mkuser made it. */
function byHand(vmid: number, user: string, lines: readonly string[], uid = 1000): void {
  const add = (file: string, row: string) =>
    writeFileSync(inside(vmid, file), `${readFileSync(inside(vmid, file), 'utf8')}${row}\n`);
  add('etc/passwd', `${user}:x:${uid}:${uid}:${user}:/home/${user}:/bin/bash`);
  add('etc/shadow', `${user}:*:20000:0:99999:7:::`);
  add('etc/group', `${user}:x:${uid}:`);
  mkdirSync(inside(vmid, `home/${user}/.ssh`), { recursive: true, mode: 0o700 });
  writeFileSync(inside(vmid, `home/${user}/.ssh/authorized_keys`), lines.map((line) => `${line}\n`).join(''));
}

async function adopted(vmid: number): Promise<void> {
  await world.oscar.says(`ssh adopt vmid:${vmid}`);
  await world.nina.clicks('Approve', `Take over alice in CT ${vmid}`);
  await world.becomes('done', 'ssh adopt');
  await world.settled();
}

const grants = async () =>
  (await world.store.bookEntries(GRANTS)).map(({ value }) => value as { fingerprints: string[]; id: string });

test('accounts made by hand are taken over by their keys, and every other line stays byte for byte', async () => {
  await open();
  byHand(103, 'alice', [`${MINE} alice@laptop`, `from="10.0.0.0/8" ${MINE} office`, `${OTHER} olga@home`]);
  byHand(103, 'olga', [OTHER], 1001);
  const olga = keysOf(103, 'olga');
  await world.oscar.says('ssh adopt vmid:103');
  await world.oscar.reads(
    'Take over alice in CT 103',
    fingerprint(MINE),
    'olga@home',
    'on GitHub with nobody we know',
    'has options',
  );
  await world.nina.clicks('Approve');
  const { id } = await world.becomes('done', 'ssh adopt');
  expect(keysOf(103)).toBe(
    `${MINE} bascule:${id} alice@laptop\nfrom="10.0.0.0/8" ${MINE} office\n${OTHER} olga@home\n`,
  );
  expect(keysOf(103, 'olga')).toBe(olga);
  expect(await grants()).toMatchObject([
    { id, adopted: true, person: 'alice', user: 'alice', fingerprints: [fingerprint(MINE)] },
  ]);
});

test('a changed key opens one card; a stranger’s click does nothing, Keep silences it until GitHub changes again', async () => {
  await open();
  byHand(103, 'alice', [MINE]);
  await adopted(103);
  await world.runs('key-drift');
  expect(world.alice.sees().join('\n')).not.toContain('KEYS');
  world.github.change('alice-hub', NEW);
  await world.runs('key-drift');
  await world.runs('key-drift');
  const card = await world.alice.reads('KEYS CHANGED @alice (github alice-hub)');
  expect(card).toContain(`+ ${fingerprint(NEW)} ed25519`);
  expect(card).toContain(`− ${fingerprint(MINE)} ed25519`);
  expect(card).toContain('On: 103 (alice)');
  expect(card).toContain('Nothing changed yet. Ask');
  expect(world.alice.sees().filter((text) => text.includes('KEYS CHANGED'))).toHaveLength(1);
  const before = keysOf(103);
  await world.mallory.clicks('Apply', 'KEYS CHANGED');
  await world.settled();
  expect((await world.request()).command).toBe('ssh adopt');
  await world.alice.clicks('Keep', 'KEYS CHANGED');
  await world.alice.clicks('Run it', 'Keep the granted keys');
  await world.becomes('done', 'ssh keep');
  await world.runs('key-drift');
  await world.alice.reads('KEYS SETTLED @alice', 'alice decided so');
  expect(keysOf(103)).toBe(before);
  expect(await world.store.bookEntry(KEPT, 'alice')).toBeDefined();
  await world.runs('key-drift');
  world.github.change('alice-hub', NEW, OTHER);
  await world.runs('key-drift');
  await world.alice.reads('KEYS CHANGED', `+ ${fingerprint(OTHER)}`);
  world.github.change('alice-hub', MINE);
  await world.runs('key-drift');
  await world.alice.reads('KEYS SETTLED', 'GitHub shows the granted keys again');
});

test('Apply writes GitHub’s keys after approval, in every container, and foreign lines stay', async () => {
  await open();
  byHand(103, 'alice', [MINE, `${OTHER} olga@home`]);
  await adopted(103);
  byHand(104, 'alice', [MINE]);
  await adopted(104);
  world.github.change('alice-hub', NEW);
  await world.runs('key-drift');
  await world.oscar.clicks('Apply', 'KEYS CHANGED');
  await world.oscar.reads('Apply the keys of', fingerprint(NEW), 'do not expire in 103, 104');
  await world.nina.clicks('Approve', 'Apply the keys of');
  await world.becomes('done', 'ssh sync');
  const [one, two] = (await grants()).map(({ id }) => id);
  expect(keysOf(103)).toBe(`${OTHER} olga@home\n${NEW} bascule:${one}\n`);
  expect(keysOf(104)).toBe(`${NEW} bascule:${two}\n`);
  expect((await grants()).map(({ fingerprints }) => fingerprints)).toEqual([[fingerprint(NEW)], [fingerprint(NEW)]]);
  await world.runs('key-drift');
  await world.alice.reads('KEYS SETTLED', 'the granted keys are those on GitHub now');
});

test('a key taken away ends by itself where the house rule says so: once, as the automation, and nothing is added', async () => {
  await open({}, 'apply');
  byHand(103, 'alice', [MINE, `${OTHER} olga@home`]);
  world.github.change('alice-hub', MINE, OTHER);
  await adopted(103);
  world.github.change('alice-hub', OTHER, NEW);
  await world.runs('key-drift');
  const done = await world.becomes('done', 'ssh sync');
  expect(done).toMatchObject({ requester: 'automation:key-drift', options: { person: 'alice', only: 'removals' } });
  const [grant] = await grants();
  expect(keysOf(103)).toBe(`${OTHER} bascule:${grant!.id}\n`);
  await world.runs('key-drift');
  await world.runs('key-drift');
  expect((await world.store.requests({ limit: 50 })).filter(({ command }) => command === 'ssh sync')).toHaveLength(1);
  const card = await world.alice.reads('KEYS CHANGED', `+ ${fingerprint(NEW)}`, `request ${done.id}`);
  expect(card).not.toContain('−');
  const audit = await world.store.auditOf(done.id);
  expect(audit.find(({ kind }) => kind === 'request')?.who).toBe('automation:key-drift');
});

test('nothing is concluded while GitHub is down, and a login that is somebody else’s now is an alarm', async () => {
  await open({}, 'apply');
  byHand(103, 'alice', [MINE]);
  await adopted(103);
  const before = keysOf(103);
  world.github.change('alice-hub');
  world.github.down.add('api').add('web');
  await world.runs('key-drift');
  expect(world.alice.sees().join('\n')).not.toContain('KEYS');
  world.github.down.clear();
  world.github.remove('alice-hub');
  world.github.person('alice-hub', NEW);
  await world.runs('key-drift');
  const card = await world.alice.reads('NOT THEIR ACCOUNT ANY MORE? @alice');
  expect(card).toContain('somebody else');
  expect(keysOf(103)).toBe(before);
  expect((await world.store.requests({ limit: 50 })).map(({ command }) => command)).toEqual(['ssh adopt']);
});

test('every night: a line somebody slipped in under our mark is told once, foreign ones too, and none is touched', async () => {
  await open();
  byHand(103, 'alice', [MINE, `${OTHER} olga@home`]);
  await adopted(103);
  await world.runs('access-reconcile');
  await world.alice.reads('ACCESS off: 1 new finding', "(olga@home) is not the bot's");
  const [grant] = await grants();
  const slipped = `${keysOf(103)}${NEW} bascule:${grant!.id}\n`;
  writeFileSync(inside(103, 'home/alice/.ssh/authorized_keys'), slipped);
  await world.runs('access-reconcile');
  await world.alice.reads('Not as granted', `${fingerprint(NEW)} ed25519 was not granted`, '1 known one');
  const told = world.alice.sees().filter((text) => text.includes('ACCESS off')).length;
  await world.runs('access-reconcile');
  expect(world.alice.sees().filter((text) => text.includes('ACCESS off'))).toHaveLength(told);
  expect(keysOf(103)).toBe(slipped);
});

const HOUR = 3_600_000;
const jump = () => world.simulator.hands('ovh1').jumpKeys.get('bascule-jump') ?? '';
const runs = (vmid: number, running: boolean) => {
  world.guest(vmid)!.running = running;
};

async function granted(vmid: number, more = ''): Promise<void> {
  await world.oscar.says(`ssh grant person:@alice vmid:${vmid} ${more}`);
  await world.nina.clicks('Approve', `CT ${vmid}`);
  await world.becomes('done', 'ssh grant');
  await world.settled();
}

test('a lease keeps its end when its keys change, inside and on the jump node; when it is over the night clears it', async () => {
  await open();
  await granted(103, 'expires:8h');
  const lease = /expiry-time="\d+Z"/.exec(keysOf(103, 'alice-hub'))![0];
  world.clock.passes(HOUR);
  world.github.change('alice-hub', MINE, NEW);
  await world.runs('key-drift');
  await world.alice.reads('KEYS CHANGED', `+ ${fingerprint(NEW)}`, 'On: 103, jump ovh1');
  await world.oscar.clicks('Apply', 'KEYS CHANGED');
  await world.nina.clicks('Approve', 'Apply the keys of');
  await world.becomes('done', 'ssh sync');
  const [grant] = await grants();
  expect(keysOf(103, 'alice-hub')).toBe(
    `${lease} ${MINE} bascule:${grant!.id}\n${lease} ${NEW} bascule:${grant!.id}\n`,
  );
  expect(
    jump()
      .split('\n')
      .filter((line) => line.includes(NEW) && line.includes(lease)),
  ).toHaveLength(1);
  await world.runs('access-reconcile');
  expect(world.alice.sees().join('\n')).not.toContain('ACCESS');
  world.clock.passes(8 * HOUR);
  await world.runs('access-reconcile');
  const revoked = await world.becomes('done', 'ssh revoke');
  expect(revoked.requester).toBe('automation:access-reconcile');
  expect([keysOf(103, 'alice-hub'), jump(), await grants()]).toEqual(['', '', []]);
  expect(world.alice.sees().join('\n')).not.toContain('ACCESS');
});

test('of a stopped container the way in closes at once, and its keys go when it runs again', async () => {
  await open({}, 'apply');
  await granted(103, 'expires:8h');
  const before = keysOf(103, 'alice-hub');
  runs(103, false);
  world.github.change('alice-hub');
  await world.runs('key-drift');
  await world.becomes('done', 'ssh sync');
  expect([jump(), keysOf(103, 'alice-hub')]).toEqual(['', before]);
  await world.alice.reads('KEYS CHANGED', `− ${fingerprint(MINE)}`);
  runs(103, true);
  await world.runs('key-drift');
  await world.becomes('done', 'ssh sync');
  expect(keysOf(103, 'alice-hub')).toBe('');
  expect(await grants()).toMatchObject([{ fingerprints: [] }]);
  await world.runs('key-drift');
  await world.alice.reads('KEYS SETTLED');
});

test('its budget holds a schedule back, and the card says so', async () => {
  await open({ config: { automations: { 'key-drift': { budget: 1 } } } }, 'apply');
  await granted(103);
  await world.oscar.says('ssh grant person:@oscar vmid:104');
  await world.nina.clicks('Approve', 'CT 104');
  await world.becomes('done', 'ssh grant');
  world.github.change('alice-hub');
  world.github.change('oscar-hub');
  await world.runs('key-drift');
  await world.alice.reads('KEYS CHANGED @oscar', 'Not taken away by itself: its budget for today is used up');
  const made = (await world.store.requests({ limit: 50 })).filter(({ command }) => command === 'ssh sync');
  expect(made.map(({ options }) => options['person'])).toEqual(['alice']);
  expect(keysOf(104, 'oscar-hub')).toContain('bascule:');
});

test('what waits for a container is carried out once it runs, and dropped when its lease is over first', async () => {
  await open();
  await granted(115, 'expires:8h stopped:wait');
  await world.runs('queued-grants');
  expect(await world.store.bookEntries(QUEUE)).toHaveLength(1);
  runs(115, true);
  await world.runs('queued-grants');
  await world.becomes('done', 'ssh grant');
  expect((await world.request()).requester).toBe('automation:queued-grants');
  expect(keysOf(115, 'alice-hub')).toContain(MINE);
  expect([(await world.store.bookEntries(QUEUE)).length, (await grants()).length]).toEqual([0, 1]);
  await world.runs('queued-grants');
  runs(103, false);
  await granted(103, 'expires:2h stopped:wait');
  world.clock.passes(3 * HOUR);
  await world.runs('queued-grants');
  await world.alice.reads('Not carried out: access of alice in CT 103', 'its lease ended before');
  expect(await world.store.bookEntries(QUEUE)).toHaveLength(0);
});

test('an end of access that waits for a container happens once it runs', async () => {
  await open();
  await granted(103);
  runs(103, false);
  await world.oscar.says('ssh revoke person:@alice vmid:103');
  await world.oscar.clicks('Run it', 'End the access of');
  await world.becomes('done', 'ssh revoke');
  expect(jump()).toBe('');
  runs(103, true);
  await world.runs('queued-grants');
  expect((await world.becomes('done', 'ssh revoke')).requester).toBe('automation:queued-grants');
  expect([(await world.store.bookEntries(QUEUE)).length, (await grants()).length]).toEqual([0, 0]);
});

const REFUSED = {
  kind: 'fail',
  failure: { kind: 'refused', what: 'not changed', why: 'the disk is full', next: 'make room' },
} as const;

test('a container that fails holds up no other, and the book tells only what happened', async () => {
  await open({}, 'apply');
  await granted(103);
  await granted(104);
  const node = world.guest(103)!.node;
  world.simulator.onShell({ node, verb: 'ct.keys.set', mode: 'run' }, REFUSED);
  const before = keysOf(103, 'alice-hub');
  world.github.change('alice-hub');
  await world.runs('key-drift');
  const failed = await world.becomes('failed', 'ssh sync');
  expect(failed.note).toContain('the disk is full');
  expect(failed.note).toContain('not tried, since keys 103 alice-hub did not work');
  expect([keysOf(103, 'alice-hub'), keysOf(104, 'alice-hub'), jump()]).toEqual([before, '', '']);
  expect((await grants()).map(({ fingerprints }) => fingerprints.length)).toEqual([1, 0]);
  world.simulator.onShell({ node, verb: 'ct.keys.set', mode: 'run' }, REFUSED);
  await world.runs('key-drift');
  await world.runs('key-drift');
  const again = await world.becomes('failed', 'ssh sync');
  await world.alice.reads('KEYS CHANGED', 'On: 103, jump ovh1', `did not work everywhere (request ${again.id}`);
  world.clock.passes(7 * HOUR);
  await world.runs('key-drift');
  await world.becomes('done', 'ssh sync');
  expect(keysOf(103, 'alice-hub')).toBe('');
});

test('taking over that fails half way leaves every line as it was', async () => {
  await open();
  byHand(103, 'alice', [`${MINE} alice@laptop`]);
  byHand(103, 'oscar', [ed25519('oscar')], 1001);
  const before = [keysOf(103), keysOf(103, 'oscar')];
  await world.oscar.says('ssh adopt vmid:103');
  await world.oscar.reads('Take over alice, oscar in CT 103');
  // Alice's keys are marked, though nobody hears of it; Oscar's are not.
  world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, { kind: 'lose-answer' });
  world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, REFUSED);
  await world.nina.clicks('Approve');
  await world.becomes('failed', 'ssh adopt');
  await world.alice.reads('adopt oscar failed: the disk is full', 'Taking the mark off the keys of alice');
  expect(await grants()).toEqual([]);
  expect([keysOf(103), keysOf(103, 'oscar')]).toEqual(before);
  await world.oscar.says('ssh adopt vmid:103 person:@alice');
  await world.nina.clicks('Approve', 'Take over alice in');
  await world.becomes('done', 'ssh adopt');
  world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, REFUSED);
  await world.oscar.says('ssh extend person:@alice vmid:103 expires:8h');
  await world.nina.clicks('Approve', 'Let alice into CT 103');
  await world.becomes('failed', 'ssh extend');
  expect(keysOf(103)).toContain('alice@laptop');
  await world.oscar.says('ssh extend person:@alice vmid:103 expires:8h');
  await world.nina.clicks('Approve', 'Let alice into CT 103');
  await world.becomes('done', 'ssh extend');
  expect(keysOf(103)).toMatch(/^expiry-time="\d{14}Z" ssh-ed25519 \S+ bascule:\w+\n$/);
  expect(await grants()).toMatchObject([{ adopted: true, until: expect.any(String) }]);
});
