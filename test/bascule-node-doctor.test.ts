import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { COMMAND } from '../adapters/shell/command.ts';
import { nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { type NodeWorld, openNode } from './bascule-node/world.ts';

/** What a node tells the doctor of its own set-up. */
let node: NodeWorld;
beforeEach(() => {
  node = openNode();
  program('sshd', 'echo "permitrootlogin without-password\\nforcecommand x y\\nport 22"');
  program(
    'sudo',
    'printf "User bascule may run the following commands on n:\\n    (root) NOPASSWD: /usr/local/sbin/bascule-node \\"\\"\\n"',
  );
});
afterEach(() => node.remove());

function program(name: string, script: string): void {
  writeFileSync(join(node.folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(node.folder, name), 0o755);
}

test('its files, its sudo line, and what sshd would do are told, and no contents', async () => {
  const { code, answer } = await node.ask('setup.facts', { account: 'bascule' });
  expect(code).toBe(0);
  const { files, sudo, sshd, jump, keys } = answer.result;
  expect(files[0]).toMatchObject({ name: 'helper', there: true, sound: true, sha256: nodeProgramSha256() });
  expect(files.map((file: { name: string; there: boolean }) => [file.name, file.there])).toEqual([
    ['helper', true],
    ['config', true],
    ['sudoers', false],
    ['sshd', false],
    ['keys', false],
  ]);
  expect(sudo).toEqual(['(root) NOPASSWD: /usr/local/sbin/bascule-node ""']);
  expect(sshd).toEqual({ permitrootlogin: 'without-password', forcecommand: 'x y' });
  expect([jump, keys]).toEqual([null, []]);
});

test('a file that others can write is not sound', async () => {
  chmodSync(join(node.folder, 'bascule-node.json'), 0o666);
  expect((await node.ask('setup.facts', { account: 'bascule' })).answer.error.why).toContain(
    'can be written by others',
  );
  chmodSync(join(node.folder, 'bascule-node.json'), 0o644);
  node.write('sudoers', 'x');
  chmodSync(join(node.folder, 'sudoers'), 0o662);
  const { files } = (await node.ask('setup.facts', { account: 'bascule' })).answer.result;
  expect(files[2]).toMatchObject({ name: 'sudoers', there: true, sound: false, mode: '0662' });
});

test('the bot’s key is told by its options and fingerprint', async () => {
  mkdirSync(join(node.folder, 'botkeys'));
  const key = Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0 '), Buffer.alloc(32, 7)]).toString('base64');
  node.write('botkeys/bascule', `restrict,command="${COMMAND}" ssh-ed25519 ${key} bot\n`);
  const { keys } = (await node.ask('setup.facts', { account: 'bascule' })).answer.result;
  expect(keys).toEqual([{ options: `restrict,command="${COMMAND}"`, fingerprint: expect.stringMatching(/^SHA256:/) }]);
});

test('sshd that cannot tell is said, not guessed', async () => {
  program('sshd', 'echo "no hostkeys available" >&2; exit 1');
  const { sshd } = (await node.ask('setup.facts', { account: 'bascule', jump: 'bascule-jump' })).answer.result;
  expect(sshd.unreadable).toContain('no hostkeys');
});
