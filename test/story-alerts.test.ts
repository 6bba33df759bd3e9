import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { News } from '../src/contracts/watch.ts';
import { OPS, openWorld, type World, type WorldOptions } from './world.ts';

/** Incidents as people live through them: news in, one thread out, over Slack's own wire. */

let world: World;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const open = async (cluster: Record<string, unknown> = {}, options: WorldOptions = {}) => {
  world = await openWorld({
    automations: [],
    simulator: { speed: 0 },
    ...options,
    cluster: { alerts: [{ slack: OPS }], ...cluster },
  });
  // The first look is over: what it found is told on one card.
  await world.bot.incidents.take('off', []);
  world.clock.passes(3 * MINUTE);
};
afterEach(() => world?.close());

const seconds = () => Math.floor(world.clock.now() / 1000);
const take = async (...news: News[]) => {
  await world.bot.incidents.take('off', news);
  await world.settled();
};
const tick = async () => {
  await world.bot.incidents.tick();
  await world.settled();
};
const news = (more: Partial<News>): News => ({
  kind: 'backup-failed',
  severity: 'error',
  cluster: 'off',
  incident: 'backup/nightly',
  phase: 'opens',
  text: 'BACKUP nightly: 0/1 OK',
  ...more,
});
const lost = (more: Partial<News> = {}): News =>
  news({
    kind: 'node-lost',
    severity: 'critical',
    incident: 'node/ovh2',
    node: 'ovh2',
    text: 'ovh2 LOST',
    startedAt: seconds() - 60,
    ...more,
  });
const cards = () => world.oscar.sees().filter((text) => !text.includes('WATCHING off'));
const openOne = async () => (await world.store.incidents({ states: ['open'] }))[0]!;

describe('one incident is one message', () => {
  beforeEach(() => open());

  test('the first look is one card, and nothing on it is told again', async () => {
    await world.oscar.reads('WATCHING off', 'nothing wrong found');
    expect(cards()).toEqual([]);
  });

  test('it is edited as it goes on, and over in place', async () => {
    await take(lost());
    await world.oscar.reads('ovh2 LOST', 'critical');
    await take(lost({ phase: 'goes-on', kind: 'node-fenced', text: 'ovh2 fenced' }));
    await world.oscar.reads('ovh2 fenced');
    await take(lost({ kind: 'node-back', severity: 'info', phase: 'ends', text: 'ovh2 is back', endedAt: seconds() }));
    await world.oscar.reads('OVER: ovh2 is back');
    expect(world.slack.messages(OPS).filter(({ threadTs }) => threadTs === undefined)).toHaveLength(2);
    expect((await world.store.incidents({}))[0]).toMatchObject({ state: 'resolved', severity: 'critical' });
  });

  test('the same news again say nothing, neither at once nor after a restart', async () => {
    const one = lost();
    await take(one, one);
    await take(one);
    const before = JSON.stringify(world.slack.messages(OPS));
    await world.restart();
    await take(one);
    await tick();
    expect(JSON.stringify(world.slack.messages(OPS))).toBe(before);
  });

  test('fifty failed backups are one card with a table', async () => {
    await take(
      ...Array.from({ length: 50 }, (_, n) =>
        news({
          incident: `backup/${100 + n}`,
          guest: { vmid: 100 + n },
          text: `${100 + n}: no space`,
          facts: { error: 'No space left on device' },
        }),
      ),
    );
    await world.oscar.reads('50 × BACKUP FAILED', 'No space left on device', '… 10 more');
    expect(cards()).toHaveLength(1);
  });

  test('what is fine stays out of the channel', async () => {
    await take(
      news({ kind: 'backup-succeeded', severity: 'info', phase: 'note', text: 'BACKUP nightly: 11/11 OK' }),
      news({
        kind: 'planned-migration',
        severity: 'info',
        phase: 'note',
        incident: 'ha/ct:103',
        text: '103 robotoff: moved ovh2 → ovh3',
      }),
      news({ kind: 'node-maintenance', severity: 'notice', incident: 'node/ovh1', text: 'ovh1 in maintenance' }),
    );
    expect(cards()).toEqual([]);
  });
});

