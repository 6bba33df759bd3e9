import { type BookEntry, type Books, GRANTS, type Grant, grantKey, LINKS, QUEUE } from '../../src/contracts/books.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { GithubKey, KeysSeen } from '../../src/contracts/github.ts';
import type { Json } from '../../src/contracts/plan.ts';
import type { CtKey, CtUser, NodeView } from '../../src/contracts/shell.ts';
import { ed25519, fingerprint } from '../platforms/github-keys.ts';
import type { Around } from './ask.ts';
import { fakeNodes } from './fake-nodes.ts';
import { NOW } from './fake-view.ts';

/** Alice and Bob with their keys, containers with accounts, and books, all as plain data. */
export interface FakeAccess {
  people: { id: string; name: string; github?: string; alias?: string }[];
  /** By login in lower case; undefined: GitHub is down and nothing is stored. */
  github: Record<string, KeysSeen | undefined>;
  /** By vmid. */
  users: Record<number, CtUser[]>;
  books: BookEntry[];
  /** Nodes with SSH access. */
  nodes: string[];
  /** Verbs that the helper refuses, with the reason. */
  refuses: Record<string, string>;
  /** What was rehearsed, as `ovh1 ct.user.ensure`. */
  rehearsed: string[];
}

export const keyOf = (seed: string): GithubKey => {
  const line = ed25519(seed);
  return { type: 'ssh-ed25519', fingerprint: fingerprint(line), bits: 256, line };
};

export const seen = (login: string, id: number, seeds: readonly string[], more: Partial<KeysSeen> = {}): KeysSeen => ({
  login,
  id,
  keys: seeds.map(keyOf),
  refused: [],
  at: NOW,
  fresh: true,
  ...more,
});

export function access(): FakeAccess {
  return {
    people: [
      { id: 'alice', name: 'Alice', github: 'Alice-Hub' },
      { id: 'bob', name: 'Bob' },
      { id: 'carol', name: 'Carol', github: 'carol-hub' },
    ],
    github: {
      'alice-hub': seen('Alice-Hub', 7, ['alice', 'alice-old']),
      'bob-hub': seen('bob-hub', 8, ['bob']),
      'carol-hub': seen('carol-hub', 9, ['carol']),
    },
    users: { 103: [], 117: [] },
    books: [],
    nodes: ['ovh1', 'ovh2', 'ovh3', 'ovh4'],
    refuses: {},
    rehearsed: [],
  };
}

export function user(name: string, more: Partial<CtUser> = {}): CtUser {
  return {
    name,
    uid: 1000,
    shell: '/bin/bash',
    home: `/home/${name}`,
    locked: true,
    expired: false,
    sudo: false,
    groups: [],
    ours: true,
    note: 'bascule=r-1',
    troubles: [],
    keys: [],
    ...more,
  };
}

export function key(seed: string, marker?: string, until?: string): CtKey {
  return {
    file: '/home/alice-hub/.ssh/authorized_keys',
    line: 1,
    type: 'ssh-ed25519',
    fingerprint: keyOf(seed).fingerprint,
    options: until ? `expiry-time="${until.replace('T', '')}"` : '',
    comment: marker ?? `${seed}@laptop`,
    ...(marker ? { marker } : {}),
    ours: marker !== undefined,
  };
}

/** Alice in CT 103 until five hours from now. */
export function granted(more: Partial<Grant> = {}): Grant {
  return {
    id: 'r-1',
    cluster: 'off',
    vmid: 103,
    identity: 'BC:24:11:00:01:03',
    guest: 'robotoff',
    person: 'alice',
    login: 'Alice-Hub',
    githubId: 7,
    user: 'alice-hub',
    sudo: false,
    lines: [keyOf('alice').line],
    fingerprints: [keyOf('alice').fingerprint],
    jump: { node: 'ovh1', account: 'bascule-jump', address: '10.1.0.103' },
    from: '20261115T100211Z',
    until: '20261115T180211Z',
    ...more,
  };
}

const entry = (shelf: string, key: string, value: unknown): BookEntry => ({
  shelf,
  key,
  value: value as Json,
  run: 'r-1',
  at: NOW - 3_600_000,
});
export const grantEntry = (grant: Grant): BookEntry =>
  entry(GRANTS, grantKey(grant.cluster, grant.vmid, grant.user), grant);
export const queueEntry = (kind: 'grant' | 'revoke', grant: Grant, more: object = {}): BookEntry =>
  entry(QUEUE, grantKey(grant.cluster, grant.vmid, grant.user), { kind, grant, ...more });
export const linkEntry = (person: string, login: string, githubId: number, name?: string): BookEntry =>
  entry(LINKS, person, { person, login, githubId, ...(name ? { name } : {}) });

/** As it is granted in {@link granted}, inside CT 103 too. */
export function accessGranted(more: Partial<Grant> = {}): FakeAccess {
  const there = access();
  const grant = granted(more);
  there.books = [grantEntry(grant)];
  there.users[103] = [user('alice-hub', { keys: [key('alice', 'bascule:r-1', grant.until)], sudo: grant.sudo })];
  return there;
}

export function around(there: FakeAccess, more: Around = {}): Around {
  const books: Books = {
    entries: async (shelf) => there.books.filter((one) => one.shelf === shelf),
    entry: async (shelf, key) => there.books.find((one) => one.shelf === shelf && one.key === key),
  };
  return {
    books,
    github: {
      keys: async (login) =>
        there.github[login.toLowerCase()] ??
        fail('unavailable', { what: `${login} was not looked up`, why: 'GitHub is down', next: 'try again later' }),
    },
    findPerson: async (text) => there.people.find(({ id }) => id === text.replace(/^@/, '')),
    people: there.people,
    nodes: nodesOf(there),
    ...more,
  };
}

function nodesOf(there: FakeAccess): NodeView {
  return fakeNodes(there.nodes, {
    users: async (node, vmid) =>
      (there.nodes.includes(node) ? there.users[vmid] : noAccess(node)) ??
      fail('unavailable', { what: 'nothing was asked', why: 'the connection was lost', next: 'try again', sent: 'no' }),
    dryRun: async ({ node, verb }) => {
      there.rehearsed.push(`${node} ${verb}`);
      const why = there.refuses[verb];
      if (why !== undefined)
        fail('forbidden', { what: 'nothing was done', why, next: 'ask an admin', sent: 'refused' });
      return { would: [] };
    },
  });
}

const noAccess = (node: string): never =>
  fail('unavailable', {
    what: `${node} was not asked`,
    why: `${node} has no SSH access`,
    next: 'set it up',
    sent: 'no',
  });
