import { describe, expect, test } from 'vitest';
import { body } from '../adapters/discord/render.ts';
import { renderCard } from '../adapters/slack/render.ts';
import { render } from '../adapters/web/render.ts';
import type { Card } from '../src/contracts/card.ts';
import type { Incident } from '../src/contracts/incident.ts';
import type { News } from '../src/contracts/watch.ts';
import { incidentCard, offersFor } from '../src/incidents/card.ts';
import { afterDigest, blankNotes, digestCard, noted } from '../src/incidents/digest.ts';
import { fold } from '../src/incidents/fold.ts';
import { isReminderDue } from '../src/incidents/reminders.ts';
import { type Route, routesFor } from '../src/incidents/routes.ts';

/** What the cards of incidents tell (CARDS.md), and where they go. 13:41:21 in Paris is 12:41:21 UTC. */

const T = Date.UTC(2026, 10, 12, 12, 41, 21) / 1000;
const scene = { zone: 'Europe/Paris', nameOf: (id: string) => id, now: (T + 600) * 1000, disabled: new Set<string>() };
const of = (...news: News[]): Incident => fold([], news, T * 1000).changed[0]!;
const news = (more: Partial<News>): News => ({
  kind: 'node-lost',
  severity: 'critical',
  cluster: 'off',
  incident: 'node/ovh2',
  phase: 'goes-on',
  text: 'ovh2 LOST',
  ...more,
});
const moved = (vmid: number, name: string, lastSync: number, more: Partial<News> = {}) =>
  news({
    kind: 'ha-failover',
    guest: { vmid, name },
    from: 'ovh2',
    to: 'ovh3',
    startedAt: T,
    endedAt: T + 123,
    text: `${vmid} ${name}: ovh2 → ovh3`,
    dataLoss: {
      basis: `replication job ${vmid}-0 -> ovh3`,
      lastSync,
      lastAlive: T,
      seconds: [T - lastSync, T - lastSync + 10],
    },
    facts: { fencedAt: T + 120, rescue: [{ job: `${vmid}-0`, returns: 'ovh2' }] },
    ...more,
  });
const lost = news({ phase: 'opens', startedAt: T, facts: { stillDown: [{ vmid: 117, name: 'wiki' }] } });
const failover = of(lost, moved(103, 'robotoff', T - 216), moved(110, 'metabase', T - 211));

test('a failover tells who moved where, how long it was down, how much was lost, and what its return erases', () => {
  const { title, lines, tone } = incidentCard(failover, scene);
  expect(tone).toBe('bad');
  expect(title).toBe('FAILOVER ovh2 → ovh3, silent since 13:41:21');
  expect(lines).toEqual([
    '103 robotoff: down 2m03, lost 3m36–3m46',
    '110 metabase: down 2m03, lost 3m31–3m41',
    'Runs from replica: 103-0 of 13:37:45, 110-0 of 13:37:50',
    'NOT HA, still down: 117 wiki',
    'Fenced 13:43:21',
    'RESCUE: keep ovh2 OFF; its return erases the lost minutes there',
    'To keep them: disable 103-0, 110-0 before ovh2 is back',
  ]);
  expect(offersFor(failover, scene, () => true).map(({ label }) => label)).toEqual([
    'Disable 103-0',
    'Disable 110-0',
    'Ack',
    'Snooze 1 h',
    'Until morning',
  ]);
});

test('a job that was disabled is out of danger, and so is its button', () => {
  const disabled = new Set(['103-0']);
  const { lines } = incidentCard(failover, { ...scene, disabled });
  expect(lines).toContain('Disabled: 103-0; what ovh2 holds of them is not overwritten');
  expect(lines).toContain('To keep them: disable 110-0 before ovh2 is back');
  expect(offersFor(failover, { ...scene, disabled }, () => true)[0]).toMatchObject({ label: 'Disable 110-0' });
});

test('what is not known, what failed and what was not lost is said as it is', () => {
  const unknown = { basis: 'no replica on ovh3', seconds: null } as const;
  const none = { basis: 'shared storage', seconds: [0, 0] as const };
  const { lines } = incidentCard(
    of(
      moved(103, 'a', T, { dataLoss: unknown }),
      moved(104, 'b', T, { dataLoss: none }),
      moved(105, 'c', T, { kind: 'ha-failover-failed', node: 'ovh3' }),
    ),
    scene,
  );
  expect(lines).toEqual(
    expect.arrayContaining([
      '103 a: down 2m03, loss unknown (no replica on ovh3)',
      '104 b: down 2m03, nothing lost',
      '105 c: NOT RUNNING, failover to ovh3 failed',
    ]),
  );
});

test('sixty guests are a table and one line', () => {
  const card = incidentCard(of(...Array.from({ length: 60 }, (_, n) => moved(100 + n, `g${n}`, T - 60))), scene);
  expect(card.lines?.[0]).toBe('60/60 run again, at most 1m10 lost');
  expect(card.table?.rows).toHaveLength(60);
  expect(card.table?.rows[0]).toEqual(['100 g0', 'ovh3', '2m03', '1m00–1m10']);
});

