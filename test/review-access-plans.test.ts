import { describe, expect, test } from 'vitest';
import type { ChangeCommand } from '../src/contracts/command.ts';
import { isBookCall, isNodeCall, type NodeCall, type Plan } from '../src/contracts/plan.ts';
import { type Around, commandNamed, house, planOf, refusalOf } from './views/ask.ts';
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

/** Plans of people's access that must not hold more than was approved, nor claim more than they do. */
const ask = { person: '@alice', vmid: '103' };
const calls = (plan: Plan) => plan.steps.map(({ call }) => call).filter((call): call is NodeCall => isNodeCall(call));
const verbs = (plan: Plan) => calls(plan).map(({ verb }) => verb);
const lines = (plan: Plan) => calls(plan).find(({ verb }) => verb === 'ct.keys.set')!.args['lines'] as string[];
const codes = (plan: Plan) => plan.risks.map(({ code }) => code);
const cardsOf = (plan: Plan) => {
  const command = commandNamed(plan.command) as ChangeCommand;
  const result = command.result(plan, { id: 'r9', state: 'done', steps: [], left: [] });
  return { preview: command.preview(plan).lines!.join('\n'), title: result.title, result: result.lines!.join('\n') };
};
const stopped = (): FakeWorld => {
  const world = fourNodes();
  world.guests[0] = { ...world.guests[0]!, status: 'stopped' };
  return world;
};
const schedule = (automation: string): Around => ({
  asker: { id: `automation:${automation}`, name: automation, roles: [], accounts: {}, automation },
});

describe('what waits for a container', () => {
  const carriedOut = (there: FakeAccess, more: Around = {}) =>
    planOf('ssh grant', ask, fourNodes(), around(there, { ...schedule('queued-grants'), ...more }));
  const waiting = (more: Parameters<typeof granted>[0] = {}) => {
    const there = access();
    const both = ['alice', 'alice-old'].map(keyOf);
    const grant = granted({
      id: 'r9',
      lines: both.map(({ line }) => line),
      fingerprints: both.map(({ fingerprint }) => fingerprint),
      ...more,
    });
    there.books = [queueEntry('grant', grant)];
    return there;
  };

  test('lets no key in that its owner has taken away from GitHub meanwhile, and none that was added', async () => {
    const there = waiting();
    there.github['alice-hub'] = seen('Alice-Hub', 7, ['alice', 'brand-new']);
    const plan = await carriedOut(there);
    expect(lines(plan)).toEqual([`expiry-time="20261115180211Z" ${keyOf('alice').line} bascule:r9`]);
    expect(codes(plan)).toContain('queued');
    there.github['alice-hub'] = seen('Alice-Hub', 7, ['brand-new']);
    expect((await carriedOut(there)).intent['moot']).toContain('none of its keys');
  });

  test('is forgotten when the login is somebody else’s account by now, and when sudo is allowed no more', async () => {
    const there = waiting();
    there.github['alice-hub'] = seen('Alice-Hub', 4711, ['alice', 'alice-old']);
    const plan = await carriedOut(there);
    expect(plan.intent['moot']).toContain('4711');
    expect(verbs(plan)).toEqual([]);
    const noSudo = { ...house, ssh: { ...house.ssh, sudo: false } };
    expect((await carriedOut(waiting({ sudo: true }), { house: noSudo })).intent['moot']).toContain('sudo');
  });

  test('is done with the approved keys while GitHub cannot say, and the plan says that', async () => {
    const there = waiting();
    there.github = {};
    const plan = await carriedOut(there);
    expect(lines(plan)).toHaveLength(2);
    expect(codes(plan)).toEqual(['queued', 'stale-keys']);
  });

  test('and is an end of access is not forgotten by asking for access again', async () => {
    const there = accessGranted({ jump: undefined });
    there.books.push(queueEntry('revoke', granted({ jump: undefined })));
    const refusal = await refusalOf('ssh grant', { ...ask, stopped: 'wait', expires: '1h' }, stopped(), around(there));
    expect(refusal).toMatchObject({ kind: 'conflict', why: expect.stringContaining('end of access') });
  });

  test('takes no account that was granted to somebody else', async () => {
    const there = accessGranted({ person: 'carol' });
    const refusal = await refusalOf('ssh grant', { ...ask, stopped: 'wait' }, stopped(), around(there));
    expect(refusal).toMatchObject({ kind: 'conflict', why: expect.stringContaining('granted to carol') });
  });
});

