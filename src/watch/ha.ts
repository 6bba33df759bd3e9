import { z } from 'zod';
import type { News, Observation, Watcher, WatchWorld } from '../contracts/watch.ts';
import { type HaCurrent, quorumSaid, readClusterStatus, readCurrent, readManager, readTasks } from './ha-answer.ts';
import { guestOf, type HaMemory, type Saying, span } from './ha-memory.ts';
import { seeAsked, seeLrm, seeManager, seeQuorate, seeStatus } from './node-evidence.ts';
import { judgeNodes } from './nodes.ts';
import { maybe, name, num, pathOf, rows } from './read.ts';
import { seeServices, seeTasks } from './services.ts';

/** Nodes and HA: which node lives, which guest went where and why. FACTS 1.2 to 1.7. */

const paths = [
  '/cluster/status',
  '/cluster/ha/status/current',
  '/cluster/ha/status/manager_status',
  '/cluster/tasks',
  '/cluster/replication',
];

/** A pause between two trusted answers after which silence proves nothing yet. */
const PAUSE = 30;

export const haWatcher: Watcher<HaMemory> = {
  name: 'ha',
  blank: { nodes: {}, services: {}, replicas: {}, jobs: {}, failed: {} },
  frozen: true,
  wants: (endpoint) => paths.includes(pathOf(endpoint)) || /^\/nodes\/[^/]+\/replication$/.test(pathOf(endpoint)),
  see(before, observation, world) {
    const memory = structuredClone(before);
    const news: News[] = [];
    const { at, via, status } = observation;
    const said = quorumSaid(observation);
    seeAsked(memory, via, status, said, at);
    const frozen = said === false || (said === undefined && memory.nodes[via]?.cutSince !== undefined);
    if (status === 200 && !frozen) {
      const saying = (clusterNow: number): Saying => ({
        memory,
        world,
        at,
        clusterNow,
        say: (told) => news.push({ cluster: world.cluster, ...told }),
      });
      seeTrusted(memory, observation, said, saying);
    }
    return { memory, news };
  },
};

function seeTrusted(
  memory: HaMemory,
  observation: Observation,
  quorate: boolean | undefined,
  saying: (clusterNow: number) => Saying,
): void {
  const { endpoint, data, at } = observation;
  const path = pathOf(endpoint);
  if (path === '/cluster/tasks') seeTasks(saying(at), readTasks(data));
  else if (path === '/cluster/replication') seeJobs(memory, data);
  else if (path.startsWith('/nodes/')) seeReplicas(memory, data);
  else if (quorate === true) {
    if (memory.quorateAt === undefined || at - memory.quorateAt > PAUSE || at < memory.quorateAt) memory.resumedAt = at;
    memory.quorateAt = at;
    seeQuorate(memory);
    if (path === '/cluster/status') seeStatus(memory, readClusterStatus(data), at);
    else if (path === '/cluster/ha/status/manager_status') seeManagerStatus(saying(at), data);
    else seeHa(memory, readCurrent(data), at, saying);
    judgeNodes(saying(clusterNow(memory, at)));
  }
}

function seeManagerStatus({ memory, world, at }: Saying, data: unknown): void {
  const manager = readManager(data);
  // What a master wrote that writes no more is the past.
  if (!manager || (memory.master?.fresh === false && manager.timestamp === memory.master.stamp)) return;
  seeManager(memory, manager, at);
  for (const [sid, node] of manager.evacuated) {
    const left = memory.nodes[node];
    if (left?.mode === 'maintenance' || left?.state === 'maintenance')
      left.evacuated = { [sid]: guestOf(sid, world), ...left.evacuated };
  }
  memory.failed = Object.fromEntries(manager.failed.map(([sid, nodes]) => [sid, [...nodes]]));
  if (manager.disarm?.mode && memory.disarm) memory.disarm.mode ??= manager.disarm.mode;
}

function seeHa(memory: HaMemory, current: HaCurrent, at: number, saying: (clusterNow: number) => Saying): void {
  for (const lrm of current.lrms) seeLrm(memory, lrm, at);
  const now = saying(clusterNow(memory, at));
  if (seeMaster(now, current)) {
    seeArmed(now, current);
    seeServices(now, current.services);
    memory.currentAt = at;
  }
}

/** The latest sign of life of any node: our own clock may be ahead. */
function clusterNow(memory: HaMemory, at: number): number {
  const stamps = Object.values(memory.nodes).flatMap(({ alive }) => (alive === undefined ? [] : [alive]));
  return stamps.length === 0 ? at : Math.max(...stamps, memory.master?.stamp ?? 0);
}

