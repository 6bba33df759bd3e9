import { describe, expect, test } from 'vitest';
import { readJobs } from '../src/watch/backup-jobs.ts';
import { cephState } from '../src/watch/ceph.ts';
import { uncoveredGuests } from '../src/watch/coverage.ts';
import { resourceSummary } from '../src/watch/resources.ts';
import { alsoLook } from '../src/watch/rest.ts';
import { answers, gistOf, Living, recorded, recordings } from './watch/living.ts';

const NOW = 1_795_000_000;
const RESOURCES = '/cluster/resources';
const node = (name: string, status = 'online') => ({ type: 'node', node: name, status });
const storage = (on: string, used: number | string, more = {}) => ({
  type: 'storage',
  storage: 'backups',
  node: on,
  status: 'available',
  shared: 1,
  disk: used,
  maxdisk: 1000,
  ...more,
});
const well = [node('ovh1'), node('ovh2'), node('ovh3')];

describe('a storage', () => {
  test('that fills up is told once per level, shared ones once in all, and over only well below the limit', () => {
    const watch = new Living();
    const at = (used: number, when: number) =>
      gistOf(watch.sees(RESOURCES, [...well, storage('ovh1', `${used}`), storage('ovh2', used)], NOW + when));
    expect(at(899, 0)).toEqual([]);
    expect(at(905, 10)).toEqual(['storage-full warning opens']);
    expect(at(899, 20)).toEqual([]);
    expect(at(906, 30)).toEqual([]);
    expect(at(955, 40)).toEqual(['storage-full error goes-on']);
    expect(at(995, 50)).toEqual(['storage-full critical goes-on']);
    expect(at(880, 60)).toEqual([]);
    expect(at(860, 70)).toEqual(['storage-ok info ends']);
  });

  const gone = (watch: Living, rows: object[], from: number, to: number) => {
    const told: string[] = [];
    for (let at = from; at <= to; at += 30) told.push(...gistOf(watch.sees(RESOURCES, rows, NOW + at)));
    return told;
  };

  test('that stays away on nodes that are well is offline; for a moment it is not', () => {
    const watch = new Living();
    const away = [
      ...well,
      storage('ovh1', 1, { status: 'unknown', disk: undefined }),
      storage('ovh2', 1, { status: 'unknown' }),
    ];
    expect(gone(watch, away, 0, 150)).toEqual([]);
    expect(gone(watch, away, 180, 600)).toEqual(['storage-offline error opens']);
    expect(gone(watch, [...well, storage('ovh1', 1), storage('ovh2', 1)], 630, 900)).toEqual(['storage-ok info ends']);
    const partly = [...well, storage('ovh1', 1), storage('ovh2', 1, { status: 'unknown' })];
    expect(gone(watch, partly, 1000, 2000)).toEqual(['storage-offline warning opens']);
    expect(watch.news.at(-1)).toMatchObject({ facts: { nodes: ['ovh2'], everywhere: false } });
  });

  test('of a dead node is not offline: nobody can know', () => {
    const rows = [
      node('ovh1'),
      node('ovh2', 'offline'),
      storage('ovh1', 1),
      storage('ovh2', 1, { status: 'unknown' }),
      storage('ovh2', 1, { storage: 'local-zfs', shared: 0, status: 'unknown' }),
    ];
    expect(gone(new Living(), rows, 0, 900)).toEqual([]);
  });

  test('of a backup server is one, too', () => {
    const told = new Living().sees(
      '/status/datastore-usage',
      [{ store: 'zpool', used: 96, total: 100, avail: 4 }],
      NOW,
      { via: 'pbs:main' },
    );
    expect(told).toMatchObject([{ kind: 'storage-full', severity: 'error', incident: 'storage/pbs:main/zpool' }]);
  });
});

test('a ZFS pool is told when it degrades, gets worse, and is well', () => {
  const watch = new Living();
  const health = (is: string) =>
    gistOf(
      watch.sees(
        '/nodes/ovh1/disks/zfs',
        [
          { name: 'rpool', health: is },
          { name: 'tank', health: 'ONLINE' },
        ],
        NOW,
      ),
    );
  expect(['ONLINE', 'DEGRADED', 'DEGRADED', 'FAULTED', 'ONLINE', 'ONLINE'].map((is) => health(is).join())).toEqual([
    '',
    'zfs-degraded error opens',
    '',
    'zfs-degraded critical goes-on',
    'zfs-ok info ends',
    '',
  ]);
});

