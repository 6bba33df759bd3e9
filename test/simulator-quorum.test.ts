import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { HandClock } from '../adapters/simulator/index.ts';
import { type Client, container, startClient } from './simulator/client.ts';

let client: Client;
afterEach(() => client.close());

describe('quorum', () => {
  test('with one node of four gone the others are quorate and see it offline', async () => {
    client = await startClient();
    await client.simulator.unplug('ovh3');
    const { data } = await client.call('GET', '/cluster/status');
    expect(data.find((row: { type: string }) => row.type === 'cluster').quorate).toBe(1);
    expect(data.find((row: { name: string }) => row.name === 'ovh3').online).toBe(0);
    expect(await client.call('GET', '/nodes/ovh3/status')).toMatchObject({
      status: 595,
      reason: 'No route to host',
      data: undefined,
    });
    await expect(client.call('GET', '/version', undefined, { node: 'ovh3' })).rejects.toThrow(/ECONNREFUSED/);
    await client.simulator.plug('ovh3');
    expect((await client.call('GET', '/version', undefined, { node: 'ovh3' })).status).toBe(200);
  });

  test('two of four without a QDevice have no quorum, with one the side of the lowest node id has', async () => {
    client = await startClient();
    client.simulator.partition(['ovh1', 'ovh2'], ['ovh3', 'ovh4']);
    expect(client.simulator.world.votes('ovh1')).toEqual({ expected: 4, present: 2, needed: 3, quorate: false });
    client.simulator.world.qdevice = { host: '10.0.9.9:5403', connected: true };
    client.simulator.world.recount();
    expect(client.simulator.world.votes('ovh1')).toEqual({ expected: 5, present: 3, needed: 3, quorate: true });
    expect(client.simulator.world.quorate('ovh3')).toBe(false);
    expect((await client.call('GET', '/cluster/config/qdevice')).data).toMatchObject({
      State: 'Connected',
      'QNetd host': '10.0.9.9:5403',
    });
  });

  test('a cut-off node answers, says it is not quorate, and shows the world as it was', async () => {
    client = await startClient();
    client.simulator.partition(['ovh4'], ['ovh1', 'ovh2', 'ovh3']);
    await client.ended((await client.call('POST', '/nodes/ovh1/lxc', container(130))).data);
    const there = { node: 'ovh4' };
    expect((await client.call('GET', '/cluster/status', undefined, there)).data[0].quorate).toBe(0);
    expect((await client.call('GET', '/cluster/nextid', { vmid: 130 }, there)).data).toBe('130');
    expect((await client.call('GET', '/cluster/ha/status/current', undefined, there)).data[0]).toMatchObject({
      node: 'ovh4',
      quorate: 0,
      status: "No quorum on node 'ovh4'!",
    });
    expect((await client.call('GET', '/cluster/ha/status/manager_status', undefined, there)).data.quorum.quorate).toBe(
      '',
    );
    client.simulator.heal();
    expect((await client.call('GET', '/cluster/nextid', { vmid: 130 }, there)).status).toBe(400);
  });

  test('every kind of write fails on a node without quorum, in its own words', async () => {
    client = await startClient();
    client.simulator.partition(['ovh4'], ['ovh1', 'ovh2', 'ovh3']);
    const root = { node: 'ovh4', token: 'root@pam!root' };
    const reason = async (method: string, path: string, params?: Record<string, string | number>) =>
      (await client.call(method, path, params, root)).reason;
    expect(await reason('POST', '/nodes/ovh4/lxc', container(130))).toBe('cluster not ready - no quorum?');
    expect(await reason('POST', '/nodes/ovh4/lxc/120/status/stop')).toBe('cluster not ready - no quorum?');
    expect(await reason('PUT', '/nodes/ovh4/lxc/120/config', { memory: 512 })).toMatch(
      /^unable to open file '\/etc\/pve\/nodes\/ovh4\/lxc\/120\.conf\.tmp\.\d+' - Permission denied$/,
    );
    expect(await reason('PUT', '/cluster/replication/117-0', { disable: 1 })).toBe(
      "cfs-lock 'file-replication_cfg' error: no quorum!",
    );
    expect(await reason('PUT', '/cluster/ha/resources/ct:103', { state: 'stopped' })).toBe(
      "update resources config failed: cfs-lock 'domain-ha' error: no quorum!",
    );
    expect(await reason('PUT', '/access/acl', { path: '/', roles: 'PVEAuditor', users: 'nobody@pve' })).toBe(
      "ACL update failed: cfs-lock 'file-user_cfg' error: no quorum!",
    );
    expect(client.simulator.effects.all).toEqual([]);
  });

  test('a node that hangs accepts connections and never answers', async () => {
    client = await startClient();
    await client.simulator.unplug('ovh2', 'hang');
    const url = new URL(client.simulator.url('ovh2'));
    const socket = connectTls({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    expect(socket.authorized).toBe(false);
    expect((await client.call('GET', '/nodes/ovh2/lxc')).status).toBe(595);
    socket.destroy();
  });
});

describe('replication', () => {
  test('a removed job stays in the list, marked, until the scheduler has been round', async () => {
    client = await startClient();
    expect((await client.call('DELETE', '/cluster/replication/103-0')).status).toBe(200);
    expect((await client.call('GET', '/cluster/replication/103-0')).data.remove_job).toBe('full');
    expect(
      (await client.call('POST', '/cluster/replication', { id: '103-0', type: 'local', target: 'ovh4' })).reason,
    ).toBe("replication job '103-0' already exists");
    client.simulator.replicationRound();
    expect((await client.call('GET', '/cluster/replication/103-0')).reason).toBe("no such replication job '103-0'");
  });

  test('one job per target, only to other nodes, only from storages that can', async () => {
    client = await startClient();
    const add = async (id: string, target: string) =>
      (await client.call('POST', '/cluster/replication', { id, type: 'local', target })).reason;
    expect(await add('103-1', 'ovh3')).toBe("replication job for guest '103' to target 'local/ovh3' already exists");
    expect(await add('103-1', 'ovh2')).toBe('Source and target must not be identical');
    Object.assign(client.simulator.world.guest(101)!.config, { rootfs: 'local:101/vm-101-disk-0.raw,size=8G' });
    expect(await add('101-0', 'ovh2')).toBe("missing replicate feature on volume 'local:101/vm-101-disk-0.raw'");
  });

  test('a run asked for happens in the next round and leaves its log', async () => {
    const clock = new HandClock();
    client = await startClient({ clock, taskMs: 100 });
    expect((await client.call('POST', '/nodes/ovh2/replication/103-0/schedule_now')).data).toBe('');
    client.simulator.replicationRound();
    expect((await client.call('GET', '/nodes/ovh2/replication/103-0/status')).data.pid).toBeDefined();
    await clock.advance(200);
    const { data } = await client.call('GET', '/nodes/ovh2/replication/103-0/status');
    expect(data).toMatchObject({ fail_count: 0, last_sync: data.last_try });
    expect((await client.call('GET', '/nodes/ovh2/replication/103-0/log')).data.at(-1).t).toMatch(
      /103-0: end replication job$/,
    );
  });
});

describe('high availability', () => {
  const rounds = async (clock: HandClock, until: () => boolean) => {
    for (let round = 0; round < 60 && !until(); round++) {
      await clock.advance(10_000);
      client.simulator.haRound();
    }
    await clock.advance(1000);
  };

  test('the guests of a dead node are fenced, moved where their rule allows, and started there', async () => {
    const clock = new HandClock();
    client = await startClient({ clock, taskMs: 10, speed: 0 });
    await client.simulator.unplug('ovh2');
    const seen = new Set<string>();
    await rounds(clock, () => {
      seen.add(client.simulator.world.state.ha.manager.nodeStatus['ovh2'] ?? '');
      return client.simulator.world.guest(103)?.running === true;
    });
    expect([...seen]).toEqual(['online', 'unknown', 'fence']);
    expect(client.simulator.world.guest(103)).toMatchObject({ node: 'ovh3', running: true });
    expect(client.simulator.tasks.of('ovh3')[0]).toMatchObject({
      type: 'vzstart',
      user: 'root@pam',
      log: ['task started by HA resource agent', 'TASK OK'],
    });
    const { data } = await client.call('GET', '/nodes/ovh3/replication');
    expect(data.find((row: { id: string }) => row.id === '103-0')).toMatchObject({
      source: 'ovh3',
      target: 'ovh2',
      last_sync: 0,
      next_sync: 300,
    });
    expect(client.simulator.world.guest(104)?.node).toBe('ovh2');
  });

  test('without a replica the start fails and the service ends in error', async () => {
    const clock = new HandClock();
    client = await startClient({ clock, taskMs: 10, speed: 0 });
    client.simulator.world.dropVolume('local-zfs:subvol-103-disk-0', 'ovh3');
    await client.simulator.unplug('ovh2');
    await rounds(clock, () => client.simulator.world.state.ha.manager.services['ct:103']?.state === 'error');
    expect(client.simulator.world.state.ha.manager.services['ct:103']?.state).toBe('error');
    expect(client.simulator.tasks.of('ovh3')[0]?.exitstatus).toBe(
      "zfs error: cannot open 'rpool/data/subvol-103-disk-0': dataset does not exist",
    );
  });

  test('a node that is back within a minute keeps its guests', async () => {
    const clock = new HandClock();
    client = await startClient({ clock, taskMs: 10, speed: 0 });
    await client.simulator.unplug('ovh2');
    client.simulator.haRound();
    await client.simulator.plug('ovh2');
    await rounds(clock, () => client.simulator.world.guest(103)?.running === true);
    expect(client.simulator.world.guest(103)).toMatchObject({ node: 'ovh2', running: true });
    expect(client.simulator.effects.count('ha.recover')).toBe(0);
  });
});
