/** One policy as written, with its place in the file. */
export interface PolicyText {
  readonly file: string;
  /** Line of the first character of `text`, from 1. */
  readonly line: number;
  /** From its annotations to the closing semicolon, comments inside included. */
  readonly text: string;
}

const BLANK_OR_COMMENT = /^(?:\s|\/\/[^\n]*)+/;
const PIECE = /"(?:[^"\\]|\\[\s\S])*"|\/\/[^\n]*|;|[^"/;]+|[\s\S]/g;

/**
 * Cuts a file into policies. We cut ourselves because Cedar, given a whole file, renames the policies to `policy0`,
 * `policy1` … and the names people see in answers and in the audit would be lost. In Cedar a semicolon outside of
 * texts and comments always ends a policy. Text that is no policy comes back too, for the parser to refuse.
 */
export function splitPolicies(file: string, source: string): readonly PolicyText[] {
  const found: PolicyText[] = [];
  let start = 0;
  for (const piece of source.matchAll(PIECE)) {
    if (piece[0] !== ';') continue;
    found.push(trimmed(file, source, start, piece.index + 1));
    start = piece.index + 1;
  }
  const rest = trimmed(file, source, start, source.length);
  return rest.text === '' ? found : [...found, rest];
}

function trimmed(file: string, source: string, start: number, end: number): PolicyText {
  const raw = source.slice(start, end);
  const skipped = BLANK_OR_COMMENT.exec(raw)?.[0].length ?? 0;
  return { file, line: lineAt(source, start + skipped), text: raw.slice(skipped) };
}

/** Line of the character at `index`, from 1. */
export function lineAt(source: string, index: number): number {
  return source.slice(0, index).split('\n').length;
}
