import { schemaProblems, strayFields } from './discord-api.ts';
import { codePoints, limit, limitsPresent, range } from './limits.ts';
import type { Problem } from './slack-shapes.ts';

type Json = Record<string, unknown>;
const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/**
 * Characters of one root command as Discord counts them: names, descriptions and choice values of the
 * command and all nested options; the largest localization counts where it is longer.
 */
export function commandCharacters(command: Json): number {
  const own =
    longest(command.name, command.name_localizations) + longest(command.description, command.description_localizations);
  const choices = list(command.choices).reduce(
    (sum, one) =>
      sum + longest(one.name, one.name_localizations) + (typeof one.value === 'string' ? codePoints(one.value) : 0),
    0,
  );
  return own + choices + list(command.options).reduce((sum, one) => sum + commandCharacters(one), 0);
}

function longest(text: unknown, localized: unknown): number {
  const all = [text, ...Object.values((localized ?? {}) as Json)];
  return Math.max(0, ...all.map((one) => (typeof one === 'string' ? codePoints(one) : 0)));
}

/** What Discord refuses in one command registered by PUT, by its description and by its written rules. */
export function commandProblems(command: Json): Problem[] {
  const problems = schemaProblems('ApplicationCommandUpdateRequest', withNumericPermissions(command));
  for (const stray of strayFields('ApplicationCommandUpdateRequest', command))
    problems.push({ pointer: stray, message: 'unknown field' });
  if (!limitsPresent) return problems;
  const total = commandCharacters(command);
  const most = limit('command total', 'max_len');
  if (total > most) problems.push({ pointer: '', message: `${total} characters, ${most} are allowed` });
  return [...problems, ...optionProblems(command, '')];
}

/** The written reference has permissions as a string of digits, the description as an integer; Discord takes both. */
function withNumericPermissions(command: Json): Json {
  const permissions = command.default_member_permissions;
  if (typeof permissions !== 'string' || !/^\d+$/.test(permissions)) return command;
  return { ...command, default_member_permissions: Number(permissions) };
}

const NAME = /^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$/u;

function optionProblems(command: Json, at: string): Problem[] {
  const problems: Problem[] = [];
  const name = String(command.name);
  if (!NAME.test(name) || name !== name.toLowerCase())
    problems.push({ pointer: `${at}/name`, message: `bad name "${name}"` });
  const description = String(command.description ?? '');
  if (description === '' || codePoints(description) > range('command.description', 'len_range').max)
    problems.push({ pointer: `${at}/description`, message: 'needs 1 to 100 characters' });
  const options = list(command.options);
  if (options.length > limit('command.options', 'max_items'))
    problems.push({ pointer: `${at}/options`, message: 'more than 25 options' });
  if (list(command.choices).length > limit('command.option.choices', 'max_items'))
    problems.push({ pointer: `${at}/choices`, message: 'more than 25 choices' });
  if (command.autocomplete === true && list(command.choices).length > 0)
    problems.push({ pointer: at, message: 'autocomplete and choices exclude each other' });
  const names = options.map((one) => one.name);
  if (new Set(names).size < names.length) problems.push({ pointer: `${at}/options`, message: 'option names repeat' });
  const firstOptional = options.findIndex((one) => one.required !== true);
  if (firstOptional >= 0 && options.slice(firstOptional).some((one) => one.required === true))
    problems.push({ pointer: `${at}/options`, message: 'required options come before optional ones' });
  return [...problems, ...options.flatMap((one, index) => optionProblems(one, `${at}/options/${index}`))];
}
