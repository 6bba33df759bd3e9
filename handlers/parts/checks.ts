import type { Guest, Membership, Node, Storage } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Guard } from '../../src/contracts/plan.ts';
import { size } from './units.ts';

/**
 * Conditions of a change. Each either holds and returns the guard that says so, or throws the refusal.
 * `what` is the refusal's first part: `robotoff was not created`.
 */

export function quorate(membership: Membership, what: string): Guard {
  if (membership.quorate) return { code: 'quorate', says: 'the cluster has quorum' };
  return fail('no-quorum', {
    what,
    why: `no quorum: ${membership.present} of ${membership.needed} needed votes, asked ${membership.asked}`,
    next: 'bring a node or the link back first; nothing can be changed until then',
  });
}

export function knownNode(nodes: readonly Node[], wanted: string, what: string, option = 'node'): Node {
  const found = nodes.find((node) => node.name.toLowerCase() === wanted.toLowerCase());
  return (
    found ??
    fail('not-found', {
      what,
      why: `there is no node ${wanted} here`,
      next: `choose one of ${nodes.map((node) => `${option}:${node.name}`).join(', ')}`,
    })
  );
}

export function online(node: Node, nodes: readonly Node[], what: string, option = 'node'): Guard {
  if (node.online) return { code: `node-online:${node.name}`, says: `${node.name} is online` };
  const others = nodes.filter((other) => other.online).map((other) => `${option}:${other.name}`);
  return fail('unavailable', {
    what,
    why: `${node.name} is offline`,
    next: others.length > 0 ? `choose another: ${others.join(', ')}` : 'wait until it is back',
  });
}

/** The guest's own node must be up: otherwise nothing about the guest can be changed or believed. */
export async function reachable(guest: Guest, { everything }: PlanContext, what: string): Promise<Guard> {
  const node = (await everything.nodes()).find((candidate) => candidate.name === guest.node);
  if (node?.online) return { code: `node-online:${node.name}`, says: `${node.name} is online` };
  return fail('unavailable', {
    what,
    why: `its node ${guest.node} is offline, so its state is unknown`,
    next: 'wait until the node is back, or until HA has moved the guest',
  });
}

export function unlocked(guest: Guest, what: string): Guard {
  if (!guest.lock) return { code: 'unlocked', says: 'no lock is held' };
  const stays = guest.lock === 'create' || guest.lock === 'destroyed';
  return fail('conflict', {
    what,
    why: `it is locked (${guest.lock})`,
    next: stays
      ? `a create or destroy was cut off: on ${guest.node}, ${guest.type === 'lxc' ? 'pct' : 'qm'} unlock ${guest.vmid}`
      : `try again when the ${guest.lock} is over`,
  });
}

/** The storage is there, active, holds root disks and has `gib` free. */
export function roomOn(
  storages: readonly Storage[],
  id: string,
  node: string,
  gib: number,
  what: string,
): { readonly storage: Storage; readonly guards: readonly Guard[] } {
  const storage = storages.find((candidate) => candidate.id === id);
  const fitting = storages.filter((candidate) => candidate.active && candidate.content.includes('rootdir'));
  const next =
    fitting.length > 0
      ? `choose one of ${fitting.map((candidate) => `storage:${candidate.id}`).join(', ')}`
      : `no storage of ${node} takes containers: check its content types and the token's Datastore.Audit`;
  if (!storage) return fail('not-found', { what, why: `${node} has no storage ${id}`, next });
  if (!storage.active) return fail('unavailable', { what, why: `storage ${id} is not active on ${node}`, next });
  if (!storage.content.includes('rootdir')) {
    return fail('bad-input', {
      what,
      why: `storage ${id} takes no containers (content: ${storage.content.join(', ')})`,
      next,
    });
  }
  if (storage.free !== undefined && storage.free < gib * 1024 ** 3) {
    return fail('conflict', {
      what,
      why: `${gib} GiB do not fit: ${size(storage.free)} free on ${id} of ${node}`,
      next: 'choose a smaller disk, another storage or another node',
    });
  }
  const guards: Guard[] = [
    { code: `storage:${node}/${id}`, says: `storage ${id} of ${node} is active and takes containers` },
  ];
  if (storage.free !== undefined) {
    guards.push({ code: `free:${node}/${id}>=${gib}GiB`, says: `${gib} GiB are free on ${id} of ${node}` });
  }
  return { storage, guards };
}

/** What other waiting requests have taken: `vmid/off/112`. */
export function notReserved(context: PlanContext, name: string, thing: string, what: string, next: string): void {
  if (!context.reserved.has(name)) return;
  fail('conflict', { what, why: `${thing} is reserved by another request that is still open`, next });
}
