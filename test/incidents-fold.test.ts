import { describe, expect, test } from 'vitest';
import type { Incident } from '../src/contracts/incident.ts';
import type { News } from '../src/contracts/watch.ts';
import { fold, openMembers, settle } from '../src/incidents/fold.ts';
import { silencedBy } from '../src/incidents/silenced.ts';

/** News become incidents. Times: epoch milliseconds; a fake cluster `off`. */

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 10, 21, 1);
const backup = (n: number, more: Partial<News> = {}): News => ({
  kind: 'backup-failed',
  severity: 'error',
  cluster: 'off',
  incident: `backup/${n}`,
  phase: 'opens',
  guest: { vmid: n },
  text: `${n}: No space left on device`,
  ...more,
});
const node = (more: Partial<News> = {}): News => ({
  kind: 'node-lost',
  severity: 'critical',
  cluster: 'off',
  incident: 'node/ovh2',
  phase: 'opens',
  node: 'ovh2',
  text: 'ovh2 LOST',
  ...more,
});

/** Folds step by step, as one process or many would. */
function lived(steps: readonly (readonly [number, ...News[]])[]): { all: Incident[]; notes: News[] } {
  const all = new Map<string, Incident>();
  const notes: News[] = [];
  for (const [minute, ...news] of steps) {
    const folded = fold([...all.values()], news, T0 + minute * MINUTE);
    for (const incident of folded.changed) all.set(incident.id, incident);
    notes.push(...folded.notes);
  }
  return { all: [...all.values()], notes };
}

describe('grouping', () => {
  test('five hundred backups that fail within a minute are one incident', () => {
    const storm = Array.from({ length: 500 }, (_, n) => backup(100 + n));
    const { all } = lived([
      [0, ...storm.slice(0, 3)],
      [0.5, ...storm.slice(3, 200)],
      [1, ...storm.slice(200)],
    ]);
    expect(all).toHaveLength(1);
    expect(openMembers(all[0]!)).toHaveLength(500);
    expect(all[0]).toMatchObject({ state: 'open', severity: 'error', kind: 'backup-failed' });
  });

  test('it is over when the last of them is, and only then', () => {
    const end = (n: number) => backup(n, { phase: 'ends', kind: 'backup-recent', severity: 'info', text: `${n} ok` });
    const { all } = lived([
      [0, backup(103), backup(117)],
      [5, end(103)],
    ]);
    expect(all[0]!.state).toBe('open');
    expect(
      lived([
        [0, backup(103), backup(117)],
        [5, end(103)],
        [6, end(117)],
      ]).all[0],
    ).toMatchObject({
      state: 'resolved',
      severity: 'error',
    });
  });

  test('what opens long after is another matter, and so is another node', () => {
    expect(
      lived([
        [0, backup(103)],
        [20, backup(117)],
      ]).all,
    ).toHaveLength(2);
    expect(lived([[0, node(), node({ incident: 'node/ovh3', node: 'ovh3' })]]).all).toHaveLength(2);
  });
});

describe('the same again', () => {
  test('the same news change nothing, whether open or over', () => {
    const once = lived([[0, node()]]).all;
    expect(fold(once, [node(), node()], T0 + MINUTE).changed).toEqual([]);
    const over = lived([
      [0, node()],
      [3, node({ phase: 'ends', kind: 'node-back', severity: 'info', text: 'back' })],
    ]);
    expect(over.all[0]!.state).toBe('resolved');
    expect(fold(over.all, [node()], T0 + 4 * MINUTE).changed).toEqual([]);
    expect(fold(over.all, [over.all[0]!.news[1]!], T0 + 4 * MINUTE)).toMatchObject({ changed: [], notes: [] });
  });

  test('a later word about the same thing takes the place of the earlier one', () => {
    const { all } = lived([
      [0, backup(0, { kind: 'storage-full', incident: 'storage/a', text: 'a 91 %' })],
      [5, backup(0, { kind: 'storage-full', incident: 'storage/a', text: 'a 95 %' })],
    ]);
    expect(all[0]!.news.map(({ text }) => text)).toEqual(['a 95 %']);
  });

  test('ten thousand words about one thing stay a bounded row', () => {
    const { all } = lived(
      Array.from({ length: 300 }, (_, n) => [n / 10, node({ phase: 'goes-on', text: `${n}`, from: `x${n}` })] as const),
    );
    expect(all).toHaveLength(1);
    expect(all[0]!.news.length).toBeLessThanOrEqual(101);
    expect(all[0]!.news[0]!.text).toBe('0');
    expect(all[0]!.news.at(-1)!.text).toBe('299');
  });
});

