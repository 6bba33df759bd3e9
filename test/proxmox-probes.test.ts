import { expect, test } from 'vitest';
import type { Asker } from '../adapters/proxmox/client.ts';
import { probe } from '../adapters/proxmox/probes.ts';
import type { ProbeAnswer } from '../src/contracts/cluster.ts';
import { Failed, type FailureKind } from '../src/contracts/failure.ts';
import type { Probe } from '../src/contracts/plan.ts';

/** States that are hard to bring about for real, written down as Proxmox would tell them. */

const now = 1_795_221_000;
const clock = { now: () => now * 1_000, wait: () => Promise.resolve() };
const hex = (seconds: number) => seconds.toString(16).toUpperCase().padStart(8, '0');
const task = (type: string, startedAt: number, who = 'bot@pve!ops') =>
  `UPID:ovh1:000007F1:0005131F:${hex(startedAt)}:${type}:103:${who}:`;

type Told = Readonly<Record<string, unknown>>;
const no = (kind: FailureKind) => new Failed({ kind, what: 'asked', why: kind, next: '' });

/** Answers by path; an Error is thrown, anything not listed does not exist. */
function told(answers: Told): Asker {
  return {
    name: 'off',
    tokenId: 'bot@pve!ops',
    urls: [],
    closing: new AbortController().signal,
    prefer: () => undefined,
    attempt: ({ path, says }) => ({ cluster: 'off', method: 'GET', path, says, token: 'bot@pve!ops=x' }),
    get: async ({ path }) => {
      const data = answers[decodeURIComponent(path)] ?? no('not-found');
      if (data instanceof Error) throw data;
      return { data, url: '' };
    },
    download: async () => new Uint8Array(),
  };
}

const ask = (answers: Told, wanted: Probe, intentAt = now, upid?: string): Promise<ProbeAnswer> =>
  probe(told(answers), clock, wanted, { run: 'r1', intentAt: intentAt * 1_000, ...(upid ? { upid } : {}) });

const created: Probe = { kind: 'ct-created', node: 'ovh1', vmid: 103 };
const rebooted: Probe = { kind: 'guest-task', node: 'ovh1', type: 'lxc', vmid: 103, task: 'vzreboot' };
const running: Probe = { kind: 'guest-running', node: 'ovh1', type: 'lxc', vmid: 103, want: true };
const gone: Probe = { kind: 'guest-gone', node: 'ovh1', type: 'lxc', vmid: 103, identity: 'BC:24:11:00:00:01' };

const config = '/nodes/ovh1/lxc/103/config';
const tasks = '/nodes/ovh1/tasks';
const status = (upid: string) => `/nodes/ovh1/tasks/${upid}/status`;
const resources = '/cluster/resources';
const ok = { status: 'stopped', exitstatus: 'OK' };
const marked = { description: 'x bascule:r1\n' };

test('a lock without any task of ours may be somebody else, or just before the task', async () => {
  expect(await ask({ [config]: { lock: 'create' }, [tasks]: [] }, created)).toMatchObject({ state: 'unknown' });
});

test('our mark without a task does not prove that the work was finished', async () => {
  expect(await ask({ [config]: marked, [tasks]: [] }, created)).toMatchObject({ state: 'unknown' });
});

test('the list may say RUNNING of a task that died with its node: its own status decides', async () => {
  const upid = task('vzcreate', now);
  const answers = {
    [config]: marked,
    [tasks]: [{ upid, type: 'vzcreate', status: 'RUNNING' }],
    [status(upid)]: { status: 'stopped', exitstatus: 'unexpected status' },
  };
  expect(await ask(answers, created)).toMatchObject({ state: 'partial', upid });
});

test('a task of another token is never ours, whatever its time', async () => {
  const upid = task('vzcreate', now, 'bot@pve');
  const other = task('vzcreate', now, 'bot@pve!ops2');
  const answers = { [tasks]: [{ upid }, { upid: other }], [status(upid)]: ok, [status(other)]: ok, [resources]: [] };
  expect(await ask(answers, created)).toMatchObject({ state: 'absent' });
});

test('a create that ended well and is gone is not simply absent', async () => {
  const upid = task('vzcreate', now);
  const answers = { [tasks]: [{ upid }], [status(upid)]: ok, [resources]: [] };
  expect(await ask(answers, created)).toMatchObject({ state: 'unknown', upid });
});

test('a created guest that was moved meanwhile is found by its mark', async () => {
  const upid = task('vzcreate', now);
  const answers = {
    [tasks]: [{ upid }],
    [status(upid)]: ok,
    [resources]: [{ type: 'lxc', vmid: 103, node: 'ovh2' }],
    '/nodes/ovh2/lxc/103/config': marked,
  };
  expect(await ask(answers, created)).toMatchObject({ state: 'done', upid });
  const strangers = { ...answers, '/nodes/ovh2/lxc/103/config': {} };
  expect(await ask(strangers, created)).toMatchObject({ state: 'already' });
});

