import { Failed, type Failure, type FailureKind, failure } from '../../src/contracts/failure.ts';
import { cut, visible } from '../../src/contracts/visible.ts';

/** What was asked and where, for the words of a failure. */
export interface Errand {
  readonly node: string;
  readonly verb: string;
  readonly id: string;
  /** It may change something: a lost answer is a doubt. */
  readonly changes: boolean;
}

/** Characters of a node's own words that people ever see. */
const WORDS = 500;

/** Foreign text, safe to look at: one line, nothing hidden, 500 characters. */
export const words = (text: string): string => cut(visible(text.trim()), WORDS);

const whatOf = ({ node, verb, changes }: Errand): string =>
  changes ? `${verb} was not done on ${node}` : `${verb} got no answer from ${node}`;

/** Nothing reached the node's program. */
export function notSent(errand: Errand, why: string, next: string, kind: FailureKind = 'unavailable'): Failure {
  return failure(kind, { what: whatOf(errand), why, next, sent: 'no' });
}

/** The node said no before anything was done. */
export function refused(errand: Errand, why: string, next: string, kind: FailureKind): Failure {
  return failure(kind, { what: whatOf(errand), why, next, sent: 'refused' });
}

/** The request left and its outcome is not known. Only for what changes something is that a doubt. */
export function lost(errand: Errand, why: string): Failure {
  const { changes } = errand;
  return failure(changes ? 'in-doubt' : 'unavailable', {
    what: changes ? `nobody knows whether ${errand.verb} was done on ${errand.node}` : whatOf(errand),
    why,
    next: changes ? 'look at what became of it before trying again' : 'try again',
    sent: 'unknown',
  });
}

/** Why there is no connection, before anybody asked for anything on it. */
export class NoConnection extends Error {
  override readonly name = 'NoConnection';
  readonly kind: FailureKind;
  readonly why: string;
  readonly next: string;
  constructor(kind: FailureKind, why: string, next: string, cause?: unknown) {
    super(why, { cause });
    this.kind = kind;
    this.why = why;
    this.next = next;
  }
}

/** A failure to connect in the words of one request; anything that is a {@link Failed} already stays as it is. */
export function unconnected(errand: Errand, error: unknown): Failed {
  if (error instanceof Failed) return error;
  if (error instanceof NoConnection)
    return new Failed(notSent(errand, error.why, error.next, error.kind), { cause: error });
  const why = words(error instanceof Error ? error.message : String(error));
  return new Failed(notSent(errand, why, 'look at the log and report this', 'internal'), { cause: error });
}

// biome-ignore format: this is a table
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND:    'the name does not resolve',
  EAI_AGAIN:    'the name does not resolve now',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH:  'no route to host',
  ETIMEDOUT:    'no connection in time',
  ECONNRESET:   'the connection was cut',
  EPIPE:        'the connection was cut',
};

/** What ssh2 says when it could not log in. `level` is ssh2's own word for how far it came (node-ssh-outcomes.json). */
export function whyNoLogin(
  error: Error & { level?: string; code?: unknown },
  where: string,
  user: string,
): NoConnection {
  const code = typeof error.code === 'string' ? error.code : undefined;
  if (error.level === 'client-authentication')
    return new NoConnection(
      'no-privilege',
      `${where} does not let ${user} in with our key`,
      // The client is told the same for a wrong key, a locked account, AllowUsers and an expired line (SSH.md).
      `the reason is only in that machine's log: journalctl -u ssh -g ${user}; bascule setup node prints the account and its key line`,
      error,
    );
  if (error.level === 'agent' || /^Failed to (connect to agent|retrieve identities)/.test(error.message))
    return new NoConnection('unavailable', 'the SSH agent does not answer', 'start it, or name a key file', error);
  if (/privateKey/.test(error.message))
    return new NoConnection(
      'bad-input',
      'the private key for the nodes cannot be read',
      'give an unencrypted OpenSSH private key, or an agent',
    );
  if (code !== undefined && code in reasons)
    return new NoConnection('unavailable', `${where}: ${reasons[code]}`, 'check the address and the node', error);
  return new NoConnection(
    'unavailable',
    `${where}: ${words(error.message) || 'the connection was lost'}`,
    'check that sshd answers there',
    error,
  );
}

/** Asked for something that cannot be sent. */
export function unfit(errand: Errand, why: string, next: string): Failed {
  return new Failed(notSent(errand, why, next, 'bad-input'));
}
