import { createPublicKey } from 'node:crypto';

/**
 * SSH public key blobs (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, OpenSSH PROTOCOL.u2f): what is inside the base64
 * of a key line. sshd reads the inner type, so an outer one that differs would show people another key than the one
 * that opens the door.
 */

/** The blob is no key of the type it was said to be; the message says why, without any of its bytes. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

export interface Measured {
  /** As `ssh-keygen -l` prints it: of the modulus for RSA, of the curve otherwise. */
  readonly bits: number;
}

/** Reads one blob to its last byte; throws {@link Malformed}. */
export class Blob {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** So many bytes as they are. */
  bytes(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new Malformed('it is cut off');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  string(): Buffer {
    const left = this.#bytes.length - this.#at;
    if (left < 4) throw new Malformed('it is cut off');
    const length = this.#bytes.readUInt32BE(this.#at);
    if (length > left - 4) throw new Malformed('it is cut off');
    this.#at += 4 + length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A positive number in its only valid spelling: no needless zero byte before it. */
  positive(): Buffer {
    const bytes = this.string();
    const [first, second] = bytes;
    if (first === undefined) throw new Malformed('a number in it is zero');
    if (first >= 0x80) throw new Malformed('a number in it is negative');
    if (first !== 0) return bytes;
    if (second === undefined || second < 0x80) throw new Malformed('a number in it is padded');
    return bytes.subarray(1);
  }

  text(): string {
    return this.string().toString('latin1');
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new Malformed('bytes follow its end');
  }
}

type Reader = (blob: Blob) => number;

const readers: Readonly<Record<string, Reader>> = {
  'ssh-ed25519': ed25519,
  'sk-ssh-ed25519@openssh.com': (blob) => onSecurityKey(blob, ed25519),
  'ecdsa-sha2-nistp256': (blob) => ecdsa(blob, 'nistp256'),
  'ecdsa-sha2-nistp384': (blob) => ecdsa(blob, 'nistp384'),
  'ecdsa-sha2-nistp521': (blob) => ecdsa(blob, 'nistp521'),
  'sk-ecdsa-sha2-nistp256@openssh.com': (blob) => onSecurityKey(blob, (inner) => ecdsa(inner, 'nistp256')),
  'ssh-rsa': rsa,
};

/** The types of key we take. ssh-dss is out of OpenSSH since 10.0, and certificates are no keys of a person. */
export const keyTypes: readonly string[] = Object.keys(readers);

/** Takes a blob apart as a key of `type`, which must be one of {@link keyTypes}; throws {@link Malformed}. */
export function measure(type: string, bytes: Buffer): Measured {
  const blob = new Blob(bytes);
  if (blob.text() !== type) throw new Malformed('the type inside is another one');
  const read = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (!read) throw new Malformed('its type is not known');
  const bits = read(blob);
  blob.end();
  return { bits };
}

function ed25519(blob: Blob): number {
  if (blob.string().length !== 32) throw new Malformed('its point has the wrong length');
  return 256;
}

const curves = {
  nistp256: { jwk: 'P-256', bits: 256 },
  nistp384: { jwk: 'P-384', bits: 384 },
  nistp521: { jwk: 'P-521', bits: 521 },
} as const;

function ecdsa(blob: Blob, name: keyof typeof curves): number {
  if (blob.text() !== name) throw new Malformed('the curve inside is another one');
  const { jwk, bits } = curves[name];
  const size = Math.ceil(bits / 8);
  const point = blob.string();
  if (point.length !== 1 + 2 * size || point[0] !== 4) throw new Malformed('its point is not spelled out in full');
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)].map((half) => half.toString('base64url'));
  try {
    createPublicKey({ key: { kty: 'EC', crv: jwk, x, y }, format: 'jwk' });
  } catch {
    throw new Malformed('its point is not on the curve');
  }
  return bits;
}

/** Hardware keys name the application they were made for; ssh-keygen makes none that does not begin with `ssh:`. */
function onSecurityKey(blob: Blob, inner: Reader): number {
  const bits = inner(blob);
  if (!/^ssh:[\x21-\x7e]{0,124}$/.test(blob.text())) throw new Malformed('it was made for something else than SSH');
  return bits;
}

/** OpenSSL verifies no longer ones (OPENSSL_RSA_MAX_MODULUS_BITS), nor exponents above 64 bits with them. */
const RSA_MAX_BITS = 16_384;
const RSA_MAX_EXPONENT_BYTES = 8;

function rsa(blob: Blob): number {
  const exponent = blob.positive();
  const modulus = blob.positive();
  // With the exponent 1 a signature is its own message: anyone could make one.
  if (!odd(exponent) || (exponent.length === 1 && exponent[0] === 1)) throw new Malformed('its exponent is not valid');
  if (exponent.length > RSA_MAX_EXPONENT_BYTES) throw new Malformed('its exponent is too long');
  if (!odd(modulus)) throw new Malformed('its modulus is even');
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (bits > RSA_MAX_BITS) throw new Malformed(`it has more than ${RSA_MAX_BITS} bits`);
  return bits;
}

const odd = (number: Buffer): boolean => ((number.at(-1) ?? 0) & 1) === 1;
