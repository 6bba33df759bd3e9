import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { HandClock } from '../adapters/simulator/index.ts';
import { type Client, container, startClient, until } from './simulator/client.ts';

let client: Client;
afterEach(() => client.close());

describe('creating a container', () => {
  test('the configuration is only a lock at first, then whole without lock while the task still runs, then the task is OK', async () => {
    const clock = new HandClock();
    client = await startClient({ clock, taskMs: 1000 });
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc', container(130, { tags: 'B;a' }));
    expect(upid).toMatch(/^UPID:ovh1:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:vzcreate:130:bascule@pve!operate:$/);
    expect((await client.call('GET', '/nodes/ovh1/lxc/130/config')).data).toEqual({
      lock: 'create',
      digest: expect.any(String),
    });
    await clock.advance(500);
    expect(client.simulator.tasks.find(upid)?.status).toBe('running');
    expect((await client.call('GET', '/nodes/ovh1/tasks', { vmid: 130 })).data).toEqual([]);
    expect((await client.call('GET', '/nodes/ovh1/tasks', { vmid: 130, source: 'all' })).data[0].status).toBe(
      'RUNNING',
    );
    const { data: config } = await client.call('GET', '/nodes/ovh1/lxc/130/config');
    expect(config).toMatchObject({
      description: 'made by run 130\n',
      tags: 'b;a',
      net0: expect.stringMatching(/hwaddr=BC:24:11:/),
    });
    expect(config.lock).toBeUndefined();
    await clock.advance(1000);
    expect(client.simulator.tasks.find(upid)?.exitstatus).toBe('OK');
  });

  test('the same vmid twice makes one container', async () => {
    client = await startClient();
    const both = await Promise.all([
      client.call('POST', '/nodes/ovh1/lxc', container(130)),
      client.call('POST', '/nodes/ovh2/lxc', container(130)),
    ]);
    expect(both.map((each) => each.status).sort()).toEqual([200, 500]);
    expect(both.find((each) => each.status === 500)?.reason).toMatch(/^CT 130 already exists on node 'ovh[12]'$/);
    expect(client.simulator.effects.count('create', 130)).toBe(1);
  });

  test('a missing template fails in the task and leaves nothing', async () => {
    client = await startClient();
    client.simulator.dropTemplate('local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst', 'ovh1');
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc', container(130));
    expect(await client.ended(upid)).toBe(
      "unable to create CT 130 - volume 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst' does not exist",
    );
    expect((await client.call('GET', '/nodes/ovh1/lxc/130/config')).reason).toBe(
      "Configuration file 'nodes/ovh1/lxc/130.conf' does not exist",
    );
  });

  test('a full storage fails in the task, the reason is in its log, and the volume is gone', async () => {
    client = await startClient();
    client.simulator.fillStorage('ovh1', 'local-zfs');
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc', container(130));
    expect(await client.ended(upid)).toMatch(/^unable to create CT 130 - command .*tar.* failed: exit code 2$/);
    expect(client.simulator.tasks.find(upid)?.log.join('\n')).toContain('Disk quota exceeded');
    expect(client.simulator.world.volumes.filter((volume) => volume.vmid === 130)).toEqual([]);
  });

  test('a task killed half way leaves a lock that nothing in the API takes away', async () => {
    client = await startClient();
    client.simulator.onTask({ type: 'vzcreate' }, { kill: true, stage: 'unpacking' });
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc', container(130));
    expect(await client.ended(upid)).toBe('unexpected status');
    expect((await client.call('DELETE', '/nodes/ovh1/lxc/130', { purge: 1, force: 1 })).reason).toBe(
      'CT is locked (create)',
    );
    expect((await client.call('POST', '/nodes/ovh1/lxc', container(130))).reason).toBe(
      "CT 130 already exists on node 'ovh1'",
    );
  });

  test('a task stopped through the API cleans up after itself', async () => {
    client = await startClient({ taskMs: 5000 });
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc', container(130));
    expect((await client.call('DELETE', `/nodes/ovh1/tasks/${encodeURIComponent(upid)}`)).status).toBe(200);
    expect(await client.ended(upid)).toBe('unable to create CT 130 - received interrupt');
    expect(client.simulator.world.guest(130)).toBeUndefined();
  });

  test('warnings are counted in the exit status', async () => {
    client = await startClient();
    client.simulator.onTask(
      { type: 'vzcreate' },
      { warnings: ['WARN: Systemd 257 detected. You may need to enable nesting.'] },
    );
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc', container(130));
    expect(await client.ended(upid)).toBe('WARNINGS: 1');
  });
});