describe('the failover thread', () => {
  const at = () => seconds() - 200;
  const failover = (vmid: number, name: string, more: Partial<News> = {}): News =>
    lost({
      kind: 'ha-failover',
      phase: 'goes-on',
      guest: { vmid, name, type: 'lxc' },
      from: 'ovh2',
      to: 'ovh3',
      startedAt: at(),
      text: `${vmid} ${name}: ovh2 → ovh3, starting`,
      dataLoss: {
        basis: `replication job ${vmid}-0 -> ovh3`,
        lastSync: at() - 216,
        lastAlive: at(),
        seconds: [216, 226],
      },
      facts: { rescue: [{ job: `${vmid}-0`, returns: 'ovh2' }], fencedAt: at() + 120 },
      ...more,
    });

  test('unfolds in one message, and ends with who moved where and how much was lost', async () => {
    await open();
    const down = [{ vmid: 117, name: 'wiki' }];
    await take(lost({ severity: 'warning', text: 'ovh2 silent for 45 s' }));
    await world.oscar.reads('ovh2 silent for 45 s');
    await take(lost({ phase: 'goes-on', text: 'ovh2 LOST, silent for 2m00', facts: { stillDown: down } }));
    await take(failover(103, 'robotoff'), failover(110, 'metabase'));
    await world.oscar.reads('FAILOVER ovh2 → ovh3', '103 robotoff: starting on ovh3', 'NOT HA, still down: 117 wiki');
    const endedAt = at() + 123;
    await take(
      failover(103, 'robotoff', { endedAt, text: '103 robotoff runs' }),
      failover(110, 'metabase', { endedAt, text: '110 metabase runs' }),
    );
    await world.oscar.reads(
      '103 robotoff: down 2m03, lost 3m36–3m46',
      '110 metabase: down 2m03, lost 3m36–3m46',
      'Runs from replica: 103-0',
      'RESCUE: keep ovh2 OFF',
      'Fenced',
    );
    const top = world.slack.messages(OPS).filter(({ threadTs }) => threadTs === undefined);
    expect(top).toHaveLength(2);
    const below = world.slack.messages(OPS).filter(({ threadTs }) => threadTs === top[1]!.ts);
    expect(below.map((one) => world.slack.visibleText(one)).join('\n')).toContain('110 metabase runs');

    await take(lost({ kind: 'node-back', severity: 'info', phase: 'ends', text: 'ovh2 is back', endedAt: seconds() }));
    const over = await world.oscar.reads('OVER: FAILOVER ovh2 → ovh3', 'the rescue window is over');
    expect(over).not.toContain('RESCUE');
    expect(over).not.toContain('[Disable');
  });

  test('its button disables the job that would overwrite the lost minutes', async () => {
    await open();
    const job = [...world.simulator.world.state.jobs.keys()].sort()[0]!;
    const vmid = Number(job.split('-')[0]);
    await take(lost(), failover(vmid, 'robotoff', { facts: { rescue: [{ job, returns: 'ovh2' }] } }));
    await world.vera.clicks(`Disable ${job}`);
    await world.vera.reads('replication disable: not allowed');
    await world.oscar.clicks(`Disable ${job}`);
    await world.oscar.clicks('Run it');
    await world.becomes('done', 'replication disable');
    expect(world.simulator.world.state.jobs.get(job)).toMatchObject({ disable: true });
  });
});

