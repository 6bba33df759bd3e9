import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type FakeDiscord, startDiscord } from '../platforms/discord.ts';
import { type FakeSlack, startSlack } from '../platforms/slack.ts';
import { type Running, run } from './processes.ts';

export const ALICE = { slack: 'U000ALICE', discord: 'alice' } as const;
export const OPS = 'C000OPS';

/** What `cluster.ts` prints. */
export interface Cluster {
  readonly urls: readonly string[];
  readonly fingerprint: string;
  readonly token: string;
}

/** A simulated cluster in a process of its own. */
export async function openCluster(thinksMs = 0): Promise<Cluster & { close(): Promise<void> }> {
  const running = run('test/bench/cluster.ts', [String(thinksMs)]);
  const cluster = JSON.parse(await running.prints('"urls"')) as Cluster;
  return { ...cluster, close: () => running.end() };
}

/** A workspace whose clock stands still, so that no load lets a command time out. */
export async function openSlack(): Promise<FakeSlack> {
  const slack = await startSlack();
  slack.clock.freeze();
  slack.user(ALICE.slack, { name: 'alice' });
  return slack;
}

/** A server with `/quorum` registered. */
export async function openDiscord(): Promise<FakeDiscord> {
  const discord = await startDiscord();
  discord.clock.freeze();
  discord.world.commands.guild = [{ id: discord.world.newId(), type: 1, name: 'quorum', description: 'Votes' }];
  return discord;
}

export interface Platforms {
  readonly slack?: FakeSlack;
  readonly discord?: FakeDiscord;
  /** Slack delivers to this port instead of a socket. */
  readonly port?: number;
}

/** The flags for Node with which `npm run bascule` starts the product; BASCULE_FLAGS takes their place, to try others. */
const productFlags = (process.env.BASCULE_FLAGS ?? flagsOfScript()).split(' ').filter((flag) => flag !== '');

function flagsOfScript(): string {
  const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  return /^node(.*) src\/main\.ts$/.exec(scripts.bascule)?.[1] ?? '';
}

/** The product as people start it, with a config file and a store on disk of its own. */
export function startOurs(folder: string, cluster: Cluster, platforms: Platforms): Running {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'bascule.yaml');
  const { urls, fingerprint, token } = cluster;
  const { slack, discord, port } = platforms;
  const config = {
    ...(slack && { slack: { botToken: slack.botToken, apiUrl: slack.apiUrl, ...slackWay(slack, port) } }),
    ...(discord && { discord: { botToken: discord.token, guild: discord.guildId, apiUrl: discord.apiUrl } }),
    clusters: { off: { urls, token, fingerprints: [fingerprint] } },
    people: {
      alice: { slack: ALICE.slack, ...(discord && { discord: discord.user(ALICE.discord).id }), roles: ['admin'] },
    },
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  return run('src/main.ts', ['start', '--config', file], {}, productFlags);
}

const slackWay = (slack: FakeSlack, port: number | undefined) =>
  port === undefined ? { appToken: slack.appToken } : { signingSecret: slack.signingSecret, listen: { port } };

export function startBareBolt(slack: FakeSlack, port?: number): Running {
  return run('test/bench/bare-bolt.ts', [], {
    SLACK_API: slack.apiUrl,
    BOT_TOKEN: slack.botToken,
    APP_TOKEN: slack.appToken,
    SIGNING_SECRET: slack.signingSecret,
    ...(port === undefined ? {} : { PORT: String(port) }),
  });
}

export function startBareDiscord(discord: FakeDiscord): Running {
  return run('test/bench/bare-discord.ts', [], { DISCORD_API: discord.apiUrl, BOT_TOKEN: discord.token });
}

/** A port that was free a moment ago: the bots are told theirs in advance, as behind a proxy. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
