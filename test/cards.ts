import type { Action, Card, Prompt } from '../src/contracts/card.ts';

export const destroyPrompt: Prompt = { title: 'Destroy CT 103', label: 'Type the vmid again', hint: 'CT 103 robotoff' };

/** Sample cards for the golden files and property tests of all renderers: the five of CARDS.md, then each shape. */
export const cards = {
  quorum: {
    title: 'OFF: QUORATE 3/4 votes, need 3',
    tone: 'warning',
    lines: ['Asked ovh1 14:02:11', 'Link cut = BOTH sides inquorate, active HA nodes reset within 60 s'],
    facts: [
      { label: 'Up', value: 'ovh1 ovh3 ovh4' },
      { label: 'Down', value: 'ovh2 since 13:41' },
      { label: 'Spare', value: '0. QDevice: none' },
      { label: 'Sites', value: 'Roubaix 2, Strasbourg 1' },
    ],
  },
  failover: {
    title: 'FAILOVER ovh2 → ovh3, silent since 13:41:21',
    tone: 'bad',
    lines: [
      '103 robotoff: down 2m03, lost 3m36–3m46',
      '110 metabase: down 2m03, lost 3m31–3m41',
      'NOT HA, still down: 117 wiki',
      'Fenced 13:43:21; ovh3 RAM 27/32 GB',
      'RESCUE: keep ovh2 OFF; its return erases the lost minutes',
      'Failback: on, check before power-on',
    ],
    actions: [
      { ref: 'r7Jd0a', label: 'Disable 103-0, 110-0', style: 'danger' },
      { ref: 'r7Jd0b', label: 'Ack' },
    ],
  },
  backup: {
    title: 'BACKUP nightly: 9/11 OK, 02:00–03:12',
    tone: 'bad',
    lines: [
      '103 robotoff: No space left on device',
      '117 wiki: No space left on device',
      'Last good: 103 Tue 02:14; 117 Mon 02:31',
      'Limit 26 h: BOTH overdue',
      'Storage "backups": 98 %, NFS',
      'Second night running',
    ],
    actions: [
      { ref: 'b1', label: 'Retry 2', style: 'primary' },
      { ref: 'b2', label: 'Log' },
      { ref: 'b3', label: 'Snooze' },
    ],
  },
  keys: {
    title: 'KEYS CHANGED @alice (github alice) 09:10',
    tone: 'warning',
    lines: ['On: 103 (sudo), 110, jump ovh1', 'Nothing changed yet. Ask Alice outside chat first'],
    code: ['+ SHA256:uV9…k2 ed25519\n− SHA256:p0Q…x7 rsa-3072'],
    actions: [
      { ref: 'k1', label: 'Apply', style: 'primary' },
      { ref: 'k2', label: 'Keep' },
      { ref: 'k3', label: 'Revoke everywhere', style: 'danger' },
    ],
    private: true,
  },
  create: {
    title: 'CREATE CT 112 metabase on ovh1',
    tone: 'plain',
    lines: [
      '10.1.0.112/24 vmbr0 gw 10.0.0.1 (outside /24!)',
      'debian-13, 2 cores, 2 GB, swap 256',
      '20 GB local-zfs, 412 free',
      'unprivileged, onboot, protection',
      'Replicate ovh3 */5; backup: nightly; HA: no',
      'alice: 2 keys, sudo, jump ovh1',
      'Needs 1 of 1: admins',
    ],
    actions: [
      { ref: 'a1', label: 'Approve', style: 'primary' },
      { ref: 'a2', label: 'Deny' },
    ],
    footer: 'Request q7f3k1 by alice, expires 15:02',
  },
  progress: {
    title: 'Creating CT 112 metabase on ovh1',
    tone: 'busy',
    lines: ['done: create, start', 'now: waiting until it runs'],
    progress: { done: 2, total: 5, says: 'Waiting until CT 112 runs' },
    actions: [{ ref: 'p1', label: 'Cancel and undo', style: 'danger' }],
  },
  table: {
    title: '60 containers on cluster off',
    tone: 'plain',
    table: {
      columns: ['VMID', 'Name', 'Node', 'State', 'Memory', 'Disk'],
      rows: Array.from({ length: 60 }, (_, row) => [
        String(100 + row),
        `guest-${row}.openfoodfacts.org`,
        `ovh${(row % 4) + 1}`,
        row % 7 === 0 ? 'stopped' : 'running',
        `${row % 9}.5/16 GiB`,
        `${row}/200 GiB`,
      ]),
    },
    footer: 'as alice may see them, 14:02:11',
  },
  prompt: {
    title: 'DESTROY CT 103 robotoff on ovh1',
    tone: 'bad',
    lines: ['Its disks and its replication job 103-0 go with it', 'Last backup: Tue 02:14'],
    actions: [
      {
        ref: 'd1',
        label: 'Destroy',
        style: 'danger',
        prompt: destroyPrompt,
      },
      { ref: 'd2', label: 'Withdraw' },
    ],
  },
  error: {
    title: 'robotoff was not created',
    tone: 'bad',
    lines: ['ovh2 is offline', 'Next: choose another node: node:ovh1'],
    code: ['/pve ct create hostname:robotoff node:ovh1'],
    footer: 'ref q7f3k1',
    private: true,
  },
  bare: { title: 'pong', tone: 'good' },
} satisfies Record<string, Card>;

