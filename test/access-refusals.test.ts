import { describe, expect, test } from 'vitest';
import { linuxName } from '../handlers/parts/grants.ts';
import { Failed, fail } from '../src/contracts/failure.ts';
import { type Around, answerOf, house, refusalOf } from './views/ask.ts';
import {
  access,
  accessGranted,
  around,
  type FakeAccess,
  grantEntry,
  granted,
  key,
  keyOf,
  linkEntry,
  queueEntry,
  seen,
  user,
} from './views/fake-access.ts';
import { type FakeWorld, fourNodes } from './views/fake-view.ts';

/** What is refused of people's access, and in which words: what failed, why, what to try. */
type Row = readonly [
  title: string,
  command: string,
  options: Readonly<Record<string, string>>,
  arrange: (there: FakeAccess, world: FakeWorld) => void,
  kind: string,
  why: RegExp,
  next: RegExp,
  more?: Around,
];

const nothing = () => {};
const ct103 = (change: object) => (_there: FakeAccess, world: FakeWorld) => {
  world.guests[0] = { ...world.guests[0]!, ...change };
};
const down = (name: string) => (_there: FakeAccess, world: FakeWorld) => {
  world.nodes = world.nodes.map((node) => (node.name === name ? { ...node, online: false } : node));
};
const users =
  (...all: Parameters<typeof user>[]) =>
  (there: FakeAccess) => {
    there.users[103] = all.map(([name, more]) => user(name, more));
  };
const github = (kind: Parameters<typeof fail>[0], why: string): Around => ({
  github: { keys: async () => fail(kind, { what: 'no keys', why, next: 'as GitHub says' }) },
});
const nodes = (failure: Parameters<typeof fail>): Around => ({
  nodes: { ...around(access()).nodes!, users: async () => fail(...failure) },
});
const ssh = (change: object): Around => ({ house: { ...house, ssh: { ...house.ssh, ...change } } });
const ask = { person: '@alice', vmid: '103' };
const bob = { person: '@bob', github: 'bob-hub' };

