import { describe, expect, test } from 'vitest';
import { matched } from '../handlers/parts/adoption.ts';
import {
  changesOf,
  diffLines,
  holds,
  isKept,
  keptOf,
  lookAt,
  placesOf,
  seenState,
  shortType,
} from '../handlers/parts/drift.ts';
import { syncSteps } from '../handlers/parts/grants.ts';
import { insideOf } from '../handlers/parts/reconcile.ts';
import type { Grant } from '../src/contracts/books.ts';
import { Failed, failure } from '../src/contracts/failure.ts';
import type { GithubKey, KeysSeen } from '../src/contracts/github.ts';
import type { CtKey, CtUser } from '../src/contracts/shell.ts';
import { dss, ed25519, fingerprint, rsa } from './platforms/github-keys.ts';

/** Comparing, matching and telling, as functions of what was seen. */

const NOW = Date.UTC(2026, 10, 21, 8);
const [OLD, NEW, OTHER] = [ed25519('old'), ed25519('new'), ed25519('other')];

const githubKey = (line: string, bits?: number): GithubKey => ({
  type: line.split(' ')[0]!,
  fingerprint: fingerprint(line),
  line,
  ...(bits ? { bits } : {}),
});
const seen = (lines: readonly string[], more: Partial<KeysSeen> = {}): KeysSeen => ({
  login: 'alice-hub',
  id: 7,
  keys: lines.map((line) => githubKey(line)),
  refused: [],
  at: NOW,
  fresh: true,
  ...more,
});
const grant = (more: Partial<Grant> = {}, lines: readonly string[] = [OLD]): Grant => ({
  id: 'r1',
  cluster: 'off',
  vmid: 103,
  identity: 'BC:24:11:00:00:67',
  guest: 'robotoff',
  person: 'alice',
  login: 'alice-hub',
  githubId: 7,
  user: 'alice-hub',
  sudo: false,
  lines,
  fingerprints: lines.map(fingerprint),
  from: '20261120T080000Z',
  until: '20261122T080000Z',
  ...more,
});
const LEASE = 'expiry-time="20261122080000Z"';
const ours = (line: string, more: Partial<CtKey> = {}): CtKey => ({
  file: '/home/alice-hub/.ssh/authorized_keys',
  line: 1,
  type: line.split(' ')[0]!,
  fingerprint: fingerprint(line),
  options: LEASE,
  comment: 'bascule:r1',
  marker: 'bascule:r1',
  ours: true,
  ...more,
});
const foreign = (line: string, more: Partial<CtKey> = {}): CtKey => {
  const { marker: _, ...key } = ours(line, { options: '', comment: 'by hand', ours: false, ...more });
  return key;
};
const user = (keys: readonly CtKey[], more: Partial<CtUser> = {}): CtUser => ({
  name: 'alice-hub',
  uid: 1001,
  shell: '/bin/bash',
  home: '/home/alice-hub',
  locked: true,
  expired: false,
  sudo: false,
  groups: [],
  ours: true,
  note: '',
  troubles: [],
  keys,
  ...more,
});

describe('what has changed', () => {
  test('nothing, when GitHub shows the granted keys in another order', () => {
    expect(changesOf([grant({}, [OLD, OTHER])], seen([OTHER, OLD]))).toEqual([]);
  });

  test('added and removed keys, each named once, and where one of them is not so everywhere', () => {
    const changes = changesOf([grant({ sudo: true }), grant({ vmid: 110 }, [OLD, NEW])], seen([NEW]));
    expect(diffLines(changes)).toEqual([`+ ${fingerprint(NEW)} ed25519; only 103`, `− ${fingerprint(OLD)} ed25519`]);
    expect(placesOf(changes.map((change) => change.grant))).toBe('103 (sudo), 110');
  });

  test('a key that is on GitHub still but too weak by now says so', () => {
    const weak = rsa(2048);
    const refused = [{ why: 'RSA of 2048 bits', type: 'ssh-rsa', fingerprint: fingerprint(weak) }];
    const changes = changesOf([grant({}, [weak])], seen([], { refused }));
    expect(diffLines(changes)).toEqual([`− ${fingerprint(weak)} rsa; on GitHub still, but refused: RSA of 2048 bits`]);
  });

  test('types are short and tell the length of RSA', () => {
    const strong = rsa(3072);
    const changes = changesOf([grant()], { ...seen([]), keys: [githubKey(OLD), githubKey(strong, 3072)] });
    expect(diffLines(changes)).toEqual([`+ ${fingerprint(strong)} rsa-3072`]);
    expect(['sk-ssh-ed25519@openssh.com', 'ecdsa-sha2-nistp256', dss()].map(shortType)).toEqual([
      'sk-ed25519',
      'ecdsa-256',
      'dss',
    ]);
  });

  test('places name the account where it is not the login, and each jump once', () => {
    const jump = { node: 'ovh1', account: 'bascule-jump', address: '10.1.0.103' };
    expect(placesOf([grant({ vmid: 110, jump }), grant({ jump, user: 'ali' })])).toBe('103 (ali), 110, jump ovh1');
  });

  test('kept is for the very same keys of the very same account', () => {
    const kept = keptOf('alice', seen([NEW, OTHER]));
    expect(isKept(kept, seen([OTHER, NEW]))).toBe(true);
    expect(isKept(kept, seen([OTHER]))).toBe(false);
    expect(isKept(kept, seen([OTHER, NEW], { id: 8 }))).toBe(false);
    expect(isKept(undefined, seen([]))).toBe(false);
    expect(seenState(seen([OLD]))).not.toBe(seenState(seen([OLD], { id: 8 })));
  });

  test('a lease holds until its end, and one without an end for ever', () => {
    expect([grant(), grant({ until: '20261121T080000Z' })].map((one) => holds(one, NOW))).toEqual([true, false]);
    const endless: Pick<Grant, 'until'> = {};
    expect(holds(endless, NOW)).toBe(true);
  });
});

