import { GRANTS, type Grant } from '../../src/contracts/books.ts';
import type { GithubKey } from '../../src/contracts/github.ts';
import { type Json, stamp } from '../../src/contracts/plan.ts';
import type { CtKey, CtUser } from '../../src/contracts/shell.ts';
import { ed25519, fingerprint } from '../platforms/github-keys.ts';
import type { Around } from './ask.ts';
import { fakeNodes } from './fake-nodes.ts';
import { fourNodes, NOW } from './fake-view.ts';

/** Alice (github alice-hub, account 7) may log in to CT 103 and, until she revokes it, CT 110; her keys are `ed25519(…)`. */

export const OLD_KEY = ed25519('alice-old');
export const NEW_KEY = ed25519('alice-new');

export const githubKey = (line: string): GithubKey => ({
  type: line.split(' ')[0]!,
  fingerprint: fingerprint(line),
  line,
});

export function fakeGrant(vmid: number, more: Partial<Grant> = {}, lines: readonly string[] = [OLD_KEY]): Grant {
  const guest = fourNodes().guests.find((one) => one.vmid === vmid)!;
  return {
    id: `r-${vmid}`,
    cluster: 'off',
    vmid,
    identity: guest.mac!,
    guest: guest.name,
    person: 'alice',
    login: 'alice-hub',
    githubId: 7,
    user: 'alice-hub',
    sudo: false,
    lines,
    fingerprints: lines.map(fingerprint),
    from: stamp(NOW - 3_600_000),
    ...more,
  };
}

/** A line that somebody wrote by hand. */
export const handKey = (line: string, comment: string, user = 'alice'): CtKey => ({
  file: `/home/${user}/.ssh/authorized_keys`,
  line: 1,
  type: line.split(' ')[0]!,
  fingerprint: fingerprint(line),
  options: '',
  comment,
  ours: false,
});

export const handUser = (name: string, keys: readonly CtKey[]): CtUser => ({
  name,
  uid: 1000,
  shell: '/bin/bash',
  home: `/home/${name}`,
  locked: true,
  expired: false,
  sudo: true,
  groups: ['sudo'],
  ours: false,
  note: name,
  troubles: [],
  keys,
});

/** What planning sees of these grants, with these keys on GitHub now. */
export function withGrants(
  grants: readonly Grant[],
  onGithub: readonly string[],
  users: readonly CtUser[] = [],
): Around {
  const entries = grants.map((grant) => ({
    shelf: GRANTS,
    key: `off/${grant.vmid}/${grant.user}`,
    value: grant as unknown as Json,
    run: grant.id,
    at: NOW,
  }));
  const alice = { id: 'alice', name: 'Alice', github: 'alice-hub' };
  return {
    books: {
      entries: async (shelf) => entries.filter((entry) => entry.shelf === shelf),
      entry: async (shelf, key) => entries.find((entry) => entry.shelf === shelf && entry.key === key),
    },
    findPerson: async (text) => (text.replace('@', '') === 'alice' ? alice : undefined),
    people: [alice],
    github: {
      keys: async () => ({
        login: 'alice-hub',
        id: 7,
        keys: onGithub.map(githubKey),
        refused: [],
        at: NOW,
        fresh: true,
      }),
    },
    nodes: fakeNodes(['ovh1', 'ovh2', 'ovh3', 'ovh4'], {
      users: async () => users,
      dryRun: async () => ({ would: [] }),
    }),
  };
}
