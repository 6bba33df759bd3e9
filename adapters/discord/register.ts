import { type REST, Routes } from 'discord.js';
import type { MenuEntry } from '../../src/contracts/chat.ts';
import { fail } from '../../src/contracts/failure.ts';
import { canonical } from '../../src/contracts/plan.ts';
import { snowflake } from './calls.ts';
import { type DiscordCommand, discordCommands } from './commands.ts';
import { explained } from './failures.ts';
import { closeRest, DISCORD_API, newRest } from './rest.ts';

export interface RegisterOptions {
  readonly botToken: string;
  /** Asked of Discord when not given. */
  readonly applicationId?: string;
  readonly guildId: string;
  readonly apiUrl?: string;
}

/** Names of root commands, each list sorted. `changed` is false when Discord had everything and was left alone. */
export interface Registered {
  readonly changed: boolean;
  readonly added: readonly string[];
  readonly altered: readonly string[];
  readonly removed: readonly string[];
}

type Stored = Partial<DiscordCommand> & { readonly name: string };

/**
 * Makes the server's commands those of the menu: one bulk overwrite, and only when something differs, since Discord
 * allows 200 new commands a day (limits.json discord.128). Throws Failed.
 */
export async function register(options: RegisterOptions, menu: readonly MenuEntry[]): Promise<Registered> {
  const wanted = discordCommands(menu);
  const rest = newRest(options.apiUrl ?? DISCORD_API, options.botToken);
  try {
    const application = snowflake(options.applicationId ?? (await applicationOf(rest)));
    const route = Routes.applicationGuildCommands(application, snowflake(options.guildId));
    const difference = compared((await rest.get(route)) as Stored[], wanted);
    if (difference.changed) await rest.put(route, { body: wanted });
    return difference;
  } catch (error) {
    throw explained(error, 'the commands were not registered on Discord');
  } finally {
    closeRest(rest);
  }
}

async function applicationOf(rest: REST): Promise<string> {
  const { id } = (await rest.get(Routes.currentApplication())) as { id?: string };
  if (id) return id;
  return fail('unavailable', {
    what: 'the commands were not registered on Discord',
    why: 'Discord did not say which application the token belongs to',
    next: 'give applicationId: Developer Portal, General Information',
  });
}

function compared(stored: readonly Stored[], wanted: readonly DiscordCommand[]): Registered {
  const old = new Map(stored.map((command) => [command.name, essence(command)]));
  const names = new Set(wanted.map((command) => command.name));
  const added = [...names].filter((name) => !old.has(name)).sort();
  const removed = [...old.keys()].filter((name) => !names.has(name)).sort();
  const altered = wanted
    .filter((command) => old.has(command.name) && old.get(command.name) !== essence(command))
    .map((command) => command.name)
    .sort();
  return { changed: added.length + removed.length + altered.length > 0, added, altered, removed };
}

/** What we mean by a command, without what Discord adds (ids, version, false and null where we said nothing). */
function essence(command: Stored): string {
  const said = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(said);
    if (value === null || typeof value !== 'object') return value;
    const told = Object.entries(value).filter(([, one]) => one !== null && one !== false && !isEmptyList(one));
    return Object.fromEntries(told.map(([key, one]) => [key, said(one)]));
  };
  const { name, description, options, default_member_permissions: permissions } = command;
  // Discord answers with the bit set as text, and with no contexts for a server's own commands.
  return canonical(said({ name, description, options: options ?? [], permissions: String(permissions) }));
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** The outcome for the person at the terminal, one line each. */
export function told({ changed, added, altered, removed }: Registered): string[] {
  if (!changed) return ['Discord has these commands already; nothing was changed'];
  const line = (what: string, names: readonly string[]) =>
    names.length > 0 ? [`${what}: ${names.map((name) => `/${name}`).join(' ')}`] : [];
  return [...line('added', added), ...line('changed', altered), ...line('removed', removed)];
}
