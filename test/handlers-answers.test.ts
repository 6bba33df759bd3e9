import { describe, expect, test } from 'vitest';
import type { Card } from '../src/contracts/card.ts';
import type { Records, Site } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Plan } from '../src/contracts/plan.ts';
import type { AuditEntry, RequestRecord, RunRecord } from '../src/contracts/records.ts';
import type { QuorumFacts } from '../src/contracts/shell.ts';
import { type Around, actOf, answerOf, house, noRecords, planOf } from './views/ask.ts';
import { fakeNodes, quorumFacts, zfsOf, zfsSnapshot } from './views/fake-nodes.ts';
import { type FakeWorld, fourNodes, GIB, job, NOW, snapshot } from './views/fake-view.ts';

const sites: readonly Site[] = [
  { name: 'Roubaix', nodes: ['ovh1', 'ovh2'] },
  { name: 'Strasbourg', nodes: ['ovh3', 'ovh4'] },
];
const off = (world: FakeWorld, ...names: string[]) => {
  world.nodes = world.nodes.map((node) => (names.includes(node.name) ? { ...node, online: false } : node));
  return world;
};
const text = (card: Card) => [card.title, ...(card.lines ?? [])].join('\n');

describe('quorum', () => {
  const ask = async (world: FakeWorld, places: readonly Site[] = []) =>
    answerOf('quorum', {}, world, { sites: places });

  test('one node down of four: the votes, who is missing, nothing to spare, what a cut would do', async () => {
    const card = await ask(off(fourNodes(), 'ovh2'), sites);
    expect(card).toEqual({
      title: 'off: QUORATE 3/4 votes, need 3',
      tone: 'warning',
      lines: [
        'Asked ovh1 14:02:11',
        'Up: ovh1 ovh3 ovh4',
        'Down: ovh2',
        'Spare: 0, the next node down stops the cluster. QDevice: none',
        'Sites: Roubaix 1, Strasbourg 2',
        'Link cut = BOTH sides inquorate, active HA nodes reset within 60 s',
      ],
    });
  });

  test('all is well with five nodes and no sites', async () => {
    const world = fourNodes();
    world.nodes.push({ name: 'ovh5', online: true });
    const card = await ask(world);
    expect(card.tone).toBe('good');
    expect(text(card)).toContain('Spare: 2 more may fail');
  });

  test('needs a single look at the cluster', async () => {
    const world = fourNodes();
    await ask(world, sites);
    expect(world.asked).toEqual(['membership']);
  });

  test("without quorum it says that the answer is one node's own view", async () => {
    const card = await ask(off(fourNodes(), 'ovh3', 'ovh4'), sites);
    expect(card.tone).toBe('bad');
    expect(card.title).toBe('off: NO QUORUM 2/4 votes, need 3');
    expect(text(card)).toContain('ovh1 has no quorum: it is cut off, or nobody has it');
    expect(text(card)).toContain('Missing: 1 of 3 needed votes');
    expect(text(card)).toContain('quorum is gone already');
  });

  test('names nodes that answer but are cut off', async () => {
    const world = off(fourNodes(), 'ovh4');
    world.membership = { cutOff: ['ovh4'] };
    expect(text(await ask(world))).toContain('Cut off: ovh4 (answers without quorum, what it says is frozen)');
  });

  describe('with access to a node', () => {
    const onNodes = (facts: () => Promise<QuorumFacts>, given: Record<string, string> = {}) =>
      answerOf('quorum', given, fourNodes(), { nodes: fakeNodes(['ovh2'], { quorumFacts: facts }) });

    test("corosync's own count is told, with the QDevice's vote and the flags", async () => {
      const card = await onNodes(async () => quorumFacts());
      expect(text(card)).toContain(
        'Corosync on ovh2: 5/5 votes, need 3; QDevice 1 (alive, votes); flags Quorate Qdevice; this count decides',
      );
      expect(card.table).toBeUndefined();
      const more = await onNodes(async () => quorumFacts(), { details: 'yes' });
      expect(more.table?.rows).toContainEqual(['ovh1 (asked)', '1', 'A,V,NMW']);
      expect(more.table?.rows).toContainEqual(['Qdevice', '1', '-']);
    });

    test('activity blocked is the decisive fact, whatever the API believes', async () => {
      const card = await onNodes(async () => quorumFacts({ quorate: false, blocked: true, total: 2, flags: [] }));
      expect(card.tone).toBe('bad');
      expect(text(card)).toContain('ACTIVITY BLOCKED on ovh2');
    });

    test('a node that fails or hangs takes nothing from the answer, and is named only in details', async () => {
      const failing = async () => fail('unavailable', { what: 'nothing', why: 'its helper is missing', next: 'look' });
      const title = 'off: QUORATE 4/4 votes, need 3';
      expect(text(await onNodes(failing))).not.toContain('helper');
      const told = await onNodes(failing, { details: 'yes' });
      expect(told.title).toBe(title);
      expect(text(told)).toContain("Corosync's own count is missing: ovh2: its helper is missing");
      const hanging = await onNodes(() => new Promise(() => {}), { details: 'yes' });
      expect(hanging.title).toBe(title);
      expect(text(hanging)).toContain('did not answer in time');
    });

    test('where the config names the sites a node is asked at once, and another one when that is down', async () => {
      const asked: string[] = [];
      const nodes = fakeNodes(['ovh2', 'ovh3'], {
        quorumFacts: async (node) => {
          asked.push(node);
          return quorumFacts();
        },
      });
      const card = await answerOf('quorum', {}, off(fourNodes(), 'ovh2'), { nodes, sites });
      expect(asked).toEqual(['ovh2', 'ovh3']);
      expect(text(card)).toContain('Corosync on ovh3');
    });

    test('without it, details say what it would give', async () => {
      expect(text(await answerOf('quorum', {}, fourNodes()))).not.toContain('SSH');
      expect(text(await answerOf('quorum', { details: 'yes' }, fourNodes()))).toContain('With SSH access to a node');
    });
  });

  test('the side with the majority survives a cut', async () => {
    const uneven = [
      { name: 'Roubaix', nodes: ['OVH1', 'ovh2', 'ovh3'] },
      { name: 'Strasbourg', nodes: ['ovh4'] },
    ];
    expect(text(await ask(fourNodes(), uneven))).toContain(
      'Link cut = Roubaix goes on (3, need 3); Strasbourg (1) inquorate, active HA nodes reset within 60 s there',
    );
  });

  test('with a QDevice one side survives, and nobody knows which from here', async () => {
    const world = fourNodes();
    world.membership = {
      expected: 5,
      present: 5,
      needed: 3,
      qdevice: { state: 'Connected', votes: 1, connected: true },
    };
    const card = text(await ask(world, sites));
    expect(card).toContain('only the side the QDevice votes for goes on: Roubaix (2+1) or Strasbourg (2+1), need 3');
    expect(card).toContain('where the QDevice stands is unknown');
    expect(card).toContain('Spare: 2 more may fail. QDevice: Connected, 1 vote');
  });

  test('a QDevice that is not connected helps nobody', async () => {
    const world = fourNodes();
    world.membership = {
      expected: 5,
      present: 4,
      needed: 3,
      qdevice: { state: 'Disconnected', votes: 1, connected: false },
    };
    const card = await ask(world, sites);
    expect(card.tone).toBe('warning');
    expect(text(card)).toContain('Link cut = BOTH sides inquorate');
    expect(text(card)).toContain('QDevice: Disconnected, its 1 vote missing');
  });

  test('a cut is harmless when only one side is up, and three sites are all lost', async () => {
    const world = fourNodes();
    world.nodes.push({ name: 'ovh5', online: true });
    const three = [...sites, { name: 'Paris', nodes: ['ovh5'] }];
    expect(text(await ask(world, three))).toContain('Link cut = ALL sides inquorate');
    const one = [
      { name: 'Roubaix', nodes: ['ovh1', 'ovh2', 'ovh3'] },
      { name: 'Strasbourg', nodes: ['ovh4'] },
    ];
    expect(text(await ask(off(fourNodes(), 'ovh4'), one))).toContain('Link cut changes nothing: only Roubaix is up');
  });

  test('uneven votes count, heaviest first; assumed votes are said to be assumed', async () => {
    const world = fourNodes();
    const votes = { ovh1: 3, ovh2: 1, ovh3: 1, ovh4: 1 };
    world.membership = {
      members: Object.entries(votes).map(([name, vote]) => ({ name, online: true, votes: vote })),
      expected: 6,
      present: 6,
      needed: 4,
      votesKnown: false,
    };
    const card = text(await ask(world));
    expect(card).toContain('Spare: 0');
    expect(card).toContain('Up: ovh1 (3 votes) ovh2');
    expect(card).toContain('Vote list unreadable: one vote per node assumed');
  });

  test('a stand-alone host has nothing to lose', async () => {
    const world = fourNodes();
    world.nodes = [world.nodes[0]!];
    const card = await ask(world, sites);
    expect(card.tone).toBe('good');
    expect(text(card)).toContain('Stand-alone host');
  });
});

