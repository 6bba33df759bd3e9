import { describe, expect, test } from 'vitest';
import { commands } from '../handlers/index.ts';
import type { Books } from '../src/contracts/books.ts';
import type { ChangeCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { KeysSeen } from '../src/contracts/github.ts';
import { fillHoles, fingerprint, isApiCall, type Json, type Plan } from '../src/contracts/plan.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import type { NodeView, ZfsSnapshot } from '../src/contracts/shell.ts';
import { type Around, commandNamed, house, noRecords, planOf, refusalOf } from './views/ask.ts';
import {
  access,
  accessGranted,
  type FakeAccess,
  grantEntry,
  granted,
  around as inside,
  linkEntry,
} from './views/fake-access.ts';
import { filesOn, fileVersion, restoredBefore } from './views/fake-files.ts';
import { fakeGrant, handKey, handUser, NEW_KEY, OLD_KEY, withGrants } from './views/fake-grants.ts';
import { fakeNodes, zfsOf, zfsSnapshot } from './views/fake-nodes.ts';
import { backup, backupJob, type FakeWorld, fourNodes, GIB, job, NOW, snapshot } from './views/fake-view.ts';
import { goldenJson } from './views/golden.ts';

/** What Proxmox is told by the first step. */
const paramsOf = ({ steps: [first] }: Plan) => (first && isApiCall(first.call) ? first.call.params : {});

const scheduled = [
  snapshot('bascule-hourly-20261113T2007', 41, { description: 'scheduled hourly\nbascule:r-0' }),
  snapshot('bascule-hourly-20261114T2007', 17, { description: 'scheduled hourly\nbascule:r-1' }),
];

/** A create of this number that was killed, as the bot remembers it, and nodes that would unlock it. */
function killed(vmid: number, more: Partial<RequestRecord> = {}): Around {
  const request = {
    id: 'r-7',
    state: 'failed',
    cluster: 'off',
    command: 'ct create',
    requester: 'oscar',
    note: 'create failed: the task was killed',
    createdAt: NOW - 3_700_000,
    startedAt: NOW - 3_600_000,
    plan: { target: { vmid } },
    ...more,
  } as RequestRecord;
  const upid = `UPID:ovh1:0001A2B3:01C9D0E1:6917A2B3:vzcreate:${vmid}:bascule@pve!bot:`;
  const steps = [{ name: 'create', says: '', state: 'failed', note: '', sent: 1, upid }] as const;
  return {
    records: {
      ...noRecords,
      requests: async ({ states }) => [request].filter(({ state }) => !states || states.includes(state)),
      run: async (id) => ({ id, state: 'failed', steps, left: [] }),
    },
    nodes: fakeNodes(['ovh1'], { dryRun: async () => ({ would: [] }) }),
  };
}

const older = fileVersion('autodaily261114020001', 36, 'timeout 60;\n');
const file = { vmid: '103', path: '/etc/nginx/nginx.conf', from: older.from, overwrite: 'yes' };
const nodes = filesOn({ versions: { ovh1: [fileVersion('live', 0, 'timeout 1;\n'), older] } });
const restored = restoredBefore(await planOf('file restore', file, fourNodes(), { nodes }));

const jump = { node: 'ovh1', account: 'bascule-jump', address: '10.1.0.103' };
const leased = fakeGrant(103, { sudo: true, jump, until: '20261116T080000Z' });
const drifted = withGrants([leased, fakeGrant(110, { adopted: true })], [NEW_KEY]);
const byHand = handUser('alice', [handKey(OLD_KEY, 'alice@laptop'), handKey(NEW_KEY, "a friend's")]);

/** Alice in a container that runs and in one that does not, linked in the book. */
function leaver(): FakeAccess {
  const there = accessGranted();
  const stopped = granted({ vmid: 110, guest: 'metabase', identity: 'BC:24:11:00:01:10' });
  there.books.push(grantEntry(stopped), linkEntry('alice', 'Alice-Hub', 7));
  return there;
}

/** A silence for good, as the book has it. */
const silences: Books = (() => {
  const value = { id: 's7f3k2', cluster: 'off', vmid: 117, kind: 'backup-not-covered', reason: 'scratch', by: 'oscar' };
  const entry = { shelf: 'silences', key: 's7f3k2', value, run: 'r-0', at: NOW };
  return { entries: async () => [entry], entry: async (_shelf, key) => (key === entry.key ? entry : undefined) };
})();

/** Each changing command in a normal case: its plan and both cards are golden files. */
type Normal = readonly [Readonly<Record<string, string>>, (world: FakeWorld) => void, Around?];
const normal: Readonly<Record<string, Normal>> = {
  'ct create': [{ hostname: 'Newbie', node: 'OVH1', memory: '4G', disk: '20', tags: 'web' }, () => {}],
  'ct destroy': [{ vmid: 'metabase', confirm: '110' }, () => {}],
  'ct start': [{ vmid: '110' }, () => {}],
  'ct shutdown': [{ vmid: 'robotoff' }, () => {}],
  'alert silence': [{ node: 'OVH2', for: '4h', reason: 'new RAM' }, () => {}],
  'alert unsilence': [{ id: 's7f3k2' }, () => {}, { books: silences }],
  'ct stop': [{ vmid: '117' }, () => {}],
  'ct reboot': [{ vmid: '103', timeout: '2m' }, () => {}],
  'ct unlock': [{ vmid: '110' }, (world) => (world.guests[1] = { ...world.guests[1]!, lock: 'create' }), killed(110)],
  'file restore': [file, () => {}, { nodes }],
  'file undo': [{ run: 'r-7' }, () => {}, { nodes, records: restored }],
  'vm start': [{ vmid: '200' }, (world) => (world.guests[3] = { ...world.guests[3]!, status: 'stopped' })],
  'vm shutdown': [{ vmid: '200' }, () => {}],
  'vm stop': [{ vmid: '200' }, () => {}],
  'vm reboot': [{ vmid: 'win' }, () => {}],
  'snapshot create': [{ vmid: 'robotoff', snapshot: 'v3', description: 'before v3' }, () => {}],
  'snapshot delete': [{ vmid: '103', snapshot: 'autodaily261114020001' }, () => {}],
  'snapshot keep': [{ vmid: '103' }, (world) => world.snapshots[103]!.push(...scheduled)],
  'snapshot rollback': [{ vmid: '103', snapshot: 'before-upgrade' }, () => {}],
  'backup run': [{ vmid: '103' }, (world) => world.backups.push(backup(103, 30))],
  'person add': [{ person: '@bob', github: 'bob-hub', name: 'bob' }, () => {}, inside(access())],
  'person remove': [{ person: '@alice' }, () => {}, inside(leaver())],
  'ssh extend': [{ person: '@alice', vmid: '103', expires: '2d' }, () => {}, inside(accessGranted())],
  'ssh grant': [{ person: '@alice', vmid: '103', expires: '2h', sudo: 'yes' }, () => {}, inside(access())],
  'ssh revoke': [{ person: '@alice' }, () => {}, inside(leaver())],
  'ssh adopt': [{ vmid: '103' }, () => {}, withGrants([], [OLD_KEY], [byHand])],
  'ssh keep': [{ person: '@alice' }, () => {}, drifted],
  'ssh sync': [{ person: '@alice' }, () => {}, drifted],
  'replication add': [{ vmid: '110', target: 'ovh4', schedule: 'mon..fri 8..18:00' }, () => {}],
  'replication remove': [{ job: '103-0' }, () => {}],
  'replication run': [{ job: '103' }, () => {}],
  'replication disable': [{ job: '103' }, () => {}],
  'replication enable': [
    { job: '103-0' },
    (world) => (world.jobs = [job('103-0', 'ovh1', 'ovh3', { disabled: true })]),
  ],
};

describe('plans', () => {
  for (const [name, [options, arrange, around]] of Object.entries(normal)) {
    test(`${name} plans what its golden file says`, async () => {
      const world = fourNodes();
      arrange(world);
      const plan = await planOf(name, options, world, around);
      const command = commandNamed(name) as ChangeCommand;
      const run = { id: 'r-1', state: 'done', steps: [], left: [] } as const;
      const golden = { plan, preview: command.preview(plan), result: command.result(plan, run) };
      await expect(goldenJson(golden)).toMatchFileSnapshot(`golden/plans/${name.replace(' ', '-')}.json`);
    });
  }

  test('every command that changes a cluster has a golden plan', () => {
    const changing = commands.filter((command) => 'plan' in command).map((command) => command.name);
    expect(Object.keys(normal).sort()).toEqual(changing.sort());
  });

  test('planning never waits on anything but the view, and a plan is plain JSON', async () => {
    for (const [name, [options, arrange, around]] of Object.entries(normal)) {
      const world = fourNodes();
      arrange(world);
      const plan = await planOf(name, options, world, around);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      expect(plan.command).toBe(name);
      expect(plan.version).toBe((commandNamed(name) as ChangeCommand).version);
      if (plan.target.vmid !== undefined) expect(plan.locks[0]).toBe(`guest/off/${plan.target.vmid}`);
    }
  });
});

describe('ct create', () => {
  const create = (options: Record<string, string>, world = fourNodes(), around = {}) =>
    planOf('ct create', { hostname: 'newbie', ...options }, world, around);

  test('without a node takes the one with most free memory where everything fits', async () => {
    expect((await create({})).target.node).toBe('ovh1');
    const world = fourNodes();
    world.templates['ovh1'] = [];
    expect((await create({}, world)).target.node).toBe('ovh2');
  });

  test('names the reason of every node when it fits none', async () => {
    const world = fourNodes();
    world.templates = {};
    await expect(create({}, world)).rejects.toThrow(
      /ovh1 has no template that begins with debian-13; the same on ovh2, ovh3, ovh4/,
    );
  });

  test('the next free number skips taken addresses, reserved numbers and those of waiting requests', async () => {
    const world = fourNodes();
    world.guests[3] = { ...world.guests[3]!, networks: [{ name: 'net0', ip: '10.1.0.100/24' }] };
    const reserved = ['vmid/off/101', 'address/off/10.1.0.102', 'vmid/other/104'];
    expect((await create({}, world, { reserved })).target.vmid).toBe(104);
  });

  test('without a range the numbers end where the octet does', async () => {
    const { range: _range, ...ct } = house.ct;
    const world = fourNodes();
    for (let vmid = 100; vmid < 254; vmid += 1) {
      if (!world.guests.some((guest) => guest.vmid === vmid)) {
        world.guests.push({ vmid, name: `g${vmid}`, node: 'ovh4', networks: [] });
      }
    }
    expect((await create({}, world, { house: { ...house, ct } })).intent['address']).toBe('10.1.0.254/24');
    world.guests.push({ vmid: 254, name: 'last', node: 'ovh4', networks: [] });
    await expect(create({}, world, { house: { ...house, ct } })).rejects.toThrow();
  });

  test('planning again keeps number, node and template although better ones appeared', async () => {
    const world = fourNodes();
    const before = await create({}, world);
    world.nodes[3] = { ...world.nodes[3]!, memoryUsed: 1 * GIB };
    world.templates['ovh1']!.unshift({
      volid: 'local:vztmpl/debian-13-standard_13.9-1_amd64.tar.zst',
      name: 'debian-13-standard_13.9-1_amd64',
      storage: 'local',
    });
    world.guests = world.guests.filter((guest) => guest.vmid !== 103);
    const again = await create({}, world, { previous: before });
    expect(fingerprint(again)).toBe(fingerprint(before));
    expect(fingerprint(await create({}, world))).not.toBe(fingerprint(before));
  });

  test('planning again takes another number when somebody took it meanwhile', async () => {
    const world = fourNodes();
    const before = await create({}, world);
    world.guests.push({ vmid: before.target.vmid!, name: 'thief', node: 'ovh2', networks: [] });
    const again = await create({}, world, { previous: before });
    expect(again.target.vmid).toBe(101);
    expect(fingerprint(again)).not.toBe(fingerprint(before));
  });

  test('free space, memory and ages are shown and not hashed', async () => {
    const before = await create({});
    const world = fourNodes();
    world.nodes[0] = { ...world.nodes[0]!, memoryUsed: 21 * GIB };
    world.storages['ovh1']![0] = { ...world.storages['ovh1']![0]!, free: 300 * GIB };
    const again = await create({}, world, { previous: before });
    expect(again.observations).not.toEqual(before.observations);
    expect(fingerprint(again)).toBe(fingerprint(before));
  });

  test('a gateway outside the network is said on the card', async () => {
    const plan = await create({}, fourNodes(), { house: { ...house, ct: { ...house.ct, gateway: '10.0.0.1' } } });
    const card = (commandNamed('ct create') as ChangeCommand).preview(plan);
    expect(card.lines?.[0]).toBe('10.1.0.100/24 vmbr0 gw 10.0.0.1 (outside /24!)');
    expect(plan.risks.map((risk) => risk.code)).toContain('gateway-outside');
  });

  test('guests of a dead node may hold the address, which is a risk people see', async () => {
    const world = fourNodes();
    world.nodes[1] = { ...world.nodes[1]!, online: false };
    const codes = (await create({}, world)).risks.map((risk) => risk.code);
    expect(codes).toEqual(['addresses-unread:ovh2', 'quorum-margin-0']);
  });

  test('replicate:no, start:no leave those steps out; no password is ever sent', async () => {
    const plan = await create({ replicate: 'no', start: 'no' });
    expect(plan.steps.map((step) => step.name)).toEqual(['create']);
    expect(Object.keys(paramsOf(plan))).not.toContain('password');
    expect((await create({})).steps.map((step) => step.name)).toEqual(['create', 'start', 'replicate']);
  });

  test('the house target that is the node itself is passed over for the next', async () => {
    expect((await create({ node: 'ovh3' })).intent['replicateTo']).toBe('ovh4');
  });

  test('without house targets it is not replicated unless somebody asks', async () => {
    const around = { house: { ...house, ct: { ...house.ct, replicateTo: [] } } };
    expect((await create({}, fourNodes(), around)).intent['replicateTo']).toBeNull();
    expect((await create({ replicate: 'ovh2' }, fourNodes(), around)).intent['replicateTo']).toBe('ovh2');
  });
});

describe('ct create with people, Docker and a script', () => {
  const rich = { person: '@alice, bob', sudo: 'yes', docker: 'yes', setup: 'base', node: 'ovh1', expires: '4h' };
  const keysOf = (login: string): KeysSeen => ({
    login,
    id: login.length,
    keys: [{ type: 'ssh-ed25519', fingerprint: `SHA256:${login}`, line: `ssh-ed25519 AAAA${login}` }],
    refused: [],
    at: NOW,
    fresh: true,
  });
  const gone = async ({ verb }: { readonly verb: string }) =>
    verb.startsWith('ct.')
      ? fail('not-found', { what: 'not looked at', why: 'it is not on this node', next: 'ask the node it is on' })
      : { would: [] };
  const around: Around = {
    nodes: fakeNodes(['ovh1'], { dryRun: gone }),
    github: { keys: async (login) => keysOf(login) },
    findPerson: async (text) => {
      const id = text.replace('@', '');
      return ['alice', 'bob', 'carol'].includes(id)
        ? { id, name: id, ...(id === 'carol' ? {} : { github: id }) }
        : undefined;
    },
  };
  const create = (given: Readonly<Record<string, string>>, more: Around = {}, world = fourNodes()) =>
    planOf('ct create', { hostname: 'newbie', ...given }, world, { ...around, ...more });
  const refused = (given: Readonly<Record<string, string>>, more: Around = {}) =>
    refusalOf('ct create', { hostname: 'newbie', ...given }, fourNodes(), { ...around, ...more });

  test('features before the start, people when it runs; the script first where sudo may have to come with it', async () => {
    const names = async (given: Readonly<Record<string, string>>) =>
      (await create(given)).steps.map(({ name }) => name);
    expect(await names({ ...rich, person: 'alice' })).toEqual([
      ...['create', 'features', 'start', 'replicate', 'setup', 'account', 'keys', 'jump', 'book'],
    ]);
    expect(await names({ ...rich, person: 'alice', sudo: 'no' })).toEqual([
      ...['create', 'features', 'start', 'replicate', 'account', 'keys', 'jump', 'book', 'setup'],
    ]);
    expect((await names(rich)).slice(5)).toEqual([
      ...['account alice', 'keys alice', 'jump alice', 'book alice', 'account bob', 'keys bob', 'jump bob', 'book bob'],
    ]);
  });

  test('what is inside goes with the container; the way in and the book are taken back by themselves', async () => {
    const { steps } = await create({ ...rich, person: 'alice' });
    const gone = steps.filter(({ goesWith }) => goesWith === 'create');
    expect(gone.map(({ name }) => name)).toEqual(['features', 'setup', 'account', 'keys']);
    expect(gone.every(({ undo }) => undo === undefined)).toBe(true);
    const jump = steps.find(({ name }) => name === 'jump')!;
    expect(jump.undo?.[0]?.call).toMatchObject({ verb: 'jump.keys.set', args: { lines: [] } });
    expect(steps.find(({ name }) => name === 'book')?.undo?.[0]?.call).toMatchObject({ shelf: 'grants', value: null });
  });

  test('the grant is bound to the network card the container gets, also when it is planned again', async () => {
    const plan = await create(rich);
    const mac = String(plan.intent['mac']);
    expect(mac).toMatch(/^BC:24:11(:[0-9A-F]{2}){3}$/);
    expect(paramsOf(plan)['net0']).toContain(`hwaddr=${mac}`);
    const book = plan.steps.find(({ name }) => name === 'book alice')!.call;
    expect(book).toMatchObject({
      value: { identity: mac, vmid: 100, until: '{until:14400}', jump: { address: '10.1.0.100' } },
    });
    const later = await create(rich, { previous: plan, now: NOW + 120_000 });
    expect(fingerprint(later)).toBe(fingerprint(plan));
    expect((await create(rich, { now: NOW + 1000 })).intent['mac']).not.toBe(mac);
  });

  test('the card names keys, lease, way in and the sum of the script, and never the script', async () => {
    const command = commandNamed('ct create') as ChangeCommand;
    const plan = await create(rich);
    const { lines } = command.preview(plan);
    expect(lines).toContain('alice: 1 key, sudo, jump ovh1, for 4 h');
    expect(lines).toContain('+ SHA256:alice ed25519');
    expect(lines?.join('\n')).toContain(`Runs base in it: 21 bytes, SHA-256 ${house.scripts['base']!.sha256}`);
    expect(lines).toContain('When it ends badly, all of this is taken back and the container destroyed');
    expect(JSON.stringify(command.preview(plan))).not.toContain('echo ready');
    expect(plan.risks).toContainEqual({ code: 'sudo', says: 'alice, bob may do everything in it, as root' });
    const run = { id: 'r-1', state: 'done', steps: [], left: [], approvedAt: NOW } as const;
    const done = command.result(plan, run);
    expect(done.lines?.join('\n')).toMatch(
      /alice, bob can log in until Sun 2026-11-15 18:02 \S+, with sudo; sshd lets nobody in after that/,
    );
    expect(done.code).toContain('ssh -J bascule-jump@jump.example.org alice@10.1.0.100');
  });

  test('another key, script or lease is another plan', async () => {
    const before = fingerprint(await create(rich));
    const other = (login: string) => ({ ...keysOf(login), keys: keysOf(`${login}2`).keys });
    expect(fingerprint(await create(rich, { github: { keys: async (login) => other(login) } }))).not.toBe(before);
    const scripts = { base: { text: '#!/bin/sh\necho other\n', sha256: 'ab' } };
    expect(fingerprint(await create(rich, { house: { ...house, scripts } }))).not.toBe(before);
    expect(fingerprint(await create({ ...rich, expires: '5h' }))).not.toBe(before);
  });

  test('old and weak keys are dangers people see', async () => {
    const seen = {
      ...keysOf('alice'),
      fresh: false,
      stale: 'GitHub is down, as of 2 h ago',
      refused: [{ why: 'RSA below 2048 bits', type: 'ssh-rsa' }],
    };
    const plan = await create({ person: 'alice', node: 'ovh1' }, { github: { keys: async () => seen } });
    expect(plan.risks.map(({ code }) => code)).toEqual(['stale-keys', 'keys-left-out']);
  });

  test('without a node it goes where the bot has hands, and a named one without them is refused with what it needs', async () => {
    const nodes = fakeNodes(['ovh3'], { dryRun: gone });
    const at = { ...house, ssh: { ...house.ssh, jump: undefined } } as typeof house;
    expect((await create({ docker: 'yes' }, { nodes, house: at })).target.node).toBe('ovh3');
    const { kind, why, next } = await refused({ docker: 'yes', setup: 'base', node: 'ovh2' }, { nodes, house: at });
    expect(kind).toBe('unavailable');
    expect(why).toBe('setup:, docker: need SSH access to ovh2, which the bot has not: no API token may do that');
    expect(next).toContain('bascule setup node');
  });

  test('what the node would refuse is known before anything is made', async () => {
    const nodes = fakeNodes(['ovh1'], {
      dryRun: async () =>
        fail('forbidden', { what: 'nothing was done', why: 'this node does not allow ct.script', next: 'add it' }),
    });
    expect((await refused({ setup: 'base', node: 'ovh1' }, { nodes })).why).toContain('does not allow ct.script');
    const noJump = fakeNodes(['ovh1'], {
      dryRun: async () =>
        fail('not-found', { what: 'nothing', why: 'there is no account bascule-jump', next: 'set up' }),
    });
    expect((await refused({ person: 'alice', node: 'ovh1' }, { nodes: noJump })).why).toContain('no account');
  });

  // biome-ignore format: this is a table
  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['people in one that stays off', { person: 'alice', start: 'no' }, /person: can only be done in a container that runs/],
    ['a script in one that stays off', { setup: 'base', start: 'no' }, /setup: can only be done/],
    ['sudo for nobody', { sudo: 'yes' }, /sudo: is for people, and none is named/],
    ['somebody unknown', { person: 'zoe' }, /nobody here is called zoe/],
    ['somebody without a login', { person: 'carol' }, /carol has no GitHub login here/],
    ['too long a lease', { person: 'alice', expires: '60d' }, /longer than the house rules allow/],
    ['a script the config has not', { setup: 'nope' }, /the config has no script nope/],
    ['a name of every object', { setup: 'constructor' }, /the config has no script constructor/],
  ])('%s is refused', async (_what, given, why) => {
    expect((await refused({ node: 'ovh1', ...given })).why).toMatch(why);
  });

  test('a script that is none is refused, and one with holes of its own runs as it is', async () => {
    const scripts = {
      base: { text: '#!/bin/bash\necho ${run} {stamp}\n', sha256: 'ab' },
      py: { text: 'print(1)', sha256: 'cd' },
    };
    expect((await refused({ setup: 'py' }, { house: { ...house, scripts } })).why).toContain('does not begin with #!/');
    const made = await create({ setup: 'base' }, { house: { ...house, scripts } });
    const call = made.steps.find(({ name }) => name === 'setup')?.call as unknown as Json;
    const filled = fillHoles(call, { run: 'r1', approvedAt: 0 }) as { args: { script: string; run: string } };
    expect(filled.args).toMatchObject({ script: scripts.base.text, run: 'r1' });
  });

  test('Docker in a privileged container is refused', async () => {
    const privileged = { ...house, ct: { ...house.ct, unprivileged: false } };
    expect((await refused({ docker: 'yes' }, { house: privileged })).why).toContain('would open the node');
  });
});

