import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectProxmox, type ProxmoxOptions } from '../adapters/proxmox/index.ts';
import { nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../adapters/simulator/index.ts';
import type { Clock as SimulatorClock } from '../adapters/simulator/types.ts';
import { createSlack } from '../adapters/slack/index.ts';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Bot } from '../src/bot.ts';
import { systemClock } from '../src/clock.ts';
import type { Automation } from '../src/contracts/automation.ts';
import type { Clock } from '../src/contracts/clock.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { makeLog } from '../src/log.ts';
import { assemble, connectShells } from '../src/main.ts';
import { type Config, configSchema } from '../src/settings.ts';
import { type GithubPlatform, githubPlatform } from './platforms/github.ts';
import { ed25519 } from './platforms/github-keys.ts';
import { type FakeSlack, type SlackMessage, type SlackView, startSlack } from './platforms/slack.ts';

/**
 * A small named world: a simulated cluster `off` of four nodes, a Slack workspace, and the whole bot between
 * them, over real HTTPS and Slack's own wire. Alice is admin, Oscar and Nina are operators, Vera may look, and
 * Mallory is nobody.
 *
 * With `ssh: true` the bot also reaches the nodes over SSH (the simulator's sshd and its stand-in of bascule-node, with
 * real files in the containers), GitHub is a stand-in on loopback (`world.github`), grants lead through a jump account on
 * ovh1, and the bot speaks of its own accord in #ops. Everybody has a GitHub login `<name>-hub` with one key,
 * `ed25519('<name>')` of platforms/github-keys.ts; the config links only those of Alice and Oscar. Schedules run when time
 * passes (`world.clock.passes`), or at once with `world.runs('key-drift')`; neither needs a real hour.
 */
export const PEOPLE = {
  alice: { slack: 'U000ALICE', roles: ['admin'] },
  oscar: { slack: 'U000OSCAR', roles: ['operator'] },
  nina: { slack: 'U0000NINA', roles: ['operator'] },
  vera: { slack: 'U0000VERA', roles: ['viewer'] },
  mallory: { slack: 'U0MALLORY', roles: [] },
} as const;
export type Name = keyof typeof PEOPLE;

export interface Somebody {
  /** Types a command without its root and waits until Slack has its acknowledgement. */
  says(text: string): Promise<void>;
  /** Types a command that lacks something and waits for the form that asks for it. */
  opens(text: string): Promise<SlackView>;
  /**
   * Presses the newest button of that label this person can see: of any message, of one that holds this text, or
   * on an old screen.
   */
  clicks(label: string, on?: string | SlackMessage): Promise<void>;
  /** Presses a button that asks for something, types it and submits. */
  types(label: string, text: string): Promise<void>;
  /** Everything this person can see in #ops, oldest first, as it stands now. */
  sees(): string[];
  /** A copy of the newest message that holds all of these, as an old screen would go on showing it. */
  screen(...parts: string[]): SlackMessage;
  /** Waits until some message this person sees holds all of these; resolves that message's text. */
  reads(...parts: string[]): Promise<string>;
}