describe('lists', () => {
  test('guests of a dead node are unknown, not running', async () => {
    const card = await answerOf('ct list', {}, off(fourNodes(), 'ovh2'));
    expect(card.title).toBe('off: 3 containers, 1 running, 1 unknown');
    expect(card.table?.rows[2]).toEqual(['117', 'wiki', 'ovh2', 'unknown (node down)', '', 'prod']);
  });

  test('only what the asker may see is listed and counted', async () => {
    const card = await answerOf('ct list', {}, fourNodes(), { sees: (vmid) => vmid === 110 });
    expect(card.table?.rows.map((row) => row[0])).toEqual(['110']);
    expect(JSON.stringify(card)).not.toContain('robotoff');
    expect((await answerOf('vm list', {}, fourNodes(), { sees: () => false })).title).toContain(
      'no VM that you may see',
    );
  });

  test('lists narrow by node and tag', async () => {
    const ids = async (options: Record<string, string>) =>
      (await answerOf('ct list', options, fourNodes())).table?.rows.map((row) => row[0]);
    expect(await ids({ node: 'OVH1' })).toEqual(['103', '110']);
    expect(await ids({ tag: 'PROD' })).toEqual(['117']);
  });

  test('nodes show who is down and that their guests are unknown', async () => {
    const card = await answerOf('node list', {}, off(fourNodes(), 'ovh2'));
    expect(card.title).toBe('off: 4 nodes, down: ovh2');
    expect(card.table?.rows[1]).toEqual(['ovh2', 'DOWN', '', '', '', '1 unknown']);
    const node = await answerOf('node show', { node: 'ovh2' }, off(fourNodes(), 'ovh2'));
    expect(node.title).toBe('ovh2 is DOWN');
    expect(text(node)).toContain('State unknown: 117 wiki');
  });

  test('one part that cannot be read does not hide the rest, and says so', async () => {
    const world = fourNodes();
    world.broken = { haServices: 'no right', backups: 'timeout' };
    const card = await answerOf('ct show', { vmid: '103' }, world);
    expect(card.facts).toContainEqual({ label: 'HA', value: 'cannot be read: no right' });
    expect(card.facts).toContainEqual({ label: 'Backup', value: 'cannot be read: timeout' });
    expect(card.facts).toContainEqual({ label: 'eth0', value: '10.1.0.103/24 vmbr0 gw 10.1.0.1' });
    expect(card.private).toBe(true);
  });

  test('the cluster at a glance names HA errors and failing replication', async () => {
    const world = fourNodes();
    world.services = [{ sid: 'ct:103', node: 'ovh1', crmState: 'error', state: 'error' }];
    world.states = [{ ...world.states[0]!, failCount: 3, error: 'No route to host' }];
    const card = await answerOf('cluster status', {}, world);
    expect(card.tone).toBe('warning');
    expect(card.lines).toEqual([
      'Asked ovh1 14:02:11',
      'HA ct:103 on ovh1: error',
      'Replication 103-0 to ovh3 failed 3×: No route to host',
    ]);
  });
});

