import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { IANAZone } from 'luxon';
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLParseError,
} from 'yaml';
import { z } from 'zod';
import { Failed, failure } from './contracts/failure.ts';
import { nearest } from './parse.ts';

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
    house: z
      .strictObject({ ct: ctRules.prefault({}) })
      .prefault({})
      .describe('House rules.'),
  })
  .describe('One Proxmox VE cluster or stand-alone host.');

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
    .describe('Answers /healthz and /readyz here.'),
  log: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Log level; one JSON line each, on standard output.'),
});

export type Config = z.output<typeof configSchema>;
export type ClusterConfig = Config['clusters'][string];

/** Reads the file. Throws Failed with the line and column of everything wrong. */
export function readConfig(file: string, env: NodeJS.ProcessEnv = process.env): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failed(
      failure('bad-input', {
        what: 'Bascule was not started',
        why: `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
        next: 'give its path with --config, or try the demo: bascule demo',
      }),
    );
  }
  return parseConfig(text, file, env);
}

/** Relative paths in the config are relative to the file. No message holds the value of a secret. */
export function parseConfig(text: string, file: string, env: NodeJS.ProcessEnv): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: 'error' });
  const at = (offset: number | undefined) => {
    const { line, col } = lines.linePos(offset ?? 0);
    return `${file}:${line}:${col}`;
  };
  const wrong: string[] = document.errors.map((error) => `${at(error.pos[0])}: ${withoutSource(error)}`);
  const secrets: string[] = [];
  visit(document, {
    Alias(_key, node) {
      if (node.resolve(document) === undefined) wrong.push(`${at(node.range?.[0])}: an alias (*name) of nothing`);
    },
    Scalar(key, node) {
      // A secret as a key would be named by whoever finds the key unknown.
      if (key === 'key' || typeof node.value !== 'string') return;
      try {
        node.value = fillSecrets(node.value, dirname(file), env, secrets);
      } catch (error) {
        wrong.push(`${at(node.range?.[0])}: ${(error as Error).message}`);
      }
    },
  });
  if (wrong.length > 0) throw badConfig(wrong, secrets);
  const result = configSchema.safeParse(plain(document, file) ?? {});
  if (!result.success)
    throw badConfig(
      result.error.issues.flatMap((issue) => explain(issue, document, at)),
      secrets,
    );
  const semantic = crossCheck(result.data);
  if (semantic.length > 0)
    throw badConfig(
      semantic.map((line) => `${file}: ${line}`),
      secrets,
    );
  return withPaths(result.data, dirname(file));
}

/** Throws Failed for aliases of aliases that would fill the memory. */
function plain(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (error instanceof ReferenceError) throw badConfig([`${file}: too many aliases (*name)`], []);
    throw error;
  }
}

/** The parser's messages quote the text behind a colon, and that may be a secret. */
function withoutSource(error: YAMLParseError): string {
  if (error.code === 'MULTIPLE_DOCS') return 'a second document begins here (---); the config is one';
  return error.message.split(/\n| at line |: /)[0] ?? 'not YAML';
}

/** Values that came from the environment or a file are cut out, wherever somebody put them. */
function badConfig(wrong: readonly string[], secrets: readonly string[]): Failed {
  // A shorter value is no secret, and cutting it out would make the messages unreadable.
  const longestFirst = secrets.filter((value) => value.length >= 6).sort((a, b) => b.length - a.length);
  return new Failed(
    failure('bad-input', {
      what: 'The config was refused',
      why: wrong
        .map((line) => longestFirst.reduce((said, value) => said.replaceAll(value, '[secret]'), line))
        .join('\n'),
      next: 'the settings are listed in README.md; nothing was started',
    }),
  );
}

function explain(issue: z.core.$ZodIssue, document: Document, at: (offset: number | undefined) => string): string[] {
  const path = issue.path.map(String);
  const { contents } = document;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const near = nearest(key, knownKeys(issue.path));
      return `${at(offsetOf(contents, [...path, key]))}: unknown key ${key}${near ? `, did you mean ${near}?` : ''}`;
    });
  }
  const says = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  // Ids of Discord are numbers to YAML, and too large ones.
  const unquoted = issue.code === 'invalid_type' && issue.expected === 'string' && isNumber(document.getIn(issue.path));
  return [
    `${at(offsetOf(contents, path))}: ${path.join('.') || 'the file'}: ${says}${unquoted ? '; put it in quotes' : ''}`,
  ];
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint';

/** Keys the schema knows at a path, for did-you-mean. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let node: unknown = z.toJSONSchema(configSchema, { unrepresentable: 'any', io: 'input' });
  for (const key of path) {
    const schema = node as { properties?: Record<string, unknown>; additionalProperties?: unknown };
    node = schema.properties?.[String(key)] ?? schema.additionalProperties;
  }
  return Object.keys((node as { properties?: object } | undefined)?.properties ?? {});
}

function offsetOf(node: unknown, path: readonly string[]): number | undefined {
  let current: unknown = node;
  let offset: number | undefined;
  for (const key of path) {
    if (isSeq(current)) {
      current = current.items[Number(key)];
      offset = (isNode(current) ? current.range?.[0] : undefined) ?? offset;
      continue;
    }
    if (!isMap(current)) break;
    const pair = current.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    if (!pair) break;
    offset = (isScalar(pair.key) ? pair.key.range?.[0] : undefined) ?? offset;
    current = pair.value;
  }
  return offset;
}

/** Adds every value it fills in to `secrets`. What it fills in is not read again. */
function fillSecrets(text: string, folder: string, env: NodeJS.ProcessEnv, secrets: string[]): string {
  return text.replace(/\$\{(env|file):([^}]+)\}/g, (_all, kind: string, name: string) => {
    const value = kind === 'env' ? fromEnvironment(name, env) : fromFile(name, folder);
    if (value !== '') secrets.push(value);
    return value;
  });
}

function fromEnvironment(name: string, env: NodeJS.ProcessEnv): string {
  const value = env[name];
  if (!value) throw new Error(`the environment has no ${name}`);
  return value;
}

function fromFile(name: string, folder: string): string {
  try {
    return readFileSync(isAbsolute(name) ? name : resolve(folder, name), 'utf8').trim();
  } catch (error) {
    throw new Error(`${name} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function crossCheck(config: Config): string[] {
  const wrong: string[] = [];
  const roles = new Set(['viewer', 'operator', 'admin', ...Object.keys(config.roles)]);
  for (const [id, { roles: held }] of Object.entries(config.people))
    for (const name of held) if (!roles.has(name)) wrong.push(`people.${id}.roles: there is no role ${name}`);
  for (const [id, { includes }] of Object.entries(config.roles))
    for (const name of includes) if (!roles.has(name)) wrong.push(`roles.${id}.includes: there is no role ${name}`);
  const accounts = new Map<string, string>();
  for (const [id, entry] of Object.entries(config.people)) {
    for (const platform of ['slack', 'discord', 'web', 'github'] as const) {
      const account = entry[platform];
      if (account === undefined) continue;
      const other = accounts.get(`${platform}:${account}`);
      if (other) wrong.push(`people.${id}.${platform}: ${account} already belongs to ${other}`);
      accounts.set(`${platform}:${account}`, id);
    }
  }
  const bound = new Map<string, string>();
  for (const [name, entry] of Object.entries(config.clusters)) {
    for (const channel of entry.channels) {
      const other = bound.get(channel);
      if (other) wrong.push(`clusters.${name}.channels: ${channel} is already bound to ${other}`);
      bound.set(channel, name);
    }
  }
  return wrong;
}

function withPaths(config: Config, folder: string): Config {
  const path = (p: string) => (isAbsolute(p) ? p : resolve(folder, p));
  return {
    ...config,
    policy: { ...config.policy, ...(config.policy.directory ? { directory: path(config.policy.directory) } : {}) },
    store: 'file' in config.store ? { file: path(config.store.file) } : config.store,
    clusters: Object.fromEntries(
      Object.entries(config.clusters).map(([name, entry]) => [
        name,
        { ...entry, ...(entry.ca ? { ca: path(entry.ca) } : {}) },
      ]),
    ),
  };
}