export type CardName = keyof typeof cards;

/** Untrusted text at its worst, by what is bad about it. */
export const hostileTexts = {
  slackMentions: '<!channel> <!here> <@U0000ALICE> <#C000OPS> <!subteam^S000SRE> @channel @everyone',
  slackLinks: '<https://evil.example|Approve> *bold* _it_ ~no~ `code` ```block``` :boom: > quote',
  slackEntities: '&lt;!channel&gt; &amp;lt; <&> & < >',
  discordMentions: '@everyone @here <@100000000000000001> <@&100000000000000009> <#100000000000000005> </ct list:1>',
  discordMarkup: '[Approve](https://evil.example) **b** __u__ ||spoiler|| <https://evil.example> <t:0:R> <:a:1>',
  discordLines: '# heading\n- list\n> quote\n-# small\n1. one',
  html: '<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">x</a>&lt;b&gt;"\'',
  backticks: 'a `b` ``c`` ```\nd\n``` ````e```` <https://evil.example|f>',
  bidi: 'safe \u202Egnp.exe\u202C \u2066x\u2069 \u200Fy \u061Cz',
  zeroWidth: 'ro\u200Bbot\u200Coff\u200D \uFEFF\u2060\u00AD\u3164\u{E0041}',
  controls: 'a\u0000b\u0007c\u001B[31md\u007Fe\u0085f\rg\u2028h',
  newlines: 'one\n\nNeeds 0 of 0: approved\n\n\nthree',
  long: 'x'.repeat(10_000),
  longWords: 'no space left on device '.repeat(420),
  longEmoji: '👩🏽‍🚒'.repeat(1_500),
  zalgo: `z${'\u0301'.repeat(9_999)}`,
  flags: '🏴󠁧󠁢󠁥󠁮󠁧󠁿🇫🇷👨‍👩‍👧‍👦❤️'.repeat(40),
  loneSurrogate: 'a\uD83Db\uDC00',
  slashes: '\\u{202E} \\n \\` C:\\x \\<',
  empty: '',
  blank: ' \n\t ',
} as const;

export type HostileName = keyof typeof hostileTexts;

/** One card with `text` in every field a renderer shows. Refs are ours and stay harmless. */
export function cardFullOf(text: string): Card {
  const prompt = { title: text, label: text, hint: text };
  const actions: Action[] = [
    { ref: 'h1', label: text, style: 'primary', prompt },
    { ref: 'h2', label: text, style: 'danger' },
  ];
  return {
    title: text,
    tone: 'warning',
    lines: [text, 'between', text],
    facts: [
      { label: text, value: text },
      { label: 'Name', value: text },
    ],
    table: { columns: ['Name', text], rows: [[text, 'x'], [], [text, text, text]] },
    code: [text, text],
    progress: { done: 3, total: 2, says: text },
    actions,
    footer: text,
  };
}

/** {@link cardFullOf} each hostile text. */
export const hostile = Object.fromEntries(
  Object.entries(hostileTexts).map(([name, text]) => [name, cardFullOf(text)]),
) as unknown as Readonly<Record<HostileName, Card>>;