test('Ceph is told by what can still be used; muted checks count for nothing', () => {
  const watch = new Living();
  const ceph = (status: string, checks: object = {}, states: object[] = []) =>
    gistOf(
      watch.sees(
        '/cluster/ceph/status',
        {
          health: { status, checks },
          osdmap: { osdmap: { num_osds: '3', num_up_osds: 2, num_in_osds: 3 } },
          pgmap: { pgs_by_state: states },
        },
        NOW,
      ),
    );
  expect(ceph('HEALTH_OK')).toEqual([]);
  expect(ceph('HEALTH_WARN', { OSD_DOWN: { muted: false }, OLD: { muted: true } })).toEqual([
    'ceph-health warning opens',
  ]);
  expect(watch.news[0]).toMatchObject({
    facts: { checks: ['OSD_DOWN'], osds: { total: 3, up: 2, in: 3 }, usable: true },
  });
  expect(ceph('HEALTH_WARN', { OSD_DOWN: {} })).toEqual([]);
  expect(ceph('HEALTH_ERR', { OSD_SCRUB_ERRORS: {} })).toEqual(['ceph-health error goes-on']);
  expect(ceph('HEALTH_WARN', { PG_AVAILABILITY: {} }, [{ state_name: 'down+remapped', count: 3 }])).toEqual([
    'ceph-health critical goes-on',
  ]);
  expect(ceph('HEALTH_OK')).toEqual(['ceph-ok info ends']);
  expect(cephState('x')).toBeUndefined();
});

test('a certificate is told two weeks before its end, again when it is near, and when it was renewed', () => {
  const watch = new Living();
  const ends = NOW + 30 * 86_400;
  const on = (day: number, notafter = ends) =>
    gistOf(
      watch.sees('/nodes/ovh1/certificates/info', [{ filename: 'pve-ssl.pem', notafter }], NOW + day * 86_400),
    ).join();
  expect([1, 17, 18, 27, 28, 31].map((day) => on(day))).toEqual([
    '',
    'certificate-expiring warning opens',
    '',
    'certificate-expiring error goes-on',
    '',
    'certificate-expiring critical goes-on',
  ]);
  expect(on(31, NOW + 700 * 86_400)).toBe('certificate-ok info ends');
});

describe('blind', () => {
  test('is what the bot is when nothing answers, until something does', () => {
    const watch = new Living();
    watch.sees('/cluster/status', [{ type: 'node', name: 'ovh1', online: 1 }], NOW);
    const told: string[] = [];
    for (let at = NOW + 10; at <= NOW + 400; at += 10) {
      told.push(
        ...gistOf(
          watch
            .sees('/version', undefined, at, { status: 0, error: 'connect ETIMEDOUT' })
            .filter(({ incident }) => incident === 'blind'),
        ),
      );
      told.push(...gistOf(watch.waits(at).filter(({ incident }) => incident === 'blind')));
    }
    expect(told).toEqual(['cluster-blind error opens']);
    expect(watch.news.find(({ kind }) => kind === 'cluster-blind')).toMatchObject({
      startedAt: NOW,
      text: expect.stringContaining('ETIMEDOUT'),
    });
    expect(gistOf(watch.sees('/version', { version: '9.2' }, NOW + 410))).toContain('cluster-seen info ends');
  });

  test('is not what it was while it did not run, nor when its clock jumps', () => {
    const watch = new Living();
    watch.sees('/version', { version: '9.2' }, NOW);
    watch.waits(NOW + 5);
    for (const at of [NOW + 7200, NOW + 7210, NOW - 5000, NOW - 4990]) watch.waits(at);
    expect(watch.news.filter(({ kind }) => kind === 'cluster-blind')).toEqual([]);
  });
});

