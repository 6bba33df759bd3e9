import type { Command, Option } from '../src/contracts/command.ts';

/** The commands as a Markdown table with even columns, for the README beside this file. A test compares the two. */
export function commandTable(commands: readonly Command[]): string {
  const head = ['Command', 'What it does', 'Options', 'Risk'];
  const rows = commands.map((command) =>
    [`\`${command.name}\``, command.summary, optionList(command), command.risk].map(cell),
  );
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((text, at) => text.padEnd(widths[at]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
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
