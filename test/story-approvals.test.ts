import { afterEach, describe, expect, test } from 'vitest';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** Who decides: requesters, approvers, bystanders, and clicks that come twice, late or from the wrong person. */

let world: World;
afterEach(() => world?.close());

const open = async (options: WorldOptions = {}) => {
  world = await openWorld(options);
  return world;
};
const preset = (name: 'team' | 'strict' | 'solo') => open({ config: { policy: { preset: name } } });
const started = (vmid: number) => world.simulator.effects.count('start', vmid);
const stopped = (vmid: number) => world.simulator.effects.count('stop', vmid);
const OWN = 'You asked for this yourself; someone else has to approve it.';

describe('nobody approves their own request', () => {
  test('an operator who asked is told so, and nothing runs', async () => {
    const { oscar } = await open();
    await oscar.says('ct stop 120');
    await oscar.clicks('Approve');
    await oscar.reads('not allowed', OWN);
    await world.settled();
    expect(await world.request()).toMatchObject({ state: 'waiting', votes: [] });
    expect(stopped(120)).toBe(0);
  });

  test('an admin who asked is no exception', async () => {
    const { alice } = await open();
    await alice.says('ct stop 120');
    await alice.clicks('Approve');
    await alice.reads('not allowed', OWN, 'common.own-request');
    expect((await world.request()).state).toBe('waiting');
    expect(world.writes()).toEqual([]);
  });

  test('another display name makes nobody another person', async () => {
    const { oscar } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('Needs: 0 of 1 approval from operator');
    const { id } = await world.request();
    const ref = `${id}.approve.${(await world.request()).fingerprint.slice(0, 8)}`;
    const said: string[] = [];
    await world.bot.desk.click({
      delivery: 'another-name',
      actor: { platform: 'slack', id: 'U000OSCAR', name: 'alice' },
      place: { platform: 'slack', channel: 'C000OPS' },
      ref,
      reply: async (card) => {
        said.push(...(card.lines ?? []));
        return undefined;
      },
    });
    expect(said.join('\n')).toContain(OWN);
    expect((await world.request()).votes).toEqual([]);
  });
});

describe('how many must agree', () => {
  test('team: routine work needs only the confirmation of who asked', async () => {
    const { oscar, nina } = await preset('team');
    await oscar.says('ct start matomo');
    await oscar.reads('Start CT 115 matomo', 'Needs: confirmation by oscar');
    await nina.clicks('Run it');
    await nina.reads('only the person who asked can confirm');
    expect(started(115)).toBe(0);
    await oscar.clicks('Run it');
    await nina.reads('CT 115 matomo runs on ovh3', 'confirmed by oscar');
    await world.settled();
    expect(started(115)).toBe(1);
  });

  test('strict: what destroys needs two others, and the card counts them', async () => {
    const { alice, oscar, nina } = await preset('strict');
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('Destroy CT 115 matomo', 'Needs: 0 of 2 approvals from operator');
    await oscar.clicks('Approve');
    await nina.reads('approved by oscar', 'Needs: 1 of 2 approvals from operator');
    expect((await world.request()).state).toBe('waiting');
    expect(world.writes()).toEqual([]);
    await nina.clicks('Approve');
    await alice.reads('CT 115 matomo is destroyed', 'approved by oscar, nina');
    await world.settled();
    expect(world.guest(115)).toBeUndefined();
    expect(world.simulator.effects.count('destroy', 115)).toBe(1);
  });

  test('solo: one admin types the number into a form', async () => {
    const { alice } = await preset('solo');
    await alice.says('ct stop 120');
    await alice.reads('Needs: confirmation by alice, typing 120');
    await alice.types('Run it…', '121');
    await alice.reads('what was typed is not 120');
    expect(stopped(120)).toBe(0);
    await alice.types('Run it…', '120');
    await alice.reads('CT 120 staging is stopped on ovh4', 'confirmed by alice');
    await world.settled();
    expect(stopped(120)).toBe(1);
  });

  test('solo: nobody else can type it', async () => {
    const { alice, oscar } = await preset('solo');
    await alice.says('ct stop 120');
    await oscar.types('Run it…', '120');
    await oscar.reads('only the person who asked can confirm');
    expect(world.writes()).toEqual([]);
  });
});

describe('who may not', () => {
  test('a viewer’s click is refused, privately', async () => {
    const { oscar, vera } = await open();
    await oscar.says('ct stop 120');
    await vera.clicks('Approve');
    await vera.reads('approve', 'not allowed', 'Next:');
    expect(oscar.sees().join('\n')).not.toContain('not allowed');
    expect((await world.request()).votes).toEqual([]);
    await vera.clicks('Withdraw');
    await vera.reads('withdraw', 'not allowed');
    await vera.clicks('Deny');
    await vera.reads('deny', 'not allowed');
    expect((await world.request()).state).toBe('waiting');
  });

  test('a stranger sees no more than a refusal, whatever is pressed or typed', async () => {
    const { oscar, mallory } = await open();
    await oscar.says('ct stop 120');
    await mallory.clicks('Approve');
    await mallory.reads('approve', 'not allowed');
    await mallory.clicks('Withdraw');
    await mallory.reads('withdraw', 'not allowed');
    await mallory.says('ct list');
    await mallory.reads('ct list: not allowed');
    await mallory.says('ct stop 120');
    await mallory.reads('ct stop: not allowed');
    expect((await world.store.requests({})).length).toBe(1);
    expect(mallory.sees().filter((text) => text.includes('nutrition'))).toEqual([]);
    expect(oscar.sees().join('\n')).not.toContain('not allowed');
  });

  test('a viewer may not ask for a change, and the refusal is in the audit', async () => {
    const { vera } = await open();
    await vera.says('ct start matomo');
    await vera.reads('ct start: not allowed');
    expect(await world.store.requests({})).toEqual([]);
    const audit = await world.store.auditFrom(0, 100);
    expect(audit.map(({ kind, who }) => ({ kind, who }))).toEqual([{ kind: 'refused', who: 'vera' }]);
  });
});