describe('risks', () => {
  const codes = (plan: Plan) => plan.risks.map((risk) => risk.code);

  test('stopping an HA-managed guest says that HA will keep it down', async () => {
    const world = fourNodes();
    world.services = [{ sid: 'ct:103', node: 'ovh1', crmState: 'started', state: 'started', requested: 'started' }];
    const plan = await planOf('ct stop', { vmid: '103' }, world);
    expect(plan.risks).toEqual([
      {
        code: 'ha-managed',
        says: 'HA keeps it down: the wanted state becomes "stopped", nothing restarts it until someone starts it',
      },
    ]);
    const reboot = await planOf('ct reboot', { vmid: '103' }, world);
    expect(reboot.risks[0]?.says).toContain('HA stays in charge');
    world.guests[0] = { ...world.guests[0]!, status: 'stopped' };
    const start = await planOf('ct start', { vmid: '103' }, world);
    expect((commandNamed('ct start') as ChangeCommand).preview(start).lines?.join()).toContain('HA starts it');
  });

  test('a production tag and a cluster without a spare node are dangers of a stop', async () => {
    const world = fourNodes();
    world.nodes[3] = { ...world.nodes[3]!, online: false };
    expect(codes(await planOf('ct stop', { vmid: '117' }, world))).toEqual(['prod-tag', 'quorum-margin-0']);
  });

  test('destroying names HA, copies and the missing backup', async () => {
    const world = fourNodes();
    world.services = [{ sid: 'ct:110', node: 'ovh1' }];
    world.jobs = [job('110-0', 'ovh1', 'ovh3'), job('110-1', 'ovh1', 'ovh4')];
    world.backups = [];
    const plan = await planOf('ct destroy', { vmid: '110', confirm: '110' }, world);
    expect(codes(plan)).toEqual(['ha-managed', 'replicated', 'no-recent-backup']);
    expect(plan.risks[1]?.says).toContain('110-0 to ovh3, 110-1 to ovh4');
    expect(plan.risks[2]?.says).toBe('NO backup that we may see');
    expect(plan.observations.map(({ label }) => label)).not.toContain('Newest backup');
    expect(plan.target.identity).toBe('BC:24:11:00:01:10');
  });

  test('a backup of yesterday is recent, one of the day before is not', async () => {
    const world = fourNodes();
    const destroy = () => planOf('ct destroy', { vmid: '110', confirm: '110' }, world);
    const aged = (hours: number) => (world.backups = [{ ...world.backups[0]!, at: NOW / 1000 - hours * 3600 }]);
    aged(25);
    expect(codes(await destroy())).toEqual([]);
    aged(27);
    expect((await destroy()).risks).toEqual([{ code: 'no-recent-backup', says: 'the newest backup is 1 d 3 h old' }]);
    world.broken.backups = 'no right to see them';
    expect((await destroy()).risks[0]?.says).toBe('whether there is a backup cannot be read');
  });

  test('removing the last copy says so, removing one of two does not', async () => {
    const world = fourNodes();
    expect(codes(await planOf('replication remove', { job: '103-0' }, world))).toEqual(['last-replica']);
    world.jobs.push(job('103-1', 'ovh1', 'ovh4'));
    expect(codes(await planOf('replication remove', { job: '103-0' }, world))).toEqual([]);
  });

  test('disabling a job asks no node anything, so that a rescue is fast while nodes are down', async () => {
    const world = fourNodes();
    world.nodes[2] = { ...world.nodes[2]!, online: false };
    await planOf('replication disable', { job: '103-0' }, world);
    expect([...new Set(world.asked)].sort()).toEqual(['findGuest', 'membership', 'replicationJobs']);
  });

  test('enabling a job that has not run from this side warns that it overwrites the target', async () => {
    const world = fourNodes();
    world.jobs = [job('103-0', 'ovh1', 'ovh3', { disabled: true })];
    expect(codes(await planOf('replication enable', { job: '103-0' }, world))).toEqual([]);
    world.states = [{ ...world.states[0]!, lastSync: 0 }];
    expect(codes(await planOf('replication enable', { job: '103-0' }, world))).toEqual(['overwrites-target']);
  });

  test('a rollback says what is lost, what stops, and that protection does not help', async () => {
    const world = fourNodes();
    const roll = (options = {}) =>
      planOf('snapshot rollback', { vmid: '103', snapshot: 'before-upgrade', ...options }, world);
    world.guests[0] = { ...world.guests[0]!, protection: true };
    world.services = [{ sid: 'ct:103', node: 'ovh1', state: 'started' }];
    const plan = await roll();
    expect(codes(plan)).toEqual([
      'loses-changes',
      'configuration-back',
      'protection-no-help',
      'running',
      'ha-managed',
      'replication-restarts',
    ]);
    expect(plan.target.protected).toBe(true);
    expect(plan.risks[0]?.says).toContain('in the last 5 h');
    expect((await roll({ start: 'no' })).steps.map((step) => step.name)).toEqual(['rollback']);
    world.guests[0] = { ...world.guests[0]!, status: 'stopped' };
    expect(codes(await roll())).not.toContain('running');
    expect((await roll()).steps.map((step) => step.name)).toEqual(['rollback']);
    expect((await roll({ start: 'yes' })).steps.map((step) => step.name)).toEqual(['rollback', 'start']);
  });

  test('a copy that is older than the snapshot loses nothing; one whose age is unknown may', async () => {
    const world = fourNodes();
    const roll = () => planOf('snapshot rollback', { vmid: '103', snapshot: 'before-upgrade' }, world);
    world.states = [{ ...world.states[0]!, lastSync: NOW / 1000 - 6 * 3600 }];
    expect(codes(await roll())).not.toContain('replication-restarts');
    world.broken.replicationState = 'the node is silent';
    expect(codes(await roll())).toContain('replication-restarts');
  });

  test('off ZFS an older snapshot can be gone back to; where the storages are hidden Proxmox decides', async () => {
    const world = fourNodes();
    const roll = () => planOf('snapshot rollback', { vmid: '103', snapshot: 'autodaily261114020001' }, world);
    await expect(roll()).rejects.toThrow(/only to the newest/);
    world.broken.storages = 'no right to see them';
    expect((await roll()).guards.map(({ code }) => code)).not.toContain('newest-snapshot:autodaily261114020001');
    world.broken = {};
    world.storages['ovh1']![0] = { ...world.storages['ovh1']![0]!, type: 'lvmthin' };
    expect(codes(await roll())).toEqual(['loses-changes', 'configuration-back', 'running']);
  });

  test('a VM whose memory was kept runs on from it, without a start of ours', async () => {
    const world = fourNodes();
    world.snapshots[200] = [snapshot('golden', 3, { memory: true })];
    const plan = await planOf('snapshot rollback', { vmid: '200', snapshot: 'golden' }, world);
    expect(plan.steps.map((step) => step.name)).toEqual(['rollback']);
    expect((commandNamed('snapshot rollback') as ChangeCommand).preview(plan).lines?.[0]).toContain('memory back');
  });

  test('deleting says whose it is, and that the copies lose it too', async () => {
    const world = fourNodes();
    const remove = (name: string) => planOf('snapshot delete', { vmid: '103', snapshot: name }, world);
    expect(codes(await remove('before-upgrade'))).toEqual(['replicated']);
    expect((await remove('autodaily261114020001')).risks[0]?.says).toContain('a schedule on the node made it');
    world.snapshots[103]!.push(snapshot('mine', 1));
    world.states = [{ ...world.states[0]!, lastSync: 0, running: true }];
    const plan = await remove('mine');
    expect(codes(plan)).toEqual(['not-made-here', 'replicated', 'replication-may-need-it']);
    expect(plan.observations.at(-1)).toEqual({
      label: 'Replication',
      value: '103-0 runs now; Proxmox waits 10 s for it',
    });
  });

  test('a namesake made since is another snapshot: votes for the old one do not count', async () => {
    const world = fourNodes();
    const remove = () => planOf('snapshot delete', { vmid: '103', snapshot: 'before-upgrade' }, world);
    const before = fingerprint(await remove());
    world.snapshots[103] = [snapshot('before-upgrade', 1, { description: 'bascule:r-0' })];
    expect(fingerprint(await remove())).not.toBe(before);
  });

  test('a snapshot on a storage that is nearly full says what it will hold on to', async () => {
    const world = fourNodes();
    world.storages['ovh1']![0] = { ...world.storages['ovh1']![0]!, free: 20 * GIB };
    const plan = await planOf('snapshot create', { vmid: '103', snapshot: 'v3' }, world);
    expect(codes(plan)).toEqual(['little-room']);
    expect(plan.observations).toContainEqual({ label: 'Free', value: 'local-zfs 20 GiB' });
    expect(paramsOf(plan)['description']).toBe('bascule:{run}');
  });

  test('the number of a removed job is taken until it is gone', async () => {
    const world = fourNodes();
    world.jobs = [job('110-0', 'ovh1', 'ovh2', { removing: true })];
    const around = { reserved: ['replication/off/110-1'] };
    const plan = await planOf('replication add', { vmid: '110', target: 'ovh3' }, world, around);
    expect(plan.intent['job']).toBe('110-2');
  });

  test('a VM is replicated without its CD, its cloud-init disk and devices of the host', async () => {
    const world = fourNodes();
    const volume = (key: string, volid: string, storage?: string) => ({ key, volid, storage, replicate: true });
    world.guests[3] = {
      ...world.guests[3]!,
      volumes: [
        volume('ide2', 'local:iso/debian-13.iso', 'local'),
        volume('ide0', 'local-zfs:vm-200-cloudinit', 'local-zfs'),
        volume('sata0', 'none'),
        volume('scsi1', '/dev/disk/by-id/x'),
        volume('scsi0', 'local-zfs:vm-200-disk-0', 'local-zfs'),
      ],
    };
    const plan = await planOf('replication add', { vmid: '200', target: 'ovh4' }, world);
    expect(plan.intent['storages']).toEqual(['local-zfs']);
  });

  test('rights that cannot be read are shown, not assumed', async () => {
    const world = fourNodes();
    world.permissions = {};
    const plan = await planOf('replication add', { vmid: '110', target: 'ovh3' }, world);
    expect(plan.observations.at(-1)).toEqual({
      label: 'Token rights',
      value: 'not checked: the token sees none of its own rights',
    });
  });
});

