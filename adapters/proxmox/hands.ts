import type { Clock } from '../../src/contracts/clock.ts';
import type { Answer, Cluster, ProbeAnswer, TaskEnd, Trace } from '../../src/contracts/cluster.ts';
import { Failed, fail, failure } from '../../src/contracts/failure.ts';
import { type Call, type Effect, isApiCall, type Probe } from '../../src/contracts/plan.ts';
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

  /**
   * Success without a UPID is normal: most PUT and DELETE answer null (ODDITIES 8). But what we POST or DELETE below
   * a node is the work of a task, but for `schedule_now`: without its name nobody knows whether it has ended, so the call is in doubt.
   */
  async send(call: Effect): Promise<Answer> {
    if (!isApiCall(call)) throw misled(this.name);
    const { data } = await this.#client.send(call);
    if (readUpid(data)) return { upid: data as string };
    if (data === 'OK' && call.path.endsWith('/vzdump')) nothingThere(this.name, call);
    if (call.method !== 'PUT' && call.path.startsWith('/nodes/') && !call.path.endsWith('/schedule_now')) {
      fail('in-doubt', {
        what: `${this.name}: ${call.method} ${call.path} was accepted`,
        why: 'the answer does not name the task that does it',
        next: 'look at the task list of the node',
        sent: 'unknown',
      });
    }
    return {};
  }

  followTask(upid: string, onLog?: (line: string) => void): Promise<TaskEnd> {
    return followTask(this.#client, this.#clock, this.#patience, upid, onLog);
  }

  probe(wanted: Probe, trace: Trace): Promise<ProbeAnswer> {
    return probe(this.#client, this.#clock, wanted, trace);
  }
}

/** Said when no guest of the list is on that node; nothing was done (FACTS 2.3). */
function nothingThere(cluster: string, { path, params }: Call): never {
  return fail('refused', {
    what: `${cluster}: nothing was backed up`,
    why: `guest ${params['vmid']} is not on ${path.split('/')[2]} any more`,
    next: 'ask again: the plan then names the node it is on now',
    sent: 'refused',
  });
}

function misled(cluster: string): Failed {
  return new Failed(
    failure('internal', {
      what: `${cluster}: nothing was sent`,
      why: 'work on a node or on the books is not done by the API',
      next: 'please report this',
      sent: 'no',
    }),
  );
}
