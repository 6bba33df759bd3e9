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

describe('rights', () => {
  test('a token with privilege separation has what both it and its user have', async () => {
    client = await startClient();
    client.simulator.revoke('bascule@pve', '/vms');
    expect((await client.call('POST', '/nodes/ovh1/lxc/101/status/stop')).reason).toBe(
      'Permission check failed (/vms/101, VM.PowerMgmt)',
    );
  });

  test('without rights the lists are empty and the single answers refused', async () => {
    client = await startClient();
    const none = { token: 'nobody@pve!none' };
    expect((await client.call('GET', '/nodes/ovh1/lxc', undefined, none)).data).toEqual([]);
    expect((await client.call('GET', '/cluster/replication', undefined, none)).data).toEqual([]);
    expect((await client.call('GET', '/nodes/ovh1/lxc/101/config', undefined, none)).reason).toBe(
      'Permission check failed (/vms/101, VM.Audit)',
    );
    expect((await client.call('GET', '/cluster/status', undefined, none)).reason).toBe(
      'Permission check failed (/, Sys.Audit)',
    );
  });

  test('replication needs a right of its own in 9.2 and one on all storages in 8.4', async () => {
    for (const [pve, reason] of [
      ['9.2', '/vms/101, VM.Replicate'],
      ['8.4', '/storage, Datastore.Allocate'],
    ] as const) {
      client = await startClient({ pve });
      const job = { id: '101-0', type: 'local', target: 'ovh2' };
      expect((await client.call('POST', '/cluster/replication', job, { token: 'bascule@pve!watch' })).reason).toBe(
        `Permission check failed (${reason})`,
      );
      expect((await client.call('POST', '/cluster/replication', job)).status).toBe(200);
      if (pve === '9.2') await client.close();
    }
  });

  test('a pool gives rights on its guests', async () => {
    client = await startClient();
    client.simulator.grant('nobody@pve', '/pool/web', 'PVEVMUser');
    const names = (
      await client.call('GET', '/cluster/resources', { type: 'vm' }, { token: 'nobody@pve!none' })
    ).data.map((row: { vmid: number }) => row.vmid);
    expect(names).toEqual([101, 102, 117]);
  });

  test('an expired or withdrawn token is refused like a wrong one', async () => {
    client = await startClient();
    client.simulator.expireToken('bascule@pve!watch');
    const answer = await client.call('GET', '/version', undefined, { token: 'bascule@pve!watch' });
    expect(answer).toMatchObject({ status: 401, reason: 'Authentication failed!', data: undefined });
    const operate = client.simulator.token('bascule@pve!operate');
    client.simulator.withdrawToken('bascule@pve!operate');
    const response = await fetchRaw(client, 'GET', '/api2/json/version', { authorization: `PVEAPIToken=${operate}` });
    expect(response).toMatch(/^HTTP\/1\.1 401 Authentication failed!\r\n/);
  });

  test("another token's tasks cannot be read without Sys.Audit", async () => {
    client = await startClient();
    client.simulator.grant('nobody@pve', '/vms', 'PVEVMUser');
    const { data: upid } = await client.call('POST', '/nodes/ovh3/lxc/115/status/start');
    const path = `/nodes/ovh3/tasks/${encodeURIComponent(upid)}/status`;
    expect((await client.call('GET', path, undefined, { token: 'nobody@pve!none' })).reason).toBe(
      'Permission check failed (/nodes/ovh3, Sys.Audit)',
    );
    expect((await client.call('GET', '/cluster/tasks', undefined, { token: 'nobody@pve!none' })).data).toEqual([]);
  });

  test('8.4 and 9.2 do not know the same privileges', async () => {
    client = await startClient({ pve: '8.4' });
    const admin = (await client.call('GET', '/access/roles/Administrator')).data;
    expect([admin['VM.Monitor'], admin['VM.Replicate']]).toEqual([1, undefined]);
  });
});

/** One request written by hand; the whole answer as text. */
async function fetchRaw(
  of: Client,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<string> {
  const url = new URL(of.simulator.url('ovh1'));
  const socket = connectTls({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n${body}`,
  );
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

describe('the HTTP layer', () => {
  test.each([
    ['HEAD', '/api2/json/version', {}, '', "method 'HEAD' not available"],
    [
      'DELETE',
      '/api2/json/nodes/ovh1/lxc/101',
      { 'Content-Length': '7' },
      'force=1',
      "Unexpected content for method 'DELETE'",
    ],
    [
      'POST',
      '/api2/json/nodes/ovh1/lxc',
      { 'Transfer-Encoding': 'chunked' },
      '0\r\n\r\n',
      'chunked transfer encoding not supported',
    ],
  ])(
    '%s is refused with 501 and the connection closed when it is not shaped as Proxmox wants',
    async (method, path, headers, body, reason) => {
      client = await startClient();
      const answer = await fetchRaw(
        client,
        method,
        path,
        {
          authorization: `PVEAPIToken=${client.simulator.token('bascule@pve!operate')}`,
          ...(headers as Record<string, string>),
        },
        body,
      );
      expect(answer.split('\r\n')[0]).toBe(`HTTP/1.1 501 ${reason}`);
      expect(answer.toLowerCase()).toContain('connection: close');
      expect(client.simulator.effects.all).toEqual([]);
    },
  );

  test('the certificate is the one whose fingerprint is printed', async () => {
    client = await startClient();
    const url = new URL(client.simulator.url('ovh1'));
    const socket = connectTls({ host: url.hostname, port: Number(url.port), ca: client.simulator.certificate });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    expect(socket.authorized).toBe(true);
    expect(socket.getPeerCertificate().fingerprint256).toBe(client.simulator.fingerprint);
    socket.destroy();
  });

  test('true, yes and on are read as 1, and other words are not booleans', async () => {
    client = await startClient();
    for (const word of ['1', 'true', 'yes', 'on'])
      expect((await client.call('PUT', '/nodes/ovh4/lxc/120/config', { onboot: word })).status).toBe(200);
    expect((await client.call('PUT', '/nodes/ovh4/lxc/120/config', { onboot: 'True' })).errors).toEqual({
      onboot: "type check ('boolean') failed - got 'True'",
    });
  });
});

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
