import { audit, badParameters, type Call, may, type Route } from './call.ts';
import { resourceRow, visible } from './guest-rows.ts';
import { nodeRow } from './node-rows.ts';
import type { Storage } from './state.ts';
import { taskRow } from './task-api.ts';
import { oneOf, optional, vmid } from './verify.ts';

export const versions = {
  '8.4': { release: '8.4', repoid: '2606ac850d46da29', version: '8.4.21' },
  '9.2': { release: '9.2', repoid: '14a22df3', version: '9.2.11' },
};

function clusterStatus(call: Call): unknown[] {
  const { world, entry } = call;
  const alone = world.cluster === undefined;
  const nodes = [...world.nodes.values()].map((node) => ({
    type: 'node',
    id: `node/${node.name}`,
    name: node.name,
    nodeid: alone ? 0 : node.nodeid,
    ip: node.ip,
    level: '',
    local: node.name === entry ? 1 : 0,
    online: world.reaches(entry, node.name) ? 1 : 0,
  }));
  if (alone) return nodes;
  const head = {
    type: 'cluster',
    id: 'cluster',
    name: world.cluster,
    version: nodes.length,
    nodes: nodes.length,
    quorate: world.quorate(entry) ? 1 : 0,
  };
  return [head, ...nodes];
}

function storageRow(call: Call, node: string, storage: Storage): Record<string, unknown> {
  const reachable = call.world.reaches(call.entry, node);
  return {
    id: `storage/${node}/${storage.id}`,
    type: 'storage',
    storage: storage.id,
    node,
    plugintype: storage.type,
    content: storage.content.join(','),
    shared: storage.shared ? 1 : 0,
    status: reachable ? 'available' : 'unknown',
    ...(reachable && { disk: call.world.used(node, storage), maxdisk: storage.total }),
  };
}

function poolRows(call: Call): unknown[] {
  return [...call.state.pools.values()]
    .filter((pool) => may(call, `/pool/${pool.id}`, 'Pool.Audit'))
    .map((pool) => {
      const members = pool.vms
        .flatMap((id) => call.state.guests.get(id) ?? [])
        .map((guest) => resourceRow(call, guest));
      const sum = (key: string) => members.reduce((total, row) => total + Number(row[key] ?? 0), 0);
      const totals = { cpu: sum('cpu'), maxcpu: sum('maxcpu'), mem: sum('mem'), maxmem: sum('maxmem') };
      return {
        id: `/pool/${pool.id}`,
        pool: pool.id,
        type: 'pool',
        ...(members.length > 0 && { ...totals, uptime: Math.max(...members.map((row) => Number(row.uptime ?? 0))) }),
      };
    });
}

/** Rows without the right to see them are left out, silently. */
function resources(call: Call): unknown[] {
  const type = call.params.type;
  const wanted = (kind: string) => type === undefined || type === kind;
  const nodes = [...call.world.nodes.values()];
  const guests = [...call.state.guests.values()]
    .filter((guest) => visible(call, guest))
    .sort((a, b) => a.vmid - b.vmid);
  const storages = [...call.state.storages.values()].filter((each) =>
    may(call, `/storage/${each.id}`, 'Datastore.Audit'),
  );
  const zone = may(call, '/sdn/zones/localnetwork', 'SDN.Audit');
  return [
    ...(type === undefined ? poolRows(call) : []),
    ...(wanted('vm') ? guests.map((guest) => resourceRow(call, guest)) : []),
    ...(wanted('node') ? nodes.map((node) => nodeRow(call, node, 'resources')) : []),
    ...(wanted('storage')
      ? storages.flatMap((storage) =>
          (storage.nodes ?? nodes.map((node) => node.name)).map((node) => storageRow(call, node, storage)),
        )
      : []),
    ...(wanted('sdn') && zone ? nodes.map((node) => zoneRow(call, node.name)) : []),
  ];
}

