import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { GRANTS, KEPT } from '../src/contracts/books.ts';
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