test('with the node clock known, a reboot of a minute ago is not this one', async () => {
  const upid = task('vzreboot', now - 60);
  const answers = { [tasks]: [{ upid }], [status(upid)]: ok };
  expect(await ask({ ...answers, '/nodes/ovh1/time': { time: now } }, rebooted)).toMatchObject({ state: 'absent' });
  // Without the right to read the clock it could be.
  expect(await ask({ ...answers, '/nodes/ovh1/time': no('no-privilege') }, rebooted)).toMatchObject({ state: 'done' });
});

test('a node whose clock is ten minutes behind still has our task', async () => {
  const upid = task('vzreboot', now - 600);
  const answers = { [tasks]: [{ upid }], [status(upid)]: ok, '/nodes/ovh1/time': { time: now - 600 } };
  expect(await ask(answers, rebooted)).toMatchObject({ state: 'done', upid });
});

test('a reboot that was killed may have happened or not', async () => {
  const upid = task('vzreboot', now);
  const answers = { [tasks]: [{ upid }], [status(upid)]: { status: 'stopped', exitstatus: 'unexpected status' } };
  expect(await ask(answers, rebooted)).toMatchObject({ state: 'unknown', upid });
});

test('HA has started the guest elsewhere while its node is dead', async () => {
  const answers = {
    [tasks]: no('unavailable'),
    '/nodes/ovh1/time': no('unavailable'),
    '/nodes/ovh1/lxc/103/status/current': no('unavailable'),
    [resources]: [{ type: 'lxc', vmid: '103', node: 'ovh3' }],
    '/nodes/ovh3/lxc/103/status/current': { status: 'running', ha: { managed: 1, state: 'started' } },
  };
  const seen = await ask(answers, running);
  expect(seen).toEqual({ state: 'already', evidence: 'CT 103 on ovh3 is running, HA state started' });
});

test('a guest on a silent node that went nowhere is unknown', async () => {
  const answers = {
    [tasks]: [],
    '/nodes/ovh1/lxc/103/status/current': no('unavailable'),
    [resources]: [{ type: 'lxc', vmid: 103, node: 'ovh1' }],
  };
  expect(await ask(answers, running)).toMatchObject({ state: 'unknown' });
});

test('gone is said only when no guest has the vmid, hidden ones included', async () => {
  const none = { [tasks]: [], [resources]: [] };
  expect(await ask({ ...none, '/cluster/nextid': '103' }, gone)).toMatchObject({ state: 'done' });
  expect(await ask({ ...none, '/cluster/nextid': no('conflict') }, gone)).toMatchObject({ state: 'unknown' });
});

test('a destroy killed half way is partial', async () => {
  const upid = task('vzdestroy', now);
  const answers = {
    [tasks]: [{ upid }],
    [status(upid)]: { status: 'stopped', exitstatus: 'unexpected status' },
    [config]: { lock: 'destroyed' },
  };
  expect(await ask(answers, gone)).toMatchObject({ state: 'partial', upid });
  const whole = { ...answers, [config]: { net0: 'name=eth0,hwaddr=BC:24:11:00:00:01' } };
  expect(await ask(whole, gone)).toMatchObject({ state: 'partial', upid });
});

test('missing rights and missing nodes make no probe throw', async () => {
  for (const kind of ['no-privilege', 'unavailable', 'no-quorum', 'refused', 'internal'] as const)
    for (const wanted of [created, rebooted, running, gone]) {
      const answers = Object.fromEntries([config, tasks, resources, '/cluster/nextid'].map((path) => [path, no(kind)]));
      expect(await ask(answers, wanted)).toMatchObject({ state: 'unknown' });
    }
});

const made: Probe = { kind: 'snapshot-exists', node: 'ovh1', type: 'lxc', vmid: 103, snapshot: 'v2' };
const deleted: Probe = { ...made, kind: 'snapshot-gone', identity: `at ${now - 60}` };
const rolledBack: Probe = { ...made, kind: 'snapshot-rolled-back' };
const snapshots = '/nodes/ovh1/lxc/103/snapshot';
const ours = { name: 'v2', snaptime: now - 60, description: 'before v2\nbascule:r1\n' };
const here = { name: 'current', description: 'You are here!', running: 1 };

