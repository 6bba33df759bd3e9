import { type Failure, type FailureKind, failure, type Sent } from '../../src/contracts/failure.ts';
import { grantLine, type MissingRight, missingRight, tokenId } from './privileges.ts';
import { PinMismatch } from './trust.ts';

/** What was tried, for the words of a failure. `token` is never shown, only its id. */
export interface Attempt {
  /** Our name of the cluster. */
  readonly cluster: string;
  readonly method: string;
  readonly path: string;
  /** `the guests` for reads. */
  readonly says?: string;
  readonly token: string;
  readonly params?: Readonly<Record<string, string | number | boolean>>;
}

/** An answer of Proxmox that is not a success. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly body: unknown;
}

const isWrite = (attempt: Attempt) => attempt.method !== 'GET';

const whatOf = (attempt: Attempt) =>
  isWrite(attempt)
    ? `${attempt.cluster}: ${attempt.method} ${attempt.path} was not done`
    : `${attempt.cluster}: ${attempt.says ?? attempt.path} could not be read`;

/** Nobody knows what a write did once it may have left; for a read only the answer is missing. */
const lostKind = (attempt: Attempt, sent: Sent): FailureKind =>
  isWrite(attempt) && sent === 'unknown' ? 'in-doubt' : 'unavailable';

/** The message is the first line of the body's message, or the reason phrase (before 8.4 there is no body, ODDITIES 39). */
export function messageOf({ reason, body }: Refusal): string {
  const inBody = (body as { message?: unknown } | null | undefined)?.message;
  const text = typeof inBody === 'string' && inBody.trim() !== '' ? inBody : reason;
  return text.trim().split('\n', 1)[0]!.trim().slice(0, 600);
}

