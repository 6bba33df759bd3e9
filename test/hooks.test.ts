import { afterEach, describe, expect, test } from 'vitest';
import type { Observation } from '../src/contracts/watch.ts';
import { type Hooks, serveHooks } from '../src/hooks.ts';
import { configSchema } from '../src/settings.ts';
import { openWorld, type World } from './world.ts';

/** Webhooks over real HTTP: what comes in, what is refused, and what people read of it. */
const SECRET = 'correct-horse-battery';
const PBS_SECRET = 'another-horse-battery';
const cluster = {
  urls: ['https://127.0.0.1:8006'],
  token: 'bascule@pve!watch=00000000-0000-0000-0000-000000000000',
};
const config = configSchema.parse({
  clusters: { off: { ...cluster, watch: { hookSecret: SECRET } }, quiet: cluster },
  pbs: { vault: { cluster: 'off', url: 'https://127.0.0.1:8007', token: 'b@pbs!w:s', hookSecret: PBS_SECRET } },
});

let hooks: Hooks | undefined;
let world: World | undefined;
afterEach(async () => {
  await hooks?.stop();
  await world?.close();
  hooks = world = undefined;
});

async function served(options: { leading?: () => boolean; hear?: (seen: Observation) => Promise<void> } = {}) {
  const heard: Observation[] = [];
  const logged: string[] = [];
  let now = 1_800_000_000_000;
  const log = (...words: unknown[]) => void logged.push(JSON.stringify(words));
  hooks = await serveHooks({
    config,
    where: { host: '127.0.0.1', port: 0 },
    hear: async (seen) => void heard.push(seen),
    leading: () => true,
    clock: { now: () => now, wait: async () => undefined },
    log: { warn: log, error: log, info: log } as never,
    ...options,
  });
  return { hooks, heard, logged, passes: (ms: number) => (now += ms) };
}

const post = (path: string, body: string, secret: string | undefined = SECRET, more: RequestInit = {}) =>
  fetch(`${hooks!.url}${path}`, {
    method: 'POST',
    body,
    headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    ...more,
  });

