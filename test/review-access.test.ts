import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { GRANTS, LINKS } from '../src/contracts/books.ts';
import { signingKey } from './platforms/github-signing.ts';
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

describe('a stolen chat account', () => {
  const evil = signingKey();
  const sentenceOf = async (person: string, login: string) => {
    const { id, fingerprint } = await world.request('person add');
    return { id, text: `I am ${person} and the GitHub account ${login} is mine: request ${id}, plan ${fingerprint}` };
  };

  test('does not become another GitHub account by its own proof: who is linked already needs somebody else’s yes', async () => {
    await open();
    world.github.person('evil', evil.line);
    await world.oscar.says('person add person:@nina github:nina-hub');
    await world.alice.clicks('Approve', 'Link nina to nina-hub');
    await world.becomes('done', 'person add');
    await world.nina.says('person add person:@nina github:evil');
    const card = await world.nina.reads('Link nina to evil', 'was nina-hub');
    expect(card).not.toMatch(/the proof of nina|ssh-keygen/);
    const { id, text } = await sentenceOf('nina', 'evil');
    await world.nina.says(`person prove id:${id} signature:"${evil.signs(text)}"`);
    await world.nina.reads('Proved: evil is yours');
    await world.settled();
    expect(await world.request('person add')).toMatchObject({ id, state: 'waiting' });
    expect(await book(LINKS)).toMatchObject([{ person: 'nina', login: 'nina-hub' }]);
  });

  test('proves nothing with what was signed for another request, or for another person', async () => {
    await open();
    world.github.person('evil', evil.line);
    await world.nina.says('person add person:@nina github:evil');
    await world.nina.reads('Link nina to evil');
    const first = await sentenceOf('nina', 'evil');
    await world.nina.clicks('Withdraw', 'Link nina to evil');
    await world.becomes('withdrawn', 'person add');
    await world.nina.says('person add person:@nina github:evil');
    await world.becomes('waiting', 'person add');
    const second = await sentenceOf('nina', 'evil');
    for (const signature of [first.text, second.text.replace('I am nina', 'I am oscar')].map(evil.signs))
      await world.nina.says(`person prove id:${second.id} signature:"${signature}"`);
    await world.nina.says(`person prove id:${first.id} signature:"${evil.signs(first.text)}"`);
    await world.nina.reads('no sound signature');
    await world.nina.reads('the proof does not count', 'withdrawn');
    await world.settled();
    expect((await world.request('person add')).votes).toEqual([]);
    expect(await book(LINKS)).toEqual([]);
  });
});
