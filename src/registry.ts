import type { MenuEntry, MenuOption } from './contracts/chat.ts';
import type { Command, Option, Options } from './contracts/command.ts';

/** Every command takes `cluster:`; with one cluster, or a channel bound to one, nobody needs it. */
export const CLUSTER_OPTION = 'cluster';

export interface Registry {
  readonly commands: ReadonlyMap<string, Command>;
  readonly menu: readonly MenuEntry[];
}

/** Throws when two commands share a name or a read command would change something: programming errors. */
export function makeRegistry(
  commands: readonly Command[],
  clusters: readonly string[],
  clusterOption: Option,
): Registry {
  const byName = new Map<string, Command>();
  for (const command of commands) {
    if (byName.has(command.name)) throw new Error(`two commands are called ${command.name}`);
    const declared = CLUSTER_OPTION in command.options || command.needsCluster === false;
    const options: Options =
      declared || clusters.length < 2 ? command.options : { ...command.options, [CLUSTER_OPTION]: clusterOption };
    byName.set(command.name, { ...command, options } as Command);
  }
  return { commands: byName, menu: [...byName.values()].map(menuEntry) };
}

export function menuEntry(command: Command): MenuEntry {
  const options = Object.entries(command.options).map(([name, option]) => menuOption(name, option));
  return {
    name: command.name,
    summary: command.summary,
    examples: command.examples,
    private: command.private === true,
    risk: command.risk,
    options: [...options.filter((o) => o.required), ...options.filter((o) => !o.required)],
  };
}

function menuOption(name: string, option: Option): MenuOption {
  return {
    name,
    summary: option.summary,
    required: isRequired(option),
    ...(option.choices ? { choices: option.choices } : {}),
    completes: option.completes !== undefined,
  };
}

export function isRequired(option: Option): boolean {
  return !option.schema.safeParse(undefined).success;
}
