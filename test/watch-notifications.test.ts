import { describe, expect, test } from 'vitest';
import { readNotification } from '../src/watch/notification.ts';
import { gistOf, Living, recorded, recordings } from './watch/living.ts';

const NOW = 1_795_000_000;
const body = (fields: object, title: string, message = '', severity = 'info', at = NOW) =>
  JSON.stringify({ v: 1, cluster: 'off', severity, timestamp: at, title: `${title} `, message, fields });
const pve = (text: unknown, at = NOW) => new Living().sees('/hooks/pve/off', text, at, { via: 'webhook' });
const pbs = (text: unknown, at = NOW) => new Living().sees('/hooks/pbs/main', text, at, { via: 'webhook' });

describe('a webhook', () => {
  test.each([
    ['real line feeds in its JSON', '{"title":"x","message":"one\ntwo","fields":{}}'],
    ['plain text', 'vzdump backup status (ovh1): backup failed'],
    ['nothing at all', ''],
    ['a page of a proxy', '<html><body>502</body></html>'],
    ['JSON of something else', '{"text":"hello"}'],
    ['half of it', '{"v":1,"severity":"error","title":"Rep'],
    ['no node for a backup', body({ type: 'vzdump' }, 'vzdump backup status')],
  ])('with %s is told as it came, once', (_, text) => {
    const watch = new Living();
    const [told] = watch.sees('/hooks/pve/off', text, NOW);
    expect(told).toMatchObject({
      kind: 'unparseable-notification',
      severity: 'warning',
      phase: 'note',
      facts: { raw: text.trim() },
    });
    expect(watch.sees('/hooks/pve/off', text, NOW + 2)).toEqual([]);
    expect(watch.sees('/hooks/pve/off', `${text}!`, NOW + 3)).toHaveLength(1);
  });

  test('without fields is known by its title', () => {
    expect(readNotification({ title: "Trying to fence node 'ovh2'", message: 'x' })?.type).toBe('fencing');
    expect(readNotification({ title: 'Hello', message: 'x' })).toBeUndefined();
  });

  test('that the test button sends is no incident', () => {
    expect(gistOf(pve(body({ type: 'test' }, 'Test notification', 'This is a test.')))).toEqual(['test info note']);
  });

  test('with forwarded mail is graver when disks or pools speak', () => {
    const mail = (title: string, severity = 'unknown') =>
      pve(body({ type: 'system-mail', hostname: 'ovh2' }, title, 'text', severity));
    expect(mail('SMART error (CurrentPendingSector) detected on host: ovh2')).toMatchObject([
      { kind: 'system-mail', severity: 'warning', node: 'ovh2' },
    ]);
    expect(mail('Cron <root@ovh2> /usr/local/bin/report')).toMatchObject([{ kind: 'system-mail', severity: 'notice' }]);
  });

  test('about a certificate that could not be renewed is a warning, though it says info', () => {
    expect(gistOf(pbs(body({ type: 'acme', hostname: 'pbs' }, 'Could not renew certificate')))).toEqual([
      'certificate-expiring warning note',
    ]);
  });

  test('about updates is told once a week, with the nodes’ own list or without', () => {
    const watch = new Living();
    const updates = (at: number) =>
      body(
        { type: 'package-updates', hostname: 'ovh1' },
        'New software packages available (ovh1)',
        'The following updates are available:\n\nPackage    Installed    Available    \npve-manager    9.1    9.2    \nzsh    1    2    \n\n',
        'info',
        at,
      );
    expect(watch.sees('/hooks/pve/off', updates(NOW), NOW)).toMatchObject([
      { kind: 'updates-available', facts: { count: 2, packages: ['pve-manager', 'zsh'] } },
    ]);
    watch.sees('/hooks/pve/off', updates(NOW + 86_400), NOW + 86_400);
    watch.sees('/nodes/ovh1/apt/update', [{ Package: 'pve-manager' }], NOW + 3 * 86_400);
    expect(watch.news).toHaveLength(1);
    expect(watch.sees('/nodes/ovh1/apt/update', [{ Package: 'a' }, { Package: 'b' }], NOW + 7 * 86_400)).toMatchObject([
      { facts: { count: 2 } },
    ]);
    expect(watch.sees('/nodes/ovh2/apt/update', [], NOW)).toEqual([]);
  });

  test('that alone tells of a fencing which nobody sees is taken back', () => {
    const watch = new Living();
    const nodes = (at: number) =>
      watch.sees(
        '/cluster/status',
        [
          { type: 'cluster', name: 'off', quorate: 1, nodes: 1 },
          { type: 'node', name: 'ovh2', online: 1 },
        ],
        at,
      );
    nodes(NOW - 10);
    expect(
      gistOf(
        watch.sees(
          '/hooks/pve/off',
          body({ type: 'fencing', hostname: 'ovh2' }, "Trying to fence node 'ovh2'", '', 'error'),
          NOW,
        ),
      ),
    ).toEqual(['node-fencing-started critical opens']);
    expect(
      gistOf(
        watch.sees(
          '/hooks/pve/off',
          body({ type: 'fencing', hostname: 'ovh2' }, "Successfully fenced node 'ovh2'", '', 'error'),
          NOW + 60,
        ),
      ),
    ).toEqual(['node-fenced critical goes-on']);
    for (let at = NOW + 70; at < NOW + 590; at += 10) {
      nodes(at);
      watch.waits(at + 5);
    }
    expect(gistOf(watch.news.slice(2))).toEqual([]);
    nodes(NOW + 600);
    expect(gistOf(watch.waits(NOW + 605))).toEqual(['node-back info ends']);
  });
});