describe('replication list', () => {
  const state = async (change: object, jobs = fourNodes().jobs) => {
    const world = fourNodes();
    world.jobs = jobs;
    world.states = [{ ...world.states[0]!, ...change }];
    return (await answerOf('replication list', {}, world)).table?.rows[0]?.slice(5);
  };

  test('reads the special states as Proxmox means them', async () => {
    const now = NOW / 1000;
    expect(await state({})).toEqual(['3 min old', 'ok']);
    expect(await state({ running: true })).toEqual(['3 min old', 'running now']);
    expect(await state({ nextSync: now - 69 })).toEqual(['3 min old', 'OVERDUE']);
    expect(await state({ nextSync: now - 67 })).toEqual(['3 min old', 'ok']);
    expect(await state({ lastSync: 0, nextSync: 300 })).toEqual(['never', 'never run, or just taken over']);
    expect(await state({ failCount: 2, nextSync: 0, error: 'exit 255' })).toEqual([
      '3 min old',
      'FAILED 2×, target offline: exit 255',
    ]);
    expect(await state({}, [job('103-0', 'ovh1', 'ovh3', { disabled: true })])).toEqual(['3 min old', 'DISABLED']);
    expect(await state({ nextSync: 1 }, [job('103-0', 'ovh1', 'ovh3', { removing: true })])).toEqual([
      '3 min old',
      'being removed',
    ]);
  });

  test('a job whose source is down is unknown', async () => {
    const card = await answerOf('replication list', {}, off(fourNodes(), 'ovh1'));
    expect(card.tone).toBe('warning');
    expect(card.table?.rows[0]?.slice(5)).toEqual(['unknown', 'unknown (source node down)']);
  });

  test('can be asked for one guest', async () => {
    expect((await answerOf('replication list', { vmid: 'wiki' }, fourNodes())).title).toBe(
      'off: no replication job of 117 wiki',
    );
  });
});

