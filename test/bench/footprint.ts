import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FakeDiscord } from '../platforms/discord.ts';
import type { FakeSlack } from '../platforms/slack.ts';
import {
  ALICE,
  type Cluster,
  OPS,
  openDiscord,
  openSlack,
  type Platforms,
  startBareBolt,
  startBareDiscord,
  startOurs,
} from './bots.ts';
import type { Running } from './processes.ts';
import { median } from './stats.ts';

export interface Footprint {
  /** Milliseconds from the start of the process to the first answer in a channel. */
  readonly firstAnswer: number;
  /** MB resident after the first answer and a while without work. */
  readonly resident: number;
}

export type Kind = 'slack' | 'discord' | 'both';

/** Medians over several starts. `bare` starts the bare handler instead of the bot; there is none for both. */
export async function footprint(
  folder: string,
  cluster: Cluster,
  kind: Kind,
  effort: { readonly starts: number; readonly idleMs: number },
  bare = false,
): Promise<Footprint> {
  const seen: Footprint[] = [];
  for (let start = 0; start < effort.starts; start++)
    seen.push(await once(join(folder, `${kind}-${bare}-${start}`), cluster, kind, effort.idleMs, bare));
  return {
    firstAnswer: median(seen.map((one) => one.firstAnswer)),
    resident: median(seen.map((one) => one.resident)),
  };
}

async function once(folder: string, cluster: Cluster, kind: Kind, idleMs: number, bare: boolean): Promise<Footprint> {
  const slack = kind === 'discord' ? undefined : await openSlack();
  const discord = kind === 'slack' ? undefined : await openDiscord();
  const bot = started(folder, cluster, { slack, discord }, bare);
  try {
    const answered = await bot.during(Promise.all([slack && onSlack(slack), discord && onDiscord(discord)]));
    const firstAnswer = Math.max(...answered.map((at) => at ?? 0)) - bot.startedAt;
    await pause(idleMs);
    return { firstAnswer, resident: bot.resident() };
  } finally {
    await bot.end();
    await slack?.stop();
    await discord?.stop();
  }
}

function started(folder: string, cluster: Cluster, { slack, discord }: Platforms, bare: boolean): Running {
  if (!bare) return startOurs(folder, cluster, { slack, discord });
  return slack ? startBareBolt(slack) : startBareDiscord(discord!);
}

/** Asks as soon as the bot is connected; resolves `performance.now()` of the answer. */
async function onSlack(slack: FakeSlack): Promise<number> {
  await slack.waitFor(() => slack.sockets.connections.length > 0, 'a connection', 60_000);
  slack.user(ALICE.slack).says('/pve quorum', { channel: OPS });
  await slack.waitFor(() => slack.world.messages.length > 0, 'an answer', 60_000);
  return performance.now();
}

async function onDiscord(discord: FakeDiscord): Promise<number> {
  await discord.waitFor(() => discord.gateway.live().length > 0, 'a connection', 60_000);
  const exchange = discord.user(ALICE.discord).uses('quorum');
  await discord.waitFor(() => exchange.answers.some((one) => !one.loading), 'an answer', 60_000);
  return performance.now();
}
