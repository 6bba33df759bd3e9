import { describe, expect, test } from 'vitest';
import { type Read, reads } from '../adapters/proxmox/calls.ts';
import { isApiCall, MARKER, type PlannedStep } from '../src/contracts/plan.ts';
import * as steps from '../src/contracts/steps.ts';
import { complaints, type Facts, facts, factsAreHere, type Sent } from './proxmox-facts.ts';

const upid = 'UPID:ovh1:000007F1:0005131F:6B00E5FD:vzcreate:110:bot@pve!chatops:';

/** Arguments that are ordinary or as odd as Proxmox allows; every question has its entry or this does not compile. */
const samples: { readonly [K in keyof typeof reads]: readonly Parameters<(typeof reads)[K]>[] } = {
  version: [[]],
  permissions: [[]],
  clusterStatus: [[]],
  clusterNodes: [[]],
  qdevice: [[]],
  resources: [[]],
  nextVmid: [[]],
  vmidFree: [[100], [999_999_999]],
  haStatus: [[]],
  replicationJobs: [[]],
  replicationJob: [['103-0']],
  nodeStatus: [['ovh1']],
  nodeTime: [['ovh1']],
  bridges: [['ovh1']],
  storages: [['a-1']],
  content: [['ovh1', 'local-zfs', 'vztmpl']],
  backups: [['ovh1', 'pbs.old_1', 103]],
  storedBackups: [['ovh1', 'pbs.old_1']],
  backupJobs: [[]],
  runningBackups: [['ovh1']],
  replicationStatus: [['ovh1', '103-0']],
  backupFiles: [
    ['ovh1', 'pbs', 'pbs:backup/ct/103/2026-11-12T01:00:01Z', '/'],
    ['ovh1', 'pbs', 'pbs:backup/ct/103/2026-11-12T01:00:01Z', 'L3Jvb3QucHhhci5kaWR4L2V0Yw=='],
  ],
  backupFile: [['ovh1', 'pbs', 'pbs:backup/ct/103/2026-11-12T01:00:01Z', 'L3Jvb3QucHhhci5kaWR4L2V0Yw==']],
  replicationState: [['ovh1']],
  guestConfig: [
    ['ovh1', 'lxc', 103],
    ['ovh1', 'qemu', 200],
  ],
  guestStatus: [
    ['ovh1', 'lxc', 103],
    ['ovh1', 'qemu', 200],
  ],
  snapshots: [
    ['ovh1', 'lxc', 103],
    ['ovh1', 'qemu', 200],
  ],
  canSnapshot: [
    ['ovh1', 'lxc', 103],
    ['ovh1', 'qemu', 200],
  ],
  tasks: [['ovh1', 103, 1_795_220_989]],
  taskStatus: [['ovh1', upid]],
  taskLog: [['ovh1', upid, 0, 500]],
};

const ct = { node: 'ovh1', type: 'lxc', vmid: 103, name: 'robotoff' } as const;
const vm = { node: 'ovh1', type: 'qemu', vmid: 200, name: 'win' } as const;

const create = {
  ostemplate: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
  rootfs: 'local-zfs:8',
  hostname: 'robotoff',
  cores: 2,
  memory: 512,
  swap: 256,
  net0: 'name=eth0,bridge=vmbr0,ip=10.1.0.103/24,gw=10.1.0.254',
  nameserver: '1.1.1.1 9.9.9.9',
  searchdomain: 'example.org',
  unprivileged: true,
  onboot: true,
  protection: true,
  description: MARKER,
  tags: 'bascule;web',
  pool: 'web',
  'ssh-public-keys': 'ssh-ed25519 AAAA bob',
};

/** Every builder of a step; a new one fails the test below until it is listed here. */
const built: { readonly [name: string]: readonly PlannedStep[] } = {
  startStep: [steps.startStep(ct, { undo: true }), steps.startStep(vm)],
  stopStep: [steps.stopStep(ct), steps.stopStep(vm)],
  shutdownStep: [steps.shutdownStep(ct, 60), steps.shutdownStep(vm, 60)],
  rebootStep: [steps.rebootStep(ct, 60), steps.rebootStep(vm, 60)],
  createCtStep: [steps.createCtStep('ovh1', 103, 'robotoff', create)],
  destroyStep: [steps.destroyStep(ct, 'BC:24:11:00:00:01'), steps.destroyStep(vm, 'BC:24:11:00:00:01')],
  addReplicationStep: [steps.addReplicationStep('103-0', 'ovh2', '*/5', 'x')],
  removeReplicationStep: [steps.removeReplicationStep('103-0')],
  switchReplicationStep: [steps.switchReplicationStep('103-0', true), steps.switchReplicationStep('103-0', false)],
  runReplicationStep: [steps.runReplicationStep('103-0', 'ovh1', 'ovh2', 180)],
  backupStep: [steps.backupStep(ct, 'backups', 'zstd'), steps.backupStep(vm, 'pbs.old_1', '0')],
  createSnapshotStep: [steps.createSnapshotStep(ct, 'before-upgrade', 'v2'), steps.createSnapshotStep(vm, 'b2', '')],
  deleteSnapshotStep: [steps.deleteSnapshotStep(ct, 'before-upgrade', 1), steps.deleteSnapshotStep(vm, 'b2', 1)],
  rollbackStep: [steps.rollbackStep(ct, 'before-upgrade'), steps.rollbackStep(vm, 'b2')],
};

