import type { News } from '../contracts/watch.ts';
import type { NodeMemory, NodeTrouble, Saying, ServiceMemory } from './ha-memory.ts';
import { type Absence, absence, isGone, nodeOf } from './node-evidence.ts';
import { guestsOn, leave, sayBack, sayTrouble } from './node-news.ts';

/** Which node lives, and what kind of absence it is. FACTS 1.2, 1.4 and 1.6. */

/** Absent longer, with evidence: lost. HA gives a node up at the same time. */
const LOST = 60;
/** A reboot that takes longer will not come back by itself. */
const REBOOT = 900;

/** What each node's state has become; says what is new. */
export function judgeNodes(saying: Saying): void {
  const { nodes } = saying.memory;
  for (const name of Object.keys(nodes).sort()) {
    const node = nodes[name]!;
    if (node.open) follow(saying, name, node, node.open);
    else begin(saying, name, node);
    if ((node.missed ?? 0) >= 2) forget(saying, name, node);
  }
}

function begin(saying: Saying, name: string, node: NodeMemory): void {
  const { away } = absence(node, saying);
  const { at } = saying;
  const asked = node.state === 'maintenance' && (node.backAt === undefined || node.stateAt! > node.backAt + 30);
  if (node.mode === 'maintenance' || asked) {
    open(saying, name, node, 'node-maintenance', Math.min(at, node.modeAt ?? node.stateSince ?? at));
    node.evacuated ??= {};
    delete node.movedBack;
  } else if (node.mode === 'shutdown') open(saying, name, node, 'node-shutdown', node.modeAt ?? at);
  else if (away && node.mode === 'restart') open(saying, name, node, 'node-reboot', node.modeAt ?? at);
  else if (away) open(saying, name, node, 'node-lost', node.alive ?? node.lastOnline ?? at);
  else return;
  follow(saying, name, node, node.open!);
}

function open(saying: Saying, name: string, node: NodeMemory, kind: NodeTrouble['kind'], startedAt: number) {
  node.open = {
    kind,
    startedAt,
    guests: guestsOn(saying, name),
    stillDown: [],
    movedStopped: [],
    rescue: [],
    moved: 0,
  };
}

/** The node's open trouble; opened when HA takes a service from a node of which nothing was told yet. */
export function openLost(saying: Saying, name: string): NodeTrouble {
  const node = nodeOf(saying.memory, name);
  if (!node.open) {
    const kind = node.mode === 'shutdown' ? 'node-shutdown' : 'node-lost';
    open(saying, name, node, kind, node.alive ?? node.lastOnline ?? saying.at);
  }
  return node.open!;
}

function follow(saying: Saying, name: string, node: NodeMemory, trouble: NodeTrouble): void {
  const { at, memory } = saying;
  const absent = absence(node, saying);
  if (absent.away) {
    trouble.wasAway = true;
    if (isGone(node)) trouble.at = node.stateSince!;
    else if (absent.off > absent.on) trouble.at ??= absent.off;
  }
  const services = Object.values(memory.services).filter((service) => service.node === name);
  if (node.state === 'fence' || services.some(({ crm }) => crm === 'fence')) trouble.fenceSince ??= at;
  if (trouble.kind === 'node-lost') rename(node, trouble);
  if (over(node, trouble, absent, services)) {
    if (trouble.kind === 'node-reboot') leave(saying, name, node, 'node-reboot');
    else if (trouble.kind === 'node-maintenance') leave(saying, name, node, 'node-back-from-maintenance');
    else sayBack(saying, name, node, trouble);
    return;
  }
  deepen(saying, node, trouble, absent);
  sayTrouble(saying, name, node, trouble);
}

const PLANNED = { restart: 'node-reboot', shutdown: 'node-shutdown', maintenance: 'node-maintenance' } as const;

/** The LRM said goodbye, and we heard it late. */
function rename(node: NodeMemory, trouble: NodeTrouble): void {
  const kind = PLANNED[node.mode as keyof typeof PLANNED];
  if (!kind || trouble.cause) return;
  trouble.kind = kind;
  trouble.startedAt = Math.min(node.modeAt ?? trouble.startedAt, trouble.startedAt);
  trouble.instead = ['node-lost'];
}

function over(node: NodeMemory, { kind, startedAt, wasAway }: NodeTrouble, absent: Absence, services: ServiceMemory[]) {
  if (absent.away) return false;
  switch (kind) {
    case 'node-lost':
      return absent.on > absent.off && (node.stamp === undefined || node.alive! > startedAt);
    case 'node-reboot':
      return wasAway === true && absent.on > absent.off && services.every(settledAgain);
    case 'node-shutdown':
      return node.mode !== 'shutdown';
    case 'node-maintenance':
      return node.mode !== 'maintenance' && !(node.state === 'maintenance' && node.stateAt! > (node.modeAt ?? 0));
  }
}

function settledAgain({ state, request }: ServiceMemory): boolean {
  return state === 'started' || state === 'error' || (request ?? 'started') !== 'started';
}

/** What makes it worse, or says why. */
function deepen(saying: Saying, node: NodeMemory, trouble: NodeTrouble, absent: Absence): void {
  const { at } = saying;
  const gone = Math.max(absent.age, at - (node.lastOnline ?? trouble.startedAt));
  switch (trouble.kind) {
    case 'node-lost':
      if (trouble.fenceSince !== undefined || (absent.sure && at - trouble.startedAt >= LOST && gone >= LOST))
        trouble.confirmed = true;
      break;
    case 'node-reboot':
      if (!absent.away || at - trouble.startedAt <= REBOOT) break;
      trouble.kind = 'node-lost';
      trouble.cause = 'did not come back from its reboot';
      trouble.confirmed = true;
      break;
    case 'node-maintenance':
      if (node.requested) trouble.cause ??= 'crm-command node-maintenance enable';
      else if (absent.off > absent.on) trouble.cause ??= 'shutdown with policy migrate';
      break;
  }
}

/** No longer a member: whatever was open is over. */
function forget(saying: Saying, name: string, node: NodeMemory): void {
  if (node.open) {
    saying.say({
      kind: 'node-back',
      severity: 'info',
      incident: `node/${name}`,
      phase: 'ends',
      node: name,
      at: saying.at,
      startedAt: node.open.startedAt,
      endedAt: saying.at,
      text: `${name} is no longer a member of the cluster`,
    } satisfies Omit<News, 'cluster'>);
  }
  delete saying.memory.nodes[name];
}
