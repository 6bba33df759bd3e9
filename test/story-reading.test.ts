import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from 'vitest';
import { site } from './policy-world.ts';
import { type Name, OPS, openWorld, PEOPLE, type World, type WorldOptions } from './world.ts';

/** What people are told, who is told what, and what is kept about it. */

let world: World;
afterEach(() => world?.close());

const open = async (options: WorldOptions = {}) => {
  world = await openWorld(options);
  return world;
};
const SITES = { Roubaix: ['ovh1', 'ovh2'], Strasbourg: ['ovh3', 'ovh4'] };

describe.each(['8.4', '9.2'] as const)('quorum on PVE %s', (pve) => {
  test('all up: votes, what is needed, how many more may fail', async () => {
    const { vera } = await open({ pve });
    await vera.says('quorum');
    await vera.reads(
      'off: QUORATE 4/4 votes, need 3',
      'Up: ovh1 ovh2 ovh3 ovh4',
      'Spare: 1 more may fail',
      'QDevice: none',
    );
  });

  test('a node unplugged: who is missing, and that nothing may fail any more', async () => {
    const { vera } = await open({ pve });
    await world.simulator.unplug('ovh2');
    await vera.says('quorum');
    await vera.reads('QUORATE 3/4 votes, need 3', 'Down: ovh2', 'Spare: 0');
  });

  test('the first node asked is cut off: the answer is the quorate side’s, and names who is cut off', async () => {
    const { vera } = await open({ pve });
    world.simulator.partition(['ovh1'], ['ovh2', 'ovh3', 'ovh4']);
    await vera.says('quorum');
    const card = await vera.reads('QUORATE 3/4', 'Cut off: ovh1 (answers without quorum', 'Down: ovh1');
    expect(card).not.toContain('Asked ovh1');
  });

  test('only a cut-off node can be asked: it says so itself', async () => {
    const { vera } = await open({ pve, asks: ['ovh1'] });
    world.simulator.partition(['ovh1'], ['ovh2', 'ovh3', 'ovh4']);
    await vera.says('quorum');
    await vera.reads(
      'NO QUORUM 1/4 votes, need 3',
      'Asked ovh1',
      'it is cut off, or nobody has it',
      'Missing: 2 of 3 needed votes',
    );
  });
});

describe('sites', () => {
  test('a cut between two equal sites would stop both', async () => {
    const { vera } = await open({ cluster: { sites: SITES } });
    await vera.says('quorum');
    await vera.reads('Sites: Roubaix 2, Strasbourg 1'.replace('1', '2'), 'Link cut = BOTH sides inquorate');
  });

  test('three against one: the larger side goes on', async () => {
    const { vera } = await open({ cluster: { sites: { big: ['ovh1', 'ovh2', 'ovh3'], small: ['ovh4'] } } });
    await vera.says('pvecm status');
    await vera.reads('Sites: big 3, small 1', 'Link cut = big goes on');
  });
});