describe('snapshot rollback with access to the node', () => {
  const seen = (...newer: readonly ZfsSnapshot[]) =>
    fakeNodes(['ovh1'], { zfsSnapshots: async () => zfsOf([zfsSnapshot('before-upgrade', 5), ...newer]) });
  const back = (nodes: NodeView) =>
    planOf('snapshot rollback', { vmid: '103', snapshot: 'before-upgrade' }, fourNodes(), { nodes });

  test('newer ones that Proxmox hides are named before anybody approves, with the disk they are on', async () => {
    const nodes = seen(
      zfsSnapshot('by-zfs', 2, { hidden: true }),
      zfsSnapshot('vzdump', 1, { hidden: true, class: 'vzdump' }),
    );
    await expect(back(nodes)).rejects.toThrow(
      'newer ones that Proxmox does not know of: by-zfs on rootfs; vzdump on rootfs',
    );
  });

  test('a newer one on a disk that is not attached is not in the way', async () => {
    const nodes = seen(zfsSnapshot('by-zfs', 2, { hidden: true, dataset: 'rpool/data/subvol-103-disk-9', role: '' }));
    expect((await back(nodes)).observations).toContainEqual({ label: 'Newer on the node', value: 'nothing' });
  });

  test("replication's own are removed without a word, so the plan says which", async () => {
    const name = '__replicate_103-0_1794747600__';
    const plan = await back(seen(zfsSnapshot(name, 0.05, { hidden: true })));
    expect(plan.observations).toContainEqual({
      label: 'Newer on the node',
      value: `${name} on rootfs: removed with it`,
    });
    expect(plan.risks.map(({ code }) => code)).toContain('replication-restarts');
    const card = (commandNamed('snapshot rollback') as ChangeCommand).preview(plan);
    expect(card.lines).toHaveLength(1);
    expect((await back(seen())).risks.map(({ code }) => code)).not.toContain('replication-restarts');
  });

  test('a node that does not tell leaves the plan as it is without one', async () => {
    const failing = fakeNodes(['ovh1'], {
      zfsSnapshots: async () => fail('unavailable', { what: 'nothing', why: 'its helper is missing', next: 'look' }),
    });
    const plan = await back(failing);
    expect(plan.observations).toContainEqual({
      label: 'Newer on the node',
      value: 'not known, ovh1 did not tell: its helper is missing',
    });
    expect(fingerprint(plan)).toBe(fingerprint(await back(fakeNodes([]))));
  });
});

