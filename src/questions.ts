import { DateTime } from 'luxon';
import type { Place } from './contracts/chat.ts';
import type { Guest } from './contracts/cluster.ts';
import type { Person } from './contracts/people.ts';
import type { Plan } from './contracts/plan.ts';
import type { Circumstances, Question, Resource } from './contracts/policy.ts';
import type { RequestRecord, Vote } from './contracts/records.ts';

/** What every question has in common. */
export interface Scene {
  readonly person: Person;
  readonly place: Place;
  readonly now: number;
  readonly zone: string;
  readonly readonly: boolean;
}

/** Context with nothing approved yet. */
export function circumstances(scene: Scene, risk: string): Circumstances {
  const local = DateTime.fromMillis(scene.now, { zone: scene.zone });
  return {
    platform: scene.place.platform,
    channel: scene.place.channel,
    risk,
    riskCodes: [],
    weekday: local.weekday,
    minuteOfDay: local.hour * 60 + local.minute,
    approvals: {},
    approvers: 0,
    confirmed: false,
    typed: false,
    secondFactor: false,
    proven: false,
    reason: '',
    readonly: scene.readonly,
    early: false,
  };
}

export function question(
  scene: Scene,
  action: string,
  risk: string,
  resource: Resource,
  more: Partial<Circumstances> = {},
): Question {
  const { id, roles, automation } = scene.person;
  return {
    person: { id, roles, ...(automation ? { automation } : {}) },
    action,
    resource,
    context: { ...circumstances(scene, risk), ...more },
  };
}

/** The votes as policy counts them: per person and role, never the requester's, only for this very plan. */
export function tally(
  votes: readonly Vote[],
  requester: string,
  fingerprint: string,
): Pick<Circumstances, 'approvals' | 'approvers' | 'confirmed' | 'typed' | 'proven'> {
  const current = votes.filter((vote) => vote.fingerprint === fingerprint);
  const approvals: Record<string, number> = {};
  const approvers = new Set<string>();
  for (const vote of current) {
    if (vote.kind !== 'approve' || vote.person === requester || approvers.has(vote.person)) continue;
    approvers.add(vote.person);
    for (const role of vote.roles) approvals[role] = (approvals[role] ?? 0) + 1;
  }
  const confirmation = current.filter((vote) => vote.kind === 'confirm' && vote.person === requester);
  return {
    approvals,
    approvers: approvers.size,
    confirmed: confirmation.length > 0,
    typed: confirmation.some((vote) => vote.typed),
    proven: current.some((vote) => vote.kind === 'proof' && vote.person === requester),
  };
}

/** What the plan acts on, as policy sees it. */
export function targetOf(plan: Plan): Resource {
  const { target, cluster } = plan;
  if (target.vmid !== undefined) {
    return {
      type: 'Guest',
      cluster,
      vmid: target.vmid,
      name: target.name,
      node: target.node ?? '',
      tags: target.tags ?? [],
      ...(target.pool ? { pool: target.pool } : {}),
      protected: target.protected ?? false,
    };
  }
  return target.kind === 'node' ? { type: 'Node', cluster, node: target.id } : { type: 'Cluster', cluster };
}

export function guestResource(cluster: string, guest: Guest): Resource {
  return {
    type: 'Guest',
    cluster,
    vmid: guest.vmid,
    name: guest.name,
    node: guest.node,
    tags: guest.tags,
    ...(guest.pool ? { pool: guest.pool } : {}),
    // The list does not tell; rules about protected guests are asked again with the plan, which does.
    protected: false,
  };
}

export function requestResource(
  request: Pick<RequestRecord, 'cluster' | 'id' | 'requester' | 'command' | 'action' | 'risk'>,
): Resource {
  const { cluster, id, requester, command, action, risk } = request;
  return { type: 'Request', cluster, id, requester, command, action, risk };
}
