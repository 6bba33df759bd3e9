import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { NewsKind } from '../src/contracts/watch.ts';
import { finalNews, readRecording, replay, runReplay } from '../src/replay.ts';
import { gist, told } from './watch/timeline.ts';

/** The recorded answers of ../shared/events, replayed where they are, against what is true of them. */

const events = fileURLToPath(new URL('../../shared/events', import.meta.url));
const here = existsSync(events);
if (!here) console.log('skipped: the recorded events (../shared/events) are not here');

/** A client that polls every 10 to 15 s learns of things so much later; a cluster/status every 30 s. */
const LAG = 15;

interface True {
  readonly kind?: string;
  readonly severity?: string;
  readonly guest?: { readonly vmid: number };
  readonly guests?: readonly { readonly vmid: number; readonly result?: string; readonly error?: string }[];
  readonly from?: string;
  readonly to?: string;
  readonly node?: string;
  readonly jobId?: string | null;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly at?: number;
  readonly fencedAt?: number;
  readonly disarmedAt?: number;
  readonly runningAgain?: number;
  readonly detectedNotLaterThan?: number;
  readonly failCount?: number;
  readonly dataLoss?: {
    readonly basis: string;
    readonly lastSync?: number;
    readonly lastAlive?: number;
    readonly seconds: readonly [number, number] | null;
  };
  readonly evacuated?: readonly { readonly guest: { readonly vmid: number } }[];
  readonly movedBack?: readonly { readonly vmid: number }[];
  readonly cause?: string;
}

interface Line extends True {
  readonly kind: string;
  readonly severity: string;
  readonly cluster: string;
  readonly text: string;
}

interface Expected {
  readonly events?: readonly True[];
  readonly event?: True | null;
  readonly also?: readonly True[];
  readonly mustNotReport?: readonly string[];
}

const kept = (path: string) => JSON.parse(readFileSync(join(events, path), 'utf8')) as Expected;

/** The lines of `bascule replay FILE --json`. */
function lines(...paths: string[]): Line[] {
  const out: string[] = [];
  const code = runReplay(paths, { json: true }, { line: (text) => out.push(text), complain: (text) => out.push(text) });
  expect(code, out.join('\n')).toBe(0);
  return out.map((text) => JSON.parse(text) as Line);
}

function recordings(family: string): string[] {
  if (!here) return [];
  return readdirSync(join(events, family))
    .filter((name) => name.endsWith('.json') && !name.endsWith('.expected.json'))
    .map((name) => `${family}/${name.slice(0, -'.json'.length)}`);
}

/** What a task log does not say, nobody can tell: a job's id is in its notification alone (ODDITIES 52). */
function withoutUnsaid(truth: True, path: string): True {
  const { jobId, ...rest } = truth;
  const said = typeof jobId !== 'string' || readFileSync(join(events, `${path}.json`), 'utf8').includes(jobId);
  return said ? truth : rest;
}

