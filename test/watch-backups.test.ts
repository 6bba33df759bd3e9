import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jobOf, longestGap, readJobs } from '../src/watch/backup-jobs.ts';
import { verdictOf } from '../src/watch/backup-news.ts';
import { alsoLook } from '../src/watch/rest.ts';
import { readVzdumpLog } from '../src/watch/vzdump-log.ts';
import { answers, gistOf, Living, recorded, recordings } from './watch/living.ts';

const START = 1_794_445_202;
const upid = (start = START, id = '', user = 'root@pam') =>
  `UPID:ovh1:0019BF7F:0D94BA38:${start.toString(16).toUpperCase().padStart(8, '0')}:vzdump:${id}:${user}:`;
const row = (status: string | undefined, start = START, id = '') => ({
  upid: upid(start, id),
  node: 'ovh1',
  starttime: start,
  type: 'vzdump',
  id,
  user: 'root@pam',
  ...(status === undefined || status === 'RUNNING' ? {} : { endtime: start + 300 }),
  ...(status === undefined ? {} : { status }),
});
const LIST = '/nodes/ovh1/tasks?typefilter=vzdump&source=all&limit=50';
const log = (start = START, id = '') =>
  `/nodes/ovh1/tasks/${encodeURIComponent(upid(start, id))}/log?start=0&limit=500`;
const lines = (...all: string[]) => all.map((t, i) => ({ n: i + 1, t }));

const good = (vmid: number, name = 'proxy') => [
  `INFO: Starting Backup of VM ${vmid} (lxc)`,
  'INFO: Backup started at 2026-11-12 02:00:02',
  `INFO: CT Name: ${name}`,
  `INFO: creating vzdump archive '/b/vzdump-lxc-${vmid}-2026_11_12-02_00_02.tar.zst'`,
  'INFO: archive file size: 512MB',
  `INFO: Finished Backup of VM ${vmid} (00:00:41)`,
  'INFO: Backup finished at 2026-11-12 02:00:43',
];
const bad = (vmid: number, ...why: string[]) => [
  `INFO: Starting Backup of VM ${vmid} (qemu)`,
  'INFO: Backup started at 2026-11-12 02:00:43',
  ...why,
  'INFO: Failed at 2026-11-12 02:00:53',
];
const command = 'INFO: starting new backup job: vzdump 101 110 120 --storage backups --mode stop --quiet 1';

