import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { GRANTS } from '../src/contracts/books.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** People's access against those who would have more of it, or keep it: leavers, root in one container, stolen accounts. */
let world: World;
afterEach(() => world?.close());

async function open(options: WorldOptions = {}): Promise<World> {
  world = await openWorld({ ssh: true, ...options, simulator: { speed: 0, ...options.simulator } });
  return world;
}

const inside = (vmid: number, path: string): string => join(world.simulator.files(vmid), path);

const passwd = (vmid: number): string => readFileSync(inside(vmid, 'etc/passwd'), 'utf8');
const wayIn = (): string => [...world.simulator.hands('ovh1').jumpKeys.values()].join('\n');
const book = async (shelf = GRANTS) => (await world.store.bookEntries(shelf)).map(({ value }) => value);

/** Oscar asks, Nina approves. */
async function approved(command: string, card: string): Promise<Awaited<ReturnType<World['request']>>> {
  await world.oscar.says(command);
  await world.nina.clicks('Approve', card);
  const request = await world.becomes('done', command.split(' ').slice(0, 2).join(' '));
  await world.settled();
  return request;
}
const letIn = (vmid = 103, more = '') => approved(`ssh grant person:@alice vmid:${vmid} ${more}`, `CT ${vmid}`);

describe('root of one container who answers in riddles', () => {
  test('holds up no other container: what is in doubt there is named, and the rest is done', async () => {
    await open();
    await letIn(103);
    await letIn(104);
    const riddle = {
      kind: 'in-doubt',
      what: 'w',
      why: 'the file reads differently from what was written',
      next: 'look',
    };
    world.simulator.onShell(
      { node: world.guest(103)!.node, verb: 'ct.keys.set', mode: 'run', times: 3 },
      { kind: 'fail', failure: riddle },
    );
    await world.oscar.says('person remove person:@alice');
    await world.nina.clicks('Approve', 'Take alice out');
    const { left, note } = await world.becomes('in-doubt', 'person remove');
    expect(wayIn()).toBe('');
    expect(passwd(104)).not.toContain('alice-hub');
    expect((await book()).map((grant) => (grant as { vmid: number }).vmid)).toEqual([103]);
    expect(`${note}\n${left.join('\n')}`).toContain('CT 103');
  });
});
