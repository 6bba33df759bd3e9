import { fail } from './contracts/failure.ts';

/** What somebody typed, cut into bare words and `name:value` pairs. */
export interface Words {
  readonly bare: readonly string[];
  readonly named: ReadonlyMap<string, string>;
}

/** Underscores are in no name of ours, but a name with one must be told that and not pass for a value. */
const NAME = /^([a-z_][a-z0-9_-]{0,31}):/i;
/** Phones and word processors turn quotes into these. */
const QUOTES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '“': '”',
  '”': '”',
  '„': '“',
  '‘': '’',
  '’': '’',
  '«': '»',
};
const LONGEST_TEXT = 4000;

/**
 * Cuts `ct create hostname:robotoff note:"two words"`. Quotes may surround a whole word or the value; inside
 * double quotes a backslash protects the next character. Throws Failed on an open quote, a repeated name and
 * text over 4,000 characters.
 */
export function cutWords(text: string): Words {
  if (text.length > LONGEST_TEXT) {
    fail('bad-input', {
      what: 'The command was not read',
      why: `it has ${text.length} characters, at most ${LONGEST_TEXT} are read`,
      next: 'shorten it',
    });
  }
  const bare: string[] = [];
  const named = new Map<string, string>();
  for (let rest = text.trimStart(); rest !== ''; rest = rest.trimStart()) {
    const name = NAME.exec(rest)?.[1];
    const start = name === undefined ? 0 : name.length + 1;
    const { value, length } = readValue(rest.slice(start));
    rest = rest.slice(start + length);
    if (name === undefined) {
      bare.push(value);
      continue;
    }
    const key = name.toLowerCase();
    if (named.has(key)) {
      fail('bad-input', { what: 'The command was not run', why: `${key}: is given twice`, next: `keep one ${key}:` });
    }
    named.set(key, value);
  }
  return { bare, named };
}

function readValue(text: string): { readonly value: string; readonly length: number } {
  const first = text.charAt(0);
  const close = QUOTES[first];
  if (close === undefined) {
    const length = text.search(/\s/);
    const value = length < 0 ? text : text.slice(0, length);
    return { value, length: value.length };
  }
  let value = '';
  for (let i = 1; i < text.length; i += 1) {
    const c = text.charAt(i);
    if (c === '\\' && first === '"' && i + 1 < text.length) {
      i += 1;
      value += text.charAt(i);
    } else if (c === close || (c === first && first !== '„')) {
      return { value, length: i + 1 };
    } else value += c;
  }
  return fail('bad-input', {
    what: 'The command was not read',
    why: `a quote is opened and never closed: ${text.slice(0, 40)}`,
    next: `end it with ${close}`,
  });
}

/** Puts a value back so that {@link cutWords} reads the same. */
export function quoteWord(value: string): string {
  return /^[^\s"'“”„‘’«»\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&').replaceAll('”', '\\”')}"`;
}
