import { describe, expect, test } from 'vitest';
import { grantSchema, LINKS } from '../src/contracts/books.ts';
import type { ChangeCommand } from '../src/contracts/command.ts';
import {
  type BookCall,
  fillHoles,
  fingerprint,
  isBookCall,
  isNodeCall,
  type NodeCall,
  type Plan,
} from '../src/contracts/plan.ts';
import { rsa } from './platforms/github-keys.ts';
import { commandNamed, planOf, refusalOf } from './views/ask.ts';
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
import { type FakeWorld, fourNodes, NOW } from './views/fake-view.ts';

/** What each command of people's access plans, against people, books and containers as plain data. */
const ask = { person: '@alice', vmid: '103' };
const nodeCalls = (plan: Plan) =>
  plan.steps.map(({ call }) => call).filter((call): call is NodeCall => isNodeCall(call));
const verbs = (plan: Plan) => nodeCalls(plan).map(({ node, verb }) => `${node} ${verb}`);
const bookCall = (plan: Plan, name: string) => plan.steps.find((step) => step.name === name)!.call as BookCall;
const lines = (plan: Plan, verb: string) =>
  nodeCalls(plan).find((call) => call.verb === verb)!.args['lines'] as string[];
const codes = (plan: Plan) => plan.risks.map(({ code }) => code);
const previewOf = (plan: Plan) => (commandNamed(plan.command) as ChangeCommand).preview(plan);
const stopped = (): FakeWorld => {
  const world = fourNodes();
  world.guests[0] = { ...world.guests[0]!, status: 'stopped' };
  return world;
};
const grant = (there: FakeAccess, options = {}, world = fourNodes(), more = {}) =>
  planOf('ssh grant', { ...ask, ...options }, world, around(there, more));

