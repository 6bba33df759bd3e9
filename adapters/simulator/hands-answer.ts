/** Answers of the simulated bascule-node, in the words and codes of the real one (adapters/shell/node/README.md). */

export type Kind =
  | 'bad-input'
  | 'not-found'
  | 'forbidden'
  | 'conflict'
  | 'unavailable'
  | 'refused'
  | 'changed'
  | 'in-doubt'
  | 'internal';

/** Exit code of each kind of failure. */
export const exits: Readonly<Record<Kind, number>> = {
  'bad-input': 2,
  'not-found': 3,
  forbidden: 4,
  conflict: 5,
  unavailable: 6,
  refused: 7,
  changed: 8,
  'in-doubt': 9,
  internal: 10,
};

/** An expected failure of a call. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly kind: Kind;
  readonly what: string;
  readonly why: string;
  readonly next: string;
  constructor(kind: Kind, what: string, why: string, next: string) {
    super(why);
    this.kind = kind;
    this.what = what;
    this.why = why;
    this.next = next;
  }
}

export function fault(kind: Kind, what: string, why: string, next: string): never {
  throw new Fault(kind, what, why, next);
}

export function badInput(why: string): never {
  return fault(
    'bad-input',
    'nothing was done',
    why,
    'correct the request; the verbs and their fields are in the README',
  );
}

/** Bytes travel through the program as strings of one character per byte. */
export const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

const escaped = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** Bytes as text: UTF-8 where they are that, otherwise visible as \xNN; control characters always. */
export function visible(bytes: string, limit = 2000): string {
  const cut = bytes.length > limit;
  const part = cut ? bytes.slice(0, limit) : bytes;
  const text = decoded(part) ?? part.replace(/[^\x20-\x7e\n\t]/g, escaped);
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, escaped) + (cut ? '…' : '');
}

/** Undefined for what is not UTF-8. */
export function decoded(bytes: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined; // the caller shows the bytes instead
  }
}

/** One line of it, for `why`. */
export const oneLine = (bytes: string): string => visible(bytes, 400).replace(/\s+/g, ' ').trim();

/** One line of JSON, ASCII only, keys in order. */
export function encode(answer: unknown): string {
  const ascii = JSON.stringify(sorted(answer)).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${ascii}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value ?? null;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
