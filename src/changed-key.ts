import type { Notice } from './contracts/automation.ts';
import type { ChangedKey } from './contracts/shell.ts';

/** The alarm about a machine that is not the one it was; one notice per machine and key, however often it is tried. */
export function changedKeyNotice({ node, expected, seen }: ChangedKey): Notice {
  return {
    key: `host-key/${node}/${seen}`,
    card: {
      title: `HOST KEY CHANGED: ${node}`,
      tone: 'bad',
      lines: [
        'Nothing was sent to it, and nothing will be until somebody has looked',
        `Pinned: ${expected.join(', ')}`,
        `Seen: ${seen}`,
        'It was set up anew, or somebody stands in between: compare on its console with',
        'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
        'If it is rightly so, an admin pins it in the config (shell.nodes) and starts the bot again',
      ],
    },
  };
}
