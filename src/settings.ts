import { IANAZone } from 'luxon';
import { z } from 'zod';

/**
 * One YAML file, read once at start. This schema is the single source of the defaults, the settings reference
 * in the README and the JSON Schema for editors. Unknown keys are errors.
 */
const secret = (about: string) =>
  z.string().min(1).describe(`${about} Write \${env:NAME} or \${file:/path} instead of the secret.`);
const names = z.array(z.string().min(1));

const ctRules = z
  .strictObject({
    range: z
      .tuple([z.int().min(100), z.int().min(100)])
      .refine(([first, last]) => first <= last, 'must begin with the smaller number')
      .optional()
      .describe('First and last CTID that may be given out. Without it: the next free one.'),
    template: z
      .string()
      .default('debian-13-standard')
      .describe('Template name or its beginning; the newest match on the node is taken.'),
    storage: z.string().default('local-zfs').describe('Storage of the root disk.'),
    disk: z.int().min(1).max(100_000).default(8).describe('Root disk, GiB.'),
    cores: z.int().min(1).max(8192).default(1).describe('CPU cores.'),
    memory: z.int().min(16).default(1024).describe('Memory, MiB.'),
    swap: z.int().min(0).default(256).describe('Swap, MiB.'),
    bridge: z.string().default('vmbr0').describe('Bridge of eth0.'),
    address: z
      .string()
      .regex(/^[0-9.{}vmid]+\/\d{1,2}$/, 'must look like 10.1.0.{vmid}/24')
      .default('10.1.0.{vmid}/24')
      .describe('IPv4 address with prefix length; {vmid} becomes the CTID.'),
    gateway: z.ipv4().default('10.1.0.1').describe('IPv4 gateway.'),
    nameserver: z.string().optional().describe('DNS servers, blank-separated. Without it: the node’s own.'),
    searchdomain: z.string().optional().describe('DNS search domain.'),
    unprivileged: z.boolean().default(true).describe('Unprivileged container.'),
    onboot: z.boolean().default(true).describe('Start at boot.'),
    protection: z.boolean().default(true).describe('Protect against removal.'),
    tags: names.default(['bascule']).describe('Tags of every new container.'),
    pool: z.string().optional().describe('Resource pool.'),
    replicateTo: names
      .default([])
      .describe('Nodes to replicate to: the first that is not the container’s own. Empty: no replication.'),
    replicateSchedule: z.string().default('*/5').describe('Calendar event of the replication job.'),
  })
  .describe('House rules for new containers.');

/** `8h`, `36h`, `5d`, `2w`, `2m` (months of 30 days); seconds. */
const duration = (about: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,4}(min|h|d|w|m|y)$/, 'must be a number with min, h, d, w, m (months) or y, for example 8h')
    .transform(seconds)
    .describe(about);

export function seconds(text: string): number {
  const [, count = '0', unit = 'h'] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  const each = { s: 1, min: 60, h: 3600, d: 86_400, w: 604_800, m: 2_592_000, y: 31_536_000 }[unit] ?? 0;
  return Number(count) * each;
}

