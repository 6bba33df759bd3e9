import { Agent, buildConnector, request } from 'undici';
import { connectProxmox } from '../../adapters/proxmox/index.ts';
import { openStore } from '../../adapters/store/index.ts';
import { systemClock } from '../../src/clock.ts';
import type { Chat, Desk } from '../../src/contracts/chat.ts';
import { makeLog } from '../../src/log.ts';
import { assemble } from '../../src/main.ts';
import { configSchema } from '../../src/settings.ts';
import { ALICE, type Cluster, OPS, openCluster } from './bots.ts';
import type { Sides } from './duel.ts';

/**
 * `quorum` from the moment the adapter hands it over until its card is ready to be sent, beside one bare
 * GET /cluster/status on a kept-alive connection with the same certificate check. In turns, both in this process.
 */
export async function quorumAnswer(file: string, thinksMs: number, warmUp: number, count: number): Promise<Sides> {
  const cluster = await openCluster(thinksMs);
  const bot = await inProcess(file, cluster);
  const call = rawCall(cluster);
  try {
    const sides = { ours: [] as number[], bare: [] as number[] };
    for (let turn = 0; turn < warmUp + count; turn++) {
      const ours = await bot.asks(`ask-${turn}`);
      const bare = await call.once();
      if (turn < warmUp) continue;
      sides.ours.push(ours);
      sides.bare.push(bare);
    }
    return sides;
  } finally {
    await bot.stop();
    await call.close();
    await cluster.close();
  }
}

/** The whole core with a chat that is not there: what is measured ends where a platform begins. */
async function inProcess(file: string, cluster: Cluster) {
  const config = configSchema.parse({
    clusters: { off: { urls: cluster.urls, token: cluster.token, fingerprints: [cluster.fingerprint] } },
    people: { alice: { slack: ALICE.slack, roles: ['admin'] } },
    store: { file },
  });
  const { promise: desk, resolve } = Promise.withResolvers<Desk>();
  const chat: Chat = {
    platform: 'slack',
    start: async (one) => resolve(one),
    post: async () => ({ platform: 'slack', channel: OPS, message: '1' }),
    update: async () => undefined,
    groupsOf: async () => [],
    stop: async () => undefined,
  };
  const bot = assemble({
    config,
    chats: [chat],
    store: await openStore({ file }),
    clusters: Object.entries(config.clusters).map(([name, { urls, token, fingerprints = [] }]) =>
      connectProxmox({ name, urls, token, tls: { fingerprints }, clock: systemClock }),
    ),
    clock: systemClock,
    log: makeLog('warn'),
    onBroken: (error) => {
      throw error;
    },
  });
  await bot.start();
  const front = await desk;
  return {
    stop: () => bot.stop(),
    async asks(delivery: string): Promise<number> {
      let took = Number.NaN;
      const begin = performance.now();
      await front.command({
        delivery,
        actor: { platform: 'slack', id: ALICE.slack, name: 'alice' },
        place: { platform: 'slack', channel: OPS },
        input: { text: 'quorum' },
        reply: async (card) => {
          took = performance.now() - begin;
          if (!card.title.includes('QUORATE')) throw new Error(`quorum was answered with ${card.title}`);
          return undefined;
        },
      });
      return took;
    },
  };
}

function rawCall({ urls, token, fingerprint }: Cluster) {
  const connect = buildConnector({ allowH2: false, maxCachedSessions: 0, rejectUnauthorized: false });
  const agent = new Agent({
    keepAliveTimeout: 3_500,
    connect: (options, callback) =>
      connect(options, (error, socket) => {
        if (error) return callback(error, null);
        const seen = 'getPeerCertificate' in socket ? socket.getPeerCertificate().fingerprint256 : '';
        if (seen === fingerprint) return callback(null, socket);
        socket.destroy();
        callback(new Error('another certificate'), null);
      }),
  });
  return {
    close: () => agent.destroy(),
    async once(): Promise<number> {
      const begin = performance.now();
      const response = await request(`${urls[0]}/api2/json/cluster/status`, {
        dispatcher: agent,
        headers: { authorization: `PVEAPIToken=${token}`, accept: 'application/json' },
      });
      await response.body.json();
      return performance.now() - begin;
    },
  };
}
