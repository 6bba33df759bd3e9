import type { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { fail } from '../../src/contracts/failure.ts';

/** How we know that we talk to the right server. Neither field: the system's certificate authorities. */
export interface Trust {
  /** SHA-256 of the server's certificate, `AA:BB…` or plain hex; one of them must match. */
  readonly fingerprints?: readonly string[];
  /** PEM. With fingerprints as well, both must hold. Outlives the leaf, which renews itself (ODDITIES 44). */
  readonly ca?: string;
}

/** The request never left: nothing of it was written to any socket. */
export class NotConnected extends Error {
  readonly code: string;
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'NotConnected';
    this.code = (cause as NodeJS.ErrnoException).code ?? cause.name;
  }
}

/** The server showed another certificate than the pinned ones; the connection was closed before any byte of ours. */
export class PinMismatch extends NotConnected {
  readonly expected: readonly string[];
  readonly seen: string;
  constructor(expected: readonly string[], seen: string) {
    super(new Error(`expected certificate ${expected.join(' or ')}, seen ${seen}`));
    this.name = 'PinMismatch';
    this.expected = expected;
    this.seen = seen;
  }
}

/** `aa:bb…`, `SHA256:aabb…` or hex → `AA:BB:…`; throws Failed bad-input for anything else. */
export function readFingerprint(text: string): string {
  const hex = text
    .trim()
    .replace(/^sha-?256[:=\s]/i, '')
    .replaceAll(/[:\s]/g, '')
    .toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(hex))
    fail('bad-input', {
      what: 'the certificate fingerprint cannot be used',
      why: `${JSON.stringify(text.slice(0, 100))} is not a SHA-256 fingerprint (32 bytes in hex)`,
      next: 'on the node: pvenode cert info --output-format yaml | grep fingerprint',
    });
  return hex.match(/../g)?.join(':') ?? hex;
}

/**
 * Opens verified TLS connections. undici hands a request to the socket only after the callback, so a certificate
 * that does not match is refused before the token can be sent. Sessions are not resumed under a pin: a resumed
 * handshake shows no certificate. Every error is a {@link NotConnected}.
 */
export function connectorFor(trust: Trust, timeoutMs: number): buildConnector.connector {
  const pins = (trust.fingerprints ?? []).map(readFingerprint);
  const pinned = pins.length > 0;
  const connect = buildConnector({
    allowH2: false,
    timeout: timeoutMs,
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    // With a pin alone the chain and the name prove nothing more: the certificate itself is what we know.
    ...(pinned ? { maxCachedSessions: 0, rejectUnauthorized: trust.ca !== undefined } : {}),
    ...(pinned && trust.ca !== undefined ? { checkServerIdentity: () => undefined } : {}),
  });
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error) return callback(new NotConnected(error), null);
      const seen = pinned ? ((socket as TLSSocket).getPeerCertificate().fingerprint256 ?? 'no certificate') : '';
      if (!pinned || pins.includes(seen)) return callback(null, socket as TLSSocket);
      socket?.destroy();
      callback(new PinMismatch(pins, seen), null);
    });
  };
}
