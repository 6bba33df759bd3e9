import { fingerprint, type Plan, type PlannedStep } from '../../src/contracts/plan.ts';
import type { RequestRecord } from '../../src/contracts/records.ts';

/** An approved request whose run does these steps: Oscar lets Bob into CT 103. */
export function approvedRequest(steps: readonly PlannedStep[], more: Partial<RequestRecord> = {}): RequestRecord {
  const plan: Plan = {
    command: 'ssh grant',
    version: 1,
    cluster: 'off',
    target: { kind: 'guest', id: '103', name: 'web' },
    title: 'Let bob into CT 103',
    intent: {},
    guards: [],
    observations: [],
    risks: [],
    steps,
    reserves: [],
    locks: ['guest/off/103'],
  };
  return {
    id: 'r1',
    state: 'approved',
    cluster: 'off',
    command: 'ssh grant',
    action: 'ssh.grant',
    risk: 'disruptive',
    options: {},
    requester: 'oscar',
    actor: { platform: 'web', id: 'oscar', name: 'Oscar' },
    place: { platform: 'web', channel: 'ops' },
    plan,
    fingerprint: fingerprint(plan),
    votes: [],
    createdAt: 0,
    expiresAt: 1,
    left: [],
    note: '',
    ...more,
  };
}
