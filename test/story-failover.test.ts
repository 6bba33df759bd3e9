import { afterEach, expect, test } from 'vitest';
import { OPS, openWorld, type World } from './world.ts';

/** A node's plug is pulled: poller, watch, incident, thread and the button that rescues what it still holds. */

let world: World;
afterEach(() => world?.close());

async function goesOn(seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    world.clock.passes(10_000);
    world.tasks.passes(10_000);
    world.simulator.haRound();
    await world.polls();
    await world.bot.incidents.tick();
  }
  await world.settled();
}

test('the thread unfolds in one message, tells who moved where and what was lost, and its button keeps the lost minutes', async () => {
  world = await openWorld({ watch: true, simulator: { speed: 1 }, cluster: { alerts: [{ slack: OPS }] } });
  const { alice, oscar, vera } = world;
  world.simulator.haRound();
  await world.polls();
  await goesOn(60);
  const found = world.slack.messages(OPS).filter((one) => world.slack.visibleText(one).includes('ovh2')).length;

  await world.simulator.unplug('ovh2');
  await goesOn(10);
  await goesOn(50);
  await vera.reads('ovh2', 'silent');
  await goesOn(120);
  const card = await vera.reads('FAILOVER ovh2 → ovh3', '103 nutrition: down', 'RESCUE: keep ovh2 OFF');
  expect(card).toMatch(/103 nutrition: down \dm\d\d, lost /);
  expect(card).toContain('NOT HA, still down');
  const top = world.slack.messages(OPS).filter(({ threadTs }) => threadTs === undefined);
  const thread = top.find((one) => world.slack.visibleText(one).includes('FAILOVER'))!;
  expect(top.filter((one) => world.slack.visibleText(one).includes('FAILOVER'))).toHaveLength(1);
  // The simulated replication keeps real time: whether it is late tells nothing here.
  expect(top.filter((one) => world.slack.visibleText(one).includes('ovh2')).length - found).toBe(1);
  expect(world.slack.messages(OPS).filter(({ threadTs }) => threadTs === thread.ts).length).toBeGreaterThan(1);

  await vera.clicks('Disable 103-0');
  await vera.reads('replication disable: not allowed');
  await oscar.clicks('Disable 103-0');
  await oscar.clicks('Run it');
  await world.becomes('done', 'replication disable');
  expect(world.simulator.world.state.jobs.get('103-0')?.disable).toBeTruthy();
  await goesOn(10);
  await alice.reads('FAILOVER ovh2 → ovh3', 'Disabled: 103-0; what ovh2 holds of them is not overwritten');
  await oscar.clicks('Ack', 'FAILOVER');
  await alice.reads('FAILOVER ovh2 → ovh3', 'Acknowledged by oscar');

  await world.simulator.plug('ovh2');
  await goesOn(60);
  await alice.reads('OVER: FAILOVER ovh2 → ovh3', 'the rescue window is over');
});