describe('the log of a backup', () => {
  test('names the cause that stands above an error which only says that a command failed', () => {
    const read = readVzdumpLog(
      bad(
        110,
        'INFO: zstd: error 70 : Write error : cannot write block : No space left on device',
        "ERROR: Backup of VM 110 failed - command 'set -o pipefail && tar | zstd' failed: exit code 70",
      ),
    );
    expect(read.guests).toMatchObject([{ vmid: 110, result: 'failed', error: 'No space left on device', seconds: 10 }]);
    expect(read.guests[0]!.fullError).toContain('exit code 70');
  });

  test('knows guests that were never tried, and leaves out those of other nodes', () => {
    const read = readVzdumpLog([command, 'INFO: skip external VMs: 120', ...good(101)]);
    expect(read.guests.map(({ vmid, result }) => `${vmid} ${result}`)).toEqual(['101 ok', '110 todo']);
  });

  test('finds an error without a beginning: a guest that is gone, or that HA holds', () => {
    const read = readVzdumpLog([command, "ERROR: Backup of VM 999 failed - unable to find VM '999'"]);
    expect(read.guests).toContainEqual({
      vmid: 999,
      result: 'failed',
      bytes: null,
      archive: null,
      error: "unable to find VM '999'",
    });
  });

  test('adds up the disks of a machine on a backup server, and the archives of a container', () => {
    const machine = readVzdumpLog([
      'INFO: Starting Backup of VM 201 (qemu)',
      "INFO: include disk 'scsi0' 'local-zfs:vm-201-disk-0' 64G",
      "INFO: include disk 'efidisk0' 'local-zfs:vm-201-disk-1' 1M",
      'INFO: Finished Backup of VM 201 (01:00:35)',
    ]);
    expect(machine.guests[0]).toMatchObject({ bytes: 64 * 1024 ** 3 + 1024 ** 2, seconds: 3635 });
    const container = readVzdumpLog([
      'INFO: Starting Backup of VM 104 (lxc)',
      'INFO: root.mpxar: had to backup 1.000 MiB of 2.000 MiB (compressed 1 MiB) in 1.00 s (average 1 MiB/s)',
      'INFO: root.ppxar: had to backup 1.000 GiB of 9.000 GiB (compressed 1 MiB) in 1.00 s (average 1 MiB/s)',
      'INFO: Finished Backup of VM 104 (00:00:44)',
    ]);
    expect(container.guests[0]!.bytes).toBe(9 * 1024 ** 3 + 2 * 1024 ** 2);
  });

  test('cut off at any line it never throws, and nothing says success that did not finish', () => {
    const whole = [
      command,
      ...good(101),
      ...bad(110, 'ERROR: Backup of VM 110 failed - got timeout'),
      ...good(120),
      'TASK ERROR: job errors',
    ];
    for (let length = 0; length < whole.length; length += 1) {
      const cut = readVzdumpLog(whole.slice(0, length));
      expect(cut.exit).toBeUndefined();
      const finished = whole.slice(0, length).filter((line) => line.includes('Finished Backup')).length;
      expect(cut.guests.filter(({ result }) => result === 'ok')).toHaveLength(finished);
      expect(verdictOf(cut, 'unexpected status').kind).not.toMatch(/succeeded/);
      expect(verdictOf(cut, 'job errors').kind).not.toMatch(/succeeded/);
    }
  });

  test('of any text is read without throwing', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom(command, ...good(101), ...bad(110)))), (any) => {
        const { exit } = readVzdumpLog(any);
        expect(exit === undefined || any.some((line) => line.startsWith('TASK '))).toBe(true);
      }),
    );
  });
});

