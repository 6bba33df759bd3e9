import type { RequestRecord, StepState, Vote } from '../../src/contracts/records.ts';
import type { Message, StoredStep } from '../../src/contracts/store.ts';
import { type Tables, text } from './schema.ts';

const optional = (value: number | null): number | undefined => (value === null ? undefined : Number(value));

export function toRequest(
  row: Tables['requests'],
  votes: readonly Vote[],
  posted: string | null | undefined,
): RequestRecord {
  return {
    id: row.id,
    state: row.state as RequestRecord['state'],
    cluster: row.cluster,
    command: row.command,
    action: row.action,
    risk: row.risk,
    options: JSON.parse(row.options_json),
    requester: row.requester,
    actor: JSON.parse(row.actor_json),
    place: JSON.parse(row.place_json),
    ...(posted ? { posted: JSON.parse(posted) } : {}),
    plan: JSON.parse(row.plan_json),
    fingerprint: row.fingerprint,
    votes,
    createdAt: Number(row.created_at),
    expiresAt: Number(row.expires_at),
    approvedAt: optional(row.approved_at),
    startedAt: optional(row.started_at),
    endedAt: optional(row.ended_at),
    left: JSON.parse(row.left_json),
    note: row.note,
  };
}

export function fromRequest(record: RequestRecord): Tables['requests'] {
  return {
    id: record.id,
    state: record.state,
    cluster: record.cluster,
    command: record.command,
    action: record.action,
    risk: record.risk,
    options_json: JSON.stringify(record.options),
    requester: record.requester,
    actor_json: JSON.stringify(record.actor),
    place_json: JSON.stringify(record.place),
    plan_json: JSON.stringify(record.plan),
    fingerprint: record.fingerprint,
    created_at: record.createdAt,
    expires_at: record.expiresAt,
    approved_at: record.approvedAt ?? null,
    started_at: record.startedAt ?? null,
    ended_at: record.endedAt ?? null,
    note: text(record.note),
    left_json: JSON.stringify(record.left),
    stop_asked: 0,
  };
}

export function toVote(row: Tables['votes']): Vote {
  return {
    person: row.person,
    kind: row.kind as Vote['kind'],
    fingerprint: row.fingerprint,
    actor: JSON.parse(row.actor_json),
    roles: JSON.parse(row.roles_json),
    typed: Number(row.typed) === 1,
    ...(row.reason ? { reason: row.reason } : {}),
    at: Number(row.at),
  };
}

export function fromVote(request: string, vote: Vote): Tables['votes'] {
  return {
    request,
    person: vote.person,
    kind: vote.kind,
    fingerprint: vote.fingerprint,
    actor_json: JSON.stringify(vote.actor),
    roles_json: JSON.stringify(vote.roles),
    typed: vote.typed ? 1 : 0,
    reason: text(vote.reason ?? ''),
    at: vote.at,
  };
}

export function toStep(row: Tables['steps']): StoredStep {
  return {
    request: row.request,
    n: Number(row.n),
    name: row.name,
    says: row.says,
    state: row.state as StepState,
    upid: row.upid ?? undefined,
    startedAt: optional(row.started_at),
    endedAt: optional(row.ended_at),
    note: row.note,
    ...(row.result_json === null ? {} : { result: JSON.parse(row.result_json) }),
    sent: Number(row.sent),
    ours: Number(row.ours) === 1,
  };
}

export function fromStep(step: StoredStep): Tables['steps'] {
  return {
    request: step.request,
    n: step.n,
    name: step.name,
    says: text(step.says),
    state: step.state,
    upid: step.upid === undefined ? null : text(step.upid),
    started_at: step.startedAt ?? null,
    ended_at: step.endedAt ?? null,
    note: text(step.note),
    sent: step.sent,
    ours: step.ours ? 1 : 0,
    result_json: step.result === undefined ? null : JSON.stringify(step.result),
  };
}

export function toMessage(row: Tables['messages']): Message {
  return {
    key: row.key,
    place: JSON.parse(row.place_json),
    card: JSON.parse(row.card_json),
    version: Number(row.version),
    ...(row.posted_json ? { posted: JSON.parse(row.posted_json) } : {}),
    perhaps: Number(row.sending) === 1 && !row.posted_json,
    shows: Number(row.delivered),
    at: Number(row.at),
  };
}
