import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectProxmox } from '../adapters/proxmox/index.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../adapters/simulator/index.ts';
import { createSlack } from '../adapters/slack/index.ts';
import { openStore, type SqlStore } from '../adapters/store/index.ts';
import type { Bot } from '../src/bot.ts';
import { type Config, configSchema } from '../src/config.ts';
import type { Clock } from '../src/contracts/clock.ts';
import { makeLog } from '../src/log.ts';
import { assemble } from '../src/main.ts';
import { type FakeSlack, type SlackMessage, startSlack } from './platforms/slack.ts';

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
  /** Presses the newest button of that label this person can see. */
  clicks(label: string): Promise<void>;
  /** Presses a button that asks for something, types it and submits. */
  types(label: string, text: string): Promise<void>;
  /** Everything this person can see in #ops, oldest first, as it stands now. */
  sees(): string[];
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
  /** Ends this bot as a stop would, and starts another on the same store, Slack and cluster. */
  restart(): Promise<void>;
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
  readonly store?: { readonly url: string };
}

export const OPS = 'C000OPS';

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const pve = options.pve ?? '9.2';
  const simulator = await startSimulator({ pve, taskMs: 20, ...options.simulator });
  const slack = await startSlack();
  // A loaded machine must not run into Slack's three seconds.
  slack.clock.freeze();
  const folder = mkdtempSync(join(tmpdir(), 'bascule-'));
  const config = configSchema.parse({
    clusters: {
      off: {
        urls: simulator.urls,
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
  let open = await openBot(config, simulator, slack, logged);
  const people = Object.fromEntries(
    Object.entries(PEOPLE).map(([name, { slack: id }]) => [name, somebody(slack, id, name, logged)]),
  ) as Record<Name, Somebody>;
  return {
    ...people,
    slack,
    simulator,
    config,
    logged,
    get store() {
      return open.store;
    },
    get bot() {
      return open.bot;
    },
    async restart() {
      await open.bot.stop();
      open = await openBot(config, simulator, slack, logged);
    },
    guest(vmid) {
      return simulator.world.state.guests.get(vmid);
    },
    async close() {
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

async function openBot(config: Config, simulator: Simulator, slack: FakeSlack, logged: string[]) {
  const log = makeLog('debug', { write: (line) => logged.push(line) });
  const chat = createSlack({
    botToken: slack.botToken,
    appToken: slack.appToken,
    apiUrl: slack.apiUrl,
    root: '/pve',
    log: (event) => log.info({ slack: event }, 'slack'),
    editEveryMs: 20,
  });
  const store = await openStore(config.store);
  const clusters = Object.entries(config.clusters).map(([name, entry]) =>
    connectProxmox({
      name,
      urls: entry.urls,
      token: entry.token,
      tls: { fingerprints: entry.fingerprints ?? [simulator.fingerprint] },
      clock: hurried,
    }),
  );
  const bot = assemble({
    config,
    chats: [chat],
    store,
    clusters,
    clock: hurried,
    log,
    onBroken: (error) => {
      logged.push(`BROKEN ${String((error as Error)?.stack ?? error)}`);
    },
  });
  await bot.start();
  return { bot, store };
}

function somebody(slack: FakeSlack, id: string, name: string, logged: readonly string[]): Somebody {
  const user = slack.user(id, { name });
  const messages = (): SlackMessage[] => slack.messages(OPS, { as: id });
  const sees = () => messages().map((message) => slack.visibleText(message));
  const withButton = async (label: string): Promise<SlackMessage> => {
    const find = () => messages().findLast((message) => labels(message).includes(label));
    await slack.waitFor(() => find() !== undefined);
    return find()!;
  };
  const acked = async (exchange: { acked(): Promise<{ status: string; reason?: string }> }) => {
    const outcome = await exchange.acked();
    if (outcome.status !== 'ok')
      throw new Error(`Slack shows ${name} an error: ${outcome.status} ${outcome.reason ?? ''}`);
  };
  return {
    sees,
    says: (text) => acked(user.says(`/pve ${text}`, { channel: OPS })),
    async clicks(label) {
      await acked(user.clicks(await withButton(label), label));
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