describe('looking at GitHub', () => {
  const look = (keys: () => Promise<KeysSeen>, login?: string) => lookAt([grant()], login, { keys });

  test('asks for the login that is linked now, else for the one that was granted', async () => {
    const asked: string[] = [];
    const keys = async (login: string) => {
      asked.push(login);
      return seen([OLD]);
    };
    await lookAt([grant()], 'alice-new', { keys });
    await lookAt([grant()], undefined, { keys });
    expect(asked).toEqual(['alice-new', 'alice-hub']);
  });

  test('concludes nothing from what is stored, and nothing while GitHub is out of reach', async () => {
    const stale = await look(async () => seen([], { fresh: false, stale: 'its keys of 3 h ago' }));
    expect(stale).toEqual({ state: 'unsure', why: 'its keys of 3 h ago' });
    const down = await look(async () => {
      throw new Failed(failure('unavailable', { what: 'a', why: 'rate limit', next: 'c' }));
    });
    expect(down).toMatchObject({ state: 'unsure' });
  });

  test('takes another account for a stranger, and a login that is gone too', async () => {
    expect(await look(async () => seen([OLD], { id: 8 }))).toMatchObject({
      state: 'stranger',
      why: expect.stringContaining('account 8; CT 103 was granted to account 7'),
    });
    for (const kind of ['conflict', 'not-found', 'bad-input'] as const) {
      const gone = await look(async () => {
        throw new Failed(failure(kind, { what: 'a', why: 'renamed', next: 'c' }));
      });
      expect(gone).toEqual({ state: 'stranger', why: 'renamed', next: 'c' });
    }
    await expect(
      look(async () => {
        throw new Failed(failure('internal', { what: 'a', why: 'broken', next: 'c' }));
      }),
    ).rejects.toThrow('broken');
  });
});

describe('other keys for a grant', () => {
  const keys = { lines: [NEW], fingerprints: [fingerprint(NEW)] };
  const jump = { node: 'ovh1', account: 'bascule-jump', address: '10.1.0.103' };
  const lines = (step: { call: unknown }) => (step.call as { args: { lines: string[] } }).args.lines;

  test('keep its end, inside and on the jump node, and the book is written last', () => {
    const steps = syncSteps(grant({ jump }), 'ovh2', keys, { alone: true, suffix: '103' });
    expect(steps.map(({ name }) => name)).toEqual(['keys 103', 'jump 103', 'book 103']);
    expect(lines(steps[0]!)).toEqual([`${LEASE} ${NEW} bascule:r1`]);
    expect(lines(steps[1]!)[0]).toContain(LEASE);
    expect(steps[2]).toMatchObject({
      needs: ['keys 103', 'jump 103'],
      call: { value: { lines: [NEW], until: '20261122T080000Z', id: 'r1' } },
    });
  });

  test('of a container that cannot be asked change the way in alone', () => {
    const steps = syncSteps(grant({ jump }), 'ovh2', keys, { asked: false });
    expect(steps.map(({ name }) => name)).toEqual(['jump']);
    expect(syncSteps(grant(), 'ovh2', keys, { asked: false })).toEqual([]);
  });

  test('none at all leave no line', () => {
    const steps = syncSteps(grant({ jump }), 'ovh2', { lines: [], fingerprints: [] });
    expect(steps.slice(0, 2).map(lines)).toEqual([[], []]);
  });
});