describe('ending access', () => {
  const revoke = (there: FakeAccess, options: Record<string, string> = { person: '@alice' }, more: Around = {}) =>
    planOf('ssh revoke', options, fourNodes(), around(there, more));
  const leaver = (there: FakeAccess, more: Around = {}) =>
    planOf('person remove', { person: '@alice' }, fourNodes(), around(there, more));
  const two = () => {
    const there = accessGranted();
    there.books.push(grantEntry(granted({ vmid: 117, guest: 'wiki', identity: 'BC:24:11:00:01:17' })));
    there.users[117] = [];
    return there;
  };

  test('says that there is more which the asker may not see, without saying what', async () => {
    const there = two();
    there.books.push(queueEntry('grant', granted({ vmid: 110, guest: 'metabase' })));
    for (const plan of [
      await revoke(there, { person: '@alice' }, { sees: (vmid) => vmid === 103 }),
      await leaver(there, { sees: (vmid) => vmid === 103 }),
    ]) {
      const { title, preview, result } = cardsOf(plan);
      expect(JSON.stringify(plan)).not.toMatch(/wiki|metabase/);
      expect(preview).toContain('LEFT');
      expect(result).toContain('LEFT');
      expect(title).toMatch(/not everything|not everywhere/);
    }
  });

  test('of a leaver tells of grants on clusters that are out of sight', async () => {
    const there = accessGranted();
    there.books.push(grantEntry(granted({ cluster: 'hidden', vmid: 200 })), linkEntry('alice', 'Alice-Hub', 7));
    const plan = await leaver(there);
    expect(cardsOf(plan).result).toContain('LEFT: 1 grant on other clusters');
    expect(cardsOf(plan).title).toMatch(/not everywhere/);
    expect(JSON.stringify(plan)).not.toContain('"hidden"');
  });

  test('of a leaver takes the account that we made along, also when they wrote a key of their own into it', async () => {
    const there = accessGranted();
    there.people[0] = { id: 'alice', name: 'Alice' };
    there.users[103] = [user('alice-hub', { keys: [key('alice', 'bascule:r-1'), key('back-door')] })];
    const plan = await leaver(there);
    expect(verbs(plan)).toContain('ct.user.remove');
    expect(plan.risks.map(({ says }) => says).join('\n')).toContain('go with the account');
    expect(cardsOf(plan).title).toBe('Alice has no access any more');
  });

  test('of a leaver leaves an account that somebody else made, and says who may still get in', async () => {
    const there = accessGranted({ adopted: true });
    there.users[103] = [user('alice-hub', { ours: false, keys: [key('alice', 'bascule:r-1'), key('back-door')] })];
    const plan = await leaver(there);
    expect(verbs(plan)).not.toContain('ct.user.remove');
    const { title, result } = cardsOf(plan);
    expect(title).toMatch(/not everywhere/);
    expect(result).toContain('LEFT');
    expect(result).toContain('1 other key line of alice-hub in CT 103');
  });

  test('that waited leaves an account that was taken over where it is, when nobody asked for more', async () => {
    const there = accessGranted({ adopted: true, jump: undefined });
    const [later] = (await planOf('ssh revoke', ask, stopped(), around(there))).steps
      .map(({ call }) => call)
      .filter(isBookCall);
    expect(later!.value).not.toHaveProperty('account');
    there.books.push(queueEntry('revoke', granted({ adopted: true, jump: undefined })));
    there.users[103] = [user('alice-hub', { ours: false, keys: [key('alice', 'bascule:r-1')] })];
    expect(verbs(await revoke(there, ask, schedule('queued-grants')))).toEqual(['ct.keys.set']);
  });

  test('works where a virtual machine has the number now', async () => {
    const world = fourNodes();
    world.guests[0] = { ...world.guests[0]!, type: 'qemu' };
    const plan = await planOf('ssh revoke', ask, world, around(accessGranted()));
    expect(verbs(plan)).toEqual(['jump.keys.set']);
    expect(plan.steps.some(({ call }) => isBookCall(call) && call.value === null)).toBe(true);
  });

  test('does not promise an end of sudo that a group gives', async () => {
    const there = accessGranted({ sudo: true, adopted: true });
    there.users[103] = [user('alice-hub', { ours: false, sudo: true, groups: ['sudo'] })];
    const { result } = cardsOf(await revoke(there, ask));
    expect(result).toContain('stays in the group sudo');
  });
});