const hostKeys = z
  .array(z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be a fingerprint as ssh-keygen -lf prints it, SHA256:…'))
  .min(1)
  .describe('Fingerprints of its host keys, read on its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub.');
const port = z.int().min(1).max(65535).default(22).describe('SSH port.');
const account = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be an account name');

const shell = z
  .strictObject({
    user: account.default('bascule').describe('The account `bascule setup node` makes.'),
    key: secret('Private key, for example ${file:id_ed25519}.').optional(),
    agent: z.string().optional().describe('Socket of an SSH agent, instead of key.'),
    nodes: z
      .record(z.string(), z.strictObject({ host: z.string().describe('Name or address.'), port, hostKeys }))
      .describe('The nodes by their Proxmox names. Nodes that are left out are asked nothing over SSH.'),
    jump: z
      .strictObject({ host: z.string().describe('Name or address.'), port, user: account, hostKeys })
      .optional()
      .describe('A host on the way to all nodes; the same key logs in there.'),
  })
  .refine(({ key, agent }) => (key === undefined) !== (agent === undefined), { message: 'give key or agent' })
  .describe('SSH to the nodes, for what the API cannot do. Without it those commands say what they lack.');

const access = z
  .strictObject({
    lease: duration('How long a grant lasts when nobody says.').prefault('8h'),
    longest: duration('The most anybody may ask for.').prefault('90d'),
    sudo: z.boolean().default(true).describe('May sudo be asked for at all; policy decides for whom.'),
    jump: z
      .strictObject({
        node: z.string().describe('Node people jump through.'),
        account: account.default('bascule-jump').describe('Its jump account, as `bascule setup node` makes it.'),
        host: z.string().describe('How people reach that node from outside.'),
        port,
      })
      .optional()
      .describe('The way in. Without it grants say nothing of how to reach the container.'),
    removedKeys: z
      .enum(['ask', 'apply'])
      .default('ask')
      .describe('A key its owner took away from GitHub: ask, or end it at once as Automation::key-drift.'),
  })
  .describe('People’s SSH access to containers.');

const snapshotRule = z
  .strictObject({
    vmids: z.array(z.int().min(100)).default([]).describe('Guests by number.'),
    tags: names.default([]).describe('Guests with any of these tags.'),
    keep: z
      .strictObject({
        hourly: duration('Hourly ones.').optional(),
        daily: duration('Daily ones.').optional(),
        weekly: duration('Weekly ones.').optional(),
        monthly: duration('Monthly ones.').optional(),
      })
      .describe('How long each class is kept, for example 36h, 5d, 2m; a class that is not named is not made.'),
  })
  .describe('Snapshots on a schedule. Only what Bascule made is ever deleted.');

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 22:00');

/** What an entry of `alerts:` may say beside its channel. */
const alertRule = {
  severity: z
    .enum(['notice', 'warning', 'error', 'critical'])
    .default('warning')
    .describe('The least an incident must be to be told here.'),
  kinds: z
    .array(z.string().regex(/^[a-z][a-z-]*\*?$/, 'must be a kind such as backup-failed, or backup-*'))
    .default([])
    .describe('Only these kinds, for example backup-*. Empty: all.'),
  tags: names.default([]).describe('Only guests with one of these tags.'),
  pools: names.default([]).describe('Only guests of these pools.'),
  mentions: z
    .array(z.string().regex(/^([UWS][A-Z0-9]{4,}|here|(role:)?\d{17,20})$/, 'must be a platform id'))
    .default([])
    .describe('Who is mentioned: Slack U…, S… (group) or here; Discord user id or role:ID.'),
  quiet: z
    .strictObject({
      from: timeOfDay.describe('Local time of the cluster.'),
      to: timeOfDay.describe('Local time of the cluster; on the next day where it is not later.'),
      days: z.array(z.int().min(1).max(7)).optional().describe('Days they begin on, 1 Monday to 7 Sunday.'),
      breakThrough: z.boolean().default(false).describe('Criticals are told all the same.'),
    })
    .refine(({ from, to }) => from !== to, 'must not begin and end at the same time')
    .optional()
    .describe('Quiet hours: what opens then is told when they end, if it is still open.'),
  digest: z.boolean().default(true).describe('Whether the daily digest goes here.'),
};

/** How often something is asked; seconds. */
const period = (about: string, most: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,4}(s|min|h|d)$/, 'must be a number with s, min, h or d, for example 10s')
    .transform(seconds)
    .refine(
      (value) => value >= 2 && value <= most,
      `must be between 2s and ${most >= 3600 ? `${most / 3600}h` : `${most}s`}`,
    )
    .describe(about);

const watchRules = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether this cluster is watched at all.'),
    status: period('HA, members and tasks. Slower than 20s no failover can be told from a move.', 20).prefault('10s'),
    resources: period('Guests and storages.', 600).prefault('30s'),
    replication: period(
      'State of the replication jobs, on each node; the data-loss window is known this well.',
      600,
    ).prefault('1min'),
    health: period('ZFS pools and Ceph.', 86_400).prefault('15min'),
    backups: period('Backup jobs, and what backups there are.', 86_400).prefault('1h'),
    slow: period('Certificates and updates.', 7 * 86_400).prefault('1d'),
    storageFull: z.int().min(50).max(99).default(90).describe('Percent from which on a storage is told to be full.'),
    backupTooOld: duration('Age from which on the last good backup of a guest is too old.').prefault('26h'),
    certificate: duration('How long before its end a certificate is told.').prefault('14d'),
    replicationFailing: duration('How long a replication may fail before it is told.').prefault('15min'),
    blind: duration('How long nothing may be seen of the cluster before that is told.').prefault('2min'),
    hookSecret: secret('What its webhooks must bring; without it none are taken. At least 16 characters.')
      .refine((value) => value.length >= 16, 'must have at least 16 characters')
      .optional(),
  })
  .describe('What is asked how often, and from when on it is told.');