describe('lost answers', () => {
  test('the call is executed although its answer never comes', async () => {
    client = await startClient();
    client.simulator.loseAnswer({ method: 'POST', path: '/nodes/ovh1/lxc' });
    await expect(client.call('POST', '/nodes/ovh1/lxc', container(130))).rejects.toThrow();
    await until(() =>
      client.simulator.tasks.of('ovh1').some((task) => task.type === 'vzcreate' && task.exitstatus === 'OK'),
    );
    expect(client.simulator.effects.count('create', 130)).toBe(1);
    expect(client.simulator.requests.at(-1)).toMatchObject({
      method: 'POST',
      path: '/nodes/ovh1/lxc',
      token: 'bascule@pve!operate',
    });
    expect(client.simulator.requests.at(-1)?.status).toBeUndefined();
  });

  test('a request cut before its last byte is not executed', async () => {
    client = await startClient();
    const body = new URLSearchParams(
      Object.entries(container(130)).map(([key, value]): [string, string] => [key, String(value)]),
    ).toString();
    const url = new URL(client.simulator.url('ovh1'));
    const socket = connectTls({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const head = [
      'POST /api2/json/nodes/ovh1/lxc HTTP/1.1',
      'Host: x',
      `Authorization: PVEAPIToken=${client.simulator.token('bascule@pve!operate')}`,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${body.length}`,
    ];
    await new Promise((resolve) => socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, -1)}`, resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.destroy();
    await closed;
    await client.call('GET', '/version');
    expect(client.simulator.effects.all).toEqual([]);
  });

  test('an injected answer is given instead of doing anything', async () => {
    client = await startClient();
    client.simulator.failNext(
      { method: 'POST', path: '/nodes/ovh1/lxc' },
      { status: 596, reason: 'Connection timed out' },
    );
    expect(await client.call('POST', '/nodes/ovh1/lxc', container(130))).toMatchObject({
      status: 596,
      reason: 'Connection timed out',
    });
    expect(client.simulator.effects.all).toEqual([]);
    expect((await client.call('POST', '/nodes/ovh1/lxc', container(130))).status).toBe(200);
  });
});

describe('power and protection', () => {
  test('a managed container is only asked to stop; the stop itself comes later as root@pam', async () => {
    client = await startClient();
    const { data: upid } = await client.call('POST', '/nodes/ovh2/lxc/103/status/stop');
    expect(upid).toContain(':hastop:103:bascule@pve!operate:');
    expect(await client.ended(upid)).toBe('OK');
    expect(client.simulator.world.guest(103)?.running).toBe(true);
    client.simulator.haRound();
    await until(() => client.simulator.world.guest(103)?.running === false);
    expect(client.simulator.tasks.of('ovh2')[0]).toMatchObject({
      type: 'vzstop',
      user: 'root@pam',
      tokenid: undefined,
    });
  });

  test('protection stops removal and nothing else', async () => {
    client = await startClient();
    expect((await client.call('DELETE', '/nodes/ovh1/lxc/101')).reason).toBe(
      "can't remove CT 101 - protection mode enabled",
    );
    const { data: upid } = await client.call('POST', '/nodes/ovh1/lxc/101/status/shutdown');
    expect(await client.ended(upid)).toBe('OK');
  });

  test('a locked container starts a task that fails, and refuses changes at once', async () => {
    client = await startClient();
    Object.assign(client.simulator.world.guest(115)!, { lock: 'backup' });
    const { data: upid } = await client.call('POST', '/nodes/ovh3/lxc/115/status/start');
    expect(await client.ended(upid)).toBe('CT is locked (backup)');
    expect((await client.call('PUT', '/nodes/ovh3/lxc/115/config', { memory: 512 })).reason).toBe(
      'CT is locked (backup)',
    );
  });

  test('skiplock is refused even to a token of root', async () => {
    client = await startClient();
    const answer = await client.call(
      'POST',
      '/nodes/ovh3/lxc/115/status/start',
      { skiplock: 1 },
      { token: 'root@pam!root' },
    );
    expect(answer).toMatchObject({ status: 400, errors: { skiplock: 'Only root may use this option.' } });
  });

  test('a VM starts and shuts down', async () => {
    client = await startClient();
    expect(await client.ended((await client.call('POST', '/nodes/ovh4/qemu/200/status/shutdown')).data)).toBe('OK');
    expect((await client.call('GET', '/nodes/ovh4/qemu/200/status/current')).data).toMatchObject({
      status: 'stopped',
      qmpstatus: 'stopped',
    });
    expect(await client.ended((await client.call('POST', '/nodes/ovh4/qemu/200/status/start')).data)).toBe('OK');
    expect(client.simulator.effects.count('start', 200)).toBe(1);
  });

  test('removing a container takes its grants and its pool membership with it', async () => {
    client = await startClient();
    client.simulator.grant('bascule@pve', '/vms/120', 'PVEVMAdmin');
    await client.ended((await client.call('POST', '/nodes/ovh4/lxc/120/status/stop')).data);
    expect(await client.ended((await client.call('DELETE', '/nodes/ovh4/lxc/120', { purge: 1 })).data)).toBe('OK');
    expect(client.simulator.world.state.acl.some((entry) => entry.path === '/vms/120')).toBe(false);
    expect((await client.call('GET', '/cluster/nextid', { vmid: 120 })).data).toBe('120');
  });
});