describe('letting in', () => {
  const grant = (there: FakeAccess) => planOf('ssh grant', ask, fourNodes(), around(there));

  test('says that an account may become root by a group, when sudo was not asked for', async () => {
    const there = access();
    there.users[103] = [user('alice-hub', { sudo: true, groups: ['sudo'] })];
    const plan = await grant(there);
    expect(codes(plan)).toEqual(['sudo']);
    expect(plan.risks[0]!.says).toContain('group sudo');
  });

  test('tells of lines with a mark of ours that no grant of this account has', async () => {
    const there = accessGranted();
    there.users[103] = [user('alice-hub', { keys: [key('alice', 'bascule:r-1'), key('back-door', 'bascule:forged')] })];
    const plan = await grant(there);
    expect(codes(plan)).toEqual(['foreign-lines']);
    expect(plan.risks[0]!.says).toContain(keyOf('back-door').fingerprint);
  });

  test('and taking somebody out wait for each other, in containers nobody knew of too', async () => {
    const there = access();
    expect((await grant(there)).locks).toContain('link/alice');
    const made = await planOf('ct create', { hostname: 'newbie', person: '@alice' }, fourNodes(), around(there));
    expect(made.locks).toContain('link/alice');
  });

  test('into a new container ends the way in that was left of an older one of its number', async () => {
    const there = access();
    const old = {
      ...granted({ vmid: 100, identity: 'BC:24:11:FF:FF:FF' }),
      jump: { node: 'ovh1', account: 'bascule-jump', address: '10.1.0.100' },
    };
    there.books = [grantEntry(old)];
    const plan = await planOf('ct create', { hostname: 'newbie', person: '@alice' }, fourNodes(), around(there));
    expect(plan.target.vmid).toBe(100);
    const ended = calls(plan).filter(
      ({ verb, args }) => verb === 'jump.keys.set' && (args['lines'] as string[]).length === 0,
    );
    expect(ended).toMatchObject([{ args: { marker: 'bascule:r-1:100:alice-hub' } }]);
  });
});

describe('two links', () => {
  test('of one login or one name wait for each other on any cluster', async () => {
    const plan = await planOf('person add', { person: '@bob', github: 'bob-hub' }, fourNodes(), around(access()));
    expect(plan.locks).toEqual(['link/bob', 'login/8', 'name/bob-hub']);
  });
});

describe('a link', () => {
  const add = (there: FakeAccess) =>
    planOf('person add', { person: '@bob', github: 'bob-hub' }, fourNodes(), around(there));

  test('is not to an account whose keys were granted as somebody else’s, whatever its login was then', async () => {
    const there = access();
    there.books = [grantEntry(granted({ person: 'carol', login: 'old-name', githubId: 8 }))];
    const refusal = await refusalOf('person add', { person: '@bob', github: 'bob-hub' }, fourNodes(), around(there));
    expect(refusal).toMatchObject({ kind: 'conflict', why: expect.stringContaining('linked to carol already') });
  });

  test('of somebody who was granted access as another account is one made anew', async () => {
    const there = access();
    there.books = [grantEntry(granted({ person: 'bob', login: 'bobby', githubId: 77 }))];
    expect(codes(await add(there))).toEqual(['relink']);
    there.books = [grantEntry(granted({ person: 'bob', login: 'bobby', githubId: 8 }))];
    expect(codes(await add(there))).toEqual([]);
  });
});
