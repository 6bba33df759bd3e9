import { codePoints } from '../oracles/limits.ts';
import type { DiscordWorld, Json } from './discord-world.ts';

/** Options of a command by name, as a person fills them in. */
export type OptionValues = Record<string, string | number | boolean>;

const SUB_COMMAND = 1;
const GROUP = 2;
const STRING = 3;
const INTEGER = 4;
const BOOLEAN = 5;
const USER = 6;
const CHANNEL = 7;
const ROLE = 8;
const NUMBER = 10;

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** A registered command found by its words (`ct create`), with the way down to its options. */
export interface Chosen {
  command: Json;
  /** Sub command group and sub command, outermost first. */
  way: Json[];
  options: Json[];
}

export function chosen(world: DiscordWorld, words: string): Chosen {
  const [root = '', ...rest] = words.replace(/^\//, '').split(/\s+/);
  const all = [...world.commands.guild, ...world.commands.global];
  const command = all.find((one) => one.name === root);
  if (!command)
    throw new Error(
      `/${root} is not registered; there is ${all.map((one) => String(one.name)).join(', ') || 'nothing'}`,
    );
  const way: Json[] = [];
  let options = list(command.options);
  for (const word of rest) {
    const next = options.find((one) => one.name === word && [SUB_COMMAND, GROUP].includes(Number(one.type)));
    if (!next) throw new Error(`/${words}: "${word}" is not registered under ${String(way.at(-1)?.name ?? root)}`);
    way.push(next);
    options = list(next.options);
  }
  if (options.some((one) => [SUB_COMMAND, GROUP].includes(Number(one.type))))
    throw new Error(`/${words} is not complete`);
  return { command, way, options };
}

/** What Discord's client sends; refuses what the client would not let through. */
export function filled(
  world: DiscordWorld,
  one: Chosen,
  values: OptionValues,
  focused?: string,
): { data: Json[]; resolved: Json } {
  const resolved: Json = {};
  const unknown = Object.keys(values).find((name) => !one.options.some((option) => option.name === name));
  if (unknown)
    throw new Error(
      `option "${unknown}" is not registered; there is ${one.options.map((option) => String(option.name)).join(', ')}`,
    );
  const data = one.options.flatMap((option): Json[] => {
    const name = String(option.name);
    const value = values[name];
    if (value === undefined) {
      if (option.required === true && focused === undefined) throw new Error(`option "${name}" is required`);
      return [];
    }
    if (name === focused) return [{ name, type: option.type, value: String(value), focused: true }];
    return [{ name, type: option.type, value: checked(world, option, value, resolved, focused !== undefined) }];
  });
  return { data, resolved };
}

/** Wraps options into their sub command and group. */
export const nestedOptions = (one: Chosen, data: Json[]): Json[] =>
  one.way.reduceRight<Json[]>((inner, step) => [{ name: step.name, type: step.type, options: inner }], data);

function checked(
  world: DiscordWorld,
  option: Json,
  value: string | number | boolean,
  resolved: Json,
  typing: boolean,
): unknown {
  const name = String(option.name);
  const fail = (why: string): never => {
    throw new Error(`option "${name}": ${why}`);
  };
  const choices = list(option.choices);
  if (choices.length > 0) {
    const hit = choices.find((one) => one.value === value || one.name === value);
    return hit ? hit.value : fail(`"${value}" is not one of ${choices.map((one) => String(one.name)).join(', ')}`);
  }
  switch (option.type) {
    case STRING: {
      const length = codePoints(String(value));
      if (!typing && length < Number(option.min_length ?? 0)) fail(`needs ${option.min_length} characters`);
      if (length > Number(option.max_length ?? 6000)) fail(`takes ${option.max_length ?? 6000} characters`);
      return String(value);
    }
    case INTEGER:
    case NUMBER: {
      const number = Number(value);
      if (!Number.isFinite(number) || (option.type === INTEGER && !Number.isInteger(number)))
        fail(`"${value}" is no number`);
      if (number < Number(option.min_value ?? -Infinity) || number > Number(option.max_value ?? Infinity))
        fail(`${number} is out of range`);
      return number;
    }
    case BOOLEAN:
      return typeof value === 'boolean' ? value : fail('is true or false');
    default:
      return resolve(world, option, String(value), resolved) ?? fail(`nobody and nothing is called "${value}"`);
  }
}

/** Users, channels and roles travel by id with their objects beside them. */
function resolve(world: DiscordWorld, option: Json, value: string, resolved: Json): string | undefined {
  const add = (shelf: string, id: string, what: Json) => {
    resolved[shelf] = { ...(resolved[shelf] as Json | undefined), [id]: what };
    return id;
  };
  if (option.type === USER) {
    const member = [...world.members.values()].find((one) => one.id === value || one.username === value);
    if (!member) return undefined;
    add('members', member.id, {
      roles: [...member.roles],
      joined_at: '2024-01-01T00:00:00Z',
      permissions: '0',
      flags: 0,
    });
    return add('users', member.id, { id: member.id, username: member.username, discriminator: '0', avatar: null });
  }
  if (option.type === ROLE) {
    const role = [...world.roles.values()].find((one) => one.id === value || one.name === value);
    return role && add('roles', role.id, { ...role });
  }
  if (option.type === CHANNEL) {
    const channel = [...world.channels.values()].find((one) => one.id === value || one.name === value);
    return (
      channel &&
      add('channels', channel.id, { id: channel.id, name: channel.name, type: channel.type, permissions: '0' })
    );
  }
  return undefined;
}