describe('ct unlock', () => {
  const locked = (lock?: string) => {
    const world = fourNodes();
    world.guests[1] = { ...world.guests[1]!, ...(lock ? { lock } : {}) };
    return world;
  };
  const refusal = (world: FakeWorld, around: Around) => refusalOf('ct unlock', { vmid: '110' }, world, around);

  test('only the lock of a create is taken', async () => {
    expect((await refusal(locked(), killed(110))).why).toBe('it is not locked');
    expect((await refusal(locked('backup'), killed(110))).why).toContain('its lock is backup');
  });

  test('only where a create of the bot ended badly', async () => {
    expect(await refusal(locked('create'), killed(111))).toMatchObject({ kind: 'forbidden' });
    expect(await refusal(locked('create'), killed(110, { cluster: 'other' }))).toMatchObject({ kind: 'forbidden' });
    expect(await refusal(locked('create'), killed(110, { state: 'running' }))).toMatchObject({
      why: 'run r-7 is still at it',
    });
    // It holds the container until somebody has looked, so the unlock would only wait for it.
    expect(await refusal(locked('create'), killed(110, { state: 'in-doubt' }))).toMatchObject({
      why: 'run r-7 is in doubt and holds it until somebody has looked',
      next: expect.stringContaining('run cancel id:r-7'),
    });
  });

  test('without access to the node it says what to type there', async () => {
    const { why, next } = await refusal(locked('create'), { ...killed(110), nodes: fakeNodes([]) });
    expect(why).toContain('ovh1 has no SSH access');
    expect(next).toContain('pct unlock 110');
  });

  test('what the node itself would refuse is refused before anybody approves', async () => {
    const nodes = fakeNodes(['ovh1'], {
      dryRun: async () => fail('conflict', { what: 'no', why: 'a task that makes it is still running', next: 'wait' }),
    });
    expect((await refusal(locked('create'), { ...killed(110), nodes })).why).toContain('still running');
  });
});

