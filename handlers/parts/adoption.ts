import type { GithubKey, KeysSeen } from '../../src/contracts/github.ts';
import type { CtKey, CtUser } from '../../src/contracts/shell.ts';
import { shortType } from './drift.ts';

/** Whose the accounts are that somebody made by hand: told by keys, never by names. */

export interface Known {
  readonly id: string;
  readonly name: string;
  readonly seen: KeysSeen;
}

/** An account with lines of exactly one person that can be taken over. */
export interface Match {
  readonly account: CtUser;
  readonly who: Known;
  readonly keys: readonly GithubKey[];
}

export interface Matched {
  readonly matches: readonly Match[];
  /** Lines that stay as they are, and why, in words. */
  readonly stays: readonly string[];
}

/** Accounts of the system are uids below 1000; the helper changes none of them. */
const isPerson = ({ uid }: CtUser): boolean => uid >= 1000 && uid < 65_534;

/** `taken`: accounts that a grant is of already. */
export function matched(users: readonly CtUser[], people: readonly Known[], taken: ReadonlySet<string>): Matched {
  const matches: Match[] = [];
  const stays: string[] = [];
  for (const account of users) {
    const foreign = account.keys.filter(({ ours }) => !ours);
    const fits = foreign.map((key) => fit(key, account, people));
    const owners = [...new Map(fits.flatMap(({ owner }) => (owner ? [[owner.id, owner] as const] : []))).values()];
    const [who] = owners;
    const why = refusal(account, owners, taken);
    if (who && why === undefined) {
      const keys = new Map(fits.flatMap(({ key }) => (key ? [[key.fingerprint, key] as const] : [])));
      matches.push({ account, who, keys: [...keys.values()] });
    }
    for (const [n, { why: own }] of fits.entries()) {
      const reason = own ?? why;
      if (reason !== undefined) stays.push(`${account.name}: ${lineText(foreign[n]!)}: ${reason}`);
    }
  }
  return { matches, stays };
}

function refusal(account: CtUser, owners: readonly Known[], taken: ReadonlySet<string>): string | undefined {
  if (!isPerson(account)) return 'an account of the system';
  if (taken.has(account.name)) return 'the account is part of a grant already; ssh revoke it first';
  if (owners.length > 1)
    return `keys of ${owners.map(({ name }) => name).join(' and ')} in one account: choose one with person:`;
  return undefined;
}

interface Fit {
  readonly owner?: Known;
  readonly key?: GithubKey;
  readonly why?: string;
}

/** Only lines as mkuser wrote them: a key in the usual file, without options, that one person has on GitHub now. */
function fit(line: CtKey, { home }: CtUser, people: readonly Known[]): Fit {
  if (line.fingerprint === undefined) return { why: 'no key' };
  const owners = people.filter(({ seen }) => seen.keys.some(({ fingerprint }) => fingerprint === line.fingerprint));
  const [owner] = owners;
  if (!owner) return { why: weak(line, people) ?? 'on GitHub with nobody we know' };
  if (owners.length > 1)
    return { why: `${owners.map(({ name }) => name).join(' and ')} both have it on GitHub: choose one with person:` };
  if (line.options) return { why: `${owner.name}'s, but it has options: ${line.options}` };
  if (line.file !== `${home}/.ssh/authorized_keys`) return { why: `${owner.name}'s, but in ${line.file}` };
  return { owner, key: owner.seen.keys.find(({ fingerprint }) => fingerprint === line.fingerprint)! };
}

function weak({ fingerprint }: CtKey, people: readonly Known[]): string | undefined {
  for (const { name, seen } of people) {
    const refused = seen.refused.find((key) => key.fingerprint === fingerprint);
    if (refused) return `${name}'s, but refused: ${refused.why}`;
  }
  return undefined;
}

const lineText = ({ fingerprint, type, comment, unreadable }: CtKey): string =>
  fingerprint === undefined
    ? `"${unreadable ?? ''}"`
    : `${fingerprint} ${shortType(type ?? '')}${comment ? ` (${comment})` : ''}`;