describe('ssh grant', () => {
  test('makes the account, writes the keys with their end, opens the way in, and notes it', async () => {
    const plan = await grant(access(), { expires: '2h', sudo: 'yes' });
    expect(verbs(plan)).toEqual(['ovh1 ct.user.ensure', 'ovh1 ct.keys.set', 'ovh1 jump.keys.set']);
    expect(lines(plan, 'ct.keys.set')).toEqual(
      ['alice', 'alice-old'].map((seed) => `expiry-time="{expiry:7200}" ${keyOf(seed).line} bascule:{run}`),
    );
    expect(lines(plan, 'jump.keys.set')[0]).toBe(
      `restrict,port-forwarding,permitopen="10.1.0.103:22",expiry-time="{expiry:7200}" ${keyOf('alice').line} bascule:{run}:103:alice-hub`,
    );
    expect(codes(plan)).toEqual(['sudo']);
    const card = previewOf(plan).lines!.join('\n');
    for (const part of ['2 keys, SUDO, for 2 h', keyOf('alice').fingerprint, 'bascule-jump@jump.example.org'])
      expect(card).toContain(part);
  });

  test('the book then says exactly what was approved, its clock begun at the approval', async () => {
    const plan = await grant(access());
    const value = fillHoles(bookCall(plan, 'book').value, { run: 'r9', approvedAt: NOW });
    expect(grantSchema.parse(value)).toMatchObject({
      id: 'r9',
      person: 'alice',
      user: 'alice-hub',
      from: '20261115T130211Z',
      until: '20261115T210211Z',
      identity: 'BC:24:11:00:01:03',
    });
  });

  test('each step can be taken back; an account that was there before stays, with the sudo it had', async () => {
    const undo = (plan: Plan) => plan.steps.map(({ undo }) => undo![0]!.call);
    const fresh = undo(await grant(access()));
    expect(fresh).toMatchObject([
      { verb: 'ct.user.remove', args: { home: 'keep' } },
      { verb: 'ct.keys.set', args: { lines: [] } },
      { verb: 'jump.keys.set', args: { lines: [] } },
      { value: null },
    ]);
    const before = accessGranted({ sudo: true });
    const again = undo(await grant(before, { expires: '2d' }));
    expect(again).toMatchObject([
      { verb: 'ct.user.ensure', args: { sudo: true, marker: 'bascule:r-1' } },
      { verb: 'ct.keys.set', args: { lines: [expect.stringContaining('expiry-time="20261115180211Z"')] } },
      { verb: 'jump.keys.set', args: { lines: [expect.stringContaining('bascule:r-1:103:alice-hub')] } },
      { value: { id: 'r-1' } },
    ]);
  });

  test('a grant for a guest that is gone does not lend its lines to another of that number', async () => {
    const there = access();
    there.books = [grantEntry(granted({ identity: 'BC:24:11:FF:FF:FF' }))];
    const plan = await grant(there);
    expect(verbs(plan)).toEqual([
      'ovh1 ct.user.ensure',
      'ovh1 ct.keys.set',
      'ovh1 jump.keys.set',
      'ovh1 jump.keys.set',
    ]);
    expect(nodeCalls(plan)[2]!.args).toMatchObject({ marker: 'bascule:r-1:103:alice-hub', lines: [] });
    expect(plan.steps[1]!.undo![0]!.call).toMatchObject({ args: { lines: [] } });
  });

  test('what the helpers would refuse is refused before anybody approves', async () => {
    const there = access();
    await grant(there);
    expect(there.rehearsed).toEqual(['ovh1 ct.user.ensure', 'ovh1 jump.keys.set']);
    there.refuses['ct.user.ensure'] = 'this node does not allow sudo for people';
    const refusal = await refusalOf('ssh grant', { ...ask, sudo: 'yes' }, fourNodes(), around(there));
    expect(refusal).toMatchObject({ kind: 'forbidden', why: expect.stringContaining('does not allow sudo') });
  });

  test('lines of others stay and are told; one of the same key outlives the lease, which is told too', async () => {
    const there = access();
    there.users[103] = [user('alice-hub', { keys: [key('stranger'), key('alice')] })];
    const plan = await grant(there);
    expect(codes(plan)).toEqual(['foreign-lines', 'key-without-lease']);
    expect(plan.risks[1]!.says).toContain(keyOf('alice').fingerprint);
  });

  test('a container without a fixed address gets no way in, and the card says so', async () => {
    const world = fourNodes();
    world.guests[0] = { ...world.guests[0]!, networks: [{ name: 'eth0', ip: 'dhcp' }] };
    const plan = await grant(access(), {}, world);
    expect(verbs(plan)).toEqual(['ovh1 ct.user.ensure', 'ovh1 ct.keys.set']);
    expect(previewOf(plan).lines!.join('\n')).toContain('no fixed IPv4 address');
  });

  test('what GitHub cannot confirm now is said with its age, and weak keys by name', async () => {
    const there = access();
    const weak = { type: 'ssh-rsa', fingerprint: 'SHA256:weak', bits: 2048, line: rsa(2048) };
    there.github['alice-hub'] = seen('Alice-Hub', 7, ['alice'], {
      fresh: false,
      stale: "GitHub's API did not answer; these are its keys of 3 h ago",
      keys: [weak],
    });
    const plan = await grant(there);
    expect(codes(plan)).toEqual(['stale-keys', 'weak-keys']);
    expect(plan.risks[0]!.says).toContain('3 h ago');
  });

  test('other keys on GitHub are another plan; a foreign lease elsewhere is not', async () => {
    const there = access();
    const before = fingerprint(await grant(there));
    there.books = [grantEntry(granted({ vmid: 117, guest: 'wiki' }))];
    expect(fingerprint(await grant(there))).toBe(before);
    there.github['alice-hub'] = seen('Alice-Hub', 7, ['alice']);
    expect(fingerprint(await grant(there))).not.toBe(before);
  });

  test('the result tells the very command, a stanza for ~/.ssh/config and the end in the cluster’s zone', async () => {
    const plan = await grant(access());
    const run = { id: 'r9', state: 'done', steps: [], left: [], approvedAt: NOW } as const;
    const card = (commandNamed('ssh grant') as ChangeCommand).result(plan, run);
    expect(card.code).toEqual([
      'ssh -J bascule-jump@jump.example.org alice-hub@10.1.0.103',
      'Host robotoff\n  HostName 10.1.0.103\n  User alice-hub\n  ProxyJump bascule-jump@jump.example.org',
    ]);
    expect(card.lines![0]).toBe(
      'Until Sun 2026-11-15 22:02 CET: sshd lets nobody in after that; a session that is open goes on',
    );
  });
});