describe('acknowledge, snooze, silence', () => {
  beforeEach(() => open());

  test('one click acknowledges; reminders stop, and who did it stands on the card', async () => {
    await take(lost());
    world.clock.passes(16 * MINUTE);
    await tick();
    await world.oscar.reads('STILL OPEN after 16m', 'Nobody has acknowledged it');
    await world.vera.clicks('Ack', 'STILL OPEN');
    await world.vera.reads('alert ack: not allowed');
    await world.oscar.clicks('Ack', 'STILL OPEN');
    await world.oscar.reads('is yours');
    await world.nina.reads('ovh2 LOST', 'Acknowledged by oscar');
    world.clock.passes(5 * HOUR);
    await tick();
    expect((await openOne()).reminders).toBe(1);
    expect(world.nina.sees().join()).not.toContain('is yours');
    const { id } = await openOne();
    expect((await world.store.auditOf(id)).map(({ kind, who }) => `${kind} ${who}`)).toEqual([
      'refused vera',
      'control oscar',
    ]);
    await world.nina.says(`alert ack ${id}`);
    await world.nina.reads('was not acknowledged', 'oscar did so already');
  });

  test('three reminders and no more, for criticals only', async () => {
    await take(lost(), news({}));
    for (let n = 0; n < 8; n += 1) {
      world.clock.passes(3 * HOUR);
      await tick();
    }
    expect((await world.store.incidents({ states: ['open'] })).map(({ reminders }) => reminders).sort()).toEqual([
      0, 3,
    ]);
    expect(cards().filter((text) => text.includes('STILL OPEN'))).toHaveLength(3);
  });

  test('a snooze holds reminders back until it is over', async () => {
    await take(lost());
    const { id } = await openOne();
    await world.oscar.says(`alert snooze ${id} for:2h reason:"disk ordered"`);
    await world.oscar.reads('Snoozed by oscar until', 'disk ordered');
    world.clock.passes(HOUR);
    await tick();
    expect((await openOne()).reminders).toBe(0);
    world.clock.passes(90 * MINUTE);
    await tick();
    expect((await openOne()).reminders).toBe(1);
    await world.oscar.clicks('Until morning', 'critical');
    await world.oscar.reads('is quiet until', '08:00');
  });

  test('a silence is confirmed, holds for its time, and what is still open then is told', async () => {
    await world.oscar.says('alert silence node:ovh2 for:2h reason:"new RAM"');
    await world.oscar.clicks('Run it');
    await world.becomes('done', 'alert silence');
    await take(lost());
    await tick();
    expect(cards().join()).not.toContain('ovh2 LOST');
    await world.oscar.says('alert list');
    await world.oscar.reads('1 incident open', 'silenced: node ovh2', 'new RAM');
    world.clock.passes(2 * HOUR + MINUTE);
    await tick();
    await world.oscar.reads('ovh2 LOST', 'critical ·');
  });

  test('for good it needs a reason, stays in the digest, and can be ended', async () => {
    await world.oscar.says('alert silence kind:backup-not-covered');
    await world.oscar.reads('without an end it needs a reason');
    await world.oscar.says('alert silence kind:backup-not-covered reason:scratch');
    await world.oscar.clicks('Run it');
    await world.becomes('done', 'alert silence');
    await tick();
    world.clock.passes(25 * HOUR);
    await tick();
    const digest = await world.oscar.reads('DIGEST off', 'SILENCED for good: backup-not-covered by oscar: scratch');
    const id = /\((s[a-z0-9]+)\)/.exec(digest)![1]!;
    await world.oscar.says(`alert unsilence ${id}`);
    await world.oscar.clicks('Run it', 'End the silence');
    await world.becomes('done', 'alert unsilence');
    expect(await world.bot.incidents.silences('off')).toEqual([]);
  });
});

describe('when and where', () => {
  test('quiet hours hold back all but what may break through, and tell at their end what is still open', async () => {
    const now = new Date(Date.now() + 3 * MINUTE);
    const time = (ms: number) =>
      new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Paris', hour: '2-digit', minute: '2-digit' }).format(ms);
    const quiet = { from: time(now.getTime() - HOUR), to: time(now.getTime() + 2 * HOUR) };
    await open({ alerts: [{ slack: OPS, quiet }] });
    await take(lost(), news({}));
    world.clock.passes(20 * MINUTE);
    await tick();
    expect(cards()).toEqual([]);
    await take(news({ phase: 'ends', kind: 'backup-recent', severity: 'info', text: 'ok again' }));
    world.clock.passes(2 * HOUR);
    await tick();
    await world.oscar.reads('ovh2 LOST');
    expect(cards().join()).not.toContain('BACKUP');
  });

  test('the digest says ok, failed and missing, once a day, also after a restart', async () => {
    await open();
    await take(
      news({
        kind: 'backup-succeeded',
        severity: 'info',
        phase: 'note',
        guests: [
          { vmid: 103, result: 'ok' },
          { vmid: 110, result: 'ok' },
        ],
        text: 'ok',
      }),
      news({
        kind: 'backup-not-covered',
        severity: 'warning',
        incident: 'coverage',
        guests: [{ vmid: 120 }],
        text: '120 has no backup job',
      }),
      news({ guests: [{ vmid: 117, name: 'wiki', result: 'failed', error: 'no space' }] }),
    );
    await tick();
    world.clock.passes(25 * HOUR);
    await tick();
    await world.oscar.reads('DIGEST off', '2 open', 'Backups: 2 guests ok, 1 failed: 117 wiki, 1 missing: 120');
    await world.restart();
    await tick();
    expect(cards().filter((text) => text.includes('DIGEST'))).toHaveLength(1);
  });

  test('a test alert goes where a real one would', async () => {
    await open({ alerts: [{ slack: OPS, severity: 'error' }] });
    await world.oscar.says('alert test');
    await world.oscar.reads('The test alert went nowhere', 'Nothing in alerts: of off takes warning');
    await world.oscar.says('alert test severity:critical');
    await world.oscar.reads('TEST ALERT, critical', 'Asked for by oscar');
    await world.vera.says('alert test');
    await world.vera.reads('alert test: not allowed');
  });
});