describe('clicks that come more than once', () => {
  test('two people at once: both are counted, it runs once', async () => {
    const { alice, oscar, nina } = await preset('strict');
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('0 of 2 approvals');
    await Promise.all([oscar.clicks('Approve'), nina.clicks('Approve')]);
    await alice.reads('CT 115 matomo is destroyed');
    await world.settled();
    expect((await world.request()).votes.map((vote) => vote.person).sort()).toEqual(['nina', 'oscar']);
    expect(world.simulator.effects.count('destroy', 115)).toBe(1);
    expect(world.writes()).toHaveLength(1);
  });

  test('two people at once where one is enough: it runs once, and the other is told', async () => {
    const { oscar, nina, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('0 of 1 approval');
    await Promise.all([alice.clicks('Approve'), nina.clicks('Approve')]);
    await oscar.reads('CT 120 staging is stopped');
    await world.settled();
    expect(stopped(120)).toBe(1);
    expect(world.writes()).toHaveLength(1);
    const audit = await world.store.auditOf((await world.request()).id);
    expect(audit.filter(({ kind }) => kind === 'approved')).toHaveLength(1);
  });

  test('the same person twice counts once', async () => {
    const { alice, oscar } = await preset('strict');
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('0 of 2 approvals');
    const screen = oscar.screen('0 of 2 approvals');
    await Promise.all([oscar.clicks('Approve', screen), oscar.clicks('Approve', screen)]);
    await oscar.reads('already counted');
    await alice.reads('Needs: 1 of 2 approvals from operator');
    expect((await world.request()).votes).toHaveLength(1);
    expect(world.writes()).toEqual([]);
  });

  test('the same delivery twice is one click', async () => {
    const { alice, oscar } = await preset('strict');
    await alice.says('ct destroy 115 confirm:115');
    await alice.reads('0 of 2 approvals');
    const exchange = world.slack.user('U000OSCAR').clicks(oscar.screen('0 of 2 approvals'), 'Approve');
    await exchange.acked();
    await world.slack.again(exchange.pending).done;
    await alice.reads('1 of 2 approvals');
    await oscar.says('whoami');
    await oscar.reads('oscar');
    expect((await world.request()).votes).toHaveLength(1);
    expect(oscar.sees().filter((text) => text.includes('already counted'))).toEqual([]);
  });
});

describe('saying no', () => {
  test('deny ends it for everybody and names who', async () => {
    const { oscar, nina, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('0 of 1 approval');
    const old = alice.screen('0 of 1 approval');
    await nina.clicks('Deny');
    await oscar.reads('Stop CT 120 staging on ovh4: denied', 'denied by nina');
    await alice.clicks('Approve', old);
    await alice.reads('Nothing was done', 'is denied (denied by nina)');
    await world.settled();
    expect(world.writes()).toEqual([]);
    expect((await world.request()).state).toBe('denied');
  });

  test('withdraw by who asked ends it, and frees what it reserved', async () => {
    const { oscar } = await open();
    await oscar.says('ct create hostname:fresh node:ovh1');
    await oscar.reads('fresh', 'Approve');
    expect((await world.store.reserved('off')).size).toBeGreaterThan(0);
    await oscar.clicks('Withdraw');
    await oscar.reads('withdrawn by oscar');
    expect((await world.store.reserved('off')).size).toBe(0);
    await oscar.says('ct create hostname:fresh node:ovh1');
    await oscar.reads('fresh', 'Needs: 0 of 1');
  });

  test('in read-only mode nothing can be asked or approved, but denied and withdrawn', async () => {
    const { oscar } = await open({ config: { readonly: true } });
    await oscar.says('ct stop 120');
    await oscar.reads('read-only mode');
    expect(await world.store.requests({})).toEqual([]);
    await oscar.says('ct list');
    await oscar.reads('120', 'staging');
  });

  test('what nobody decides within the hour expires, and its buttons do nothing', async () => {
    const { oscar, alice } = await open();
    await oscar.says('ct stop 120');
    await oscar.reads('0 of 1 approval');
    const old = alice.screen('0 of 1 approval');
    world.clock.passes(59 * 60_000);
    await world.bot.requests.expire();
    expect((await world.request()).state).toBe('waiting');
    world.clock.passes(61_000);
    await oscar.reads('Stop CT 120 staging on ovh4: expired', 'nobody decided in time');
    await alice.clicks('Approve', old);
    await alice.reads('Nothing was done', 'is expired');
    await world.settled();
    expect(world.writes()).toEqual([]);
  });
});
