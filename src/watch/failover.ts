import type { DataLoss, GuestName, News, Severity } from '../contracts/watch.ts';
import type { Task } from './ha-answer.ts';
import { called, guestOf, type HaMemory, type Move, type NodeMemory, type Saying, span } from './ha-memory.ts';

/** What a guest lost and where it went, as news. FACTS 1.6 and 1.7. */

/** A guest died within one round of its node's last sign of life … */
const ROUND = 10;
/** … or ran on, cut off, until the watchdog reset the node. */
const WATCHDOG = 70;

/** Between which two times the guest stopped writing. */
function diedBetween(node: NodeMemory, alive: number): readonly [number, number] {
  if (node.open?.kind === 'node-shutdown') return [Math.min(node.open.startedAt, alive), alive + ROUND];
  if (node.cutSince === undefined) return [alive, alive + ROUND];
  const refused = node.refusedAt !== undefined && node.refusedAt > node.cutSince ? node.refusedAt : Infinity;
  return [alive, Math.min(alive + WATCHDOG, Math.max(refused, alive + ROUND))];
}

/** When the guest last wrote, against when the replica on `to` was last synced; null seconds: nobody can tell. */
export function dataLossOf(memory: HaMemory, vmid: number, from: string, to: string, alive: number): DataLoss {
  const node = memory.nodes[from] ?? {};
  const cutOff = node.cutSince !== undefined && node.answeredAt !== undefined;
  const lastAlive = cutOff ? Math.max(alive, node.answeredAt!) : alive;
  const job = jobTo(memory, vmid, to);
  if (!job) {
    const others = Object.values(memory.jobs).some((one) => one.guest === vmid);
    const basis = others ? `no replica on ${to}` : 'no replication job known: shared storage, or no copy at all';
    return { basis, lastAlive, seconds: null };
  }
  const basis = `replication job ${job} -> ${to}`;
  const replica = memory.replicas[job];
  const lastSync = replica?.target === to ? replica.lastSync : undefined;
  if (lastSync === undefined) return { basis, lastAlive, seconds: null };
  const [low, high] = diedBetween(node, alive);
  return { basis, lastSync, lastAlive, seconds: [Math.max(0, low - lastSync), Math.max(0, high - lastSync)] };
}

/** The job whose replica lies on that node; a guest may have several, one per target. */
export function jobTo(memory: HaMemory, vmid: number, target: string): string | undefined {
  const lies = ([, job]: readonly [string, { readonly guest: number; readonly target: string }]) =>
    job.guest === vmid && job.target === target;
  return (Object.entries(memory.replicas).find(lies) ?? Object.entries(memory.jobs).find(lies))?.[0];
}

/** A fresh move after the guest's node went away. */
export function failoverMove(saying: Saying, sid: string, from: string, to: string): Move {
  const { memory, at } = saying;
  const node = memory.nodes[from] ?? {};
  const alive = node.alive ?? node.lastOnline ?? node.open?.startedAt ?? memory.currentAt ?? at;
  const { vmid } = guestOf(sid, saying.world);
  const job = jobTo(memory, vmid, to);
  const ordered = node.open?.kind === 'node-shutdown' || node.mode === 'shutdown';
  return {
    kind: 'failover',
    from,
    to,
    tried: [to],
    startedAt: ordered ? Math.min(node.open?.startedAt ?? alive, alive) : alive,
    movedAt: at,
    ...(ordered ? {} : { fencedAt: memory.master?.stamp ?? at }),
    ordered,
    cause: causeOf(node, ordered),
    dataLoss: dataLossOf(memory, vmid, from, to, alive),
    rescue: job ? [{ job, returns: from }] : [],
  };
}

export function causeOf(node: NodeMemory, ordered = false): string {
  if (ordered) return 'node was shut down in order';
  if (node.cutSince !== undefined) return 'network partition, node reset by its watchdog';
  return 'node lost';
}

export function lossWords(loss: DataLoss | undefined): string {
  if (!loss) return '';
  if (loss.seconds === null) return `data loss unknown (${loss.basis})`;
  const [low, high] = loss.seconds;
  return high === 0 ? 'nothing lost' : `lost ${span(low)}–${span(high)}`;
}

