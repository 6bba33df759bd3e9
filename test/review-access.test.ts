import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { GRANTS, LINKS } from '../src/contracts/books.ts';
import { ed25519, fingerprint } from './platforms/github-keys.ts';
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
const keysOf = (vmid: number, user = 'alice-hub'): string =>
  readFileSync(inside(vmid, `home/${user}/.ssh/authorized_keys`), 'utf8');
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

describe('a grant', () => {
  test('is of the keys that were approved: changed on GitHub before the run, it asks again and shows the others', async () => {
    await open();
    await world.oscar.says('ssh grant person:@alice vmid:103');
    await world.oscar.reads('Let alice', fingerprint(ed25519('alice')));
    world.github.change('alice-hub', ed25519('alice'), ed25519('swapped'));
    await world.nina.clicks('Approve', 'Let alice');
    await world.becomes('waiting', 'ssh grant');
    await world.oscar.reads('the plan changed', fingerprint(ed25519('swapped')), '0 of 1');
    await world.settled();
    expect(passwd(103)).not.toContain('alice-hub');
    expect(wayIn()).toBe('');
  });

  test('of a login that somebody else registered meanwhile does not run', async () => {
    await open();
    await world.oscar.says('ssh grant person:@alice vmid:103');
    await world.oscar.reads('Let alice');
    world.github.remove('alice-hub');
    world.github.person('alice-hub', ed25519('alice'));
    await world.nina.clicks('Approve', 'Let alice');
    await world.becomes('failed', 'ssh grant');
    await world.oscar.reads('somebody else');
    expect(passwd(103)).not.toContain('alice-hub');
  });

  test('that a crash cut in two has one end everywhere: approval and length, whenever it goes on', async () => {
    await open();
    await world.oscar.says('ssh grant person:@alice vmid:103 expires:2h');
    world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, { kind: 'hang', execute: true });
    await world.nina.clicks('Approve', 'Let alice');
    await world.slack.waitFor(() => passwd(103).includes('alice-hub'), 'the account');
    await world.restart(() => world.clock.passes(1_800_000));
    const { id, approvedAt } = await world.becomes('done', 'ssh grant');
    const end = new Date(approvedAt! + 2 * 3_600_000).toISOString().replaceAll(/[-:TZ]|\.\d{3}/g, '');
    expect(keysOf(103)).toBe(`expiry-time="${end}Z" ${ed25519('alice')} bascule:${id}\n`);
    expect(wayIn()).toContain(`expiry-time="${end}Z"`);
    expect(await book()).toMatchObject([{ until: `${end.slice(0, 8)}T${end.slice(8)}Z` }]);
  });

  test('is not carried on in another container that got the number while the bot was down', async () => {
    await open();
    await world.oscar.says('ssh grant person:@alice vmid:103');
    world.simulator.onShell({ verb: 'ct.user.ensure', mode: 'run' }, { kind: 'hang' });
    await world.nina.clicks('Approve', 'Let alice');
    await world.becomes('running', 'ssh grant');
    await world.slack.waitFor(async () => (await world.store.steps((await world.request()).id)).length > 0, 'the step');
    await world.restart(() => {
      const { config } = world.guest(103)!;
      config['net0'] = String(config['net0']).replace(/hwaddr=[^,]+/, 'hwaddr=BC:24:11:99:99:99');
    });
    const { left } = await world.becomes('in-doubt', 'ssh grant');
    await world.settled();
    expect(left.join('\n')).toContain('it is another container');
    expect(passwd(103)).not.toContain('alice-hub');
    expect([wayIn(), await book()]).toEqual(['', []]);
  });

  test('lasts at least a minute and at most what the house allows', async () => {
    await open();
    for (const expires of ['30s', '0h', '-1h', '1e3h', '9999999d', '91d']) {
      await world.oscar.says(`ssh grant person:@alice vmid:103 expires:${expires}`);
      await world.oscar.reads(expires === '91d' ? 'at most expires:90d' : `${expires}`);
    }
    expect(await world.store.requests({ limit: 5 })).toEqual([]);
  });

  test('makes nobody an account of the system, nor of somebody else', async () => {
    await open();
    const add = (file: string, row: string) =>
      writeFileSync(inside(103, file), `${readFileSync(inside(103, file), 'utf8')}${row}\n`);
    add('etc/passwd', 'deploy:x:998:998::/var/lib/deploy:/bin/sh');
    add('etc/passwd', 'ubuntu:x:1000:1000::/home/ubuntu:/bin/bash');
    world.github.person('root', ed25519('evil'));
    await world.oscar.says('person add person:@nina github:root');
    await world.oscar.reads('root is an account or group of the system');
    for (const name of ['deploy', 'ubuntu']) {
      await world.oscar.says(`person add person:@nina github:nina-hub name:${name}`);
      await world.alice.clicks('Approve', `Link nina to nina-hub`);
      await world.becomes('done', 'person add');
      await world.settled();
      await world.oscar.says('ssh grant person:@nina vmid:103');
      await world.oscar.reads(
        'not',
        name === 'deploy' ? 'an account of the system (uid 998)' : 'an account ubuntu is in CT 103',
      );
    }
    expect((await world.store.requests({ limit: 9 })).map(({ command }) => command)).toEqual([
      'person add',
      'person add',
    ]);
  });
});

