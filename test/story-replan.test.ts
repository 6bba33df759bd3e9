import { afterEach, describe, expect, test } from 'vitest';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Between the card and the first call the world may move: what then still runs, and what asks again. */

let world: World;
afterEach(() => world?.close());

const open = async (options: WorldOptions = {}) => {
  world = await openWorld(options);
  return world;
};
const MINUTES = 60_000;

/** Somebody else makes a container by hand. */
function madeByHand(vmid: number, name: string, address = `10.9.9.${vmid}`) {
  const { guests } = world.simulator.world.state;
  const copy = structuredClone(guests.get(120)!);
  copy.config = {
    ...copy.config,
    hostname: name,
    net0: `name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=${address}/24`,
  };
  guests.set(vmid, { ...copy, vmid });
}

const byHostname = (hostname: string) =>
  [...world.simulator.world.state.guests.values()].filter((guest) => guest.config['hostname'] === hostname);

describe('the plan changed before it ran', () => {
  test('the number was taken: a new card with another number asks again, and the old button does nothing', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct create hostname:fresh node:ovh1');
    await oscar.reads('Create CT 100 fresh', '10.1.0.100/24');
    const old = alice.screen('Create CT 100 fresh');
    madeByHand(100, 'squatter');
    await alice.clicks('Approve');
    await oscar.reads('Create CT 105 fresh', '10.1.0.105/24', 'the plan changed, so it must be approved again');
    await oscar.reads('Create CT 100 fresh', 'superseded');
    expect(world.writes()).toEqual([]);
    await alice.clicks('Approve', old);
    await alice.reads('Nothing was done', 'belongs to an older plan');
    await alice.clicks('Approve', 'Create CT 105');
    await oscar.reads('CT 105 fresh runs on ovh1', 'approved by alice');
    await world.settled();
    expect(byHostname('fresh')).toMatchObject([{ vmid: 105, running: true }]);
    expect(byHostname('squatter')).toMatchObject([{ vmid: 100 }]);
  });

  test('the address was taken: a new card with another one asks again', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct create hostname:fresh node:ovh1');
    await oscar.reads('10.1.0.100/24');
    madeByHand(300, 'squatter', '10.1.0.100');
    await alice.clicks('Approve');
    await oscar.reads('Create CT 105 fresh', '10.1.0.105/24', 'must be approved again');
    await world.settled();
    expect(world.writes()).toEqual([]);
  });

  test('the number was asked for and taken: it is not run, and says why', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct create hostname:fresh node:ovh1 vmid:150');
    await oscar.reads('Create CT 150 fresh');
    madeByHand(150, 'squatter');
    await alice.clicks('Approve');
    await oscar.reads('Create CT 150 fresh on ovh1: failed', 'the number 150 is taken. Nothing was changed');
    await world.settled();
    expect(world.writes()).toEqual([]);
    expect((await world.store.reserved('off')).size).toBe(0);
  });

  test('the node went down: it is not run, and says why', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct create hostname:fresh node:ovh2');
    await oscar.reads('Create CT 100 fresh on ovh2');
    await world.simulator.unplug('ovh2');
    await alice.clicks('Approve');
    await oscar.reads('Create CT 100 fresh on ovh2: failed', 'ovh2 is offline');
    expect(world.writes()).toEqual([]);
  });

  test('the node nobody asked for went down: a new card with another node', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct create hostname:fresh');
    const card = await oscar.reads('Create CT 100 fresh on');
    const node = /fresh on (ovh\d)/.exec(card)![1]!;
    await world.simulator.unplug(node);
    await alice.clicks('Approve');
    await world.becomes('waiting', 'ct create');
    const { plan } = await world.request();
    expect(plan.target.node).not.toBe(node);
    await oscar.reads(`Create CT 100 fresh on ${plan.target.node}`, 'Approve');
    expect(world.writes()).toEqual([]);
  });

  test('a new danger: HA took the guest over, so a new card says what HA will do', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    const before = await oscar.reads('Stop CT 120 staging', 'Approve');
    expect(before).not.toContain('HA keeps it down');
    world.simulator.world.state.ha.resources.set('ct:120', { sid: 'ct:120', type: 'ct', state: 'started' });
    world.simulator.haRound();
    await alice.clicks('Approve');
    await oscar.reads('Stop CT 120 staging', 'HA keeps it down', 'new since the last plan', '0 of 1 approval');
    await world.settled();
    expect(world.writes()).toEqual([]);
  });

  test('a danger that went away needs no new card', async () => {
    const { oscar, alice } = await open();
    world.simulator.world.state.ha.resources.set('ct:120', { sid: 'ct:120', type: 'ct', state: 'started' });
    world.simulator.haRound();
    await oscar.says('ct stop 120');
    await oscar.reads('Stop CT 120 staging', 'HA keeps it down');
    world.simulator.world.state.ha.resources.delete('ct:120');
    world.simulator.haRound();
    await alice.clicks('Approve');
    await oscar.reads('CT 120 staging is stopped on ovh4');
    await world.settled();
    expect(await world.store.requests({})).toHaveLength(1);
    expect(world.guest(120)?.running).toBe(false);
  });

  test('the guest is another one by now: the destroy does not run', async () => {
    const { alice, oscar } = await open();
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('Destroy CT 115 matomo', '0 of 1 approval');
    const guest = world.guest(115)!;
    guest.config['net0'] = String(guest.config['net0']).replace(/hwaddr=[^,]+/, 'hwaddr=BC:24:11:AA:BB:CC');
    await oscar.clicks('Approve');
    await alice.reads('Destroy CT 115 matomo', 'BC:24:11:AA:BB:CC', 'must be approved again');
    await world.settled();
    expect(world.guest(115)).toBeDefined();
    expect(world.writes()).toEqual([]);
  });
});