describe('backup run', () => {
  const run = (options: Record<string, string>, world = fourNodes(), around = {}) =>
    planOf('backup run', { vmid: '103', ...options }, world, around);
  const storageOf = (plan: Plan) => paramsOf(plan)['storage'];

  test('writes to the storage of an enabled job before that of a disabled one', async () => {
    const world = fourNodes();
    world.backupJobs = [
      backupJob('a-old', [103], { enabled: false, storage: 'local' }),
      backupJob('b-new', [], { all: true, compress: 'lzo' }),
    ];
    const plan = await run({}, world);
    expect(paramsOf(plan)).toMatchObject({ storage: 'backups', compress: 'lzo', mode: 'snapshot', remove: 0 });
    expect(storageOf(await run({ storage: 'local' }, world))).toBe('local');
  });

  test('keeps the storage that was approved when the job names another one since', async () => {
    const world = fourNodes();
    const previous = await run({}, world);
    world.backupJobs = [backupJob('nightly', [103], { storage: 'local' })];
    const again = await run({}, world, { previous });
    expect([storageOf(again), fingerprint(again)]).toEqual(['backups', fingerprint(previous)]);
  });

  test('says when the container stands still for it, and which mounts are not in it', async () => {
    const world = fourNodes();
    world.unable = [103];
    const volumes = [{ key: 'mp0', volid: '/mnt/photos', replicate: true }];
    world.guests[0] = { ...world.guests[0]!, volumes };
    const plan = await run({}, world);
    expect(plan.risks.map(({ code }) => code)).toEqual(['suspends']);
    expect(plan.observations).toContainEqual({ label: 'Not in it', value: 'mp0 /mnt/photos' });
  });

  test('asks nothing of the size of the last one where blocks are kept once', async () => {
    const world = fourNodes();
    world.storages['ovh1']![2] = { ...world.storages['ovh1']![2]!, type: 'pbs', free: 500 * GIB };
    world.backups.push({ ...backup(103, 5), size: 700 * GIB });
    expect(storageOf(await run({}, world))).toBe('backups');
  });
});
