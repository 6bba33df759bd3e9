#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { openGithub } from '../adapters/github/index.ts';
import { connectProxmox } from '../adapters/proxmox/index.ts';
import { connectPbs } from '../adapters/proxmox/pbs.ts';
import { connectNodes } from '../adapters/shell/connect.ts';
import { openShell } from '../adapters/shell/index.ts';
import { nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { openStore } from '../adapters/store/index.ts';
import { habit } from '../handlers/habits.ts';
import { automations, commands } from '../handlers/index.ts';
import { cluster as clusterOption } from '../handlers/options.ts';
import { expandRoles, loadPolicies } from '../policies/index.ts';
import { portOf, pveOf, readArguments } from './arguments.ts';
import { Bot } from './bot.ts';
import { systemClock } from './clock.ts';
import { readConfig } from './config.ts';
import type { Automation } from './contracts/automation.ts';
import type { Chat } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import { Failed, fail } from './contracts/failure.ts';
import type { PbsConnection } from './contracts/pbs.ts';
import type { Judge } from './contracts/policy.ts';
import type { Shell, ShellConnection } from './contracts/shell.ts';
import type { Store } from './contracts/store.ts';
import { explain } from './explain.ts';
import { serveHealth } from './health.ts';
import { serveHooks } from './hooks.ts';
import { readHouses } from './house.ts';
import { type Log, makeLog } from './log.ts';
import { roleTable } from './people.ts';
import { type ClusterConfig, type Config, configSchema } from './settings.ts';

/** The one file that knows everyone: it reads the config, connects the parts and starts them. */

const USAGE = `bascule – chat-ops for Proxmox VE

  bascule demo [--port N] [--pve 8.4|9.2]     a simulated cluster and a web chat, no accounts
  bascule start --config FILE [--health PORT] the real thing; /healthz and /readyz on loopback
  bascule setup slack --config FILE           prints the app manifest to paste into Slack
  bascule setup discord --config FILE         registers the slash commands on your server
  bascule setup pve --config FILE             rights, and notifications to the bot, to paste on a node [--cluster NAME]
  bascule setup node --config FILE            what a node needs for SSH grants and files, to read
    [--script | --ansible DIR]                the same as one script, or as an Ansible role
    [--cluster NAME] [--public-key FILE] [--vmids 100-199,205] [--from ADDRESS,…]
  bascule doctor --config FILE                looks at everything, one line each, with a remedy
  bascule policy check --config FILE          reads and validates the policies
  bascule policy explain 'ct destroy' --config FILE [--person ID] [--tag TAG] [--channel ID] [--cluster NAME]
                                              who may, and with whose yes; by role without --person
  bascule replay FILE… [--json]               runs recorded answers through the watch: what it would post
  bascule config schema                       prints the JSON Schema of the config, for editors
`;

/** Policies for the registry's actions; throws Failed when one does not validate. */
export function judgeFor(config: Pick<Config, 'policy' | 'roles'>): Judge {
  return loadPolicies({
    preset: config.policy.preset,
    roles: roleTable(config as Config),
    actions: commands.map(({ action, risk }) => ({ action, risk })),
    ...(config.policy.directory ? { siteDir: config.policy.directory } : {}),
  });
}

export function connectClusters(config: Config, clock: Clock, log: Log): ClusterConnection[] {
  return Object.entries(config.clusters).map(([name, entry]) =>
    connectProxmox({
      name,
      urls: entry.urls,
      token: entry.token,
      tls: {
        ...(entry.fingerprints ? { fingerprints: entry.fingerprints } : {}),
        ...(entry.ca ? { ca: readFileSync(entry.ca, 'utf8') } : {}),
      },
      clock,
      onEvent: (event) => log.debug({ cluster: name, ...event }, 'proxmox'),
    }),
  );
}

export function connectBackupServers(config: Config, clock: Clock): PbsConnection[] {
  return Object.entries(config.pbs).map(([name, { url, token, fingerprints, ca }]) =>
    connectPbs({
      name,
      url,
      token,
      tls: { ...(fingerprints ? { fingerprints } : {}), ...(ca ? { ca: readFileSync(ca, 'utf8') } : {}) },
      clock,
    }),
  );
}

/** SSH to the nodes of the clusters that have it; connects to nothing yet. `wires` rules what the network may take. */
export function connectShells(config: Config, clock: Clock, log: Log, wires: Clock = clock): ShellConnection[] {
  return Object.entries(config.clusters).flatMap(([cluster, { shell }]) => {
    if (!shell) return [];
    const told = log.child({ cluster });
    return [connectNodes(cluster, shellOf(shell, wires, told), clock)];
  });
}

export function shellOf(shell: NonNullable<ClusterConfig['shell']>, clock: Clock, log: Log): Shell {
  const { key, agent, jump, nodes, user } = shell;
  return openShell({
    nodes,
    user,
    ...(key === undefined ? {} : { key }),
    ...(agent === undefined ? {} : { agent }),
    ...(jump ? { jump } : {}),
    sha256: nodeProgramSha256(),
    clock,
    log,
  });
}

export interface OpenParts {
  readonly config: Config;
  readonly chats: readonly Chat[];
  readonly store: Store;
  readonly clusters: readonly ClusterConnection[];
  /** None: nothing is asked of any node over SSH. */
  readonly shells?: readonly ShellConnection[];
  /** All there are, unless told (tests). */
  readonly automations?: readonly Automation[];
  readonly clock: Clock;
  readonly pbs?: readonly PbsConnection[];
  readonly polls?: 'always' | 'by hand';
  /** Rules how long GitHub may take; `clock` unless told (tests, whose clocks hurry). */
  readonly wires?: Clock;
  readonly log: Log;
  readonly onBroken: (error: unknown) => void;
}

/** The bot with all its commands and policies, not started yet. */
export function assemble(parts: OpenParts): Bot {
  const { config, store, clock, log, wires = clock } = parts;
  const github = openGithub({
    ...config.github,
    ...(config.github.ca ? { ca: readFileSync(config.github.ca, 'utf8') } : {}),
    clock: { now: () => clock.now(), wait: (ms, signal) => wires.wait(ms, signal) },
    remember: {
      async read(login) {
        const kept = await store.setting(`github/${login}`);
        return kept === undefined ? undefined : JSON.parse(kept);
      },
      write: (login, what) => store.saveSetting(`github/${login}`, JSON.stringify(what)),
    },
    log: (event) => log[event.level]({ github: event }, event.says),
  });
  return new Bot({
    ...parts,
    shells: parts.shells ?? [],
    github,
    houses: readHouses(config),
    judge: judgeFor(parts.config),
    commands,
    automations: parts.automations ?? automations,
    clusterOption,
    habit,
  });
}

/** Chat platforms are loaded only when configured: their libraries are most of the memory. */
async function openChats(config: Config, log: Log): Promise<Chat[]> {
  const chats: Chat[] = [];
  if (config.slack) {
    const { createSlack } = await import('../adapters/slack/index.ts');
    const { command, listen, publicUrl: _public, ...slack } = config.slack;
    chats.push(
      createSlack({
        ...slack,
        root: command,
        ...(listen ? { http: listen } : {}),
        log: (event) => log[event.level]({ slack: event }, event.says),
      }),
    );
  }
  if (config.discord) {
    const { createDiscord } = await import('../adapters/discord/index.ts');
    const { guild, ...discord } = config.discord;
    chats.push(
      createDiscord({ ...discord, guildId: guild, log: (event) => log[event.level]({ discord: event }, event.says) }),
    );
  }
  if (chats.length === 0)
    fail('bad-input', {
      what: 'Bascule was not started',
      why: 'no chat platform is configured',
      next: 'add slack: or discord: to the config, or try the demo: bascule demo',
    });
  return chats;
}

async function start(file: string, healthPort?: number): Promise<void> {
  const read = readConfig(file);
  const config =
    healthPort === undefined || read.health ? read : { ...read, health: { host: '127.0.0.1', port: healthPort } };
  const log = makeLog(config.log);
  if (Object.keys(config.clusters).length === 0)
    fail('bad-input', {
      what: 'Bascule was not started',
      why: 'no cluster is configured',
      next: 'add one under clusters:',
    });
  const chats = await openChats(config, log);
  const store = await openStore(config.store);
  const bot = assemble({
    config,
    chats,
    store,
    clusters: connectClusters(config, systemClock, log),
    shells: connectShells(config, systemClock, log),
    pbs: connectBackupServers(config, systemClock),
    clock: systemClock,
    log,
    onBroken: (error) => endNow(log, error),
  });
  const hooks =
    config.hooks &&
    (await serveHooks({
      config,
      where: config.hooks,
      hear: (observation) => bot.poller.hear(observation),
      leading: () => bot.leading,
      clock: systemClock,
      log,
    }));
  if (hooks) log.info({ url: hooks.url }, 'takes webhooks');
  let connected = false;
  const health =
    config.health &&
    (await serveHealth(config.health, {
      ready: async () => connected && bot.leading && (await store.answers()),
      status: () => bot.outbox.status(),
      metrics: () => bot.metrics(),
    }));
  if (health) log.info({ url: health.url }, 'answers /healthz, /readyz and /metrics');
  untilSignal(log, async () => {
    await hooks?.stop();
    await bot.stop();
    await health?.stop();
  });
  await bot.start();
  connected = true;
  log.info(
    { clusters: Object.keys(config.clusters), chats: chats.map((chat) => chat.platform), store: store.kind },
    'bascule is ready',
  );
}

/** Without its journal the bot must not go on: end at once, and let the supervisor start it again. */
export function endNow(log: Log, error: unknown): void {
  log.error({ error: String((error as Error)?.stack ?? error) }, 'bascule ends: it can no longer keep its journal');
  process.exit(1);
}

function untilSignal(log: Log, stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, 'bascule drains and ends; runs under way go on at the next start');
      stop().then(
        () => process.exit(0),
        (error: unknown) => endNow(log, error),
      );
    });
  }
}