/** Whether the master writes; a stale one's file says nothing of the services. An idle one is old by design. */
function seeMaster(saying: Saying, { master }: HaCurrent): boolean {
  const { memory, at } = saying;
  if (!master) return true;
  const known = memory.master;
  const moved = known === undefined || known.node !== master.node || known.stamp !== master.timestamp;
  const age = master.timestamp === undefined ? 0 : Math.max(0, at - master.timestamp);
  const writing = known !== undefined && moved && at - known.lookedAt >= 0 && at - known.lookedAt <= 25;
  const next = {
    node: master.node,
    ...(master.timestamp === undefined ? {} : { stamp: master.timestamp }),
    movedAt: moved ? at : known.movedAt,
    lookedAt: at,
    age: moved ? (writing ? Math.min(age, at - known.lookedAt) : age) : known.age,
  };
  const stale = Math.max(0, at - next.movedAt) + next.age > 30 || (master.old && !writing);
  const fresh = master.idle || !stale;
  memory.master = { ...next, fresh };
  if (fresh && known && known.node !== master.node) {
    const lost = memory.nodes[known.node]?.open !== undefined;
    saying.say({
      kind: 'ha-master-changed',
      severity: 'info',
      incident: lost ? `node/${known.node}` : 'ha/master',
      phase: 'note',
      from: known.node,
      to: master.node,
      node: master.node,
      at,
      text: `HA master is now ${master.node}, was ${known.node}`,
    });
  }
  return fresh;
}

function seeArmed({ memory, at, say }: Saying, { armed, disarmMode }: HaCurrent): void {
  if (!armed) return;
  const disarming = armed === 'disarming' || armed === 'disarmed';
  if (disarming) {
    memory.disarm ??= { startedAt: at };
    const { disarm } = memory;
    if (armed === 'disarmed') disarm.disarmedAt ??= at;
    if (disarmMode) disarm.mode ??= disarmMode;
    const said = `${armed} ${disarm.mode ?? ''}`;
    if (said === disarm.said) return;
    const opens = disarm.said === undefined;
    disarm.said = said;
    say({
      kind: 'ha-disarmed',
      severity: 'notice',
      incident: 'ha/armed',
      phase: opens ? 'opens' : 'goes-on',
      at,
      startedAt: disarm.startedAt,
      text: `HA is ${armed}: while it is, a lost node is NOT followed by a failover`,
      facts: {
        ...(disarm.disarmedAt === undefined ? {} : { disarmedAt: disarm.disarmedAt }),
        ...(disarm.mode ? { mode: disarm.mode } : {}),
      },
    });
  } else if (memory.disarm) {
    const { startedAt } = memory.disarm;
    delete memory.disarm;
    say({
      kind: 'ha-armed',
      severity: 'info',
      incident: 'ha/armed',
      phase: 'ends',
      at,
      startedAt,
      endedAt: at,
      text: `HA is armed again, after ${span(at - startedAt)}`,
    });
  }
}

const jobRow = z.object({ id: name, guest: num, target: name });

function seeJobs(memory: HaMemory, data: unknown): void {
  if (!Array.isArray(data)) return;
  memory.jobs = Object.fromEntries(rows(jobRow, data).map(({ id, guest, target }) => [id, { guest, target }]));
}

const replicaRow = jobRow.extend({ source: maybe(name), last_sync: num });

/** A reversed job has last_sync 0: its forward replica, the one a failover starts from, stays remembered. */
function seeReplicas(memory: HaMemory, data: unknown): void {
  for (const { id, guest, source, target, last_sync } of rows(replicaRow, data)) {
    memory.jobs[id] ??= { guest, target };
    if (last_sync <= 0) continue;
    memory.replicas[id] = { guest, target, ...(source ? { source } : {}), lastSync: last_sync };
  }
}

export function nodesOf(memory: HaMemory): WatchWorld['nodes'] {
  return Object.fromEntries(
    Object.entries(memory.nodes).map(([node, { online, open, alive, lastOnline }]) => {
      const lastAlive = Math.max(alive ?? 0, lastOnline ?? 0);
      const gone = open !== undefined && (open.kind === 'node-lost' || open.wasAway === true);
      return [
        node,
        {
          online: !gone && online !== false,
          ...(lastAlive > 0 ? { lastAlive } : {}),
          ...(open ? { state: open.kind } : {}),
        },
      ];
    }),
  );
}

/** Nodes with an open incident, and since when. */
export function troubleOf(memory: HaMemory): WatchWorld['trouble'] {
  return Object.fromEntries(
    Object.entries(memory.nodes).flatMap(([node, { open }]) => (open ? [[node, open.startedAt]] : [])),
  );
}