describe('requests', () => {
  const request = (plan: Plan, more: Partial<RequestRecord> = {}): RequestRecord => ({
    id: 'r-1',
    state: 'waiting',
    cluster: 'off',
    command: plan.command,
    action: 'ct.stop',
    risk: 'disruptive',
    options: { vmid: '117' },
    requester: 'alice',
    actor: { platform: 'slack', id: 'U1', name: 'Alice' },
    place: { platform: 'slack', channel: 'C1' },
    plan,
    fingerprint: 'new',
    votes: [
      {
        person: 'bob',
        kind: 'approve',
        actor: { platform: 'slack', id: 'U2', name: 'Bob' },
        roles: [],
        fingerprint: 'old',
        typed: false,
        at: NOW - 60_000,
      },
      {
        person: 'carol',
        kind: 'deny',
        actor: { platform: 'slack', id: 'U3', name: 'Carol' },
        roles: [],
        fingerprint: 'new',
        typed: false,
        reason: 'not now',
        at: NOW,
      },
    ],
    createdAt: NOW - 120_000,
    expiresAt: NOW + 3_480_000,
    left: [],
    note: '',
    ...more,
  });
  const run: RunRecord = {
    id: 'r-1',
    state: 'failed',
    left: ['CT 112 is locked', 'ssh root@ovh1 pct unlock 112'],
    steps: [
      {
        name: 'stop',
        says: 'Stopping CT 117 wiki hard',
        state: 'failed',
        upid: 'UPID:ovh2:1:',
        startedAt: NOW,
        endedAt: NOW + 3000,
        note: 'timeout',
        sent: 1,
      },
    ],
  };
  const entry: AuditEntry = {
    seq: 7,
    at: NOW,
    id: 'r-1',
    kind: 'vote',
    who: 'carol',
    body: { kind: 'deny', empty: '', deep: { a: 1 } },
    previous: 'p',
    hash: 'f'.repeat(64),
  };
  const records = async (more: Partial<RequestRecord> = {}): Promise<Records> => {
    const found = request(await planOf('ct stop', { vmid: '117' }, fourNodes()), more);
    return {
      requests: async () => [found],
      request: async () => found,
      run: async () => run,
      audit: async () => [entry],
    };
  };

  test('what waits is listed with its age', async () => {
    const card = await answerOf('approval list', {}, fourNodes(), { records: await records() });
    expect(card.title).toBe('1 request, 1 waiting for approval');
    expect(card.table?.rows).toEqual([
      ['r-1', 'Stop CT 117 wiki on ovh2', 'alice', 'waiting for approval', '2 min ago'],
    ]);
    expect((await answerOf('approval list', {}, fourNodes())).title).toBe('Nothing waits');
  });

  test('a request shows its calls, its risks, and which votes do not count any more', async () => {
    const card = await answerOf('approval show', { id: 'r-1' }, fourNodes(), { records: await records() });
    expect(card.lines).toEqual([
      'Risk: tagged prod: people depend on it',
      '2026-11-15 14:01:11 bob approved (an older plan, does not count)',
      '2026-11-15 14:02:11 carol denied: not now',
    ]);
    expect(card.code).toEqual(['Stopping CT 117 wiki hard\nPOST /nodes/ovh2/lxc/117/status/stop']);
    expect(card.facts).toContainEqual({ label: 'Expires', value: 'in 58 min' });
  });

  test('a run shows its steps, its tasks and what it left', async () => {
    const card = await answerOf('run show', { id: 'r-1' }, fourNodes(), {
      records: await records({ state: 'failed' }),
    });
    expect(card).toMatchObject({
      title: 'Stop CT 117 wiki on ovh2: failed',
      tone: 'bad',
      lines: ['Left: CT 112 is locked'],
      table: { rows: [['Stopping CT 117 wiki hard', 'FAILED', '3 s', 'timeout']] },
      code: ['ssh root@ovh1 pct unlock 112', 'UPID:ovh2:1:'],
    });
  });

  test('the audit shows every record with its place in the chain', async () => {
    const card = await answerOf('audit show', { id: 'r-1' }, fourNodes(), { records: await records() });
    expect(card.table?.rows).toEqual([['7', '2026-11-15 14:02:11', 'vote', 'carol', 'kind=deny deep={"a":1}']]);
    expect(card.private).toBe(true);
    await expect(answerOf('audit show', { id: 'r-2' }, fourNodes(), { records: noRecords })).rejects.toThrow(
      /no audit of r-2/,
    );
  });

  test.each([
    ['withdrawn', 'Withdrawn: Stop CT 117 wiki on ovh2'],
    ['stopping', 'Stopping: Stop CT 117 wiki on ovh2'],
    ['closed', 'Closed: Stop CT 117 wiki on ovh2'],
    ['already-over', 'Already over: Stop CT 117 wiki on ovh2'],
  ] as const)('a cancel that ends %s says so', async (outcome, title) => {
    const cancelled: string[] = [];
    const card = await actOf('run cancel', { id: 'r-1' }, await records(), async (id) => {
      cancelled.push(id);
      return outcome;
    });
    expect(card.title).toBe(title);
    expect(cancelled).toEqual(['r-1']);
  });
});

