import { describe, expect, test } from 'vitest';
import { jobState, rootCause } from '../src/watch/replication-job.ts';
import { alsoLook } from '../src/watch/rest.ts';
import { answers, gistOf, Living, recorded, recordings } from './watch/living.ts';
import { powerLoss, three } from './watch/stories.ts';

const NOW = 1_795_000_000;
const row = (more: object = {}) => ({
  id: '103-0',
  type: 'local',
  guest: 103,
  jobnum: 0,
  source: 'ovh2',
  target: 'ovh3',
  schedule: '*/5',
  vmtype: 'lxc',
  last_sync: NOW - 100,
  last_try: NOW - 100,
  next_sync: NOW + 200,
  fail_count: 0,
  duration: 4.2,
  ...more,
});
const LIST = '/nodes/ovh2/replication';
const CONFIG = '/cluster/replication';
const failing = (count: number, at: number, error = 'command failed: exit code 1') =>
  row({ fail_count: count, last_sync: NOW - 100, last_try: at - 10, next_sync: at + 300, error });

describe('a replication job', () => {
  test('that misses once or twice is no incident; at the third miss it is, once, with its cause', () => {
    const watch = new Living();
    watch.sees(LIST, [row()], NOW);
    watch.sees(LIST, [failing(1, NOW + 60)], NOW + 60);
    expect(alsoLook(watch.memory.parts, NOW + 61)).toContain('/nodes/ovh2/replication/103-0/log?limit=0');
    watch.sees('/nodes/ovh2/replication/103-0/log?limit=0', null, NOW + 62, { status: 403 });
    expect(alsoLook(watch.memory.parts, NOW + 63)).toEqual([]);
    watch.sees(LIST, [failing(2, NOW + 120)], NOW + 120);
    expect(watch.news).toEqual([]);
    const third = failing(3, NOW + 180);
    const [told] = watch.sees(LIST, [third], NOW + 180);
    expect(told).toMatchObject({
      kind: 'replication-failed',
      severity: 'error',
      phase: 'opens',
      facts: { failCount: 3, exposureSeconds: 280 },
    });
    const log = [
      { n: 1, t: '2026-11-13 09:45:04 103-0: start replication job' },
      { n: 2, t: '2026-11-13 09:45:05 103-0: cannot receive incremental stream: out of space' },
    ];
    expect(watch.sees('/nodes/ovh2/replication/103-0/log?limit=0', log, NOW + 190)).toMatchObject([
      { phase: 'goes-on', facts: { rootCause: 'out of space on ovh3' } },
    ]);
    for (let at = NOW + 240; at < NOW + 3000; at += 60) watch.sees(LIST, [{ ...third, fail_count: 4 }], at);
    expect(watch.news).toHaveLength(2);
    expect(
      gistOf(
        watch.sees(LIST, [row({ last_sync: NOW + 3000, last_try: NOW + 3000, next_sync: NOW + 3300 })], NOW + 3060),
      ),
    ).toEqual(['replication-recovered info ends']);
  });

  test('that has missed for a quarter of an hour is an incident however rarely it is tried', () => {
    const watch = new Living();
    watch.sees(LIST, [row()], NOW);
    watch.sees(LIST, [failing(1, NOW + 60)], NOW + 60);
    expect(gistOf(watch.sees(LIST, [failing(1, NOW + 60)], NOW + 820))).toEqual(['replication-failed error opens']);
  });

  test('that is late is told once, and a job of 1970 never', () => {
    const watch = new Living();
    watch.sees(
      LIST,
      [row(), row({ id: '115-0', last_sync: 0, last_try: 0, next_sync: 77_400, schedule: '22:30' })],
      NOW,
    );
    for (let at = NOW + 60; at <= NOW + 1200; at += 60)
      watch.sees(LIST, [row(), row({ id: '115-0', last_sync: '0', last_try: '0', next_sync: '300' })], at);
    expect(gistOf(watch.news)).toEqual(['replication-overdue warning opens']);
    expect(JSON.stringify(watch.news)).not.toContain('1970');
  });

  test('that was disabled or is being removed is neither late nor failing', () => {
    const watch = new Living();
    watch.sees(CONFIG, [{ id: '103-0' }, { id: '104-0' }], NOW - 60);
    const rows = [
      row({ disable: 1, fail_count: 5, next_sync: NOW - 9000 }),
      row({ id: '104-0', remove_job: 'full', next_sync: 1 }),
    ];
    for (let at = NOW; at < NOW + 7200; at += 300) watch.sees(LIST, rows, at);
    expect(watch.news).toEqual([]);
    expect(gistOf(watch.sees(CONFIG, [{ id: '103-0' }], NOW + 7300))).toEqual(['replication-job-removed info note']);
  });

  test('is not gone because one list was empty', () => {
    const watch = new Living();
    watch.sees(LIST, [row()], NOW);
    watch.sees(CONFIG, [], NOW + 60);
    watch.sees(CONFIG, [{ id: '103-0' }], NOW + 120);
    watch.sees(CONFIG, [], NOW + 180);
    expect(watch.news).toEqual([]);
    expect(gistOf(watch.sees(CONFIG, [], NOW + 240))).toEqual(['replication-job-removed info note']);
  });

  test('that never ran is told after a while', () => {
    const watch = new Living();
    watch.sees(CONFIG, [{ id: '103-0' }], NOW - 10);
    const never = row({ last_sync: 0, last_try: 0, next_sync: 300 });
    expect(gistOf(watch.sees(LIST, [never], NOW))).toEqual(['replication-job-created info note']);
    for (let at = NOW + 60; at < NOW + 7200; at += 600) watch.sees(LIST, [never], at);
    expect(gistOf(watch.sees(LIST, [never], NOW + 7300))).toEqual(['replication-never-run warning opens']);
    expect(watch.news).toHaveLength(2);
  });

  test('of a webhook waits like a polled one, and its incident ends with the poll', () => {
    const watch = new Living();
    const mail = (count: number, at: number) =>
      JSON.stringify({
        severity: 'error',
        timestamp: at,
        title: "Replication Job: '103-0' failed ",
        message: `Replication job '103-0' with target 'ovh3' and schedule '*/5' failed!\n\nLast successful sync: 2026-11-13 09:30:04\nNext sync try: ERROR\nFailure count: ${count}\n\nError:\ncommand 'x -base __replicate_103-0_${NOW - 100}__ | /usr/bin/ssh root@10.0.0.3 -- pvesm import' failed: exit code 255\n`,
        fields: { type: 'replication', 'job-id': '103-0', hostname: 'ovh2' },
      });
    const hook = '/hooks/pve/off';
    expect(gistOf(watch.sees(hook, mail(1, NOW), NOW))).toEqual(['replication-failed error note']);
    expect(watch.sees(hook, mail(3, NOW + 700), NOW + 700)).toMatchObject([
      {
        phase: 'opens',
        facts: { failCount: 3, lastSync: NOW - 100, exposureSeconds: 800, rootCause: 'ovh3 not reachable by ssh' },
      },
    ]);
    watch.sees(hook, mail(3, NOW + 700), NOW + 701);
    expect(
      watch.sees(LIST, [row({ last_sync: NOW + 800, last_try: NOW + 800, next_sync: NOW + 1100 })], NOW + 810),
    ).toMatchObject([{ kind: 'replication-recovered', phase: 'ends' }]);
    expect(watch.news).toHaveLength(3);
  });

  test('whose new target is the dead node is part of that node’s thread, also in the mail that says 1970', () => {
    const mail = JSON.stringify({
      severity: 'error',
      timestamp: NOW,
      title: "Replication Job: '103-0' failed ",
      message:
        "Replication job '103-0' with target 'ovh2' and schedule '*/5' failed!\n\nLast successful sync: 1970-01-01 01:00:00\nNext sync try: ERROR\nFailure count: 1\n",
      fields: { type: 'replication', 'job-id': '103-0', hostname: 'ovh3' },
    });
    const watch = new Living();
    expect(watch.sees('/hooks/pve/off', mail, NOW)).toMatchObject([
      { kind: 'replication-followup-of-failover', severity: 'info', phase: 'note' },
    ]);
    expect(JSON.stringify(watch.news)).not.toMatch(/1970|56 years|-failed/);
  });
});

