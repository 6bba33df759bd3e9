import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { habit } from '../handlers/habits.ts';
import { commands } from '../handlers/index.ts';
import { cluster } from '../handlers/options.ts';
import { Failed, type Failure } from '../src/contracts/failure.ts';
import {
  checkOptions,
  missingOptions,
  nearest,
  type Parsed,
  parseStructured,
  parseText,
  typedAgain,
} from '../src/parse.ts';
import { makeRegistry } from '../src/registry.ts';
import { cutWords, quoteWord } from '../src/words.ts';

const ROOT = '/pve ';
const registry = makeRegistry(commands, ['off', 'lab'], cluster);
const parse = (text: string): Parsed => parseText(text, registry, habit, ROOT);
const read = (text: string) => {
  const { command, options } = parse(text);
  return [command.name, options];
};

/** The failure of something that must fail; any other error is a bug. */
function failureOf(work: () => unknown): Failure {
  try {
    work();
  } catch (error) {
    if (error instanceof Failed) return error.failure;
    throw error;
  }
  throw new Error('nothing failed');
}

/** Runs it; only an expected failure may come out, and it says what, why and what next. */
function soundOrFailed(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Failed);
    const { kind, what, why, next } = (error as Failed).failure;
    expect(kind).toBe('bad-input');
    expect([what, why, next].every((text) => text.length > 0)).toBe(true);
  }
}

