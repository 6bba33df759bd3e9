import type { ActionType, SchemaJson, Type } from '@cedar-policy/cedar-wasm/nodejs';
import type { Risk } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';

/** An action as policies name it: `Action::"ct.create"`, a child of the group of its risk. */
export interface PolicyAction {
  readonly action: string;
  readonly risk: Risk;
}

/**
 * Groups of actions. `changes` holds routine, disruptive and destructive: everything that touches a cluster.
 * Control is apart, because stopping and withdrawing must work when changing does not.
 */
const GROUPS = ['read', 'changes', 'routine', 'disruptive', 'destructive', 'control'] as const;
const CHANGING: readonly string[] = ['routine', 'disruptive', 'destructive'];

/** The groups an action of this risk is in, directly or through another. */
export function groupsOf(risk: Risk): readonly string[] {
  return CHANGING.includes(risk) ? [risk, 'changes'] : [risk];
}

type ResourceType = 'Cluster' | 'Node' | 'Guest' | 'Request' | 'Bot';
const ANYTHING: readonly ResourceType[] = ['Cluster', 'Node', 'Guest', 'Request', 'Bot'];

export interface BuiltIn extends PolicyAction {
  /** What the action can be asked about. */
  readonly on: readonly ResourceType[];
}

/** Actions that belong to no command, or that the shipped policies name whether or not a command has them. */
export const BUILT_IN_ACTIONS: readonly BuiltIn[] = [
  { action: 'help', risk: 'read', on: ANYTHING },
  { action: 'whoami', risk: 'read', on: ANYTHING },
  { action: 'cluster.see', risk: 'read', on: ['Cluster'] },
  { action: 'node.see', risk: 'read', on: ['Node'] },
  { action: 'guest.see', risk: 'read', on: ['Guest'] },
  { action: 'request.see', risk: 'read', on: ['Request'] },
  { action: 'audit.show', risk: 'read', on: ANYTHING },
  { action: 'approve', risk: 'control', on: ['Request'] },
  { action: 'deny', risk: 'control', on: ['Request'] },
  { action: 'withdraw', risk: 'control', on: ['Request'] },
  { action: 'run.cancel', risk: 'control', on: ['Request'] },
  // Named by the shipped policies, whether or not the command is there.
  { action: 'ssh.who', risk: 'read', on: ANYTHING },
  /** Who may see the text of files; `file.show` alone shows size, owner and times. */
  { action: 'file.contents', risk: 'read', on: ANYTHING },
  { action: 'file.restore', risk: 'routine', on: ANYTHING },
  { action: 'snapshot.keep', risk: 'routine', on: ANYTHING },
  { action: 'person.add', risk: 'disruptive', on: ANYTHING },
  { action: 'person.prove', risk: 'control', on: ['Request'] },
  { action: 'ssh.grant', risk: 'disruptive', on: ANYTHING },
  { action: 'ssh.revoke', risk: 'routine', on: ANYTHING },
  { action: 'ssh.sync', risk: 'disruptive', on: ANYTHING },
  { action: 'alert.ack', risk: 'control', on: ['Cluster'] },
  { action: 'alert.snooze', risk: 'control', on: ['Cluster'] },
  { action: 'alert.test', risk: 'control', on: ['Cluster'] },
  { action: 'readonly.on', risk: 'control', on: ['Bot', 'Cluster'] },
  { action: 'readonly.off', risk: 'control', on: ['Bot', 'Cluster'] },
];

/**
 * The built-in actions and those of the commands, each once, by name. A command may use a built-in action, but not
 * call it less risky or more: throws Failed internal then, and when two commands disagree about one action.
 */
export function allActions(commands: readonly PolicyAction[]): readonly BuiltIn[] {
  const known = new Map(BUILT_IN_ACTIONS.map((action) => [action.action, action]));
  for (const { action, risk } of commands) {
    const before = known.get(action);
    if ((GROUPS as readonly string[]).includes(action)) clash(action, 'it is the name of a group of actions');
    if (before && before.risk !== risk) clash(action, `it is called both ${before.risk} and ${risk}`);
    if (!before) known.set(action, { action, risk, on: ANYTHING });
  }
  return [...known.values()].sort((a, b) => (a.action < b.action ? -1 : 1));
}

function clash(action: string, why: string): never {
  fail('internal', {
    what: 'the policies were not loaded',
    why: `action ${action} cannot be used: ${why}`,
    next: 'correct the command that names it',
  });
}

const text: Type<string> = { type: 'String' };
const whole: Type<string> = { type: 'Long' };
const yesNo: Type<string> = { type: 'Boolean' };
const texts: Type<string> = { type: 'Set', element: text };
const record = (attributes: Readonly<Record<string, Type<string> & { required?: boolean }>>): Type<string> => ({
  type: 'Record',
  attributes,
});

/**
 * The schema every policy is checked against, from the roles and actions that exist here. `Role` is a closed list,
 * so a misspelt role is an error and not a rule that never applies.
 */
export function schemaFor(roles: readonly string[], actions: readonly BuiltIn[]): SchemaJson<string> {
  return { '': { entityTypes: entityTypes(roles), actions: { ...groups(), ...members(roles, actions) } } };
}

function entityTypes(roles: readonly string[]): SchemaJson<string>[string]['entityTypes'] {
  return {
    Role: { enum: [...roles] },
    Person: { memberOfTypes: ['Role'], shape: record({ id: text }) },
    // The bot's own schedules. They hold no roles, so no rule for people lets them do anything.
    Automation: { shape: record({ id: text }) },
    Bot: {},
    Cluster: { shape: record({ name: text }) },
    Node: { memberOfTypes: ['Cluster'], shape: record({ name: text, cluster: text }) },
    Guest: {
      memberOfTypes: ['Node'],
      shape: record({
        vmid: whole,
        name: text,
        node: text,
        cluster: text,
        tags: texts,
        pool: { ...text, required: false },
        protected: yesNo,
      }),
    },
    // The requester is a text, not a Person: a question does not carry the requester's roles, so a rule such as
    // `resource.requester in Role::"admin"` would silently never hold. As text it does not validate.
    Request: {
      memberOfTypes: ['Cluster'],
      shape: record({ id: text, requester: text, cluster: text, command: text, action: text, risk: text }),
    },
  };
}

function groups(): Record<string, ActionType<string>> {
  return Object.fromEntries(
    GROUPS.map((group) => [group, CHANGING.includes(group) ? { memberOf: [{ id: 'changes' }] } : {}]),
  );
}

function members(roles: readonly string[], actions: readonly BuiltIn[]): Record<string, ActionType<string>> {
  const context = record({
    platform: text,
    channel: text,
    risk: text,
    riskCodes: texts,
    weekday: whole,
    minuteOfDay: whole,
    approvals: record(Object.fromEntries(roles.map((role) => [role, whole]))),
    approvers: whole,
    confirmed: yesNo,
    typed: yesNo,
    secondFactor: yesNo,
    proven: yesNo,
    reason: text,
    readonly: yesNo,
    early: yesNo,
  });
  return Object.fromEntries(
    actions.map(({ action, risk, on }) => [
      action,
      {
        memberOf: [{ id: risk }],
        appliesTo: { principalTypes: ['Person', 'Automation'], resourceTypes: [...on], context },
      },
    ]),
  );
}
