import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { View } from '../adapters/proxmox/view.ts';
import { scopedView } from '../src/scoped-view.ts';
import { connect, failureOf, pinned, replay } from './proxmox-line.ts';
import { type Behaviour, json, refusal } from './proxmox-replay.ts';

/** Files in backups on PBS: asked for as the API wants it, read byte for byte, never more than was allowed. */

const shared = new URL('../../shared/events/api/ap-04-snapshots-and-file-restore.json', import.meta.url);
const VOLID = 'pbs:backup/ct/103/2026-11-12T01:00:01Z';
const clock = { now: () => 0, wait: async () => {} };
const entry = (path: string, type: string, more = {}) => ({
  filepath: Buffer.from(path).toString('base64'),
  type,
  text: path,
  leaf: type === 'd' ? 0 : 1,
  ...more,
});
const archives = (...names: string[]) => json({ data: names.map((name) => entry(`/${name}`, 'v')) });
const resources = json({
  data: [
    { type: 'node', node: 'ovh2', status: 'online' },
    { type: 'lxc', vmid: 103, node: 'ovh2', name: 'robotoff', status: 'running' },
  ],
});

/** A view of a server that answers file-restore calls by the path they ask for, decoded. */
async function viewOf(answer: (path: string, tool: string) => Behaviour) {
  const server = await replay(({ path }) => {
    const url = new URL(path, 'https://x');
    if (url.pathname.endsWith('/resources')) return resources;
    const filepath = url.searchParams.get('filepath')!;
    expect(url.searchParams.get('volume')).toBe(VOLID);
    expect(url.pathname).toMatch(/^\/api2\/json\/nodes\/ovh2\/storage\/pbs\/file-restore\/(list|download)$/);
    const asked = filepath === '/' ? '/' : Buffer.from(filepath, 'base64').toString();
    return answer(asked, url.pathname.split('/').at(-1)!);
  });
  return { server, view: new View(connect([server], pinned(server)), clock, new Map()) };
}

describe('a folder in a backup', () => {
  test.skipIf(!existsSync(shared))('is read as the recorded answers have it', async () => {
    const { requests } = JSON.parse(readFileSync(shared, 'utf8')) as {
      requests: { endpoint: string; status: number; body: unknown }[];
    };
    const listed = requests.filter(({ endpoint }) => endpoint.includes('/pbs/file-restore/list'));
    const { view } = await viewOf((asked) => {
      const filepath = asked === '/' ? '/' : Buffer.from(asked).toString('base64');
      return json(
        listed.find(({ endpoint }) => endpoint.endsWith(`filepath=${filepath === '/' ? '%2F' : filepath}`))!.body,
      );
    });
    expect(await view.backupFiles('OVH2', 'pbs', VOLID, '/etc')).toEqual([
      { name: 'nginx', type: 'directory', mtime: 1760000000 },
      { name: 'été.conf', type: 'file', size: 412, mtime: 1760000123 },
      { name: 'mtab', type: 'symlink', mtime: 1700000000 },
    ]);
  });

  test('is asked for below the archive, whose name is looked up once', async () => {
    const asked: string[] = [];
    const { view } = await viewOf((path) => {
      asked.push(path);
      return path === '/' ? archives('pct.conf.blob', 'root.mpxar.didx') : json({ data: [entry(`${path}/x`, 'f')] });
    });
    expect(await view.backupFiles('ovh2', 'pbs', VOLID, '/')).toEqual([{ name: 'x', type: 'file' }]);
    await view.backupFiles('ovh2', 'pbs', VOLID, '/srv/a b');
    expect(asked).toEqual(['/', '/root.mpxar.didx', '/root.mpxar.didx/srv/a b']);
  });

  test('of a VM is not opened', async () => {
    const { view } = await viewOf(() => archives('drive-scsi0.img.fidx'));
    expect(await failureOf(view.backupFiles('ovh2', 'pbs', VOLID, '/etc'))).toMatchObject({ kind: 'not-found' });
  });

  test.for([
    [500, 'path "root.pxar.didx/nope" not found in catalog', 'not-found'],
    [500, 'parent is not a directory - internal error', 'not-found'],
    [503, 'list not finished in time', 'unavailable'],
    [403, 'Permission check failed (/vms/103, VM.Backup)', 'no-privilege'],
  ] as const)('that the API refuses with %d %s is %s, and asked for only once', async ([status, reason, kind]) => {
    let lists = 0;
    const { view } = await viewOf((path) => {
      if (path === '/') return archives('root.pxar.didx');
      lists += 1;
      return refusal(status, reason);
    });
    const failure = await failureOf(view.backupFiles('ovh2', 'pbs', VOLID, '/nope'));
    expect([failure.kind, lists]).toEqual([kind, 1]);
    expect(failure.why).toContain(status === 403 ? 'VM.Backup' : reason);
  });
});

describe('a file out of a backup', () => {
  test('is its bytes, and no more of them than allowed', async () => {
    const { view } = await viewOf((path, tool) => {
      if (tool === 'list') return archives('root.pxar.didx');
      expect(path).toBe('/root.pxar.didx/etc/été.conf');
      return {
        ...json(''),
        headers: { 'content-type': 'application/octet-stream', 'content-length': '0' },
        body: 'grüße\n',
      };
    });
    const read = (limit: number) => view.backupFile('ovh2', 'pbs', VOLID, '/etc/été.conf', limit);
    expect(Buffer.from(await read(100)).toString()).toBe('grüße\n');
    expect(Buffer.from(await read(2)).toString()).toBe('gr');
  });

  test('that cannot be had says why', async () => {
    const { view } = await viewOf((_, tool) =>
      tool === 'list' ? archives('root.pxar.didx') : refusal(403, 'Permission check failed (/vms/103, VM.Backup)'),
    );
    expect(await failureOf(view.backupFile('ovh2', 'pbs', VOLID, '/etc/x', 9))).toMatchObject({ kind: 'no-privilege' });
  });
});

test('backups of guests that are hidden from somebody are not there for them', async () => {
  const { server, view } = await viewOf(() => archives('root.pxar.didx'));
  const scoped = scopedView(
    view,
    () => false,
    () => true,
  );
  for (const volid of [VOLID, 'local:backup/vzdump-lxc-103.tar.zst', 'pbs:backup/ct/0/x'])
    for (const look of [
      scoped.backupFiles('ovh2', 'pbs', volid, '/'),
      scoped.backupFile('ovh2', 'pbs', volid, '/x', 9),
    ])
      expect(await failureOf(look)).toMatchObject({ kind: 'not-found' });
  expect(server.heard.filter(({ path }) => path.includes('file-restore'))).toEqual([]);
});
