import { setTimeout as pause } from 'node:timers/promises';
import { connectProxmox, type ProxmoxEvent } from '../adapters/proxmox/index.ts';
import { demoWorld, type Pve, type Simulator, startSimulator, type WorldSpec } from '../adapters/simulator/index.ts';
import type { Clock } from '../src/contracts/clock.ts';
import type { ClusterConnection } from '../src/contracts/cluster.ts';

/** Waits are over after a few milliseconds, but count in full. */
export function hurriedClock(): Clock & { waited: number } {
  const clock = {
    waited: 0,
    now: () => Date.now() + clock.waited,
    wait: async (ms: number) => {
      clock.waited += ms;
      await pause(5);
    },
  };
  return clock;
}

export interface Setting {
  readonly sim: Simulator;
  readonly events: ProxmoxEvent[];
  readonly clock: Clock & { waited: number };
  /** A connection with that token (default: the bot's full one) to these nodes (default: all). */
  connect(options?: { readonly token?: string; readonly nodes?: readonly string[] }): ClusterConnection;
  close(): Promise<void>;
}

export async function setUp(pve: Pve, change: (world: WorldSpec) => WorldSpec = (world) => world): Promise<Setting> {
  const sim = await startSimulator({ pve, world: change(demoWorld(pve)), taskMs: 30 });
  const events: ProxmoxEvent[] = [];
  const clock = hurriedClock();
  const connections: ClusterConnection[] = [];
  return {
    sim,
    events,
    clock,
    connect: ({ token = 'bascule@pve!operate', nodes = sim.nodes } = {}) => {
      const connection = connectProxmox({
        name: 'off',
        urls: nodes.map((node) => sim.url(node)),
        token: sim.token(token),
        tls: { fingerprints: [sim.fingerprint] },
        clock,
        timings: { connect: 1_000, local: 5_000, read: 5_000, write: 5_000 },
        onEvent: (event) => events.push(event),
      });
      connections.push(connection);
      return connection;
    },
    close: async () => {
      for (const connection of connections) await connection.close();
      await sim.close();
    },
  };
}
