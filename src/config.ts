import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
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
import { readScript } from './house.ts';
import { nearest } from './parse.ts';
import { badPattern } from './schedule.ts';
import { type ClusterConfig, type Config, configSchema } from './settings.ts';

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
  const config = withPaths(result.data, dirname(file));
  const semantic = crossCheck(config);
  if (semantic.length > 0)
    throw badConfig(
      semantic.map((line) => `${file}: ${line}`),
      secrets,
    );
  return config;
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
  for (const [name, entry] of Object.entries(config.clusters))
    wrong.push(...crossCheckCluster(config, entry).map((line) => `clusters.${name}.${line}`));
  for (const [name, { cluster }] of Object.entries(config.pbs))
    if (!Object.hasOwn(config.clusters, cluster)) wrong.push(`pbs.${name}.cluster: there is no cluster ${cluster}`);
  wrong.push(...crossCheckAutomations(config));
  return wrong;
}

function crossCheckCluster(config: Config, { alerts, channels, house, shell }: ClusterConfig): string[] {
  const wrong: string[] = [];
  for (const place of alerts)
    for (const platform of ['slack', 'discord'] as const)
      if (platform in place && !config[platform]) wrong.push(`alerts: there is no ${platform}: to speak through`);
  for (const place of alerts) if ('web' in place) wrong.push('alerts: web is only there in the demo');
  const { jump } = house.ssh;
  if (jump && !Object.hasOwn(shell?.nodes ?? {}, jump.node))
    wrong.push(`house.ssh.jump.node: ${jump.node} is none of shell.nodes, so nobody could be let through`);
  if (house.ssh.lease > house.ssh.longest) wrong.push('house.ssh.lease: is longer than house.ssh.longest');
  for (const [script, path] of Object.entries(house.scripts)) {
    try {
      readScript(path);
    } catch (error) {
      wrong.push(`house.scripts.${script}: ${(error as Error).message}`);
    }
  }
  for (const [n, rule] of house.snapshots.entries()) {
    if (rule.vmids.length + rule.tags.length === 0)
      wrong.push(`house.snapshots.${n}: names no guests, add vmids or tags`);
    if (Object.keys(rule.keep).length === 0)
      wrong.push(`house.snapshots.${n}.keep: names no class, for example daily: 5d`);
  }
  // What a schedule does unasked must be told somewhere when it goes wrong.
  if (alerts.length + channels.length === 0) {
    if (house.snapshots.length > 0) wrong.push('house.snapshots: needs alerts:, where it is told when one fails');
    if (house.ssh.removedKeys === 'apply') wrong.push('house.ssh.removedKeys: apply needs alerts:, where it is told');
  }
  return wrong;
}

function crossCheckAutomations(config: Config): string[] {
  const zones = Object.values(config.clusters).map(({ zone }) => zone);
  return Object.entries(config.automations).flatMap(([name, { schedule }]) => {
    if (schedule === undefined) return [];
    const why = badPattern(schedule, zones[0] ?? 'UTC');
    return why === undefined ? [] : [`automations.${name}.schedule: ${why}`];
  });
}

function withPaths(config: Config, folder: string): Config {
  const path = (p: string) => (isAbsolute(p) ? p : resolve(folder, p));
  return {
    ...config,
    github: { ...config.github, ...(config.github.ca ? { ca: path(config.github.ca) } : {}) },
    policy: { ...config.policy, ...(config.policy.directory ? { directory: path(config.policy.directory) } : {}) },
    store: 'file' in config.store ? { file: path(config.store.file) } : config.store,
    pbs: Object.fromEntries(
      Object.entries(config.pbs).map(([name, entry]) => [
        name,
        { ...entry, ...(entry.ca ? { ca: path(entry.ca) } : {}) },
      ]),
    ),
    clusters: Object.fromEntries(
      Object.entries(config.clusters).map(([name, entry]) => [
        name,
        {
          ...entry,
          ...(entry.ca ? { ca: path(entry.ca) } : {}),
          house: {
            ...entry.house,
            scripts: Object.fromEntries(Object.entries(entry.house.scripts).map(([key, file]) => [key, path(file)])),
          },
        },
      ]),
    ),
  };
}
