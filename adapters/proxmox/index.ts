import type { Clock } from '../../src/contracts/clock.ts';
import type { ClusterConnection } from '../../src/contracts/cluster.ts';
import { Client, type ProxmoxEvent, type Timings } from './client.ts';
import { Hands } from './hands.ts';
import { Looker } from './look.ts';
import { type Patience, usualPatience } from './tasks.ts';
import type { Trust } from './trust.ts';
import { View } from './view.ts';

export type { ProxmoxEvent } from './client.ts';

export interface ProxmoxOptions {
  /** Our name of the cluster. */
  readonly name: string;
  /** `https://ovh1.example:8006`, several for fail-over. */
  readonly urls: readonly string[];
  /** `user@realm!id=secret`. */
  readonly token: string;
  readonly tls: Trust;
  readonly clock: Clock;
  readonly onEvent?: (event: ProxmoxEvent) => void;
  /** Network limits in real milliseconds, and how tasks are followed in the clock's. */
  readonly timings?: Partial<Timings>;
  readonly patience?: Partial<Patience>;
}

/** Connects to one Proxmox VE cluster. Throws Failed bad-input for an address, token or fingerprint that cannot be right; asks nothing yet. */
export function connectProxmox(options: ProxmoxOptions): ClusterConnection {
  const client = new Client(options);
  const names = new Map<number, string>();
  const looker = new Looker(client, options.clock);
  return {
    name: options.name,
    view: () => new View(client, options.clock, names),
    look: (endpoint, wish) => looker.look(endpoint, wish),
    hands: new Hands(client, options.clock, { ...usualPatience, ...options.patience }),
    close: () => client.close(),
  };
}