/** Exactly what is asked for, each within the lag of a client. */
function expectTrue(line: Line, truth: True): void {
  const { kind, severity, from, to, node, guest } = truth;
  expect({ ...line, guest: line.guest?.vmid }).toMatchObject({
    kind,
    ...(severity ? { severity } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(node ? { node } : {}),
    ...(guest ? { guest: guest.vmid } : {}),
    ...(truth.jobId === undefined ? {} : { jobId: truth.jobId }),
    ...(truth.failCount === undefined ? {} : { failCount: truth.failCount }),
  });
  for (const time of ['startedAt', 'endedAt', 'fencedAt', 'disarmedAt', 'runningAgain'] as const) {
    const when = truth[time];
    if (when === undefined) continue;
    expect(Math.abs((line[time] ?? 0) - when), `${kind}: ${time} ${line[time]}`).toBeLessThanOrEqual(LAG);
  }
  if (truth.cause) expect(line.cause).toBe(truth.cause);
  const vmids = (all: readonly { readonly vmid: number }[] | undefined) => all?.map((one) => one.vmid).sort();
  if (truth.guests)
    expect(line.guests?.map(({ vmid, result, error }) => ({ vmid, result, error }))).toEqual(
      truth.guests.map(({ vmid, result, error }) => ({ vmid, result, error })),
    );
  if (truth.evacuated)
    expect(vmids(line.evacuated?.map((one) => one.guest))).toEqual(vmids(truth.evacuated.map((one) => one.guest)));
  if (truth.movedBack) expect(vmids(line.movedBack)).toEqual(vmids(truth.movedBack));
  if (truth.dataLoss) expectLoss(line, truth.dataLoss);
}

function expectLoss(line: Line, truth: NonNullable<True['dataLoss']>): void {
  expect(line.dataLoss).toMatchObject({ basis: truth.basis, ...(truth.lastSync ? { lastSync: truth.lastSync } : {}) });
  if (truth.lastAlive) expect(Math.abs(line.dataLoss!.lastAlive! - truth.lastAlive)).toBeLessThanOrEqual(10);
  if (truth.seconds === null) expect(line.dataLoss?.seconds).toBeNull();
  for (const end of [0, 1] as const)
    if (truth.seconds) expect(Math.abs(line.dataLoss!.seconds![end] - truth.seconds[end])).toBeLessThanOrEqual(10);
}

const truths = ({ events: all, event, also = [] }: Expected): True[] =>
  [...(all ?? []), ...(event ? [event] : []), ...also].filter(({ kind }) => kind !== undefined);

/** The kinds that a sentence of `mustNotReport` forbids; the rest of such sentences is checked by kind and guest. */
const FORBIDDEN: readonly (readonly [RegExp, readonly NewsKind[]])[] = [
  [/planned[- ]migration/, ['planned-migration']],
  [/ha-failover/, ['ha-failover', 'ha-failover-failed']],
  [/quorum loss/, ['quorum-lost']],
  [/fencing/, ['node-fencing-started', 'node-fenced', 'fencing-stalled']],
  [/node-lost/, ['node-lost']],
  [/node-reboot/, ['node-reboot']],
  [/service-error/, ['service-error']],
];

/** Nothing anybody is woken for, and folded into the incident they belong to. */
const HARMLESS: ReadonlySet<string> = new Set(['ha-master-changed', 'replication-direction-switched']);
const folded = ({ kind }: Line) => HARMLESS.has(kind) || kind === 'replication-followup-of-failover';

describe.skipIf(!here).each(recordings('ha'))('%s', (path) => {
  const expected = here ? kept(`${path}.expected.json`) : {};
  const file = join(events, `${path}.json`);

  test('says all that is true', () => {
    const said = lines(file);
    for (const truth of expected.events ?? []) {
      const line = said.find(({ kind, guest }) => kind === truth.kind && guest?.vmid === truth.guest?.vmid);
      expect(line, `${truth.kind} ${truth.guest?.vmid ?? truth.node ?? ''}`).toBeDefined();
      expectTrue(line!, truth);
    }
  });

  test('says each thing once, and nothing that is not true', () => {
    const said = lines(file).filter((line) => !folded(line));
    const true_ = truths(expected).filter(({ kind }) => !HARMLESS.has(kind!));
    const key = ({ kind, guest, node }: True) => `${kind} ${guest?.vmid ?? node ?? ''}`;
    expect(said.map(key).sort()).toEqual(true_.map(key).sort());
    for (const sentence of expected.mustNotReport ?? [])
      for (const [pattern, kinds] of FORBIDDEN)
        if (pattern.test(sentence)) expect(said.filter(({ kind }) => kinds.includes(kind as NewsKind))).toEqual([]);
  });

  test('says the same when the bot restarts at any moment', () => {
    const { observations } = readRecording(readFileSync(file, 'utf8'), file);
    const restarted = told(observations, (memory) => JSON.parse(JSON.stringify(memory)));
    expect(restarted).toEqual(told(observations));
  });

  test('says the same to a client that sees every second answer, or rows in another order', () => {
    const { observations } = readRecording(readFileSync(file, 'utf8'), file);
    const whole = gist(told(observations));
    for (const kept of [0, 1]) expect(gist(told(observations.filter((_, i) => i % 2 === kept)))).toEqual(whole);
    const turned = observations.map((one) => (Array.isArray(one.data) ? { ...one, data: one.data.toReversed() } : one));
    expect(gist(told(turned))).toEqual(whole);
  });

  test('says it in time', () => {
    const { observations, ...rest } = readRecording(readFileSync(file, 'utf8'), file);
    for (const { detectedNotLaterThan, guest } of expected.events ?? []) {
      if (detectedNotLaterThan === undefined) continue;
      const soon = replay({ ...rest, observations: observations.filter(({ at }) => at <= detectedNotLaterThan) });
      expect(JSON.stringify(soon.map(({ guests }) => guests))).toContain(`"vmid":${guest!.vmid}`);
    }
  });
});

describe.skipIf(!here).each([...recordings('vzdump'), ...recordings('notifications'), ...recordings('ceph')])(
  '%s',
  (path) => {
    const expected = here ? kept(`${path}.expected.json`) : {};

    test('says what is true, and nothing else', () => {
      const said = lines(join(events, `${path}.json`));
      const true_ = truths(expected);
      expect(said.map(({ kind }) => kind).sort()).toEqual(true_.map(({ kind }) => kind).sort());
      for (const truth of true_) expectTrue(said.find(({ kind }) => kind === truth.kind)!, withoutUnsaid(truth, path));
    });
  },
);

describe.skipIf(!here)('recordings in which nothing is wrong', () => {
  test('the life of a replication job is no silence of the cluster', () => {
    expect(lines(join(events, 'replication/rp-04-life-of-a-job.json')).map(({ kind }) => kind)).toEqual([
      'replication-job-created',
      'replication-direction-switched',
      'replication-job-removed',
    ]);
  });

  test.each(['replication/rp-01-healthy', 'api/ap-01-errors', 'api/ap-02-quorum-ok-qdevice'])(
    '%s says nothing',
    (path) => {
      expect(lines(join(events, `${path}.json`))).toEqual([]);
    },
  );
});

describe.skipIf(!here)('bascule replay', () => {
  const failover = join(events, 'ha/ha-01-node-power-loss.json');

  test('prints short lines for people, in the time of the servers', () => {
    const out: string[] = [];
    runReplay([failover], { json: false }, { line: (text) => out.push(text), complain: (text) => out.push(text) });
    expect(out.join('\n')).toContain('11-12 10:38:40  critical  ha-failover\n    103 robotoff: ovh2 → ovh3, down 2m04');
  });

  test('takes a folder, without what is expected of it', () => {
    const all = lines(join(events, 'ha'));
    expect(all.filter(({ kind }) => kind === 'ha-failover')).toHaveLength(3);
  });
});

describe('a recording that cannot be read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'replay-'));
  const good = join(folder, 'good.json');
  const status = (online: number) => ({
    data: [
      { type: 'cluster', quorate: 1 },
      { type: 'node', name: 'a', online: 1 },
      { type: 'node', name: 'b', online },
    ],
  });
  const recorded = [0, 30, 60, 90, 120].map((t) => ({
    t,
    via: 'a',
    endpoint: '/cluster/status',
    status: 200,
    body: status(t < 30 ? 1 : 0),
  }));
  writeFileSync(good, JSON.stringify({ meta: { t0: 1_795_000_000 }, timeline: [...recorded, null, 'x', { t: 7 }] }));
  const bad: Record<string, string> = {
    'html.json': '<html>',
    'cut.json': '{"meta":',
    'other.json': '{"a":1}',
    'null.json': 'null',
  };
  for (const [name, text] of Object.entries(bad)) writeFileSync(join(folder, name), text);

  test('is named with its reason, the others are replayed, and the code is 2', () => {
    const out: string[] = [];
    const complaints: string[] = [];
    const paths = [...Object.keys(bad).map((name) => join(folder, name)), join(folder, 'none.json'), good];
    const code = runReplay(
      paths,
      { json: true },
      { line: (text) => out.push(text), complain: (text) => complaints.push(text) },
    );
    expect(code).toBe(2);
    expect(complaints).toHaveLength(5);
    for (const [i, name] of [...Object.keys(bad), 'none.json'].entries()) expect(complaints[i]).toContain(name);
    expect(out.map((text) => JSON.parse(text) as Line)).toMatchObject([
      { kind: 'node-lost', severity: 'critical', cluster: 'replay', node: 'b', startedAt: 1_795_000_000 },
    ]);
  });

  test('and no file at all is an error', () => {
    expect(() => runReplay([], { json: true }, { line: () => {}, complain: () => {} })).toThrow('no file was named');
  });

  test('a node that is lost again, and a guest that moves back, are told again', () => {
    const node = { cluster: 'x', incident: 'node/b', node: 'b', severity: 'info', text: '' } as const;
    const lost = { ...node, kind: 'node-lost' } as const;
    const back = { ...node, kind: 'node-back', phase: 'ends' } as const;
    const once = [{ ...lost, phase: 'opens' } as const, { ...lost, phase: 'goes-on' } as const, back];
    expect(finalNews([...once, ...once]).map(({ kind }) => kind)).toEqual([
      'node-lost',
      'node-back',
      'node-lost',
      'node-back',
    ]);
    const move = { ...node, kind: 'planned-migration', phase: 'note', guest: { vmid: 1 } } as const;
    expect(
      finalNews([
        { ...move, from: 'a', to: 'b' },
        { ...move, from: 'b', to: 'a' },
      ]),
    ).toHaveLength(2);
  });

  test('news that became something else are withdrawn', () => {
    const at = 1_795_000_000;
    const node = { cluster: 'x', incident: 'node/b', node: 'b', at, text: '' } as const;
    const silent = { ...node, kind: 'node-lost', severity: 'warning', phase: 'opens' } as const;
    const brief = { ...node, kind: 'node-unreachable-brief', severity: 'warning', phase: 'ends' } as const;
    expect(finalNews([silent, { ...brief, facts: { instead: ['node-lost'] } }]).map(({ kind }) => kind)).toEqual([
      'node-unreachable-brief',
    ]);
  });
});
