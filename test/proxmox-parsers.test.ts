import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Asker } from '../adapters/proxmox/client.ts';
import { probe } from '../adapters/proxmox/probes.ts';
import { followTask } from '../adapters/proxmox/tasks.ts';
import { View } from '../adapters/proxmox/view.ts';
import type { ClusterView } from '../src/contracts/cluster.ts';
import { Failed } from '../src/contracts/failure.ts';
import type { Probe } from '../src/contracts/plan.ts';
import { recordings, recordingsAreHere } from './proxmox-replay.ts';

const clock = { now: () => 1_795_220_989_000, wait: () => Promise.resolve() };

/** Answers of a real Proxmox, by path below /api2/json; where a path was asked with and without a query, without. */
function answersOf(version: '8.4' | '9.2'): ReadonlyMap<string, unknown> {
  const answers = new Map<string, unknown>();
  for (const { request, response } of recordings().filter((one) => one.version === version)) {
    if (response?.status !== 200 || request.method !== 'GET' || request.auth === 'noperm') continue;
    const [path, query] = decodeURIComponent(request.path.replace('/api2/json', '')).split('?');
    if (query === undefined || !answers.has(path!)) answers.set(path!, response.body);
  }
  return answers;
}

const recorded = answersOf('8.4');
const recorded9 = answersOf('9.2');

/** Says for every path what `bodyFor` says; paths nobody recorded answer an empty list. */
function asker(bodyFor: (path: string) => unknown): Asker {
  const url = 'https://ovh1:8006';
  return {
    name: 'off',
    tokenId: 'root@pam!rt',
    urls: [url],
    closing: new AbortController().signal,
    prefer: () => undefined,
    attempt: ({ path, says }) => ({ cluster: 'off', method: 'GET', path, says, token: 'root@pam!rt=x' }),
    get: async ({ path }) => {
      const body = bodyFor(decodeURIComponent(path)) as { data?: unknown; total?: unknown };
      return { data: body.data, total: body.total, url };
    },
    download: async () => new Uint8Array(),
  };
}

const guest = { node: 'pve1', type: 'lxc', vmid: 110 } as const;
const upid = 'UPID:pve1:000007F1:0005131F:6B00E5FD:vzcreate:110:root@pam!rt:';

/** Everything that reads an answer, with the path whose answer is spoilt. */
const readers: readonly (readonly [string, string, (view: ClusterView, client: Asker) => Promise<unknown>])[] = [
  ['/version', 'version', (view) => view.version()],
  ['/cluster/status', 'membership', (view) => view.membership()],
  ['/cluster/config/nodes', 'membership', (view) => view.membership()],
  ['/cluster/resources', 'nodes', (view) => view.nodes()],
  ['/cluster/resources', 'guests', (view) => view.guests()],
  ['/cluster/resources', 'findGuest', (view) => view.findGuest('110')],
  ['/nodes/pve1/status', 'node', (view) => view.node('pve1')],
  ['/nodes/pve1/lxc/110/config', 'guestDetail', (view) => view.guestDetail(guest)],
  ['/nodes/pve1/lxc/110/status/current', 'guestDetail', (view) => view.guestDetail(guest)],
  ['/nodes/pve1/storage', 'storages', (view) => view.storages('pve1')],
  ['/nodes/pve1/storage/local/content', 'templates', (view) => view.templates('pve1')],
  ['/nodes/pve1/storage/bak/content', 'backups', (view) => view.backups(guest)],
  ['/nodes/pve1/network', 'bridges', (view) => view.bridges('pve1')],
  ['/cluster/nextid', 'nextVmid', (view) => view.nextVmid(new Set())],
  ['/cluster/replication', 'replicationJobs', (view) => view.replicationJobs()],
  ['/nodes/pve1/replication', 'replicationState', (view) => view.replicationState('pve1')],
  ['/cluster/ha/status/current', 'haServices', (view) => view.haServices()],
  ['/access/permissions', 'permissions', (view) => view.permissions()],
  [`/nodes/pve1/tasks/${upid}/status`, 'followTask', (_, client) => follow(client)],
  [`/nodes/pve1/tasks/${upid}/log`, 'followTask', (_, client) => follow(client)],
];

const follow = (client: Asker) => followTask(client, tired(), { first: 1, longest: 1, tolerance: 5 }, upid);

/** Every look costs a millisecond, so that a task that never ends gives up soon. */
function tired() {
  let now = 0;
  return {
    now: () => now++,
    wait: () => {
      if (++now > 50) throw new Failed({ kind: 'internal', what: 'enough', why: 'of waiting', next: '' });
      return Promise.resolve();
    },
  };
}