describe('a container that does not run', () => {
  const automation = {
    asker: {
      id: 'automation:queued-grants',
      name: 'queued-grants',
      roles: [],
      accounts: {},
      automation: 'queued-grants',
    },
  };

  test('is refused, or waited for: then nothing is done but a note that holds all that was approved', async () => {
    const refusal = await refusalOf('ssh grant', ask, stopped(), around(access()));
    expect(refusal).toMatchObject({ kind: 'conflict', next: expect.stringContaining('stopped:wait') });
    const plan = await grant(access(), { stopped: 'wait', sudo: 'yes' }, stopped());
    expect(plan.steps.map(({ call }) => isBookCall(call))).toEqual([true]);
    expect(codes(plan)).toEqual(['sudo', 'stopped']);
    const value = fillHoles(bookCall(plan, 'queue').value, { run: 'r9', approvedAt: NOW });
    expect(value).toMatchObject({ kind: 'grant', grant: { id: 'r9', sudo: true, until: '20261115T210211Z' } });
  });

  test('gets what was approved once it runs, and no more, for what is left of the lease', async () => {
    const there = access();
    there.github['alice-hub'] = seen('Alice-Hub', 7, ['alice', 'brand-new']);
    there.books = [queueEntry('grant', granted({ id: 'r9', sudo: true }))];
    const plan = await grant(there, {}, fourNodes(), automation);
    expect(codes(plan)).toEqual(['queued']);
    expect(verbs(plan)).toEqual(['ovh1 ct.user.ensure', 'ovh1 ct.keys.set', 'ovh1 jump.keys.set']);
    expect(lines(plan, 'ct.keys.set')).toEqual([`expiry-time="20261115180211Z" ${keyOf('alice').line} bascule:r9`]);
    expect(bookCall(plan, 'queue')).toMatchObject({ value: null });
  });

  test('is forgotten when the lease is over or the person is no longer that login', async () => {
    const there = access();
    there.books = [queueEntry('grant', granted())];
    there.people[0] = { id: 'alice', name: 'Alice', github: 'somebody-else' };
    const moot = async (now = NOW) => (await grant(there, {}, fourNodes(), { ...automation, now })).intent['moot'];
    expect(await moot()).toContain('not linked to that login');
    expect(await moot(NOW + 86_400_000)).toContain('the lease ended');
  });

  test('a person cannot carry out the queue under another name, nor the schedule anything that does not wait', async () => {
    const there = access();
    const refusal = await refusalOf('ssh grant', ask, fourNodes(), around(there, automation));
    expect(refusal.kind).toBe('not-found');
    there.books = [queueEntry('grant', granted({ sudo: true }))];
    const own = await grant(there);
    expect(codes(own)).not.toContain('queued');
    expect(nodeCalls(own)[0]!.args['sudo']).toBe(false);
  });
});

