import { nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { startSimulator } from '../adapters/simulator/index.ts';
import { openStore } from '../adapters/store/index.ts';
import { createWeb } from '../adapters/web/index.ts';
import { systemClock } from './clock.ts';
import type { Panel } from './contracts/chat.ts';
import { type Log, makeLog } from './log.ts';
import { assemble, connectClusters, connectShells, endNow } from './main.ts';
import { configSchema } from './settings.ts';

/** `bascule demo`: nothing of it runs in the real thing. */

export interface DemoOptions {
  readonly port?: number;
  readonly pve?: '8.4' | '9.2';
  readonly taskMs?: number;
  readonly log?: Log;
}

/** Four people of a small team; ids are those of the web chat. Nina has keys on GitHub too, and nobody linked her yet. */
const DEMO_PEOPLE = [
  { id: 'alice', name: 'Alice', roles: ['admin'], about: 'admin', github: 'alice' },
  { id: 'oscar', name: 'Oscar', roles: ['operator'], about: 'operator', github: 'oscar' },
  { id: 'nina', name: 'Nina', roles: ['operator'], about: 'operator' },
  { id: 'vera', name: 'Vera', roles: ['viewer'], about: 'viewer, may only look' },
] as const;

/** The real bot, end to end, against a simulated cluster, with a web chat instead of Slack and Discord. */
export async function startDemo(options: DemoOptions = {}) {
  const log = options.log ?? makeLog('warn');
  const simulator = await startSimulator({
    pve: options.pve ?? '9.2',
    taskMs: options.taskMs ?? 1200,
    unreachableMs: 300,
    // HA in its own time: a failover is told from a move by how long the node was silent (FACTS 1.6).
    speed: 1,
    ssh: { programSha256: nodeProgramSha256() },
    github: true,
    pbs: true,
    past: true,
  });
  const { github } = simulator;
  const [kept = '', lost = ''] = github.keys('alice');
  const panel: Panel = {
    title: 'Nodes and keys',
    switches: async () => [
      ...simulator.nodes.map((id) => ({
        id,
        label: id,
        on: simulator.world.node(id).powered,
        hint: simulator.world.node(id).powered ? 'Pull the plug' : 'Plug it in again',
      })),
      {
        id: 'key',
        label: 'Alice’s second key',
        on: github.keys('alice').includes(lost),
        hint: github.keys('alice').includes(lost) ? 'Take it away from GitHub' : 'Put it on GitHub again',
      },
    ],
    flip: async (id, on) => {
      if (id === 'key') github.setKeys('alice', on ? [kept, lost] : [kept]);
      else await (on ? simulator.plug(id) : simulator.unplug(id));
    },
  };
  const web = createWeb({
    host: '127.0.0.1',
    port: options.port ?? 0,
    people: DEMO_PEOPLE.map(({ id, name, about }) => ({ id, name, about })),
    channels: [{ id: 'ops', name: 'ops', about: 'Cluster demo' }],
    panel,
    log,
  });
  const config = configSchema.parse({
    clusters: {
      demo: {
        urls: simulator.urls,
        token: simulator.token('bascule@pve!operate'),
        fingerprints: [simulator.fingerprint],
        zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        channels: ['ops'],
        sites: { Roubaix: ['ovh1', 'ovh2'], Strasbourg: ['ovh3', 'ovh4'] },
        alerts: [{ web: 'ops' }],
        shell: {
          user: simulator.sshUser,
          key: simulator.sshKey,
          nodes: Object.fromEntries(
            simulator.nodes.map((node) => {
              const { host, port, hostKey } = simulator.ssh(node);
              return [node, { host, port, hostKeys: [hostKey] }];
            }),
          ),
        },
        house: {
          ct: { replicateTo: ['ovh3', 'ovh1'] },
          ssh: { jump: { node: 'ovh1', host: 'ovh1.example.org' } },
          snapshots: [{ tags: ['db'], keep: { hourly: '36h', daily: '5d' } }],
        },
      },
    },
    github: { apiUrl: github.apiUrl },
    // Whoever takes a key away in the demo should not wait for the hour.
    automations: { 'key-drift': { schedule: '* * * * *' }, 'queued-grants': { schedule: '* * * * *' } },
    people: Object.fromEntries(
      DEMO_PEOPLE.map(({ id, name, roles, ...more }) => [
        id,
        { name, web: id, roles: [...roles], ...('github' in more ? { github: more.github } : {}) },
      ]),
    ),
    store: { file: ':memory:' },
  });
  const store = await openStore({ file: ':memory:' });
  const bot = assemble({
    config,
    chats: [web],
    store,
    clusters: connectClusters(config, systemClock, log),
    shells: connectShells(config, systemClock, log),
    clock: systemClock,
    log,
    onBroken: (error) => endNow(log, error),
  });
  await bot.start();
  return {
    url: web.url,
    simulator,
    bot,
    stop: async () => {
      await bot.stop();
      await simulator.close();
    },
  };
}