describe('a backup server', () => {
  const fields = (type: string) => ({ 'job-id': 'v-1', datastore: 'zpool', hostname: 'pbs', type });
  test.each([
    [
      body(fields('gc'), "Garbage Collect Datastore 'zpool' successful", 'Datastore:  zpool\n'),
      'datastore-gc-finished info note',
    ],
    [
      body(fields('gc'), "Garbage Collect Datastore 'zpool' successful", 'Datastore:  zpool\nStill bad chunks:  3\n'),
      'datastore-gc-finished warning note',
    ],
    [
      body(fields('gc'), "Garbage Collect Datastore 'zpool' failed", 'Garbage collection failed: EIO\n', 'error'),
      'datastore-gc-failed error opens',
    ],
    [body(fields('verify'), "Verify Datastore 'zpool' successful"), 'backup-verify-finished info note'],
    [
      body(fields('prune'), "Pruning datastore 'zpool' failed", 'Pruning failed: EIO\n', 'error'),
      'datastore-prune-failed error opens',
    ],
    [
      body(
        { ...fields('tape-backup'), 'media-pool': 'weekly' },
        "Tape Backup 'zpool' failed",
        'Tape Backup failed: no tape\n',
        'error',
      ),
      'backup-failed error opens',
    ],
    [
      body({ type: 'tape-load', hostname: 'pbs' }, "Load Media 'T1' request for drive 'd0'", '', 'notice'),
      'system-mail notice note',
    ],
  ])('says what it did (%#)', (text, gist) => {
    expect(gistOf(pbs(text))).toEqual([gist]);
  });

  test('names the snapshots that did not verify', () => {
    const message =
      'Job ID: v-1\nDatastore: zpool\n\nVerification failed on these snapshots/groups:\n\n  ct/103/2026-11-12T01:00:01Z\n  vm/201/2026-11-12T02:00:00Z\n\n\nPlease visit the web interface';
    expect(pbs(body(fields('verify'), "Verify Datastore 'zpool' failed", message, 'error'))).toMatchObject([
      {
        kind: 'backup-verify-failed',
        severity: 'error',
        jobId: 'v-1',
        facts: {
          datastore: 'zpool',
          reason: '2 snapshots did not verify',
          snapshots: ['ct/103/2026-11-12T01:00:01Z', 'vm/201/2026-11-12T02:00:00Z'],
        },
      },
    ]);
  });

  const task = (type: string, id: string, status: string, start = NOW) => ({
    upid: `UPID:pbs:000003A1:0000B2F4:0000011D:${start.toString(16).toUpperCase()}:${type}:${id.replaceAll(':', '\\x3a')}:root@pam:`,
    node: 'pbs',
    worker_type: type,
    worker_id: id,
    user: 'root@pam',
    starttime: start,
    endtime: start + 60,
    status,
  });
  const list = '/nodes/localhost/tasks?limit=50';
  const via = { via: 'pbs:main' };

  test('is asked for its tasks: each once, over restarts, and the mail of the same run adds nothing', () => {
    const watch = new Living();
    const rows = [
      task('verificationjob', 'zpool:v-1', 'verification failed - please check the log for details'),
      task('garbage_collection', 'zpool', 'OK'),
      task('backup', 'zpool:ct/103', 'OK'),
    ];
    expect(gistOf(watch.sees(list, rows, NOW + 100, via))).toEqual([
      'backup-verify-failed error opens',
      'datastore-gc-finished info note',
    ]);
    watch.sees(list, rows, NOW + 160, via);
    watch.sees(
      '/hooks/pbs/main',
      body(fields('verify'), "Verify Datastore 'zpool' failed", '', 'error', NOW + 61),
      NOW + 170,
    );
    expect(watch.news).toHaveLength(2);
    expect(gistOf(watch.sees(list, [task('verify', 'zpool:v-1', 'OK', NOW + 4000)], NOW + 4100, via))).toEqual([
      'backup-verify-finished info ends',
    ]);
  });

  test('that synced with warnings did not sync all', () => {
    const watch = new Living();
    const rows = [
      task('syncjob', 'offsite:mirror:zpool::s-8d21', 'WARNINGS: 2'),
      task('prunejob', 'zpool:p-1', 'WARNINGS: 1'),
      task('verify', 'zpool', 'OK', NOW - 9 * 86_400),
    ];
    expect(watch.sees(list, rows, NOW + 100, via)).toMatchObject([
      {
        kind: 'backup-sync-failed',
        severity: 'warning',
        jobId: 's-8d21',
        facts: { datastore: 'zpool', remote: 'offsite' },
      },
      { kind: 'datastore-prune-finished', severity: 'warning' },
    ]);
  });
});

describe.skipIf(!recorded)('recorded', () => {
  test.each(recordings('notifications'))('$name is told as it was meant', ({ expected, lines }) => {
    const { sentBy: _, ...event } = expected.event;
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject(event);
    for (const wrong of expected.mustNotReport ?? []) if (wrong === 'an incident') expect(lines[0].phase).toBe('note');
  });
});
