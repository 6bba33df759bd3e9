import type { Clock } from '../../src/contracts/clock.ts';
import type { Answer, Cluster, ProbeAnswer, TaskEnd, Trace } from '../../src/contracts/cluster.ts';
import type { Call, Probe } from '../../src/contracts/plan.ts';
import type { Client } from './client.ts';
import { probe } from './probes.ts';
import { followTask, type Patience } from './tasks.ts';
import { readUpid } from './upid.ts';

/** The only thing that changes a cluster. Remembers nothing: what happened is told by answers, tasks and probes. */
export class Hands implements Cluster {
  readonly name: string;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #patience: Patience;

  constructor(client: Client, clock: Clock, patience: Patience) {
    this.name = client.name;
    this.#client = client;
    this.#clock = clock;
    this.#patience = patience;
  }

  /** Success without a UPID is normal: most PUT and DELETE answer null (ODDITIES 8), vzdump may answer `OK` (9). */
  async send(call: Call): Promise<Answer> {
    const { data } = await this.#client.send(call);
    return readUpid(data) ? { upid: data as string } : {};
  }

  followTask(upid: string, onLog?: (line: string) => void): Promise<TaskEnd> {
    return followTask(this.#client, this.#clock, this.#patience, upid, onLog);
  }

  probe(wanted: Probe, trace: Trace): Promise<ProbeAnswer> {
    return probe(this.#client, this.#clock, wanted, trace);
  }
}