/** Any UTF-16, lone surrogates included, with a lean towards what the parser looks at. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(...' \t\n:"\'“”„‘’«»\\-?', '--help', 'ct', 'create', 'help', 'node:', 'hostname:', '/pve '),
        fc.string({ unit: 'grapheme', maxLength: 4 }),
      ),
    )
    .map((parts) => parts.join('')),
  fc.constantFrom('__proto__:x', 'constructor:x', 'toString', 'ct create __proto__:x', 'ct hasOwnProperty'),
);

describe('cutting what was typed into words', () => {
  test('names, values and bare words are told apart', () => {
    const { bare, named } = cutWords(' ct  create hostname:robotoff\tNODE:ovh1 note:a:b ');
    expect(bare).toEqual(['ct', 'create']);
    expect([...named]).toEqual([
      ['hostname', 'robotoff'],
      ['node', 'ovh1'],
      ['note', 'a:b'],
    ]);
  });

  test.each([
    ['note:"two words"', 'two words'],
    ["note:'two words'", 'two words'],
    ['note:“two words”', 'two words'],
    ['note:”two words”', 'two words'],
    ['note:„two words“', 'two words'],
    ['note:‘two words’', 'two words'],
    ['note:«two words»', 'two words'],
    ['note:"say \\"no\\" \\\\ twice"', 'say "no" \\ twice'],
    ['note:""', ''],
    ['note:', ''],
    ["note:it's", "it's"],
    ['note:C:\\temp', 'C:\\temp'],
    ["note:'a\\b c'", 'a\\b c'],
    ['note:"line\nline"', 'line\nline'],
  ])('%s is read as its author meant it', (text, value) => {
    expect([...cutWords(text).named]).toEqual([['note', value]]);
  });

  test('quotes around a whole word keep it one bare word, colon or not', () => {
    expect(cutWords('help "ct create" "a:b"')).toEqual({ bare: ['help', 'ct create', 'a:b'], named: new Map() });
  });

  test('a quote that is never closed is refused and shows where it begins', () => {
    const { why, next } = failureOf(() => cutWords('ct create hostname:“robotoff node:ovh1'));
    expect(why).toBe('a quote is opened and never closed: “robotoff node:ovh1');
    expect(next).toBe('end it with ”');
  });

  test('an option given twice is refused, whatever its case', () => {
    expect(failureOf(() => cutWords('ct list node:ovh1 Node:ovh2')).why).toBe('node: is given twice');
    expect(failureOf(() => cutWords('ct list node:ovh1 node:ovh1')).why).toBe('node: is given twice');
  });

  test('4,000 characters are read, one more is not', () => {
    expect(cutWords('x'.repeat(4000)).bare).toHaveLength(1);
    expect(failureOf(() => cutWords('x'.repeat(4001))).why).toContain('4001 characters');
  });

  test('any value can be quoted so that it is read back the same', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 4 }), (values) => {
        const text = values.map((value, n) => `o${n}:${quoteWord(value)}`).join(' ');
        fc.pre(text.length <= 4000);
        const { bare, named } = cutWords(text);
        expect(bare).toEqual([]);
        expect([...named]).toEqual(values.map((value, n) => [`o${n}`, value]));
      }),
      { numRuns: 1000 },
    );
  });

  test('any text is cut or refused, and nothing of it is lost', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        soundOrFailed(() => {
          const { bare, named } = cutWords(text);
          for (const word of [...bare, ...named.values()]) if (!text.includes('\\')) expect(text).toContain(word);
        });
      }),
      { numRuns: 2000 },
    );
  });
});

describe('reading a command', () => {
  // biome-ignore format: this is a table
  const sentences: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
    ['ct create hostname:robotoff node:ovh1', 'ct create', { hostname: 'robotoff', node: 'ovh1' }],
    ['CT Create Hostname:robotoff', 'ct create', { hostname: 'robotoff' }],
    ['/pve ct list', 'ct list', {}],
    ['ct create robotoff ovh1', 'ct create', { hostname: 'robotoff', node: 'ovh1' }],
    ['ct create robotoff hostname:other', 'ct create', { hostname: 'other', node: 'robotoff' }],
    ['node:ovh2 ct list', 'ct list', { node: 'ovh2' }],
    ['quorum', 'quorum', {}],
    ['quorum lab', 'quorum', { cluster: 'lab' }],
    ['ct list cluster:lab', 'ct list', { cluster: 'lab' }],
    ['ct show 103', 'ct show', { vmid: '103' }],
    ['pct list', 'ct list', {}],
    ['pct list cluster:lab', 'ct list', { cluster: 'lab' }],
    ['ct 103', 'ct show', { vmid: '103' }],
    ['', 'help', {}],
    ['   ', 'help', {}],
    ['help', 'help', {}],
    ['HELP', 'help', {}],
    ['?', 'help', {}],
    ['--help', 'help', {}],
    ['help ct create', 'help', { command: 'ct create' }],
    ['help "ct create"', 'help', { command: 'ct create' }],
    ['help command:"ct create"', 'help', { command: 'ct create' }],
    ['ct create --help', 'help', { command: 'ct create' }],
    ['ct create -h', 'help', { command: 'ct create' }],
    ['ct create hostname:a ?', 'help', { command: 'ct create' }],
    ['ct help', 'help', { command: 'ct' }],
  ];
  test.each(sentences)('"%s" is %s', (text, name, options) => {
    expect(read(text)).toEqual([name, options]);
  });

  // biome-ignore format: this is a table
  const mistakes: readonly (readonly [string, string, string])[] = [
    ['ct crate hostname:a', 'ct has: create', 'did you mean /pve ct create?'],
    ['ctt list', 'not known', 'did you mean /pve ct list?'],
    ['quorom', 'not known', 'did you mean /pve quorum?'],
    ['replication frobnicate', 'replication has: add, disable', 'try /pve replication list'],
    ['replication', 'replication needs a verb: add, disable', 'try /pve replication list'],
    ['xyzzy', 'not known', '/pve help lists'],
    ['ct create hostnam:robotoff', 'it has no option hostnam:', 'did you mean hostname:?'],
    ['ct create host_name:robotoff', 'it has no option host_name:', 'did you mean hostname:?'],
    ['ct create zzz:1', 'it has no option zzz:', 'its options are hostname: node:'],
    ['ct create host:x', 'it has no option host:', 'did you mean hostname:?'],
    ['whoami zzz:1', 'it has no option zzz:', 'no options: /pve whoami'],
    ['ct create a b c', '"c" stands alone', 'for example /pve ct create'],
    ['qm clone 100', 'commands of its own', 'not cloned from here'],
    ['hostname:robotoff', 'not known', '/pve help lists'],
  ];
  test.each(mistakes)('"%s" is refused with a way on', (text, why, next) => {
    const failed = failureOf(() => parse(text));
    expect(failed.kind).toBe('bad-input');
    expect(failed.why).toContain(why);
    expect(failed.next).toContain(next);
  });

  test('on Discord the way on is written as people type it there', () => {
    expect(failureOf(() => parseText('ct crate', registry, habit, '/')).next).toBe('did you mean /ct create?');
  });

  test('names that every object has are no options and no commands', () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto__']) {
      expect(failureOf(() => parse(`ct create ${name}:x`)).kind).toBe('bad-input');
      expect(failureOf(() => parse(name)).kind).toBe('bad-input');
      expect(failureOf(() => parse(`ct ${name}`)).kind).toBe('bad-input');
      expect(failureOf(() => parseStructured(name, {}, registry, ROOT)).kind).toBe('bad-input');
      const own = JSON.parse(`{"hostname":"a","${name}":"x"}`) as Record<string, string>;
      expect(failureOf(() => parseStructured('ct create', own, registry, ROOT)).why).toBe(`it has no option ${name}:`);
    }
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('any text at all is read or refused in words, by the parser and by every option', () => {
    fc.assert(
      fc.property(fc.constantFrom('', ...registry.commands.keys()), anyText, (name, rest) => {
        soundOrFailed(() => {
          const parsed = parse(`${name} ${rest}`);
          missingOptions(parsed);
          checkOptions(parsed, ROOT);
        });
      }),
      { numRuns: 3000 },
    );
  });

  test('any options already taken apart are read or refused in words', () => {
    const names = fc.oneof(fc.constantFrom('hostname', 'node', 'vmid', 'confirm', 'schedule', 'job', 'id'), anyText);
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...registry.commands.keys()), anyText),
        fc.dictionary(names, anyText, { maxKeys: 5 }),
        (name, options) => {
          soundOrFailed(() => checkOptions(parseStructured(name, options, registry, ROOT), ROOT));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('one command, however it arrives', () => {
  /** A command of the bot with some of its options filled with anything. */
  const filled = fc
    .constantFrom(...registry.commands.values())
    .chain((command) =>
      fc
        .subarray(Object.keys(command.options))
        .chain((names) =>
          fc
            .tuple(...names.map(() => anyText.filter((text) => text !== '')))
            .map((values) => [command.name, Object.fromEntries(names.map((name, n) => [name, values[n]!]))] as const),
        ),
    );

  test('options from a form and options from text are the same options', () => {
    fc.assert(
      fc.property(filled, ([name, options]) => {
        const text = typedAgain(name, options);
        fc.pre(text.length <= 4000);
        const fromText = parse(text);
        const fromForm = parseStructured(name, options, registry, ROOT);
        expect(fromText.command).toBe(fromForm.command);
        expect({ ...fromText.options }).toEqual(fromForm.options);
      }),
      { numRuns: 1000 },
    );
  });

  test('a field left empty in a form is an option not given', () => {
    expect(parseStructured('ct create', { hostname: 'a', node: '' }, registry, ROOT).options).toEqual({
      hostname: 'a',
    });
  });

  test('every example of every command is read as that command, with nothing missing', () => {
    for (const command of registry.commands.values()) {
      expect(command.examples.length).toBeGreaterThan(0);
      for (const example of command.examples) {
        const parsed = parse(example);
        expect([example, parsed.command.name]).toEqual([example, command.name]);
        expect([example, missingOptions(parsed)]).toEqual([example, []]);
        expect(() => checkOptions(parsed, ROOT)).not.toThrow();
      }
    }
  });
});

