import { createHash } from 'node:crypto';
import { commands } from '../../handlers/index.ts';
import type { Books } from '../../src/contracts/books.ts';
import type { Card } from '../../src/contracts/card.ts';
import type { MenuEntry } from '../../src/contracts/chat.ts';
import type {
  ChangeCommand,
  Command,
  ControlCommand,
  ControlContext,
  FindPerson,
  PlanContext,
  ReadCommand,
  ReadContext,
  Records,
  Site,
} from '../../src/contracts/command.ts';
import { Failed, type Failure } from '../../src/contracts/failure.ts';
import type { Github } from '../../src/contracts/github.ts';
import type { HouseRules } from '../../src/contracts/house.ts';
import type { Alerts } from '../../src/contracts/incident.ts';
import type { Person } from '../../src/contracts/people.ts';
import type { Plan } from '../../src/contracts/plan.ts';
import type { NodeView } from '../../src/contracts/shell.ts';
import { fakeNodes } from './fake-nodes.ts';
import { type FakeWorld, fakeView, NOW } from './fake-view.ts';

/** Runs commands against a fake world without the pipeline: parse the options, plan or answer. */

export const alice: Person = {
  id: 'alice',
  name: 'Alice',
  roles: ['operator'],
  accounts: { slack: 'U1', discord: '42' },
};

const BASE = '#!/bin/sh\necho ready\n';
export const house: HouseRules = {
  ct: {
    range: [100, 199],
    template: 'debian-13',
    storage: 'local-zfs',
    disk: 8,
    cores: 2,
    memory: 2048,
    swap: 256,
    bridge: 'vmbr0',
    address: '10.1.0.{vmid}/24',
    gateway: '10.1.0.1',
    nameserver: '10.1.0.53',
    unprivileged: true,
    onboot: true,
    protection: true,
    tags: ['chatops'],
    pool: 'chatops',
    replicateTo: ['ovh3', 'ovh4'],
    replicateSchedule: '*/5',
  },
  ssh: {
    lease: 8 * 3600,
    longest: 30 * 86_400,
    sudo: true,
    jump: { node: 'ovh1', account: 'bascule-jump', host: 'jump.example.org', port: 22 },
    removedKeys: 'ask',
  },
  scripts: { base: { text: BASE, sha256: createHash('sha256').update(BASE).digest('hex') } },
  snapshots: [{ vmids: [103], tags: ['prod'], keep: { hourly: 36 * 3600, daily: 5 * 86_400 } }],
};

export function commandNamed(name: string): Command {
  const found = commands.find((command) => command.name === name);
  if (!found) throw new Error(`there is no command ${name}`);
  return found;
}

/** Option text to values, as the pipeline does it; the first problem is thrown as an Error with its message. */
export function parse(command: Command, given: Readonly<Record<string, string>>): never {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(given)) {
    if (!(name in command.options)) throw new Error(`${command.name} has no option ${name}`);
  }
  for (const [name, option] of Object.entries(command.options)) {
    const parsed = option.schema.safeParse(given[name]);
    if (!parsed.success) throw new Error(parsed.error.issues[0]!.message);
    values[name] = parsed.data;
  }
  return values as never;
}

/** Whoever waits is passed by everything that is ready by then. */
const wait = () => new Promise<void>((resolve) => setImmediate(resolve));
const clockAt = (now = NOW) => ({ now: () => now, wait });
const clock = clockAt();

export interface Around {
  readonly house?: HouseRules;
  readonly reserved?: readonly string[];
  /** Epoch milliseconds. */
  readonly now?: number;
  readonly previous?: Plan;
  readonly asker?: Person;
  /** vmids the asker may see. */
  readonly sees?: (vmid: number) => boolean;
  readonly sites?: readonly Site[];
  readonly records?: Records;
  readonly menu?: readonly MenuEntry[];
  readonly nodes?: NodeView;
  readonly may?: ReadContext['may'];
  readonly books?: Books;
  readonly github?: Pick<Github, 'keys'>;
  readonly findPerson?: FindPerson;
  readonly alerts?: Alerts;
  readonly people?: Awaited<ReturnType<PlanContext['people']>>;
}