export interface World extends Readonly<Record<Name, Somebody>> {
  readonly slack: FakeSlack;
  readonly simulator: Simulator;
  /** The GitHub of a world with `ssh` or `github`; throws in any other. */
  readonly github: GithubPlatform;
  readonly store: SqlStore;
  readonly config: Config;
  readonly bot: Bot;
  readonly logged: string[];
  /** The bot's clock; only it and Slack's are turned, the cluster keeps its own time. */
  readonly clock: TurnedClock;
  /** The cluster's tasks stop where they are until they are released. */
  readonly tasks: TaskGate;
  /** Ends this bot as a stop would, and starts another on the same store, Slack and cluster; `between` has the store's file for itself. */
  restart(between?: () => void): Promise<void>;
  /** Resolves when no schedule and no run is under way and nothing is on its way to Slack. */
  settled(): Promise<void>;
  /** Runs a schedule now, whenever it is due, and waits until all that came of it is done and told. */
  runs(automation: string): Promise<void>;
  /** One round of the watch over whatever is due by the bot's clock, its news told; nothing is polled otherwise. */
  polls(): Promise<void>;
  /** Where Slack delivers in HTTP mode. */
  slackUrl(): string;
  /** The newest request of that command, or of any. */
  request(command?: string): Promise<RequestRecord>;
  /** Waits until the newest request of that command is in this state. */
  becomes(state: RequestRecord['state'], command?: string): Promise<RequestRecord>;
  /** Calls that wanted to change something, as `POST /nodes/ovh1/lxc`. */
  writes(): string[];
  /** What must not change when something is refused: guests, jobs, HA, calls that change something, requests. */
  asItStands(): Promise<unknown>;
  /** The simulator's guest, or undefined. */
  guest(vmid: number): ReturnType<Simulator['world']['guest']> | undefined;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly pve?: '8.4' | '9.2';
  readonly simulator?: Partial<SimulatorOptions>;
  /** Merged into the config, top level. */
  readonly config?: Record<string, unknown>;
  /** Merged into the cluster's settings. */
  readonly cluster?: Record<string, unknown>;
  readonly token?: string;
  /** The bot knows the addresses of these nodes only. */
  readonly asks?: readonly string[];
  readonly store?: { readonly url: string };
  /** Network limits of the connection to the cluster, real milliseconds. */
  readonly timings?: ProxmoxOptions['timings'];
  /** Slack delivers over signed HTTP instead of Socket Mode. */
  readonly http?: boolean;
  /** SSH to the nodes, GitHub, and alerts in #ops. */
  readonly ssh?: boolean;
  /** GitHub alone. */
  readonly github?: boolean;
  /** Alerts in #ops, for stories of the watch. */
  readonly watch?: boolean;
  /** These schedules instead of the bot's own. */
  readonly automations?: readonly Automation[];
}

export const OPS = 'C000OPS';

/** Real time plus what a story lets pass; nobody waits for seconds, every wait is cut short. */
export interface TurnedClock extends Clock {
  passes(ms: number): void;
}

