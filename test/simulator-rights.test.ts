import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { type Client, fetchRaw, startClient } from './simulator/client.ts';

let client: Client;
afterEach(() => client.close());

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
