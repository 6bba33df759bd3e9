import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';

export interface Certificate {
  key: string;
  cert: string;
  /** SHA-256 over the certificate, `AA:BB:…`. */
  fingerprint: string;
}

/** One DER value: tag, length, content. */
function der(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...content: Uint8Array[]) => der(0x30, ...content);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const utf8 = (value: string) => der(0x0c, Buffer.from(value));
const utcTime = (at: number) =>
  der(
    0x17,
    Buffer.from(
      `${new Date(at)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2)}`,
    ),
  );
const bits = (content: Uint8Array) => der(0x03, Buffer.from([0]), content);
const octets = (content: Uint8Array) => der(0x04, content);

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
const commonName = '550403';
const organization = '55040a';
const subjectAltName = '551d11';
const basicConstraints = '551d13';

const attribute = (type: string, value: string) => der(0x31, sequence(oid(type), utf8(value)));

/** A fresh self-signed certificate for these names and IPv4 addresses, good for two years as Proxmox's are. */
export function makeCertificate(names: string[], addresses: string[]): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(attribute(commonName, names[0] ?? 'pve'), attribute(organization, 'Proxmox VE Simulator'));
  const serial = randomBytes(12);
  serial[0] = (serial[0]! & 0x7f) | 0x01;
  const alternatives = sequence(
    ...names.map((value) => der(0x82, Buffer.from(value))),
    ...addresses.map((value) => der(0x87, Buffer.from(value.split('.').map(Number)))),
  );
  const extensions = sequence(
    sequence(oid(subjectAltName), octets(alternatives)),
    sequence(oid(basicConstraints), octets(sequence())),
  );
  const now = Date.now();
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ecdsaWithSha256,
    name,
    sequence(utcTime(now - 86_400_000), utcTime(now + 730 * 86_400_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const whole = sequence(body, ecdsaWithSha256, bits(sign('sha256', body, privateKey)));
  const cert = `-----BEGIN CERTIFICATE-----\n${whole
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()}\n-----END CERTIFICATE-----\n`;
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert,
    fingerprint: new X509Certificate(cert).fingerprint256,
  };
}
