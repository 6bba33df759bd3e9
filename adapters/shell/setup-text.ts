import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ssh2 from 'ssh2';
import { fail } from '../../src/contracts/failure.ts';
import type { NodeSetup } from './setup.ts';

/** One line as in a `.pub` file. Throws Failed bad-input for what is no private key without a passphrase. */
export function publicKeyOf(privateKey: string): string {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error)
    return fail('bad-input', {
      what: 'The set-up was not written',
      why: `the private key in the config cannot be read (${key.message.split('\n')[0]})`,
      next: 'name its public half: --public-key id_ed25519.pub',
    });
  const [first] = Array.isArray(key) ? key : [key];
  return `${first.type} ${first.getPublicSSH().toString('base64')} bascule`;
}

/** Everything to read before doing it: what is made on a node, why, and the two ways to do it on many. */
export function setupText(setup: NodeSetup): string {
  const part = (title: string, text: string) => `## ${title}\n${text.trimEnd()}\n`;
  return [
    'Bascule reaches a node as an account that can do one thing: hand one request to one program.',
    'Read this, then run the script on each node, or use the Ansible role. Running either again changes nothing.\n',
    part(
      'The helper',
      `/usr/local/sbin/bascule-node, owned by root, perl without modules\nsha256 ${setup.helperSha256}`,
    ),
    part('The account and its key (put FILE MODE writes a file as root, as the script does)', setup.account),
    part('/etc/sudoers.d/bascule', setup.sudoers),
    part('/etc/ssh/sshd_config.d/50-bascule.conf', setup.sshd),
    part("/etc/bascule-node.json, the node's own word on what Bascule may do", setup.config),
    part(
      'Do it',
      [
        'one node:    bascule setup node --script | ssh root@NODE sh',
        'many nodes:  bascule setup node --ansible roles/bascule',
        'afterwards:  bascule doctor',
      ].join('\n'),
    ),
  ].join('\n');
}

/** Writes the role's files below a folder; resolves their paths. */
export function writeRole(setup: NodeSetup, folder: string): readonly string[] {
  return Object.entries(setup.ansible).map(([name, text]) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  });
}
