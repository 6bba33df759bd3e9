import { fail } from '../../src/contracts/failure.ts';
import { COMMAND, HELPER } from './command.ts';
import { nodeProgram, nodeProgramSha256 } from './node/program.ts';

/** What one site wants of its nodes. Everything is checked, since it ends in a script that root runs. */
export interface NodeSetupOptions {
  /** The bot's public key, one line as in a `.pub` file. */
  readonly publicKey: string;
  /** The account the bot logs in as; `bascule` unless told. */
  readonly account?: string;
  /** The account people jump through to their containers; left out: none is made. */
  readonly jump?: string;
  /** Guests the nodes allow, each a number or a range such as `100-199`. */
  readonly vmids: readonly string[];
  /** Verbs the nodes allow (node/README.md). */
  readonly verbs: readonly string[];
  /** Whether people may be given sudo in containers. */
  readonly sudo?: boolean;
  /** Addresses or networks the bot comes from (`10.0.0.5`, `10.0.0.0/24`); left out: any. */
  readonly from?: readonly string[];
  /** Lets the bot's key forward to the node's own API (127.0.0.1:8006), where the API is out of reach. */
  readonly api?: boolean;
}

/** Text to read, paste or keep; nothing here touches a node. */
export interface NodeSetup {
  /** The lines that make the account (and the jump account), with its key line. */
  readonly account: string;
  /** The helper itself, and its SHA-256 in hex. */
  readonly helper: string;
  readonly helperSha256: string;
  /** /etc/bascule-node.json: what the node allows, whatever the bot asks. */
  readonly config: string;
  /** /etc/sudoers.d/bascule */
  readonly sudoers: string;
  /** /etc/ssh/sshd_config.d/50-bascule.conf, with the hints as comments. */
  readonly sshd: string;
  /** One script for one node, to run as root; running it again changes nothing. */
  readonly script: string;
  /** An Ansible role: text by path inside the role. */
  readonly ansible: Readonly<Record<string, string>>;
}

const KEYS = '/etc/ssh/bascule-keys';
const JUMP_KEYS = '/etc/ssh/bascule-jump';

/** Throws Failed bad-input for options that cannot be right. */
export function nodeSetup(options: NodeSetupOptions): NodeSetup {
  const site = checked(options);
  const helper = nodeProgram();
  const pieces = {
    helper,
    helperSha256: nodeProgramSha256(),
    config: configOf(site),
    sudoers: sudoersOf(site),
    sshd: sshdOf(site),
  };
  return {
    ...pieces,
    account: accountOf(site),
    script: scriptOf(site, pieces),
    ansible: ansibleOf(site, pieces),
  };
}

type Site = Required<Omit<NodeSetupOptions, 'jump'>> & { readonly jump: string | undefined; readonly keyLine: string };
type Pieces = Pick<NodeSetup, 'helper' | 'helperSha256' | 'config' | 'sudoers' | 'sshd'>;

const wrong = (why: string): never =>
  fail('bad-input', { what: 'the set-up of the nodes was not written', why, next: 'correct it and ask again' });

function checked(options: NodeSetupOptions): Site {
  const { account = 'bascule', jump, sudo = false, from = [], api = false, vmids, verbs } = options;
  for (const name of [account, ...(jump === undefined ? [] : [jump])])
    if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(name)) wrong(`"${name}" is no account name`);
  if (account === jump) wrong('the bot and the people cannot share one account');
  const publicKey = options.publicKey.trim();
  if (
    !/^(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{40,}={0,2}(?: [\w@.+: -]{0,200})?$/.test(
      publicKey,
    )
  )
    wrong('the public key is not one line of a .pub file');
  for (const range of vmids)
    if (!/^[1-9]\d{2,8}(?:-[1-9]\d{2,8})?$/.test(range)) wrong(`"${range}" is no range of guests`);
  for (const verb of verbs) if (!/^[a-z]+(?:\.[a-z]+){0,2}$/.test(verb)) wrong(`"${verb}" is no verb`);
  for (const place of from) if (!/^[0-9A-Fa-f:.]+(?:\/\d{1,3})?$/.test(place)) wrong(`"${place}" is no address`);
  const keyLine = [
    `restrict,command="${COMMAND}"`,
    ...(from.length > 0 ? [`from="${from.join(',')}"`] : []),
    ...(api ? ['port-forwarding,permitopen="127.0.0.1:8006"'] : []),
  ].join(',');
  return { account, jump, sudo, from, api, vmids, verbs, publicKey, keyLine: `${keyLine} ${publicKey}` };
}

