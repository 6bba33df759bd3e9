import type { Command, Option } from '../src/contracts/command.ts';

/** The commands as a Markdown table, for the README beside this file. A test compares the two. */
export function commandTable(commands: readonly Command[]): string {
  const rows = commands.map((command) => [
    `\`${command.name}\``,
    command.summary,
    optionList(command),
    command.risk,
    command.examples.map((example) => `\`${example}\``).join('<br>'),
  ]);
  const lines = [
    ['Command', 'What it does', 'Options', 'Risk', 'Examples'],
    ['---', '---', '---', '---', '---'],
    ...rows,
  ];
  return lines.map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
}

/** Required options first; those that may be left out stand in brackets. */
function optionList(command: Command): string {
  const options = Object.entries(command.options);
  const required = options.filter(([, option]) => isRequired(option)).map(([name]) => `\`${name}:\``);
  const rest = options.filter(([, option]) => !isRequired(option)).map(([name]) => `[\`${name}:\`]`);
  return [...required, ...rest].join(' ') || '–';
}

const isRequired = (option: Option): boolean => !option.schema.safeParse(undefined).success;

const cell = (text: string): string => text.replaceAll('|', '\\|');