const cluster = z
  .strictObject({
    urls: z
      .array(z.url({ protocol: /^https$/ }))
      .min(1)
      .describe('API addresses, at least two nodes if you have them: https://ovh1.example:8006'),
    token: secret('API token, user@realm!id=secret.'),
    fingerprints: z
      .array(z.string().regex(/^([0-9A-Fa-f]{2}:?){32}$/, 'must be a SHA-256 fingerprint'))
      .optional()
      .describe('SHA-256 fingerprints of the nodes’ certificates, to pin self-signed ones.'),
    ca: z
      .string()
      .optional()
      .describe('Path of the cluster’s CA (/etc/pve/pve-root-ca.pem): survives certificate renewal.'),
    zone: z
      .string()
      .refine((zone) => IANAZone.isValidZone(zone), 'is not an IANA time zone such as Europe/Paris')
      .default('UTC')
      .describe('Time zone of the cluster, for times on cards and office-hour policies.'),
    channels: names.default([]).describe('Channel ids where this cluster is meant when nobody names one.'),
    sites: z
      .record(z.string(), names)
      .default({})
      .describe('Which nodes share a place, so that the effect of a cut between them can be told.'),
    alerts: z
      .array(
        z.union([
          z.strictObject({ slack: z.string().describe('Slack channel id (C…).'), ...alertRule }),
          z.strictObject({ discord: z.string().describe('Discord channel id.'), ...alertRule }),
          z.strictObject({ web: z.string().describe('Channel of the demo’s web chat.'), ...alertRule }),
        ]),
      )
      .default([])
      .describe('Channels where the bot speaks of its own accord, and which incidents go there.'),
    digest: z
      .strictObject({ at: timeOfDay.default('08:00').describe('Local time of the cluster.') })
      .prefault({})
      .describe('The daily digest.'),
    watch: watchRules.prefault({}),
    shell: shell.optional(),
    house: z
      .strictObject({
        ct: ctRules.prefault({}),
        ssh: access.prefault({}),
        scripts: z
          .record(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/), z.string())
          .default({})
          .describe('Post-install scripts for new containers: name and path of the file.'),
        snapshots: z.array(snapshotRule).default([]).describe('Snapshots on a schedule.'),
      })
      .prefault({})
      .describe('House rules.'),
  })
  .describe('One Proxmox VE cluster or stand-alone host.');

const pbs = z
  .strictObject({
    cluster: z.string().describe('The cluster whose backups it keeps: its alerts go there.'),
    url: z.url({ protocol: /^https$/ }).describe('https://pbs.example:8007'),
    token: secret('API token, user@realm!id:secret, with the role Audit on /.'),
    fingerprints: z
      .array(z.string().regex(/^([0-9A-Fa-f]{2}:?){32}$/, 'must be a SHA-256 fingerprint'))
      .optional()
      .describe('SHA-256 fingerprint of its certificate, as its dashboard shows it.'),
    ca: z.string().optional().describe('Path of a private CA.'),
    every: period('Its tasks and datastores.', 3600).prefault('1min'),
    hookSecret: secret('What its webhooks must bring; without it none are taken.')
      .refine((value) => value.length >= 16, 'must have at least 16 characters')
      .optional(),
  })
  .describe('One Proxmox Backup Server.');

const slack = z
  .strictObject({
    botToken: secret('Bot token, xoxb-….'),
    appToken: secret('App-level token, xapp-…, for Socket Mode.').optional(),
    signingSecret: secret('Signing secret, for HTTP instead of Socket Mode.').optional(),
    listen: z
      .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65535) })
      .optional()
      .describe('Where to listen for Slack’s requests in HTTP mode.'),
    publicUrl: z.url().optional().describe('HTTP mode: the address Slack reaches, ending in /slack/events.'),
    command: z
      .string()
      .regex(/^\/[a-z0-9_-]{1,31}$/)
      .default('/pve')
      .describe('The root slash command.'),
    apiUrl: z.url().default('https://slack.com/api/').describe('Base URL of the Slack API (proxies, tests).'),
  })
  .refine(
    ({ appToken, signingSecret, listen }) =>
      appToken === undefined
        ? signingSecret !== undefined && listen !== undefined
        : signingSecret === undefined && listen === undefined,
    { message: 'give appToken (Socket Mode), or signingSecret and listen (HTTP), not both' },
  );

const discord = z.strictObject({
  botToken: secret('Bot token.'),
  guild: z
    .string()
    .regex(/^\d{17,20}$/, 'must be a server id of 17 to 20 digits')
    .describe('Server (guild) id.'),
  apiUrl: z.url().default('https://discord.com/api').describe('Base URL of the Discord API (proxies, tests).'),
});