describe('who sees what', () => {
  /** Databases are for admins only. */
  const SECRET = `@id("house.databases")
forbid (principal, action == Action::"guest.see", resource is Guest)
when { resource.tags.contains("db") }
unless { principal in Role::"admin" };
`;
  const hiding = () => open({ config: { policy: { directory: site({ 'house.cedar': SECRET }) } } });
  const HIDDEN = /mongodb|104-0|subvol-104|\b16 GiB|CT 104/;

  test('a guest that policy hides is in no list, no detail, no hint and no completion', async () => {
    const { oscar } = await hiding();
    for (const [says, reads] of [
      ['ct list', 'off: 7 containers'],
      ['ct list tag:db', 'no container that you may see'],
      ['ct show 104', 'There is no CT 104'],
      ['ct show mongodbb', 'There is no CT mongodbb'],
      ['ct stop 104', 'There is no CT 104'],
      ['replication list', '117-0'],
      ['replication disable 104', 'Next:'],
      ['cluster status', 'off: quorate'],
      ['node show ovh2', 'ovh2'],
      ['ct create hostname:fresh node:ovh1 vmid:104', 'the number 104 is taken'],
    ] as const) {
      await oscar.says(says);
      await oscar.reads(reads);
    }
    const typed = /mongodbb|There is no (CT|guest) 104|no such/;
    const leaks = oscar
      .sees()
      .flatMap((text) => text.split('\n'))
      .filter((line) => HIDDEN.test(line) && !typed.test(line));
    expect(leaks).toEqual([]);
    const actor = { platform: 'slack', id: PEOPLE.oscar.slack, name: 'oscar' } as const;
    for (const [command, option] of [
      ['ct show', 'vmid'],
      ['replication disable', 'job'],
      ['replication add', 'vmid'],
    ] as const)
      for (const text of ['', '104', 'mongo']) {
        const query = {
          actor,
          place: { platform: 'slack', channel: OPS },
          command,
          option,
          typed: text,
          options: {},
          limit: 100,
        } as const;
        expect(JSON.stringify(await world.bot.desk.complete(query))).not.toMatch(HIDDEN);
      }
  });

  test('its name and address are taken all the same, without saying by whom', async () => {
    const { oscar } = await hiding();
    await oscar.says('ct create hostname:mongodb node:ovh1');
    const card = await oscar.reads('the name mongodb is taken');
    expect(card).not.toMatch(/CT 104|ovh2/);
    world.guest(104)!.config['net0'] = 'name=eth0,bridge=vmbr0,ip=10.1.0.150/24';
    await oscar.says('ct create hostname:fresh node:ovh1 vmid:150');
    await oscar.reads('the address 10.1.0.150 is taken by another guest');
  });

  test('an admin sees it', async () => {
    const { alice } = await hiding();
    await alice.says('ct show mongodb');
    await alice.reads('CT 104 mongodb: running on ovh2');
  });

  test('a private answer is seen by the asker alone', async () => {
    const { oscar, alice } = await open();
    for (const [who, says, reads] of [
      [oscar, 'ct show 120', 'CT 120 staging: running'],
      [oscar, 'vm show 200', 'docker-staging'],
      [oscar, 'whoami', 'You are oscar'],
      [oscar, 'help', 'What oscar may ask for'],
      [oscar, 'ct stop 999', 'There is no CT 999'],
      [alice, 'audit show id:zzzzzzzz', 'There is no request'],
    ] as const) {
      await who.says(says);
      await who.reads(reads);
    }
    for (const name of ['nina', 'vera', 'mallory'] as const) expect(world[name].sees()).toEqual([]);
    expect(alice.sees().join('\n')).not.toContain('staging');
  });

  test('a list is a message of the channel', async () => {
    const { oscar, nina } = await open();
    await oscar.says('ct list');
    await nina.reads('off: 8 containers', 'staging');
  });

  test('help names only what one may run, whoami as well', async () => {
    const { vera, oscar, alice, mallory } = await open();
    for (const who of [vera, oscar, alice, mallory]) await who.says('help');
    const menus: Record<string, string> = {};
    for (const name of ['vera', 'oscar', 'alice', 'mallory'] as const)
      menus[name] = await world[name].reads(`What ${name} may ask for`);
    expect(menus['vera']).toMatch(/list, show|show, list/);
    expect(menus['vera']).not.toMatch(/create|destroy|shutdown|disable|audit/);
    expect(menus['oscar']).toMatch(/create/);
    expect(menus['oscar']).not.toMatch(/destroy|audit/);
    expect(menus['alice']).toMatch(/destroy/);
    expect(menus['alice']).toMatch(/audit/);
    expect(menus['mallory']).not.toMatch(/list|show|create|cancel|quorum/);
    await vera.says('help ct destroy');
    await vera.reads('no help for ct destroy');
    await mallory.says('whoami');
    await mallory.reads('You have no role', 'Clusters: none');
  });

  test('a stranger learns no name from completion or from an error', async () => {
    const { mallory } = await open();
    const actor = { platform: 'slack', id: PEOPLE.mallory.slack, name: 'mallory' } as const;
    for (const [command, option] of [
      ['ct show', 'vmid'],
      ['node show', 'node'],
      ['quorum', 'cluster'],
      ['run cancel', 'id'],
      ['ct create', 'template'],
      ['ct create', 'storage'],
      ['replication list', 'node'],
    ] as const) {
      const query = {
        actor,
        place: { platform: 'slack', channel: OPS },
        command,
        option,
        typed: '',
        options: { node: 'ovh1' },
        limit: 25,
      } as const;
      expect([command, option, await world.bot.desk.complete(query)]).toEqual([command, option, []]);
    }
    const commands = await world.bot.desk.complete({
      actor,
      place: { platform: 'slack', channel: OPS },
      command: 'help',
      option: 'command',
      typed: '',
      options: {},
      limit: 25,
    });
    expect(commands.map(({ value }) => value).sort()).toEqual(['help', 'whoami']);
    await mallory.says('quorum cluster:other');
    expect(await mallory.reads('Next:')).not.toMatch(/\boff\b/);
  });
});

