import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { COMMAND } from '../adapters/shell/command.ts';
import { examineNode } from '../adapters/shell/doctor.ts';
import { nodeProgramSha256, nodeVerbs } from '../adapters/shell/node/program.ts';
import { nodeSetup } from '../adapters/shell/setup.ts';
import { publicKeyOf, setupText } from '../adapters/shell/setup-text.ts';
import { Failed, fail } from '../src/contracts/failure.ts';
import type { Hello, Shell } from '../src/contracts/shell.ts';
import { examine, findingLine } from '../src/doctor.ts';

/** What `bascule doctor` says of a node; that a real node answers so is proved in the system tests. */
const soundHello: Hello = {
  version: '1.0.0',
  sha256: nodeProgramSha256(),
  known: nodeVerbs(),
  verbs: nodeVerbs(),
  vmids: ['100-199'],
  sudo: true,
  jump: ['bascule-jump'],
};
const file = (name: string) => ({ name, path: `/etc/${name}`, there: true, sound: true, mode: '0644' });
const soundSetup = {
  files: ['helper', 'config', 'sudoers', 'sshd', 'keys'].map(file),
  keys: [{ options: `restrict,command="${COMMAND}"`, fingerprint: 'SHA256:x' }],
  sudo: ['(root) NOPASSWD: /usr/local/sbin/bascule-node ""'],
  sshd: {
    forcecommand: COMMAND,
    permittty: 'no',
    authorizedkeysfile: '/etc/ssh/bascule-keys/%u',
    permitrootlogin: 'prohibit-password',
  },
  jump: { forcecommand: '/usr/sbin/nologin', permittty: 'no' },
};
const expected = { account: 'bascule', jump: 'bascule-jump', sudo: true };

function shellThat(hello: Partial<Hello>, setup: object = {}): Shell {
  return {
    has: () => true,
    hello: async () => ({ ...soundHello, ...hello }),
    ask: async () => JSON.parse(JSON.stringify({ ...soundSetup, ...setup })),
    close: async () => undefined,
  };
}

const said = async (hello: Partial<Hello>, setup?: object) =>
  (await examineNode('ovh1', shellThat(hello, setup), expected)).filter(({ state }) => state !== 'ok').map(findingLine);

test('a node that is as it was set up has nothing to say', async () => {
  expect(await said({})).toEqual([]);
});

test('a helper of another version is found by its checksum', async () => {
  expect(await said({ sha256: 'a'.repeat(64) })).toEqual([
    `FAIL  node ovh1: helper: is not the expected one: expected sha256 ${nodeProgramSha256()}, seen ${'a'.repeat(64)} → run what \`bascule setup node --script\` prints on that node, as root`,
  ]);
});

test.each<[string, Partial<Hello>, object, string]>([
  [
    'a verb the node refuses',
    { verbs: nodeVerbs().filter((verb) => verb !== 'file.restore') },
    {},
    'not allowed: file.restore',
  ],
  ['sudo the node refuses', { sudo: false }, {}, 'the config offers it, the node refuses it'],
  ['a jump account the node does not know', { jump: [] }, {}, 'does not let the keys of bascule-jump be set'],
  ['a second sudo line', {}, { sudo: [...soundSetup.sudo, '(ALL) ALL'] }, 'may also run: (ALL) ALL'],
  [
    'a key that may do anything',
    {},
    { keys: [...soundSetup.keys, { options: '', fingerprint: '' }] },
    '1 of its keys may do more',
  ],
  [
    'a key that forces another command first',
    {},
    { keys: [{ options: `command="sh",restrict,command="${COMMAND}"`, fingerprint: '' }] },
    '1 of its keys may do more',
  ],
  [
    'a sudoers file that others can write',
    {},
    { files: [{ ...file('sudoers'), sound: false, mode: '0666' }] },
    'can be changed by others than root (mode 0666)',
  ],
  ['a missing file', {}, { files: [{ name: 'sshd', path: '/etc/ssh/x', there: false }] }, '/etc/ssh/x is missing'],
  ['sshd that forces nothing', {}, { sshd: { ...soundSetup.sshd, forcecommand: 'none' } }, 'forcecommand is none'],
  [
    'root with a password',
    {},
    { sshd: { ...soundSetup.sshd, permitrootlogin: 'yes' } },
    'root may log in with a password',
  ],
  [
    'jumps with a shell',
    {},
    { jump: { forcecommand: 'none', permittty: 'yes' } },
    'forcecommand is none, permittty is yes',
  ],
])('finds %s', async (_, hello, setup, words) => {
  expect(await said(hello, setup)).toEqual([expect.stringContaining(words)]);
});

test('a node that does not let itself be looked at is unknown, not sound', async () => {
  const verbs = nodeVerbs().filter((verb) => verb !== 'setup.facts');
  expect((await said({ verbs })).some((line) => line.startsWith('?     node ovh1: set-up'))).toBe(true);
});

test('what cannot be looked at is one line with a remedy, and the rest is still looked at', async () => {
  const lines: string[] = [];
  const down = async () => fail('unavailable', { what: 'x', why: 'connection refused', next: 'look at that node' });
  const checks = [
    { about: 'node ovh2', look: down },
    { about: 'clock', look: async () => [{ about: 'clock', state: 'ok' as const, says: 'right' }] },
  ];
  expect(await examine(checks, (line) => lines.push(line))).toBe(false);
  expect(lines).toEqual(['FAIL  node ovh2: connection refused → look at that node', 'ok    clock: right']);
});

test('the public half of the configured key is found by itself, and a key that is none is said', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  expect(publicKeyOf(pem)).toMatch(/^ssh-rsa AAAA\S+ bascule$/);
  expect(() => publicKeyOf('nonsense')).toThrow(Failed);
});

test('the set-up is told whole before anybody runs it', () => {
  const setup = nodeSetup({
    publicKey: `ssh-ed25519 ${'A'.repeat(68)} bascule`,
    jump: 'bascule-jump',
    vmids: ['100-199'],
    verbs: nodeVerbs(),
  });
  const text = setupText(setup);
  for (const part of [setup.helperSha256, setup.sudoers.trim(), 'PermitRootLogin', '"vmids"', 'bascule doctor'])
    expect(text).toContain(part);
});
