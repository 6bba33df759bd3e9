import { existsSync, readFileSync } from 'node:fs';
import { pveSetupText } from '../adapters/proxmox/setup-text.ts';
import { examineNode } from '../adapters/shell/doctor.ts';
import { nodeVerbs } from '../adapters/shell/node/program.ts';
import { nodeSetup } from '../adapters/shell/setup.ts';
import { publicKeyOf, setupText, writeRole } from '../adapters/shell/setup-text.ts';
import { commands } from '../handlers/index.ts';
import { cluster as clusterOption } from '../handlers/options.ts';
import type { readArguments } from './arguments.ts';
import { systemClock } from './clock.ts';
import { readConfig } from './config.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import { fail } from './contracts/failure.ts';
import type { Finding } from './contracts/finding.ts';
import { type Check, examine } from './doctor.ts';
import { makeLog } from './log.ts';
import { connectClusters, judgeFor, shellOf } from './main.ts';
import { makeRegistry } from './registry.ts';
import { type ClusterConfig, type Config, configSchema } from './settings.ts';

/** `bascule setup …` and `bascule doctor`: what is done once at a terminal, before and beside the bot. */

type Typed = ReturnType<typeof readArguments>['values'];

/** The manifest is what tokens come from, so neither they nor the file need to exist yet. */
const secretsLater: NodeJS.ProcessEnv = new Proxy(process.env, {
  get: (env, name: string) => env[name] || 'later-than-this-set-up',
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

export async function setup(what: string | undefined, values: Typed): Promise<void> {
  if (what === 'slack') return setupSlack(values.config);
  if (what === 'discord') return setupDiscord(readConfig(values.config));
  if (what === 'node') return setupNode(readConfig(values.config), values);
  if (what === 'pve') return setupPve(readConfig(values.config, secretsLater), values);
  return fail('bad-input', {
    what: 'Nothing was set up',
    why: `there is no set-up for ${what ?? 'nothing'}`,
    next: 'bascule setup slack, discord, pve or node',
  });
}

async function setupSlack(file: string): Promise<void> {
  const { slackManifest } = await import('../adapters/slack/manifest.ts');
  const config = existsSync(file) ? readConfig(file, secretsLater) : configSchema.parse({ clusters: {} });
  const root = config.slack?.command ?? '/pve';
  const way = config.slack?.publicUrl ? { url: config.slack.publicUrl } : ({ socket: true } as const);
  say(JSON.stringify(slackManifest(registryOf(config).menu, root, way), null, 2));
}

async function setupDiscord(config: Config): Promise<void> {
  if (!config.discord)
    return fail('bad-input', {
      what: 'No commands were registered',
      why: 'the config has no discord:',
      next: 'add it, see README.md',
    });
  const { register, told } = await import('../adapters/discord/index.ts');
  const { botToken, guild: guildId, apiUrl } = config.discord;
  say(told(await register({ botToken, guildId, apiUrl }, registryOf(config).menu)).join('\n'));
}

const registryOf = (config: Config) => makeRegistry(commands, Object.keys(config.clusters), clusterOption);

/** Prints, or with --ansible writes, what `adapters/shell/setup.ts` makes of the config. Touches no node. */
function setupNode(config: Config, values: Typed): void {
  const { name, entry } = oneCluster(config, values.cluster);
  const { shell, house } = entry;
  const made = nodeSetup({
    publicKey: publicKey(name, shell?.key, values['public-key']),
    ...(shell ? { account: shell.user } : {}),
    ...(house.ssh.jump ? { jump: house.ssh.jump.account } : {}),
    vmids: values.vmids?.split(',') ?? ['100-999999999'],
    verbs: nodeVerbs(),
    sudo: house.ssh.sudo,
    ...(values.from ? { from: values.from.split(',') } : {}),
  });
  if (values.script) return void process.stdout.write(made.script);
  if (values.ansible === undefined) say(setupText(made));
  else for (const path of writeRole(made, values.ansible)) say(`wrote ${path}`);
}

/** Prints what makes a cluster's notifications come to the bot. Touches no node. */
function setupPve(config: Config, values: Typed): void {
  const { name, entry } = oneCluster(config, values.cluster);
  const { host = '127.0.0.1', port = 8765, publicUrl } = config.hooks ?? {};
  const url = publicUrl?.replace(/\/+$/, '') ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const reachable = publicUrl !== undefined || !/^(127\.|0\.0\.0\.0$|::1?$|localhost$)/.test(host);
  say(pveSetupText({ cluster: name, url, hasSecret: entry.watch.hookSecret !== undefined, reachable }));
}

function oneCluster(config: Config, named: string | undefined): { name: string; entry: ClusterConfig } {
  const names = Object.keys(config.clusters);
  const name = named ?? (names.length === 1 ? names[0] : undefined);
  const entry = name === undefined ? undefined : config.clusters[name];
  if (name !== undefined && entry) return { name, entry };
  return fail('bad-input', {
    what: 'The set-up was not written',
    why: named === undefined ? `there are ${names.length} clusters` : `there is no cluster ${named}`,
    next: `name one: --cluster ${names.join(' or --cluster ') || 'NAME'}`,
  });
}

function publicKey(cluster: string, key: string | undefined, file: string | undefined): string {
  if (file !== undefined && existsSync(file)) return readFileSync(file, 'utf8');
  if (file === undefined && key !== undefined) return publicKeyOf(key);
  return fail('bad-input', {
    what: 'The set-up was not written',
    why: file === undefined ? `clusters.${cluster} has no shell: with a key` : `there is no file ${file}`,
    next: 'make a key with ssh-keygen -t ed25519 -N "" -f bascule_ed25519, and name it: --public-key bascule_ed25519.pub',
  });
}

/** One line each; resolves false when something is wrong. */
export async function doctor(file: string): Promise<boolean> {
  const config = readConfig(file);
  const checks: Check[] = [
    { about: 'config', look: async () => [fine('config', file)] },
    { about: 'policies', look: async () => policies(config) },
    ...Object.entries(config.clusters).flatMap(([name, entry]) => [
      apiCheck(name, entry, config),
      ...nodeChecks(name, entry),
    ]),
  ];
  return examine(checks, say);
}

const fine = (about: string, says: string): Finding => ({ about, state: 'ok', says });

function policies(config: Config): Finding[] {
  judgeFor(config);
  const { preset, directory } = config.policy;
  return [fine('policies', `valid, preset ${preset}${directory ? ` and ${directory}` : ''}`)];
}

const apiCheck = (name: string, entry: ClusterConfig, config: Config): Check => ({
  about: `${name}: API`,
  async look() {
    const [connection] = connectClusters({ ...config, clusters: { [name]: entry } }, systemClock, makeLog('silent'));
    try {
      return connection ? await api(connection) : [];
    } finally {
      await connection?.close();
    }
  },
});

async function api(connection: ClusterConnection): Promise<Finding[]> {
  const { name } = connection;
  const view = connection.view();
  const [version, members, rights] = await Promise.all([view.version(), view.membership(), view.permissions()]);
  const remedy = 'bascule quorum in the chat tells who is missing';
  return [
    fine(`${name}: API`, `Proxmox VE ${version.text}, asked ${members.asked}`),
    members.quorate
      ? fine(`${name}: quorum`, `${members.present} of ${members.expected} votes, ${members.needed} needed`)
      : { about: `${name}: quorum`, state: 'wrong', says: 'no quorum: nothing can be changed', remedy },
    rights.size > 0
      ? fine(`${name}: token`, `rights on ${rights.size} ${rights.size === 1 ? 'path' : 'paths'}`)
      : { about: `${name}: token`, state: 'wrong', says: 'it has no rights at all', remedy: 'README.md, Proxmox' },
  ];
}

function nodeChecks(cluster: string, entry: ClusterConfig): Check[] {
  const { shell, house } = entry;
  if (!shell) {
    const says = 'none is configured: no SSH grants, no files from snapshots, no hidden snapshots; the rest works';
    return [{ about: `${cluster}: nodes over SSH`, look: async () => [fine(`${cluster}: nodes over SSH`, says)] }];
  }
  return Object.keys(shell.nodes).map((node) => ({
    about: `node ${node}: login`,
    async look() {
      const opened = shellOf(shell, systemClock, makeLog('silent'));
      try {
        const jump = house.ssh.jump?.node === node ? { jump: house.ssh.jump.account } : {};
        return await examineNode(node, opened, { account: shell.user, sudo: house.ssh.sudo, ...jump });
      } finally {
        await opened.close();
      }
    },
  }));
}