// biome-ignore format: this is a table
const table: readonly Row[] = [
  ['nobody of that name', 'ssh grant', { ...ask, person: '@zoe' }, nothing, 'not-found', /nobody here is called @zoe/, /whoami/],
  ['nobody linked', 'ssh grant', { ...ask, person: '@bob' }, nothing, 'not-found', /Bob has no GitHub login/, /person add person:bob/],
  ['an unknown login', 'ssh grant', ask, nothing, 'not-found', /no such login/, /as GitHub says/, github('not-found', 'there is no such login')],
  ['a login without keys', 'ssh grant', ask, nothing, 'not-found', /has no SSH keys/, /as GitHub says/, github('not-found', 'Alice-Hub has no SSH keys on GitHub')],
  ['GitHub down and nothing stored', 'ssh grant', ask, (there) => (there.github = {}), 'unavailable', /GitHub is down/, /try again/],
  ['a login that changed hands', 'ssh grant', ask, (there) => (there.books = [linkEntry('alice', 'alice-hub', 6)]), 'conflict', /account 7 now, but Alice was linked to account 6/, /outside chat/],
  ['a login that is no Linux name', 'ssh grant', ask, (there) => { there.people[0]!.github = '4lice'; there.github['4lice'] = seen('4lice', 7, ['alice']) }, 'bad-input', /begins with a letter/, /name:/],
  ['a container that is not there', 'ssh grant', { ...ask, vmid: '999' }, nothing, 'not-found', /no such guest/, /./],
  ['a VM', 'ssh grant', { ...ask, vmid: '200' }, nothing, 'not-found', /./, /./],
  ['a stopped container', 'ssh grant', ask, ct103({ status: 'stopped' }), 'conflict', /is stopped, and accounts live inside/, /stopped:wait/],
  ['a paused container, also when one would wait', 'ssh grant', { ...ask, stopped: 'wait' }, ct103({ status: 'paused' }), 'conflict', /is paused/, /start it/],
  ['a locked container', 'ssh grant', ask, ct103({ lock: 'backup' }), 'conflict', /locked \(backup\)/, /backup is over/],
  ['a container without network', 'ssh grant', ask, ct103({ mac: undefined }), 'conflict', /no network card net0/, /give it one/],
  ['a node that is down', 'ssh grant', ask, down('ovh1'), 'unavailable', /ovh1 is offline/, /./],
  ['a node without SSH access', 'ssh grant', { ...ask, vmid: '117' }, (there) => (there.nodes = ['ovh1']), 'unavailable', /ovh2 has no SSH access/, /set it up/],
  ['a jump node without SSH access', 'ssh grant', { ...ask, vmid: '117' }, (there) => (there.nodes = ['ovh2']), 'unavailable', /way in goes through ovh1/, /house\.ssh\.jump/],
  ['an account of somebody else', 'ssh grant', ask, users(['alice-hub', { ours: false, keys: [key('alice')] }]), 'conflict', /Bascule did not make it \(1 key line\)/, /ssh adopt/],
  ['an account granted to another person', 'ssh grant', ask, (there) => { users(['alice-hub'])(there); there.books = [grantEntry(granted({ person: 'carol' }))] }, 'conflict', /was granted to carol/, /ssh revoke person:carol/],
  ['an account that has expired', 'ssh grant', ask, users(['alice-hub', { expired: true }]), 'conflict', /has expired/, /usermod --expiredate/],
  ['a lease longer than the house allows', 'ssh grant', { ...ask, expires: '31d' }, nothing, 'bad-input', /longer than the house rules/, /expires:30d/],
  ['sudo where the house has none', 'ssh grant', { ...ask, sudo: 'yes' }, nothing, 'forbidden', /allow no sudo/, /without sudo/, ssh({ sudo: false })],
  ['sudo that the node refuses', 'ssh grant', { ...ask, sudo: 'yes' }, (there) => (there.refuses['ct.user.ensure'] = 'this node does not allow sudo for people'), 'forbidden', /does not allow sudo/, /./],
  ['a jump account the node does not know', 'ssh grant', ask, (there) => (there.refuses['jump.keys.set'] = 'this node has no jump account'), 'forbidden', /no jump account/, /./],
  ['a changed host key', 'ssh grant', ask, nothing, 'refused', /host key of ovh1 changed/, /compare/, nodes(['refused', { what: 'ovh1 was not asked', why: 'the host key of ovh1 changed', next: 'compare it' }])],
  ['a helper that is missing', 'ssh grant', ask, nothing, 'unavailable', /bascule-node is not installed/, /setup node/, nodes(['unavailable', { what: 'ovh1 was not asked', why: 'bascule-node is not installed', next: 'bascule setup node' }])],
  ['a connection that was lost', 'ssh grant', ask, (there) => delete there.users[103], 'unavailable', /connection was lost/, /try again/],
  ['somebody who was granted nothing', 'ssh revoke', { person: '@bob' }, nothing, 'not-found', /Bob was granted nothing on off/, /whoami/],
  ['nobody of that name to revoke', 'ssh revoke', { person: '@zoe', vmid: '103' }, nothing, 'not-found', /zoe was granted nothing in CT 103/, /ssh who/],
  ['removing an account that somebody else made', 'ssh revoke', { ...ask, account: 'remove' }, (there) => { Object.assign(there, accessGranted()); users(['alice-hub', { ours: false }])(there) }, 'conflict', /made by somebody else/, /account:keep/],
  ['extending without an end', 'ssh extend', { ...ask, expires: '0h' }, nothing, 'bad-input', /./, /./],
  ['linking an unknown login', 'person add', bob, nothing, 'not-found', /no such login/, /as GitHub says/, github('not-found', 'there is no such login')],
  ['linking an organization', 'person add', bob, nothing, 'bad-input', /an organization/, /as GitHub says/, github('bad-input', 'bob-hub is not a person on GitHub but an organization')],
  ['linking while GitHub is down', 'person add', bob, (there) => (there.github['bob-hub'] = seen('bob-hub', 8, ['bob'], { fresh: false, stale: 'GitHub does not answer' })), 'unavailable', /must be sure.*does not answer/, /when GitHub answers/],
  ['a login of somebody else', 'person add', { ...bob, github: 'CAROL-hub' }, nothing, 'conflict', /linked to Carol already/, /ask both/],
  ['an account of somebody else, renamed', 'person add', bob, (there) => (there.books = [linkEntry('dave', 'old-name', 8)]), 'conflict', /linked to dave already/, /ask both/],
  ['a Linux name of somebody else', 'person add', { ...bob, name: 'carol-hub' }, nothing, 'conflict', /accounts of Carol are called carol-hub/, /name:/],
  ['a link of the config', 'person add', { person: '@alice', github: 'bob-hub' }, nothing, 'conflict', /the config links Alice to Alice-Hub/, /admin/],
  ['a link that is there', 'person add', bob, (there) => { there.people[1]!.github = 'bob-hub'; there.books = [linkEntry('bob', 'bob-hub', 8)] }, 'conflict', /linked so already/, /ssh keys/],
  ['removing somebody who has nothing', 'person remove', { person: '@bob' }, nothing, 'not-found', /neither access nor a link/, /person list/],
];

