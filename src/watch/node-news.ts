import type { GuestName, News } from '../contracts/watch.ts';
import { called, type NodeMemory, type NodeTrouble, type Saying, span } from './ha-memory.ts';
import { forgetCut } from './node-evidence.ts';

/** What is said of a node, each milestone once. */

/** A fence that takes longer is stuck (FACTS 1.6). */
const FENCE_STALLED = 150;

const list = (guests: readonly GuestName[]) => guests.map(called).join(', ');

/** Running guests of a node, and its services that should run, by vmid. */
export function guestsOn(saying: Saying, name: string): GuestName[] {
  const { memory, world } = saying;
  const found = new Map<number, GuestName>();
  for (const { vmid, node, status, type, name: words } of Object.values(world.guests)) {
    if (node !== name || status !== 'running') continue;
    const sid = `${type === 'qemu' ? 'vm' : 'ct'}:${vmid}`;
    const managed = memory.services[sid] !== undefined;
    found.set(vmid, {
      vmid,
      ...(type ? { type } : {}),
      ...(words ? { name: words } : {}),
      ...(managed ? { sid } : {}),
    });
  }
  for (const [sid, { node, request }] of Object.entries(memory.services)) {
    if (node !== name || (request ?? 'started') !== 'started') continue;
    const vmid = Number(sid.slice(3));
    const words = world.guests[vmid]?.name;
    found.set(vmid, { vmid, type: sid.startsWith('vm') ? 'qemu' : 'lxc', ...(words ? { name: words } : {}), sid });
  }
  return [...found.values()].sort((a, b) => a.vmid - b.vmid);
}

/** Guests of the node that HA does not start elsewhere. */
function stillDownOf({ memory, world }: Saying, name: string, { guests }: NodeTrouble): GuestName[] {
  return guests.filter(({ vmid, sid }) => {
    const managed = memory.services[sid ?? ''] || memory.services[`ct:${vmid}`] || memory.services[`vm:${vmid}`];
    const seen = world.guests[vmid];
    return !managed && seen?.hastate === undefined && seen?.node === name;
  });
}

/** Says the node's trouble as it stands, unless that was said. */
export function sayTrouble(saying: Saying, name: string, node: NodeMemory, trouble: NodeTrouble): void {
  trouble.stillDown = trouble.kind === 'node-maintenance' ? [] : stillDownOf(saying, name, trouble);
  const state = stateOf(node, trouble);
  const evacuated = Object.values(node.evacuated ?? {});
  const { kind, startedAt, stillDown, rescue, movedStopped, instead, cause } = trouble;
  const down = stillDown.map(({ vmid }) => vmid).join();
  const said = [kind, state, cause, evacuated.length, rescue.length, movedStopped.length, down].join(' ');
  if (said !== trouble.said) {
    const opens = trouble.said === undefined;
    trouble.said = said;
    delete trouble.instead;
    saying.say({
      kind,
      severity: kind !== 'node-lost' ? 'notice' : trouble.confirmed ? 'critical' : 'warning',
      incident: `node/${name}`,
      phase: opens ? 'opens' : 'goes-on',
      node: name,
      at: trouble.at ?? saying.at,
      startedAt,
      guests: trouble.guests,
      text: textOf(saying, name, node, trouble, state),
      facts: {
        state,
        ...(cause || kind === 'node-lost' ? { cause: cause ?? causeWords(node) } : {}),
        ...(kind === 'node-maintenance' ? {} : { stillDown: plain(stillDown) }),
        ...(movedStopped.length ? { movedStopped: plain(movedStopped) } : {}),
        ...(rescue.length ? { rescue } : {}),
        ...(trouble.fencedAt === undefined ? {} : { fencedAt: trouble.fencedAt }),
        ...(kind === 'node-maintenance' ? { evacuated: plain(evacuated).map((guest) => ({ guest })) } : {}),
        ...(saying.memory.disarm && kind === 'node-lost' ? { disarmed: true } : {}),
        ...(instead ? { instead } : {}),
      },
    });
  }
  sayStalled(saying, name, node, trouble);
}

const plain = (guests: readonly GuestName[]) => guests.map((guest) => ({ ...guest }));

function causeWords(node: NodeMemory): string {
  return node.cutSince === undefined ? 'no sign of life' : 'cut off: it answers, but has no quorum';
}

function stateOf(node: NodeMemory, trouble: NodeTrouble): string {
  if (trouble.kind !== 'node-lost') return trouble.wasAway ? 'away' : 'begins';
  if (trouble.fencedAt !== undefined) return 'fenced';
  if (trouble.fenceSince !== undefined) return 'fencing';
  if (trouble.confirmed) return 'lost';
  return node.cutSince === undefined ? 'silent' : 'cut off';
}

