import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { signerOf } from '../adapters/github/signature.ts';
import { fingerprint, lineOf, mpint, str } from './platforms/github-keys.ts';

/** A signature made with ssh-keygen of OpenSSH 9.2. */
const MESSAGE = 'I am @alice and alice-hub is mine';
const VECTOR = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgaEEd5GTf59FyWrkkPzkxj5kduS
HnmrL38rv4ofsHvvMAAAAHYmFzY3VsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQy
NTUxOQAAAEA+swMr8LyZEpoYHh3KY+y6UHPja8s5iySWV9+R24V7BVygSZgeMKEmK00YLR
+j2ySkoPQs5FPNPG2OGJpaNFkH
-----END SSH SIGNATURE-----
`;
const VECTOR_KEY = 'SHA256:Mm2MeITzqV4kGlicZWvpxBD7axNK2k7tNsI/BqpqrJ0';

const armour = (blob: Buffer): string =>
  `-----BEGIN SSH SIGNATURE-----\n${blob.toString('base64').replaceAll(/.{70}/g, '$&\n')}\n-----END SSH SIGNATURE-----\n`;

interface Parts {
  magic?: string;
  version?: number;
  namespace?: string;
  /** Of what was signed, where it differs from what is said. */
  signedNamespace?: string;
  hash?: string;
  message?: string;
  after?: Buffer;
}

/** Spelled by this file alone: the container, and what is signed. */
function sealed(key: Buffer, make: (signed: Buffer) => Buffer, parts: Parts = {}): string {
  const { magic = 'SSHSIG', version = 1, namespace = 'bascule', hash = 'sha512', message = MESSAGE } = parts;
  const digest = createHash(hash === 'sha1' ? 'sha1' : hash)
    .update(message)
    .digest();
  const signed = Buffer.concat([
    Buffer.from(magic),
    str(parts.signedNamespace ?? namespace),
    str(''),
    str(hash),
    str(digest),
  ]);
  const number = Buffer.alloc(4);
  number.writeUInt32BE(version);
  return armour(
    Buffer.concat([
      Buffer.from(magic),
      number,
      str(key),
      str(namespace),
      str(''),
      str(hash),
      str(make(signed)),
      parts.after ?? Buffer.alloc(0),
    ]),
  );
}

const raw = (key: KeyObject, name: string) => Buffer.from(key.export({ format: 'jwk' })[name] as string, 'base64url');
const printOf = (key: Buffer) => fingerprint(lineOf('any', key));

const ed = generateKeyPairSync('ed25519');
const edKey = Buffer.concat([str('ssh-ed25519'), str(raw(ed.publicKey, 'x'))]);
const edSign = (signed: Buffer) => Buffer.concat([str('ssh-ed25519'), str(sign(null, signed, ed.privateKey))]);

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaKey = Buffer.concat([str('ssh-rsa'), mpint(raw(rsa.publicKey, 'e')), mpint(raw(rsa.publicKey, 'n'))]);
const rsaSign = (name: string, digest: string) => (signed: Buffer) =>
  Buffer.concat([str(name), str(sign(digest, signed, rsa.privateKey))]);

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ecPoint = Buffer.concat([Buffer.from([4]), raw(ec.publicKey, 'x'), raw(ec.publicKey, 'y')]);
const ecPair = (data: Buffer) => {
  const both = sign('sha256', data, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
  return Buffer.concat([mpint(both.subarray(0, 32)), mpint(both.subarray(32))]);
};
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest();

const touch = (flags: number, signed: Buffer, application: string) => {
  const tail = Buffer.from([flags, 0, 0, 0, 7]);
  return { tail, data: Buffer.concat([sha256(application), tail, sha256(signed)]) };
};
const skEdKey = Buffer.concat([str('sk-ssh-ed25519@openssh.com'), str(raw(ed.publicKey, 'x')), str('ssh:')]);
const skEdSign =
  (flags: number, application = 'ssh:') =>
  (signed: Buffer) => {
    const { tail, data } = touch(flags, signed, application);
    return Buffer.concat([str('sk-ssh-ed25519@openssh.com'), str(sign(null, data, ed.privateKey)), tail]);
  };
const skEcType = 'sk-ecdsa-sha2-nistp256@openssh.com';
const skEcKey = Buffer.concat([str(skEcType), str('nistp256'), str(ecPoint), str('ssh:')]);
const skEcSign = (flags: number) => (signed: Buffer) => {
  const { tail, data } = touch(flags, signed, 'ssh:');
  return Buffer.concat([str(skEcType), str(ecPair(data)), tail]);
};

describe('a signature made by ssh-keygen -Y sign', () => {
  test('tells which key signed the message', () => {
    expect(signerOf(MESSAGE, VECTOR)).toBe(VECTOR_KEY);
    expect(signerOf(`${MESSAGE}.`, VECTOR)).toBeUndefined();
  });

  test('survives a chat: blanks for line ends, dashes for hyphens, no armour at all', () => {
    const body = VECTOR.split('\n').slice(1, -2);
    expect(signerOf(MESSAGE, VECTOR.replaceAll('\n', ' '))).toBe(VECTOR_KEY);
    expect(signerOf(MESSAGE, VECTOR.replaceAll('\n', '\r\n'))).toBe(VECTOR_KEY);
    expect(signerOf(MESSAGE, VECTOR.replaceAll('-----', '——-'))).toBe(VECTOR_KEY);
    expect(signerOf(MESSAGE, body.join(''))).toBe(VECTOR_KEY);
  });

  test('of each kind of software key is believed', () => {
    const there = spawnSync('ssh-keygen', ['-?']).error === undefined;
    if (!there) return console.warn('skipped: ssh-keygen is not installed, so its own signatures are not checked');
    const folder = mkdtempSync(join(tmpdir(), 'bascule-sign-'));
    try {
      for (const [type, bits] of [
        ['ed25519', '256'],
        ['ecdsa', '256'],
        ['ecdsa', '384'],
        ['ecdsa', '521'],
        ['rsa', '3072'],
      ] as const) {
        const file = join(folder, `${type}${bits}`);
        execFileSync('ssh-keygen', ['-q', '-t', type, '-b', bits, '-N', '', '-C', '', '-f', file]);
        const print = fingerprint(readFileSync(`${file}.pub`, 'utf8'));
        const made = (namespace: string, ...more: string[]) =>
          execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', namespace, '-f', file, ...more], {
            input: MESSAGE,
            encoding: 'utf8',
            stdio: ['pipe', 'pipe', 'ignore'],
          });
        for (let n = 0; n < 8; n += 1) expect(signerOf(MESSAGE, made('bascule')), type + bits).toBe(print);
        expect(signerOf(MESSAGE, made('bascule', '-O', 'hashalg=sha256')), type + bits).toBe(print);
        expect(signerOf(MESSAGE, made('git')), type + bits).toBeUndefined();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a signature', () => {
  test('of RSA counts with SHA-2 and never with SHA-1', () => {
    for (const [name, digest] of [
      ['rsa-sha2-256', 'sha256'],
      ['rsa-sha2-512', 'sha512'],
    ] as const)
      expect(signerOf(MESSAGE, sealed(rsaKey, rsaSign(name, digest)))).toBe(printOf(rsaKey));
    expect(signerOf(MESSAGE, sealed(rsaKey, rsaSign('ssh-rsa', 'sha1')))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(rsaKey, rsaSign('rsa-sha2-256', 'sha1')))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(rsaKey, rsaSign('constructor', 'sha256')))).toBeUndefined();
  });

  test('of a hardware key counts when somebody touched it, for the application it was made for', () => {
    expect(signerOf(MESSAGE, sealed(skEdKey, skEdSign(1)))).toBe(printOf(skEdKey));
    expect(signerOf(MESSAGE, sealed(skEdKey, skEdSign(5)))).toBe(printOf(skEdKey));
    expect(signerOf(MESSAGE, sealed(skEdKey, skEdSign(0)))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(skEdKey, skEdSign(4)))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(skEdKey, skEdSign(1, 'ssh:other')))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(skEcKey, skEcSign(1)))).toBe(printOf(skEcKey));
    expect(signerOf(MESSAGE, sealed(skEcKey, skEcSign(0)))).toBeUndefined();
  });

  test('of another message, namespace, version, hash or key is none', () => {
    expect(signerOf(MESSAGE, sealed(edKey, edSign))).toBe(printOf(edKey));
    const wrong: Parts[] = [
      { message: 'another' },
      { namespace: 'git' },
      { namespace: 'bascule', signedNamespace: 'git' },
      { magic: 'SSHSIX' },
      { version: 2 },
      { version: 0 },
      { hash: 'sha1' },
      { hash: 'sha384' },
      { after: Buffer.from([0]) },
    ];
    for (const parts of wrong)
      expect(signerOf(MESSAGE, sealed(edKey, edSign, parts)), JSON.stringify(parts)).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(rsaKey, edSign))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(skEdKey, edSign))).toBeUndefined();
    expect(signerOf(MESSAGE, sealed(edKey, skEdSign(1)))).toBeUndefined();
  });

  test('with a bit turned anywhere is none, and nothing ever throws', () => {
    for (const good of [
      sealed(edKey, edSign),
      sealed(skEcKey, skEcSign(1)),
      sealed(rsaKey, rsaSign('rsa-sha2-512', 'sha512')),
    ]) {
      const bytes = Buffer.from(good.split('\n').slice(1, -2).join(''), 'base64');
      for (let bit = 0; bit < bytes.length * 8; bit += 3) {
        const bent = Buffer.from(bytes);
        bent[bit >> 3]! ^= 1 << (bit & 7);
        expect(signerOf(MESSAGE, armour(bent)), `bit ${bit}`).toBeUndefined();
      }
      for (let length = 0; length < bytes.length; length += 1)
        expect(signerOf(MESSAGE, armour(bytes.subarray(0, length)))).toBeUndefined();
    }
  });

  test('that is anything else is none', () => {
    for (const text of [
      '',
      ' ',
      '-----BEGIN SSH SIGNATURE-----',
      'U1NIU0lH',
      'A'.repeat(100_000),
      '\0',
      '====',
      'U1NIU0lH!',
    ])
      expect(signerOf(MESSAGE, text)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(
          signerOf(MESSAGE, armour(Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01', 'latin1'), bytes]))),
        ).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
