import { fail } from '../../src/contracts/failure.ts';
import type { Refused } from './keys.ts';

const notLookedUp = (login: string) => `the keys of ${login} were not looked up`;

export function nobody(login: string): never {
  return fail('not-found', {
    what: notLookedUp(login),
    why: `there is nobody called ${login} on GitHub`,
    next: 'check the spelling against the address of the profile',
    status: 404,
  });
}

/** The login is gone; `now` is what its account is called by now, if it still exists. */
export function renamed(login: string, id: number, now: string | undefined): never {
  return fail('not-found', {
    what: notLookedUp(login),
    why: now
      ? `account ${id}, known here as ${login}, is called ${now} on GitHub now`
      : `the login ${login} (account ${id}) no longer exists on GitHub`,
    next: now ? `link the person again with github:${now}` : 'remove the person, or link them with another login',
    status: 404,
  });
}

/** A login that was given up and taken by another account: its keys must open nothing here. */
export function somebodyElse(login: string, was: number, is: number, now: string | undefined): never {
  return fail('conflict', {
    what: `the keys of ${login} were not taken`,
    why: `the login now belongs to somebody else: account ${is}, where it was ${was}${now ? ` (called ${now} now)` : ''}`,
    next: now
      ? `link the person again with github:${now}`
      : 'ask the person for their login of today and link it again',
  });
}

export function notPerson(login: string, type: string): never {
  return fail('bad-input', {
    what: notLookedUp(login),
    why: `${login} is not a person on GitHub but ${/^[aeiou]/i.test(type) ? 'an' : 'a'} ${type.toLowerCase()}`,
    next: 'give the login of one person',
  });
}

export function noKeys({
  login,
  refused,
  stale,
}: {
  readonly login: string;
  readonly refused: readonly Refused[];
  readonly stale?: string;
}): never {
  const [first] = refused;
  const each = first && `${refused.length === 1 ? 'its one key' : `each of its ${refused.length} keys`} was refused`;
  return fail('not-found', {
    what: `there is no key of ${login} to use`,
    why: `${each ? `${each}: ${first.type} ${first.fingerprint ?? ''}, ${first.why}` : `${login} has no SSH keys on GitHub`}${stale ? ` (${stale})` : ''}`,
    next: 'add one at github.com/settings/keys (made with: ssh-keygen -t ed25519) and ask again',
  });
}

export function unreachable(login: string, why: string): never {
  return fail('unavailable', {
    what: notLookedUp(login),
    why: `${why}; nothing is stored about ${login} yet`,
    next: 'try again later; a token in the config raises the rate limit',
  });
}

const MINUTE = 60_000;

/** A span as people say it: `12 min ago`, `3 h 5 min ago`, `2 days ago`. */
export function ago(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / MINUTE));
  if (minutes < 1) return 'less than a minute ago';
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''} ago`;
  return `${Math.floor(hours / 24)} days ago`;
}
