import type { Table } from '../../src/contracts/card.ts';
import { cut, more } from '../../src/contracts/visible.ts';
import { fencedLines } from './markdown.ts';
import { tableLines } from './table.ts';

/** A part of a card that can be shortened by leaving out whole items at its end. */
export interface Section {
  readonly items: readonly string[];
  readonly noun: 'row' | 'line' | 'fact';
  /** Items that always stay and are not counted: a table's column names. */
  readonly head?: number;
  readonly fenced?: boolean;
  /** Items that were never made since they could not fit. */
  readonly omitted?: number;
}

/** No more items than this can fit an embed in a readable form; the others are only counted. */
export const ITEMS_MAX = 400;

/** A section of the first {@link ITEMS_MAX} of `all`. */
export function section<T>(all: readonly T[], noun: Section['noun'], shown: (item: T) => string): Section {
  return { items: all.slice(0, ITEMS_MAX).map(shown), noun, omitted: Math.max(0, all.length - ITEMS_MAX) };
}

const OPEN = '```\n';
const CLOSE = '\n```';
const BETWEEN = '\n';
const CODE_LINE_MAX = 1000;
/** More parts than this would each get too little room to say anything. */
const SECTIONS_MAX = 16;

export function tableSection({ columns, rows }: Table): Section {
  const lines = tableLines({ columns, rows: rows.slice(0, ITEMS_MAX) });
  return {
    ...section(lines, 'row', (line) => fencedLines(line, CODE_LINE_MAX).join(' ')),
    omitted: Math.max(0, rows.length + 1 - ITEMS_MAX),
    head: 1,
    fenced: true,
  };
}

export const blockSection = (text: string): Section => ({
  ...section(fencedLines(text.replace(/\s+$/, ''), CODE_LINE_MAX), 'line', (line) => line),
  fenced: true,
});

/** All sections in at most `max` characters: small ones whole, the room that is left shared out among the large. */
export function squeezed(sections: readonly Section[], max: number): string {
  const kept = sections.slice(0, SECTIONS_MAX);
  const dropped = sections.length - kept.length;
  const last = dropped > 0 ? BETWEEN + more(dropped, 'block') : '';
  const room = max - last.length - BETWEEN.length * Math.max(0, kept.length - 1);
  const shares = shared(
    kept.map((section) => whole(section).length),
    room,
  );
  return kept.map((section, at) => shortened(section, shares[at]!)).join(BETWEEN) + last;
}

/** Divides `room`: whoever wants less than an even share gets it all, the others share the rest evenly. */
function shared(wanted: readonly number[], room: number): number[] {
  const out = new Array<number>(wanted.length).fill(0);
  const order = wanted.map((_, at) => at).sort((a, b) => wanted[a]! - wanted[b]!);
  let left = room;
  order.forEach((at, served) => {
    out[at] = Math.min(wanted[at]!, Math.floor(left / (order.length - served)));
    left -= out[at]!;
  });
  return out;
}

const wrapped = (section: Section, text: string): string => (section.fenced ? OPEN + text + CLOSE : text);

const whole = (section: Section): string => wrapped(section, ended(section, section.items.length));

function shortened(section: Section, max: number): string {
  if (whole(section).length <= max) return whole(section);
  const room = max - wrapped(section, '').length;
  const keep = fitting(section, room);
  if (keep <= (section.head ?? 0)) return wrapped(section, cut(section.items.join('\n'), room));
  return wrapped(section, ended(section, keep));
}

/** How many items fit into `room` together with the line that counts the others. */
function fitting(section: Section, room: number): number {
  const ending = more(countOf(section, 0), section.noun).length;
  let length = 0;
  const tooMuch = section.items.findIndex((item) => {
    length += item.length + 1;
    return length + ending > room;
  });
  return tooMuch < 0 ? section.items.length : tooMuch;
}

const countOf = (section: Section, kept: number): number => section.items.length - kept + (section.omitted ?? 0);

function ended(section: Section, keep: number): string {
  const rest = countOf(section, keep);
  return [...section.items.slice(0, keep), ...(rest > 0 ? [more(rest, section.noun)] : [])].join('\n');
}