/** Per-parameter messages of a 400, trimmed, one line each. */
function parametersOf(body: unknown): Readonly<Record<string, string>> | undefined {
  const errors = (body as { errors?: unknown } | null | undefined)?.errors;
  if (errors === null || typeof errors !== 'object' || Array.isArray(errors)) return undefined;
  const entries = Object.entries(errors).map(
    ([name, text]) =>
      [
        name.slice(0, 60),
        String(text)
          .trim()
          .replaceAll(/\s*\n\s*/g, '; ')
          .slice(0, 300),
      ] as const,
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Takes the token's secret, and values of parameters that are secrets, out of a text. */
function scrub(text: string, attempt: Attempt): string {
  const secrets = [attempt.token.slice(tokenId(attempt.token).length + 1)];
  for (const [name, value] of Object.entries(attempt.params ?? {}))
    if (/password|secret|token/i.test(name)) secrets.push(String(value));
  return secrets.filter((secret) => secret.length > 2).reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

/**
 * Proxmox has no error codes: most refusals are a 500 with a sentence. These sentences were recorded on 8.4 and
 * 9.2; they become kinds here and nothing behind this border looks at words again.
 */
// biome-ignore format: this is a table
const sentences: readonly (readonly [RegExp, FailureKind, string])[] = [
  // Three ways to say that this node may not write (FACTS §7); the third is pmxcfs gone read-only.
  [/no quorum[?!]/i,                                          'no-quorum', 'look at the quorum first: quorum'],
  [/unable to open file '\/etc\/pve\/.*tmp.*Permission denied/, 'no-quorum', 'look at the quorum first: quorum'],
  [/Configuration file '.*' does not exist/,                  'not-found', 'look where the guest is now: it may have been moved or destroyed'],
  [/no such (replication )?job/,                              'not-found', 'list the jobs: replication list'],
  [/no such task/,                                            'not-found', 'the node no longer knows this task'],
  [/no such cluster node|hostname lookup '.*' failed/,        'not-found', 'list the nodes: node list'],
  [/^(Guest|Target) '.*' does not exist/,                     'not-found', 'check the name and try again'],
  [/resource '.*' does not exist in cluster|not HA managed/,  'not-found', 'check the name and try again'],
  [/storage '.*' does not exist/,                             'not-found', 'choose another storage'],
  [/not found in catalog|parent is not a directory/,          'not-found', 'the backup does not hold it: file versions shows what does'],
  [/already (exists|defined|running|used|a pool member)/,     'conflict',  'look at what is there now'],
  [/(CT|VM) \d+ not running/,                                 'conflict',  'it is already so'],
  [/is locked|got (lock )?timeout|guest migration lock/,      'conflict',  'wait until the other task has ended and try again'],
  [/protection mode enabled/,                                 'conflict',  'switch the protection off first'],
  [/detected modified configuration/,                         'conflict',  'somebody else changed it: look again'],
  [/(container|VM|machine|guest) is running|running container/i, 'conflict', 'shut it down first'],
  [/is already at specified size|reserved name/,              'conflict',  'choose another value'],
];

const slow = 'opening the backup takes more than 25 s: ask again in a minute';

const rootOnly = /only root|root@pam/i;

function kindOf(message: string): readonly [FailureKind, string] | undefined {
  const hit = sentences.find(([pattern]) => pattern.test(message));
  return hit && [hit[1], hit[2]];
}

/** Turns an answer that is not a success into one of our failures. */
export function refused(attempt: Attempt, answer: Refusal): Failure {
  const message = scrub(messageOf(answer), attempt) || `HTTP ${answer.status}`;
  const given = parametersOf(answer.body);
  const parameters =
    given && Object.fromEntries(Object.entries(given).map(([name, text]) => [name, scrub(text, attempt)]));
  const base = { what: whatOf(attempt), why: message, status: answer.status, sent: 'refused' as const };
  if (/list not finished in time/.test(message)) return failure('unavailable', { ...base, next: slow });
  if (answer.status >= 595 || [502, 503, 504].includes(answer.status))
    return unreached(attempt, answer.status, message);
  if (answer.status === 401) return failure('no-privilege', { ...base, ...badToken(attempt, message) });
  const right = missingRight(message);
  if (right) return failure('no-privilege', { ...base, next: grantHint(right, attempt.token) });
  if (parameters) return badParameters(base, parameters);
  const known = kindOf(message);
  if (known) return failure(known[0], { ...base, next: known[1] });
  if (answer.status === 403 || rootOnly.test(message))
    return failure('no-privilege', { ...base, next: 'no token may do this: it needs root on a node' });
  if (answer.status === 404) return failure('not-found', { ...base, next: 'check the name and try again' });
  if (answer.status === 400) return failure('bad-input', { ...base, next: 'correct the value and try again' });
  if (answer.status === 501)
    return failure('refused', { ...base, next: 'this Proxmox version does not know the call: look at its version' });
  return failure('refused', { ...base, next: 'look at the task log and the journal of the node' });
}

/**
 * 595…599 are the entry node's words about the node it asked for us. What was asked for may still be done, even
 * after the answer (PROBES.md 1), so a write is in doubt.
 */
function unreached(attempt: Attempt, status: number, message: string): Failure {
  const node = /^\/nodes\/([^/]+)/.exec(attempt.path)?.[1];
  const who = node ? decodeURIComponent(node) : 'the entry node';
  const why = status === 596 ? `${who} did not answer in time or its certificate is wrong` : `${who} cannot be reached`;
  return failure(lostKind(attempt, 'unknown'), {
    what: whatOf(attempt),
    why: `${why} (${status} ${message})`,
    next: node ? `check whether ${who} is online: node list` : 'try again in a minute',
    sent: 'unknown',
    status,
  });
}

function badToken(attempt: Attempt, message: string) {
  return {
    why: `Proxmox does not accept the token ${tokenId(attempt.token)}: ${message}`,
    next: 'check that the token exists, has not expired and its user is enabled: pveum user token list',
  };
}

function badParameters(base: Omit<Failure, 'kind' | 'next'>, parameters: Readonly<Record<string, string>>): Failure {
  const list = Object.entries(parameters).map(([name, text]) => `${name}: ${text}`);
  const [kind, next] = list.map(kindOf).find((hit) => hit !== undefined) ?? ['bad-input', 'correct these values'];
  return failure(kind, { ...base, why: list.join(' · '), next, parameters });
}

function grantHint(right: MissingRight, token: string): string {
  if (right.path === undefined || right.privileges.length === 0)
    return 'the token may do this only inside a pool it has rights on: name the pool, or grant it on the guest';
  return `on a node, as root: ${grantLine(right.path, right.privileges, token)}`;
}

/** Our own finding that an empty list means missing rights (FACTS §9: 200 and nothing, not 403). */
export function nothingVisible(attempt: Attempt, path: string, privilege: string): Failure {
  return failure('no-privilege', {
    what: whatOf(attempt),
    why: `the list is empty and the token ${tokenId(attempt.token)} lacks ${privilege} on ${path}`,
    next: `on a node, as root: ${grantLine(path, [privilege], attempt.token)}`,
    sent: 'refused',
  });
}

/** An answer that is a success but not what we can read. A write was executed all the same. */
export function unreadable(attempt: Attempt, why: string): Failure {
  return failure(isWrite(attempt) ? 'in-doubt' : 'refused', {
    what: whatOf(attempt),
    why: `unexpected answer: ${scrub(why, attempt)}`,
    next: 'check that this address is a Proxmox VE API and not something in front of it',
    sent: isWrite(attempt) ? 'unknown' : 'refused',
    status: 200,
  });
}

/** No answer at all. `sent` is `no` only when it is certain that nothing of the request was written. */
export function unanswered(attempt: Attempt, url: string, error: unknown, sent: Sent): Failure {
  if (error instanceof PinMismatch) return wrongCertificate(attempt, url, error);
  const { code, message } = error as NodeJS.ErrnoException;
  const why = scrub(
    `${url} ${sent === 'no' ? 'cannot be reached' : 'gave no answer'}: ${reasonFor(code, message)}`,
    attempt,
  );
  return failure(lostKind(attempt, sent), {
    what: whatOf(attempt),
    why,
    next: sent === 'no' ? 'check the address and whether a node of the cluster is up' : 'look at what became of it',
    sent,
  });
}

/** We hung up ourselves: the bot is going down. */
export function closed(attempt: Attempt): Failure {
  return failure('internal', {
    what: whatOf(attempt),
    why: 'the connection to the cluster was closed',
    next: 'ask again when the bot is back',
    sent: 'unknown',
  });
}

function wrongCertificate(attempt: Attempt, url: string, error: PinMismatch): Failure {
  return failure('unavailable', {
    what: whatOf(attempt),
    why: `${url} shows another certificate than the pinned one: expected ${error.expected.join(' or ')}, seen ${error.seen}; nothing was sent`,
    next: 'if the certificate was renewed, compare with `pvenode cert info` on the node and pin the new fingerprint, or pin the CA',
    sent: 'no',
  });
}

// biome-ignore format: this is a table
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED:              'connection refused',
  ENOTFOUND:                 'the name does not resolve',
  EAI_AGAIN:                 'the name does not resolve now',
  EHOSTUNREACH:              'no route to host',
  ENETUNREACH:               'no route to host',
  UND_ERR_CONNECT_TIMEOUT:   'no connection in time',
  ETIMEDOUT:                 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT:   'no answer in time',
  UND_ERR_BODY_TIMEOUT:      'the answer stopped half way',
  ECONNRESET:                'the connection was cut',
  UND_ERR_SOCKET:            'the connection was cut',
  EPIPE:                     'the connection was cut',
};

const reasonFor = (code: string | undefined, message: string): string =>
  code === undefined ? message : (reasons[code] ?? `${code} ${message}`.slice(0, 300));