describe('a guest', () => {
  const guest = (status: string, more = {}) => ({
    type: 'lxc',
    vmid: 117,
    node: 'ovh1',
    name: 'wiki',
    status,
    ...more,
  });
  const looks = (watch: Living, row: object, from: number, to: number, also: (at: number) => void = () => {}) => {
    for (let at = from; at <= to; at += 30) {
      watch.sees(RESOURCES, [...well, row], NOW + at);
      also(NOW + at);
    }
    return gistOf(watch.news.filter(({ kind }) => kind.startsWith('guest-')));
  };
  const onboot = (watch: Living) => (at: number) => watch.sees('/nodes/ovh1/lxc/117/config', { onboot: 1 }, at);

  test('that seems down is asked for, once each: whether it should run, and who stopped it', () => {
    const watch = new Living();
    looks(watch, guest('running'), 0, 60);
    looks(watch, guest('stopped'), 90, 90);
    const at = NOW + 91;
    expect(alsoLook(watch.memory.parts, at)).toEqual([
      '/nodes/ovh1/lxc/117/config',
      '/nodes/ovh1/tasks?vmid=117&source=all&limit=20',
    ]);
    watch.sees('/nodes/ovh1/lxc/117/config', null, at, { status: 403 });
    watch.sees('/nodes/ovh1/tasks?vmid=117&source=all&limit=20', [], at);
    expect(alsoLook(watch.memory.parts, at)).toEqual([]);
    expect(looks(watch, guest('stopped'), 120, 900)).toEqual([]);
  });

  test('that should run and does not is told, and when it runs again', () => {
    const watch = new Living();
    looks(watch, guest('running'), 0, 60);
    expect(looks(watch, guest('stopped'), 90, 300, onboot(watch))).toEqual(['guest-down warning opens']);
    expect(looks(watch, guest('running'), 330, 360)).toEqual(['guest-down warning opens', 'guest-up info ends']);
  });

  const task = (type: string, status?: string) => ({
    upid: `UPID:ovh1:0019BF7F:0D94BA38:${(NOW + 80).toString(16).toUpperCase()}:${type}:${type === 'vzdump' ? '' : 117}:alice@pve:`,
    ...(status ? { status, endtime: NOW + 85 } : {}),
  });

  test.each([
    [
      'does not start with its node',
      guest('stopped'),
      (watch: Living) => (at: number) => void watch.sees('/nodes/ovh1/lxc/117/config', {}, at),
    ],
    [
      'was stopped by somebody',
      guest('stopped'),
      (watch: Living) => (at: number) => {
        watch.sees('/cluster/tasks', [task('vzshutdown', 'OK')], at);
        onboot(watch)(at);
      },
    ],
    [
      'is down for its backup',
      guest('stopped'),
      (watch: Living) => (at: number) => {
        watch.sees('/cluster/tasks', [task('vzdump')], at);
        onboot(watch)(at);
      },
    ],
    ['is locked', guest('stopped', { lock: 'backup' }), onboot],
    ['is managed by HA', guest('stopped', { hastate: 'stopped' }), onboot],
    ['is a template', guest('stopped', { template: 1 }), onboot],
    ['nobody knows of', guest('unknown'), onboot],
  ])('that %s is not missed', (_, row, also) => {
    const watch = new Living();
    looks(watch, guest('running'), 0, 60);
    also(watch)(NOW + 85);
    expect(looks(watch, row, 90, 900, also(watch))).toEqual([]);
  });
});