describe('refusals', () => {
  for (const [title, command, options, arrange, kind, why, next, more] of table)
    test(`${title}: ${command}`, async () => {
      const there = access();
      const world = fourNodes();
      arrange(there, world);
      const failure = await refusalOf(command, options, world, around(there, more)).catch((error: unknown) => {
        // What an option refuses never reaches the plan.
        if (error instanceof Error && kind === 'bad-input' && command === 'ssh extend')
          return { kind, what: 'x', why: error.message, next: error.message };
        throw error;
      });
      expect(failure.kind).toBe(kind);
      expect(failure.why).toMatch(why);
      expect(failure.next).toMatch(next);
      expect(failure.what).not.toBe('');
    });
});

describe('names of Linux accounts', () => {
  const why = (login: string, alias?: string) => {
    try {
      return linuxName(login, alias);
    } catch (error) {
      if (error instanceof Failed) return error.failure.why;
      throw error;
    }
  };

  test('are the login in lower case, or what was chosen', () => {
    expect(why('Alice-Hub')).toBe('alice-hub');
    expect(why('4lice', 'alice')).toBe('alice');
    expect(why('a'.repeat(32))).toBe('a'.repeat(32));
  });

  test('are never one of the system, too long, without a letter, or what Linux does not take', () => {
    for (const name of ['root', 'Daemon', 'sudo', 'docker', 'www-data', 'systemd-network', '_apt'])
      expect(why(name), name).toMatch(/account or group of the system/);
    for (const name of ['-alice', '4lice', 'a'.repeat(33), '__', 'al.ice', 'ali ce', 'älice', '', "a'b", 'a\nb'])
      expect(why('any', name), name).not.toBe(name);
  });
});