describe('webhooks', () => {
  test('are taken with the secret of their address, whatever they say, and handed on as they came', async () => {
    const { heard, hooks } = await served();
    expect((await post('/hooks/pve/off', '{"title":"é')).status).toBe(202);
    expect((await post('/hooks/pbs/vault?x=1', '{}', PBS_SECRET)).status).toBe(202);
    const common = { cluster: 'off', at: 1_800_000_000, via: 'webhook', status: 200 };
    expect(heard).toEqual([
      { ...common, endpoint: '/hooks/pve/off', data: '{"title":"é' },
      { ...common, endpoint: '/hooks/pbs/vault', data: '{}' },
    ]);
    expect(hooks.counts).toEqual({ taken: 2, refused: 0, repeated: 0, tooLarge: 0 });
  });

  test('are refused without the secret, with another one and where none is configured, and that is counted', async () => {
    const { heard, logged, hooks } = await served();
    expect((await post('/hooks/pve/off', '{}', undefined, { headers: {} })).status).toBe(401);
    expect((await post('/hooks/pve/off', '{}', 'wrong')).status).toBe(403);
    expect((await post('/hooks/pve/off', '{}', PBS_SECRET)).status).toBe(403);
    expect((await post('/hooks/pve/off', '{}', `${SECRET}x`)).status).toBe(403);
    expect((await post('/hooks/pve/quiet', '{}', '')).status).toBe(401);
    expect((await post('/hooks/pve/quiet', '{}')).status).toBe(403);
    expect((await post('/hooks/pve/nowhere', '{}')).status).toBe(403);
    expect((await post('/', '{}')).status).toBe(403);
    expect(heard).toEqual([]);
    expect(hooks.counts.refused).toBe(8);
    expect(logged.join()).not.toContain(SECRET);
    expect(logged.join()).not.toContain('wrong');
  });

  test('the same one again is folded, and is news again after a while', async () => {
    const { heard, hooks, passes } = await served();
    await post('/hooks/pve/off', '{"a":1}');
    expect((await post('/hooks/pve/off', '{"a":1}')).status).toBe(200);
    await post('/hooks/pve/off', '{"a":2}');
    expect(heard).toHaveLength(2);
    expect(hooks.counts).toMatchObject({ taken: 2, repeated: 1 });
    passes(11 * 60_000);
    expect((await post('/hooks/pve/off', '{"a":1}')).status).toBe(202);
    expect(heard).toHaveLength(3);
  });

  test('a log of a megabyte is taken whole; what is larger than any is cut, said and still handed on', async () => {
    const { heard, hooks } = await served();
    expect((await post('/hooks/pve/off', 'x'.repeat(1_500_000))).status).toBe(202);
    expect(heard[0]!.data).toHaveLength(1_500_000);
    const status = await post('/hooks/pve/off', 'y'.repeat(8_000_000)).then(
      (response) => response.status,
      () => 413, // The rest of the body was still on its way when we hung up.
    );
    expect(status).toBe(413);
    expect(heard[1]!.data).toHaveLength(3 * 1024 * 1024);
    expect(hooks.counts.tooLarge).toBe(1);
  });

  test('only POST and PUT are taken, and nothing where another process leads', async () => {
    let leads = true;
    const { heard } = await served({ leading: () => leads });
    expect(
      (await fetch(`${hooks!.url}/hooks/pve/off`, { headers: { authorization: `Bearer ${SECRET}` } })).status,
    ).toBe(405);
    leads = false;
    expect((await post('/hooks/pve/off', '{}')).status).toBe(503);
    expect(heard).toEqual([]);
  });

  test('are answered before anything comes of them, and stop waits for what does', async () => {
    let finish = () => {};
    const work = new Promise<void>((resolve) => (finish = resolve));
    await served({ hear: () => work });
    expect((await post('/hooks/pve/off', '{}')).status).toBe(202);
    let stopped = false;
    const stopping = hooks!.stop().then(() => (stopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    finish();
    await stopping;
    hooks = undefined;
  });

  test('a failed backup that is notified is told, one that cannot be read too, and the next look asks afresh', async () => {
    world = await openWorld({ watch: true, simulator: { speed: 1 } });
    const { poller } = world.bot;
    await world.polls();
    await served({ hear: (seen) => poller.hear({ ...seen, at: world!.clock.now() / 1000 }) });
    const { simulator } = world;
    const before = simulator.requests.length;
    await post('/hooks/pve/off', 'mail from a matcher with a body template that is no JSON');
    await post(
      '/hooks/pve/off',
      JSON.stringify({
        v: 1,
        cluster: 'off',
        severity: 'error',
        timestamp: Math.floor(world.clock.now() / 1000),
        title: 'Trying to fence node ovh2',
        message: "The node 'ovh2' failed and needs manual intervention.\nFENCE: Try to fence node 'ovh2'",
        fields: { type: 'fencing', hostname: 'ovh2' },
      }),
    );
    await hooks!.stop();
    hooks = undefined;
    await world.alice.reads('ovh2');
    const known = await world.store.watchMemory('off');
    expect(known?.untaken).toEqual([]);
    expect(JSON.stringify(known?.memory)).toContain('notification');
    await world.polls();
    expect(simulator.requests.slice(before).map(({ path }) => path)).toContain('/cluster/tasks');
  });

  test('the simulated cluster tells of fencing and of a failed replication as Proxmox does', async () => {
    const { heard } = await served();
    world = await openWorld({ simulator: { speed: 1 } });
    const { simulator, tasks } = world;
    simulator.notifyTo(`${hooks!.url}/hooks/pve/off`, SECRET);
    simulator.haRound();
    await simulator.unplug('ovh2');
    for (let round = 0; round < 14; round += 1) {
      tasks.passes(10_000);
      simulator.haRound();
    }
    await expect.poll(() => heard.length).toBe(2);
    const titles = heard.map(({ data }) => JSON.parse(String(data)).title as string);
    expect(titles.toSorted()).toEqual(["Successfully fenced node 'ovh2' ", "Trying to fence node 'ovh2' "]);
  });
});