describe('accounts made by hand', () => {
  const alice = { id: 'alice', name: 'Alice', seen: seen([OLD]) };
  const oscar = { id: 'oscar', name: 'Oscar', seen: seen([OTHER], { id: 9, login: 'oscar-hub' }) };
  const none = new Set<string>();

  test('belong to the one person whose key they have; other lines stay', () => {
    const { matches, stays } = matched([user([foreign(OLD), foreign(NEW)])], [alice, oscar], none);
    expect(matches.map(({ who, keys }) => [who.id, keys.map(({ line }) => line)])).toEqual([['alice', [OLD]]]);
    expect(stays).toEqual([`alice-hub: ${fingerprint(NEW)} ed25519 (by hand): on GitHub with nobody we know`]);
  });

  test.each([
    ['root', user([foreign(OLD)], { name: 'root', uid: 0 }), 'an account of the system'],
    ['a daemon', user([foreign(OLD)], { uid: 999 }), 'an account of the system'],
    ['two people in one', user([foreign(OLD), foreign(OTHER)]), 'keys of Alice and Oscar in one account'],
    ['a line with options', user([foreign(OLD, { options: 'from="10.0.0.1"' })]), 'has options: from="10.0.0.1"'],
    ['another file', user([foreign(OLD, { file: '/home/alice-hub/.ssh/authorized_keys2' })]), 'authorized_keys2'],
    ['a line that is no key', user([{ file: 'x', line: 1, ours: false, unreadable: 'oops' }]), '"oops": no key'],
  ])('are not taken over: %s', (_, account, why) => {
    const { matches, stays } = matched([account], [alice, oscar], none);
    expect(matches).toEqual([]);
    expect(stays.join('\n')).toContain(why);
  });

  test('that are granted already are not taken over, nor a key that two people have', () => {
    expect(matched([user([foreign(OLD)])], [alice], new Set(['alice-hub'])).stays[0]).toContain(
      'part of a grant already',
    );
    const twin = { ...oscar, seen: seen([OLD], { id: 9 }) };
    expect(matched([user([foreign(OLD)])], [alice, twin], none).stays[0]).toContain('Alice and Oscar both have it');
  });

  test('lines that are ours are none of it', () => {
    expect(matched([user([ours(OLD)])], [alice], none)).toEqual({ matches: [], stays: [] });
  });
});

describe('what stands in a container', () => {
  const says = (users: readonly CtUser[], grants: readonly Grant[] = [grant()]) =>
    insideOf(103, users, grants, NOW).map(({ kind, says: text }) => `${kind}: ${text}`);

  test('as granted is no finding', () => {
    expect(says([user([ours(OLD)])])).toEqual([]);
    const { until: _, ...adopted } = grant({ adopted: true });
    expect(says([user([ours(OLD, { options: '', comment: 'bascule:r1 olga@laptop' })])], [adopted])).toEqual([]);
  });

  test('a missing line, and an account that is gone', () => {
    expect(says([user([])])).toEqual([
      `lost: 103 alice-hub: ${fingerprint(OLD)} was granted to alice, but is not there`,
    ]);
    expect(says([])).toEqual(['lost: 103 alice-hub: the account is gone; it was granted to alice']);
  });

  test('a lease that somebody made longer, or took away, or a line with more rights', () => {
    const later = 'expiry-time="20991122080000Z"';
    expect(says([user([ours(OLD, { options: later })])])[0]).toContain(
      `wrong: 103 alice-hub: ${fingerprint(OLD)} ed25519 has ${later}, granted was ${LEASE}`,
    );
    expect(says([user([ours(OLD, { options: '' })])])[0]).toContain('has no end');
    expect(says([user([ours(OLD, { options: `${LEASE},agent-forwarding` })])])[0]).toContain('wrong:');
  });

  test('our mark on a key that was not granted, and a mark that no book knows', () => {
    expect(says([user([ours(OLD), ours(NEW)])])[0]).toContain(`${fingerprint(NEW)} ed25519 was not granted`);
    expect(says([user([ours(OLD), ours(NEW, { marker: 'bascule:r9' })])])[0]).toContain('unknown: ');
    // The mark of a grant counts for its own account alone.
    expect(says([user([ours(OLD)]), user([ours(NEW)], { name: 'olga' })])[0]).toContain('unknown: 103 olga');
  });

  test('foreign lines are told as such, and the same line has the same name every night', () => {
    const [first] = insideOf(103, [user([ours(OLD), foreign(NEW)])], [grant()], NOW);
    const [again] = insideOf(103, [user([foreign(NEW, { line: 9 }), ours(OLD)])], [grant()], NOW);
    expect(first).toMatchObject({ kind: 'foreign', says: expect.stringContaining("(by hand) is not the bot's") });
    expect(again?.id).toBe(first?.id);
  });

  test('an ended lease is one finding, however many lines are left', () => {
    const ended = grant({ until: '20261121T070000Z' }, [OLD, NEW]);
    expect(says([user([ours(OLD), ours(NEW)])], [ended])).toEqual([
      'ended: 103 alice-hub: the lease of alice ended 20261121T070000Z, 2 lines are left',
    ]);
  });

  test('a key file that cannot be read hides nothing behind "missing"', () => {
    expect(says([user([], { troubles: ['it is larger than 262144 bytes'] })])).toEqual([
      'unseen: 103 alice-hub: it is larger than 262144 bytes',
    ]);
  });

  test('a folder sshd would not trust is told, and hides no missing key', () => {
    const open = '/home/alice-hub can be written by others (mode 0777), so sshd takes no key';
    const told = says([user([], { troubles: [open] })]);
    expect(told).toEqual([`unseen: 103 alice-hub: ${open}`, expect.stringContaining('is not there')]);
  });
});
