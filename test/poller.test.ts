import { afterEach, describe, expect, test } from 'vitest';
import { LostLead } from '../src/contracts/store.ts';
import type { News } from '../src/contracts/watch.ts';
import { Poller } from '../src/poller.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** The watch over a simulated cluster: both clocks are turned by hand, and rounds are looks of ten seconds. */
let world: World | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function watched(options: WorldOptions = {}) {
  world = await openWorld({ watch: true, ...options, simulator: { speed: 1, ...options.simulator } });
  const news: News[] = [];
  const listen = (to: World) => {
    const { incidents } = to.bot;
    const take = incidents.take.bind(incidents);
    incidents.take = async (cluster, some) => {
      await take(cluster, some);
      news.push(...some);
    };
  };
  listen(world);
  return { world, news, listen, kinds: () => news.map(({ kind }) => kind) };
}

async function goesOn(world: World, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    world.clock.passes(10_000);
    world.tasks.passes(10_000);
    world.simulator.haRound();
    await world.polls();
  }
}

const asked = (world: World) => world.simulator.requests.map(({ path }) => path.split('?')[0]!);

describe('the poller', () => {
  test('asks everything once at the first look, and from then on each thing in its own rhythm', async () => {
    const { world } = await watched();
    world.simulator.haRound();
    await world.polls();
    await goesOn(world, 10);
    const first = new Set(asked(world));
    for (const path of ['/cluster/ha/status/current', '/cluster/backup', '/nodes/ovh3/replication', '/cluster/tasks'])
      expect(first).toContain(path);
    expect(first).toContain('/nodes/ovh1/storage/backups/content');
    const before = world.simulator.requests.length;
    await goesOn(world, 10);
    const second = world.simulator.requests.slice(before).map(({ path }) => path.split('?')[0]!);
    expect(second).toContain('/cluster/ha/status/current');
    expect(second).not.toContain('/cluster/backup');
    expect(second).not.toContain('/nodes/ovh3/replication');
    await goesOn(world, 60);
    const count = (path: string) => asked(world).filter((one) => one === path).length;
    expect(count('/nodes/ovh3/replication')).toBe(2);
    expect(count('/cluster/backup')).toBe(1);
    expect(asked(world).every((path) => !path.includes('undefined'))).toBe(true);
  });

  test('the first look says nothing of a healthy cluster but that it is watched', async () => {
    const { world, kinds } = await watched();
    world.simulator.haRound();
    await world.polls();
    await goesOn(world, 60);
    expect(kinds().filter((kind) => /lost|failover|quorum|blind/.test(kind))).toEqual([]);
    await world.alice.reads('WATCHING off');
  });

  test('a pulled plug becomes a failover that is told once, also over a restart in the middle of it', async () => {
    const { world, news, kinds, listen } = await watched();
    world.simulator.haRound();
    await world.polls();
    await goesOn(world, 60);
    await world.simulator.unplug('ovh2');
    await goesOn(world, 60);
    expect(kinds()).toContain('node-lost');
    await world.restart();
    listen(world);
    await goesOn(world, 120);
    const failovers = news.filter(({ kind, guest }) => kind === 'ha-failover' && guest?.vmid === 103);
    expect(failovers.length).toBeGreaterThan(0);
    expect(failovers.at(-1)).toMatchObject({ from: 'ovh2', to: 'ovh3' });
    expect(news.filter(({ kind, phase }) => kind === 'node-lost' && phase === 'opens')).toHaveLength(1);
    expect((await world.store.incidents({ cluster: 'off' })).filter(({ key }) => key === 'node/ovh2')).toHaveLength(1);
    await world.alice.reads('103', 'ovh3');
  });

  test('a node without quorum is not believed: another one is asked at once', async () => {
    const { world, kinds } = await watched();
    world.simulator.haRound();
    await world.polls();
    await goesOn(world, 20);
    world.simulator.partition(['ovh1'], ['ovh2', 'ovh3', 'ovh4']);
    await goesOn(world, 20);
    const memory = world.bot.poller.memory('off')!;
    expect(memory.quorate).toMatchObject({ ovh1: false, ovh2: true });
    expect(kinds()).not.toContain('quorum-lost');
    expect(world.simulator.requests.at(-1)!.entry).not.toBe('ovh1');
  });

  test('nobody answers: it backs off, says once that it is blind, and sees again', async () => {
    const { world, news } = await watched();
    await world.polls();
    for (const node of world.simulator.nodes) await world.simulator.silence(node);
    await goesOn(world, 200);
    expect(world.bot.poller.counts().get('off')).toMatchObject({ missed: 20, broken: 0 });
    expect(news.filter(({ kind }) => kind === 'cluster-blind')).toHaveLength(1);
    for (const node of world.simulator.nodes) await world.simulator.unsilence(node);
    await goesOn(world, 20);
    expect(news.filter(({ kind }) => kind === 'cluster-seen')).toHaveLength(1);
    expect(
      news.filter(({ severity }) => severity === 'critical' || severity === 'error').map(({ kind }) => kind),
    ).toEqual(news.filter(({ kind }) => kind === 'cluster-blind').map(({ kind }) => kind));
  });

  test('answers that cannot be read break nothing and are no news', async () => {
    const { world, kinds } = await watched();
    world.simulator.haRound();
    await world.polls();
    const before = kinds().length;
    const html = { kind: 'answer', status: 200, reason: 'OK', body: '<html>login</html>' } as const;
    const odd = { kind: 'answer', status: 200, reason: 'OK', body: { data: [null, 7, { type: 'node' }, []] } } as const;
    for (const fault of [html, odd])
      for (const path of ['/cluster/ha', '/cluster/resources', '/cluster/tasks', '/nodes/'])
        world.simulator.onRequest({ method: 'GET', path, times: 6 }, fault);
    await goesOn(world, 60);
    expect(world.bot.poller.counts().get('off')?.broken).toBe(0);
    expect(
      kinds()
        .slice(before)
        .filter((kind) => /lost|failover|quorum/.test(kind)),
    ).toEqual([]);
  });

  test('news that were stored and could not be handed on stay, and go out at the next start, once', async () => {
    const { world, news, listen } = await watched();
    world.simulator.haRound();
    await world.polls();
    world.bot.incidents.take = async () => Promise.reject(new Error('the disk of the chat is full'));
    await world.simulator.unplug('ovh2');
    await goesOn(world, 60);
    expect(news.map(({ kind }) => kind)).not.toContain('node-lost');
    expect(world.logged.join('')).toContain('news could not be told');
    const left = (await world.store.watchMemory('off'))!.untaken.map(({ kind }) => kind);
    expect(left).toContain('node-lost');
    await world.restart();
    news.length = 0;
    listen(world);
    await world.polls();
    expect(news.slice(0, left.length).map(({ kind }) => kind)).toEqual(left);
    expect((await world.store.watchMemory('off'))!.untaken).toEqual([]);
    await goesOn(world, 20);
    expect(news.filter(({ kind, phase }) => kind === 'node-lost' && phase === 'opens')).toHaveLength(1);
  });

  test('a process that no longer leads writes nothing and ends its watch', async () => {
    const { world } = await watched();
    await world.polls();
    const broken: unknown[] = [];
    const { config, store } = world;
    const poller = new Poller({
      config,
      clusters: new Map([
        [
          'off',
          {
            name: 'off',
            look: async (endpoint: string) => ({
              cluster: 'off',
              at: 1,
              via: 'ovh1',
              endpoint,
              status: 0,
              error: 'none',
            }),
          } as never,
        ],
      ]),
      pbs: new Map(),
      store: new Proxy(store, {
        get(target, name) {
          if (name === 'saveWatch') return async () => Promise.reject(new LostLead('another leads'));
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }),
      clock: world.clock,
      log: { error: () => undefined } as never,
      onNews: async () => undefined,
      onBroken: (error) => broken.push(error),
    });
    await expect(poller.poll('off')).rejects.toThrow(LostLead);
    await poller.stop();
  });
});
