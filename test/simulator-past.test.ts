import { existsSync, readFileSync } from 'node:fs';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { type Github, openGithub } from '../adapters/github/index.ts';
import { connectProxmox } from '../adapters/proxmox/index.ts';
import { type Simulator, startSimulator } from '../adapters/simulator/index.ts';
import { type Client, startClient } from './simulator/client.ts';
import { hurried } from './world.ts';

/** What stands beside the simulated cluster on request: a GitHub, a backup server, and a past. */
let client: Client | undefined;
let simulator: Simulator | undefined;
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await client?.close();
  await simulator?.close();
  client = undefined;
  simulator = undefined;
});

describe('GitHub', () => {
  const open = async (): Promise<{ github: Github; there: Simulator['github'] }> => {
    simulator = await startSimulator({ pve: '9.2', speed: 0, github: true });
    const stored = new Map<string, string>();
    const github = openGithub({
      apiUrl: simulator.github.apiUrl,
      clock: hurried,
      remember: {
        read: async (login) => (stored.has(login) ? JSON.parse(stored.get(login)!) : undefined),
        write: async (login, what) => void stored.set(login, JSON.stringify(what)),
      },
      log: () => {},
    });
    opened.push(github);
    return { github, there: simulator.github };
  };

  test('has the people of the demo, and one of them a key that is too weak', async () => {
    const { github, there } = await open();
    expect(there.logins).toEqual(['alice', 'oscar', 'nina']);
    expect(await github.keys('alice')).toMatchObject({ via: 'api', fresh: true, refused: [] });
    expect((await github.keys('alice')).keys).toHaveLength(2);
    const nina = await github.keys('nina');
    expect([nina.keys.length, nina.refused.length]).toEqual([1, 1]);
    await expect(github.keys('mallory')).rejects.toMatchObject({ failure: { kind: 'not-found' } });
    expect(there.privateKey('oscar')).toContain('OPENSSH PRIVATE KEY');
  });

  test('answers that nothing changed until somebody changes it', async () => {
    const { github, there } = await open();
    await github.keys('oscar');
    await github.keys('oscar');
    expect(there.asked.map(({ status }) => status)).toEqual([200, 200, 304, 304]);
    there.setKeys('oscar', [...there.keys('alice').map((key) => `${key} a comment`)]);
    const { keys } = await github.keys('oscar');
    expect(keys).toHaveLength(2);
    there.down = true;
    expect(await github.keys('oscar')).toMatchObject({ via: 'store', fresh: false });
  });

  test('has pages too', async () => {
    const { there } = await open();
    const page = await request(there.apiUrl.replace('/api/v3', '/alice.keys'));
    expect((await page.body.text()).trim().split('\n')).toEqual(there.keys('alice'));
  });
});

const recording = new URL('../../shared/events/api/ap-04-snapshots-and-file-restore.json', import.meta.url);
if (!existsSync(recording)) console.log('recordings of file restore are not here: skipped');

