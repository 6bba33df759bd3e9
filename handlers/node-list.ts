import type { Guest, Node } from '../src/contracts/cluster.ts';
import { defineCommand } from '../src/contracts/command.ts';
import { count, percent, span, usedOf } from './parts/units.ts';

export const nodeList = defineCommand({
  name: 'node list',
  summary: 'The nodes, whether they are up and how busy they are',
  examples: ['node list'],
  options: {},
  action: 'node.list',
  risk: 'read',
  async answer(_options, { view, root }) {
    const [nodes, guests] = await Promise.all([view.nodes(), view.guests()]);
    if (nodes.length === 0) return { title: `${view.name}: no node that you may see`, tone: 'plain' };
    const down = nodes.filter((node) => !node.online);
    return {
      title: `${view.name}: ${count(nodes.length, 'node')}, ${down.length === 0 ? 'all up' : `down: ${down.map((node) => node.name).join(' ')}`}`,
      tone: down.length === 0 ? 'good' : 'warning',
      table: {
        columns: ['Node', 'State', 'CPU', 'Memory', 'Up', 'Guests'],
        rows: nodes.map((node) => row(node, guests)),
      },
      footer: `${root}node show ${nodes[0]!.name} for more`,
    };
  },
});

function row(node: Node, guests: readonly Guest[]): readonly string[] {
  const here = guests.filter((guest) => guest.node === node.name);
  if (!node.online) return [node.name, 'DOWN', '', '', '', `${here.length} unknown`];
  const running = here.filter((guest) => guest.status === 'running').length;
  return [
    node.name,
    'up',
    percent(node.cpu),
    usedOf(node.memoryUsed, node.memoryTotal),
    node.uptime === undefined ? '' : span(node.uptime),
    `${running}/${here.length} running`,
  ];
}
