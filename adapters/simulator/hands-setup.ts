import { createHash } from 'node:crypto';
import { type HandsCall, type Verbs, verb } from './hands.ts';
import * as field from './hands-fields.ts';

/** setup.facts: a node that was set up as `bascule setup node` does it, but for what a test changed. */

/** What sshd runs for the bot's key, whatever it asks for. */
export const forcedCommand = 'env LC_ALL=C timeout -k 10 3600 sudo -n /usr/local/sbin/bascule-node';

function facts(args: { account: string; jump?: string }, { hands }: HandsCall): object {
  const { setup } = hands;
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const file = (name: string, path: string, mode = '0644', sum = sha256(`${hands.node} ${path}`)) => {
    const odd = setup.files[name];
    if (odd === 'missing') return { name, path, there: false };
    return {
      name,
      path,
      there: true,
      sound: odd !== 'writable',
      mode: odd === 'writable' ? '0666' : mode,
      sha256: sum,
    };
  };
  const sshd = {
    permitrootlogin: setup.permitRootLogin,
    forcecommand: forcedCommand,
    permittty: 'no',
    allowtcpforwarding: 'no',
    x11forwarding: 'no',
    authorizedkeysfile: '/etc/ssh/bascule-keys/%u',
  };
  return {
    files: [
      file('helper', '/usr/local/sbin/bascule-node', '0755', hands.sha256),
      file('config', '/etc/bascule-node.json'),
      file('sudoers', '/etc/sudoers.d/bascule', '0440'),
      file('sshd', '/etc/ssh/sshd_config.d/50-bascule.conf'),
      file('keys', `/etc/ssh/bascule-keys/${args.account}`),
    ],
    keys: [{ options: `restrict,command="${forcedCommand}"`, fingerprint: setup.keyFingerprint }],
    sudo: setup.sudo,
    sshd,
    jump:
      args.jump === undefined
        ? null
        : {
            ...sshd,
            forcecommand: '/usr/sbin/nologin',
            allowtcpforwarding: 'local',
            authorizedkeysfile: '/etc/ssh/bascule-jump/%u',
          },
  };
}

export const setupVerbs: Verbs = {
  'setup.facts': verb({ needs: { account: field.user }, may: { jump: field.user }, run: facts }),
};