test.each([
  ['cannot receive incremental stream: out of space', 'out of space on ovh3'],
  ["cannot create snapshot 'rpool/x@__replicate__': out of space", 'out of space on ovh2'],
  [
    'No common base snapshot on volume(s) local-zfs:subvol-103-disk-0',
    'no common snapshot with ovh3: the job must be made anew',
  ],
  ['ssh: connect to host 10.0.0.3 port 22: No route to host', 'ovh3 not reachable'],
  ['Host key verification failed.', 'ssh host key of ovh3 not accepted'],
  ['something nobody ever saw', undefined],
])('of "%s" the cause is %s', (line, cause) => {
  expect(rootCause([`2026-11-13 09:45:05 103-0: ${line}`], { source: 'ovh2', target: 'ovh3' })).toBe(cause);
});

test('a row that is none has no state', () => {
  for (const any of [null, 7, 'x', [], {}, { id: 'x' }]) expect(jobState(any, NOW)).toBeUndefined();
});

describe.skipIf(!recorded)('recorded', () => {
  const all = recordings('replication');

  test.each(all.filter(({ expected }) => expected.jobs))(
    '$name: each job is in the state it was in',
    ({ expected, text }) => {
      const rows = answers(text)
        .filter(({ endpoint }) => /^\/nodes\/\w+\/replication$/.test(endpoint))
        .flatMap(({ data }) => data);
      const logs = answers(text).filter(({ endpoint }) => endpoint.includes('/log'));
      for (const { note: _, ...job } of expected.jobs) {
        const log = logs.find(({ endpoint }) => endpoint.includes(`/${job.id}/`))?.data ?? [];
        const told = jobState(
          rows.find(({ id }) => id === job.id),
          expected.now,
          log.map(({ t }: { t: string }) => t),
        );
        expect(told).toMatchObject(job);
      }
    },
  );

  test('only what fails is told, with what would be lost', () => {
    const told = all.filter(({ expected }) => expected.jobs).flatMap(({ lines }) => lines);
    expect(told).toMatchObject([
      {
        kind: 'replication-failed',
        severity: 'error',
        jobId: '103-0',
        failCount: 2,
        exposureSeconds: 1057,
        rootCause: 'out of space on ovh3',
      },
    ]);
  });

  test('a job lives and goes without any alarm', () => {
    const { lines, expected } = all.find(({ name }) => name.startsWith('rp-04'))!;
    expect(lines.map(({ kind, severity }) => `${kind} ${severity}`)).toEqual([
      'replication-job-created info',
      'replication-direction-switched info',
      'replication-job-removed info',
    ]);
    const { at: _, ...switched } = expected.events.find(
      ({ kind }: { kind: string }) => kind === 'replication-direction-switched',
    );
    expect(lines[1]).toMatchObject(switched);
    expect(lines[2].at).toBe(expected.events.at(-1).at);
  });
});

test('after a power loss replication adds to the node’s thread and opens none of its own', () => {
  const watch = new Living();
  for (const { endpoint, data, at, ...more } of powerLoss(three()).observations) watch.sees(endpoint, data, at, more);
  const mine = watch.news.filter(({ kind }) => kind.startsWith('replication-'));
  for (const { incident, phase } of mine) expect(`${incident} ${phase}`).toBe('node/ovh2 goes-on');
});