describe('a backup run', () => {
  const partial = lines(
    command,
    ...good(101),
    ...bad(110, 'ERROR: Backup of VM 110 failed - got timeout'),
    ...good(120),
    'TASK ERROR: job errors',
  );

  test('is told once, when its log is read, over restarts and lists without end', () => {
    const watch = new Living();
    expect(watch.sees(LIST, [row('RUNNING')], START + 10)).toEqual([]);
    expect(alsoLook(watch.memory.parts, START + 70)).toEqual([
      `/nodes/ovh1/tasks/${encodeURIComponent(upid())}/status`,
    ]);
    expect(watch.sees(LIST, [row('job errors')], START + 310)).toEqual([]);
    expect(alsoLook(watch.memory.parts, START + 320)).toEqual([log()]);
    const [told] = watch.sees(log(), partial, START + 320);
    expect(told).toMatchObject({
      kind: 'backup-partial',
      phase: 'opens',
      incident: 'backup/ovh1',
      text: 'Backup on ovh1: 2/3 OK, 41 s\n110: got timeout',
      facts: { okCount: 2, failedCount: 1 },
    });
    for (let at = START + 400; at < START + 4000; at += 600) {
      watch.sees(LIST, [row('job errors')], at);
      watch.sees('/cluster/tasks', [row('job errors')], at);
      watch.sees(log(), partial, at);
      watch.waits(at + 300);
    }
    expect(watch.news).toHaveLength(1);
  });

  test('whose log never comes is told from its end alone', () => {
    const watch = new Living();
    watch.sees(LIST, [row("can't acquire lock '/var/run/vzdump.lock' - got timeout")], START + 310);
    watch.sees(log(), null, START + 320, { status: 595, error: 'No route to host' });
    expect(watch.waits(START + 400)).toEqual([]);
    expect(watch.waits(START + 440)).toMatchObject([
      {
        kind: 'backup-failed',
        severity: 'error',
        facts: { allGuestsMissed: true, logIncomplete: true, reason: expect.stringContaining('got timeout') },
      },
    ]);
  });

  test('that a person interrupts is aborted: the guest in work failed, the others were never tried', () => {
    const watch = new Living();
    watch.sees(LIST, [row('interrupted by signal')], START + 310);
    const [told] = watch.sees(
      log(),
      lines(
        command,
        ...good(101),
        ...bad(110, 'ERROR: Backup of VM 110 failed - interrupted by signal'),
        'ERROR: Backup job failed - interrupted by signal',
        'TASK ERROR: interrupted by signal',
      ),
      START + 320,
    );
    expect(told).toMatchObject({ kind: 'backup-aborted', severity: 'warning' });
    expect(told!.guests!.map(({ vmid, result }) => `${vmid} ${result}`)).toEqual(['101 ok', '110 failed', '120 todo']);
  });

  test('whose node lost its power is said to be cut off, not to be fine', () => {
    const watch = new Living();
    watch.sees(LIST, [row('unexpected status')], START + 310);
    const [told] = watch.sees(
      log(),
      lines(
        command,
        ...good(101),
        'INFO: Starting Backup of VM 110 (lxc)',
        'INFO: Backup started at 2026-11-12 02:00:43',
      ),
      START + 320,
    );
    expect(told).toMatchObject({
      kind: 'backup-aborted',
      severity: 'error',
      facts: { nodeDied: true, okCount: 1, failedCount: 1 },
    });
  });

  test('ends the incident of the one before when each guest has a good backup again, also one by one', () => {
    const watch = new Living();
    watch.sees(LIST, [row('job errors')], START + 310);
    watch.sees(
      log(),
      lines(
        command,
        ...good(101),
        ...bad(110, 'ERROR: Backup of VM 110 failed - got timeout'),
        ...bad(120, 'ERROR: Backup of VM 120 failed - got timeout'),
        'TASK ERROR: job errors',
      ),
      START + 320,
    );
    const retry = (vmid: number, start: number) => {
      watch.sees(LIST, [row('OK', start, String(vmid))], start + 310);
      return gistOf(watch.sees(log(start, String(vmid)), lines(...good(vmid), 'TASK OK'), start + 320));
    };
    expect(retry(110, START + 1000)).toEqual(['backup-succeeded info note']);
    expect(retry(120, START + 2000)).toEqual(['backup-succeeded info ends']);
  });

  test('is told from a webhook when that comes first, and not again from its task', () => {
    const watch = new Living();
    const fields = { type: 'vzdump', hostname: 'ovh1', 'job-id': 'nightly' };
    const message = [
      'Details',
      '=======',
      'VMID    Name        Status    Time    Size    Filename',
      '101     müller-ß     ok        41s     512 MiB    /b/vzdump-lxc-101-x.tar.zst',
      '110     VM 110      err       0s      0 B     null',
      '120     wiki        todo      0s      0 B     null',
      '',
      'Total running time: 51s',
      '',
      'Logs',
      '====',
      '',
      '110: 2026-11-12 02:00:43 INFO: Starting Backup of VM 110 (qemu)',
      '110: 2026-11-12 02:00:43 ERROR: Backup of VM 110 failed - got timeout',
    ].join('\n');
    const body = JSON.stringify({
      v: 1,
      severity: 'error',
      timestamp: String(START + 300),
      title: 'vzdump backup status (ovh1): backup failed ',
      message,
      fields,
    });
    const [told] = watch.sees('/hooks/pve/off', body, START + 301, { via: 'webhook' });
    expect(told).toMatchObject({
      kind: 'backup-partial',
      severity: 'error',
      incident: 'backup/nightly',
      jobId: 'nightly',
      guests: [
        { vmid: 101, name: 'müller-ß', result: 'ok', bytes: 512 * 1024 ** 2 },
        { vmid: 110, result: 'failed', error: 'got timeout', bytes: null, archive: null },
        { vmid: 120, result: 'todo' },
      ],
    });
    watch.sees('/hooks/pve/off', body, START + 302, { via: 'webhook' });
    watch.sees(LIST, [row('job errors')], START + 310);
    watch.sees(log(), partial, START + 320);
    expect(watch.news).toHaveLength(1);
  });

  test('of long ago is no news when the watch begins', () => {
    const watch = new Living();
    const rows = [row('OK'), row('job errors', START - 3 * 86_400)];
    watch.sees(LIST, rows, START + 600);
    expect(alsoLook(watch.memory.parts, START + 600)).toEqual([log()]);
  });
});