describe('whoami', () => {
  test('tells the person, the roles, the accounts and what may be done', async () => {
    const card = await answerOf('whoami', {}, fourNodes());
    expect(card.facts?.slice(0, 4)).toEqual([
      { label: 'Person', value: 'alice' },
      { label: 'Roles', value: 'operator' },
      { label: 'Accounts', value: 'slack U1, discord 42' },
      { label: 'Clusters', value: 'off' },
    ]);
    expect(card.private).toBe(true);
  });
});

describe('snapshot list', () => {
  const list = (world: FakeWorld, vmid = '103', around: Around = {}) =>
    answerOf('snapshot list', { vmid }, world, { house: { ...house, snapshots: [] }, ...around });

  test('newest first, with age, who made it and what it is for', async () => {
    const world = fourNodes();
    world.snapshots[103]!.push(snapshot('by-hand', 1, { description: 'before the weekend\nsecond line' }));
    const card = await list(world);
    expect(card.title).toBe('CT 103 robotoff: 3 snapshots');
    expect(card.facts).toEqual([
      { label: 'Goes on from', value: 'by-hand' },
      { label: 'Rollback', value: 'only to by-hand: its disks are on ZFS' },
    ]);
    expect(card.table?.rows).toEqual([
      ['by-hand', '1 h old', 'hand', 'before the weekend'],
      ['before-upgrade', '5 h old', 'bascule', 'v2'],
      ['autodaily261114020001', '1 d 12 h old', 'auto daily', ''],
    ]);
    expect(card.footer).toContain('with SSH access to the node');
  });

  test('half made ones stand out, memory is said, and a mark inside a longer word is none', async () => {
    const world = fourNodes();
    world.snapshots[200] = [
      snapshot('ram', 3, { memory: true, description: 'xbascule:r-1' }),
      snapshot('half', 2, { usable: false, at: 0 }),
    ];
    const card = await list(world, '200');
    expect(card).toMatchObject({ tone: 'warning', title: 'VM 200 win: 2 snapshots, 1 not usable' });
    expect(card.table?.rows).toEqual([
      ['half', 'of unknown age', 'hand', 'NOT USABLE: half made or deleted'],
      ['ram', '3 h old', 'hand', 'with memory; xbascule:r-1'],
    ]);
  });

  test('off ZFS every one can be gone back to; where storages are hidden it says what it depends on', async () => {
    const world = fourNodes();
    const rollback = async () => (await list(world)).facts?.find(({ label }) => label === 'Rollback')?.value;
    world.storages['ovh1']![0] = { ...world.storages['ovh1']![0]!, type: 'lvmthin' };
    expect(await rollback()).toBe('to any of them');
    world.broken.storages = 'no right';
    expect(await rollback()).toBe('if its disks are on ZFS, only to before-upgrade');
  });

  test('a scheduled one says its class and until when it is kept, and what no rule keeps any more', async () => {
    const world = fourNodes();
    world.snapshots[103]!.push(
      snapshot('bascule-weekly-20261114T0507', 32, { description: 'scheduled weekly\nbascule:r-1' }),
      snapshot('bascule-hourly-20261115T1207', 1, { description: 'scheduled hourly\nbascule:r-2' }),
    );
    world.snapshots[103]!.sort((a, b) => a.at - b.at);
    const card = await list(world, '103', { house });
    expect(card.facts).toContainEqual({ label: 'Schedule keeps', value: 'hourly 1 d 12 h, daily 5 d' });
    expect(card.table?.columns).toEqual(['Name', 'Age', 'Made by', 'Kept until', 'Note']);
    expect(card.table?.rows).toEqual([
      ['bascule-hourly-20261115T1207', '1 h old', 'schedule, hourly', '2026-11-17 01:02', ''],
      ['before-upgrade', '5 h old', 'bascule', '', 'v2'],
      ['bascule-weekly-20261114T0507', '1 d 8 h old', 'schedule, weekly', 'no rule any more', ''],
      ['autodaily261114020001', '1 d 12 h old', 'auto daily', '', ''],
    ]);
  });

  test('where the node can be asked it shows what Proxmox hides, and what each holds', async () => {
    const zfs = zfsOf([
      zfsSnapshot('autodaily261114020001', 36),
      zfsSnapshot('before-upgrade', 5, { used: 3 * GIB }),
      zfsSnapshot('__replicate_103-0_1794747600__', 0.05, { hidden: true }),
      zfsSnapshot('by-zfs', 2, { hidden: true, used: 2 * GIB }),
    ]);
    const nodes = fakeNodes(['ovh1'], { zfsSnapshots: async () => zfs });
    const card = await list(fourNodes(), '103', { nodes });
    expect(card.title).toBe('CT 103 robotoff: 2 snapshots, 2 hidden');
    expect(card.footer).toBeUndefined();
    expect(card.facts?.slice(1)).toEqual([
      {
        label: 'Rollback',
        value:
          'only to before-upgrade: its disks are on ZFS; now not even that, Proxmox does not know of newer ones: by-zfs on rootfs',
      },
      { label: 'Hidden from Proxmox', value: '1 replication 64 MiB, 1 made with zfs 2 GiB' },
    ]);
    expect(card.table?.rows).toEqual([
      ['__replicate_103-0_1794747600__', '3 min old', 'replication', '64 MiB', 'HIDDEN; rootfs'],
      ['by-zfs', '2 h old', 'made with zfs', '2 GiB', 'HIDDEN; rootfs'],
      ['before-upgrade', '5 h old', 'bascule', '3 GiB', 'v2'],
      ['autodaily261114020001', '1 d 12 h old', 'auto daily', '64 MiB', ''],
    ]);
  });

  test('a node that does not answer takes nothing from the rest', async () => {
    const nodes = fakeNodes(['ovh1'], {
      zfsSnapshots: async () => fail('unavailable', { what: 'nothing', why: 'its host key changed', next: 'look' }),
    });
    const card = await list(fourNodes(), '103', { nodes });
    expect(card.table?.rows).toHaveLength(2);
    expect(card.facts).toContainEqual({ label: 'On the node', value: 'cannot be read: its host key changed' });
  });

  test('none says how to make one', async () => {
    expect(await list(fourNodes(), '110')).toMatchObject({
      title: 'CT 110 metabase: no snapshots',
      lines: ['/pve snapshot create vmid:110 snapshot:before-upgrade makes one'],
    });
  });
});
