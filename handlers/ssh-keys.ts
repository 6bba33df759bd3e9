import { DateTime } from 'luxon';
import { defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { option, optional } from './options.ts';

const person = optional(
  option<string>({
    summary: 'Whose keys; yours when left out',
    example: 'person:@alice',
    completes: 'person',
    read: (text) => (text.length <= 80 ? { value: text } : { problem: 'is too long for a name' }),
  }),
);

export const sshKeys = defineCommand({
  name: 'ssh keys',
  summary: 'The SSH keys a person has on GitHub, by fingerprint, and which are too weak',
  examples: ['ssh keys', 'ssh keys person:@alice'],
  options: { person },
  positional: ['person'],
  action: 'ssh.keys',
  risk: 'read',
  private: true,
  needsCluster: false,
  async answer(options, { asker, findPerson, github, root, zone }) {
    const who = await findPerson(options.person ?? asker.id);
    if (!who?.github)
      fail('not-found', {
        what: 'No keys were looked up',
        why: who ? `${who.name} has no GitHub login here` : `nobody here is called ${options.person ?? asker.name}`,
        next: who
          ? `${root}person add person:${who.id} github:… links them`
          : `mention them, or use the name under people: in the config; ${root}whoami shows one's own`,
      });
    const found = await github.keys(who.github, { mayBeEmpty: true });
    // Whole fingerprints to compare with `ssh-keygen -lf`; a table would cut them.
    const keys = [
      ...found.keys.map((key) => `${key.fingerprint} ${key.type}${key.bits ? ` ${key.bits}` : ''}`),
      ...found.refused.map((key) => `${key.fingerprint ?? '(no fingerprint)'} ${key.type}: refused, ${key.why}`),
    ];
    return {
      title: `${who.name} (github ${found.login}): ${count(found.keys.length)}`,
      tone: found.keys.length === 0 || !found.fresh ? 'warning' : 'plain',
      lines: found.stale ? [found.stale] : [],
      ...(keys.length > 0 ? { code: [keys.join('\n')] } : {}),
      footer: `GitHub ${DateTime.fromMillis(found.at, { zone }).toFormat('yyyy-MM-dd HH:mm ZZZZ')} · ${root}whoami`,
      private: true,
    };
  },
});

const count = (n: number): string => (n === 0 ? 'no usable key' : n === 1 ? '1 key' : `${n} keys`);
