import { ApplicationCommandOptionType, InteractionContextType } from 'discord.js';
import type { MenuEntry, MenuOption } from '../../src/contracts/chat.ts';
import { fail } from '../../src/contracts/failure.ts';
import { cut, visible } from '../../src/contracts/visible.ts';
import {
  CHOICE_MAX,
  COMMAND_CHOICES_MAX,
  COMMAND_DESCRIPTION_MAX,
  COMMAND_NAME,
  COMMAND_OPTIONS_MAX,
  COMMAND_TOTAL_MAX,
  COMMANDS_MAX,
} from './limits.ts';

/** A root command as Discord stores it, in the words of its API. */
export interface DiscordCommand {
  readonly name: string;
  readonly description: string;
  readonly options?: readonly (StringOption | Subcommand)[];
  /** A bit set; 0 hides the command from everyone but admins until an admin shows it to others. */
  readonly default_member_permissions: 0;
  readonly contexts: readonly InteractionContextType[];
}

interface Subcommand {
  readonly type: ApplicationCommandOptionType.Subcommand;
  readonly name: string;
  readonly description: string;
  readonly options?: readonly StringOption[];
}

interface StringOption {
  readonly type: ApplicationCommandOptionType.String;
  readonly name: string;
  readonly description: string;
  readonly required?: true;
  readonly autocomplete?: true;
  readonly choices?: readonly { readonly name: string; readonly value: string }[];
}

/** Verbs tried in this order for a noun that is a command itself although it has verbs (`/cluster show`). */
const VERBS_OF_A_NOUN = ['show', 'status', 'all', 'this'];

/** Where each command is found on Discord: `ct create` → root `ct`, verb `create`; `quorum` → root `quorum`, no verb. */
interface Spot {
  readonly root: string;
  readonly verb?: string;
  readonly entry: MenuEntry;
}

/** All root commands of the menu, nouns first come first. Throws Failed internal when Discord would refuse one. */
export function discordCommands(menu: readonly MenuEntry[]): DiscordCommand[] {
  const roots = [...Map.groupBy(spots(menu), (spot) => spot.root)].map(([root, spots]) => command(root, spots));
  if (roots.length > COMMANDS_MAX) unfit('the menu', `has ${roots.length} nouns, Discord allows ${COMMANDS_MAX}`);
  return roots;
}

/** Finds a menu entry by what Discord calls it: the root command and its subcommand, if any. */
export function finder(menu: readonly MenuEntry[]): (root: string, verb?: string) => MenuEntry | undefined {
  const path = (root: string, verb?: string) => (verb === undefined ? root : `${root} ${verb}`);
  const known = new Map(spots(menu).map((spot) => [path(spot.root, spot.verb), spot.entry]));
  return (root, verb) => known.get(path(root, verb));
}

function spots(menu: readonly MenuEntry[]): Spot[] {
  const taken = new Set(menu.map((entry) => entry.name));
  return menu.map((entry) => {
    const [root = '', ...words] = entry.name.split(' ');
    if (words.length > 0) return { root, verb: words.join('-'), entry };
    const hasVerbs = menu.some((other) => other.name.startsWith(`${root} `));
    if (!hasVerbs) return { root, entry };
    const verb = VERBS_OF_A_NOUN.find((word) => !taken.has(`${root} ${word}`));
    return verb ? { root, verb, entry } : unfit(root, 'is a command and a noun, and no verb is left for it');
  });
}

function command(root: string, spots: readonly Spot[]): DiscordCommand {
  const first = spots[0]!;
  const plain = first.verb === undefined;
  const options: (StringOption | Subcommand)[] = plain ? optionsOf(first.entry) : spots.map(subcommand);
  const made: DiscordCommand = {
    name: named(root, root),
    description: described(plain ? first.entry.summary : `${root}: ${spots.map((spot) => spot.verb).join(', ')}`, root),
    ...(options.length > 0 && { options: atMost(options, COMMAND_OPTIONS_MAX, root) }),
    default_member_permissions: 0,
    contexts: [InteractionContextType.Guild],
  };
  const size = weight(made);
  if (size > COMMAND_TOTAL_MAX) unfit(root, `holds ${size} characters, Discord allows ${COMMAND_TOTAL_MAX}`);
  return made;
}

function subcommand({ verb, entry }: Spot): Subcommand {
  const options = optionsOf(entry);
  return {
    type: ApplicationCommandOptionType.Subcommand,
    name: named(verb!, entry.name),
    description: described(entry.summary, entry.name),
    ...(options.length > 0 && { options }),
  };
}

/** Required options first, or Discord refuses the command. */
function optionsOf(entry: MenuEntry): StringOption[] {
  const sorted = [...entry.options].sort((a, b) => Number(b.required) - Number(a.required));
  return atMost(
    sorted.map((option) => stringOption(option, entry.name)),
    COMMAND_OPTIONS_MAX,
    entry.name,
  );
}

function stringOption(option: MenuOption, owner: string): StringOption {
  const closed = closedList(option);
  return {
    type: ApplicationCommandOptionType.String,
    name: named(option.name, `${owner} ${option.name}`),
    description: described(option.summary, `${owner} ${option.name}`),
    ...(option.required && { required: true as const }),
    ...(closed
      ? { choices: closed.map((value) => ({ name: value, value })) }
      : (option.completes || option.choices) && { autocomplete: true as const }),
  };
}

/** Choices Discord can hold; a longer list is completed while typing instead. */
function closedList({ choices }: MenuOption): readonly string[] | undefined {
  const fits = choices && choices.length > 0 && choices.length <= COMMAND_CHOICES_MAX;
  return fits && choices.every((value) => value !== '' && value.length <= CHOICE_MAX) ? choices : undefined;
}

/** Characters Discord counts for one root command: every name, description and choice value in it. */
export function weight(command: DiscordCommand): number {
  const own = (part: { name: string; description: string }) => part.name.length + part.description.length;
  const option = (part: StringOption | Subcommand): number => {
    const inner = 'options' in part ? (part.options ?? []).reduce((sum, one) => sum + option(one), 0) : 0;
    const choices = 'choices' in part ? (part.choices ?? []) : [];
    return own(part) + inner + choices.reduce((sum, one) => sum + one.name.length + one.value.length, 0);
  };
  return own(command) + (command.options ?? []).reduce((sum, one) => sum + option(one), 0);
}

function named(name: string, owner: string): string {
  if (COMMAND_NAME.test(name) && name === name.toLowerCase()) return name;
  return unfit(owner, `cannot be called "${visible(name)}" on Discord: 1 to 32 small letters, digits, - or _`);
}

const described = (summary: string, fallback: string): string =>
  cut(visible(summary).trim() || fallback, COMMAND_DESCRIPTION_MAX);

function atMost<T>(list: readonly T[], max: number, owner: string): T[] {
  return list.length <= max ? [...list] : unfit(owner, `has ${list.length} parts, Discord allows ${max}`);
}

function unfit(owner: string, why: string): never {
  return fail('internal', {
    what: 'Discord cannot hold our commands',
    why: `${owner} ${why}`,
    next: 'report this: the menu of commands has to change',
  });
}
