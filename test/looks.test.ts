import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { connectPbs } from '../adapters/proxmox/pbs.ts';
import { makeCertificate } from '../adapters/simulator/certificate.ts';
import { systemClock } from '../src/clock.ts';
import { type Setting, setUp } from './proxmox-world.ts';

/** What the watch is told of PVE and PBS: every answer as it came, and never an exception. */
let setting: Setting | undefined;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await setting?.close();
  setting = undefined;
});

describe('looking at a cluster', () => {
  test('tells the data, when, and by its name the node that answered', async () => {
    setting = await setUp('9.2');
    const { sim, connect } = setting;
    const seen = await connect({ nodes: ['ovh3'] }).look('/nodes/ovh1/replication?guest=103');
    expect(seen).toMatchObject({
      cluster: 'off',
      via: 'ovh3',
      status: 200,
      endpoint: '/nodes/ovh1/replication?guest=103',
    });
    expect(Array.isArray(seen.data)).toBe(true);
    expect(sim.requests.find(({ path }) => path === '/nodes/ovh1/replication')?.params).toMatchObject({ guest: '103' });
    expect(Math.abs(seen.at * 1000 - Date.now())).toBeLessThan(60_000);
  });

  test('goes on to the next node when one is dark, and stays with the one that answered', async () => {
    setting = await setUp('9.2');
    const { sim, connect } = setting;
    const connection = connect();
    await sim.unplug('ovh1');
    expect(await connection.look('/cluster/status')).toMatchObject({ via: 'ovh2', status: 200 });
    expect(await connection.look('/cluster/tasks')).toMatchObject({ via: 'ovh2', status: 200 });
    expect(await connection.look('/cluster/tasks', { not: ['ovh2'] })).toMatchObject({ via: 'ovh3', status: 200 });
    expect(await connection.look('/cluster/tasks')).toMatchObject({ via: 'ovh3' });
    expect(await connection.look('/nodes/ovh1/replication')).toMatchObject({ via: 'ovh3', status: 595 });
    for (const node of ['ovh2', 'ovh3', 'ovh4']) await sim.silence(node);
    const none = await connection.look('/cluster/status');
    expect(none).toMatchObject({ status: 0 });
    expect(none.error).toContain('connection refused');
    expect(none.data).toBeUndefined();
  });

  test('an answer that is no JSON, or none of Proxmox, has an error and no data; a refusal has its words', async () => {
    setting = await setUp('9.2');
    const { sim, connect } = setting;
    const connection = connect({ nodes: ['ovh1'] });
    await connection.look('/cluster/status');
    for (const body of ['<html>Sign in</html>', '{"data":[{"type":"no', '[]', 'null', '']) {
      sim.onRequest({ path: '/cluster/tasks' }, { kind: 'answer', status: 200, reason: 'OK', body });
      const seen = await connection.look('/cluster/tasks');
      expect(seen).toMatchObject({ status: 200, via: 'ovh1' });
      expect(seen.data).toBeUndefined();
      expect(seen.error).toContain('not JSON');
    }
    expect(await connection.look('/nodes/ovh1/lxc/999/config')).toMatchObject({
      status: 500,
      error: expect.stringContaining('999'),
    });
    expect(await connection.look('/nodes/../etc')).toMatchObject({
      status: 0,
      error: expect.stringContaining('not clean'),
    });
    expect(JSON.stringify(await connect({ token: 'nobody@pve!none' }).look('/cluster/backup'))).toMatch(
      /"status":40[13]/,
    );
  });
});

describe('looking at a backup server', () => {
  const certificate = makeCertificate(['localhost'], ['127.0.0.1']);
  const asked: { url: string; authorization: string }[] = [];

  async function server(answer: (url: string) => { status: number; body: string }) {
    const listening = createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
      asked.push({ url: request.url ?? '', authorization: request.headers.authorization ?? '' });
      const { status, body } = answer(request.url ?? '');
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => listening.close(resolve)));
    return `https://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  }
  const connect = (url: string, fingerprint = certificate.fingerprint) => {
    const made = connectPbs({
      name: 'vault',
      url,
      token: 'bascule@pbs!watch:s3cr3t-value',
      tls: { fingerprints: [fingerprint] },
      clock: systemClock,
    });
    closing.unshift(() => made.close());
    return made;
  };

  test('tells its tasks and datastores, asked with its own kind of token', async () => {
    asked.length = 0;
    const url = await server((path) => ({
      status: 200,
      body: JSON.stringify({ data: path.includes('tasks') ? [{ upid: 'x' }] : [] }),
    }));
    const [tasks, usage] = await connect(url).look();
    expect(tasks).toMatchObject({ via: 'pbs:vault', status: 200, data: [{ upid: 'x' }] });
    expect(tasks!.endpoint).toMatch(/^\/nodes\/localhost\/tasks\?limit=\d+&since=\d+$/);
    expect(usage).toMatchObject({ endpoint: '/status/datastore-usage', status: 200, data: [] });
    expect(asked[0]!.authorization).toBe('PBSAPIToken=bascule@pbs!watch:s3cr3t-value');
    expect(asked[0]!.url).toMatch(/^\/api2\/json\/nodes/);
  });

  test('a wrong certificate, a refusal, rubbish and silence are answers too, and hold no secret', async () => {
    asked.length = 0;
    const url = await server((path) =>
      path.includes('tasks') ? { status: 401, body: 'no' } : { status: 200, body: '<html>' },
    );
    const [tasks, usage] = await connect(url).look();
    expect(tasks).toMatchObject({ status: 401, error: 'no' });
    expect(usage).toMatchObject({ status: 200, error: expect.stringContaining('not JSON') });
    const before = asked.length;
    const pinned = await connect(url, 'AA'.repeat(32)).look();
    expect(pinned[0]).toMatchObject({ status: 0, error: expect.stringContaining('another certificate') });
    expect(asked).toHaveLength(before);
    const silent = await connect('https://127.0.0.1:1').look();
    expect(silent.map(({ status }) => status)).toEqual([0, 0]);
    expect(JSON.stringify([pinned, silent])).not.toContain('s3cr3t');
  });

  test('a token of the wrong form is refused at once', () => {
    expect(() =>
      connectPbs({ name: 'vault', url: 'https://a:1', token: 'a@pbs!b=c', tls: {}, clock: systemClock }),
    ).toThrow(/cannot be used/);
  });
});
