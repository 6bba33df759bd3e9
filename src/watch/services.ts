import { failoverMove, refine, sayFailover, sayMove } from './failover.ts';
import type { ServiceRow, Task } from './ha-answer.ts';
import { ageOf, guestOf, type Move, type Saying, type ServiceMemory } from './ha-memory.ts';
import { endError, endRecovery, sayError, sayRecovery } from './ha-trouble.ts';
import { nodeOf } from './node-evidence.ts';
import { sayMovedBack } from './node-news.ts';
import { openLost } from './nodes.ts';

/** The HA services: where each is, where it went, and why. FACTS 1.3, 1.4 and 1.6. */

/** HA never takes a guest from a node that was alive more recently; planned moves happen within 20 s. */
const DEAD = 55;
/** `recovery` lasts one round unless there is nowhere to go. */
const RECOVERY = 20;
/** A guest goes home soon after its node is back, however many wait. */
const HOMEWARD = 600;
/** Longer between two looks: a move may have been anything. */
const UNSEEN = 60;

export function seeServices(saying: Saying, services: readonly ServiceRow[]): void {
  const { memory } = saying;
  for (const row of [...services].sort((a, b) => (a.sid < b.sid ? -1 : 1))) {
    const known = memory.services[row.sid];
    if (known) seeService(saying, row, known);
    else memory.services[row.sid] = { node: row.node, state: row.state };
    const service = memory.services[row.sid]!;
    delete service.missed;
    note(saying, row, service);
  }
  for (const [sid, service] of Object.entries(memory.services)) {
    if (services.some((row) => row.sid === sid)) continue;
    service.missed = (service.missed ?? 0) + 1;
    if (service.missed >= 2) delete memory.services[sid];
  }
}

function seeService(saying: Saying, row: ServiceRow, service: ServiceMemory): void {
  if (row.node !== service.node) {
    startMove(saying, row, service);
    service.node = row.node;
    service.starting = saying.at;
    delete service.leaving;
    if (service.recoverySince !== undefined) endRecovery(saying, row.sid, service);
  }
  const { move } = service;
  if (move && move.endedAt === undefined && row.crm === 'started' && row.state === 'started') {
    move.endedAt = move.live ? move.movedAt : saying.at;
    sayAny(saying, row.sid, move);
    if (move.kind === 'failover') service.home = move.from;
    else if (row.node === service.home || move.kind === 'planned') delete service.home;
  }
}

/** What a changed node means. */
function startMove(saying: Saying, row: ServiceRow, service: ServiceMemory): void {
  const { memory, at, world } = saying;
  const { sid, node: to } = row;
  const from = service.node;
  const node = nodeOf(memory, from);
  const previous = service.move;
  const dead = ageOf(node, saying) >= DEAD || service.crm === 'fence' || service.crm === 'recovery';
  const stopped = (row.request ?? 'started') === 'stopped' || row.request === 'disabled';
  if (dead && node.mode !== 'maintenance') {
    const trouble = openLost(saying, from);
    if (trouble.kind === 'node-lost') trouble.fencedAt ??= memory.master?.stamp ?? at;
    if (stopped) {
      trouble.movedStopped.push(guestOf(sid, world));
      delete service.move;
      return;
    }
    const move = failoverMove(saying, sid, from, to);
    trouble.moved += 1;
    trouble.confirmed = true;
    trouble.rescue.push(...(move.rescue ?? []));
    service.move = move;
    sayFailover(saying, sid, move);
    return;
  }
  if (previous?.kind === 'failover' && previous.endedAt === undefined) {
    moveOn(saying, sid, previous, to);
    return;
  }
  const home = nodeOf(memory, to);
  const kind = kindOf(saying, row, service);
  const live = sid.startsWith('vm:') && service.leaving?.state !== 'relocate' && kind !== 'relocated';
  const move: Move = {
    kind,
    from,
    to,
    tried: [to],
    startedAt: service.leaving?.at ?? memory.currentAt ?? at,
    movedAt: at,
    ...(service.leaving ? { at: service.leaving.at } : {}),
    ...(live ? { live } : {}),
  };
  service.move = move;
  if (kind === 'evacuated') {
    node.evacuated = { ...node.evacuated, [sid]: guestOf(sid, world) };
  } else if (kind === 'back') {
    home.movedBack = { ...home.movedBack, [sid]: guestOf(sid, world) };
    if (home.evacuated) delete home.evacuated[sid];
    if (!home.open) sayMovedBack(saying, to, home);
  } else if (kind === 'relocated') sayMove(saying, sid, move);
  else if (stopped) {
    move.endedAt = at;
    sayAny(saying, sid, move);
  }
}