function zoneRow(call: Call, node: string): unknown {
  const status = call.world.reaches(call.entry, node) ? 'ok' : 'unknown';
  return call.world.pve === '8.4'
    ? { id: `sdn/${node}/localnetwork`, node, sdn: 'localnetwork', status, type: 'sdn' }
    : {
        id: `network/${node}/zone/localnetwork`,
        network: 'localnetwork',
        'network-type': 'zone',
        node,
        status,
        type: 'network',
      };
}

/** The answer is text although the schema says integer. */
function nextId(call: Call): string {
  const asked = call.params.vmid;
  if (asked !== undefined) {
    if (call.state.guests.has(Number(asked))) throw badParameters({ vmid: `VM ${asked} already exists` });
    return asked;
  }
  let id = call.world.nextIdFrom;
  while (call.state.guests.has(id)) id++;
  return String(id);
}

/** The last 25 tasks of each node that can be seen, newest first; without Sys.Audit on / the list is empty. */
function clusterTasks(call: Call): unknown[] {
  if (!may(call, '/', 'Sys.Audit')) return [];
  return [...call.world.nodes.values()]
    .flatMap((node) => call.tasks.of(node.name).slice(0, 25))
    .sort(
      (a, b) =>
        (b.endtime ?? Number.MAX_SAFE_INTEGER) - (a.endtime ?? Number.MAX_SAFE_INTEGER) || b.starttime - a.starttime,
    )
    .map((task) => {
      const { pstart: _pstart, pid, status: _status, ...row } = taskRow(task);
      return {
        ...row,
        saved: task.status === 'stopped' ? '1' : '0',
        ...(task.status === 'running' ? { pid } : { status: task.exitstatus }),
      };
    });
}

const configNodes = (call: Call) =>
  [...call.world.nodes.values()].map((node) => ({
    node: node.name,
    name: node.name,
    nodeid: String(node.nodeid),
    quorum_votes: String(node.votes),
    ring0_addr: node.ip,
  }));

/** Corosync's own words, blanks in the keys; `{}` without a QDevice. */
function qdeviceStatus(call: Call): Record<string, string> {
  const { qdevice } = call.world;
  if (!qdevice) return {};
  const at = new Date(call.world.clock.now()).toISOString().slice(0, 19);
  const vote = call.world.quorate(call.entry) ? 'cast vote' : 'no change';
  return {
    Model: 'Net',
    Algorithm: 'Fifty-Fifty split',
    'Tie-breaker': 'Node with lowest node ID',
    'QNetd host': qdevice.host,
    State: qdevice.connected ? 'Connected' : 'Connect failed',
    ...(qdevice.connected && { 'Echo reply': 'Enabled', 'Last poll call': `${at} (${vote})` }),
  };
}

const totem = (call: Call) => ({
  cluster_name: call.world.cluster,
  config_version: String(call.world.nodes.size),
  interface: { 0: { linknumber: '0' } },
  ip_version: 'ipv4-6',
  link_mode: 'passive',
  secauth: 'on',
  version: '2',
});

export const clusterRoutes: Route[] = [
  { method: 'GET', path: '/version', rules: {}, run: (call) => versions[call.world.pve] },
  { method: 'GET', path: '/cluster/status', rules: {}, may: audit, run: clusterStatus },
  {
    method: 'GET',
    path: '/cluster/resources',
    rules: { type: optional(oneOf('vm', 'storage', 'node', 'sdn')) },
    run: resources,
  },
  { method: 'GET', path: '/cluster/nextid', rules: { vmid: optional(vmid) }, run: nextId },
  { method: 'GET', path: '/cluster/tasks', rules: {}, run: clusterTasks },
  {
    method: 'GET',
    path: '/cluster/options',
    rules: {},
    run: (call) => ({
      'allowed-tags': [],
      ...(may(call, '/', 'Sys.Audit') && { description: '', mac_prefix: 'BC:24:11' }),
    }),
  },
  { method: 'GET', path: '/cluster/config/nodes', rules: {}, may: audit, run: configNodes },
  { method: 'GET', path: '/cluster/config/qdevice', rules: {}, may: audit, run: qdeviceStatus },
  { method: 'GET', path: '/cluster/config/totem', rules: {}, may: audit, run: totem },
];
