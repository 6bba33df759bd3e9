import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Actor } from '../src/contracts/chat.ts';
import type { ChangeCommand } from '../src/contracts/command.ts';
import { Failed } from '../src/contracts/failure.ts';
import type { Person } from '../src/contracts/people.ts';
import type { Plan } from '../src/contracts/plan.ts';
import { OPS, openWorld, PEOPLE, type World } from './world.ts';

/** A proof of the requester's instead of somebody's approval; whether a signature is sound is not asked here. */
let world: World;
beforeEach(async () => {
  world = await openWorld({ simulator: { speed: 0 } });
});
afterEach(() => world.close());

const command = { name: 'person add', action: 'person.add', risk: 'disruptive', version: 1 } as ChangeCommand;
const plan = (person: string): Plan => ({
  command: 'person add',
  version: 1,
  cluster: 'off',
  target: { kind: 'person', id: person, name: person },
  title: `Link ${person} to GitHub`,
  intent: {},
  guards: [],
  observations: [],
  risks: [],
  steps: [],
  reserves: [],
  locks: [],
});
const oscar: Person = { id: 'oscar', name: 'oscar', roles: ['operator', 'viewer'], accounts: {} };
const nina: Person = { ...oscar, id: 'nina', name: 'nina' };
const actor = (id: string): Actor => ({ platform: 'slack', id, name: 'x' });
const as = { oscar: actor(PEOPLE.oscar.slack), nina: actor(PEOPLE.nina.slack) };

async function asks(about: string): Promise<string> {
  const place = { platform: 'slack', channel: OPS } as const;
  const { request } = await world.bot.requests.submit(command, {}, plan(about), {
    person: oscar,
    actor: as.oscar,
    place,
  });
  return request!.id;
}

const proves = (id: string, person = oscar, by = as.oscar) =>
  world.bot.requests.prove(id, person, by).then(
    () => 'counted',
    (error: unknown) => (error instanceof Failed ? error.failure.why : String(error)),
  );
const kinds = async (id: string) => (await world.store.auditOf(id)).map(({ kind }) => kind);

test('the card tells both ways, and the proof alone approves', async () => {
  const id = await asks('oscar');
  await world.nina.reads('Needs: 0 of 1 approval from operator, or the proof of oscar, by a signature');
  expect(await proves(id)).toBe('counted');
  const { votes } = (await world.store.request(id))!;
  expect(votes).toMatchObject([{ person: 'oscar', kind: 'proof', typed: false }]);
  expect(await kinds(id)).toEqual(expect.arrayContaining(['vote', 'approved']));
  expect(await proves(id)).toMatch(/by now|one proof per person/);
});

test('an approval does as well, and then it is too late for a proof', async () => {
  const id = await asks('oscar');
  await world.nina.clicks('Approve');
  await world.slack.waitFor(async () => (await kinds(id)).includes('approved'));
  expect(await proves(id)).toContain('by now');
});

test('nobody proves for somebody else, and nothing is proved about anybody else', async () => {
  const own = await asks('oscar');
  expect(await proves(own, nina, as.nina)).toBe('only who asked can prove it');
  const others = await asks('nina');
  await world.nina.reads('Link nina to GitHub', 'Needs: 0 of 1 approval from operator');
  expect(world.nina.sees().find((text) => text.includes('Link nina'))).not.toContain('the proof of');
  expect(await proves(others)).toContain('something else');
  expect(await proves('00000000')).toBe('there is no request 00000000');
  for (const id of [own, others]) expect((await world.store.request(id))?.votes).toEqual([]);
});

test('after the hour it counts no more', async () => {
  const id = await asks('oscar');
  world.clock.passes(3_600_001);
  expect(await proves(id)).toMatch(/expired/);
  expect((await world.store.request(id))?.votes).toEqual([]);
});
