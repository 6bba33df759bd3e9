/**
 * Making untrusted text safe to look at, for all three renderers. Neither Slack nor Discord strips bidi controls,
 * zero-width or control characters (limits.json both.146): a name that holds U+202E would show another name to
 * whoever approves. So they are spelled out, as `\u{202E}`. Escaping markup is each renderer's own work.
 */

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/** Joins pictures into one, as in a family; anywhere else it is invisible text. */
const JOINED = /(?<=\p{Extended_Pictographic}[\u{1F3FB}-\u{1F3FF}]?\uFE0F?)\u200D(?=\p{Extended_Pictographic})/gu;
/** Asks for the picture or the letter form of the character before it. */
const PICTURE = /(?<=[\p{Emoji}])[\uFE0E\uFE0F]/gu;

const spelled = (character: string): string => `\\u{${character.codePointAt(0)?.toString(16).toUpperCase()}}`;

function spell(text: string, keep: string): string {
  const kept = new Set<number>();
  for (const pattern of [JOINED, PICTURE]) for (const match of text.matchAll(pattern)) kept.add(match.index);
  return text.replace(HIDDEN, (character, at: number) =>
    keep.includes(character) || kept.has(at) ? character : spelled(character),
  );
}

/** One line: what cannot be seen is spelled out, line breaks included, so that no text can fake another line. */
export function visible(text: string): string {
  return spell(text, '');
}

/** Several lines, for code and logs: as {@link visible}, but line breaks stay and tabs become two spaces. */
export function visibleBlock(text: string): string {
  return spell(text.replace(/\r\n/g, '\n').replace(/\t/g, '  '), '\n');
}

export const ELLIPSIS = '…';

/**
 * At most `max` UTF-16 units, which is never fewer than the code points the platforms count (limits.json
 * both.147), cut between graphemes and ended with `…`. A single grapheme longer than `max` (a letter under a
 * thousand accents) is cut between code points.
 */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  if (max < 1) return '';
  const room = max - ELLIPSIS.length;
  return `${text.slice(0, lastBoundary(text, room))}${ELLIPSIS}`;
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The last grapheme boundary at or before `max`, or the last code point boundary when the first grapheme is longer. */
function lastBoundary(text: string, max: number): number {
  // One more than fits is enough to see where the last grapheme that fits ends.
  let at = 0;
  for (const { index } of graphemes.segment(text.slice(0, max + 64))) {
    if (index > max) break;
    at = index;
  }
  if (at > 0) return at;
  const unit = text.charCodeAt(max - 1);
  return unit >= 0xd800 && unit <= 0xdbff ? max - 1 : Math.max(max, 0);
}

/** What takes the place of rows, lines or buttons that did not fit: `… 34 more rows`. */
export function more(count: number, what: 'row' | 'line' | 'fact' | 'block' | 'button' | 'column'): string {
  return `${ELLIPSIS} ${count} more ${what}${count === 1 ? '' : 's'}`;
}

/** Columns a text takes in a fixed-width face: two for East Asian wide characters and pictures, none for accents. */
export function columnsOf(text: string): number {
  let sum = 0;
  for (const { segment } of graphemes.segment(text)) sum += WIDE.test(segment) ? 2 : 1;
  return sum;
}

const WIDE =
  /^(?:\p{Emoji_Presentation}|.\uFE0F|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}])/u;