test('a backup run keeps its own words and shows the errors they left out', () => {
  const run = news({
    kind: 'backup-partial',
    severity: 'error',
    incident: 'backup/nightly',
    text: 'BACKUP nightly: 9/11 OK, 02:00–03:12\n103 robotoff: No space left on device',
    guests: [
      { vmid: 103, name: 'robotoff', result: 'failed', error: 'No space left on device' },
      { vmid: 117, name: 'wiki', result: 'failed', error: 'locked' },
      { vmid: 120, result: 'ok' },
    ],
  });
  const card = incidentCard(of(run), scene);
  expect(card).toMatchObject({
    title: 'BACKUP nightly: 9/11 OK, 02:00–03:12',
    lines: ['103 robotoff: No space left on device'],
  });
  expect(card.table?.rows).toEqual([['117 wiki', 'failed', 'locked']]);
  expect(offersFor(of(run), scene, () => true).map(({ label }) => label)).toEqual(
    expect.arrayContaining(['Retry 103', 'Retry 117', 'Ack']),
  );
  // Without such a command there is no such button.
  expect(offersFor(of(run), scene, (name) => name === 'alert ack').map(({ label }) => label)).toEqual(['Ack']);
});

describe('on every platform', () => {
  const cards: Readonly<Record<string, Card>> = {
    failover: incidentCard(failover, scene),
    storm: incidentCard(
      of(
        ...Array.from({ length: 50 }, (_, n) =>
          news({
            kind: 'backup-failed',
            incident: `backup/${n}`,
            guest: { vmid: 100 + n },
            text: `${n}`,
            facts: { error: 'no space' },
          }),
        ),
      ),
      scene,
    ),
  };

  test.each(Object.entries(cards))('the card %s looks as it did', async (name, card) => {
    const called = {
      ...card,
      mentions: ['U0ONCALL1', 'S0ONCALL', 'here', '100000000000000001', 'role:100000000000000009', '<!channel>'],
    };
    const all = { slack: renderCard(called), discord: body(called), web: render(called) };
    await expect(`${JSON.stringify(all, null, 2)}\n`).toMatchFileSnapshot(`golden/incidents/${name}.json`);
    expect(all.discord.allowed_mentions).toEqual({
      parse: [],
      users: ['100000000000000001'],
      roles: ['100000000000000009'],
    });
    expect(JSON.stringify(all.slack)).not.toContain('!channel');
  });
});

describe('routes', () => {
  const route = (more: Partial<Route>): Route => ({
    place: { platform: 'slack', channel: 'C1' },
    severity: 'warning',
    kinds: [],
    tags: [],
    pools: [],
    mentions: [],
    digest: true,
    ...more,
  });
  const backup = of(news({ kind: 'backup-failed', severity: 'error', incident: 'backup/1', guest: { vmid: 103 } }));
  const to = (routes: Route[], incident = backup, tags: string[] | undefined = ['prod']) =>
    routesFor(routes, incident, () => (tags ? { tags, pool: 'web' } : undefined)).map(({ place }) => place.channel);
  const at = (channel: string) => ({ place: { platform: 'slack', channel } as const });

  test('by severity, kind, tag and pool', () => {
    expect(to([route(at('all')), route({ ...at('grave'), severity: 'critical' })])).toEqual(['all']);
    expect(to([route({ ...at('b'), kinds: ['backup-*'] }), route({ ...at('r'), kinds: ['replication-*'] })])).toEqual([
      'b',
    ]);
    expect(to([route({ ...at('prod'), tags: ['prod'] }), route({ ...at('dev'), tags: ['dev'] })])).toEqual(['prod']);
    expect(to([route({ ...at('web'), pools: ['web'] }), route({ ...at('db'), pools: ['db'] })])).toEqual(['web']);
  });

  test('an error that no rule takes is told all the same, and a warning is not', () => {
    const rules = [route({ ...at('r'), kinds: ['replication-*'] })];
    expect(to(rules)).toEqual(['r']);
    expect(to(rules, of(news({ kind: 'storage-full', severity: 'warning', incident: 'storage/a' })))).toEqual([]);
  });

  test('a guest nobody can look up just now is told to all who ask for tags', () => {
    expect(routesFor([route({ ...at('dev'), tags: ['dev'] })], backup, () => undefined)).toHaveLength(1);
  });
});

test('reminders wait for 15 minutes, an hour and four, and end there', () => {
  const due = (incident: Incident, minutes: number) => isReminderDue(incident, T * 1000 + minutes * 60_000);
  expect([14, 15].map((minutes) => due(failover, minutes))).toEqual([false, true]);
  expect(due({ ...failover, held: 'silenced' }, 60)).toBe(false);
  expect(due({ ...failover, acknowledged: { by: 'x', at: 0 } }, 60)).toBe(false);
  expect(due({ ...failover, severity: 'error' }, 60)).toBe(false);
  expect(due({ ...failover, reminders: 3, remindedAt: T * 1000 }, 6000)).toBe(false);
});

test('updates are told on Mondays alone, and kept until then', () => {
  const updates = news({ kind: 'updates-available', severity: 'info', node: 'ovh1', text: 'ovh1: 12 updates' });
  const notes = noted(blankNotes(0), [updates, { ...updates, text: 'ovh1: 14 updates' }]);
  const on = (day: number) => ({
    cluster: 'off',
    zone: 'UTC',
    now: Date.UTC(2026, 10, day, 8),
    notes,
    incidents: [],
    silences: [],
    nameOf: String,
  });
  expect(digestCard(on(22)).lines).not.toContain('ovh1: 14 updates');
  expect(afterDigest(on(22)).updates).toEqual({ ovh1: 'ovh1: 14 updates' });
  expect(digestCard(on(23)).lines).toContain('ovh1: 14 updates');
  expect(afterDigest(on(23)).updates).toEqual({});
});
