import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { loadPolicies, type PolicyAction, type PolicyOptions } from '../policies/index.ts';
import { Failed } from '../src/contracts/failure.ts';
import type { Circumstances, Judge, Question, Resource } from '../src/contracts/policy.ts';

/** A small named world for questions of policy: the people, the things and the ordinary Tuesday they meet on. */

export const someActions: readonly PolicyAction[] = [
  { action: 'ct.list', risk: 'read' },
  { action: 'ct.start', risk: 'routine' },
  { action: 'ct.create', risk: 'disruptive' },
  { action: 'ct.destroy', risk: 'destructive' },
  { action: 'run.cancel', risk: 'control' },
];

export const robotoff: Extract<Resource, { type: 'Guest' }> = {
  type: 'Guest',
  cluster: 'ovh',
  vmid: 103,
  name: 'robotoff',
  node: 'ovh1',
  tags: ['prod', 'ml'],
  pool: 'web',
  protected: false,
};

export const request = (over: Partial<Extract<Resource, { type: 'Request' }>> = {}): Resource => ({
  type: 'Request',
  cluster: 'ovh',
  id: 'r1',
  requester: 'olga',
  command: 'ct destroy',
  action: 'ct.destroy',
  risk: 'destructive',
  ...over,
});

/** Tuesday, 14:02, nobody has said anything yet. */
export const tuesday: Circumstances = {
  platform: 'slack',
  channel: 'C1',
  risk: 'routine',
  riskCodes: [],
  weekday: 2,
  minuteOfDay: 14 * 60 + 2,
  approvals: {},
  approvers: 0,
  confirmed: false,
  typed: false,
  secondFactor: false,
  proven: false,
  reason: '',
  readonly: false,
  early: false,
};

const people: Readonly<Record<string, readonly string[]>> = {
  nobody: [],
  vera: ['viewer'],
  olga: ['operator', 'viewer'],
  otto: ['operator', 'viewer'],
  ada: ['admin', 'operator', 'viewer'],
};

export function ask(
  who: string,
  action: string,
  resource: Resource = robotoff,
  over: Partial<Circumstances> = {},
): Question {
  return { person: { id: who, roles: people[who] ?? [] }, action, resource, context: { ...tuesday, ...over } };
}

/** A question by one of the bot's own schedules. */
export function asksItself(
  automation: string,
  action: string,
  resource: Resource = robotoff,
  over: Partial<Circumstances> = {},
): Question {
  const person = { id: `automation:${automation}`, roles: [], automation };
  return { person, action, resource, context: { ...tuesday, ...over } };
}

/** Votes of so many operators. */
export const votesOf = (count: number, role = 'operator') => ({ approvals: { [role]: count }, approvers: count });

export function judge(over: Partial<PolicyOptions> = {}): Judge {
  return loadPolicies({ preset: 'team', roles: {}, actions: someActions, ...over });
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder with site policies, file by file, gone after the tests of the file. */
export function site(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-policies-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Why loading was refused. */
export function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    if (error instanceof Failed) return error.failure.why;
    throw error;
  }
  throw new Error('the policies loaded, but should not have');
}
