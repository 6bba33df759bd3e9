import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { COMMAND } from '../adapters/shell/command.ts';
import { nodeProgram, nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { type NodeSetupOptions, nodeSetup } from '../adapters/shell/setup.ts';
import { Failed } from '../src/contracts/failure.ts';

/** What `bascule setup node` prints; that it works is proved in the system tests with sshd, sudo and Ansible. */
const key = `ssh-ed25519 ${'A'.repeat(67)}B bascule@bot`;
const site: NodeSetupOptions = {
  publicKey: key,
  jump: 'bascule-jump',
  vmids: ['100-199'],
  verbs: ['hello', 'ct.users'],
};

test('the sudoers line permits one program without arguments', () => {
  expect(nodeSetup(site).sudoers).toContain('\nbascule ALL=(root) NOPASSWD: /usr/local/sbin/bascule-node ""\n');
});

test('the key is good for the one command only, and from where the bot lives', () => {
  const { account } = nodeSetup({ ...site, from: ['10.0.0.5', '10.1.0.0/24'] });
  expect(account).toContain(`\nrestrict,command="${COMMAND}",from="10.0.0.5,10.1.0.0/24" ${key}\n`);
  expect(account).not.toContain('port-forwarding');
});

test('a forward to the node’s own API is opened only when asked for', () => {
  const { account, sshd } = nodeSetup({ ...site, api: true });
  expect(account).toContain('port-forwarding,permitopen="127.0.0.1:8006"');
  expect(sshd).toMatch(/Match User bascule\n(?: {4}.*\n)* {4}AllowTcpForwarding local\n/);
  expect(nodeSetup(site).sshd).toMatch(/Match User bascule\n(?: {4}.*\n)* {4}AllowTcpForwarding no\n/);
});

test('without jumps there is no jump account anywhere', () => {
  const { jump: _, ...rest } = site;
  const setup = nodeSetup(rest);
  expect(JSON.parse(setup.config).jump).toEqual([]);
  expect(setup.account + setup.sshd + setup.sudoers).not.toContain('jump');
});

test('the script carries the helper byte for byte, and a shell takes it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-setup-'));
  const { script, helper, helperSha256 } = nodeSetup(site);
  expect([helper, helperSha256]).toEqual([nodeProgram(), nodeProgramSha256()]);
  writeFileSync(join(folder, 'setup.sh'), script);
  execFileSync('sh', ['-n', join(folder, 'setup.sh')]);
  // The first here-document alone, as the shell reads it.
  const from = script.indexOf(`cat > "$work/helper" <<'BASCULE_END'\n`);
  const part = script.slice(from, script.indexOf('\nBASCULE_END\n', from) + '\nBASCULE_END\n'.length);
  const read = execFileSync('sh', ['-c', `work=${folder}; ${part} sha256sum < "$work/helper"`], { encoding: 'utf8' });
  expect(read.split(' ')[0]).toBe(helperSha256);
  rmSync(folder, { recursive: true });
});

test('nothing in the helper ends a here-document early', () => {
  expect(nodeProgram().split('\n')).not.toContain('BASCULE_END');
});

test('the Ansible role is sound YAML with the same helper', () => {
  const { ansible, helper } = nodeSetup(site);
  expect(ansible['files/bascule-node']).toBe(helper);
  const tasks = parse(ansible['tasks/main.yml']!) as { name: string }[];
  expect(tasks.length).toBeGreaterThan(8);
  for (const task of tasks) expect(Object.keys(task)).toContain('name');
  expect(parse(ansible['handlers/main.yml']!)).toHaveLength(1);
});

test.each<[string, Partial<NodeSetupOptions>]>([
  ['an account with a command in it', { account: 'bot; rm -rf /' }],
  ['a jump account that is the bot’s own', { jump: 'bascule' }],
  ['a key with a line break', { publicKey: `${key}\nssh-ed25519 ${'A'.repeat(68)}` }],
  ['a key with options', { publicKey: `no-pty ${key}` }],
  ['a key whose comment ends the here-document', { publicKey: `ssh-ed25519 ${'A'.repeat(68)} x\nBASCULE_END` }],
  ['a guest that is none', { vmids: ['*'] }],
  ['a verb that is none', { verbs: ["hello'"] }],
  ['an address that is a name', { from: ['bot.internal'] }],
])('refuses %s', (_, wrong) => {
  expect(() => nodeSetup({ ...site, ...wrong })).toThrow(Failed);
});