describe('a backup server', () => {
  const volid = async (): Promise<string> => {
    const { data } = await client!.call('GET', '/nodes/ovh2/storage/pbs/content', { content: 'backup', vmid: 103 });
    return data[0].volid;
  };
  const base64 = (path: string) => Buffer.from(path).toString('base64');
  const files = (tool: string, volume: string, filepath: string, storage = 'pbs') =>
    client!.call('GET', `/nodes/ovh2/storage/${storage}/file-restore/${tool}`, { volume, filepath });

  test('is there only when it is asked for', async () => {
    client = await startClient();
    expect((await client.call('GET', '/storage')).data.map(({ type }: { type: string }) => type)).not.toContain('pbs');
  });

  test('holds what the container was, and the adapter reads it', async () => {
    client = await startClient({ pbs: true });
    const connection = connectProxmox({
      name: 'off',
      urls: client.simulator.urls,
      token: client.simulator.token('bascule@pve!operate'),
      tls: { fingerprints: [client.simulator.fingerprint] },
      clock: hurried,
    });
    opened.push(connection);
    const volume = await volid();
    const view = connection.view();
    const names = await view.backupFiles('ovh2', 'pbs', volume, '/etc/nginx');
    expect(names.map(({ name, type }) => [name, type])).toEqual([
      ['nginx.conf', 'file'],
      ['sites-available', 'directory'],
      ['sites-enabled', 'directory'],
    ]);
    const bytes = await view.backupFile('ovh2', 'pbs', volume, '/etc/nginx/nginx.conf', 1e6);
    const now = readFileSync(`${client.simulator.files(103)}/etc/nginx/nginx.conf`, 'utf8');
    expect(String(Buffer.from(bytes))).toContain('worker_processes auto');
    expect(String(Buffer.from(bytes))).not.toBe(now);
    await expect(view.backupFiles('ovh2', 'pbs', volume, '/nope')).rejects.toMatchObject({
      failure: { kind: 'not-found' },
    });
  });

  test.skipIf(!existsSync(recording))('answers in the recorded shapes', async () => {
    client = await startClient({ pbs: true });
    const { requests } = JSON.parse(readFileSync(recording, 'utf8')) as {
      // biome-ignore lint/suspicious/noExplicitAny: recorded bodies
      requests: { endpoint: string; body: any; reason?: string }[];
    };
    const recorded = (part: string) => requests.find(({ endpoint }) => endpoint.includes(part))!;
    const volume = await volid();
    const root = recorded('filepath=%2F');
    expect((await files('list', volume, '/')).data).toEqual(root.body.data);
    const shape = (row: object) => Object.keys(row).sort();
    const row = (body: { data: { type: string }[] }, type: string) =>
      shape(body.data.find((each) => each.type === type)!);
    const etc = { data: (await files('list', volume, base64('/root.pxar.didx/etc'))).data };
    const nginx = { data: (await files('list', volume, base64('/root.pxar.didx/etc/nginx/sites-enabled'))).data };
    const there = recorded('L2V0Yw==').body;
    expect(row(etc, 'd')).toEqual(row(there, 'd'));
    expect(row(etc, 'f')).toEqual(row(there, 'f'));
    expect(row(nginx, 'l')).toEqual(row(there, 'l'));
    const refused = recorded('/backups/file-restore');
    expect(await files('list', 'vzdump-lxc-103-2026_11_12-02_00_03.tar.zst', '/', 'backups')).toMatchObject({
      status: 400,
      reason: refused.reason,
      errors: refused.body.errors,
    });
    const { data } = await client.call('GET', '/nodes/ovh2/storage/pbs/content', { content: 'backup', vmid: 103 });
    const content = recorded('/pbs/content').body.data[0];
    const { verification: _verified, ...told } = content;
    expect(shape(data[0])).toEqual(shape(told));
    expect([data[0].format, data[0].subtype]).toEqual([content.format, content.subtype]);
  });

  test('is closed to who may not back the guest up', async () => {
    client = await startClient({ pbs: true });
    const volume = await volid();
    const watch = await client.call(
      'GET',
      '/nodes/ovh2/storage/pbs/file-restore/list',
      { volume, filepath: '/' },
      { token: 'bascule@pve!watch' },
    );
    expect(watch.status).toBe(403);
    expect((await files('list', volume.replace(/.$/, 'X'), '/')).status).toBe(500);
    expect((await files('list', volume, base64('/other.pxar.didx/etc'))).status).toBe(500);
  });
});

test('a past is snapshots that the GUI hides and accounts that somebody made by hand', async () => {
  simulator = await startSimulator({
    pve: '9.2',
    speed: 0,
    past: true,
    github: true,
    ssh: { programSha256: '0'.repeat(64) },
  });
  const ask = (verb: string, args: object) => {
    const { stdout } = simulator!.hands('ovh1').answer(Buffer.from(JSON.stringify({ v: 1, id: 'a', verb, args })));
    return JSON.parse(stdout).result;
  };
  const { snapshots } = ask('zfs.snapshots', { vmid: 102 });
  expect(snapshots.filter(({ hidden }: { hidden: boolean }) => hidden).length).toBeGreaterThan(8);
  const { versions } = ask('file.versions', { vmid: 102, path: '/etc/nginx/nginx.conf' });
  expect(new Set(versions.map(({ sha256 }: { sha256: string }) => sha256)).size).toBe(3);
  const { users } = ask('ct.users', { vmid: 102 });
  expect(users.map(({ name, ours }: { name: string; ours: boolean }) => [name, ours])).toEqual([
    ['alice', false],
    ['deploy', false],
  ]);
  expect(users[0].keys[0].comment).toBe('alice@laptop');
  expect(readFileSync(`${simulator.files(102)}/home/alice/.ssh/authorized_keys`, 'utf8')).toContain(
    simulator.github.keys('alice')[0],
  );
});
