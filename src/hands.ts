import type { Clock } from './contracts/clock.ts';
import type { Answer, Cluster, ClusterConnection, ProbeAnswer } from './contracts/cluster.ts';
import { fail } from './contracts/failure.ts';
import { type BookCall, canonical, isApiCall, isNodeCall, type NodeCall } from './contracts/plan.ts';
import type { NodeHands, ShellConnection } from './contracts/shell.ts';
import type { Store } from './contracts/store.ts';

export interface HandsParts {
  readonly store: Pick<Store, 'bookEntry' | 'writeBook'>;
  /** By our name of the cluster; a cluster without SSH access has none. */
  readonly shells: ReadonlyMap<string, ShellConnection>;
  readonly clock: Clock;
}

/** What one run does things with: the API of its cluster, the nodes of any cluster, and the bot's own books. */
export function runHands({ hands }: Pick<ClusterConnection, 'hands'>, run: string, parts: HandsParts): Cluster {
  const nodes = (call: NodeCall): NodeHands => parts.shells.get(call.cluster)?.hands ?? noShell(call);
  return {
    name: hands.name,
    followTask: (upid, onLog) => hands.followTask(upid, onLog),
    async send(effect, onLog) {
      if (isApiCall(effect)) return hands.send(effect, onLog);
      if (isNodeCall(effect)) return nodes(effect).send(effect, run, onLog);
      return write(effect, run, parts);
    },
    async probe(probe, trace) {
      if (probe.kind === 'node-verb') return nodes(probe.call).probe(probe.call, run);
      if (probe.kind === 'book') return written(probe.call, run, parts);
      return hands.probe(probe, trace);
    },
  };
}

function noShell({ cluster, node, verb }: NodeCall): never {
  return fail('unavailable', {
    what: `${verb} was not done on ${node}`,
    why: `there is no SSH access to the nodes of ${cluster}`,
    next: 'an admin adds shell: to that cluster in the config',
    sent: 'no',
  });
}

/** An entry that is so already stays whose it is. */
async function write({ shelf, key, value }: BookCall, run: string, { store, clock }: HandsParts): Promise<Answer> {
  const before = await store.bookEntry(shelf, key);
  if (canonical(before?.value ?? null) === canonical(value)) {
    if (before?.run === run) return { says: 'noted' };
    return { says: value === null ? 'there was no entry' : `noted by run ${before?.run}`, already: true };
  }
  const at = clock.now();
  await store.writeBook({ shelf, key, value, run, at }, [
    { at, id: run, kind: 'book', who: 'bot', body: { shelf, key, value } },
  ]);
  return { says: value === null ? 'entry removed' : 'noted' };
}

async function written({ shelf, key, value }: BookCall, run: string, { store }: HandsParts): Promise<ProbeAnswer> {
  const entry = await store.bookEntry(shelf, key);
  const name = `entry ${key} of ${shelf}`;
  if (!entry) return { state: value === null ? 'done' : 'absent', evidence: `there is no ${name}` };
  if (canonical(entry.value) !== canonical(value))
    return { state: 'absent', evidence: `${name} says something else, written by run ${entry.run}` };
  return { state: entry.run === run ? 'done' : 'already', evidence: `${name} was written by run ${entry.run}` };
}
