import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isHook } from '../src/watch/notification.ts';
import { alsoLook, restWatchers } from '../src/watch/rest.ts';
import { readUpid } from '../src/watch/upid.ts';
import { Living } from './watch/living.ts';

const UPID = 'UPID:ovh1:0019BF7F:0D94BA38:6AF50F92:vzdump::root@pam:';
const ENDPOINTS = [
  '/cluster/resources',
  '/cluster/tasks',
  '/cluster/backup',
  '/cluster/backup-info/not-backed-up',
  '/cluster/replication',
  '/cluster/ceph/status',
  '/nodes/ovh1/ceph/status',
  '/nodes/ovh1/replication',
  '/nodes/ovh1/replication/103-0/status',
  '/nodes/ovh1/replication/103-0/log?limit=0',
  '/nodes/ovh1/tasks?typefilter=vzdump',
  `/nodes/ovh1/tasks/${UPID}/status`,
  `/nodes/ovh1/tasks/${encodeURIComponent(UPID)}/log?start=0&limit=50`,
  '/nodes/ovh1/tasks/%E0%A4%A/status',
  '/nodes/ovh1/disks/zfs',
  '/nodes/ovh1/certificates/info',
  '/nodes/ovh1/apt/update',
  '/nodes/ovh1/storage/backups/content?content=backup',
  '/nodes/ovh1/lxc/103/config',
  '/status/datastore-usage',
];

/** Words that rows have, with values that they should not. */
const keys = [
  'id',
  'upid',
  'type',
  'vmid',
  'node',
  'status',
  'storage',
  'disk',
  'maxdisk',
  'target',
  'guest',
  'last_sync',
  'next_sync',
  'fail_count',
  'n',
  't',
  'health',
  'name',
  'notafter',
  'filename',
  'exitstatus',
  'endtime',
  'ctime',
  'volid',
  'Package',
];
const values = fc.oneof(
  fc.constantFrom(null, '', '0', -1, 1e300, Number.MAX_SAFE_INTEGER, UPID, '103-0', 'RUNNING', '__proto__', [], {}),
  fc.string(),
  fc.double(),
);
const garbage = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('<html>502</html>', null, undefined, [], {}, [[]], [null]),
  fc.array(fc.dictionary(fc.constantFrom(...keys), values), { maxLength: 4 }),
  fc.dictionary(fc.constantFrom(...keys), values),
);

test('no answer, however spoilt, makes a watcher throw or lose its memory', () => {
  const step = fc.record({
    endpoint: fc.constantFrom(...ENDPOINTS, '/hooks/pve/off'),
    data: garbage,
    status: fc.constantFrom(200, 200, 200, 0, 401, 500, 595),
    via: fc.constantFrom('ovh1', 'pbs:main'),
    after: fc.integer({ min: -1000, max: 100_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const watch = new Living();
      let at = 1_795_000_000;
      for (const { endpoint, data, status, via, after } of steps) {
        at += after;
        watch.sees(endpoint, data, at, { status, via });
        watch.waits(at);
        for (const wanted of alsoLook(watch.memory.parts, at)) expect(wanted).toMatch(/^\/nodes\//);
      }
    }),
    { numRuns: 300 },
  );
});

test('answers that hold nothing readable are no news', () => {
  const nothing = fc.constantFrom<unknown>(
    null,
    undefined,
    [],
    {},
    '',
    '<html>502</html>',
    7,
    true,
    [null, 1, 'x', [], {}],
    { data: [] },
    [{ vmid: 'x', id: 7, name: null }],
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...ENDPOINTS), nothing), { maxLength: 20 }), (answers) => {
      const watch = new Living();
      for (const [i, [endpoint, data]] of answers.entries()) watch.sees(endpoint, data, 1_795_000_000 + i);
      watch.waits(1_795_000_030);
      expect(watch.news).toEqual([]);
    }),
  );
});

test('every watcher has a name of its own, and hooks are for those that read them', () => {
  const names = restWatchers.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(
    restWatchers
      .filter((watcher) => watcher.wants('/hooks/pve/off'))
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['backups', 'notifications', 'pbs', 'replication', 'updates']);
  expect(isHook('/nodes/ovh1/hooks')).toBe(false);
});

test.each([
  [
    'UPID:ovh2:0009F14E:0E124E79:6AFB1F2B:vzdump:103:bot@pve!chatops:',
    { node: 'ovh2', start: 0x6afb1f2b, type: 'vzdump', id: '103', user: 'bot@pve', token: 'chatops' },
  ],
  [
    'UPID:n-1:0009F14E:10E124E79:6AFB1F2B:vzdump::root@pam:',
    { node: 'n-1', start: 0x6afb1f2b, type: 'vzdump', id: '', user: 'root@pam' },
  ],
  [
    'UPID:pbs:000003A1:0000B2F4:0000011D:6AF5D0F2:verificationjob:zpool\\x3av-1:root@pam:',
    { node: 'pbs', start: 0x6af5d0f2, type: 'verificationjob', id: 'zpool:v-1', user: 'root@pam' },
  ],
  ['UPID:ovh2:vzdump', undefined],
])('%s is read', (text, read) => {
  expect(readUpid(text)).toEqual(read);
});
