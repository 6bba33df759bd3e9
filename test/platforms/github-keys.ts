import { createHash, generateKeyPairSync } from 'node:crypto';

/** SSH public keys, spelled by this file alone (RFC 4253 §5 and §6.6), so that the code under test has an opponent. */

export function str(bytes: Buffer | string): Buffer {
  const body = Buffer.from(bytes as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

export function mpint(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const bare = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  return str((bare[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bare]) : bare);
}

export const lineOf = (type: string, blob: Buffer, comment = ''): string =>
  `${type} ${blob.toString('base64')}${comment && ` ${comment}`}`;

const jwk = (curve: string) =>
  generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'jwk' }) as { x: string; y: string };

/** The same key for the same seed, another for another. */
export function ed25519(seed: string): string {
  const point = createHash('sha256').update(seed).digest();
  return lineOf('ssh-ed25519', Buffer.concat([str('ssh-ed25519'), str(point)]));
}

export function skEd25519(seed: string, application = 'ssh:'): string {
  const type = 'sk-ssh-ed25519@openssh.com';
  const point = createHash('sha256').update(seed).digest();
  return lineOf(type, Buffer.concat([str(type), str(point), str(application)]));
}

export function point(curve: string): Buffer {
  const { x, y } = jwk(curve);
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
}

export function ecdsa(bits: 256 | 384 | 521): string {
  const type = `ecdsa-sha2-nistp${bits}`;
  return lineOf(type, Buffer.concat([str(type), str(`nistp${bits}`), str(point(`P-${bits}`))]));
}

export function skEcdsa(): string {
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
  return lineOf(type, Buffer.concat([str(type), str('nistp256'), str(point('P-256')), str('ssh:')]));
}

/** No one could sign with it: the modulus is an odd number of that many bits, which is all a public key shows. */
export function rsa(bits: number, seed = 'n', exponent: Buffer = Buffer.from([1, 0, 1])): string {
  const modulus = createHash('shake256', { outputLength: Math.ceil(bits / 8) })
    .update(seed)
    .digest();
  const top = (bits - 1) % 8;
  modulus[0] = (modulus[0]! & ((1 << (top + 1)) - 1)) | (1 << top);
  modulus[modulus.length - 1]! |= 1;
  return lineOf('ssh-rsa', Buffer.concat([str('ssh-rsa'), mpint(exponent), mpint(modulus)]));
}

export function dss(): string {
  const number = createHash('sha512').update('dss').digest();
  return lineOf('ssh-dss', Buffer.concat([str('ssh-dss'), mpint(number), mpint(number), mpint(number), mpint(number)]));
}

/** Written the other way round than the code under test does it: straight from the line. */
export function fingerprint(line: string): string {
  const hash = createHash('sha256').update(Buffer.from(line.split(' ')[1] ?? '', 'base64'));
  return `SHA256:${hash.digest('base64').replace(/=+$/, '')}`;
}
