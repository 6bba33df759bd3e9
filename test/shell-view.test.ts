import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeView } from '../adapters/shell/view.ts';
import type { Json } from '../src/contracts/plan.ts';
import type { NodeRequest, RequestLimits, Shell } from '../src/contracts/shell.ts';
import { type NodeWorld, openNode } from './bascule-node/world.ts';
import { furnish, keyLine, type PerlShell, perlShell } from './perl-shell.ts';
import { failureOf } from './shell-world.ts';
import { hurried } from './world.ts';

/** Looks at a node: what the real helper answers, in our words; and what it must not answer. */

describe('the real helper is understood', () => {
  let node: NodeWorld;
  let shell: PerlShell;
  beforeEach(() => {
    node = openNode();
    furnish(node);
    shell = perlShell(node);
    const root = join(node.folder, 'subvol-103-disk-0');
    mkdirSync(join(root, '.zfs/snapshot/autohourly220602000007/etc'), { recursive: true });
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, '.zfs/snapshot/autohourly220602000007/etc/app.conf'), 'old\n');
    writeFileSync(join(root, 'etc/app.conf'), 'new one\n');
    node.write('datasets', `rpool/data/subvol-103-disk-0\tfilesystem\t11\t22\tyes\t${root}\n`);
    node.write(
      'snapshots',
      'rpool/data/subvol-103-disk-0@autohourly220602000007\t1654128007\t5\t9\t18296906787995312180\t0\n',
    );
  });
  afterEach(() => node.remove());
  const view = () => nodeView(shell, 'off', hurried);

  test('when it tells of snapshots', async () => {
    expect(await view().zfsSnapshots('ovh1', 103)).toEqual({
      vmid: 103,
      here: true,
      volumes: [{ dataset: 'rpool/data/subvol-103-disk-0', volume: 'subvol-103-disk-0', role: 'rootfs', used: 11 }],
      snapshots: [
        {
          dataset: 'rpool/data/subvol-103-disk-0',
          volume: 'subvol-103-disk-0',
          role: 'rootfs',
          name: 'autohourly220602000007',
          class: 'autosnap',
          hidden: true,
          taken: 1_654_128_007,
          used: 5,
          guid: '18296906787995312180',
          holds: 0,
        },
      ],
    });
    node.write('datasets', 'rpool/data/subvol-107-disk-0\tfilesystem\t-\t-\tno\tnone\n');
    expect((await view().zfsSnapshots('ovh1', 107)).volumes).toMatchObject([{ role: '', used: 0 }]);
  });

  test('when it tells of people and their keys', async () => {
    const key = keyLine();
    node.write('root/home/olga/.ssh/authorized_keys', `# hers\n${key} olga@home\nbroken\n${key} bascule:r0\n`);
    const [root, olga] = await view()
      .users('ovh1', 103)
      .then((all) => [undefined, ...all].slice(-2));
    expect(root?.name ?? 'root').toBe('root');
    expect(olga).toMatchObject({ name: 'olga', uid: 1000, sudo: true, groups: ['sudo'], ours: false, troubles: [] });
    expect(olga?.keys).toMatchObject([
      { line: 2, type: 'ssh-ed25519', comment: 'olga@home', ours: false },
      { line: 3, unreadable: 'broken' },
      { line: 4, marker: 'bascule:r0', ours: true },
    ]);
    expect(olga?.keys[0]?.marker).toBeUndefined();
  });

  test('when it tells of versions of a file, of one of them, and of what is in it', async () => {
    const at = { path: '/etc/app.conf' };
    const { versions, absent } = await view().versions('ovh1', 103, at);
    expect(absent).toBe(0);
    expect(versions).toMatchObject([
      { from: 'live', taken: 0, guid: '', hidden: false, size: 8 },
      { from: 'autohourly220602000007', taken: 1_654_128_007, guid: '18296906787995312180', hidden: true, size: 4 },
    ]);
    expect(versions[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await view().stat('ovh1', 103, at, 'live')).toMatchObject({ type: 'file', size: 8, links: 1 });
    expect(await view().show('ovh1', 103, at, versions[1]!.from)).toMatchObject({ text: 'old\n', whole: true });
    expect(await view().show('ovh1', 103, { path: '/etc' }, 'live', 'subvol-103-disk-0')).toMatchObject({
      type: 'directory',
      names: [{ name: 'app.conf', type: 'file', size: 8 }],
    });
    expect(await view().stat('ovh1', 103, { path: '/etc' }, 'live')).toMatchObject({ entries: 1, bytes: 8 });
  });

  test('when it tries a change without making it, its holes filled as they would be', async () => {
    const args = { vmid: 103, user: 'bob', marker: 'bascule:{run}', sudo: false };
    const would = JSON.stringify(await view().dryRun({ node: 'ovh1', verb: 'ct.user.ensure', args }));
    expect(would).toMatch(/"useradd".*"bascule=dry-[0-9a-f]{12}"/);
    expect(node.read('root/etc/passwd')).not.toContain('bob');
    const olga = { ...args, user: 'olga' };
    expect(await failureOf(view().dryRun({ node: 'ovh1', verb: 'ct.user.ensure', args: olga }))).toMatchObject({
      kind: 'conflict',
    });
  });
});