const callsOf = (step: PlannedStep) =>
  [step.call, ...(step.undo ?? []).map((undo) => undo.call)].filter((effect) => isApiCall(effect));

/** `name: complaint` for everything that this version would not accept. */
function wrongReads(version: Facts, table: Readonly<Record<string, readonly Read[]>>): string[] {
  const major = Number.parseInt(version.version, 10);
  return Object.entries(table).flatMap(([name, list]) =>
    list
      .filter((read) => read.only === undefined || read.only === major)
      .flatMap((read) => complaints(version, { method: 'GET', path: read.path, params: read.query }))
      .map((complaint) => `${name}: ${complaint}`),
  );
}

const questions: Record<string, Read[]> = Object.fromEntries(
  Object.entries(samples).map(([name, list]) => [
    name,
    list.map((args) => (reads[name as keyof typeof reads] as (...args: readonly unknown[]) => Read)(...args)),
  ]),
);

test('every question and every step is tried here', () => {
  expect(Object.keys(samples).sort()).toEqual(Object.keys(reads).sort());
  const builders = Object.keys(steps).filter((name) => name.endsWith('Step'));
  expect(Object.keys(built).sort()).toEqual(builders.sort());
});

describe.skipIf(!factsAreHere).each(['8.4', '9.2'] as const)('Proxmox VE %s', (number) => {
  const version = factsAreHere ? facts(number) : { version: number, paths: {} };

  test('knows every question we ask', () => {
    expect(wrongReads(version, questions)).toEqual([]);
  });

  test.for(Object.keys(built))('accepts what %s sends', (name) => {
    const sent: Sent[] = built[name]!.flatMap(callsOf).map((call) => ({
      ...call,
      // A marker as it looks when it is sent.
      params: JSON.parse(JSON.stringify(call.params).replaceAll('{run}', '01JD3V0000')) as Sent['params'],
    }));
    expect(sent.flatMap((one) => complaints(version, one))).toEqual([]);
  });

  test.for<readonly [string, Sent, RegExp]>([
    ['an unknown path', { method: 'GET', path: '/nodes/ovh1/nosuch', params: {} }, /no path/],
    ['a wrong method', { method: 'DELETE', path: '/version', params: {} }, /no DELETE/],
    ['an unknown parameter', { method: 'GET', path: '/cluster/nextid', params: { bogus: 1 } }, /no parameter bogus/],
    [
      'a missing parameter',
      { method: 'POST', path: '/nodes/ovh1/lxc', params: { vmid: 103 } },
      /ostemplate is missing/,
    ],
    ['a number out of range', { method: 'GET', path: '/cluster/nextid', params: { vmid: 7 } }, /vmid: too small/],
    ['a word outside the list', { method: 'GET', path: '/cluster/resources', params: { type: 'zebra' } }, /not one of/],
    ['a broken format', { method: 'GET', path: '/nodes/a_b/status', params: {} }, /not a pve-node/],
    [
      'a broken part',
      { method: 'PUT', path: '/nodes/a/lxc/103/config', params: { net0: 'name=eth0,ip=x' } },
      /net0\.ip/,
    ],
    ['a call not for tokens', { method: 'POST', path: '/access/ticket', params: {} }, /not for tokens/],
  ])('would not get %s past this test', ([, sent, complaint]) => {
    expect(complaints(version, sent).join('\n')).toMatch(complaint);
  });
});

test.skipIf(!factsAreHere)('a question for one version only must name it', () => {
  const rules: Read = { says: 'the HA rules', path: '/cluster/ha/rules', query: {} };
  expect(wrongReads(facts('8.4'), { rules: [rules] })).not.toEqual([]);
  expect(wrongReads(facts('8.4'), { rules: [{ ...rules, only: 9 }] })).toEqual([]);
  expect(wrongReads(facts('9.2'), { rules: [{ ...rules, only: 9 }] })).toEqual([]);
});