/** While held, no timer of the simulated cluster goes off: a task under way stays under way. */
export interface TaskGate extends SimulatorClock {
  /** From now on, or from when `once` first says so as a timer is due. */
  hold(once?: () => boolean): void;
  release(): void;
  /** The cluster's own time goes on by so much. */
  passes(ms: number): void;
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const pve = options.pve ?? '9.2';
  const tasks = taskGate();
  const simulator = await startSimulator({
    pve,
    taskMs: 20,
    clock: tasks,
    ...(options.ssh ? { ssh: { programSha256: nodeProgramSha256() } } : {}),
    ...options.simulator,
  });
  const slack = await startSlack();
  // A loaded machine must not run into Slack's three seconds.
  slack.clock.freeze();
  const folder = mkdtempSync(join(tmpdir(), 'bascule-'));
  const clock = turnedClock((ms) => slack.clock.advance(ms));
  const github = options.ssh || options.github ? await openGithub(clock) : undefined;
  const config = configSchema.parse({
    clusters: {
      off: {
        urls: options.asks?.map((node) => simulator.url(node)) ?? simulator.urls,
        token: simulator.token(options.token ?? 'bascule@pve!operate'),
        fingerprints: [simulator.fingerprint],
        zone: 'Europe/Paris',
        house: {
          ct: { replicateTo: ['ovh3', 'ovh1'] },
          ...(options.ssh ? { ssh: { jump: { node: 'ovh1', host: 'gate.example.org' } } } : {}),
        },
        ...(options.ssh || options.watch ? { alerts: [{ slack: OPS }] } : {}),
        ...(options.ssh ? { shell: shellOf(simulator) } : {}),
        ...options.cluster,
      },
    },
    people: github ? linked(PEOPLE_CONFIG) : PEOPLE_CONFIG,
    ...(github ? { github: { apiUrl: github.apiUrl, webUrl: github.webUrl } } : {}),
    store: options.store ?? { file: join(folder, 'bascule.sqlite') },
    ...options.config,
  });
  const logged: string[] = [];
  const parts: BotParts = { config, simulator, slack, logged, clock, options };
  let open = await openBot(parts);
  let closed = false;
  const settled = async () => {
    await open.bot.automations.settled();
    await open.bot.runner.settled();
    await open.bot.outbox.settled();
  };
  const newest = async (command?: string) =>
    (await open.store.requests({ limit: 50 })).find((one) => command === undefined || one.command === command);
  const people = Object.fromEntries(
    Object.entries(PEOPLE).map(([name, { slack: id }]) => [name, somebody(slack, id, name, logged)]),
  ) as Record<Name, Somebody>;
  return {
    ...people,
    slack,
    simulator,
    config,
    logged,
    clock,
    tasks,
    get github() {
      if (!github) throw new Error('open the world with ssh or github');
      return github;
    },
    get store() {
      return open.store;
    },
    get bot() {
      return open.bot;
    },
    async restart(between) {
      await open.bot.stop();
      between?.();
      open = await openBot(parts);
    },
    settled,
    async runs(automation) {
      await open.bot.automations.settled();
      await open.bot.automations.run('off', automation);
      await settled();
    },
    async polls() {
      await open.bot.poller.poll('off');
      await settled();
    },
    slackUrl: () => open.url ?? '',
    async request(command) {
      const found = await newest(command);
      if (!found) throw new Error(`there is no request${command ? ` of ${command}` : ''}`);
      return found;
    },
    becomes: (state, command) =>
      slack.waitFor(
        async () => {
          const found = await newest(command);
          return found?.state === state ? found : undefined;
        },
        `a request ${command ?? ''} that is ${state}`,
      ),
    writes: () => simulator.requests.filter((one) => one.method !== 'GET').map((one) => `${one.method} ${one.path}`),
    async asItStands() {
      const { guests, jobs, ha } = simulator.world.state;
      return structuredClone({
        guests: [...guests.values()],
        jobs: [...jobs.values()],
        ha: [...ha.resources.values()],
        effects: simulator.effects.all,
        requests: await open.store.requests({ limit: 200 }),
        reserved: [...(await open.store.reserved('off'))],
      });
    },
    guest(vmid) {
      return simulator.world.state.guests.get(vmid);
    },
    async close() {
      if (closed) return;
      closed = true;
      await open.bot.stop();
      await slack.stop();
      await github?.close();
      await simulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const PEOPLE_CONFIG = Object.fromEntries(
  Object.entries(PEOPLE)
    .filter(([, { roles }]) => roles.length > 0)
    .map(([name, { slack, roles }]) => [name, { slack, roles: [...roles] }]),
);

type PeopleConfig = Readonly<Record<string, { slack: string; roles: string[]; github?: string }>>;

/** Alice and Oscar by the config; everybody else can be linked by `person add`. */
function linked({ alice, oscar, ...others }: PeopleConfig): PeopleConfig {
  return { alice: { ...alice!, github: 'alice-hub' }, oscar: { ...oscar!, github: 'oscar-hub' }, ...others };
}

async function openGithub(clock: Clock): Promise<GithubPlatform> {
  const github = await githubPlatform(() => clock.now());
  for (const name of Object.keys(PEOPLE)) github.person(`${name}-hub`, ed25519(name));
  return github;
}

/** `shell:` of the config for the nodes of a simulator that has sshd. */
export function shellOf(simulator: Simulator) {
  const nodes = simulator.nodes.map((node) => {
    const { host, port, hostKey } = simulator.ssh(node);
    return [node, { host, port, hostKeys: [hostKey] }] as const;
  });
  return { user: simulator.sshUser, key: simulator.sshKey, nodes: Object.fromEntries(nodes) };
}

/** Time passes at its own pace, but nobody waits for seconds: every wait is cut short. */
export const hurried: Clock = {
  now: () => Date.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(end, Math.min(ms, 20));
      signal?.addEventListener('abort', end, { once: true });
    }),
};

function turnedClock(alsoTurn: (ms: number) => void): TurnedClock {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    wait: hurried.wait,
    passes(ms) {
      ahead += ms;
      alsoTurn(ms);
    },
  };
}

function taskGate(): TaskGate {
  let held: (() => void)[] | undefined;
  let due = () => false;
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    after(ms, run) {
      let over = false;
      const timer = setTimeout(() => {
        if (due()) held ??= [];
        if (held) held.push(() => !over && run());
        else run();
      }, ms);
      return () => {
        over = true;
        clearTimeout(timer);
      };
    },
    hold(once) {
      if (once) due = once;
      else held ??= [];
    },
    passes(ms) {
      ahead += ms;
    },
    release() {
      const late = held ?? [];
      held = undefined;
      due = () => false;
      for (const run of late) run();
    },
  };
}

