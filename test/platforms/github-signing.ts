import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { lineOf, str } from './github-keys.ts';

/** A key whose private half is at hand, as on somebody's laptop. */
export interface SigningKey {
  /** `ssh-ed25519 AAAA…` */
  readonly line: string;
  /** As `ssh-keygen -Y sign -n bascule` prints it (test/github-signature.test.ts holds that against the real one), on one line. */
  signs(text: string): string;
}

export function signingKey(): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([
    str('ssh-ed25519'),
    str(Buffer.from(publicKey.export({ format: 'jwk' })['x'] as string, 'base64url')),
  ]);
  return {
    line: lineOf('ssh-ed25519', blob),
    signs(text) {
      const digest = createHash('sha512').update(text).digest();
      const body = Buffer.concat([Buffer.from('SSHSIG'), ...['bascule', '', 'sha512', digest].map(str)]);
      const signature = Buffer.concat([str('ssh-ed25519'), str(sign(null, body, privateKey))]);
      const all = Buffer.concat([
        Buffer.from('SSHSIG\0\0\0\x01', 'latin1'),
        ...[blob, 'bascule', '', 'sha512', signature].map(str),
      ]);
      return `-----BEGIN SSH SIGNATURE----- ${all.toString('base64').replaceAll(/.{70}/g, '$& ')} -----END SSH SIGNATURE-----`;
    },
  };
}
