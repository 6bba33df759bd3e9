import { createHash } from 'node:crypto';
import { badInput, oneLine, visible } from './hands-answer.ts';

/** Lines of authorized_keys as the real program reads and checks them. Text is bytes, one character each. */

interface KeyLine {
  readonly options: string;
  readonly type: string;
  readonly base64: string;
  readonly comment: string;
}

const type =
  '(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com|[a-z0-9-]+-cert-v01@openssh[.]com)';
const bare = new RegExp(`^(${type})[ \\t]+(\\S+)(?:[ \\t]+(.*))?$`, 's');
const withOptions = new RegExp(
  `^((?:[^"\\s]|"(?:[^"\\\\]|\\\\.)*")+)[ \\t]+(${type})[ \\t]+(\\S+)(?:[ \\t]+(.*))?$`,
  's',
);

/** Undefined for what is no key line. */
export function keyLine(line: string): KeyLine | undefined {
  const text = line.replace(/^[ \t]+|[ \t\r\n]+$/g, '');
  if (text === '' || text.startsWith('#')) return undefined;
  const plain = bare.exec(text);
  if (plain) return { options: '', type: plain[1]!, base64: plain[2]!, comment: plain[3] ?? '' };
  const rich = withOptions.exec(text);
  return rich ? { options: rich[1]!, type: rich[2]!, base64: rich[3]!, comment: rich[4] ?? '' } : undefined;
}

const isBase64 = (text: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0;

/** As ssh-keygen -l prints it; null when the base64 is none. */
export function fingerprint(base64: string): string | null {
  if (!isBase64(base64)) return null;
  const sum = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64');
  return `SHA256:${sum.replace(/=+$/, '')}`;
}

/** SSH strings, nothing between or after them; undefined when it is not made so. */
function blobParts(blob: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (blob.length - at < 4) return undefined;
    const length = blob.readUInt32BE(at);
    if (length > blob.length - at - 4) return undefined;
    parts.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}

function bits(integer: Buffer): number {
  const first = integer.findIndex((byte) => byte !== 0);
  if (first < 0) return 0;
  return 8 * (integer.length - first - 1) + (32 - Math.clz32(integer[first]!));
}

const curves: Readonly<Record<string, readonly [string, number]>> = {
  'ecdsa-sha2-nistp256': ['nistp256', 65],
  'ecdsa-sha2-nistp384': ['nistp384', 97],
  'ecdsa-sha2-nistp521': ['nistp521', 133],
};

/** Why a key is not one we would write, or undefined when it is sound. */
function flaw(type: string, base64: string): string | undefined {
  if (!isBase64(base64)) return 'is not base64';
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) return 'is not base64 in its shortest form';
  const parts = blobParts(blob);
  if (!parts?.length || parts[0]!.toString('latin1') !== type) return 'is damaged';
  if (type === 'ssh-ed25519') return parts.length === 2 && parts[1]!.length === 32 ? undefined : 'is damaged';
  if (type === 'sk-ssh-ed25519@openssh.com')
    return parts.length === 3 && parts[1]!.length === 32 && parts[2]!.length > 0 ? undefined : 'is damaged';
  if (type === 'ssh-rsa') {
    if (parts.length !== 3 || bits(parts[1]!) < 2) return 'is damaged';
    const size = bits(parts[2]!);
    return size < 2048 ? `is an RSA key of ${size} bits, at least 2048 are needed` : undefined;
  }
  const plain = type.replace(/^sk-(.*)@openssh[.]com$/, '$1');
  const curve = curves[plain];
  if (!curve) return 'is of a type that is not taken';
  const whole =
    parts.length === (plain === type ? 3 : 4) &&
    parts[1]!.toString('latin1') === curve[0] &&
    parts[2]!.length === curve[1] &&
    parts[2]![0] === 4;
  return whole ? undefined : 'is damaged';
}

