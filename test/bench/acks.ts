import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { FakeDiscord } from '../platforms/discord.ts';
import type { FakeSlack } from '../platforms/slack.ts';
import { signed } from '../platforms/slack-http.ts';
import {
  ALICE,
  type Cluster,
  freePort,
  OPS,
  openDiscord,
  openSlack,
  startBareBolt,
  startBareDiscord,
  startOurs,
} from './bots.ts';
import { type Bot, type Duel, duel, type Effort } from './duel.ts';

const READY = 'bascule is ready';

/** `/pve quorum` over Socket Mode: until the envelope's acknowledgement is back. */
export async function slackSocket(folder: string, cluster: Cluster, effort: Effort): Promise<Duel> {
  const [ours, bare] = [await openSlack(), await openSlack()];
  const bots = [startOurs(join(folder, 'socket'), cluster, { slack: ours }), startBareBolt(bare)];
  await Promise.all([bots[0]!.prints(READY), bots[1]!.prints('ready')]);
  try {
    return await duel(overSocket(ours), overSocket(bare), effort);
  } finally {
    await Promise.all(bots.map((bot) => bot.end()));
    await Promise.all([ours.stop(), bare.stop()]);
  }
}

function overSocket(slack: FakeSlack): Bot {
  const person = slack.user(ALICE.slack);
  const answered = answers(slack);
  return () => {
    const begin = performance.now();
    const exchange = person.says('/pve quorum', { channel: OPS });
    const acked = exchange.acked().then(({ status, reason }) => {
      if (status !== 'ok') throw new Error(`a command was not acknowledged: ${status} ${reason}`);
      return performance.now() - begin;
    });
    return { acked, answered: answered() };
  };
}

/** Signed HTTP: until the empty 200 is back. */
export async function slackHttp(folder: string, cluster: Cluster, effort: Effort): Promise<Duel> {
  const [ours, bare] = [await openSlack(), await openSlack()];
  const ports = [await freePort(), await freePort()] as const;
  const bots = [
    startOurs(join(folder, 'http'), cluster, { slack: ours, port: ports[0] }),
    startBareBolt(bare, ports[1]),
  ];
  await Promise.all([bots[0]!.prints(READY), bots[1]!.prints('ready')]);
  // Slack's side is kept as small as it gets: connections that stay open, and a client quicker than fetch.
  const agent = new Agent({ connections: 32, pipelining: 1 });
  try {
    return await duel(overHttp(ours, ports[0], agent), overHttp(bare, ports[1], agent), effort);
  } finally {
    await agent.destroy();
    await Promise.all(bots.map((bot) => bot.end()));
    await Promise.all([ours.stop(), bare.stop()]);
  }
}

function overHttp(slack: FakeSlack, port: number, agent: Agent): Bot {
  const answered = answers(slack);
  let count = 0;
  return () => {
    count += 1;
    const payload = {
      command: '/pve',
      text: 'quorum',
      user_id: ALICE.slack,
      user_name: 'alice',
      channel_id: OPS,
      channel_name: 'ops',
      team_id: slack.teamId,
      team_domain: 'bench',
      api_app_id: slack.world.appId,
      is_enterprise_install: 'false',
      response_url: `${slack.apiUrl}none`,
      trigger_id: `bench.${count}`,
    };
    const { headers, body } = signed(slack.world, 'slash_commands', payload);
    const begin = performance.now();
    const url = `http://127.0.0.1:${port}/slack/events`;
    const acked = request(url, { dispatcher: agent, method: 'POST', headers, body }).then(async (response) => {
      const took = performance.now() - begin;
      await response.body.dump();
      if (response.statusCode !== 200) throw new Error(`a command was answered with HTTP ${response.statusCode}`);
      return took;
    });
    return { acked, answered: answered() };
  };
}

/** Counts messages: each command makes one. The counter resolves when one more than so far stands there. */
function answers(slack: FakeSlack): () => Promise<void> {
  let expected = 0;
  return () => {
    expected += 1;
    const mine = expected;
    return slack.waitFor(() => slack.world.messages.length >= mine, `${mine} answers`, 60_000).then(() => undefined);
  };
}

/** `/quorum` on Discord: until the deferral has arrived there. */
export async function discordAck(folder: string, cluster: Cluster, effort: Effort): Promise<Duel> {
  const [ours, bare] = [await openDiscord(), await openDiscord()];
  const bots = [startOurs(join(folder, 'discord'), cluster, { discord: ours }), startBareDiscord(bare)];
  await Promise.all([bots[0]!.prints(READY), bots[1]!.prints('ready')]);
  try {
    return await duel(onDiscord(ours), onDiscord(bare), effort);
  } finally {
    await Promise.all(bots.map((bot) => bot.end()));
    await Promise.all([ours.stop(), bare.stop()]);
  }
}

function onDiscord(discord: FakeDiscord): Bot {
  const person = discord.user(ALICE.discord);
  return () => {
    const begin = performance.now();
    const exchange = person.uses('quorum');
    const { interaction } = exchange;
    const acked = exchange.acked().then(({ status, type }) => {
      if (status !== 'ok' || type !== 5) throw new Error(`a command was not deferred: ${status} ${type}`);
      return performance.now() - begin;
    });
    const first = () => discord.world.messages.findLast((message) => message.id === interaction.originalId);
    const answered = discord.waitFor(() => first()?.loading === false, 'an answer', 60_000).then(() => undefined);
    return { acked, answered };
  };
}
