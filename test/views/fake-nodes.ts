import { fail } from '../../src/contracts/failure.ts';
import type { NodeView, QuorumFacts, ZfsSnapshot, ZfsSnapshots } from '../../src/contracts/shell.ts';
import { NOW } from './fake-view.ts';

/** Nodes that answer what a test gives; everything else is a mistake of the test. Nodes that are not named have no access. */
export function fakeNodes(names: readonly string[], answers: Partial<Omit<NodeView, 'has'>> = {}): NodeView {
  const missing = (verb: string) => async (node: string) => {
    if (names.includes(node)) throw new Error(`the test has no answer for ${verb} of ${node}`);
    return fail('unavailable', {
      what: 'nothing was asked',
      why: `${node} has no SSH access`,
      next: 'set it up',
      sent: 'no',
    });
  };
  return {
    zfsSnapshots: missing('zfsSnapshots'),
    users: missing('users'),
    quorumFacts: missing('quorumFacts'),
    versions: missing('versions'),
    stat: missing('stat'),
    show: missing('show'),
    dryRun: (call) => missing('dryRun')(call.node),
    ...answers,
    has: (node) => names.includes(node),
  };
}

/** A snapshot of `rpool/data/subvol-103-disk-0` so many hours old. */
export function zfsSnapshot(name: string, hours: number, more: Partial<ZfsSnapshot> = {}): ZfsSnapshot {
  const kind = /^__replicate_/.test(name) ? 'replication' : /^auto/.test(name) ? 'autosnap' : 'manual';
  return {
    dataset: 'rpool/data/subvol-103-disk-0',
    volume: 'subvol-103-disk-0',
    role: 'rootfs',
    name,
    class: kind,
    hidden: false,
    taken: Math.floor(NOW / 1000 - hours * 3600),
    used: 64 * 1024 ** 2,
    guid: `guid-${name}`,
    holds: 0,
    ...more,
  };
}

export function zfsOf(snapshots: readonly ZfsSnapshot[], vmid = 103): ZfsSnapshots {
  const { dataset, volume } = zfsSnapshot('any', 0);
  return {
    vmid,
    here: true,
    volumes: [{ dataset, volume, role: 'rootfs', used: 4 * 1024 ** 3 }],
    snapshots: [...snapshots].sort((a, b) => a.taken - b.taken),
  };
}

/** Four nodes and a QDevice. */
export function quorumFacts(more: Partial<QuorumFacts> = {}): QuorumFacts {
  return {
    quorate: true,
    expected: 5,
    total: 5,
    needed: 3,
    blocked: false,
    flags: ['Quorate', 'Qdevice'],
    members: [
      ...['ovh1', 'ovh2', 'ovh3', 'ovh4'].map((name, index) => ({
        nodeid: index + 1,
        name,
        votes: 1,
        local: index === 0,
        qdevice: 'A,V,NMW',
      })),
      { nodeid: 0, name: 'Qdevice', votes: 1, local: false },
    ],
    ...more,
  };
}