test('a snapshot is ours by its mark, done when it is neither half made nor under its lock', async () => {
  const told = (row: object, lock?: string) => ({
    [tasks]: [],
    [snapshots]: [row, here],
    [config]: lock ? { lock } : {},
  });
  expect(await ask(told(ours), made)).toMatchObject({ state: 'done' });
  expect(await ask(told(ours, 'backup'), made)).toMatchObject({ state: 'done' });
  expect(await ask(told({ ...ours, description: 'bascule:r12' }), made)).toMatchObject({ state: 'already' });
  expect(await ask(told({ ...ours, snapstate: 'prepare' }, 'snapshot'), made)).toMatchObject({ state: 'unknown' });
  expect(await ask(told(ours, 'snapshot'), made)).toMatchObject({ state: 'unknown' });
  expect(await ask(told({ ...ours, name: 'v1' }), made)).toMatchObject({ state: 'absent' });
});

test('a killed snapshot is half ours; a failed one beside a half made means that an earlier call is still at it', async () => {
  const upid = task('vzsnapshot', now);
  const told = (exitstatus: string) => ({
    [tasks]: [{ upid }],
    [status(upid)]: { status: 'stopped', exitstatus },
    [snapshots]: [{ ...ours, snapstate: 'prepare' }, here],
    [config]: { lock: 'snapshot' },
  });
  expect(await ask(told('unable to read tail (got 0 bytes)'), made)).toMatchObject({ state: 'partial', upid });
  expect(await ask(told('unexpected status'), made)).toMatchObject({ state: 'partial', upid });
  expect(await ask(told('CT is locked (snapshot)'), made)).toMatchObject({ state: 'unknown', upid });
});

test('a snapshot that was made well and is gone was deleted by somebody', async () => {
  const upid = task('vzsnapshot', now);
  const told = { [tasks]: [{ upid }], [status(upid)]: ok, [snapshots]: [here], [config]: {} };
  expect(await ask(told, made)).toMatchObject({ state: 'unknown', upid });
});

test('a snapshot that cannot be looked at is unknown, wherever its guest went', async () => {
  expect(await ask({ [tasks]: [], [resources]: [] }, made)).toMatchObject({ state: 'unknown' });
  expect(await ask({ [tasks]: [], [snapshots]: no('no-privilege') }, deleted)).toMatchObject({ state: 'unknown' });
  const moved = {
    [tasks]: [],
    [resources]: [{ type: 'lxc', vmid: 103, node: 'ovh2' }],
    '/nodes/ovh2/lxc/103/snapshot': [ours, here],
    '/nodes/ovh2/lxc/103/config': {},
  };
  expect(await ask(moved, made)).toMatchObject({ state: 'done' });
});

test('a deleted snapshot is gone, still there, half gone, or another one of its name', async () => {
  const told = (rows: object[], lock?: string) => ({
    [tasks]: [],
    [snapshots]: [...rows, here],
    [config]: lock ? { lock } : {},
  });
  expect(await ask(told([]), deleted)).toMatchObject({ state: 'done' });
  expect(await ask(told([ours]), deleted)).toMatchObject({ state: 'absent' });
  expect(await ask(told([{ ...ours, snaptime: now }]), deleted)).toMatchObject({ state: 'already' });
  expect(await ask(told([{ ...ours, snapstate: 'delete' }]), deleted)).toMatchObject({ state: 'unknown' });
  const upid = task('vzdelsnapshot', now);
  const failed = { [tasks]: [{ upid }], [status(upid)]: { status: 'stopped', exitstatus: 'dataset is busy' } };
  expect(await ask({ ...told([ours], 'snapshot-delete'), ...failed }, deleted)).toMatchObject({
    state: 'partial',
    upid,
  });
});

test('an undo knows the snapshot by the mark of its run', async () => {
  const marker: Probe = { ...made, kind: 'snapshot-gone', identity: 'bascule:{run}' };
  const told = (row: object) => ({ [tasks]: [], [snapshots]: [row, here], [config]: {} });
  expect(await ask(told(ours), marker)).toMatchObject({ state: 'absent' });
  expect(await ask(told({ ...ours, description: 'bascule:r2' }), marker)).toMatchObject({ state: 'already' });
});

test('only its task tells of a rollback; a lock tells that it stopped half way', async () => {
  const upid = task('vzrollback', now);
  const told = (exitstatus: string, lock?: string) => ({
    [tasks]: [{ upid }],
    [status(upid)]: { status: 'stopped', exitstatus },
    [config]: lock ? { lock } : {},
  });
  expect(await ask({ [tasks]: [] }, rolledBack)).toMatchObject({ state: 'absent' });
  expect(await ask(told('OK'), rolledBack)).toMatchObject({ state: 'done', upid });
  expect(await ask(told("can't rollback, 'v2' is not most recent"), rolledBack)).toMatchObject({
    state: 'absent',
    upid,
  });
  expect(await ask(told('dataset is busy', 'rollback'), rolledBack)).toMatchObject({ state: 'partial', upid });
  expect(await ask(told('unexpected status'), rolledBack)).toMatchObject({ state: 'unknown', upid });
});
