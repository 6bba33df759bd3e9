import { distance } from 'fastest-levenshtein';
import type { Command } from './contracts/command.ts';
import { fail } from './contracts/failure.ts';
import { CLUSTER_OPTION, isRequired, type Registry } from './registry.ts';
import { cutWords, quoteWord, type Words } from './words.ts';

/** A command with its options as text, nothing checked yet but their names. */
export interface Parsed {
  readonly command: Command;
  readonly options: Readonly<Record<string, string>>;
}

/** What an admin types out of habit, as our command or as a hint; handlers/habits.ts. */
export type Habit = (words: readonly string[]) => { readonly text: string } | { readonly hint: string } | undefined;

/** Reads `noun verb name:value …`. Throws Failed with a suggestion for everything it cannot read. */
export function parseText(text: string, registry: Registry, habit: Habit, root: string): Parsed {
  const words = cutWords(text.startsWith(root) ? text.slice(root.length) : text);
  const help = helpAsked(words, registry);
  if (help) return help;
  const found = findCommand(words, registry);
  if (found) return takeOptions(found.command, { ...words, bare: words.bare.slice(found.used) }, root);
  const known = habit(words.bare);
  if (known && 'text' in known) return parseText(`${known.text}${namedAgain(words)}`, registry, () => undefined, root);
  if (known)
    return fail('bad-input', {
      what: `${words.bare.join(' ')} is not run here`,
      why: 'Bascule has commands of its own',
      next: known.hint,
    });
  return unknownCommand(words, registry, root);
}

const namedAgain = (words: Words): string =>
  [...words.named].map(([name, value]) => ` ${name}:${quoteWord(value)}`).join('');

/** `help ct create`, `ct create --help`, `ct help`, and nothing at all. */
function helpAsked(words: Words, registry: Registry): Parsed | undefined {
  const help = registry.commands.get('help');
  if (!help) return undefined;
  const bare = words.bare.filter((word) => !['--help', '-h', '?', 'help'].includes(word.toLowerCase()));
  if (words.bare.length === 0 && words.named.size === 0) return { command: help, options: {} };
  if (bare.length === words.bare.length) return undefined;
  const about = bare.join(' ').toLowerCase() || words.named.get('command');
  return { command: help, options: about ? { command: about } : {} };
}

function findCommand(
  words: Words,
  registry: Registry,
): { readonly command: Command; readonly used: number } | undefined {
  for (const used of [2, 1]) {
    if (words.bare.length < used) continue;
    const command = registry.commands.get(words.bare.slice(0, used).join(' ').toLowerCase());
    if (command) return { command, used };
  }
  return undefined;
}

function unknownCommand(words: Words, registry: Registry, root: string): never {
  const noun = words.bare[0]?.toLowerCase() ?? '';
  const typed = words.bare.slice(0, 2).join(' ').toLowerCase();
  const verbs = [...registry.commands.keys()].filter((name) => name.startsWith(`${noun} `));
  const what = typed ? `There is no command ${typed}` : 'No command was given';
  // A noun alone is near its shortest command, which may well be one that changes something: nobody meant that.
  const near = verbs.length > 0 && typed === noun ? undefined : nearest(typed, [...registry.commands.keys()]);
  if (verbs.length > 0) {
    const looking = verbs.find((name) => registry.commands.get(name)?.risk === 'read') ?? verbs[0];
    const why =
      words.bare.length > 1
        ? `${noun} has: ${verbs.map((v) => v.slice(noun.length + 1)).join(', ')}`
        : `${noun} needs a verb: ${verbs.map((v) => v.slice(noun.length + 1)).join(', ')}`;
    return fail('bad-input', { what, why, next: near ? `did you mean ${root}${near}?` : `try ${root}${looking}` });
  }
  return fail('bad-input', {
    what,
    why: 'the word is not known here',
    next: near ? `did you mean ${root}${near}?` : `${root}help lists what you may run`,
  });
}

/** The candidate close enough to be meant: at most a third of its letters differ. */
export function nearest(typed: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const d = distance(typed, candidate);
    if (d < least && d <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      least = d;
    }
  }
  return best;
}