function textOf(saying: Saying, name: string, node: NodeMemory, trouble: NodeTrouble, state: string): string {
  const { guests, stillDown, rescue, startedAt, kind, cause } = trouble;
  const managed = guests.filter((guest) => !stillDown.includes(guest));
  const silent = `silent for ${span(saying.at - startedAt)}`;
  const lines: string[] = [];
  if (kind === 'node-reboot') lines.push(`${name} reboots; its services are frozen, not moved`);
  else if (kind === 'node-shutdown') lines.push(`${name} is being shut down in order`);
  else if (kind === 'node-maintenance') {
    const gone = Object.values(node.evacuated ?? {});
    lines.push(`${name} in maintenance${cause ? ` (${cause})` : ''}`);
    if (gone.length) lines.push(`Moved away: ${list(gone)}`);
  } else {
    const words = {
      silent: `${name} ${silent}`,
      'cut off': `${name} is cut off: no quorum there, the others go on without it`,
      lost: `${name} LOST, ${silent}`,
      fencing: `${name} LOST, ${silent}; HA is fencing it`,
      fenced: `${name} LOST and fenced after ${span((trouble.fencedAt ?? saying.at) - startedAt)}`,
    };
    lines.push(`${words[state as keyof typeof words]}${cause ? `; ${cause}` : ''}`);
    if (saying.memory.disarm) lines.push('HA is disarmed: nothing will be started elsewhere');
    else if (managed.length && state !== 'fenced') lines.push(`HA starts elsewhere: ${list(managed)}`);
  }
  if (stillDown.length) lines.push(`NOT HA, still down: ${list(stillDown)}`);
  if (rescue.length)
    lines.push(
      `RESCUE: keep ${name} OFF; its return erases the lost minutes (${rescue.map(({ job }) => job).join(', ')})`,
    );
  return lines.join('\n');
}

function sayStalled(saying: Saying, name: string, node: NodeMemory, trouble: NodeTrouble): void {
  const services = Object.values(saying.memory.services).filter((service) => service.node === name);
  const held = services.some(({ crm }) => crm === 'fence') || (services.length === 0 && node.state === 'fence');
  const fencing = trouble.fencedAt === undefined && held;
  const { at } = saying;
  if (trouble.stalledSince === undefined) {
    if (!fencing || trouble.fenceSince === undefined || at - trouble.fenceSince <= FENCE_STALLED) return;
    trouble.stalledSince = at;
  } else if (fencing || trouble.fencedAt === undefined) return;
  const over = !fencing;
  const since = trouble.fenceSince ?? trouble.stalledSince;
  if (over) delete trouble.stalledSince;
  if (over) trouble.fenceSince = at;
  saying.say({
    kind: 'fencing-stalled',
    severity: 'critical',
    incident: `node/${name}`,
    phase: 'goes-on',
    node: name,
    at,
    startedAt: since,
    ...(over ? { endedAt: at } : {}),
    guests: trouble.guests.filter(({ sid }) => sid !== undefined),
    text: over
      ? `${name} is fenced at last, after ${span(at - since)}`
      : `Fencing of ${name} hangs for ${span(at - since)}; its services wait. Make sure that it is off`,
    facts: {},
  });
}

/** A lost or shut down node is there again. */
export function sayBack(saying: Saying, name: string, node: NodeMemory, trouble: NodeTrouble): void {
  const { at } = saying;
  const { startedAt, kind, confirmed, moved } = trouble;
  const brief = kind === 'node-lost' && !confirmed && moved === 0;
  if (trouble.said === undefined && !brief) sayTrouble(saying, name, node, trouble);
  const away = span(at - startedAt);
  saying.say({
    kind: brief ? 'node-unreachable-brief' : 'node-back',
    severity: brief ? 'warning' : 'info',
    incident: `node/${name}`,
    phase: 'ends',
    node: name,
    at,
    startedAt,
    endedAt: at,
    text: brief ? `${name} was unreachable for at most ${away}; nothing was moved` : `${name} is back after ${away}`,
    facts: {
      ...(brief ? { instead: ['node-lost'] satisfies News['kind'][] } : {}),
      ...(trouble.rescue.length ? { rescue: trouble.rescue } : {}),
    },
  });
  end(node, at);
}

/** The end of a reboot or a maintenance. */
export function leave(
  saying: Saying,
  name: string,
  node: NodeMemory,
  kind: 'node-reboot' | 'node-back-from-maintenance',
): void {
  const { at } = saying;
  const trouble = node.open!;
  const { startedAt } = trouble;
  if (kind === 'node-back-from-maintenance') {
    end(node, at);
    node.movedBack = {};
    sayMovedBack(saying, name, node);
    return;
  }
  saying.say({
    kind,
    severity: 'notice',
    incident: `node/${name}`,
    phase: 'ends',
    node: name,
    at,
    startedAt,
    endedAt: at,
    guests: trouble.guests,
    text: `${name} rebooted in ${span(at - startedAt)}; its services run again`,
    facts: { movedGuests: [], ...(trouble.instead ? { instead: trouble.instead } : {}) },
  });
  end(node, at);
}

/** Back from maintenance, and which of its guests are home again. */
export function sayMovedBack(saying: Saying, name: string, node: NodeMemory): void {
  const home = Object.values(node.movedBack ?? {});
  saying.say({
    kind: 'node-back-from-maintenance',
    severity: 'info',
    incident: `node/${name}`,
    phase: 'ends',
    node: name,
    at: node.backAt ?? saying.at,
    text: [`${name} is back from maintenance`, ...(home.length ? [`Moved back: ${list(home)}`] : [])].join('\n'),
    facts: { movedBack: plain(home) },
  });
}

function end(node: NodeMemory, at: number): void {
  delete node.open;
  forgetCut(node);
  node.backAt = at;
}