describe('one run per guest at a time', () => {
  /** A run of 120 that stays under way until the tasks are released. */
  async function rebooting() {
    const { oscar, alice } = world;
    await oscar.says('ct reboot 120');
    await oscar.reads('Reboot CT 120', '0 of 1');
    world.tasks.hold();
    await alice.clicks('Approve', 'Reboot CT 120');
    return world.becomes('running', 'ct reboot');
  }

  test('two requests on one guest run one after another', async () => {
    const { oscar, alice } = await open();
    const first = await rebooting();
    await oscar.says('ct shutdown 120');
    await alice.clicks('Approve', 'Shut down CT 120');
    await oscar.reads('Shut down CT 120', `waits for run ${first.id} on the same guest`);
    expect(world.writes()).toHaveLength(1);
    world.tasks.release();
    await oscar.reads('CT 120 staging is shut down on ovh4');
    await world.settled();
    expect(world.writes()).toEqual([
      'POST /nodes/ovh4/lxc/120/status/reboot',
      'POST /nodes/ovh4/lxc/120/status/shutdown',
    ]);
    expect(world.simulator.effects.all.filter(({ id }) => id === '120').map(({ kind }) => kind)).toEqual([
      'reboot',
      'shutdown',
    ]);
  });

  test('approved but held back for more than five minutes: it asks again', async () => {
    const { oscar, alice, nina } = await open();
    await rebooting();
    await oscar.says('ct shutdown 120');
    await alice.clicks('Approve', 'Shut down CT 120');
    await oscar.reads('Shut down CT 120', 'waits for run');
    world.clock.passes(6 * MINUTES);
    world.tasks.release();
    await oscar.reads('Shut down CT 120', 'approved too long ago', 'Needs: 0 of 1 approval from operator');
    expect(world.writes()).toEqual(['POST /nodes/ovh4/lxc/120/status/reboot']);
    await nina.clicks('Approve', 'Shut down CT 120');
    await oscar.reads('CT 120 staging is shut down on ovh4', 'approved by nina');
  });

  test('withdrawn while it waits for the guest: it never runs, and the guest is free', async () => {
    const { oscar, alice } = await open();
    await rebooting();
    await oscar.says('ct shutdown 120');
    await alice.clicks('Approve', 'Shut down CT 120');
    await oscar.reads('Shut down CT 120', 'waits for run');
    const { id } = await world.request('ct shutdown');
    await oscar.says(`run cancel id:${id}`);
    await oscar.reads('Withdrawn: Shut down CT 120');
    world.tasks.release();
    await oscar.reads('CT 120 staging was rebooted');
    await world.settled();
    expect(await world.store.reserved('guest')).toEqual(new Set());
    await oscar.says('ct stop 120');
    await alice.clicks('Approve', 'Stop CT 120');
    await oscar.reads('CT 120 staging is stopped on ovh4');
  });

  test('withdrawn in the very moment its run takes the guest: the guest is not held for ever', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct reboot 120');
    await oscar.reads('Reboot CT 120', '0 of 1');
    const { store } = world;
    const lock = store.lock.bind(store);
    let withdrawn = false;
    store.lock = async (request, locks) => {
      if (!withdrawn) {
        withdrawn = true;
        await world.bot.requests.cancel(request, 'oscar');
      }
      return lock(request, locks);
    };
    await alice.clicks('Approve', 'Reboot CT 120');
    await oscar.reads('Reboot CT 120', 'withdrawn by oscar');
    await world.settled();
    await oscar.says('ct stop 120');
    await alice.clicks('Approve', 'Stop CT 120');
    await oscar.reads('CT 120 staging is stopped on ovh4');
    expect(world.writes()).toEqual(['POST /nodes/ovh4/lxc/120/status/stop']);
  });
});

