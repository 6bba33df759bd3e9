import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Grant } from '../../src/contracts/books.ts';
import { Failed } from '../../src/contracts/failure.ts';
import type { Github, GithubKey, KeysSeen } from '../../src/contracts/github.ts';
import { stampTime } from '../../src/contracts/plan.ts';

/** What GitHub shows of somebody's keys against what was granted. */

/** The keys GitHub had when somebody decided to leave the granted ones as they are. */
export const keptSchema = z.strictObject({
  person: z.string(),
  login: z.string(),
  githubId: z.number(),
  /** Sorted. */
  fingerprints: z.array(z.string()).readonly(),
});
export type Kept = z.infer<typeof keptSchema>;

export interface KeyNote {
  readonly fingerprint: string;
  /** `ed25519`, `rsa-3072`. */
  readonly type: string;
  /** It is on GitHub still, but no longer good enough. */
  readonly refused?: string;
}

export interface Change {
  readonly grant: Grant;
  readonly added: readonly KeyNote[];
  readonly removed: readonly KeyNote[];
}

/** Grants whose lines differ from GitHub's keys; none: nothing has changed. */
export function changesOf(grants: readonly Grant[], seen: KeysSeen): readonly Change[] {
  const refused = new Map(seen.refused.map((key) => [key.fingerprint, key.why]));
  const there = new Set(seen.keys.map((key) => key.fingerprint));
  return grants
    .map((grant) => ({
      grant,
      added: seen.keys.filter((key) => !grant.fingerprints.includes(key.fingerprint)).map(noteOf),
      removed: grant.fingerprints
        .map((fingerprint, n) => ({
          fingerprint,
          type: shortType(grant.lines[n] ?? ''),
          ...(refused.has(fingerprint) ? { refused: refused.get(fingerprint)! } : {}),
        }))
        .filter(({ fingerprint }) => !there.has(fingerprint)),
    }))
    .filter(({ added, removed }) => added.length + removed.length > 0);
}

const noteOf = ({ fingerprint, type, bits }: GithubKey): KeyNote => ({
  fingerprint,
  type: `${shortType(type)}${type === 'ssh-rsa' && bits ? `-${bits}` : ''}`,
});

/** `ed25519`, `sk-ed25519`, `ecdsa-256`, `rsa` of a key or of its type. */
export function shortType(key: string): string {
  const type = key.split(' ')[0]!.replace('@openssh.com', '');
  return type.replace(/^(sk-)?ssh-/, '$1').replace('ecdsa-sha2-nistp', 'ecdsa-');
}

/** Each key once, in the order met. */
export function keysOf(
  changes: readonly Change[],
  which: 'added' | 'removed',
): readonly (KeyNote & { readonly grants: readonly Grant[] })[] {
  const met = new Map<string, KeyNote & { grants: Grant[] }>();
  for (const change of changes) {
    for (const key of change[which]) {
      const known = met.get(key.fingerprint);
      if (known) known.grants.push(change.grant);
      else met.set(key.fingerprint, { ...key, grants: [change.grant] });
    }
  }
  return [...met.values()];
}

/** `+ SHA256:… ed25519` and `− SHA256:… rsa`, the way a change is shown everywhere. */
export function diffLines(changes: readonly Change[]): readonly string[] {
  const all = changes.map(({ grant }) => grant);
  const line = (sign: string) => (key: ReturnType<typeof keysOf>[number]) =>
    [
      `${sign} ${key.fingerprint} ${key.type}`,
      ...(key.refused ? [`on GitHub still, but refused: ${key.refused}`] : []),
      ...(key.grants.length < all.length ? [`only ${key.grants.map(({ vmid }) => vmid).join(', ')}`] : []),
    ].join('; ');
  return [...keysOf(changes, 'added').map(line('+')), ...keysOf(changes, 'removed').map(line('−'))];
}

/** `103 (sudo), 110, jump ovh1` */
export function placesOf(grants: readonly Grant[]): string {
  const jumps = new Set(grants.flatMap(({ jump }) => (jump ? [`jump ${jump.node}`] : [])));
  const places = grants.toSorted((a, b) => a.vmid - b.vmid).map(placeOf);
  return [...places, ...jumps].join(', ');
}

const placeOf = ({ vmid, user, login, sudo }: Grant): string => {
  const notes = [...(user === login.toLowerCase() ? [] : [user]), ...(sudo ? ['sudo'] : [])];
  return notes.length > 0 ? `${vmid} (${notes.join(', ')})` : String(vmid);
};

/** Whose lease has not ended. */
export const holds = ({ until }: Pick<Grant, 'until'>, now: number): boolean =>
  until === undefined || stampTime(until) > now;

const sorted = (keys: readonly { readonly fingerprint: string }[]): readonly string[] =>
  keys.map(({ fingerprint }) => fingerprint).sort();

/** What to remember of GitHub's keys of now, to leave the granted ones as they are. */
export const keptOf = (person: string, seen: KeysSeen): Kept => ({
  person,
  login: seen.login,
  githubId: seen.id,
  fingerprints: sorted(seen.keys),
});

/** Somebody has looked at these very keys and decided to leave the granted ones. */
export const isKept = (kept: Kept | undefined, seen: KeysSeen): boolean =>
  kept !== undefined && stateOf(kept.githubId, kept.fingerprints) === stateOf(seen.id, sorted(seen.keys));

/** The same for the same keys of the same account. */
export const stateOf = (id: number, fingerprints: readonly string[]): string =>
  createHash('sha256')
    .update([id, ...fingerprints.toSorted()].join('\n'))
    .digest('hex')
    .slice(0, 16);

export const seenState = (seen: KeysSeen): string => stateOf(seen.id, sorted(seen.keys));

/** seen: GitHub has confirmed it just now. unsure: nothing can be concluded. stranger: it may be somebody else's account. */
export type Look =
  | { readonly state: 'seen'; readonly seen: KeysSeen }
  | { readonly state: 'unsure'; readonly why: string }
  | { readonly state: 'stranger'; readonly why: string; readonly next: string };

/** The keys of the account that these grants (of one person) were made for. `login`: the one linked now, if any. */
export async function lookAt(
  grants: readonly Grant[],
  login: string | undefined,
  github: Pick<Github, 'keys'>,
): Promise<Look> {
  const asked = login ?? grants[0]!.login;
  try {
    const seen = await github.keys(asked, { mayBeEmpty: true });
    if (!seen.fresh) return { state: 'unsure', why: seen.stale ?? 'GitHub did not confirm them' };
    const other = grants.find(({ githubId }) => githubId !== seen.id);
    if (!other) return { state: 'seen', seen };
    return {
      state: 'stranger',
      why: `${seen.login} is GitHub account ${seen.id}; CT ${other.vmid} was granted to account ${other.githubId} (${other.login})`,
      next: 'ask the person outside chat; revoke what the other account was granted, and grant again',
    };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const { kind, why, next } = error.failure;
    if (kind === 'unavailable') return { state: 'unsure', why };
    if (kind === 'conflict' || kind === 'not-found' || kind === 'bad-input') return { state: 'stranger', why, next };
    throw error;
  }
}