describe('ssh revoke', () => {
  const revoke = (there: FakeAccess, options = {}, world = fourNodes(), more = {}) =>
    planOf('ssh revoke', { ...ask, ...options }, world, around(there, more));

  test('ends the way in, the keys and the account that we made, each for itself, and notes it when all worked', async () => {
    const plan = await revoke(accessGranted());
    expect(verbs(plan)).toEqual(['ovh1 jump.keys.set', 'ovh1 ct.keys.set', 'ovh1 ct.user.remove']);
    expect(plan.steps.every(({ alone }) => alone)).toBe(true);
    expect(plan.steps.at(-1)).toMatchObject({
      call: { value: null },
      needs: plan.steps.slice(0, -1).map((s) => s.name),
    });
  });

  test('keeps an account with lines of others, and takes its sudo away', async () => {
    const there = accessGranted({ sudo: true });
    there.users[103] = [user('alice-hub', { sudo: true, keys: [key('stranger')] })];
    const plan = await revoke(there);
    expect(verbs(plan)).toEqual(['ovh1 jump.keys.set', 'ovh1 ct.keys.set', 'ovh1 ct.user.ensure']);
    expect(nodeCalls(plan)[2]!.args).toMatchObject({ sudo: false });
    expect(codes(plan)).toEqual(['foreign-lines']);
    expect(verbs(await revoke(there, { account: 'remove' }))).toContain('ovh1 ct.user.remove');
  });

  test('a stopped container loses its way in now and its keys when it runs', async () => {
    const plan = await revoke(accessGranted(), {}, stopped());
    expect(verbs(plan)).toEqual(['ovh1 jump.keys.set']);
    expect(codes(plan)).toEqual(['stopped']);
    expect(bookCall(plan, 'queue 103 alice-hub').value).toMatchObject({ kind: 'revoke', grant: { user: 'alice-hub' } });
    expect(bookCall(plan, 'book 103 alice-hub').value).not.toHaveProperty('jump');
    expect(plan.intent['ends']).toEqual([
      expect.stringContaining('end when it runs, at the latest Sun 2026-11-15 19:02 CET'),
    ]);
  });

  test('a container that is gone leaves only the way in and our note to end; one that is hidden is nobody’s business', async () => {
    const world = fourNodes();
    world.guests.splice(0, 1);
    expect(verbs(await revoke(accessGranted(), {}, world))).toEqual(['ovh1 jump.keys.set']);
    const hidden = await refusalOf(
      'ssh revoke',
      { person: '@alice' },
      fourNodes(),
      around(accessGranted(), { sees: (vmid) => vmid !== 103 }),
    );
    expect(hidden).toMatchObject({ kind: 'not-found', why: expect.not.stringContaining('103') });
  });

  test('without a container it is all of them on this cluster', async () => {
    const there = accessGranted();
    there.books.push(grantEntry(granted({ vmid: 117, guest: 'wiki', identity: 'BC:24:11:00:01:17' })));
    there.users[117] = [];
    const plan = await planOf('ssh revoke', { person: '@alice' }, fourNodes(), around(there));
    expect(plan.locks).toEqual(['guest/off/103', 'guest/off/117']);
    expect(plan.target).toMatchObject({ kind: 'person', id: 'alice' });
    expect(new Set(plan.steps.map(({ name }) => name)).size).toBe(plan.steps.length);
  });

  test('what waits is forgotten', async () => {
    const there = access();
    there.books = [queueEntry('grant', granted())];
    const plan = await revoke(there);
    expect(plan.steps.map(({ call }) => call)).toMatchObject([{ shelf: 'queue', value: null }]);
  });
});

describe('ssh extend', () => {
  const extend = (there: FakeAccess, expires = '1d', world = fourNodes()) =>
    planOf('ssh extend', { ...ask, expires }, world, around(there));
  const why = async (there: FakeAccess, expires = '1d', world = fourNodes()) =>
    (await refusalOf('ssh extend', { ...ask, expires }, world, around(there))).why;

  test('writes the same keys with a later end, in the container and on the jump node', async () => {
    const there = accessGranted();
    there.github['alice-hub'] = seen('Alice-Hub', 7, ['alice']);
    const plan = await extend(there);
    expect(verbs(plan)).toEqual(['ovh1 ct.keys.set', 'ovh1 jump.keys.set']);
    expect(lines(plan, 'ct.keys.set')).toEqual([`expiry-time="{expiry:86400}" ${keyOf('alice').line} bascule:r-1`]);
    expect(codes(plan)).toEqual([]);
  });

  test('says when GitHub has other keys by now', async () => {
    expect(codes(await extend(accessGranted()))).toEqual(['keys-changed']);
    const down = accessGranted();
    down.github = {};
    expect(codes(await extend(down))).toEqual(['stale-keys']);
  });

  test('refuses what ended, what lasts longer, what is another guest and what is to end', async () => {
    expect(await why(accessGranted({ until: '20261115T120000Z' }))).toContain('it ended');
    expect(await why(accessGranted(), '1h')).toContain('lasts longer already');
    expect(await why(accessGranted({ identity: 'BC:24:11:FF:FF:FF' }))).toContain('another container');
    expect(await why(access())).toContain('was not let into it');
    expect(await why(accessGranted(), '60d')).toContain('longer than the house rules allow');
    expect(await why(accessGranted(), '1d', stopped())).toContain('is stopped');
    const ending = accessGranted();
    ending.books.push(queueEntry('revoke', granted()));
    expect(await why(ending)).toContain('the end of that access was approved');
    const gone = accessGranted();
    gone.users[103] = [];
    expect(await why(gone)).toContain('not there any more');
  });
});