describe('severity', () => {
  test('is that of the gravest', () => {
    const { all } = lived([
      [0, node({ severity: 'warning' })],
      [1, node({ phase: 'goes-on', kind: 'ha-failover' })],
      [2, node({ phase: 'goes-on', kind: 'node-fenced', severity: 'notice' })],
    ]);
    expect(all[0]).toMatchObject({ severity: 'critical', kind: 'ha-failover' });
  });

  test('falls when the news take it back: a silent node turns out to reboot', () => {
    const reboot = node({
      kind: 'node-reboot',
      severity: 'notice',
      phase: 'goes-on',
      facts: { instead: ['node-lost'] },
    });
    expect(
      lived([
        [0, node()],
        [1, reboot],
      ]).all[0],
    ).toMatchObject({ severity: 'notice', kind: 'node-reboot', state: 'open' });
  });

  test('what went well, and what somebody did, is a note', () => {
    const moved = node({ kind: 'planned-migration', incident: 'ha/ct:103', severity: 'info' });
    const { all, notes } = lived([[0, moved, backup(103, { kind: 'backup-succeeded' }), node({ phase: 'note' })]]);
    expect(all).toEqual([]);
    expect(notes).toHaveLength(3);
  });
});

describe('flapping', () => {
  const down = (n: number) => backup(0, { kind: 'link-down', incident: 'link/1', text: `down ${n}` });
  const up = (n: number) =>
    backup(0, { kind: 'link-up', severity: 'info', phase: 'ends', incident: 'link/1', text: `up ${n}` });
  const steps = [1, 2, 3, 4, 5].flatMap(
    (n) =>
      [
        [4 * n, down(n)],
        [4 * n + 2, up(n)],
      ] as const,
  );

  test('from the third time on it is one incident that stays open until it is calm', () => {
    const { all } = lived(steps);
    expect(all.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'open']);
    const last = all.at(-1)!;
    expect(settle(last, last.changedAt + 29 * MINUTE)).toBe(last);
    expect(settle(last, last.changedAt + 30 * MINUTE)).toMatchObject({ state: 'resolved' });
  });

  test('what comes back hours later is new', () => {
    expect(
      lived([
        [0, down(1)],
        [2, up(1)],
        [200, down(2)],
      ]).all.map(({ flaps }) => flaps),
    ).toEqual([0, 0]);
  });
});

describe('silences', () => {
  const silence = { id: 's1', cluster: 'off', reason: 'new RAM', by: 'oscar' } as const;
  const of = (...news: News[]) => lived([[0, ...news]]).all[0]!;

  test('a node, a guest or a kind, each for itself and together', () => {
    expect(silencedBy(of(node()), [{ ...silence, node: 'ovh2' }])).toBe('silenced: node ovh2, new RAM');
    expect(silencedBy(of(node()), [{ ...silence, node: 'ovh3' }])).toBeUndefined();
    expect(silencedBy(of(backup(103)), [{ ...silence, vmid: 103, kind: 'backup-failed' }])).toBeDefined();
    expect(silencedBy(of(backup(103)), [{ ...silence, vmid: 103, kind: 'backup-too-old' }])).toBeUndefined();
  });

  test('a group is silent only when all of it is', () => {
    const both = of(backup(103), backup(117));
    expect(silencedBy(both, [{ ...silence, vmid: 103 }])).toBeUndefined();
    expect(
      silencedBy(both, [
        { ...silence, vmid: 103 },
        { ...silence, vmid: 117 },
      ]),
    ).toBeDefined();
    const run = backup(0, {
      guests: [
        { vmid: 103, result: 'failed' },
        { vmid: 117, result: 'ok' },
      ],
    });
    expect(silencedBy(of(run), [{ ...silence, vmid: 103 }])).toBeDefined();
  });
});