const noAlerts: Alerts = {
  list: async () => [],
  get: async (id) => Promise.reject(new Error(`no incident ${id}`)),
  card: async ({ id }) => ({ title: id, tone: 'plain' }),
  silences: async () => [],
};
const noBooks: Books = { entries: async () => [], entry: async () => undefined };
const noGithub: Pick<Github, 'keys'> = { keys: () => Promise.reject(new Error('no GitHub in this view')) };
const nobody: FindPerson = async () => undefined;

export async function planOf(
  name: string,
  given: Readonly<Record<string, string>>,
  world: FakeWorld,
  around: Around = {},
): Promise<Plan> {
  const command = commandNamed(name) as ChangeCommand;
  const context: PlanContext = {
    asker: around.asker ?? alice,
    clock: clockAt(around.now),
    root: '/pve ',
    zone: 'Europe/Paris',
    view: fakeView(world, around.sees),
    everything: fakeView(world),
    house: around.house ?? house,
    reserved: new Set(around.reserved ?? []),
    ...(around.previous ? { previous: around.previous } : {}),
    nodes: around.nodes ?? fakeNodes([]),
    books: around.books ?? noBooks,
    github: around.github ?? noGithub,
    findPerson: around.findPerson ?? nobody,
    records: around.records ?? noRecords,
    people: async () => around.people ?? [],
    clusters: [{ name: world.name, view: fakeView(world, around.sees), nodes: around.nodes ?? fakeNodes([]) }],
  };
  return command.plan(parse(command, given), context);
}

/** The refusal of a plan; fails the test when there is none. */
export async function refusalOf(
  name: string,
  given: Readonly<Record<string, string>>,
  world: FakeWorld,
  around: Around = {},
): Promise<Failure> {
  try {
    await planOf(name, given, world, around);
  } catch (error) {
    if (error instanceof Failed) return error.failure;
    throw error;
  }
  throw new Error(`${name} was planned although it should have been refused`);
}

export const noRecords: Records = {
  requests: async () => [],
  request: async () => Promise.reject(new Error('no such request')),
  run: async () => Promise.reject(new Error('no such run')),
  audit: async () => [],
};

export async function answerOf(
  name: string,
  given: Readonly<Record<string, string>>,
  world: FakeWorld,
  around: Around = {},
): Promise<Card> {
  const command = commandNamed(name) as ReadCommand;
  const context: ReadContext = {
    github: around.github ?? noGithub,
    findPerson: around.findPerson ?? nobody,
    people: async () => around.people ?? [],
    nodes: around.nodes ?? fakeNodes([]),
    books: around.books ?? noBooks,
    alerts: around.alerts ?? noAlerts,
    asker: around.asker ?? alice,
    clock,
    root: '/pve ',
    zone: 'Europe/Paris',
    view: fakeView(world, around.sees),
    sites: around.sites ?? [],
    menu: around.menu ?? menuOf(commands),
    may: around.may ?? (() => true),
    records: around.records ?? noRecords,
    clusters: [world.name],
    house: around.house ?? house,
  };
  return command.answer(parse(command, given), context);
}

export async function actOf(
  name: string,
  given: Readonly<Record<string, string>>,
  records: Records,
  cancel: ControlContext['cancel'],
): Promise<Card> {
  const command = commandNamed(name) as ControlCommand;
  return command.act(parse(command, given), {
    asker: alice,
    clock,
    root: '/pve ',
    zone: 'Europe/Paris',
    records,
    cancel,
    prove: async () => {},
    github: {
      ...noGithub,
      signer: () => {
        throw new Error('no GitHub in this view');
      },
    },
  });
}

export function menuOf(all: readonly Command[]): readonly MenuEntry[] {
  return all.map((command) => ({
    name: command.name,
    summary: command.summary,
    examples: command.examples,
    private: command.private ?? false,
    risk: command.risk,
    options: Object.entries(command.options).map(([name, option]) => ({
      name,
      summary: option.summary,
      required: !option.schema.safeParse(undefined).success,
      ...(option.choices ? { choices: option.choices } : {}),
      completes: option.completes !== undefined,
    })),
  }));
}
