import { keyLine, linesOf, markerOf, optionsOf } from './hands-keylines.ts';

/**
 * Lines of a jump account. sshd takes the first line of a key that has not ended and looks at no other, so each line
 * also carries what the same key's later ending lines open, and the earliest ending one comes first. A second
 * port-forwarding marks where the borrowed ones begin.
 */
interface Parts {
  readonly key: { readonly type: string; readonly base64: string; readonly comment: string };
  readonly own: string;
  /** 14 digits. */
  readonly end: string;
  readonly opens: readonly string[];
}

/** A line of ours in its parts; undefined for any other. */
function partsOf(line: string): Parts | undefined {
  const key = keyLine(line);
  if (!key || markerOf(key) === null) return undefined;
  const options = optionsOf(key.options);
  const first = options.indexOf('port-forwarding');
  const second = first < 0 ? -1 : options.indexOf('port-forwarding', first + 1);
  const own = second < 0 ? options : options.slice(0, second);
  const end = own
    .map((option) => /^expiry-time="([0-9]{8,14})Z?"$/.exec(option)?.[1])
    .find((each) => each !== undefined);
  const opens = own.filter((option) => option.startsWith('permitopen='));
  if (first < 0 || end === undefined || opens.length === 0) return undefined;
  return { key, own: own.join(','), end: end.padEnd(14, '0'), opens };
}

const lineOf = ({ key, own }: Parts, borrowed: readonly string[] = []): string =>
  `${[own, ...(borrowed.length > 0 ? ['port-forwarding', ...borrowed] : [])].join(',')} ${key.type} ${key.base64} ${key.comment}\n`;

/** The text with only what each line opens itself: what requests are compared with. */
export const unnested = (text: string): string =>
  linesOf(text)
    .map((line) => {
      const parts = partsOf(line.replace(/\n$/, ''));
      return parts ? lineOf(parts) : line;
    })
    .join('');

/** The text as sshd needs it: foreign lines as they are, then ours, the earliest ending first. */
export function nested(text: string): string {
  const all = linesOf(text).map((line) => ({ line, parts: partsOf(line.replace(/\n$/, '')) }));
  const foreign = all.map(({ line, parts }) => (parts ? '' : line)).join('');
  const ours = all
    .flatMap(({ parts }) => (parts ? [parts] : []))
    .sort((a, b) => (a.end < b.end ? -1 : a.end > b.end ? 1 : 0));
  const gap = ours.length > 0 && foreign !== '' && !foreign.endsWith('\n') ? '\n' : '';
  const told = ours.map((parts, index) => {
    const later = ours.slice(index + 1).filter(({ key }) => key.base64 === parts.key.base64);
    const borrowed = new Set(later.flatMap(({ opens }) => opens));
    return lineOf(
      parts,
      [...borrowed].filter((open) => !parts.opens.includes(open)),
    );
  });
  return foreign + gap + told.join('');
}
