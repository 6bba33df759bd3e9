import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openStore } from '../../adapters/store/index.ts';
import type { ClusterConnection } from '../../src/contracts/cluster.ts';
import type { Observation } from '../../src/contracts/watch.ts';
import { makeLog } from '../../src/log.ts';
import { Poller } from '../../src/poller.ts';
import { configSchema } from '../../src/settings.ts';

/**
 * What watching costs: many clusters of ten nodes and a hundred guests at the default intervals, with the poller, the
 * watch and a store as they are. Answers are JSON texts at hand, so neither the network nor TLS is in it. Time is the
 * bench's own: minutes pass as quickly as the work of them is done.
 */

const NODES = 10;
const GUESTS = 100;
/** Seconds between two looks, of warming up, and measured. */
const LOOK = 10;
const WARM = 300;
const MEASURED = 600;

interface Cost {
  readonly clusters: number;
  /** Of one core. */
  readonly cpu: number;
  /** MB resident. */
  readonly memory: number;
  /** Milliseconds that one look at every cluster took at the most: what the last one waits if all are due at once. */
  readonly lag: number;
  /** Milliseconds, the longest look at one cluster. */
  readonly look: number;
  readonly answers: number;
  readonly news: number;
}

const nodes = Array.from({ length: NODES }, (_, n) => `node${n + 1}`);
const guests = Array.from({ length: GUESTS }, (_, n) => ({
  vmid: 101 + n,
  node: nodes[n % NODES]!,
  target: nodes[(n + 1) % NODES]!,
}));

/** Answers of a cluster where all is well; `now` in epoch seconds. */
function answer(endpoint: string, now: number): unknown {
  const path = endpoint.split('?')[0]!;
  const node = /^\/nodes\/([^/]+)/.exec(path)?.[1];
  if (path === '/cluster/status')
    return [
      { type: 'cluster', id: 'cluster', name: 'bench', nodes: NODES, quorate: 1, version: NODES },
      ...nodes.map((name, n) => ({
        type: 'node',
        id: `node/${name}`,
        name,
        nodeid: n + 1,
        online: 1,
        local: n === 0 ? 1 : 0,
        ip: `10.0.0.${n + 1}`,
        level: '',
      })),
    ];
  if (path === '/cluster/ha/status/current')
    return [
      { id: 'quorum', type: 'quorum', node: 'node1', quorate: 1, status: 'OK' },
      {
        id: 'master',
        type: 'master',
        node: 'node1',
        status: `node1 (active, ${new Date(now * 1000).toUTCString()})`,
        timestamp: now,
      },
      ...nodes.map((name) => ({
        id: `lrm:${name}`,
        type: 'lrm',
        node: name,
        status: `${name} (active, ${new Date(now * 1000).toUTCString()})`,
        timestamp: now,
      })),
      ...guests.slice(0, 40).map(({ vmid, node: on }) => ({
        id: `service:ct:${vmid}`,
        type: 'service',
        sid: `ct:${vmid}`,
        node: on,
        state: 'started',
        crm_state: 'started',
        request_state: 'started',
        status: `ct:${vmid} (${on}, started)`,
      })),
    ];
  if (path === '/cluster/ha/status/manager_status')
    return {
      manager_status: {
        master_node: 'node1',
        timestamp: now,
        node_status: Object.fromEntries(nodes.map((name) => [name, 'online'])),
        service_status: Object.fromEntries(
          guests
            .slice(0, 40)
            .map(({ vmid, node: on }) => [`ct:${vmid}`, { node: on, state: 'started', running: 1, uid: 'x' }]),
        ),
      },
      quorum: { node: 'node1', quorate: 1 },
      lrm_status: {},
    };
  if (path === '/cluster/resources')
    return [
      ...nodes.map((name) => ({
        type: 'node',
        id: `node/${name}`,
        node: name,
        status: 'online',
        cpu: 0.1,
        maxcpu: 16,
        mem: 1e10,
        maxmem: 6e10,
        disk: 1e10,
        maxdisk: 9e10,
        uptime: now % 1e6,
      })),
      ...guests.map(({ vmid, node: on }) => ({
        type: 'lxc',
        id: `lxc/${vmid}`,
        vmid,
        node: on,
        name: `ct${vmid}`,
        status: 'running',
        tags: 'prod',
        cpu: 0.02,
        maxcpu: 2,
        mem: 3e8,
        maxmem: 2e9,
        disk: 2e9,
        maxdisk: 8e9,
        uptime: now % 1e6,
        template: 0,
      })),
      ...nodes.flatMap((name) => [
        {
          type: 'storage',
          id: `storage/${name}/local-zfs`,
          storage: 'local-zfs',
          node: name,
          status: 'available',
          content: 'images,rootdir',
          disk: 4e11,
          maxdisk: 9e11,
          shared: 0,
          plugintype: 'zfspool',
        },
        {
          type: 'storage',
          id: `storage/${name}/backups`,
          storage: 'backups',
          node: name,
          status: 'available',
          content: 'backup',
          disk: 3e12,
          maxdisk: 8e12,
          shared: 1,
          plugintype: 'nfs',
        },
      ]),
    ];
  if (path === '/cluster/config/nodes')
    return nodes.map((name) => ({ node: name, name, quorum_votes: '1', nodeid: '1' }));
  if (path === '/cluster/replication')
    return guests.map(({ vmid, node: source, target }) => ({
      id: `${vmid}-0`,
      type: 'local',
      guest: vmid,
      jobnum: 0,
      source,
      target,
      schedule: '*/5',
    }));
  if (path === '/cluster/backup')
    return [
      { id: 'nightly', type: 'vzdump', enabled: 1, all: 1, schedule: '02:30', storage: 'backups', mode: 'snapshot' },
    ];
  if (path.endsWith('/replication'))
    return guests
      .filter((guest) => guest.node === node)
      .map(({ vmid, target }) => ({
        id: `${vmid}-0`,
        type: 'local',
        guest: vmid,
        jobnum: 0,
        vmtype: 'lxc',
        source: node,
        target,
        schedule: '*/5',
        last_sync: now - (now % 300),
        last_try: now - (now % 300),
        next_sync: now - (now % 300) + 300,
        fail_count: 0,
        duration: 3.2,
      }));
  if (path.endsWith('/content'))
    return guests.map(({ vmid }) => ({
      volid: `backups:backup/vzdump-lxc-${vmid}-x.tar.zst`,
      content: 'backup',
      format: 'tar.zst',
      size: 2e9,
      ctime: now - (now % 86_400),
      vmid,
      subtype: 'lxc',
    }));
  if (path.endsWith('/disks/zfs'))
    return [{ name: 'rpool', health: 'ONLINE', size: 9e11, alloc: 4e11, free: 5e11, frag: 9, dedup: 1 }];
  if (path.endsWith('/certificates/info'))
    return [{ filename: 'pve-ssl.pem', notafter: now + 300 * 86_400, subject: 'x' }];
  if (path.endsWith('/qdevice')) return {};
  return [];
}

