import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { fingerprintOf } from './keys.ts';
import { Blob, Malformed, measure } from './wire.ts';

/**
 * Signatures as `ssh-keygen -Y sign` makes them (OpenSSH PROTOCOL.sshsig, PROTOCOL.u2f; RFC 8332 for RSA, RFC 5656
 * for ECDSA). What is signed names the namespace and the hash, so that one made for something else proves nothing here.
 */

const NAMESPACE = 'bascule';
const MAGIC = 'SSHSIG';
/** RSA of 16,384 bits: 2 kB of signature, 2 kB of key. */
const LONGEST = 8_192;
const USER_PRESENT = 0x01;

/** Fingerprint of the key that signed `message`; undefined when it is no sound signature of it. Never throws. */
export function signerOf(message: string, signature: string): string | undefined {
  try {
    return checked(message, signature);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function checked(message: string, armoured: string): string | undefined {
  const outer = new Blob(unarmoured(armoured));
  if (outer.bytes(MAGIC.length).toString('latin1') !== MAGIC) throw new Malformed('it is no signature');
  if (outer.bytes(4).readUInt32BE() !== 1) throw new Malformed('its version is not known');
  const key = outer.string();
  const namespace = outer.text();
  const reserved = outer.string();
  const hash = outer.text();
  const signature = outer.string();
  outer.end();
  if (namespace !== NAMESPACE) throw new Malformed('it was made for something else');
  if (hash !== 'sha256' && hash !== 'sha512') throw new Malformed('its hash is not taken');
  const digest = createHash(hash).update(message).digest();
  const signed = Buffer.concat([Buffer.from(MAGIC), ...[namespace, reserved, hash, digest].map(string)]);
  return holds(key, signed, signature) ? fingerprintOf(key) : undefined;
}

/** Base64 between the two armour lines, or alone; chats turn line ends into blanks, and two hyphens into a dash. */
function unarmoured(text: string): Buffer {
  if (text.length > LONGEST * 2) throw new Malformed('it is far too long');
  const bare = text
    .trim()
    .replace(/^[-–—]+\s?BEGIN SSH SIGNATURE[-–—]+/, '')
    .replace(/[-–—]+\s?END SSH SIGNATURE[-–—]+$/, '')
    .replaceAll(/\s/g, '');
  const bytes = Buffer.from(bare, 'base64');
  if (bare === '' || bytes.toString('base64') !== bare) throw new Malformed('its base64 is not clean');
  return bytes;
}

function string(bytes: string | Buffer): Buffer {
  const body = Buffer.from(bytes as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** SHA-1 (`ssh-rsa`) is not among them, whatever the key. */
const RSA: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' };

const CURVES: Readonly<Record<string, readonly [string, string, number]>> = {
  nistp256: ['P-256', 'sha256', 32],
  nistp384: ['P-384', 'sha384', 48],
  nistp521: ['P-521', 'sha512', 66],
};

function holds(key: Buffer, signed: Buffer, signature: Buffer): boolean {
  const blob = new Blob(key);
  const type = blob.text();
  measure(type, key);
  const made = new Blob(signature);
  const algorithm = made.text();
  const bytes = made.string();
  if (type === 'ssh-rsa') {
    made.end();
    const digest = Object.hasOwn(RSA, algorithm) ? RSA[algorithm] : undefined;
    return digest !== undefined && verify(digest, signed, rsaKey(blob), padded(bytes, key));
  }
  if (algorithm !== type) return false;
  if (type === 'ssh-ed25519') {
    made.end();
    return verify(null, signed, ed25519Key(blob), bytes);
  }
  if (type === 'sk-ssh-ed25519@openssh.com') {
    const point = ed25519Key(blob);
    return verify(null, touched(blob, made, signed), point, bytes);
  }
  const curve = blob.text();
  const [jwk, digest, size] = CURVES[curve]!;
  const point = blob.string();
  const half = (n: number) => point.subarray(1 + n * size, 1 + (n + 1) * size).toString('base64url');
  const ec = keyOf({ kty: 'EC', crv: jwk, x: half(0), y: half(1) });
  const data = type.startsWith('sk-') ? touched(blob, made, signed) : signed;
  made.end();
  return verify(digest, data, { key: ec, dsaEncoding: 'ieee-p1363' }, pair(bytes, size));
}

/** What a hardware key signs: the application, whether somebody touched it, a counter, and what was to be signed. */
function touched(key: Blob, made: Blob, signed: Buffer): Buffer {
  const flags = made.bytes(1);
  const counter = made.bytes(4);
  made.end();
  if ((flags[0]! & USER_PRESENT) === 0) throw new Malformed('nobody touched the key');
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
  return Buffer.concat([hash(key.string()), flags, counter, hash(signed)]);
}

const ed25519Key = (blob: Blob): KeyObject =>
  keyOf({ kty: 'OKP', crv: 'Ed25519', x: blob.string().toString('base64url') });

function rsaKey(blob: Blob): KeyObject {
  const [e, n] = [blob.positive(), blob.positive()].map((number) => number.toString('base64url'));
  return keyOf({ kty: 'RSA', n, e });
}

function keyOf(key: Record<string, string | undefined>): KeyObject {
  try {
    return createPublicKey({ key: key as Record<string, string>, format: 'jwk' });
  } catch {
    throw new Malformed('it is no key');
  }
}

/** OpenSSH leaves out leading zero bytes, which RSA counts. */
function padded(signature: Buffer, key: Buffer): Buffer {
  const blob = new Blob(key);
  blob.text();
  blob.positive();
  const size = blob.positive().length;
  if (signature.length > size) throw new Malformed('it is longer than its key');
  return Buffer.concat([Buffer.alloc(size - signature.length), signature]);
}

/** r and s as numbers of SSH, side by side as Node takes them. */
function pair(signature: Buffer, size: number): Buffer {
  const blob = new Blob(signature);
  const halves = [blob.positive(), blob.positive()];
  blob.end();
  if (halves.some((half) => half.length > size)) throw new Malformed('a number in it is too long');
  return Buffer.concat(halves.map((half) => Buffer.concat([Buffer.alloc(size - half.length), half])));
}
