import { fail } from '../../src/contracts/failure.ts';

/**
 * The only place where an argument vector becomes a command line, for a POSIX shell. Every word is quoted, so that
 * no reserved word, assignment, option or glob can come of one. Throws Failed bad-input for what no argument can
 * hold: a NUL, or half a surrogate pair (it would arrive as another character).
 */
export function quoteArgs(argv: readonly string[]): string {
  return argv.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  if (word.includes('\0')) return unfit('it holds a NUL');
  if (!word.isWellFormed()) return unfit('it holds half a character');
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function unfit(why: string): never {
  return fail('bad-input', { what: 'the command was not sent', why, next: 'write it without', sent: 'no' });
}
