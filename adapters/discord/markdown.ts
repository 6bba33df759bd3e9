import { cut, visible, visibleBlock } from '../../src/contracts/visible.ts';

/** Word joiner: breaks what looks like a mention or a fence where a backslash would be shown. It takes no room. */
const BREAK = '\u2060';

/** Characters that mean something anywhere in a line. `<` opens mentions, timestamps, emoji and command links. */
const ANYWHERE = /[\\*_~`|[\]<>]/g;
/** Headings, subtext, lists and quotes; they count only where a line begins. */
const AT_LINE_START = /^(\s*)([#+-]|\d+(?=\.\s))/;

/**
 * One line of untrusted text as Discord markdown that shows exactly that text. Stricter than discord.js's
 * escapeMarkdown, which leaves headings, lists and masked links alone by default and never touches the underscores
 * of a URL. Discord takes a backslash before any punctuation as "literally".
 */
export function escaped(text: string): string {
  return visible(text)
    .replace(ANYWHERE, '\\$&')
    .replace(AT_LINE_START, (_, blank: string, mark: string) =>
      /\d/.test(mark) ? `${blank}${mark}\\` : `${blank}\\${mark}`,
    )
    .replace(/:\/\//g, '\\://')
    .replace(/@(?=everyone|here)/gi, '\\@');
}

/** {@link escaped}, at most `max` long after escaping, never cut within an escape. */
export function escapedTo(text: string, max: number): string {
  for (let room = max; room > 0; room = Math.floor(room * 0.9)) {
    const fits = escaped(cut(text, room));
    if (fits.length <= max) return fits;
  }
  return '';
}

/** A line of a fenced block: verbatim, except that three backticks cannot be escaped in there (limits.json discord.145). */
export function fencedLines(text: string, lineMax: number): string[] {
  return visibleBlock(text)
    .split('\n')
    .map((line) => cut(line.replace(/``(?=`)/g, `\`\`${BREAK}`), lineMax));
}

/**
 * Text for places that know no markup (footers, button labels, forms), with what would be a mention or a masked link
 * elsewhere taken apart, should a client ever read it as markup.
 */
export function plain(text: string, max: number): string {
  return cut(
    visible(text)
      .trim()
      .replace(/<(?=[@#/:at])|@(?=everyone|here)|\](?=\()/gi, `$&${BREAK}`),
    max,
  );
}
