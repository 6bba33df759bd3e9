import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectProxmox, type ProxmoxOptions } from '../adapters/proxmox/index.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../adapters/simulator/index.ts';
import type { Clock as SimulatorClock } from '../adapters/simulator/types.ts';
import { createSlack } from '../adapters/slack/index.ts';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Bot } from '../src/bot.ts';
import type { Clock } from '../src/contracts/clock.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { makeLog } from '../src/log.ts';
import { assemble } from '../src/main.ts';
import { type Config, configSchema } from '../src/settings.ts';
import { type FakeSlack, type SlackMessage, type SlackView, startSlack } from './platforms/slack.ts';

/**
 * A small named world: a simulated cluster `off` of four nodes, a Slack workspace, and the whole bot between
 * them, over real HTTPS and Slack's own wire. Alice is admin, Oscar and Nina are operators, Vera may look, and
 * Mallory is nobody.
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
  /** Resolves when no run is under way and nothing is on its way to Slack. */
  settled(): Promise<void>;
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
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const pve = options.pve ?? '9.2';
  const tasks = taskGate();
  const simulator = await startSimulator({ pve, taskMs: 20, clock: tasks, ...options.simulator });
  const slack = await startSlack();
  // A loaded machine must not run into Slack's three seconds.
  slack.clock.freeze();
  const folder = mkdtempSync(join(tmpdir(), 'bascule-'));
  const config = configSchema.parse({
    clusters: {
      off: {
        urls: options.asks?.map((node) => simulator.url(node)) ?? simulator.urls,
        token: simulator.token(options.token ?? 'bascule@pve!operate'),
        fingerprints: [simulator.fingerprint],
        zone: 'Europe/Paris',
        house: { ct: { replicateTo: ['ovh3', 'ovh1'] } },
        ...options.cluster,
      },
    },
    people: PEOPLE_CONFIG,
    store: options.store ?? { file: join(folder, 'bascule.sqlite') },
    ...options.config,
  });
  const logged: string[] = [];
  const clock = turnedClock((ms) => slack.clock.advance(ms));
  const parts: BotParts = { config, simulator, slack, logged, clock, options };
  let open = await openBot(parts);
  let closed = false;
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
    async settled() {
      await open.bot.runner.settled();
      await open.bot.outbox.settled();
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
  return {
    now: () => Date.now(),
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
    shells: [],
    clock,
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