describe('checking options', () => {
  test('everything that is wrong is named at once', () => {
    const { why, next, parameters } = failureOf(() => checkOptions(parse('ct create hostname:a/b cores:x'), ROOT));
    expect(Object.keys(parameters!)).toEqual(['hostname', 'cores']);
    expect(why).toContain('hostname: "/" cannot be in a hostname');
    expect(why).toContain('cores: "x" is not a number of cores');
    expect(next).toContain('/pve ct create');
  });

  test('what is missing is called missing and can be asked for by a form', () => {
    const parsed = parse('replication add');
    expect(missingOptions(parsed)).toEqual(['vmid', 'target']);
    const { parameters } = failureOf(() => checkOptions(parsed, ROOT));
    expect(parameters).toEqual({ vmid: 'is missing', target: 'is missing' });
  });

  test('what destroys is never answered with an example that could be pasted', () => {
    const { next } = failureOf(() => checkOptions(parse('ct destroy 115'), ROOT));
    expect(next).toBe('type /pve ct destroy vmid:115 confirm:… (confirm: The number once more, to be sure)');
  });
});

describe('did you mean', () => {
  test('a near word is found, a far one is not', () => {
    expect(nearest('hostnme', ['hostname', 'node'])).toBe('hostname');
    expect(nearest('frobnicate', ['hostname', 'node'])).toBeUndefined();
    expect(nearest('', ['node'])).toBeUndefined();
    expect(nearest('anything', [])).toBeUndefined();
  });

  test('an exact word is always its own nearest', () => {
    const words = [...registry.commands.keys()];
    for (const word of words) expect(nearest(word, words)).toBe(word);
  });
});