describe('a node that answers', () => {
  const asked: [NodeRequest, RequestLimits | undefined][] = [];
  const answering = (answer: Json): Shell => ({
    has: (name) => name === 'ovh1',
    ask: async (_node, request, limits) => {
      asked.push([request, limits]);
      return answer;
    },
    hello: () => Promise.reject(new Error('not asked')),
    close: async () => undefined,
  });
  const facts = {
    quorate: true,
    expected: 5,
    total: 5,
    needed: 3,
    blocked: false,
    flags: ['Quorate'],
    members: [{ nodeid: 1, name: 'ovh1', votes: 1, local: true, qdevice: null, votesWhenUp: null }],
    newer: 'field',
  };

  test('with more than we know is understood, and asked as one that only looks', async () => {
    expect(await nodeView(answering(facts), 'off', hurried).quorumFacts('ovh1')).toMatchObject({ needed: 3 });
    expect(asked.at(-1)).toMatchObject([{ verb: 'quorum.facts', mode: 'run', args: {} }, { looks: true }]);
  });

  // biome-ignore format: this is a table
  test.each<[string, Json]>([
    ['another type',          { ...facts, needed: '3' }],
    ['a missing field',       { quorate: true }],
    ['a list of other things', { ...facts, members: [1] }],
    ['a negative count',      { ...facts, total: -1 }],
    ['a text without end',    { ...facts, flags: ['x'.repeat(500_000)] }],
    ['nothing',               null],
  ])('with %s is not believed', async (_what, answer) => {
    expect(await failureOf(nodeView(answering(answer), 'off', hurried).quorumFacts('ovh1'))).toMatchObject({
      kind: 'unavailable',
      what: 'quorum.facts got no usable answer from ovh1',
    });
  });

  test('keeps hostile text as it is, for whoever draws it', async () => {
    const name = '\u202e<b>*x*\u0007';
    const view = nodeView(answering({ ...facts, members: [{ ...facts.members[0]!, name }] }), 'off', hurried);
    expect((await view.quorumFacts('ovh1')).members[0]?.name).toBe(name);
  });
});

test.each([
  ['without SSH access', undefined],
  ['that is not named', { has: () => false } as unknown as Shell],
])('a node %s says what the command would gain and how to set it up', async (_what, shell) => {
  const view = nodeView(shell, 'off', hurried);
  expect(view.has('ovh9')).toBe(false);
  const failure = await failureOf(view.zfsSnapshots('ovh9', 103));
  expect(failure).toMatchObject({ kind: 'unavailable', sent: 'no' });
  expect(failure.why).toContain('snapshots that Proxmox does not know');
  expect(failure.next).toContain('bascule setup node');
  const args = { vmid: 103 };
  expect((await failureOf(view.dryRun({ node: 'ovh9', verb: 'ct.unlock', args }))).why).toContain('ct.unlock');
});
