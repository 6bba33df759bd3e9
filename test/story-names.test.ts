import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Name, OPS, openWorld, PEOPLE, type World } from './world.ts';

/** Paths and versions while they are typed, from the files behind the simulated nodes. */
let world: World;
beforeAll(async () => {
  world = await openWorld({ ssh: true, simulator: { speed: 0 } });
});
afterAll(() => world.close());

function completes(who: Name, option: string, typed: string, options: Readonly<Record<string, string>>) {
  const actor = { platform: 'slack', id: PEOPLE[who].slack, name: who } as const;
  const place = { platform: 'slack', channel: OPS } as const;
  return world.bot.desk.complete({ actor, place, command: 'file restore', option, typed, options, limit: 10 });
}
const values = async (...query: Parameters<typeof completes>) => (await completes(...query)).map(({ value }) => value);
const looks = (verb: string) => world.simulator.sshCalls.filter(({ request }) => request?.verb === verb).length;

test('a path grows folder by folder, and typing on in one folder asks the node once', async () => {
  expect(await values('oscar', 'path', '', { vmid: '103' })).toContain('/etc/');
  expect(await values('oscar', 'path', '/e', { vmid: '103' })).toEqual(['/etc/']);
  expect(await values('oscar', 'path', '/etc/ng', { vmid: '103' })).toEqual(['/etc/nginx/']);
  const before = looks('file.show');
  expect(await values('oscar', 'path', '/etc/ngi', { vmid: '103' })).toEqual(['/etc/nginx/']);
  expect(looks('file.show')).toBe(before);
  expect(await values('oscar', 'path', '/etc/nginx/', { vmid: '103' })).toContain('/etc/nginx/nginx.conf');
});

test('versions of the file are offered with their times, without the one that is there now', async () => {
  const found = await completes('oscar', 'from', '', { vmid: '103', path: '/etc/nginx/nginx.conf' });
  expect(found.length).toBeGreaterThan(0);
  expect(found.map(({ value }) => value)).not.toContain('live');
  for (const { label, value } of found)
    expect(label).toMatch(new RegExp(`^${value} \\(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d `));
});

test('nothing for who may not look, without a container, of a VM, of a folder that is not there, of a node that is off', async () => {
  expect(await values('mallory', 'path', '/', { vmid: '103' })).toEqual([]);
  // What a folder holds is its contents, which viewers may not see; which versions a file has they may.
  expect(await values('vera', 'path', '/etc/', { vmid: '103' })).toEqual([]);
  expect((await values('vera', 'from', '', { vmid: '103', path: '/etc/nginx/nginx.conf' })).length).toBeGreaterThan(0);
  expect(await values('mallory', 'from', '', { vmid: '103', path: '/etc/nginx/nginx.conf' })).toEqual([]);
  expect(await values('oscar', 'path', '/', {})).toEqual([]);
  expect(await values('oscar', 'path', '/', { vmid: '200' })).toEqual([]);
  expect(await values('oscar', 'path', '/nowhere/', { vmid: '103' })).toEqual([]);
  expect(await values('oscar', 'from', '', { vmid: '103', path: 'relative' })).toEqual([]);
  await world.simulator.unplug('ovh2');
  world.clock.passes(10_000);
  expect(await values('oscar', 'path', '/etc/', { vmid: '103' })).toEqual([]);
});