describe('habits', () => {
  test.each([
    ['pct list', 'off: 8 containers'],
    ['qm list', 'off: 2 VMs'],
    ['ct 103', 'CT 103 nutrition: running on ovh2'],
    ['pvecm status', 'QUORATE 4/4'],
    ['pvesr list', '103-0'],
  ])('%s is understood', async (says, reads) => {
    const { oscar } = await open();
    await oscar.says(says);
    await oscar.reads(reads);
  });

  test.each([
    ['pct enter 103', 'use your own ssh'],
    ['pvecm expected 1', 'quorum tells how it stands'],
    ['approve', 'press Approve on the request'],
  ])('%s is answered with what to do instead', async (says, reads) => {
    const { oscar } = await open();
    await oscar.says(says);
    await oscar.reads('is not run here', reads);
  });
});

describe('changes end to end', () => {
  const FAST: WorldOptions = { simulator: { speed: 200 } };
  const ask = async (says: string, who: Name = 'oscar', by?: Name) => {
    await world[who].says(says);
    await world[by ?? who].clicks(by ? 'Approve' : 'Run it');
  };

  test('VM power: stop, start, reboot, shut down', async () => {
    const { oscar } = await open(FAST);
    await ask('vm stop 200', 'oscar', 'nina');
    await oscar.reads('VM 200 docker-staging is stopped on ovh4');
    await ask('vm start docker-staging');
    await oscar.reads('VM 200 docker-staging runs on ovh4');
    await ask('vm reboot 200', 'oscar', 'nina');
    await oscar.reads('VM 200 docker-staging was rebooted and runs');
    await ask('vm shutdown 200', 'oscar', 'nina');
    await oscar.reads('VM 200 docker-staging is shut down');
    await world.settled();
    expect(world.simulator.effects.all.map(({ kind }) => kind)).toEqual(['stop', 'start', 'reboot', 'shutdown']);
    expect(world.guest(200)!.running).toBe(false);
  });

  test('stopping and rebooting an HA guest says what HA will do, and does it', async () => {
    const { oscar, nina } = await open(FAST);
    await oscar.says('ct reboot 103');
    await oscar.reads('Reboot CT 103 nutrition', 'HA stays in charge');
    await oscar.clicks('Withdraw');
    await oscar.reads('withdrawn by oscar');
    await oscar.says('ct stop 103');
    await oscar.reads('Stop CT 103 nutrition', 'HA keeps it down: the wanted state becomes "stopped"');
    await nina.clicks('Approve');
    await oscar.reads('CT 103 nutrition is stopped on ovh2');
    await world.settled();
    expect(world.guest(103)!.running).toBe(false);
    expect(world.simulator.world.state.ha.resources.get('ct:103')).toMatchObject({ state: 'stopped' });
    await ask('ct start 103');
    await oscar.reads('CT 103 nutrition runs');
  });

  test('replication: add, list, disable, enable, remove', async () => {
    const { oscar, vera } = await open(FAST);
    await ask('replication add 120 ovh1 schedule:*/15');
    await oscar.reads('Job 120-0 copies staging to ovh1');
    expect(world.simulator.world.state.jobs.get('120-0')).toMatchObject({ target: 'ovh1', schedule: '*/15' });
    expect(world.simulator.world.state.jobs.get('120-0')!.comment).toContain((await world.request()).id);
    await vera.says('replication list');
    await vera.reads('120-0');
    await ask('replication disable 120');
    await oscar.reads('Replication job 120-0 is disabled');
    expect(world.simulator.world.state.jobs.get('120-0')!.disable).toBe(true);
    await ask('replication enable 120-0');
    await oscar.reads('Replication job 120-0 is enabled');
    expect(world.simulator.world.state.jobs.get('120-0')!.disable).toBeFalsy();
    await ask('replication remove 120-0', 'oscar', 'nina');
    await oscar.reads('Replication job 120-0 is marked for removal');
    await world.slack.waitFor(() => !world.simulator.world.state.jobs.has('120-0'), 'the scheduler to remove the job');
    await oscar.says('replication disable 120-0');
    await oscar.reads('was not disabled', 'Next:');
  });

  test('destroying: refused while it runs and with a wrong number, then approved and gone', async () => {
    const { alice, oscar } = await open(FAST);
    await alice.says('ct destroy 120 confirm:120');
    await alice.reads('CT 120 staging was not destroyed', 'it is running', 'ct shutdown 120');
    await ask('ct shutdown 120', 'alice', 'oscar');
    await alice.reads('CT 120 staging is shut down');
    await alice.says('ct destroy 120 confirm:12');
    await alice.reads('ct destroy was not run', 'confirm');
    const view = await alice.opens('ct destroy 120');
    await (await world.slack.user(PEOPLE.alice.slack).submits(view, { 'field-confirm': '120' })).acked();
    await alice.reads(
      'Destroy CT 120 staging on ovh4',
      'only a backup brings it back',
      'local-zfs:subvol-120-disk-0',
      '0 of 1 approval',
    );
    await oscar.clicks('Approve');
    await alice.reads('CT 120 staging is destroyed', '120 is free again');
    await world.settled();
    expect(world.guest(120)).toBeUndefined();
    expect(world.simulator.world.volumes.filter((volume) => volume.vmid === 120)).toEqual([]);
    await alice.says('ct show 120');
    await alice.reads('There is no CT 120');
  });
});

