import type { Card, Fact } from '../src/contracts/card.ts';
import type { Guest, NodeDetail, Storage } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { node } from './options.ts';
import { knownNode } from './parts/checks.ts';
import { attempt, describe } from './parts/guests.ts';
import { count, percent, size, span, usedOf } from './parts/units.ts';

export const nodeShow = defineCommand({
  name: 'node show',
  summary: 'One node: load, memory, versions, storages and its guests',
  examples: ['node show ovh1'],
  options: { node },
  positional: ['node'],
  action: 'node.show',
  risk: 'read',
  async answer({ node: wanted }, context) {
    const { view } = context;
    const [nodes, guests] = await Promise.all([view.nodes(), view.guests()]);
    const found = knownNode(nodes, wanted, `${wanted} was not shown`);
    const here = guests.filter((guest) => guest.node === found.name);
    if (!found.online) return downCard(found.name, here, context);
    const [detail, storages] = await Promise.all([
      attempt(() => view.node(found.name)),
      attempt(() => view.storages(found.name)),
    ]);
    return {
      title: `${found.name} is up${found.uptime === undefined ? '' : ` for ${span(found.uptime)}`}`,
      tone: 'good',
      facts: [
        { label: 'CPU', value: `${percent(found.cpu)}${found.cores ? ` of ${count(found.cores, 'core')}` : ''}` },
        { label: 'Memory', value: usedOf(found.memoryUsed, found.memoryTotal) },
        ...('value' in detail ? more(detail.value) : [{ label: 'Details', value: describe(detail, () => '') }]),
        ...('value' in storages
          ? storages.value.map(storageFact)
          : [{ label: 'Storages', value: describe(storages, () => '') }]),
        { label: 'Guests', value: guestsText(here) },
      ],
    };
  },
});

function downCard(name: string, guests: readonly Guest[], { root }: ReadContext): Card {
  return {
    title: `${name} is DOWN`,
    tone: 'bad',
    lines: [
      guests.length === 0 ? 'No guest that you may see lives there' : `State unknown: ${guestNames(guests)}`,
      `What the cluster can still take: ${root}quorum`,
    ],
  };
}

function more(detail: NodeDetail): readonly Fact[] {
  return [
    ...(detail.load ? [{ label: 'Load', value: detail.load.join(' ') }] : []),
    ...(detail.pveVersion ? [{ label: 'Proxmox VE', value: detail.pveVersion }] : []),
    ...(detail.kernel ? [{ label: 'Kernel', value: detail.kernel }] : []),
    { label: 'Root disk', value: usedOf(detail.rootUsed, detail.rootTotal) },
  ];
}

function storageFact(storage: Storage): Fact {
  const room =
    storage.free === undefined
      ? 'free unknown'
      : `${size(storage.free)} free${storage.total ? ` of ${size(storage.total)}` : ''}`;
  return { label: storage.id, value: `${storage.type}, ${storage.active ? room : 'NOT ACTIVE'}` };
}

function guestsText(guests: readonly Guest[]): string {
  if (guests.length === 0) return 'none that you may see';
  const running = guests.filter((guest) => guest.status === 'running').length;
  return `${running} of ${guests.length} running: ${guestNames(guests)}`;
}

const guestNames = (guests: readonly Guest[]): string =>
  guests.map((guest) => `${guest.vmid} ${guest.name}`).join(', ');