describe('an end of access', () => {
  test('that comes first makes a later one longer for nobody', async () => {
    await open();
    await letIn(103);
    await world.oscar.says('ssh extend person:@alice vmid:103 expires:2d');
    await world.oscar.reads('Let alice into ', 'for 2 d');
    await world.nina.says('ssh revoke person:@alice vmid:103');
    await world.nina.clicks('Run it', 'End the access of alice');
    await world.becomes('done', 'ssh revoke');
    await world.nina.clicks('Approve', 'for 2 d');
    await world.becomes('failed', 'ssh extend');
    await world.settled();
    expect([wayIn(), await book(), passwd(103).includes('alice-hub')]).toEqual(['', [], false]);
  });

  test('whose connection is lost for good is not called done, and can be asked for again', async () => {
    await open();
    await letIn(103);
    world.simulator.onShell({ verb: 'ct.keys.set', times: 99 }, { kind: 'drop' });
    await world.oscar.says('ssh revoke person:@alice vmid:103 account:keep');
    await world.oscar.clicks('Run it', 'End the access of alice');
    const { id, state } = await world.slack.waitFor(async () => {
      const one = await world.request('ssh revoke');
      return ['in-doubt', 'failed', 'done'].includes(one.state) ? one : undefined;
    }, 'the end');
    await world.settled();
    expect(state).toBe('in-doubt');
    expect(world.oscar.sees().join('\n')).not.toContain('access has ended');
    expect(await book()).toHaveLength(1);
    await world.oscar.says(`run cancel id:${id}`);
    await world.becomes('failed', 'ssh revoke');
  });

  test('that a crash cuts in two goes on to its end', async () => {
    await open();
    await letIn(103);
    world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, { kind: 'hang' });
    await world.oscar.says('ssh revoke person:@alice vmid:103');
    await world.oscar.clicks('Run it', 'End the access of alice');
    await world.slack.waitFor(() => wayIn() === '', 'the end of the way in');
    await world.restart();
    await world.becomes('done', 'ssh revoke');
    expect([await book(), passwd(103).includes('alice-hub')]).toEqual([[], false]);
  });

  test('of one of two people with the same key leaves the other’s way in, and only that', async () => {
    await open();
    world.github.change('oscar-hub', ed25519('alice'));
    await letIn(103, 'expires:8h');
    await approved('ssh grant person:@oscar vmid:104 expires:2h', 'CT 104').catch(() => undefined);
    expect(wayIn()).toContain('10.1.0.104');
    await world.nina.says('ssh revoke person:@oscar');
    await world.nina.clicks('Run it', 'End the access of oscar');
    await world.becomes('done', 'ssh revoke');
    expect(wayIn()).toContain('10.1.0.103');
    expect(wayIn()).not.toContain('10.1.0.104');
    expect(keysOf(103)).toContain(ed25519('alice'));
  });

  test('that a container stops in the middle of says what stays, and the next one ends it', async () => {
    await open();
    await letIn(103);
    const stops = { kind: 'conflict', what: 'CT 103 was not touched', why: 'it stopped meanwhile', next: 'start it' };
    world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, { kind: 'fail', failure: stops });
    world.simulator.onShell({ verb: 'ct.user.remove', mode: 'run' }, { kind: 'fail', failure: stops });
    await world.oscar.says('ssh revoke person:@alice vmid:103');
    await world.oscar.clicks('Run it', 'End the access of alice');
    await world.becomes('failed', 'ssh revoke');
    await world.oscar.reads('it stopped meanwhile');
    expect(world.oscar.sees().join('\n')).not.toContain('access has ended');
    expect([wayIn(), (await book()).length]).toEqual(['', 1]);
    await world.oscar.says('ssh revoke person:@alice vmid:103');
    await world.oscar.clicks('Run it', 'End the access of alice');
    await world.becomes('done', 'ssh revoke');
    expect([await book(), passwd(103).includes('alice-hub')]).toEqual([[], false]);
  });
});