describe('the audit', () => {
  test('one id joins the request, its verdicts, votes, steps and UPIDs', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct create hostname:fresh node:ovh1');
    await oscar.reads('Create CT 100 fresh', '0 of 1');
    await oscar.clicks('Approve');
    await oscar.reads('someone else has to approve');
    await alice.clicks('Approve');
    await oscar.reads('CT 100 fresh runs on ovh1');
    await world.settled();
    const { id } = await world.request();
    const audit = await world.store.auditOf(id);
    const kinds = audit.map(({ kind }) => kind);
    expect(kinds.slice(0, 4)).toEqual(['request', 'plan', 'verdict', 'refused']);
    expect(kinds.slice(4, 8)).toEqual(['vote', 'approved', 'verdict', 'run']);
    expect(kinds.at(-1)).toBe('outcome');
    expect(audit.find(({ kind }) => kind === 'request')).toMatchObject({ who: 'oscar' });
    expect(audit.find(({ kind }) => kind === 'refused')).toMatchObject({ who: 'oscar' });
    expect(audit.find(({ kind }) => kind === 'vote')).toMatchObject({ who: 'alice', body: { vote: 'approve' } });
    const tasks = world.simulator.nodes.flatMap((node) => world.simulator.tasks.of(node)).map((task) => task.upid);
    expect(audit.at(-1)!.body['upids']).toEqual(expect.arrayContaining(tasks.filter((upid) => upid.includes(':100:'))));
    await alice.says(`audit show id:${id}`);
    await alice.reads(`${id}: ${audit.length} audit records`, 'oscar', 'alice', 'UPID:ovh1:', 'Chain: record');
    expect(oscar.sees().join('\n')).not.toContain('audit records');
  });

  test('only admins read it', async () => {
    const { oscar } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('0 of 1');
    await oscar.says(`audit show id:${(await world.request()).id}`);
    await oscar.reads('audit show: not allowed');
  });

  test('looks and refusals are in it too, and the chain holds', async () => {
    const { vera, mallory } = await open();
    await vera.says('ct list');
    await vera.reads('staging');
    await mallory.says('ct list');
    await mallory.reads('not allowed');
    await world.slack.waitFor(async () => (await world.store.auditFrom(0, 10)).length === 2);
    const entries = await world.store.auditFrom(0, 10);
    // A look is written down after it was answered.
    expect(entries.map(({ kind, who }) => `${kind} ${who}`).sort()).toEqual(['read vera', 'refused slack:U0MALLORY']);
    expect(await world.store.brokenLink()).toBeUndefined();
  });

  // biome-ignore format: this is a table
  test.each([
    ['a changed record', "update audit set who = 'nina' where seq = 2", 2],
    ['a changed detail', "update audit set body_json = replace(body_json, 'staging', 'staginG') where kind = 'plan'", 2],
    ['a changed time', 'update audit set at = at + 1 where seq = 1', 1],
    ['a record that was taken out', 'delete from audit where seq = 2', 3],
    ['records cut off at the end', 'delete from audit where seq >= 3', 3],
  ])('%s is found', async (_what, tampering, seq) => {
    const { oscar } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('0 of 1');
    expect(await world.store.brokenLink()).toBeUndefined();
    await world.restart(() => {
      const db = new DatabaseSync((world.config.store as { file: string }).file);
      expect(Number(db.prepare(tampering).run().changes)).toBeGreaterThan(0);
      db.close();
    });
    expect(await world.store.brokenLink()).toBe(seq);
  });
});
