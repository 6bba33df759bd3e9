import { afterEach, describe, expect, test } from 'vitest';
import { openWorld, type World } from './world.ts';

let world: World;
afterEach(() => world?.close());

describe.each(['8.4', '9.2'] as const)('creating a container on PVE %s', (pve) => {
  test('a container asked for by one and approved by another exists, by the house rules, once', async () => {
    world = await openWorld({ pve });
    await world.oscar.says('ct create hostname:robotoff2 node:ovh1');
    const card = await world.alice.reads('robotoff2', 'Needs: 0 of 1 approval from operator');
    expect(card).toContain('Approve');
    await world.alice.clicks('Approve');
    await world.oscar.reads('robotoff2', 'approved by alice', 'ovh3');
    await world.bot.runner.settled();
    await world.bot.outbox.settled();
    const created = [...world.simulator.world.state.guests.values()].filter(
      (guest) => guest.config['hostname'] === 'robotoff2',
    );
    expect(created).toHaveLength(1);
    const ct = created[0]!;
    expect(ct.running).toBe(true);
    expect(ct.config).toMatchObject({ swap: 256, unprivileged: 1, onboot: 1, protection: 1 });
    expect(String(ct.config['net0'])).toContain(`ip=10.1.0.${ct.vmid}/24`);
    expect([...world.simulator.world.state.jobs.values()].filter((job) => job.guest === ct.vmid)).toMatchObject([
      { target: 'ovh3', schedule: '*/5' },
    ]);
  });
});
