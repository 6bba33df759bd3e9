import { createHash } from 'node:crypto';
import { cut, visible } from '../../src/contracts/visible.ts';
import { keyTypes, Malformed, measure } from './wire.ts';

/** A key that may be written into an authorized_keys file. */
export interface SshKey {
  readonly type: string;
  readonly base64: string;
  /** As OpenSSH prints it: `SHA256:` and base64 without padding. */
  readonly fingerprint: string;
  /** As `ssh-keygen -l` counts them. */
  readonly bits?: number;
  /** `type base64`: one line of printable ASCII without options, comment or line end. */
  readonly line: string;
  /** RSA of 2048 to 3071 bits, taken only where the site says so. */
  readonly weak?: true;
}

/** A key that was offered and is never used. Safe to print: nothing of a malformed one but its first word, made visible. */
export interface Refused {
  readonly why: string;
  readonly type: string;
  readonly fingerprint?: string;
}

export interface KeyRules {
  /** What becomes of RSA keys of 2048 to 3071 bits; shorter ones are always refused. */
  readonly weakRsa?: 'refuse' | 'allow';
}

/** What was offered, taken apart: whole keys as `type base64` lines (weak ones too), and what is no key at all. */
export interface Offer {
  readonly lines: readonly string[];
  readonly broken: readonly Refused[];
}

export interface Judged {
  readonly keys: readonly SshKey[];
  readonly refused: readonly Refused[];
}

/** An RSA key of 16,384 bits takes 2.8 kB. */
const TEXT_LIMIT = 8_192;
const RSA_STRONG = 3_072;
const RSA_LEAST = 2_048;
const TYPE_SHOWN = 40;

/** Reads one key as it is written in authorized_keys, without options; a comment is dropped. Never throws. */
export function readKey(text: string): SshKey | Refused {
  if (text.length > TEXT_LIMIT) return { why: 'it is far too long', type: shownType(text) };
  // A line break would let one key bring a second line along, with any options.
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text))
    return { why: 'it holds line breaks or control characters', type: shownType(text) };
  const [type = '', base64 = ''] = text.split(' ', 2);
  if (/["=,\\]/.test(type)) return { why: 'it begins with options, which are never taken over', type: shownType(text) };
  const blob = decoded(base64);
  const fingerprint = blob && fingerprintOf(blob);
  const refused = (why: string): Refused => ({ why, type: shownType(text), ...(fingerprint ? { fingerprint } : {}) });
  if (!keyTypes.includes(type)) return refused(whyNotType(type));
  if (!blob || !fingerprint) return refused('its base64 is not clean');
  try {
    const { bits } = measure(type, blob);
    return { type, base64, fingerprint, bits, line: `${type} ${base64}` };
  } catch (error) {
    if (error instanceof Malformed) return refused(error.message);
    throw error;
  }
}

/** Takes apart what was offered. The same key twice counts once; comments do not make it another. */
export function readOffer(texts: readonly string[]): Offer {
  const lines = new Set<string>();
  const broken: Refused[] = [];
  for (const text of texts) {
    const key = readKey(text);
    if ('line' in key) lines.add(key.line);
    else broken.push(key);
  }
  return { lines: [...lines], broken };
}

/** Which of the offered keys may be used. */
export function judge(offer: Offer, rules: KeyRules = {}): Judged {
  const keys: SshKey[] = [];
  const refused: Refused[] = [];
  for (const line of offer.lines) {
    const key = readKey(line);
    if (!('line' in key)) {
      refused.push(key);
      continue;
    }
    const why = whyWeak(key, rules);
    if (why === undefined) keys.push(isShort(key) ? { ...key, weak: true } : key);
    else refused.push({ why, type: key.type, fingerprint: key.fingerprint });
  }
  return { keys, refused: [...refused, ...offer.broken] };
}

export interface KeyDiff {
  readonly added: readonly SshKey[];
  readonly removed: readonly SshKey[];
  readonly same: readonly SshKey[];
}

/** What became of a person's keys, by fingerprint. Order and repeats do not matter; `same` is as in `after`. */
export function keyDiff(before: readonly SshKey[], after: readonly SshKey[]): KeyDiff {
  const had = byFingerprint(before);
  const has = byFingerprint(after);
  return {
    added: [...has.values()].filter((key) => !had.has(key.fingerprint)),
    removed: [...had.values()].filter((key) => !has.has(key.fingerprint)),
    same: [...has.values()].filter((key) => had.has(key.fingerprint)),
  };
}

const byFingerprint = (keys: readonly SshKey[]) => new Map(keys.map((key) => [key.fingerprint, key]));

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`;
}

/** Node forgives stray characters, missing padding and left-over bits; sshd does not, and a key must have one spelling. */
function decoded(base64: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const blob = Buffer.from(base64, 'base64');
  return blob.toString('base64') === base64 ? blob : undefined;
}

function whyNotType(type: string): string {
  if (type === 'ssh-dss') return 'DSA keys are broken and no longer taken by OpenSSH';
  if (type.includes('-cert-v0')) return 'it is a certificate, not a key';
  return 'it is not a type of key that is taken here';
}

const isShort = (key: SshKey): boolean => key.type === 'ssh-rsa' && (key.bits ?? 0) < RSA_STRONG;

function whyWeak(key: SshKey, rules: KeyRules): string | undefined {
  if (!isShort(key)) return undefined;
  if ((key.bits ?? 0) < RSA_LEAST)
    return `RSA of ${key.bits} bits can be broken; ${RSA_STRONG} or ssh-ed25519 is needed`;
  if (rules.weakRsa === 'allow') return undefined;
  return `RSA of ${key.bits} bits is weak; ${RSA_STRONG} or ssh-ed25519 is needed`;
}

const shownType = (text: string): string => cut(visible(text.slice(0, 200).split(' ', 1)[0] ?? ''), TYPE_SHOWN);
