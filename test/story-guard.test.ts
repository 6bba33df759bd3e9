import { afterEach, describe, expect, test } from 'vitest';
import { connectProxmox } from '../adapters/proxmox/index.ts';
import { type Simulator, startSimulator } from '../adapters/simulator/index.ts';
import { Failed } from '../src/contracts/failure.ts';
import { type Call, MARKER, type Plan } from '../src/contracts/plan.ts';
import { addReplicationStep, createCtStep, stopStep } from '../src/contracts/steps.ts';
import { guardedHands } from '../src/guard.ts';
import { hurried } from './world.ts';

/** A run's hands make the calls of its approved plan, over the real wire, and no others. */

let simulator: Simulator;
afterEach(() => simulator?.close());

const plan = (steps: Plan['steps'], cluster = 'off'): Plan => ({
  command: 'ct stop',
  version: 1,
  cluster,
  target: { kind: 'guest', id: '120', name: 'staging' },
  title: 'Stop CT 120 staging on ovh4',
  intent: {},
  guards: [],
  observations: [],
  risks: [],
  steps,
  reserves: [],
  locks: ['guest/off/120'],
});

async function hands(approved: Plan) {
  simulator = await startSimulator({ pve: '9.2', taskMs: 5 });
  const connection = connectProxmox({
    name: 'off',
    urls: simulator.urls,
    token: simulator.token('root@pam!root'),
    tls: { fingerprints: [simulator.fingerprint] },
    clock: hurried,
  });
  return { guarded: guardedHands(connection.hands, approved, { run: 'run1' }), close: () => connection.close() };
}

const stop = stopStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: 'staging' });
const create = createCtStep('ovh1', 150, 'fresh', {
  hostname: 'fresh',
  ostemplate: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
  rootfs: 'local-zfs:8',
  unprivileged: 1,
  description: MARKER,
});

describe('the guard', () => {
  // biome-ignore format: this is a table
  const outside: readonly [string, Call][] = [
    ['another guest', { ...stop.call, path: '/nodes/ovh4/lxc/103/status/stop' }],
    ['another node', { ...stop.call, path: '/nodes/ovh1/lxc/120/status/stop' }],
    ['another verb', { ...stop.call, path: '/nodes/ovh4/lxc/120/status/reboot' }],
    ['another method', { ...stop.call, method: 'DELETE' }],
    ['a parameter more', { ...stop.call, params: { skiplock: 1 } }],
    ['another value', { ...create.call, params: { ...create.call.params, unprivileged: 0 } }],
    ['a parameter less', { ...create.call, params: { vmid: 150, hostname: 'fresh' } }],
    ['a hole that was filled by hand', { ...create.call, params: { ...create.call.params, description: 'bascule:run2' } }],
    ['an undo of a step that is not in the plan', addReplicationStep('120-0', 'ovh1', '*/5', '').undo![0]!.call as Call],
  ];

  test.each(outside)('%s does not leave the house', async (_what, call) => {
    const { guarded, close } = await hands(plan([stop, create]));
    const refused = await guarded.send(call).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Failed);
    expect((refused as Failed).failure).toMatchObject({
      kind: 'internal',
      sent: 'no',
      why: 'the approved plan does not hold this call',
    });
    expect(simulator.requests).toEqual([]);
    expect(simulator.effects.all).toEqual([]);
    await close();
  });

  test('a plan of another cluster moves nothing here', async () => {
    const { guarded, close } = await hands(plan([stop], 'other'));
    await expect(guarded.send(stop.call)).rejects.toBeInstanceOf(Failed);
    expect(simulator.requests).toEqual([]);
    await close();
  });

  test('calls and undo calls of the plan go out, with the run’s id in their holes', async () => {
    const { guarded, close } = await hands(plan([create]));
    const { upid } = await guarded.send(create.call);
    expect((await guarded.followTask(upid!)).ok).toBe(true);
    expect(simulator.world.guest(150)!.config['description']).toBe('bascule:run1\n');
    await guarded.send(create.undo![1]!.call);
    expect(simulator.requests.filter(({ method }) => method !== 'GET')).toHaveLength(2);
    await close();
  });
});