async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(argv);
  const [verb, noun] = positionals;
  if (values.help || verb === undefined || verb === 'help') return void process.stdout.write(USAGE);
  if (verb === 'start') return start(values.config, portOf(values.health, '--health'));
  if (verb === 'setup') return (await import('./main-setup.ts')).setup(noun, values);
  if (verb === 'doctor') {
    if (!(await (await import('./main-setup.ts')).doctor(values.config))) process.exitCode = 1;
    return;
  }
  if (verb === 'demo') {
    const port = portOf(values.port, '--port');
    const { startDemo } = await import('./main-demo.ts');
    const demo = await startDemo({ ...(port === undefined ? {} : { port }), pve: pveOf(values.pve) });
    untilSignal(makeLog('warn'), demo.stop);
    return void process.stdout.write(`Bascule demo: ${demo.url}\n`);
  }
  if (verb === 'policy' && noun === 'check') {
    const config = readConfig(values.config);
    judgeFor(config);
    return void process.stdout.write(
      `The policies are valid (preset ${config.policy.preset}${config.policy.directory ? ` and ${config.policy.directory}` : ''}).\n`,
    );
  }
  if (verb === 'policy' && noun === 'explain') {
    const config = readConfig(values.config);
    const told = explain({
      config,
      judge: judgeFor(config),
      roles: expandRoles(roleTable(config)),
      commands,
      command: positionals.slice(2).join(' '),
      now: systemClock.now(),
      imagined: values,
    });
    return void process.stdout.write(`${told.join('\n')}\n`);
  }
  if (verb === 'replay') {
    const { runReplay } = await import('./replay.ts');
    process.exitCode = runReplay(
      positionals.slice(1),
      { json: values.json === true },
      {
        line: (text) => process.stdout.write(`${text}\n`),
        complain: (text) => process.stderr.write(`${text}\n`),
      },
    );
    return;
  }
  if (verb === 'config' && noun === 'schema') {
    const { z } = await import('zod');
    return void process.stdout.write(
      `${JSON.stringify(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }), null, 2)}\n`,
    );
  }
  fail('bad-input', {
    what: 'Nothing was done',
    why: `there is no command ${positionals.join(' ')}`,
    next: 'bascule --help lists them',
  });
}

if (import.meta.main) {
  // Whoever reads may have had enough (`bascule replay … | head`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  main(process.argv.slice(2)).catch((error: unknown) => {
    const lines =
      error instanceof Failed
        ? [error.failure.what, ...error.failure.why.split('\n'), `Next: ${error.failure.next}`]
        : [String((error as Error)?.stack ?? error)];
    process.stderr.write(`${lines.join('\n  ')}\n`);
    process.exit(1);
  });
}
