import { audit, broken, type Call, has, needQuorum, needs, type Route } from './call.ts';
import { splitList } from './formats.ts';
import type { HaGroup, HaResource, HaRule } from './state.ts';
import { flag, format, integer, oneOf, optional, type Rules, text } from './verify.ts';
import { digestOf } from './world.ts';

/** The HA part of the API: status, resources, and groups (8) or rules (9). */

/** `Sat Nov 21 00:33:14 2026`, in UTC, as ctime writes it. */
const time = (seconds: number): string => {
  const [weekday, day, month, year, clock] = new Date(seconds * 1000).toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${String(Number(day)).padStart(2, ' ')} ${clock} ${year}`;
};

function masterRow(call: Call): unknown[] {
  const { manager } = call.state.ha;
  if (manager.master === undefined || manager.timestamp === undefined) return [];
  const age = call.world.clock.now() / 1000 - manager.timestamp;
  const state = age > 30 ? 'old timestamp - dead?' : 'active';
  return [
    {
      type: 'master',
      id: 'master',
      node: manager.master,
      timestamp: manager.timestamp,
      status: `${manager.master} (${state}, ${time(manager.timestamp)})`,
    },
  ];
}

function fencingRow(call: Call): unknown[] {
  const { manager } = call.state.ha;
  if (call.world.pve === '8.4' || manager.master === undefined) return [];
  return [
    {
      type: 'fencing',
      id: 'fencing',
      node: manager.master,
      'armed-state': 'armed',
      status: 'armed (CRM watchdog active)',
    },
  ];
}

function lrmRows(call: Call): unknown[] {
  const watchdog = call.world.pve === '9.2';
  return Object.entries(call.state.ha.manager.lrm).map(([name, lrm]) => {
    const old = call.world.clock.now() / 1000 - lrm.timestamp > 30;
    const active = lrm.state === 'active';
    const state = old ? 'old timestamp - dead?' : active ? 'active' : 'idle';
    const words = watchdog && !old ? `${state}, watchdog ${active ? 'active' : 'standby'}` : state;
    return {
      type: 'lrm',
      id: `lrm:${name}`,
      node: name,
      timestamp: lrm.timestamp,
      status: `${name} (${words}, ${time(lrm.timestamp)})`,
    };
  });
}

const requested = (resource: HaResource) =>
  resource.state === 'enabled' || resource.state === undefined ? 'started' : resource.state;

/** The display state: `started` that the LRM has not confirmed yet is `starting`. */
function display(crm: string | undefined, running: boolean, request: string): string {
  if (request === 'ignored') return 'ignored';
  if (crm === undefined) return 'queued';
  if (crm === 'started' || crm === 'request_start') return running ? 'started' : 'starting';
  if (crm === 'request_stop') return 'stopping';
  if (crm === 'stopped' && request === 'disabled') return 'disabled';
  return crm;
}

function serviceRow(call: Call, resource: HaResource): unknown {
  const service = call.state.ha.manager.services[resource.sid];
  const guest = call.state.guests.get(Number(resource.sid.split(':')[1]));
  const request = requested(resource);
  const state = display(service?.state, service?.running === 1, request);
  const where = service?.node ?? guest?.node ?? '';
  return {
    type: 'service',
    id: `service:${resource.sid}`,
    sid: resource.sid,
    node: where,
    state,
    request_state: request,
    status: `${resource.sid} (${where}, ${state})`,
    max_restart: resource.max_restart ?? 1,
    max_relocate: resource.max_relocate ?? 1,
    ...(service && { crm_state: service.state }),
    ...(resource.group !== undefined && { group: resource.group }),
    ...(call.world.pve === '9.2' && { failback: resource.failback ?? 1 }),
    ...(resource.comment !== undefined && { comment: resource.comment }),
  };
}

function current(call: Call): unknown[] {
  const quorate = call.world.quorate(call.entry);
  const quorum = {
    type: 'quorum',
    id: 'quorum',
    node: call.entry,
    quorate: quorate ? 1 : 0,
    status: quorate ? 'OK' : `No quorum on node '${call.entry}'!`,
  };
  const services = [...call.state.ha.resources.values()].map((resource) => serviceRow(call, resource));
  return [quorum, ...masterRow(call), ...fencingRow(call), ...lrmRows(call), ...services];
}

/** Raw, nothing beautified; `quorate` is text, empty for no. */
function managerStatus(call: Call): unknown {
  const { manager } = call.state.ha;
  const services = Object.entries(manager.services).map(([sid, { failedNodes, ...service }]) => [
    sid,
    { ...service, ...(failedNodes && { failed_nodes: failedNodes }) },
  ]);
  const quorum = { node: call.entry, quorate: call.world.quorate(call.entry) ? '1' : '' };
  if (manager.master === undefined) return { manager_status: { node_status: {} }, quorum };
  const lrm = Object.entries(manager.lrm).map(([name, each]) => [name, { ...each, results: results(call, name) }]);
  return {
    manager_status: {
      master_node: manager.master,
      timestamp: manager.timestamp,
      node_status: manager.nodeStatus,
      service_status: Object.fromEntries(services),
    },
    lrm_status: Object.fromEntries(lrm),
    quorum,
  };
}

const results = (call: Call, name: string) =>
  Object.fromEntries(
    Object.entries(call.state.ha.manager.services)
      .filter(([, service]) => service.node === name && service.running === 1)
      .map(([sid, service]) => [service.uid, { sid, state: 'started', exit_code: 0 }]),
  );

const digest = (items: Iterable<unknown>) => digestOf([...items]);

const defined = (row: object) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));

const resourceRow = (call: Call, resource: HaResource) => ({
  ...defined(resource),
  digest: digest(call.state.ha.resources.values()),
});

const fullSid = (call: Call): string => {
  const sid = call.params.sid ?? '';
  if (sid.includes(':')) return sid;
  return `${call.state.guests.get(Number(sid))?.kind === 'qemu' ? 'vm' : 'ct'}:${sid}`;
};

const domainLock = (what: string) => `${what} failed: cfs-lock 'domain-ha' error: no quorum!`;

function refuseGroup(call: Call): void {
  if (call.world.pve === '9.2' && has(call, 'group'))
    throw broken(`invalid parameter 'group': ha groups have been migrated to rules`);
}

function applyResource(resource: HaResource, params: Record<string, string>): void {
  if (params.state !== undefined) resource.state = params.state === 'enabled' ? 'started' : params.state;
  if (params.comment !== undefined) resource.comment = params.comment;
  if (params.group !== undefined) resource.group = params.group;
  for (const key of ['max_restart', 'max_relocate', 'failback'] as const)
    if (params[key] !== undefined) resource[key] = Number(params[key]);
}

function addResource(call: Call): null {
  refuseGroup(call);
  const sid = fullSid(call);
  const guest = call.state.guests.get(Number(sid.split(':')[1]));
  if (!guest || (guest.kind === 'lxc') !== sid.startsWith('ct:'))
    throw broken(`resource '${sid}' does not exist in cluster`);
  if (call.state.ha.resources.has(sid)) throw broken(`create resource failed: resource ID '${sid}' already defined`);
  needQuorum(call, domainLock('create resource'));
  const resource: HaResource = { sid, type: sid.startsWith('ct:') ? 'ct' : 'vm' };
  applyResource(resource, call.params);
  call.state.ha.resources.set(sid, resource);
  note(call, 'ha.add', sid);
  return null;
}

function note(call: Call, kind: string, id: string): void {
  call.effects.add({ kind, id, node: call.node.name, by: call.caller.full, at: call.world.clock.now() });
}

function resourceOf(call: Call, complaint: (sid: string) => string): HaResource {
  const sid = fullSid(call);
  const resource = call.state.ha.resources.get(sid);
  if (!resource) throw broken(complaint(sid));
  return resource;
}

function updateResource(call: Call): null {
  refuseGroup(call);
  const resource = resourceOf(call, (sid) => `update resource failed: no such resource '${sid}'`);
  needQuorum(call, domainLock('update resources config'));
  for (const key of splitList(call.params.delete ?? '')) delete (resource as unknown as Record<string, unknown>)[key];
  applyResource(resource, call.params);
  note(call, 'ha.update', resource.sid);
  return null;
}

function removeResource(call: Call): null {
  const resource = resourceOf(call, (sid) => `cannot delete service '${sid}', not HA managed!`);
  needQuorum(call, domainLock('update resources config'));
  call.state.ha.resources.delete(resource.sid);
  note(call, 'ha.remove', resource.sid);
  return null;
}

function groupsMigrated(call: Call, doing: string): void {
  if (call.world.pve === '9.2') throw broken(`cannot ${doing}: ha groups have been migrated to rules`);
}

const groupRow = (call: Call, group: HaGroup) => ({
  ...defined(group),
  type: 'group',
  digest: digest(call.state.ha.groups.values()),
});

function listGroups(call: Call): unknown {
  groupsMigrated(call, 'index groups');
  return [...call.state.ha.groups.values()].map((group) => groupRow(call, group));
}

function getGroup(call: Call): unknown {
  groupsMigrated(call, 'read group');
  const group = call.state.ha.groups.get(call.params.group as string);
  if (!group) throw broken(`no such ha group '${call.params.group}'`);
  return groupRow(call, group);
}

function addGroup(call: Call): null {
  groupsMigrated(call, 'create group');
  const { group = '', nodes = '', comment } = call.params;
  if (call.state.ha.groups.has(group)) throw broken(`create ha group failed: group ID '${group}' already defined`);
  needQuorum(call, domainLock('create ha group'));
  const bool = (name: string) => (has(call, name) ? Number(call.params[name]) : undefined);
  call.state.ha.groups.set(group, {
    group,
    nodes,
    comment,
    restricted: bool('restricted'),
    nofailback: bool('nofailback'),
  });
  return null;
}

function removeGroup(call: Call): null {
  groupsMigrated(call, 'delete group');
  needQuorum(call, domainLock('delete group'));
  call.state.ha.groups.delete(call.params.group as string);
  return null;
}

const ruleRow = (call: Call, rule: HaRule) => ({ ...defined(rule), digest: digest(call.state.ha.rules.values()) });

const listRules = (call: Call) =>
  [...call.state.ha.rules.values()]
    .filter((rule) => call.params.type === undefined || rule.type === call.params.type)
    .filter((rule) => call.params.resource === undefined || rule.resources.split(',').includes(call.params.resource))
    .map((rule) => ruleRow(call, rule));

function getRule(call: Call): unknown {
  const rule = call.state.ha.rules.get(call.params.rule as string);
  if (!rule) throw broken(`no such ha rule '${call.params.rule}'`);
  return ruleRow(call, rule);
}

function addRule(call: Call): null {
  const { rule = '', type, resources = '', nodes, affinity, comment } = call.params;
  if (call.state.ha.rules.has(rule)) throw broken(`create ha rule failed: HA rule '${rule}' already defined`);
  needQuorum(call, domainLock('create ha rule'));
  const order = Math.max(0, ...[...call.state.ha.rules.values()].map((each) => each.order)) + 1;
  const bool = (name: string) => (has(call, name) ? Number(call.params[name]) : undefined);
  call.state.ha.rules.set(rule, {
    rule,
    type: type as HaRule['type'],
    resources,
    nodes,
    affinity,
    comment,
    strict: bool('strict'),
    disable: bool('disable'),
    order,
  });
  return null;
}

const console = needs(() => '/', 'Sys.Console');
const sid = format('pve-ha-resource-or-vm-id');
const comment = optional(text({ maxLength: 4096 }));
const resourceSettings: Rules = {
  sid,
  comment,
  failback: { ...flag, only: '9.2' },
  group: optional(format('pve-configid')),
  max_relocate: optional(integer(0)),
  max_restart: optional(integer(0)),
  state: optional(oneOf('started', 'stopped', 'enabled', 'disabled', 'ignored')),
};
const ruleType = oneOf('node-affinity', 'resource-affinity');
const group = format('pve-configid');
const groupSettings: Rules = { group, comment, nofailback: flag, restricted: flag };

export const haRoutes: Route[] = [
  { method: 'GET', path: '/cluster/ha/status/current', rules: {}, may: audit, run: current },
  { method: 'GET', path: '/cluster/ha/status/manager_status', rules: {}, may: audit, run: managerStatus },
  {
    method: 'GET',
    path: '/cluster/ha/resources',
    rules: { type: optional(oneOf('ct', 'vm')) },
    may: audit,
    run: (call) =>
      [...call.state.ha.resources.values()]
        .filter((each) => (call.params.type ?? each.type) === each.type)
        .map((each) => resourceRow(call, each)),
  },
  {
    method: 'POST',
    path: '/cluster/ha/resources',
    rules: { ...resourceSettings, type: optional(oneOf('ct', 'vm')) },
    may: console,
    run: addResource,
  },
  {
    method: 'GET',
    path: '/cluster/ha/resources/{sid}',
    rules: { sid },
    may: audit,
    run: (call) =>
      resourceRow(
        call,
        resourceOf(call, (each) => `no such resource '${each}'`),
      ),
  },
  {
    method: 'PUT',
    path: '/cluster/ha/resources/{sid}',
    may: console,
    run: updateResource,
    rules: {
      ...resourceSettings,
      delete: optional(format('pve-configid-list', { maxLength: 4096 })),
      digest: optional(text({ maxLength: 64 })),
    },
  },
  {
    method: 'DELETE',
    path: '/cluster/ha/resources/{sid}',
    rules: { sid, purge: { ...flag, only: '9.2' } },
    may: console,
    run: removeResource,
  },
  { method: 'GET', path: '/cluster/ha/groups', rules: {}, may: audit, run: listGroups },
  {
    method: 'POST',
    path: '/cluster/ha/groups',
    may: console,
    run: addGroup,
    rules: { ...groupSettings, nodes: format('pve-ha-node-list'), type: optional(oneOf('group')) },
  },
  { method: 'GET', path: '/cluster/ha/groups/{group}', rules: { group }, may: audit, run: getGroup },
  { method: 'DELETE', path: '/cluster/ha/groups/{group}', rules: { group }, may: console, run: removeGroup },
  {
    method: 'GET',
    path: '/cluster/ha/rules',
    only: '9.2',
    rules: { type: optional(ruleType), resource: optional(text()) },
    may: audit,
    run: listRules,
  },
  {
    method: 'POST',
    path: '/cluster/ha/rules',
    only: '9.2',
    may: console,
    run: addRule,
    rules: {
      rule: format('pve-configid'),
      type: ruleType,
      resources: optional(format('pve-ha-resource-id-list')),
      nodes: optional(format('pve-ha-node-list')),
      strict: flag,
      affinity: optional(oneOf('positive', 'negative')),
      disable: flag,
      comment,
    },
  },
  {
    method: 'GET',
    path: '/cluster/ha/rules/{rule}',
    only: '9.2',
    rules: { rule: format('pve-configid') },
    may: audit,
    run: getRule,
  },
  {
    method: 'DELETE',
    path: '/cluster/ha/rules/{rule}',
    only: '9.2',
    rules: { rule: format('pve-configid') },
    may: console,
    run: (call) => {
      needQuorum(call, domainLock('delete ha rule'));
      if (!call.state.ha.rules.delete(call.params.rule as string))
        throw broken(`no such ha rule '${call.params.rule}'`);
      return null;
    },
  },
];