const probes: readonly Probe[] = [
  { kind: 'ct-created', node: 'pve1', vmid: 110 },
  { kind: 'guest-running', ...guest, want: true },
  { kind: 'guest-task', ...guest, task: 'vzreboot' },
  { kind: 'guest-gone', ...guest, identity: 'BC:24:11:D0:64:E1' },
  { kind: 'guest-config', ...guest, key: 'protection', value: '0' },
  { kind: 'replication-exists', id: '120-0', target: 'pve2' },
  { kind: 'replication-gone', id: '120-0' },
  { kind: 'replication-disabled', id: '120-0', want: true },
  { kind: 'replication-ran', node: 'pve1', id: '120-0' },
  { kind: 'backup-made', ...guest, storage: 'bak' },
];

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    0,
    1,
    '0',
    '1',
    true,
    false,
    -1,
    'nan',
    1e308,
    '1e999',
    [],
    {},
    [null],
    '\u202e<!x>',
  ),
  fc.string(),
  fc.double(),
);

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

/** Every place of a JSON value that can be spoilt. */
function places(value: unknown): Place[] {
  if (value === null || typeof value !== 'object') return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...places(holder[key])]);
}

interface Spoil {
  readonly at: number;
  readonly how: 'swap' | 'drop' | 'odd';
  readonly value: unknown;
}

/** A copy with some values gone, replaced, or with numbers as text and text as numbers. */
function spoilt(body: unknown, spoils: readonly Spoil[]): unknown {
  const copy = structuredClone(body);
  for (const { at, how, value } of spoils) {
    const all = places(copy);
    if (all.length === 0) break;
    const { holder, key } = all[at % all.length]!;
    if (how === 'drop') delete holder[key];
    else if (how === 'odd') holder[key] = value;
    else holder[key] = typeof holder[key] === 'number' ? String(holder[key]) : Number(holder[key]);
  }
  return copy;
}

const spoils = fc.array(
  fc.record({ at: fc.nat(), how: fc.constantFrom('swap', 'drop', 'odd'), value: odd }) as fc.Arbitrary<Spoil>,
  { maxLength: 8 },
);

const empty = { data: [] };

describe.skipIf(!recordingsAreHere)('recorded answers', () => {
  test.for(readers)('of %s are read by %s', async ([path, , ask]) => {
    expect([...recorded.keys()]).toContain(path);
    const client = asker((asked) => recorded.get(asked) ?? empty);
    await ask(new View(client, clock, new Map()), client);
  });

  test.for(readers)('of %s, spoilt, make %s fail in no way but ours', async ([path, , ask]) => {
    await fc.assert(
      fc.asyncProperty(spoils, async (list) => {
        const body = spoilt(recorded.get(path), list);
        const client = asker((asked) => (asked === path ? body : (recorded.get(asked) ?? empty)));
        const outcome = await ask(new View(client, clock, new Map()), client).catch((error: unknown) => error);
        if (outcome instanceof Error && !(outcome instanceof Failed)) throw outcome;
      }),
      { numRuns: 150 },
    );
  });

  test.for(probes)('spoilt, leave the probe $kind with an answer', async (wanted) => {
    await fc.assert(
      fc.asyncProperty(spoils, fc.boolean(), async (list, told) => {
        const client = asker((asked) => spoilt(recorded.get(asked) ?? empty, list));
        const trace = { run: 'r1', intentAt: 1_795_220_989_000, ...(told ? { upid } : {}) };
        const { evidence } = await probe(client, clock, wanted, trace);
        expect(evidence).not.toBe('');
      }),
      { numRuns: 150 },
    );
  });
});

test.skipIf(!recordingsAreHere)('a stand-alone 9.2 host is read like a cluster of one', async () => {
  const view = new View(
    asker((path) => recorded9.get(path) ?? empty),
    clock,
    new Map(),
  );
  expect(await view.membership()).toMatchObject({
    asked: 'pve4',
    quorate: true,
    expected: 1,
    present: 1,
    needed: 1,
    votesKnown: true,
  });
  expect((await view.membership()).clusterName).toBeUndefined();
  expect(await view.node('PVE4')).toMatchObject({ name: 'pve4', online: true, pveVersion: '9.2.11' });
  expect(await view.findGuest('C9')).toMatchObject({ vmid: 100, status: 'running', hastate: 'started' });
  const detail = await view.guestDetail({ node: 'pve4', type: 'lxc', vmid: 100 });
  expect(detail).toMatchObject({ mac: 'BC:24:11:A3:B9:96', hastate: 'started', unprivileged: true, swap: 512 });
  expect(await view.haServices()).toEqual([
    { sid: 'ct:100', node: 'pve4', crmState: 'started', state: 'started', requested: 'started' },
  ]);
});

test.skipIf(!recordingsAreHere)('numbers as text are numbers all the same', async () => {
  const body = recorded.get('/cluster/resources') as { data: Record<string, unknown>[] };
  const asText = {
    data: body.data.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [key, typeof value === 'number' ? String(value) : value]),
      ),
    ),
  };
  const [plain, text] = [body, asText].map(
    (one) =>
      new View(
        asker(() => one),
        clock,
        new Map(),
      ),
  );
  expect(await text!.guests()).toEqual(await plain!.guests());
  expect(await text!.nodes()).toEqual(await plain!.nodes());
});