/** The one candidate of which the typed word is the beginning: `host` is `hostname`. */
function begun(typed: string, candidates: readonly string[]): string | undefined {
  const [only, ...others] = typed.length < 2 ? [] : candidates.filter((candidate) => candidate.startsWith(typed));
  return others.length === 0 ? only : undefined;
}

function takeOptions(command: Command, words: Words, root: string): Parsed {
  const options: Record<string, string> = Object.create(null);
  for (const [name, value] of words.named) {
    checkName(command, name, root);
    options[name] = value;
  }
  const slots = (command.positional ?? []).filter((name) => options[name] === undefined);
  for (const [i, word] of words.bare.entries()) {
    const slot = slots[i];
    if (slot === undefined) {
      fail('bad-input', {
        what: `${command.name} was not run`,
        why: `"${word}" stands alone; options are written name:value`,
        next: `for example ${root}${command.examples[0] ?? command.name}`,
      });
    }
    options[slot] = word;
  }
  return { command, options: { ...options } };
}

function checkName(command: Command, name: string, root: string): void {
  if (Object.hasOwn(command.options, name) || name === CLUSTER_OPTION) return;
  const names = Object.keys(command.options);
  const near = nearest(name, names) ?? begun(name, names);
  fail('bad-input', {
    what: `${command.name} was not run`,
    why: `it has no option ${name}:`,
    next: near
      ? `did you mean ${near}:?`
      : names.length > 0
        ? `its options are ${names.map((n) => `${n}:`).join(' ')}`
        : `it has no options: ${root}${command.name}`,
  });
}

/** A command and options already taken apart (Discord, forms): the names are checked all the same. */
export function parseStructured(
  name: string,
  options: Readonly<Record<string, string>>,
  registry: Registry,
  root: string,
): Parsed {
  const command = registry.commands.get(name);
  if (!command) return unknownCommand({ bare: name.split(' '), named: new Map() }, registry, root);
  for (const option of Object.keys(options)) checkName(command, option, root);
  return { command, options: Object.fromEntries(Object.entries(options).filter(([, value]) => value !== '')) };
}

/** Runs every option through its schema; names all that is wrong at once. */
export function checkOptions(parsed: Parsed, root: string): Readonly<Record<string, unknown>> {
  const { command, options } = parsed;
  const values: Record<string, unknown> = {};
  const wrong: Record<string, string> = {};
  for (const [name, option] of Object.entries(command.options)) {
    const result = option.schema.safeParse(options[name]);
    if (result.success) values[name] = result.data;
    else if (options[name] === undefined) wrong[name] = 'is missing';
    else wrong[name] = result.error.issues.map((issue) => issue.message).join('; ');
  }
  const names = Object.keys(wrong);
  if (names.length === 0) return values;
  return fail('bad-input', {
    what: `${command.name} was not run`,
    why: names.map((name) => `${name}: ${wrong[name]}`).join('\n'),
    next:
      command.risk === 'destructive'
        ? typedAnew(parsed, names, root)
        : `for example ${root}${command.examples[0] ?? command.name}`,
    parameters: wrong,
  });
}

/** What to type for what destroys: their own words with gaps, never an example whose target might exist. */
function typedAnew({ command, options }: Parsed, names: readonly string[], root: string): string {
  const right = Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
  const gaps = names.map((name) => `${name}:…`).join(' ');
  const says = names.map((name) => `${name}: ${command.options[name]?.summary ?? ''}`).join('; ');
  return `type ${root}${typedAgain(command.name, right)} ${gaps} (${says})`;
}

/** Names of required options that are not there, so that a form can ask for them. */
export function missingOptions(parsed: Parsed): readonly string[] {
  return Object.entries(parsed.command.options)
    .filter(([name, option]) => parsed.options[name] === undefined && isRequired(option))
    .map(([name]) => name);
}

/** The command as it can be typed again. */
export function typedAgain(name: string, options: Readonly<Record<string, string>>): string {
  return [name, ...Object.entries(options).map(([key, value]) => `${key}:${quoteWord(value)}`)].join(' ');
}