function configOf({ vmids, verbs, sudo, jump }: Site): string {
  const config = { v: 1, vmids, verbs, sudo, jump: jump === undefined ? [] : [jump] };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function sudoersOf({ account }: Site): string {
  return [
    `# ${account} may run the helper as root, without any argument, and nothing else.`,
    `Defaults!${HELPER} env_reset, !setenv, !requiretty`,
    `${account} ALL=(root) NOPASSWD: ${HELPER} ""`,
    '',
  ].join('\n');
}

/** Keys are in folders of root's, so that neither account can add one to itself. */
function sshdOf({ account, jump, api }: Site): string {
  return [
    '# Bascule. Hints for the rest of sshd, which is yours to decide:',
    '# - PermitRootLogin no (or prohibit-password where the cluster itself needs root between its nodes)',
    `# - with AllowUsers in use, add: ${[account, jump].filter(Boolean).join(' ')}`,
    `Match User ${account}`,
    `    AuthorizedKeysFile ${KEYS}/%u`,
    '    AuthenticationMethods publickey',
    `    ForceCommand ${COMMAND}`,
    '    PermitTTY no',
    '    X11Forwarding no',
    '    AllowAgentForwarding no',
    '    AllowStreamLocalForwarding no',
    '    PermitTunnel no',
    '    PermitUserRC no',
    `    AllowTcpForwarding ${api ? 'local' : 'no'}`,
    ...(jump === undefined
      ? []
      : [
          `Match User ${jump}`,
          `    AuthorizedKeysFile ${JUMP_KEYS}/%u`,
          '    AuthenticationMethods publickey',
          '    ForceCommand /usr/sbin/nologin',
          '    PermitTTY no',
          '    X11Forwarding no',
          '    AllowAgentForwarding no',
          '    AllowStreamLocalForwarding no',
          '    PermitTunnel no',
          '    PermitUserRC no',
          '    AllowTcpForwarding local',
        ]),
    'Match all',
    '',
  ].join('\n');
}

/** `*` and not `!` as the password: sshd without PAM refuses an account that is locked by `!`. */
function accountOf({ account, jump, keyLine }: Site): string {
  const made = (name: string, shell: string): string =>
    `id -u ${name} >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /nonexistent --shell ${shell} --password '*' ${name}`;
  return [
    made(account, '/bin/sh'),
    ...(jump === undefined ? [] : [made(jump, '/usr/sbin/nologin')]),
    `install -d -o root -g root -m 0755 ${KEYS}${jump === undefined ? '' : ` ${JUMP_KEYS}`}`,
    `put ${KEYS}/${account} 0644 <<'BASCULE_END'`,
    keyLine,
    'BASCULE_END',
    '',
  ].join('\n');
}

/** A quoted here-document: the shell changes nothing in it. */
const here = (command: string, text: string): string => `${command} <<'BASCULE_END'\n${text}BASCULE_END\n`;

function scriptOf(site: Site, { helper, helperSha256, config, sudoers, sshd }: Pieces): string {
  return `#!/bin/sh
# Sets up one Proxmox VE node for Bascule. Run it as root; run again, it changes only what differs.
# It never replaces /etc/bascule-node.json, which is this node's own word on what Bascule may do.
set -eu
umask 077
[ "$(id -u)" = 0 ] || { echo 'run this as root' >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
changed=0

# put FILE MODE < TEXT: replaces FILE as a whole, and only when it differs.
put() {
  cat > "$work/new"
  if [ -f "$1" ] && [ ! -L "$1" ] && cmp -s "$work/new" "$1" && [ "$(stat -c '%U %a' "$1")" = "root \${2#0}" ]; then return 0; fi
  install -o root -g root -m "$2" "$work/new" "$1.bascule-new"
  mv -T "$1.bascule-new" "$1"
  echo "wrote $1"
  changed=1
}

# 1. the helper, only if it arrived whole
${here('cat > "$work/helper"', helper)}
echo '${helperSha256}  '"$work/helper" | sha256sum --check --quiet
perl -Tc "$work/helper" 2>/dev/null || { echo 'this perl does not take the helper' >&2; exit 1; }
put ${HELPER} 0755 < "$work/helper"

# 2. what this node allows
if [ ! -e /etc/bascule-node.json ]; then
${here('put /etc/bascule-node.json 0644', config)}
fi

# 3. the accounts
${accountOf(site)}
# 4. sudo, only if sudo itself finds it sound
command -v visudo >/dev/null || { echo 'sudo is missing: apt-get install sudo' >&2; exit 1; }
${here('cat > "$work/sudoers"', sudoers)}
visudo -cqf "$work/sudoers"
put /etc/sudoers.d/bascule 0440 < "$work/sudoers"

# 5. sshd, only if sshd itself finds it sound
${here('put /etc/ssh/sshd_config.d/50-bascule.conf 0644', sshd)}
if ! sshd=$(command -v sshd) || ! "$sshd" -t; then
  rm -f /etc/ssh/sshd_config.d/50-bascule.conf
  echo 'sshd does not take its part, which was removed again' >&2
  exit 1
fi
"$sshd" -T -C user=${site.account},host=localhost,addr=127.0.0.1 | grep -qix 'authorizedkeysfile ${KEYS}/%u' ||
  { echo 'sshd does not read /etc/ssh/sshd_config.d: add the line Include /etc/ssh/sshd_config.d/*.conf to sshd_config' >&2; exit 1; }
if [ "$changed" = 1 ] && [ -d /run/systemd/system ]; then systemctl reload ssh; fi
[ "$changed" = 1 ] || echo 'nothing to change'
`;
}

const indented = (text: string, by: number): string => text.replace(/^(?=.)/gm, ' '.repeat(by));

function ansibleOf(
  site: Site,
  { helper, helperSha256, config, sudoers, sshd }: Pieces,
): Readonly<Record<string, string>> {
  const { account, jump, keyLine } = site;
  const user = (name: string, shell: string): string => `- name: The account ${name}
  ansible.builtin.user: { name: ${name}, system: true, create_home: false, home: /nonexistent, shell: ${shell}, password: '*' }
`;
  const folder = (path: string): string => `- name: The folder ${path}
  ansible.builtin.file: { path: ${path}, state: directory, owner: root, group: root, mode: '0755' }
`;
  const tasks = `---
- name: The helper
  ansible.builtin.copy: { src: bascule-node, dest: ${HELPER}, owner: root, group: root, mode: '0755', validate: perl -Tc %s }
- name: The helper's checksum
  ansible.builtin.stat: { path: ${HELPER}, checksum_algorithm: sha256 }
  register: bascule_helper
  check_mode: false
- name: The helper is the expected one
  ansible.builtin.assert:
    that: ansible_check_mode or bascule_helper.stat.checksum == '${helperSha256}'
- name: What this node allows (never replaced)
  ansible.builtin.copy: { src: bascule-node.json, dest: /etc/bascule-node.json, owner: root, group: root, mode: '0644', force: false }
${user(account, '/bin/sh')}${jump === undefined ? '' : user(jump, '/usr/sbin/nologin')}${folder(KEYS)}${jump === undefined ? '' : folder(JUMP_KEYS)}- name: The bot's key, good for the helper only
  ansible.builtin.copy:
    dest: ${KEYS}/${account}
    owner: root
    group: root
    mode: '0644'
    content: |
${indented(`${keyLine}\n`, 6)}- name: The one sudoers line
  ansible.builtin.copy: { src: sudoers, dest: /etc/sudoers.d/bascule, owner: root, group: root, mode: '0440', validate: visudo -cqf %s }
- name: sshd's part
  ansible.builtin.copy: { src: sshd.conf, dest: /etc/ssh/sshd_config.d/50-bascule.conf, owner: root, group: root, mode: '0644' }
  notify: Reload sshd
- name: sshd takes its part
  ansible.builtin.command: sshd -t
  changed_when: false
`;
  return {
    'tasks/main.yml': tasks,
    'handlers/main.yml': `---
- name: Reload sshd
  ansible.builtin.service: { name: ssh, state: reloaded }
`,
    'files/bascule-node': helper,
    'files/bascule-node.json': config,
    'files/sudoers': sudoers,
    'files/sshd.conf': sshd,
  };
}
