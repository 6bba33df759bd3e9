import { type Call, needs, type Route } from './call.ts';
import { seconds } from './clock.ts';
import { versions } from './cluster.ts';
import { nodeRow, nodeStatus } from './node-rows.ts';
import { node, type Rule } from './verify.ts';

const common = ['bridge', 'bond', 'eth', 'alias', 'vlan'];
const ovs = ['OVSBridge', 'OVSBond', 'OVSPort', 'OVSIntPort', 'vnet', 'any_bridge', 'any_local_bridge'];
const interfaceType: Rule = {
  type: 'string',
  optional: true,
  valuesIn: { '8.4': [...common, ...ovs], '9.2': [...common, 'fabric', ...ovs, 'include_sdn'] },
};

/** One bridge per entry of the world, and the card behind it. */
function network(call: Call): unknown[] {
  const bridges = call.node.bridges.map(({ iface, cidr }) => ({
    iface,
    type: 'bridge',
    active: 1,
    autostart: 1,
    bridge_fd: '0',
    bridge_ports: 'eth0',
    bridge_stp: 'off',
    families: ['inet'],
    method: cidr ? 'static' : 'manual',
    method6: 'manual',
    priority: 4,
    ...(cidr && { cidr, address: cidr.split('/')[0], netmask: cidr.split('/')[1] }),
  }));
  const card = {
    iface: 'eth0',
    type: 'eth',
    active: 1,
    families: ['inet'],
    method: 'manual',
    method6: 'manual',
    priority: 3,
  };
  const wanted = call.params.type;
  return [...bridges, card].filter(
    (each) => wanted === undefined || each.type === wanted || (wanted.startsWith('any_') && each.type === 'bridge'),
  );
}

export const nodeRoutes = (fingerprint: () => string): Route[] => [
  {
    method: 'GET',
    path: '/nodes',
    rules: {},
    run: (call) => [...call.world.nodes.values()].map((each) => nodeRow(call, each, 'nodes', fingerprint())),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/status',
    rules: { node },
    run: nodeStatus,
    may: needs((params) => `/nodes/${params.node}`, 'Sys.Audit'),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/time',
    rules: { node },
    run: ({ world: { clock } }) => ({ timezone: 'UTC', time: seconds(clock), localtime: seconds(clock) }),
    may: needs((params) => `/nodes/${params.node}`, 'Sys.Audit'),
  },
  { method: 'GET', path: '/nodes/{node}/version', rules: { node }, run: (call) => versions[call.world.pve] },
  {
    method: 'GET',
    path: '/nodes/{node}/network',
    rules: { node, type: interfaceType },
    run: network,
  },
];