describe('names that two requests want', () => {
  test.each([
    ['hostname', 'ct create hostname:fresh node:ovh2', 'the name fresh is reserved by another request'],
    ['number', 'ct create hostname:other node:ovh2 vmid:150', 'the number 150 is reserved by another request'],
  ])('the same %s is refused while the first request is open, and free when it is over', async (_what, second, why) => {
    const { oscar, nina } = await open();
    await oscar.says('ct create hostname:fresh node:ovh1 vmid:150');
    await oscar.reads('Create CT 150 fresh');
    await nina.says(second);
    await nina.reads('was not created', why, 'Next:');
    expect(await world.store.requests({})).toHaveLength(1);
    await oscar.clicks('Withdraw');
    await oscar.reads('withdrawn by oscar');
    await nina.says(second);
    await nina.reads('Create CT', 'Needs: 0 of 1 approval');
  });

  test('the next free number and address of one request are not given to another', async () => {
    const { oscar, nina } = await open();
    await oscar.says('ct create hostname:one node:ovh1');
    await oscar.reads('Create CT 100 one', '10.1.0.100/24');
    await nina.says('ct create hostname:two node:ovh1');
    await nina.reads('Create CT 105 two', '10.1.0.105/24');
  });

  test('asked for in the same instant, one gets the number and the other another one or a clear refusal', async () => {
    const { oscar, nina } = await open();
    await Promise.all([
      oscar.says('ct create hostname:one node:ovh1 vmid:150'),
      nina.says('ct create hostname:two node:ovh1 vmid:150'),
    ]);
    await world.slack.waitFor(
      () => [...oscar.sees(), ...nina.sees()].some((text) => /150 is (reserved|part of)/.test(text)),
      'a refusal of the second 150',
    );
    expect(await world.store.requests({})).toHaveLength(1);
  });
});

describe('votes that no longer qualify', () => {
  const GROUP = 'S000OPERS';
  const grouped = { config: { policy: { preset: 'strict' }, roles: { operator: { slackGroups: [GROUP] } } } };

  test('who left the group before the run loses the vote, and the card says so', async () => {
    const { alice, oscar, nina, mallory } = await open(grouped);
    world.slack.group(GROUP, ['U0MALLORY']);
    await alice.says('ct destroy 115 confirm:115');
    await mallory.clicks('Approve');
    await alice.reads('Needs: 1 of 2 approvals from operator');
    world.slack.group(GROUP, []);
    world.clock.passes(11_000);
    await oscar.clicks('Approve');
    await alice.reads('U0MALLORY may no longer approve this', 'Needs: 1 of 2 approvals from operator');
    await world.settled();
    expect(world.writes()).toEqual([]);
    expect((await world.request()).votes.map((vote) => vote.person)).toEqual(['oscar']);
    await mallory.clicks('Approve');
    await mallory.reads('approve', 'not allowed');
    await nina.clicks('Approve');
    await alice.reads('CT 115 matomo is destroyed', 'approved by oscar, nina');
  });

  test('who lost the role in the config loses the vote', async () => {
    const { alice, oscar, nina } = await open({ config: { policy: { preset: 'strict' } } });
    await alice.says('ct destroy 115 confirm:115');
    await nina.clicks('Approve');
    await alice.reads('1 of 2 approvals');
    (world.config.people['nina']!.roles as string[]).splice(0);
    await oscar.clicks('Approve');
    await alice.reads('nina may no longer approve this', 'Needs: 1 of 2 approvals');
    await world.settled();
    expect(world.writes()).toEqual([]);
  });

  test('a requester who lost the role does not run it any more', async () => {
    const { alice, oscar } = await open();
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('0 of 1');
    (world.config.people['alice']!.roles as string[]).splice(0, 1, 'operator');
    await oscar.clicks('Approve');
    await oscar.reads('Destroy CT 115 matomo', 'denied');
    await world.settled();
    expect(world.guest(115)).toBeDefined();
    expect(world.writes()).toEqual([]);
  });

  test('while Slack cannot say who is in the group nothing is counted, and nothing is lost', async () => {
    const { alice, mallory } = await open({ config: { roles: { operator: { slackGroups: [GROUP] } } } });
    world.slack.group(GROUP, ['U0MALLORY']);
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('0 of 1');
    world.clock.passes(11_000);
    world.slack.failNext('usergroups.users.list', { kind: 'error', error: 'internal_error' });
    await mallory.clicks('Approve');
    await mallory.reads('Nothing was done', 'group roles are unknown');
    expect((await world.request()).votes).toEqual([]);
    world.clock.passes(11_000);
    await mallory.clicks('Approve');
    await alice.reads('CT 115 matomo is destroyed', 'U0MALLORY');
  });

  test('while Slack cannot say who is in the group right before the run, it waits with its votes and says why', async () => {
    const { oscar, alice } = await open({ config: { roles: { operator: { slackGroups: [GROUP] } } } });
    world.slack.group(GROUP, []);
    await oscar.says('ct reboot 120');
    await oscar.reads('Reboot CT 120', '0 of 1');
    world.tasks.hold();
    await alice.clicks('Approve', 'Reboot CT 120');
    await world.becomes('running', 'ct reboot');
    await oscar.says('ct shutdown 120');
    await alice.clicks('Approve', 'Shut down CT 120');
    await oscar.reads('Shut down CT 120', 'waits for run');
    world.clock.passes(11_000);
    world.slack.failNext('usergroups.users.list', { kind: 'error', error: 'internal_error' });
    world.tasks.release();
    await oscar.reads('CT 120 staging is shut down on ovh4', 'approved by alice');
    await world.settled();
    const audit = await world.store.auditOf((await world.request('ct shutdown')).id);
    expect(JSON.stringify(audit)).toContain('group roles are unknown');
  });
});
