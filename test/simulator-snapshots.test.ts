import { afterEach, describe, expect, test } from 'vitest';
import type { Pve } from '../adapters/simulator/index.ts';
import { type Client, startClient } from './simulator/client.ts';

/** Snapshots of the simulated cluster, where they differ from a simple list: locks, order, ZFS and replication. */

let client: Client;
afterEach(() => client.close());

const HOME = '/nodes/ovh4/lxc/120/snapshot';
const make = (name: string, path = HOME) => client.call('POST', path, { snapname: name });
const ends = async (answer: Promise<{ data: string }>) => client.ended((await answer).data);
const rows = async (path = HOME) => (await client.call('GET', path)).data as { name: string; snapstate?: string }[];

describe.each<Pve>(['8.4', '9.2'])('on %s', (pve) => {
  test('a second of the same name fails in its task, and a list ends in where the guest is', async () => {
    client = await startClient({ pve });
    expect(await ends(make('v1'))).toBe('OK');
    expect(await ends(make('v1'))).toBe("snapshot name 'v1' already used");
    expect(await ends(make('v2'))).toBe('OK');
    expect(await rows()).toMatchObject([
      { name: 'v1' },
      { name: 'v2', parent: 'v1' },
      { name: 'current', parent: 'v2', running: 1 },
    ]);
    expect(await ends(client.call('DELETE', `${HOME}/v2`))).toBe('OK');
    expect(await rows()).toMatchObject([{ name: 'v1' }, { name: 'current', parent: 'v1' }]);
  });

  test('reserved and malformed names are refused at once', async () => {
    client = await startClient({ pve });
    expect((await make('current')).reason).toBe("unable to use snapshot name 'current' (reserved name)");
    expect((await make('vzdump')).status).toBe(500);
    expect((await make('x')).status).toBe(400);
    expect((await make('1st')).status).toBe(400);
  });

  test('the older of two cannot be gone back to on ZFS, and the newest brings the old configuration', async () => {
    client = await startClient({ pve });
    await ends(make('v1'));
    await ends(
      client.call('PUT', '/nodes/ovh4/lxc/120/config', { description: 'kept', cores: 3 }).then(() => make('v2')),
    );
    expect(await ends(client.call('POST', `${HOME}/v1/rollback`))).toMatch(
      /^can't rollback, 'v1' is not most recent snapshot on 'local-zfs:/,
    );
    await client.call('PUT', '/nodes/ovh4/lxc/120/config', { cores: 5 });
    expect(await ends(client.call('POST', `${HOME}/v2/rollback`))).toBe('OK');
    const { data } = await client.call('GET', '/nodes/ovh4/lxc/120/config');
    expect(data).toMatchObject({ cores: 3, description: 'kept\n', parent: 'v2' });
    expect((await client.call('GET', '/nodes/ovh4/lxc/120/status/current')).data.status).toBe('stopped');
  });

  test('VMs have the same calls', async () => {
    client = await startClient({ pve });
    const path = '/nodes/ovh4/qemu/200/snapshot';
    expect(await ends(client.call('POST', path, { snapname: 'v1', vmstate: 1 }))).toBe('OK');
    expect(await rows(path)).toMatchObject([{ name: 'v1', vmstate: 1 }, { name: 'current' }]);
    expect(await ends(client.call('POST', `${path}/v1/rollback`))).toBe('OK');
    expect((await client.call('GET', '/nodes/ovh4/qemu/200/status/current')).data.status).toBe('running');
    expect(await ends(client.call('DELETE', `${path}/v1`))).toBe('OK');
    expect((await client.call('GET', '/nodes/ovh4/qemu/200/feature', { feature: 'snapshot' })).data.hasFeature).toBe(1);
  });
});

test('a killed create stays half made under its lock, which stops everything', async () => {
  client = await startClient();
  client.simulator.onTask({ type: 'vzsnapshot' }, { stage: 'prepared', kill: true });
  expect(await ends(make('v1'))).toBe('unexpected status');
  expect(await rows()).toMatchObject([{ name: 'v1', snapstate: 'prepare' }, { name: 'current' }]);
  for (const answer of [client.call('DELETE', `${HOME}/v1`, { force: 1 }), make('v2')])
    expect(await ends(answer)).toBe('CT is locked (snapshot)');
});

test('a rollback takes the newer snapshots of replication away, and until its next run the snapshot is needed', async () => {
  client = await startClient();
  const path = '/nodes/ovh1/lxc/117/snapshot';
  const guest = client.simulator.world.guest(117)!;
  guest.snapshots.push({ name: 'old', description: '', snaptime: 1_000_000, config: { ...guest.config } });
  const { data: upid } = await client.call('POST', `${path}/old/rollback`);
  expect(await client.ended(upid)).toBe('OK');
  expect(client.simulator.tasks.find(upid)?.log[0]).toMatch(
    /^WARN: removing replication snapshot '.*__replicate_117-0_/,
  );
  const remove = () => ends(client.call('DELETE', `${path}/old`));
  expect(await remove()).toBe("snapshot 'old' needed by replication job '117-0' - run replication first");
  Object.assign(client.simulator.world.node('ovh1').replication.get('117-0')!, { lastTry: 0 });
  client.simulator.replicationRound();
  while (client.simulator.world.node('ovh1').replication.get('117-0')?.lostBase) await new Promise(setImmediate);
  expect(await remove()).toBe('OK');
});

test('while replication runs neither a rollback nor a delete gets the lock', async () => {
  client = await startClient();
  await ends(make('v1', '/nodes/ovh1/lxc/117/snapshot'));
  const state = client.simulator.world.node('ovh1').replication.get('117-0')!;
  state.runningSince = Date.now();
  expect(await ends(client.call('DELETE', '/nodes/ovh1/lxc/117/snapshot/v1'))).toBe(
    'Failed to obtain guest migration lock - replication running?',
  );
  expect(await ends(client.call('POST', '/nodes/ovh1/lxc/117/snapshot/v1/rollback'))).toMatch(/got timeout$/);
});

test('making takes VM.Snapshot, and either privilege is enough to roll back', async () => {
  client = await startClient();
  const watch = { token: 'bascule@pve!watch' };
  expect((await client.call('POST', HOME, { snapname: 'v1' }, watch)).reason).toBe(
    'Permission check failed (/vms/120, VM.Snapshot)',
  );
  expect((await client.call('POST', `${HOME}/v1/rollback`, undefined, watch)).reason).toBe(
    'Permission check failed (/vms/120, VM.Snapshot|VM.Snapshot.Rollback)',
  );
  await ends(make('v1'));
  expect(await ends(client.call('POST', `${HOME}/v1/rollback`))).toBe('OK');
});
