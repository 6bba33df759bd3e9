import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { guestsFrom } from '../adapters/proxmox/guests.ts';
import { Resources } from '../adapters/proxmox/schema.ts';
import type { WorldSpec } from '../adapters/simulator/index.ts';
import { failureOf } from './proxmox-line.ts';
import { type Setting, setUp } from './proxmox-world.ts';

describe.each(['8.4', '9.2'] as const)('a cluster of %s', (pve) => {
  let world: Setting;
  beforeEach(async () => {
    world = await setUp(pve);
  });
  afterEach(() => world.close());
  const rebuild = async (change: (spec: WorldSpec) => WorldSpec) => {
    await world.close();
    world = await setUp(pve, change);
  };
  const asked = () => world.sim.requests.map((request) => `${request.method} ${request.path}`);

  test('tells its version', async () => {
    const { major, minor, text } = await world.connect().view().version();
    expect(`${major}.${minor}`).toBe(pve);
    expect(text.startsWith(`${pve}.`)).toBe(true);
  });

  test('tells votes and members for three calls to one node', async () => {
    const told = await world.connect().view().membership();
    expect(told).toMatchObject({
      clusterName: 'off',
      asked: 'ovh1',
      quorate: true,
      expected: 4,
      present: 4,
      needed: 3,
    });
    expect(told).toMatchObject({ votesKnown: true, cutOff: [] });
    expect(told.members.map(({ name, online, votes }) => [name, online, votes])).toEqual([
      ['ovh1', true, 1],
      ['ovh2', true, 1],
      ['ovh3', true, 1],
      ['ovh4', true, 1],
    ]);
    expect(asked()).toHaveLength(3);
  });

  test('is asked elsewhere when the first node is dead', async () => {
    await world.sim.unplug('ovh1');
    const told = await world.connect().view().membership();
    expect(told).toMatchObject({ asked: 'ovh2', quorate: true, expected: 4, present: 3, needed: 3 });
    expect(told.members.filter(({ online }) => !online).map(({ name }) => name)).toEqual(['ovh1']);
    expect(world.events).toContainEqual({ kind: 'switched', from: world.sim.url('ovh1'), to: world.sim.url('ovh2') });
  });

  test('a cut-off node answers, but a quorate one is believed, now and later', async () => {
    world.sim.partition(['ovh1'], ['ovh2', 'ovh3', 'ovh4']);
    const connection = world.connect();
    const told = await connection.view().membership();
    expect(told).toMatchObject({ asked: 'ovh2', quorate: true, present: 3, cutOff: ['ovh1'] });
    expect(await connection.view().membership()).toMatchObject({ asked: 'ovh2', quorate: true });
  });

  test('cut in two halves has no quorum, and the node that was asked says so', async () => {
    world.sim.partition(['ovh1', 'ovh2'], ['ovh3', 'ovh4']);
    const told = await world.connect().view().membership();
    expect(told).toMatchObject({ asked: 'ovh1', quorate: false, expected: 4, present: 2, needed: 3, cutOff: [] });
  });

  test('whose vote list cannot be read is told with one vote each, and says that it is a guess', async () => {
    world.sim.failNext(
      { path: '/cluster/config/nodes' },
      { status: 403, reason: 'Permission check failed (/, Sys.Audit)' },
    );
    expect(await world.connect().view().membership()).toMatchObject({ votesKnown: false, expected: 4, present: 4 });
  });

  test('with uneven votes counts votes, not nodes', async () => {
    await rebuild((spec) => ({
      ...spec,
      nodes: spec.nodes.map((node) => ({ ...node, votes: node.name === 'ovh1' ? 3 : 1 })),
    }));
    await world.sim.unplug('ovh4');
    expect(await world.connect().view().membership()).toMatchObject({ expected: 6, present: 5, needed: 4 });
  });

  test('of two nodes lives on with its QDevice', async () => {
    await rebuild((spec) => ({
      ...spec,
      nodes: spec.nodes.slice(0, 2),
      guests: [],
      replication: [],
      ha: [],
      haRules: [],
      backupJobs: [],
      qdevice: { host: '10.0.9.9:5403' },
    }));
    expect(await world.connect().view().membership()).toMatchObject({ expected: 3, present: 3, needed: 2 });
    await world.sim.unplug('ovh2');
    const told = await world.connect().view().membership();
    expect(told).toMatchObject({ quorate: true, expected: 3, present: 2, qdevice: { votes: 1, connected: true } });
    world.sim.setQdevice(false);
    expect(await world.connect().view().membership()).toMatchObject({
      quorate: false,
      present: 1,
      qdevice: { connected: false },
    });
  });

  test('remembers within one view and looks anew in the next', async () => {
    const connection = world.connect();
    const view = connection.view();
    await Promise.all([view.guests(), view.nodes(), view.findGuest('103')]);
    await view.guests();
    expect(asked()).toEqual(['GET /cluster/resources']);
    await connection.view().guests();
    expect(asked()).toHaveLength(2);
  });

  test('asks again after a failure within one view', async () => {
    const view = world.connect().view();
    world.sim.failNext({ path: '/cluster/resources' }, { status: 500, reason: 'got timeout' });
    expect(await failureOf(view.guests())).toMatchObject({ kind: 'conflict' });
    expect(await view.guests()).not.toHaveLength(0);
  });

  test('finds nodes whatever the case, and names them all when there is none such', async () => {
    const view = world.connect().view();
    expect(await view.node('OVH2')).toMatchObject({ name: 'ovh2', online: true, cores: 16 });
    expect((await failureOf(view.node('ovh9'))).why).toContain('ovh1, ovh2, ovh3, ovh4');
    expect((await failureOf(view.storages('../access'))).kind).toBe('not-found');
  });

  test('says which node is down when it is asked about', async () => {
    await world.sim.unplug('ovh4');
    const view = world.connect().view();
    expect((await view.nodes()).find(({ name }) => name === 'ovh4')?.online).toBe(false);
    expect(await failureOf(view.node('ovh4'))).toMatchObject({ kind: 'unavailable', status: 595 });
  });

  test('does not call guests of a dead node stopped', async () => {
    await world.sim.unplug('ovh4');
    const guests = await world.connect().view().guests();
    expect(guests.filter(({ node }) => node === 'ovh4').map(({ status }) => status)).toEqual(['unknown', 'unknown']);
    expect(guests.find(({ vmid }) => vmid === 101)?.status).toBe('running');
  });

  test('finds guests by number and by name, whatever the case', async () => {
    const view = world.connect().view();
    expect(await view.findGuest('103')).toMatchObject({ vmid: 103, name: 'nutrition', node: 'ovh2', type: 'lxc' });
    expect((await view.findGuest(' NutriTion ')).vmid).toBe(103);
    expect((await view.findGuest('docker-prod', 'qemu')).vmid).toBe(201);
  });

  test('tells what was meant when a guest is not found', async () => {
    const view = world.connect().view();
    const typo = await failureOf(view.findGuest('nutritio'));
    expect(typo).toMatchObject({ kind: 'not-found', next: 'did you mean CT 103 nutrition?' });
    const other = await failureOf(view.findGuest('docker-prod', 'lxc'));
    expect(other).toMatchObject({ kind: 'not-found', why: 'VM 201 docker-prod is a virtual machine' });
    expect(await failureOf(view.findGuest('zzzzzzzzzz'))).toMatchObject({
      kind: 'not-found',
      next: 'list them: ct list',
    });
  });

  test('does not choose between guests of one name', async () => {
    await rebuild((spec) => ({
      ...spec,
      guests: [...(spec.guests ?? []), { vmid: 130, node: 'ovh4', name: 'nutrition' }],
    }));
    const failure = await failureOf(world.connect().view().findGuest('nutrition'));
    expect(failure).toMatchObject({ kind: 'conflict' });
    expect(failure.why).toContain('CT 103 nutrition on ovh2, CT 130 nutrition on ovh4');
  });

  test('tells a guest in full', async () => {
    const view = world.connect().view();
    const detail = await view.guestDetail(await view.findGuest('103'));
    expect(detail).toMatchObject({
      vmid: 103,
      name: 'nutrition',
      status: 'running',
      protection: true,
      hastate: 'started',
    });
    expect(detail.mac).toMatch(/^([0-9A-F]{2}:){5}[0-9A-F]{2}$/);
    expect(detail.volumes).toEqual([
      {
        key: 'rootfs',
        volid: 'local-zfs:subvol-103-disk-0',
        storage: 'local-zfs',
        size: '32G',
        replicate: true,
        mountpoint: '/',
      },
    ]);
    expect(detail.digest).toMatch(/^[0-9a-f]{40}$/);
    expect(await failureOf(view.guestDetail({ vmid: 103, node: 'ovh1', type: 'lxc' }))).toMatchObject({
      kind: 'not-found',
    });
  });

  test('tells storages with what is free, templates newest first, and bridges', async () => {
    const view = world.connect().view();
    const storages = await view.storages('ovh1');
    expect(storages.map(({ id, type }) => [id, type])).toEqual([
      ['backups', 'nfs'],
      ['local', 'dir'],
      ['local-zfs', 'zfspool'],
    ]);
    expect(storages.every(({ active, free, total }) => active && free! > 0 && total! > free!)).toBe(true);
    expect((await view.templates('ovh1')).map(({ name }) => name)).toEqual([
      'debian-13-standard_13.1-2_amd64',
      'debian-12-standard_12.12-1_amd64',
    ]);
    expect(await view.bridges('ovh1')).toEqual(['vmbr0']);
  });

  test('gives the next vmid that is neither taken nor unwanted', async () => {
    const view = world.connect().view();
    expect(await view.nextVmid(new Set())).toBe(100);
    expect(await view.nextVmid(new Set([100, 105]))).toBe(106);
    expect(await view.nextVmid(new Set(), [101, 120])).toBe(105);
    expect((await failureOf(view.nextVmid(new Set(), [101, 104]))).kind).toBe('conflict');
    expect([await view.vmidFree(101), await view.vmidFree(105)]).toEqual([false, true]);
  });

  test('gives no vmid that a hidden guest has', async () => {
    const view = world.connect({ token: 'nobody@pve!none' }).view();
    expect(await view.nextVmid(new Set(), [101, 120])).toBe(105);
  });

  test('tells replication jobs and their state', async () => {
    const view = world.connect().view();
    expect(await view.replicationJobs()).toContainEqual({
      id: '117-0',
      guest: 117,
      source: 'ovh1',
      target: 'ovh4',
      schedule: '*/5',
      disabled: false,
      comment: 'wiki',
      removing: false,
    });
    expect((await view.replicationState('ovh2')).map(({ id, target }) => [id, target])).toEqual([
      ['103-0', 'ovh3'],
      ['104-0', 'ovh1'],
    ]);
  });

  test('tells snapshots, the oldest first, without the pseudo one, and whether there can be any', async () => {
    const connection = world.connect();
    const guest = await connection.view().findGuest('120');
    expect(await connection.view().snapshots(guest)).toEqual({ all: [] });
    expect(await connection.view().canSnapshot(guest)).toBe(true);
    const config = {};
    world.sim.world.guest(120)!.snapshots = [
      { name: 'v2', snaptime: 2_000, description: 'bascule:r1\n', parent: 'v1', snapstate: 'prepare', config },
      { name: 'a-later', snaptime: 1_000, description: '', parent: 'v1', config },
      { name: 'v1', snaptime: 1_000, description: '', config },
    ];
    world.sim.world.guest(120)!.parent = 'v1';
    world.sim.world.guest(120)!.config['mp0'] = '/mnt/data,mp=/data';
    const view = connection.view();
    expect(await view.snapshots(guest)).toEqual({
      base: 'v1',
      all: [
        { name: 'v1', at: 1_000, description: '', usable: true, memory: false },
        { name: 'a-later', at: 1_000, description: '', usable: true, memory: false, parent: 'v1' },
        { name: 'v2', at: 2_000, description: 'bascule:r1', usable: false, memory: false, parent: 'v1' },
      ],
    });
    expect(await view.canSnapshot(guest)).toBe(false);
  });

  test('tells what HA manages', async () => {
    const services = await world.connect().view().haServices();
    expect(services.map(({ sid, node }) => [sid, node])).toEqual([
      ['ct:103', 'ovh2'],
      ['vm:201', 'ovh1'],
    ]);
  });

  test('answers an empty list for lack of rights with the right that lacks', async () => {
    const view = world.connect({ token: 'nobody@pve!none' }).view();
    for (const question of [view.guests(), view.replicationJobs()]) {
      const failure = await failureOf(question);
      expect(failure).toMatchObject({ kind: 'no-privilege' });
      expect(failure.next).toContain("pveum role add Bascule-VMAudit --privs 'VM.Audit'");
      expect(failure.next).toContain("--users 'nobody@pve' --tokens 'nobody@pve!none'");
    }
    expect((await failureOf(view.storages('ovh1'))).why).toContain('Datastore.Audit on /storage');
    expect((await failureOf(view.membership())).kind).toBe('no-privilege');
  });

  test('does not say "no templates" to a token that may only fill the storage', async () => {
    await rebuild((spec) => ({
      ...spec,
      roles: [...(spec.roles ?? []), { id: 'Filler', privs: ['Datastore.AllocateSpace'] }],
      tokens: [...(spec.tokens ?? []), { id: 'nobody@pve!filler', privsep: false }],
      acl: [...(spec.acl ?? []), { path: '/storage', role: 'Filler', ugid: 'nobody@pve' }],
    }));
    const view = world.connect({ token: 'nobody@pve!filler' }).view();
    expect(await view.storages('ovh1')).not.toHaveLength(0);
    expect(await failureOf(view.templates('ovh1'))).toMatchObject({ kind: 'no-privilege' });
  });

  test('may be empty for good', async () => {
    await rebuild((spec) => ({ ...spec, guests: [], replication: [], ha: [], haRules: [], backupJobs: [] }));
    const view = world.connect().view();
    expect([await view.guests(), await view.replicationJobs(), await view.haServices()]).toEqual([[], [], []]);
    expect(asked().filter((one) => one === 'GET /access/permissions')).toHaveLength(1);
  });

  test('of one host without a cluster is quorate by itself', async () => {
    await rebuild((spec) => ({
      ...spec,
      cluster: undefined,
      nodes: spec.nodes.slice(0, 1),
      guests: [],
      replication: [],
      ha: [],
      haRules: [],
      backupJobs: [],
    }));
    const told = await world.connect().view().membership();
    expect(told).toMatchObject({ asked: 'ovh1', quorate: true, expected: 1, present: 1, needed: 1, votesKnown: true });
    expect(told).not.toHaveProperty('clusterName');
  });

  test('that nobody answers for is unavailable', async () => {
    for (const node of world.sim.nodes) await world.sim.unplug(node);
    expect(await failureOf(world.connect().view().membership())).toMatchObject({ kind: 'unavailable', sent: 'no' });
    expect(await failureOf(world.connect().view().guests())).toMatchObject({ kind: 'unavailable', sent: 'no' });
  });
});

test('a guest of a dead node keeps the name it had', () => {
  const names = new Map<number, string>();
  const rows = (status: string, name?: string) =>
    Resources.parse([
      { type: 'node', node: 'ovh2', status },
      { type: 'lxc', vmid: 103, node: 'ovh2', status: name ? 'running' : 'unknown', ...(name ? { name } : {}) },
    ]);
  expect(guestsFrom(rows('online', 'robotoff'), names)).toMatchObject([{ name: 'robotoff', status: 'running' }]);
  expect(guestsFrom(rows('offline'), names)).toMatchObject([{ name: 'robotoff', status: 'unknown' }]);
  expect(guestsFrom(rows('offline'), new Map())).toMatchObject([{ name: '', status: 'unknown' }]);
});