describe('a schedule', () => {
  test('is nobody whom a person can name, be called or press for', async () => {
    await open();
    for (const who of ['automation:key-drift', 'key-drift', 'bot:key-drift', '<@automation:key-drift>'])
      await world.oscar.says(`person add person:${who} github:nina-hub`);
    await world.oscar.reads('nobody here is called bot:key-drift');
    await letIn(103);
    world.github.change('alice-hub', ed25519('new'));
    await world.runs('key-drift');
    await world.vera.clicks('Apply', 'KEYS CHANGED');
    await world.vera.reads('ssh sync: not allowed');
    await world.oscar.clicks('Revoke everywhere', 'KEYS CHANGED');
    expect((await world.becomes('waiting', 'ssh revoke')).requester).toBe('oscar');
    expect(keysOf(103)).toContain(ed25519('alice'));
  });

  test('changes nothing in read-only mode, neither what waits nor what its owner took away', async () => {
    await open({
      cluster: { house: { ssh: { jump: { node: 'ovh1', host: 'gate.example.org' }, removedKeys: 'apply' } } },
    });
    await letIn(103);
    await letIn(115, 'stopped:wait');
    Object.assign(world.config, { readonly: true });
    world.guest(115)!.running = true;
    world.github.change('alice-hub', ed25519('new'));
    for (const automation of ['queued-grants', 'key-drift', 'access-reconcile']) await world.runs(automation);
    expect(passwd(115)).not.toContain('alice-hub');
    expect(keysOf(103)).toContain(ed25519('alice'));
    await world.alice.reads('Waits still', 'read-only');
  });
});

describe('somebody who was let in before the config listed them', () => {
  test('is the same person afterwards: found, compared with GitHub, and taken out with all they had', async () => {
    await open();
    await approved('person add person:<@U0MALLORY|alice> github:mallory-hub', 'Link slack:U0MALLORY');
    await approved('ssh grant person:<@U0MALLORY> vmid:103', 'CT 103');
    await approved('ssh grant person:slack:U0MALLORY vmid:115 stopped:wait', 'CT 115');
    Object.assign(world.config.people, { mallory: { slack: 'U0MALLORY', roles: [] } });
    await world.restart();
    await world.oscar.says('person add person:@mallory github:mallory-hub');
    await world.oscar.reads('they are linked so already');
    await world.oscar.says('person add person:@nina github:mallory-hub');
    await world.oscar.reads('mallory-hub is linked to mallory already');
    world.github.change('mallory-hub', ed25519('mallory'), ed25519('new'));
    await world.runs('key-drift');
    await world.oscar.clicks('Apply', 'KEYS CHANGED');
    await world.nina.clicks('Approve', 'Apply the keys of mallory');
    await world.becomes('done', 'ssh sync');
    expect(keysOf(103, 'mallory-hub')).toContain(ed25519('new'));
    world.guest(115)!.running = true;
    await world.runs('queued-grants');
    expect(keysOf(115, 'mallory-hub')).toContain(ed25519('mallory'));
    await approved('person remove person:@mallory', 'Take mallory out: 2 grants and the GitHub link');
    expect([wayIn(), await book(), await book(LINKS)]).toEqual(['', [], []]);
  });
});