interface BotParts {
  readonly config: Config;
  readonly simulator: Simulator;
  readonly slack: FakeSlack;
  readonly logged: string[];
  readonly clock: Clock;
  readonly options: WorldOptions;
}

async function openBot({ config, simulator, slack, logged, clock, options }: BotParts) {
  const log = makeLog('debug', { write: (line) => logged.push(line) });
  const chat = createSlack({
    botToken: slack.botToken,
    ...(options.http
      ? { signingSecret: slack.signingSecret, http: { host: '127.0.0.1', port: 0 } }
      : { appToken: slack.appToken }),
    apiUrl: slack.apiUrl,
    root: '/pve',
    log: (event) => log.info({ slack: event }, 'slack'),
    now: clock.now,
    editEveryMs: 20,
  });
  const store = await openStore(config.store);
  const clusters = Object.entries(config.clusters).map(([name, entry]) =>
    connectProxmox({
      name,
      urls: entry.urls,
      token: entry.token,
      tls: { fingerprints: entry.fingerprints ?? [simulator.fingerprint] },
      clock,
      ...(options.timings ? { timings: options.timings } : {}),
    }),
  );
  const bot = assemble({
    config,
    chats: [chat],
    store,
    clusters,
    // What the network may take is real time, also while a story lets hours pass.
    shells: connectShells(config, clock, log, systemClock),
    ...(options.automations ? { automations: options.automations } : {}),
    clock,
    wires: systemClock,
    polls: 'by hand',
    log,
    onBroken: (error) => {
      logged.push(`BROKEN ${String((error as Error)?.stack ?? error)}`);
    },
  });
  await bot.start();
  if (chat.url) slack.deliverTo({ http: chat.url });
  return { bot, store, url: chat.url };
}

function somebody(slack: FakeSlack, id: string, name: string, logged: readonly string[]): Somebody {
  const user = slack.user(id, { name });
  const messages = (): SlackMessage[] => slack.messages(OPS, { as: id });
  const sees = () => messages().map((message) => slack.visibleText(message));
  const withButton = (label: string, holds = ''): Promise<SlackMessage> =>
    slack.waitFor(
      () =>
        messages().findLast((message) => labels(message).includes(label) && slack.visibleText(message).includes(holds)),
      `a button ${label} for ${name}`,
    );
  const acked = async (exchange: { acked(): Promise<{ status: string; reason?: string }> }) => {
    const outcome = await exchange.acked();
    if (outcome.status !== 'ok')
      throw new Error(`Slack shows ${name} an error: ${outcome.status} ${outcome.reason ?? ''}`);
  };
  return {
    sees,
    screen(...parts) {
      const found = messages().findLast((one) => parts.every((part) => slack.visibleText(one).includes(part)));
      if (!found) throw new Error(`${name} sees no message with ${JSON.stringify(parts)}:\n${sees().join('\n----\n')}`);
      return found;
    },
    says: (text) => acked(user.says(`/pve ${text}`, { channel: OPS })),
    async opens(text) {
      const exchange = user.says(`/pve ${text}`, { channel: OPS });
      await acked(exchange);
      return exchange.view();
    },
    async clicks(label, on) {
      await acked(user.clicks(typeof on === 'object' ? on : await withButton(label, on), label));
    },
    async types(label, text) {
      const exchange = user.clicks(await withButton(label), label);
      await acked(exchange);
      await acked(await user.submits(await exchange.view(), { typed: text }));
    },
    async reads(...parts) {
      const find = () => sees().findLast((text) => parts.every((part) => text.includes(part)));
      try {
        await slack.waitFor(() => find() !== undefined);
      } catch {
        throw new Error(
          `${name} never saw ${JSON.stringify(parts)}, but:\n${sees().join('\n----\n')}\nlog:\n${logged.slice(-15).join('')}`,
        );
      }
      return find()!;
    },
  };
}

function labels(message: SlackMessage): string[] {
  return message.blocks
    .filter((block) => block.type === 'actions')
    .flatMap((block) => block.elements as { text: { text: string } }[])
    .map((element) => element.text.text);
}
