/**
 * What can come next on the input line. Pure: takes the menu and the text, knows nothing of the page.
 * Result, or undefined when there is nothing to suggest:
 *   { kind: 'choices', from, choices: [{ label, value, about, required }] }  the text from `from` on is replaced
 *   { kind: 'ask', from, command, option, typed, options }                   the server knows the values
 */
export function suggest(menu, text) {
  const start = text.length - bare(text).length;
  const line = text.slice(start);
  const entry = entryOf(menu, line);
  if (!entry) return commands(menu, line, start);
  const tokens = tokenize(line.slice(entry.name.length));
  const last = tokens.at(-1);
  const options = readOptions(entry, tokens.slice(0, -1));
  const from = start + entry.name.length + last.at;
  const [, name, value] = /^([^\s:"]+):(.*)$/s.exec(last.text) ?? [];
  const option = entry.options.find((one) => one.name === name?.toLowerCase());
  if (!option) return optionNames(entry, options, last.text, from);
  return values(entry, option, unquote(value), options, from + name.length + 1);
}

/** Without the root command, which people type out of habit. */
export function bare(text) {
  return text.replace(/^\s*(?:\/pve(?:\s+|$)|\/)?/i, '');
}

/** A value as it has to be typed. */
export function quote(value) {
  return /[\s"]/.test(value) ? `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : value;
}

function entryOf(menu, line) {
  const lower = line.toLowerCase();
  return menu
    .filter(({ name }) => lower.startsWith(`${name} `))
    .sort((a, b) => b.name.length - a.name.length)
    .at(0);
}

function commands(menu, line, from) {
  const typed = line.toLowerCase().replace(/\s+/g, ' ');
  const starting = menu.filter(({ name }) => name.startsWith(typed));
  const holding =
    typed.length < 2 ? [] : menu.filter(({ name }) => !name.startsWith(typed) && name.includes(typed.trim()));
  const choices = [...starting, ...holding]
    .filter(({ name, options }) => name !== typed || options.length > 0)
    .map(({ name, summary, options }) => ({
      label: name,
      about: summary,
      value: options.length > 0 ? `${name} ` : name,
    }));
  return some(choices, from);
}

function optionNames(entry, used, typed, from) {
  const lower = typed.toLowerCase();
  const choices = entry.options
    .filter(({ name }) => !(name in used) && name.startsWith(lower))
    .sort((a, b) => Number(b.required) - Number(a.required))
    .map(({ name, summary, required }) => ({ label: `${name}:`, about: summary, required, value: `${name}:` }));
  return some(choices, from);
}

function values(entry, option, typed, options, from) {
  if (!option.choices) {
    if (!option.completes) return undefined;
    return { kind: 'ask', from, command: entry.name, option: option.name, typed, options };
  }
  const lower = typed.toLowerCase();
  const choices = option.choices
    .filter((choice) => choice.toLowerCase().startsWith(lower))
    .map((choice) => ({ label: choice, value: `${quote(choice)} ` }));
  return some(choices, from);
}

const some = (choices, from) => (choices.length > 0 ? { kind: 'choices', from, choices } : undefined);

/** Words with their places; the last one is what is being typed, and empty after a space. */
function tokenize(text) {
  const tokens = [];
  for (const match of text.matchAll(/(?:[^\s"]|"(?:[^"\\]|\\.)*(?:"|$))+/g))
    tokens.push({ text: match[0], at: match.index });
  const end = tokens.at(-1);
  if (!end || end.at + end.text.length < text.length) tokens.push({ text: '', at: text.length });
  return tokens;
}

function readOptions(entry, tokens) {
  const options = {};
  for (const { text } of tokens) {
    const [, name, value] = /^([^\s:"]+):(.*)$/s.exec(text) ?? [];
    if (entry.options.some((one) => one.name === name?.toLowerCase())) options[name.toLowerCase()] = unquote(value);
  }
  return options;
}

function unquote(value) {
  return value.startsWith('"') ? value.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : value;
}