/** The failover as it stands: moved, running again, or failed. */
export function sayFailover(saying: Saying, sid: string, move: Move, failed = false): void {
  const guest = guestOf(sid, saying.world);
  const { from, to, startedAt, endedAt, dataLoss } = move;
  const rescue = move.rescue?.length ? move.rescue : undefined;
  saying.say({
    kind: failed ? 'ha-failover-failed' : 'ha-failover',
    severity: move.ordered && !failed ? 'warning' : 'critical',
    incident: `node/${from}`,
    phase: 'goes-on',
    guest,
    from,
    to: failed ? move.tried[0]! : to,
    at: failed ? saying.at : move.movedAt,
    startedAt,
    ...(failed ? { node: to } : {}),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(dataLoss ? { dataLoss } : {}),
    text: failoverText(guest, move, failed),
    facts: {
      cause: move.cause ?? 'node lost',
      state: failed ? 'failed' : endedAt === undefined ? 'starting' : 'running',
      ...(move.fencedAt === undefined ? {} : { fencedAt: move.fencedAt }),
      ...(move.tried.length > 1 || failed ? { tried: move.tried } : {}),
      ...(endedAt === undefined ? {} : { downtime: Math.max(0, endedAt - startedAt) }),
      ...(rescue ? { rescue } : {}),
      ...(failed ? { instead: ['ha-failover'], needsManual: NEEDS_MANUAL } : {}),
      ...(saying.memory.nodes[from]?.cutSince === undefined && dataLoss?.seconds && !move.ordered
        ? { note: 'if the node was only cut off, its guests wrote up to 60 s longer' }
        : {}),
    },
  });
}

export const NEEDS_MANUAL = 'set state disabled, fix, set state started';

function failoverText(guest: GuestName, { from, to, tried, startedAt, endedAt, dataLoss }: Move, failed: boolean) {
  if (failed) return `${called(guest)}: failover ${from} → ${tried.join(' → ')} failed, in error on ${to}, still down`;
  const rest = [
    endedAt === undefined ? 'starting' : `down ${span(endedAt - startedAt)}`,
    ...(dataLoss ? [lossWords(dataLoss)] : []),
  ];
  return `${called(guest)}: ${from} → ${to}, ${rest.join(', ')}`;
}

const CLEAN = 'clean shutdown and final replication run (container) / live migration (VM)';

const quiet: Record<'planned' | 'failback' | 'relocated', [News['kind'], Severity]> = {
  planned: ['planned-migration', 'info'],
  failback: ['ha-failback', 'info'],
  relocated: ['service-relocated-after-start-failure', 'warning'],
};

/** A move that nobody has to get up for. */
export function sayMove(saying: Saying, sid: string, move: Move): void {
  if (move.kind !== 'planned' && move.kind !== 'failback' && move.kind !== 'relocated') return;
  const guest = guestOf(sid, saying.world);
  const [kind, severity] = quiet[move.kind];
  const { from, to, startedAt, endedAt, by, live } = move;
  const done = endedAt === undefined ? '' : `, ${live ? 'live' : 'running again'}`;
  const why = { planned: 'moved', failback: 'back home', relocated: `did not start on ${from}, tried` }[move.kind];
  const asked = by ? ` by ${by}` : '';
  saying.say({
    kind,
    severity,
    incident: move.kind === 'failback' ? `node/${to}` : `ha/${sid}`,
    phase: move.kind !== 'relocated' ? 'note' : endedAt === undefined ? 'opens' : 'goes-on',
    guest,
    from,
    to,
    startedAt,
    at: move.at ?? move.movedAt,
    ...(endedAt === undefined || move.kind === 'relocated' ? {} : { endedAt }),
    ...(move.kind === 'relocated' ? {} : { dataLoss: { basis: CLEAN, seconds: [0, 0] as const } }),
    text: `${called(guest)}: ${why} ${from} → ${to}${asked}${done}`,
    facts: {
      ...(by ? { by } : {}),
      ...(move.kind === 'relocated' && endedAt !== undefined ? { runningAgain: endedAt } : {}),
    },
  });
}

/** Finer times from the tasks of the new node (FACTS 1.6); true when something changed. */
export function refine(vmid: number, move: Move, tasks: readonly Task[]): boolean {
  const mine = tasks.filter((task) => task.id === String(vmid));
  let changed = false;
  const asked = mine.find(
    ({ type, starttime }) =>
      type === 'hamigrate' && starttime >= move.startedAt - 30 && starttime <= move.movedAt && move.by === undefined,
  );
  if (move.kind === 'planned' && asked) {
    move.startedAt = Math.min(move.startedAt, asked.starttime);
    move.by = asked.user;
    changed = true;
  }
  if (move.endedAt === undefined || move.endedAtTask || move.live) return changed;
  const starts = mine
    .filter(({ type, node }) => (type === 'vzstart' || type === 'qmstart') && node === move.to)
    .filter(({ starttime }) => starttime >= move.movedAt - 30 && starttime <= move.endedAt!)
    .filter(({ status }) => status === undefined || /^(OK|RUNNING|WARNINGS: \d+)$/.test(status))
    .map(({ starttime }) => starttime);
  if (starts.length === 0) return changed;
  move.endedAt = Math.min(...starts);
  move.endedAtTask = true;
  return true;
}
