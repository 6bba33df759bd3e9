import { afterEach, describe, expect, test } from 'vitest';
import { Hands } from '../adapters/proxmox/hands.ts';
import { usualPatience } from '../adapters/proxmox/tasks.ts';
import type { ClusterView } from '../src/contracts/cluster.ts';
import { Failed } from '../src/contracts/failure.ts';
import type { Call } from '../src/contracts/plan.ts';
import { scopedView } from '../src/scoped-view.ts';
import { hurried, openWorld, type World } from './world.ts';

/** What is believed, what is shown and what is written down. */

describe('a task that a call should have started', () => {
  const hands = (data: unknown) =>
    new Hands(
      {
        send: async () => ({ data, url: 'https://ovh1:8006' }),
        attempt: (read: { path: string }) => ({ cluster: 'off', method: 'GET', path: read.path, token: 'a@b!c=d' }),
      } as never,
      hurried,
      usualPatience,
    );
  const create: Call = { method: 'POST', path: '/nodes/ovh1/lxc', params: { vmid: 100 } };

  test.each([null, '', 'OK', 'UPID:ovh1:something else', 7, { upid: 'x' }])(
    'is in doubt when the answer %j does not name it',
    async (data) => {
      const error = await hands(data)
        .send(create)
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Failed);
      expect((error as Failed).failure).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
    },
  );

  test('is not expected of a change of settings or of replication', async () => {
    expect(await hands(null).send({ method: 'PUT', path: '/nodes/ovh1/lxc/100/config', params: {} })).toEqual({});
    expect(await hands(null).send({ method: 'POST', path: '/cluster/replication', params: {} })).toEqual({});
    expect(await hands(null).send({ method: 'DELETE', path: '/cluster/replication/100-0', params: {} })).toEqual({});
  });
});

describe('a node that somebody may not see', () => {
  const asked: string[] = [];
  const look = async (name: string) => {
    asked.push(name);
    return [];
  };
  const view = {
    name: 'off',
    nodes: async () => [
      { name: 'ovh1', online: true },
      { name: 'secret', online: true },
    ],
    node: async (name: string) => {
      throw new Error(`the nodes are ovh1, secret, not ${name}`);
    },
    storages: look,
    templates: look,
    bridges: look,
  } as unknown as ClusterView;
  const scoped = scopedView(
    view,
    () => true,
    (node) => node !== 'secret',
  );

  test.each(['secret', 'SECRET', ' secret ', 'nothing'])('%j is not there, however it is written', async (name) => {
    for (const ask of [scoped.node, scoped.storages, scoped.templates, scoped.bridges]) {
      const error = await ask(name).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Failed);
      expect((error as Failed).failure.kind).toBe('not-found');
      expect(JSON.stringify((error as Failed).failure).replaceAll(name, '')).not.toContain('secret');
    }
    expect(asked).toEqual([]);
  });

  test('the others are found in any case', async () => {
    await scoped.storages('OVH1');
    expect(asked).toEqual(['ovh1']);
  });
});

describe('the audit', () => {
  let world: World;
  afterEach(() => world?.close());
  const entries = async (kind: string) => (await world.store.auditFrom(0, 500)).filter((entry) => entry.kind === kind);

  test('holds a look that failed', async () => {
    world = await openWorld();
    await world.vera.says('ct show 999');
    await world.vera.reads('There is no CT 999');
    expect(await entries('read')).toMatchObject([
      { who: 'vera', body: { command: 'ct show', failure: { kind: 'not-found' } } },
    ]);
  });

  test('holds a request that was not made because another has its name', async () => {
    world = await openWorld();
    await world.oscar.says('ct create hostname:one node:ovh1 vmid:150');
    await world.oscar.reads('Create CT 150 one');
    // Planned before the other one reserved the number.
    world.store.reserved = async () => new Set();
    await world.nina.says('ct create hostname:two node:ovh1 vmid:150');
    await world.nina.reads('is part of request');
    expect(await entries('not-planned')).toMatchObject([{ who: 'nina', body: { command: 'ct create' } }]);
  });

  test('holds who tried to confirm what somebody else asked for', async () => {
    world = await openWorld({ config: { policy: { preset: 'solo' } } });
    await world.alice.says('ct stop 120');
    await world.alice.reads('Stop CT 120');
    await world.oscar.types('Run it…', '120');
    await world.oscar.reads('only the person who asked can confirm');
    const { id } = await world.request();
    expect((await world.store.auditOf(id)).find((entry) => entry.kind === 'refused')).toMatchObject({
      who: 'oscar',
      body: { button: 'confirm' },
    });
  });
});

test('deliveries are forgotten after a week, when no platform repeats them any more', async () => {
  const world = await openWorld();
  try {
    expect(await world.store.firstSeen('slack:old', world.clock.now())).toBe(true);
    world.clock.passes(8 * 24 * 3_600_000);
    await world.slack.waitFor(() => world.store.firstSeen('slack:old', world.clock.now()), 'the old one forgotten');
    expect(await world.store.firstSeen('slack:old', world.clock.now())).toBe(false);
  } finally {
    await world.close();
  }
});
