import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COMMAND, HELPER } from '../adapters/shell/index.ts';
import { quoteArgs } from '../adapters/shell/quote.ts';
import { Failed } from '../src/contracts/failure.ts';

/** What shells treat in their own way, whole words that they know, and ordinary text. */
const pieces = [
  ...`'"\\\`$!*?[]{}()<>|&;#~^=%@:,+-_./ \t\n\r\u0001\u007f`,
  ...['$(id)', '`id`', '${IFS}', "'\\''", "$'\\n'", '\\\n', '&&', '||', '>>', '<<EOF\n', 'EOF\n', '--', '-n', '-e'],
  ...[
    'if',
    'then',
    '!',
    '{',
    'time',
    'A=b',
    '~root',
    '%n',
    '\\c',
    '\\0',
    'é',
    '中',
    '😀',
    '\u202e',
    '\ufeff',
    '\u2028',
  ],
];
const word = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '')) },
);
const vectors = (count: number) =>
  fc.sample(
    fc.array(
      word.filter((text) => text.isWellFormed()),
      { maxLength: 6 },
    ),
    { numRuns: count, seed: 20261121 },
  );

/** Runs many command lines in one shell. Each prints how many words it was given, and then each word, after NULs. */
function throughShell(shell: readonly string[], command: string, sent: readonly (readonly string[])[]): string[][] {
  const script = sent.map((words) => quoteArgs([command, '%s\\0', String(words.length), ...words])).join('\n');
  const [file, ...rest] = shell;
  const printed = execFileSync(file!, [...rest, '-c', script], { encoding: 'utf8', maxBuffer: 64 << 20, env: {} });
  const fields = printed.split('\0');
  const arrived: string[][] = [];
  for (let at = 0; at < fields.length - 1; ) {
    const count = Number(fields[at]);
    arrived.push(fields.slice(at + 1, at + 1 + count));
    at += 1 + count;
  }
  return arrived;
}

describe('an argument vector as a command line', () => {
  test('100,000 hostile vectors go through sh and arrive as they were sent', () => {
    const sent = vectors(100_000);
    for (let at = 0; at < sent.length; at += 400) {
      const batch = sent.slice(at, at + 400);
      expect(throughShell(['/bin/sh'], 'printf', batch)).toEqual(batch);
    }
  });

  test('another program is started by them, not only the shell itself', () => {
    const sent = vectors(300);
    expect(throughShell(['/bin/sh'], '/usr/bin/printf', sent)).toEqual(sent);
  });

  test('bash reads them alike', () => {
    const sent = vectors(400);
    expect(throughShell(['/bin/bash', '--norc'], 'printf', sent)).toEqual(sent);
  });

  test('words that a shell knows are only words, in the first place too', () => {
    for (const first of ['if', '!', '{', 'A=b', 'case', '~', '*', '', ' '])
      expect(
        execFileSync('/bin/sh', ['-c', `f() { printf %s "$1"; }; f ${quoteArgs([first])}`], { encoding: 'utf8' }),
      ).toBe(first);
    expect(() => execFileSync('/bin/sh', ['-c', quoteArgs(['if'])], { stdio: 'pipe' })).toThrow(/not found/);
  });

  test.each([
    ['a NUL', 'a\0b'],
    ['half a character', 'a\ud800b'],
  ])('%s is refused, since no argument can hold it', (_, hostile) => {
    expect(() => quoteArgs(['x', hostile])).toThrow(Failed);
  });
});

test('the one command line is what its words would be', () => {
  const words = ['env', 'LC_ALL=C', 'timeout', '-k', '10', '3600', 'sudo', '-n', HELPER];
  expect(COMMAND).toBe(words.join(' '));
  expect(execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${COMMAND}`], { encoding: 'utf8' }).split('\0')).toEqual([
    ...words,
    '',
  ]);
});