describe('the job behind a run', () => {
  const jobs = readJobs([
    { id: 'nightly', storage: 'backups', all: '1', enabled: 1, schedule: '02:00', 'next-run': START - 2 + 86_400 },
    { id: 'evening', storage: 'backups', all: 1, enabled: 1, schedule: '20:00', 'next-run': START + 18 * 3600 },
    { id: 'some', storage: 'pbs', vmid: '104,201', node: 'ovh3', schedule: 'sun 04:15' },
  ]);
  const run = (text: string, more = {}) => {
    const { command: read } = readVzdumpLog([`INFO: starting new backup job: vzdump ${text}`]);
    return jobOf(jobs, { node: 'ovh1', start: START, user: 'root@pam', command: read!, ...more });
  };

  test('is found by its command line, and among equal ones by the hour, also when the clocks were changed', () => {
    expect(run('--all 1 --storage backups --quiet 1')).toBe('nightly');
    expect(run('--all 1 --storage backups --quiet 1', { start: START + 3600 })).toBe('nightly');
    expect(run('104 --storage pbs --quiet 1', { node: 'ovh3' })).toBe('some');
  });

  test('is not guessed', () => {
    expect(run('--all 1 --storage backups')).toBeUndefined();
    expect(run('--all 1 --storage backups --quiet 1', { start: START + 8 * 3600 })).toBeUndefined();
    expect(run('104 --storage pbs --quiet 1')).toBeUndefined();
    expect(run('--all 1 --storage backups --quiet 1', { user: 'bot@pve' })).toBeUndefined();
  });

  test.each([
    ['02:00', 1],
    ['*/15', 1],
    ['mon..fri 02:00', 3],
    ['sun 04:15', 7],
    ['sat,sun 01:00', 6],
    ['weekly', 7],
    ['monthly', 31],
    ['*-*-01 03:00', 31],
    [undefined, 1],
  ] as const)('%s runs at least every %i days', (schedule, days) => {
    expect(longestGap(schedule)).toBe(days * 86_400);
  });
});

describe.skipIf(!recorded)('recorded', () => {
  test.each(recordings('vzdump'))('$name is told as it was', ({ expected, lines: printed }) => {
    expect(printed).toHaveLength(1);
    const { guests, jobId: _, ...rest } = expected.event;
    expect(printed[0]).toMatchObject(rest);
    // Logs round sizes to two digits; the job is in no log.
    const told = printed[0].guests.map(({ bytes: __, ...one }: { bytes: number }) => one);
    expect(told).toMatchObject(guests.map(({ bytes: __, ...one }: { bytes: number }) => one));
    for (const [i, { bytes }] of guests.entries()) {
      if (bytes === null) expect(printed[0].guests[i].bytes).toBeNull();
      else expect(Math.abs(printed[0].guests[i].bytes / bytes - 1)).toBeLessThan(0.005);
    }
  });

  test.each(recordings('vzdump'))('$name names its job when the jobs are known', ({ expected, text }) => {
    const config = answers(recordings('api').find(({ name }) => name.startsWith('ap-05'))!.text);
    const watch = new Living();
    watch.sees('/cluster/backup', config.find(({ endpoint }) => endpoint === '/cluster/backup')!.data, 0);
    for (const { endpoint, data } of answers(text).filter(({ endpoint }) => endpoint.includes('/tasks')))
      watch.sees(endpoint, data, 0);
    expect(watch.news).toMatchObject([{ jobId: expected.event.jobId }]);
  });
});