describe('ssh who', () => {
  const who = async (there: FakeAccess, world = fourNodes()) => {
    const card = await answerOf('ssh who', { vmid: '103' }, world, around(there));
    return { ...card, text: [card.title, ...(card.lines ?? []), ...(card.code ?? [])].join('\n') };
  };

  test('tells an account as it was granted, without a mark', async () => {
    const { tone, text } = await who(accessGranted());
    expect(tone).toBe('plain');
    expect(text).toContain(
      'alice-hub: Alice (github Alice-Hub)\n  since Sun 2026-11-15 11:02 CET, until Sun 2026-11-15 19:02 CET',
    );
    expect(text).toContain(`  ${keyOf('alice').fingerprint} ed25519`);
    expect(text).not.toContain('!');
  });

  test('marks everything that is not as it was granted', async () => {
    const there = accessGranted({ identity: 'BC:24:11:FF:FF:FF', until: '20261115T120000Z' });
    there.books.push(queueEntry('revoke', granted()), grantEntry(granted({ user: 'ghost' })));
    there.users[103] = [
      user('alice-hub', {
        locked: false,
        expired: true,
        troubles: ['/home/alice-hub/.ssh/authorized_keys2: Permission denied'],
        keys: [key('alice', 'bascule:r-1', '20261116T120000Z'), key('stranger'), key('old', 'bascule:r-0')],
      }),
      user('root', { uid: 0, home: '/root', ours: false, sudo: true, keys: [key('admin')] }),
      user('nobody-here', { ours: false }),
    ];
    const { tone, text } = await who(there);
    expect(tone).toBe('warning');
    for (const mark of [
      '! since Sun 2026-11-15 11:02 CET, ENDED Sun 2026-11-15 13:00 CET',
      '! granted for another guest that had this number',
      '! its end is approved and waits',
      '! the account has expired',
      '! it has a password',
      'Permission denied',
      `! ${keyOf('alice').fingerprint} ed25519: until Mon 2026-11-16 13:00 CET, which is not what was granted`,
      `! ${keyOf('stranger').fingerprint} ed25519 (stranger@laptop): not ours, no end`,
      `! ${keyOf('old').fingerprint} ed25519: ours (bascule:r-0), but granted to nobody; no end`,
      `! ${keyOf('admin').fingerprint} ed25519 (admin@laptop): not ours, no end`,
      'ghost: Alice',
      '! the account is not there: somebody removed it',
    ])
      expect(text).toContain(mark);
    expect(text).not.toContain('nobody-here');
  });

  test('without node access, or stopped, tells what the book says and what is missing', async () => {
    const there = accessGranted();
    there.nodes = [];
    expect((await who(there)).text).toMatch(
      /by our own book, 1 account[\s\S]*not known: ovh1 has no SSH access[\s\S]*alice-hub: Alice/,
    );
    const world = fourNodes();
    world.guests[0] = { ...world.guests[0]!, status: 'stopped' };
    expect((await who(accessGranted(), world)).text).toContain('it is stopped');
    world.guests[0] = { ...world.guests[0]!, status: 'unknown' };
    expect((await who(accessGranted(), world)).text).toContain('its node ovh1 is offline');
  });
});

describe('ssh who of a container that does not run', () => {
  test('tells who is let in once it runs', async () => {
    const there = accessGranted();
    const world = fourNodes();
    world.guests[0] = { ...world.guests[0]!, status: 'stopped' };
    there.books = [queueEntry('grant', granted())];
    const card = await answerOf('ssh who', { vmid: '103' }, world, around(there));
    expect(card.title).toMatch(/by our own book, nobody may log in$/);
    expect(card.lines).toContainEqual(
      expect.stringMatching(/^alice-hub \(alice\) is let in once it runs, until Sun 2026-11-15/),
    );
  });
});

describe('person list', () => {
  test('tells who is linked where, and where they may log in, as far as the asker may see', async () => {
    const there = accessGranted({ sudo: true });
    there.people[1] = { id: 'bob', name: 'Bob', github: 'bob-hub' };
    there.books.push(
      linkEntry('bob', 'bob-hub', 8, 'bobby'),
      grantEntry(granted({ person: 'left', user: 'left', vmid: 117 })),
    );
    const card = await answerOf('person list', {}, fourNodes(), around(there));
    expect(card.table!.rows).toEqual([
      ['Alice (alice)', 'Alice-Hub', 'config', '103 (sudo), jump ovh1', 'Sun 2026-11-15 19:02 CET'],
      ['Bob (bob)', 'bob-hub as bobby', 'book', 'nowhere', ''],
      ['Carol (carol)', 'carol-hub', 'config', 'nowhere', ''],
      ['left', 'Alice-Hub', 'NOT LINKED', '117 (left), jump ovh1', 'Sun 2026-11-15 19:02 CET'],
    ]);
    const blind = await answerOf('person list', {}, fourNodes(), around(there, { may: () => false }));
    expect(JSON.stringify(blind)).not.toContain('103');
    const partly = await answerOf('person list', {}, fourNodes(), around(there, { sees: (vmid) => vmid === 117 }));
    expect(JSON.stringify(partly)).not.toContain('103');
  });
});