const address = '(?:[0-9]{1,3}(?:[.][0-9]{1,3}){3}|\\[[0-9A-Fa-f:.]{2,45}\\])';
const sources = '!?[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?';
const allowedOption = new RegExp(
  `^(?:restrict|pty|agent-forwarding|port-forwarding|X11-forwarding|no-(?:pty|agent-forwarding|port-forwarding|X11-forwarding|user-rc)|expiry-time="[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?Z"|from="${sources}(?:,${sources})*"|permitopen="${address}:[1-9][0-9]{0,4}")$`,
);
const takenType =
  /^(?:ssh-(?:rsa|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com)$/;

/** Split at the commas outside quotes. */
export const optionsOf = (options: string): string[] => options.match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? [];

/** A file's lines, each with its line break if it has one. */
export const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** A line of a request, checked part by part. `jump`: it must be restricted to forwarding to named addresses. */
function ourLine(name: string, line: string, marker: string, jump: boolean): string {
  const key = keyLine(line) ?? badInput(`${name} is not a key line`);
  const options = optionsOf(key.options);
  for (const option of options)
    if (!allowedOption.test(option)) badInput(`${name} has an option that is not allowed: ${oneLine(option)}`);
  if (options.join(',') !== key.options) badInput(`${name} has options that cannot be read`);
  if (!takenType.test(key.type)) badInput(`${name} has a key of a type that is not taken: ${key.type}`);
  if (!/^[A-Za-z0-9+/]{40,16000}={0,2}$/.test(key.base64)) badInput(`the key of ${name} is not base64`);
  const wrong = flaw(key.type, key.base64);
  if (wrong !== undefined) badInput(`the key of ${name} ${wrong}`);
  if (key.comment !== marker) badInput(`${name} does not end with the marker ${marker}`);
  if (jump) jumpRules(name, options);
  return [...(options.length > 0 ? [options.join(',')] : []), key.type, key.base64, marker].join(' ');
}

const jumpNeeds = ['restrict', 'port-forwarding', 'permitopen', 'expiry-time'];

function jumpRules(name: string, options: readonly string[]): void {
  const names = new Set(options.map((option) => /^[A-Za-z0-9-]+/.exec(option)?.[0] ?? ''));
  for (const needed of jumpNeeds) if (!names.has(needed)) badInput(`${name} is for a jump account and lacks ${needed}`);
  for (const extra of [...names].sort())
    if (![...jumpNeeds, 'from'].includes(extra)) badInput(`${name} is for a jump account and may not have ${extra}`);
  if (options.filter((option) => option === 'port-forwarding').length > 1)
    badInput(`${name} has port-forwarding twice`);
}

/** The lines of a request, or the call ends. */
export function checkedLines(args: { marker: string; lines: readonly string[] }, jump: boolean): string[] {
  const lines = args.lines.map((line, index) => ourLine(`lines[${index}]`, line, args.marker, jump));
  if (new Set(lines).size !== lines.length) badInput('the same line is given twice');
  return lines;
}

/** A marker of ours that its comment begins with. */
export const markerOf = (key: KeyLine | undefined): string | null =>
  /^(bascule:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})(?:\s|$)/.exec(key?.comment ?? '')?.[1] ?? null;

/** The file with the marker's lines replaced: foreign lines stay byte for byte, ours go to the end. */
export function merged(old: string, marker: string, lines: readonly string[]): string {
  const kept = linesOf(old)
    .filter((line) => markerOf(keyLine(line)) !== marker)
    .join('');
  const gap = lines.length > 0 && kept !== '' && !kept.endsWith('\n') ? '\n' : '';
  return `${kept}${gap}${lines.map((line) => `${line}\n`).join('')}`;
}

/**
 * The file with the marker put into foreign lines of these keys, right behind the key, or taken out of them again.
 * Lines with options stay as they are.
 */
export function remarked(old: string, marker: string, how: string, lines: readonly string[]): string {
  const wanted = new Set(lines.map((line) => keyLine(line)!.base64));
  return linesOf(old)
    .map((line) => {
      const key = keyLine(line.replace(/\n$/, ''));
      if (key?.options !== '' || !wanted.has(key.base64)) return line;
      const its = markerOf(key);
      const [, head = '', rest = ''] = /^([ \t]*\S+[ \t]+\S+)(.*)$/s.exec(line) ?? [];
      if (how === 'adopt' && its === null) return `${head} ${marker}${rest}`;
      if (how === 'release' && its === marker) return head + rest.slice(1 + marker.length);
      return line;
    })
    .join('');
}

/** What a probe says of foreign lines that were to be taken over, or given back. */
export function remarkedState(
  text: string,
  marker: string,
  how: string,
  wanted: readonly string[],
): { state: string; evidence: string } {
  const marked = new Set(markedLines(text, marker).map((line) => keyLine(line)!.base64));
  const there = wanted.filter((line) => marked.has(keyLine(line)!.base64)).length;
  const evidence = `${there} of ${wanted.length} keys carry ${marker}`;
  if (how === 'release' && there === 0)
    return { state: 'already', evidence: `${evidence}; who took it out is not recorded` };
  if (how === 'adopt' && there === wanted.length) return { state: 'done', evidence };
  return { state: there === (how === 'adopt' ? 0 : wanted.length) ? 'absent' : 'partial', evidence };
}

/** Lines with this marker as they stand in a file. */
export const markedLines = (text: string, marker: string): string[] =>
  text.split('\n').filter((line) => markerOf(keyLine(line)) === marker);

/** A file's key lines as facts. Anything that is neither a key nor a comment is told as what it is. */
export function keyFacts(text: string): Record<string, unknown>[] {
  const facts: Record<string, unknown>[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) continue;
    const key = keyLine(line);
    facts.push(
      key
        ? {
            line: index + 1,
            type: key.type,
            fingerprint: fingerprint(key.base64),
            options: visible(key.options, 1000),
            comment: visible(key.comment, 200),
            marker: markerOf(key),
            ours: markerOf(key) !== null,
          }
        : { line: index + 1, unreadable: visible(line, 200), ours: false },
    );
    if (facts.length >= 500) break;
  }
  return facts;
}

/** What a probe says of wanted lines against those that stand there. */
export function linesState(text: string, marker: string, wanted: readonly string[]): object {
  const there = markedLines(text, marker);
  const same = [...there].sort().join('\n') === [...wanted].sort().join('\n');
  const evidence = `${there.length} of ${wanted.length} lines carry ${marker}`;
  if (same && wanted.length > 0) return { state: 'done', evidence };
  if (same) return { state: 'already', evidence: `no line carries ${marker}; who removed them is not recorded` };
  return { state: there.length > 0 && wanted.length > 0 ? 'partial' : 'absent', evidence };
}
