import { readFileSync, writeFileSync } from 'node:fs';
import { automations, commands } from '../../handlers/index.ts';
import { commandTable } from '../../handlers/table.ts';
import { settingsTable, table } from './settings.ts';

/**
 * `npm run docs`: writes the parts of the documents that repeat what the code says. A part stands between
 * `<!-- name -->` and `<!-- /name -->`; test/docs.test.ts fails when one differs.
 */
export const root = new URL('../..', import.meta.url).pathname;

const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

/** The part of bascule.example.yaml up to the line of dashes: a watch-only config that starts as it stands. */
export function watchOnly(): string {
  const [first] = read('bascule.example.yaml').split(/^# -{10,}$/m);
  return `${first!
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
    .join('\n')}\n`;
}

/** Commands by what they are about, for people who choose what to try; options are in handlers/README.md. */
function commandsByNoun(): string {
  const rows = commands.map(({ name, summary, risk }) => [`\`${name}\``, summary, risk]);
  return table(['Command', 'What it does', 'Risk'], rows);
}

/** The bot's own schedules, as they run unless the config says another pattern or budget. */
function automationTable(): string {
  const rows = automations.map(({ name, summary, schedule, budget }) => [
    `\`${name}\``,
    summary,
    `\`${schedule}\``,
    String(budget),
  ]);
  return table(['Schedule', 'What it does', 'When', 'Requests a day'], rows);
}

/** The whole text of a file as it should be. */
export const documents: Readonly<Record<string, () => string>> = {
  'README.md': () =>
    filled('README.md', {
      commands: commandsByNoun(),
      automations: automationTable(),
      settings: settingsTable(),
      'watch-only': `\`\`\`yaml\n${watchOnly()}\`\`\``,
    }),
  'handlers/README.md': () => filled('handlers/README.md', { commands: commandTable(commands) }),
};

function filled(file: string, parts: Readonly<Record<string, string>>): string {
  let text = read(file);
  for (const [name, content] of Object.entries(parts)) {
    const [open, close] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`${file} has no ${open.trim()} … ${close.trim()}`);
    text = `${text.slice(0, from + open.length)}${content}${text.slice(to)}`;
  }
  return text;
}

if (import.meta.main) {
  for (const [file, whole] of Object.entries(documents)) {
    const text = whole();
    const changed = text !== read(file);
    if (changed) writeFileSync(`${root}${file}`, text);
    process.stdout.write(`${file}: ${changed ? 'written' : 'as it was'}\n`);
  }
}