describe('backups', () => {
  const guests = (...vmids: number[]) =>
    vmids.map((vmid) => ({ type: 'lxc', vmid, node: 'ovh1', status: 'running', name: `ct${vmid}` }));
  const jobs = [
    { id: 'nightly', storage: 'backups', vmid: '101,103', enabled: 1, schedule: '02:00' },
    { id: 'weekly', storage: 'backups', vmid: '104', enabled: '1', schedule: 'sun 04:15' },
    { id: 'old', storage: 'backups', vmid: '110', enabled: 0, schedule: '02:00' },
  ];
  const DAY = 86_400;

  test('that no job makes are missed, also of guests only in a disabled one; new guests get a day', () => {
    const watch = new Living();
    watch.sees(RESOURCES, [...well, ...guests(101, 110, 117), { ...guests(900)[0], template: 1 }], NOW);
    watch.sees('/cluster/backup', jobs, NOW);
    watch.sees('/cluster/backup-info/not-backed-up', [{ vmid: 117 }, { vmid: 900 }], NOW);
    const told = watch.waits(NOW + 1);
    expect(told).toMatchObject([{ kind: 'backup-not-covered', severity: 'warning', phase: 'opens' }]);
    expect(told[0]!.text).toBe('2 guests have no backup job\n110 ct110 (only in old, disabled)\n117 ct117');
    watch.sees(RESOURCES, [...well, ...guests(101, 110, 117, 120)], NOW + 100);
    watch.sees('/cluster/backup-info/not-backed-up', [{ vmid: 120 }], NOW + 100);
    watch.sees('/cluster/backup', [...jobs, { ...jobs[2], id: 'new', enabled: 1 }], NOW + 100);
    expect(gistOf(watch.waits(NOW + 200))).toEqual(['backup-covered info ends']);
    expect(watch.waits(NOW + 80_000).filter(({ incident }) => incident === 'backup-coverage')).toEqual([]);
    expect(gistOf(watch.waits(NOW + 100 + DAY).filter(({ incident }) => incident === 'backup-coverage'))).toEqual([
      'backup-not-covered warning opens',
    ]);
  });

  test('that are too old are told by what lies on the storage, each guest by its own schedule', () => {
    const watch = new Living();
    const content = (at: number, ...rows: [vmid: number, age: number, more?: object][]) =>
      watch.sees(
        '/nodes/ovh1/storage/backups/content?content=backup',
        rows.map(([vmid, age, more]) => ({
          volid: `backups:backup/vzdump-lxc-${vmid}-x.tar.zst`,
          ctime: at - age,
          ...more,
        })),
        at,
      );
    watch.sees(RESOURCES, [...well, ...guests(101, 103, 104)], NOW);
    watch.sees('/cluster/backup', jobs, NOW);
    expect(watch.waits(NOW + 1)).toEqual([]);
    content(NOW + 2, [101, 3600], [103, 3600, { verification: { state: 'failed' } }], [103, 30 * 3600], [104, 5 * DAY]);
    const told = watch.waits(NOW + 70);
    expect(told).toMatchObject([{ kind: 'backup-too-old', phase: 'opens', guests: [{ vmid: 103, name: 'ct103' }] }]);
    // A list that shows nothing is a missing right, and one that is old proves nothing.
    content(NOW + 100);
    expect(watch.waits(NOW + 12 * 3600)).toEqual([]);
    content(NOW + 13 * 3600, [103, 60]);
    expect(gistOf(watch.waits(NOW + 13 * 3600 + 60))).toEqual(['backup-recent info ends']);
  });
});

describe.skipIf(!recorded)('recorded', () => {
  test.each(recordings('resources'))('$name is summed up rightly, and is no news', ({ expected, text, lines }) => {
    const { fixture: _, ...summary } = expected;
    expect(resourceSummary(answers(text)[0]!.data)).toMatchObject(summary);
    expect(lines).toEqual([]);
  });

  test.each(recordings('ceph'))('$name is told as it was', ({ expected, lines }) => {
    expect(lines).toMatchObject([expected.event]);
  });

  test.each(recordings('api'))('$name makes no false news', ({ expected, lines, text }) => {
    if (!expected.result) return expect(lines).toEqual([]);
    const { replication: _, ...result } = expected.result;
    expect(lines).toMatchObject([{ ...result, severity: expected.severity }]);
    return expect(text).toContain('WARNINGS: 1');
  });

  test('the guests without a backup are those of the list, and jobs that are switched off do not count', () => {
    const { expected, text } = recordings('api').find(({ name }) => name.startsWith('ap-05'))!;
    const data = (endpoint: string) => answers(text).find((one) => one.endpoint === endpoint)!.data;
    const jobs = readJobs(data('/cluster/backup'));
    expect({ jobs: jobs.length, enabled: jobs.filter(({ enabled }) => enabled).length }).toMatchObject({
      jobs: expected.backup.jobs,
      enabled: expected.backup.enabled,
    });
    const none = data('/cluster/backup-info/not-backed-up').map(({ vmid }: { vmid: number }) => vmid);
    expect(
      uncoveredGuests(
        jobs,
        none,
        [900, 130, 101].map((vmid) => ({ vmid, node: 'ovh1' })),
      ).map(({ vmid }) => vmid),
    ).toEqual(expected.backup.uncovered);
  });
});