const role = z.strictObject({
  includes: names.default([]).describe('Roles whose rights it has as well.'),
  slackGroups: names.default([]).describe('Slack user group ids (S…) whose members hold it.'),
  discordRoles: names.default([]).describe('Discord role ids whose members hold it.'),
});

const person = z.strictObject({
  name: z.string().optional().describe('Name on cards; the key otherwise.'),
  slack: z.string().optional().describe('Slack member id (U…).'),
  discord: z.string().optional().describe('Discord user id.'),
  web: z.string().optional().describe('Id in the demo’s web chat.'),
  github: z.string().optional().describe('GitHub login.'),
  roles: names.default([]).describe('Roles held for good.'),
});

export const configSchema = z.strictObject({
  slack: slack.optional().describe('Slack.'),
  discord: discord.optional().describe('Discord.'),
  clusters: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be lower-case letters, digits and dashes'), cluster)
    .describe('Clusters by the name people type.'),
  pbs: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be lower-case letters, digits and dashes'), pbs)
    .default({})
    .describe('Proxmox Backup Servers, whose tasks are watched.'),
  hooks: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: z.int().min(0).max(65535),
      publicUrl: z.url().optional().describe('How the nodes reach it, for `bascule setup pve`.'),
    })
    .optional()
    .describe('Takes webhooks of PVE and PBS here: /hooks/pve/CLUSTER and /hooks/pbs/NAME. They only hasten.'),
  github: z
    .strictObject({
      apiUrl: z
        .url()
        .default('https://api.github.com')
        .describe('GitHub’s API; GitHub Enterprise: https://HOST/api/v3.'),
      webUrl: z.url().optional().describe('Where LOGIN.keys is; by itself the one that belongs to apiUrl.'),
      token: secret('Any token; none of its rights are needed, but GitHub answers it more often.').optional(),
      ca: z.string().optional().describe('Path of a private CA, for GitHub Enterprise.'),
    })
    .prefault({})
    .describe('Where people’s SSH keys are read.'),
  people: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/), person)
    .default({})
    .describe('People and their accounts.'),
  roles: z
    .record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/), role)
    .default({})
    .describe('Roles besides viewer, operator and admin, and where their members come from.'),
  everyone: z
    .enum(['viewer', 'none'])
    .default('none')
    .describe('The role of people who are not listed: viewer may look.'),
  policy: z
    .strictObject({
      preset: z.enum(['team', 'strict', 'solo']).default('team').describe('Which approvals actions need.'),
      directory: z.string().optional().describe('Folder with your own *.cedar files.'),
    })
    .prefault({})
    .describe('Who may, and with whose approval.'),
  automations: z
    .record(
      z.string(),
      z.strictObject({
        enabled: z.boolean().default(true).describe('Whether it runs.'),
        schedule: z.string().optional().describe('Cron pattern of five fields, in the cluster’s zone.'),
        budget: z.int().min(0).max(100_000).optional().describe('Requests it may make a day and cluster.'),
      }),
    )
    .default({})
    .describe('The bot’s own schedules by name (README.md lists them).'),
  readonly: z.boolean().default(false).describe('Watch only: nothing can be changed.'),
  requestHours: z.number().min(0.1).max(168).default(1).describe('Hours until a request nobody approved expires.'),
  store: z
    .union([z.strictObject({ file: z.string() }), z.strictObject({ url: secret('PostgreSQL URL.') })], {
      error: 'must be file: with a path, or url: with a PostgreSQL URL',
    })
    .default({ file: 'var/bascule.sqlite' })
    .describe('Where the bot remembers: a file, or a PostgreSQL URL to survive the loss of its machine.'),
  health: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65535) })
    .optional()
    .describe('Answers /healthz, /readyz and /metrics (Prometheus) here. No login: keep it on a private address.'),
  undelivered: duration(
    'After this long a message that could not be posted is a dead letter, and an alert is told on the other platform.',
  ).prefault('10min'),
  deadMan: z
    .strictObject({ url: secret('Asked every minute while the bot leads and looks (https://…/ping/…).') })
    .optional()
    .describe('A monitor outside that raises the alarm when it hears nothing.'),
  log: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Log level; one JSON line each, on standard output.'),
});

export type Config = z.output<typeof configSchema>;
export type ClusterConfig = Config['clusters'][string];
export type WatchRules = ClusterConfig['watch'];
export type PbsConfig = Config['pbs'][string];