describe('person add', () => {
  const add = (options: Record<string, string>, there = access()) =>
    planOf('person add', options, fourNodes(), around(there));
  const bob = { person: '@bob', github: 'bob-hub' };

  test('links somebody, once approved, to a login, an account and a Linux name', async () => {
    const plan = await add(bob);
    expect(plan.steps.map(({ call }) => call)).toEqual([
      { shelf: LINKS, key: 'bob', value: { person: 'bob', login: 'bob-hub', githubId: 8 } },
    ]);
    expect(plan.target).toEqual({ kind: 'person', id: 'bob', name: 'Bob', identity: '8' });
    expect(previewOf(plan).lines!.join('\n')).toContain(keyOf('bob').fingerprint);
    expect((await add({ ...bob, name: 'Bobby' })).intent['user']).toBe('bobby');
  });

  test('the card of one’s own link tells what to sign; of another’s it does not', async () => {
    const there = access();
    there.people[0] = { id: 'alice', name: 'Alice' };
    const plan = await add({ person: '@alice', github: 'alice-hub' }, there);
    const sentence = `I am alice and the GitHub account Alice-Hub is mine: request {run}, plan ${fingerprint(plan)}`;
    expect(previewOf(plan).code).toEqual([
      `echo -n '${sentence}' | ssh-keygen -Y sign -n bascule -f ~/.ssh/id_ed25519`,
    ]);
    expect(previewOf(await add(bob)).code).toBeUndefined();
  });

  test('a link can be made anew, and that is a danger', async () => {
    const there = access();
    there.people[1] = { id: 'bob', name: 'Bob', github: 'old-bob' };
    there.books = [linkEntry('bob', 'old-bob', 5)];
    expect(codes(await add(bob, there))).toEqual(['relink']);
  });
});

describe('person remove', () => {
  test('takes everything away in one plan, what cannot be reached now is queued', async () => {
    const there = accessGranted();
    there.books.push(
      grantEntry(granted({ vmid: 110, guest: 'metabase', identity: 'BC:24:11:00:01:10' })),
      linkEntry('alice', 'Alice-Hub', 7),
      queueEntry('grant', granted({ vmid: 117, guest: 'wiki', user: 'alice-hub' })),
    );
    const plan = await planOf('person remove', { person: '@alice' }, fourNodes(), around(there));
    expect(verbs(plan)).toEqual([
      'ovh1 jump.keys.set',
      'ovh1 ct.keys.set',
      'ovh1 ct.user.remove',
      'ovh1 jump.keys.set',
    ]);
    expect(codes(plan)).toEqual(['stopped']);
    expect(plan.steps.at(-1)).toMatchObject({ name: 'links', alone: true, call: { shelf: LINKS, value: null } });
    expect(plan.locks).toEqual(['guest/off/103', 'guest/off/110', 'guest/off/117', 'link/alice']);
    expect(plan.intent['left']).toEqual([]);
  });

  test('names what it cannot do: containers unseen, a link in the config', async () => {
    const there = accessGranted();
    there.books.push(grantEntry(granted({ vmid: 117, guest: 'wiki', identity: 'BC:24:11:00:01:17' })));
    there.users[117] = [];
    const plan = await planOf(
      'person remove',
      { person: 'alice' },
      fourNodes(),
      around(there, { sees: (vmid) => vmid !== 117 }),
    );
    expect(plan.intent['left']).toEqual([
      'LEFT on off: 1 grant in containers that you may not see',
      'LEFT: the config names them, under people: alice: an admin takes that out',
    ]);
    expect(JSON.stringify(plan)).not.toContain('wiki');
  });
});
