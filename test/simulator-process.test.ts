import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { afterEach, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../adapters/simulator/main.ts', import.meta.url));
const agent = new Agent({ connect: { rejectUnauthorized: false } });
let child: ChildProcess;

afterEach(async () => {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
});

async function start(...options: string[]): Promise<string> {
  child = spawn(process.execPath, [main, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await once(lines, 'line')) as [string];
  return line;
}

// biome-ignore lint/suspicious/noExplicitAny: the shape of an answer is what the tests are about
async function control(url: string, path: string, body?: unknown): Promise<any> {
  const response = await request(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.body.json();
}

test('run alone it prints where it is, and a test in another process can look at it and break it', async () => {
  const started = JSON.parse(await start('--json', '--control', '--pve', '8.4', '--task-ms', '5', '--speed', '0'));
  const ask = (path: string) =>
    request(`${started.urls.ovh1}/api2/json${path}`, {
      dispatcher: agent,
      headers: { authorization: `PVEAPIToken=${started.tokens['bascule@pve!watch']}` },
    });
  const version = (await (await ask('/version')).body.json()) as { data: { release: string } };
  expect(version.data.release).toBe('8.4');
  await control(started.control, '/unplug', { node: 'ovh3' });
  const lost = await ask('/nodes/ovh3/lxc');
  expect(lost.statusCode).toBe(595);
  await lost.body.dump();
  await control(started.control, '/fault/request', {
    match: { path: '/version' },
    fault: { kind: 'answer', status: 500, reason: 'broken' },
  });
  const broken = await ask('/version');
  expect([broken.statusCode, broken.statusText]).toEqual([500, 'broken']);
  await broken.body.dump();
  expect((await control(started.control, '/requests')).map((each: { path: string }) => each.path)).toEqual([
    '/version',
    '/nodes/ovh3/lxc',
    '/version',
  ]);
  expect(await control(started.control, '/effects')).toEqual([]);
  expect(
    (await control(started.control, '/nodes')).find((node: { name: string }) => node.name === 'ovh3'),
  ).toMatchObject({ powered: false, quorate: false });
  expect((await control(started.control, '/plug', { node: 'nowhere' })).error).toBe('this world has no node nowhere');
});

test('an option it does not know is refused with the list of those it does', async () => {
  child = spawn(process.execPath, [main, '--pve', '7.4'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(said).toContain('--pve must be 8.4 or 9.2');
  expect(said).toContain('--control');
});
