import type { Fact } from '../src/contracts/card.ts';
import type { Guest, HaService, Node, ReplicationState } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { cluster } from './options.ts';
import { attempt, describe } from './parts/guests.ts';
import { spareNodes } from './parts/quorum.ts';
import { timeOfDay, usedOf } from './parts/units.ts';

export const clusterStatus = defineCommand({
  name: 'cluster status',
  summary: 'Quorum, nodes, guests, HA and replication at a glance',
  examples: ['cluster status', 'cluster status off'],
  options: { cluster },
  positional: ['cluster'],
  action: 'cluster.status',
  risk: 'read',
  async answer(_options, context) {
    const { view, zone, root } = context;
    const [membership, nodes, guests, version, services] = await Promise.all([
      view.membership(),
      view.nodes(),
      view.guests(),
      attempt(() => view.version()),
      attempt(() => view.haServices()),
    ]);
    const states = await replicationStates(nodes, context);
    const down = nodes.filter((node) => !node.online);
    const troubles = [...haTrouble('value' in services ? services.value : []), ...failing(states.known)];
    return {
      title: `${view.name}: ${membership.quorate ? 'quorate' : 'NO QUORUM'} ${membership.present}/${membership.expected}, ${nodes.length - down.length}/${nodes.length} nodes up`,
      tone: !membership.quorate ? 'bad' : down.length > 0 || troubles.length > 0 ? 'warning' : 'good',
      lines: [`Asked ${membership.asked} ${timeOfDay(membership.at, zone)}`, ...troubles],
      facts: [
        ...(membership.quorate ? [{ label: 'Spare', value: `${spareNodes(membership)} more may fail` }] : []),
        ...nodes.map(nodeFact),
        { label: 'Guests', value: guestsText(guests, new Set(down.map((node) => node.name))) },
        { label: 'HA', value: describe(services, haText) },
        { label: 'Replication', value: replicationText(states) },
        { label: 'Version', value: describe(version, ({ text }) => text) },
      ],
      footer: `${root}quorum says what may still fail`,
    };
  },
});

function nodeFact(node: Node): Fact {
  return { label: node.name, value: node.online ? `up, memory ${usedOf(node.memoryUsed, node.memoryTotal)}` : 'DOWN' };
}

function guestsText(guests: readonly Guest[], down: ReadonlySet<string>): string {
  const unknown = guests.filter((guest) => down.has(guest.node) || guest.status === 'unknown');
  const known = guests.filter((guest) => !unknown.includes(guest));
  const running = known.filter((guest) => guest.status === 'running').length;
  const off = known.length - running;
  return `${running} running, ${off} not${unknown.length > 0 ? `, ${unknown.length} unknown (node down)` : ''}`;
}

function haText(services: readonly HaService[]): string {
  if (services.length === 0) return 'manages none of these guests';
  const started = services.filter((service) => service.state === 'started').length;
  return `${started} of ${services.length} started`;
}

/** States in which HA needs a person or some patience (FACTS 1.3). */
function haTrouble(services: readonly HaService[]): readonly string[] {
  const bad = new Set(['error', 'fence', 'recovery']);
  return services
    .filter((service) => bad.has(service.crmState ?? '') || service.state === 'error')
    .map((service) => `HA ${service.sid} on ${service.node}: ${service.crmState ?? service.state}`);
}

interface States {
  readonly known: readonly ReplicationState[];
  /** Nodes that did not tell. */
  readonly silent: readonly string[];
}

async function replicationStates(nodes: readonly Node[], { view }: ReadContext): Promise<States> {
  const up = nodes.filter((node) => node.online);
  const answers = await Promise.all(up.map((node) => attempt(() => view.replicationState(node.name))));
  return {
    known: answers.flatMap((answer) => ('value' in answer ? answer.value : [])),
    silent: up.filter((_node, index) => 'failed' in answers[index]!).map((node) => node.name),
  };
}

function failing(states: readonly ReplicationState[]): readonly string[] {
  return states
    .filter((state) => state.failCount > 0)
    .map(
      (state) =>
        `Replication ${state.id} to ${state.target} failed ${state.failCount}×: ${state.error ?? 'no reason given'}`,
    );
}

function replicationText({ known, silent }: States): string {
  const bad = known.filter((state) => state.failCount > 0).length;
  const told = known.length === 0 ? 'no job' : `${known.length - bad} of ${known.length} jobs well`;
  return silent.length > 0 ? `${told}; not told by ${silent.join(' ')}` : told;
}