/** A second try right after a failover is part of it (FACTS 1.6). */
function moveOn(saying: Saying, sid: string, move: Move, to: string): void {
  const again = failoverMove(saying, sid, move.from, to);
  move.to = to;
  move.tried.push(to);
  if (again.dataLoss) move.dataLoss = again.dataLoss;
  sayFailover(saying, sid, move);
}

function kindOf(saying: Saying, { sid, node: to }: ServiceRow, service: ServiceMemory): Move['kind'] {
  const { memory, at } = saying;
  const from = service.node;
  const node = nodeOf(memory, from);
  const home = nodeOf(memory, to);
  if (node.mode === 'maintenance' || node.state === 'maintenance') return 'evacuated';
  if (home.evacuated?.[sid]) return 'back';
  const failed = memory.failed[sid]?.includes(from) || service.leaving?.startFailed;
  const neverRan = service.starting !== undefined && service.crm === 'started' && service.state === 'starting';
  if (failed || neverRan) return 'relocated';
  if (service.home === to && (home.open !== undefined || at - (home.backAt ?? 0) <= HOMEWARD)) return 'failback';
  if (memory.currentAt !== undefined && at - memory.currentAt > UNSEEN) return 'undecided';
  return 'planned';
}

function sayAny(saying: Saying, sid: string, move: Move): void {
  if (move.kind === 'failover') sayFailover(saying, sid, move);
  else sayMove(saying, sid, move);
}

/** What the row says besides the node. */
function note(saying: Saying, row: ServiceRow, service: ServiceMemory): void {
  const { at } = saying;
  const leaving = row.crm === 'migrate' || row.crm === 'relocate';
  if (leaving && service.leaving === undefined)
    service.leaving = {
      at,
      state: row.crm!,
      startFailed: row.crm === 'relocate' && service.starting !== undefined && service.state === 'starting',
    };
  if (!leaving) delete service.leaving;
  if (row.crm === 'started' && row.state === 'starting') service.starting ??= at;
  else if (!leaving) delete service.starting;
  if (row.crm === 'error') sayError(saying, row.sid, service);
  else if (service.error !== undefined) endError(saying, row.sid, service);
  if (row.crm === 'recovery') {
    service.recoverySince ??= at;
    if (at - service.recoverySince > RECOVERY && !service.stalled) {
      service.stalled = true;
      sayRecovery(saying, row.sid, service);
    }
  } else if (service.recoverySince !== undefined) endRecovery(saying, row.sid, service);
  const { move } = service;
  if (move?.kind === 'undecided' && at - move.movedAt > 180) {
    move.kind = 'planned';
    if (move.endedAt !== undefined) sayMove(saying, row.sid, move);
  }
  if (move?.endedAt !== undefined && at - move.endedAt > 300) delete service.move;
  service.state = row.state;
  if (row.crm) service.crm = row.crm;
  else delete service.crm;
  if (row.request) service.request = row.request;
}

/** Tasks tell finer times, who asked, and what happened while nobody looked. */
export function seeTasks(saying: Saying, tasks: readonly Task[]): void {
  const { memory } = saying;
  for (const [sid, service] of Object.entries(memory.services).sort()) {
    const { move } = service;
    if (!move) continue;
    const vmid = Number(sid.slice(3));
    if (move.kind === 'undecided') decide(saying, sid, service, tasks);
    else if (refine(vmid, move, tasks) && move.endedAt !== undefined) sayAny(saying, sid, move);
  }
}

/** A start on the new node without a migration before it was a failover (FACTS 1.6, 9). */
function decide(saying: Saying, sid: string, service: ServiceMemory, tasks: readonly Task[]): void {
  const move = service.move!;
  const mine = tasks.filter(({ id, starttime }) => id === sid.slice(3) && starttime >= move.startedAt - 30);
  const migrated = mine.some(({ type }) => /^(vz|q)migrate$|^hamigrate$/.test(type));
  const started = mine.find(({ type, node }) => /^(vz|qm)start$/.test(type) && node === move.to);
  if (!migrated && !started) return;
  if (migrated) move.kind = 'planned';
  else {
    const { endedAt } = move;
    const failover = failoverMove(saying, sid, move.from, move.to);
    Object.assign(move, failover, {
      startedAt: move.startedAt,
      movedAt: move.movedAt,
      cause: 'found after the bot was away',
      ...(failover.dataLoss ? { dataLoss: { ...failover.dataLoss, seconds: null } } : {}),
    });
    if (endedAt !== undefined) move.endedAt = endedAt;
  }
  refine(Number(sid.slice(3)), move, tasks);
  if (move.endedAt !== undefined) sayAny(saying, sid, move);
}