function config(clusters: number) {
  const one = { urls: ['https://127.0.0.1:8006'], token: 'bench@pve!watch=x' };
  const named = Array.from({ length: clusters }, (_, n) => [`c${n + 1}`, one] as const);
  return configSchema.parse({ clusters: Object.fromEntries(named), people: {} });
}

async function measure(clusters: number): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-bench-'));
  const store = await openStore({ file: join(folder, 'watch.sqlite') });
  try {
    await store.lead(() => undefined);
    let now = Date.UTC(2026, 10, 16, 12);
    let answers = 0;
    let news = 0;
    const look = async (cluster: string, endpoint: string): Promise<Observation> => {
      answers += 1;
      const at = now / 1000;
      const text = JSON.stringify(answer(endpoint, Math.floor(at)));
      return { cluster, at, via: 'node1', endpoint, status: 200, data: JSON.parse(text) };
    };
    const settings = config(clusters);
    const names = Object.keys(settings.clusters);
    const connections = names.map(
      (name) =>
        [
          name,
          { name, look: (endpoint: string) => look(name, endpoint) } as Partial<ClusterConnection> as ClusterConnection,
        ] as const,
    );
    const poller = new Poller({
      config: settings,
      clusters: new Map(connections),
      pbs: new Map(),
      store,
      clock: { now: () => now, wait: () => Promise.resolve() },
      log: makeLog('error'),
      onNews: async (_cluster, told) => {
        news += told.length;
      },
      onBroken: (error) => {
        throw error;
      },
    });
    let [lag, longest] = [0, 0];
    const passes = async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed += LOOK) {
        const begun = performance.now();
        for (const name of names) {
          const before = performance.now();
          await poller.poll(name);
          longest = Math.max(longest, performance.now() - before);
        }
        lag = Math.max(lag, performance.now() - begun);
        now += LOOK * 1000;
      }
    };
    await passes(WARM);
    [lag, longest, answers, news] = [0, 0, 0, 0];
    const before = process.cpuUsage();
    await passes(MEASURED);
    const { user, system } = process.cpuUsage(before);
    const broken = [...poller.counts().values()].reduce((sum, counts) => sum + counts.broken, 0);
    if (broken > 0) throw new Error(`${broken} answers broke a watcher`);
    const memory = Math.round(process.memoryUsage.rss() / 1024 ** 2);
    const cpu = (user + system) / 1e6 / MEASURED;
    return { clusters, cpu, memory, lag: Math.round(lag), look: Math.round(longest), answers, news };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each size in a process of its own, so that none pays for the memory of another. */
async function main(sizes: readonly number[]): Promise<void> {
  const self = fileURLToPath(import.meta.url);
  const rows: Cost[] = [];
  for (const size of sizes) {
    const { stdout } = await promisify(execFile)(process.execPath, [self, '--one', String(size)]);
    rows.push(JSON.parse(stdout));
  }
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |\n`;
  process.stdout.write(
    line(['clusters', 'share of a core', 'MB resident', 'all due at once ms', 'longest look ms', 'answers/s']),
  );
  process.stdout.write(line(Array.from({ length: 6 }, () => '---')));
  for (const { clusters, cpu, memory, lag, look, answers } of rows)
    process.stdout.write(line([clusters, cpu.toFixed(3), memory, lag, look, Math.round(answers / MEASURED)]));
}

const [first, one] = process.argv.slice(2);
if (first === '--one') process.stdout.write(JSON.stringify(await measure(Number(one))));
else await main(process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 50, 100]);
