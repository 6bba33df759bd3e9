import { badParameters, type Call, forbidden, may, Paged, type Route } from './call.ts';
import { splitList } from './formats.ts';
import type { Task } from './tasks.ts';
import { flag, format, integer, node, oneOf, optional, text, vmid } from './verify.ts';

const upidShape =
  /^UPID:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}:[^:\s]+:[^:\s]*:[^:\s]+:$/;

export const taskRow = (task: Task) => ({
  upid: task.upid,
  node: task.node,
  pid: task.pid,
  pstart: task.pstart,
  starttime: task.starttime,
  type: task.type,
  id: task.id,
  user: task.user,
  ...(task.tokenid !== undefined && { tokenid: task.tokenid }),
  ...(task.endtime !== undefined && { endtime: task.endtime }),
  status: task.status === 'running' ? 'RUNNING' : task.exitstatus,
});

/** A token's own tasks are those it started itself; a user's own include those of all his tokens. */
function own(call: Call, task: Task): boolean {
  if (task.user !== call.caller.user) return false;
  return call.caller.tokenid === undefined || task.tokenid === call.caller.tokenid;
}

const audits = (call: Call) => may(call, `/nodes/${call.node.name}`, 'Sys.Audit');

const statusClass = (task: Task): string => {
  if (task.exitstatus === 'OK') return 'ok';
  if (task.exitstatus?.startsWith('WARNINGS: ')) return 'warning';
  return task.exitstatus === 'unexpected status' ? 'unknown' : 'error';
};

/** Running tasks are shown only with `source=active` or `all`: the default is the archive. */
function list(call: Call): Paged {
  const p = call.params;
  const source = p.source ?? 'archive';
  const statuses = p.statusfilter === undefined ? undefined : splitList(p.statusfilter.toLowerCase());
  const audit = audits(call);
  const rows = call.tasks
    .of(call.node.name)
    .filter((task) => audit || own(call, task))
    .filter((task) => source === 'all' || (source === 'active') === (task.status === 'running'))
    .filter((task) => p.vmid === undefined || task.id === p.vmid)
    .filter((task) => p.typefilter === undefined || task.type === p.typefilter)
    .filter((task) => p.userfilter === undefined || task.user.toLowerCase().includes(p.userfilter.toLowerCase()))
    .filter((task) => p.since === undefined || task.starttime >= Number(p.since))
    .filter((task) => p.until === undefined || task.starttime <= Number(p.until))
    .filter((task) => p.errors !== '1' || (task.status === 'stopped' && statusClass(task) !== 'ok'))
    .filter((task) => !statuses || (task.status === 'stopped' && statuses.includes(statusClass(task))));
  const start = Number(p.start ?? 0);
  return new Paged(rows.slice(start, start + Number(p.limit ?? 50)).map(taskRow), rows.length);
}

function find(call: Call): Task {
  const upid = call.params.upid ?? '';
  if (!upidShape.test(upid)) throw badParameters({ upid: 'unable to parse worker upid' });
  const known = call.tasks.of(call.node.name).find((each) => each.upid === upid);
  const fields = upid.split(':');
  const user = fields[7] ?? '';
  const mine =
    user === call.caller.full || (call.caller.tokenid === undefined && user.startsWith(`${call.caller.user}!`));
  if (!mine && !audits(call)) throw forbidden(`/nodes/${call.node.name}, Sys.Audit`);
  if (!known) throw badParameters({ upid: 'no such task' });
  return known;
}

function status(call: Call): unknown {
  const task = find(call);
  const { status: _status, endtime: _endtime, ...row } = taskRow(task);
  return { ...row, status: task.status, ...(task.status === 'stopped' && { exitstatus: task.exitstatus }) };
}

/** The default is 50 lines; `limit=0` is all. An empty log is one line `no content`. */
function log(call: Call): Paged {
  const task = find(call);
  const lines = task.log.length > 0 ? task.log : ['no content'];
  const start = Number(call.params.start ?? 0);
  const limit = Number(call.params.limit ?? 50);
  const end = limit === 0 ? lines.length : start + limit;
  return new Paged(
    lines.slice(start, end).map((t, index) => ({ n: start + index + 1, t })),
    lines.length,
  );
}

function stop(call: Call): null {
  const task = find(call);
  const mine = own(call, task);
  if (!mine && !may(call, `/nodes/${call.node.name}`, 'Sys.Modify'))
    throw forbidden(`/nodes/${call.node.name}, Sys.Modify`);
  call.tasks.interrupt(task.upid);
  return null;
}

const upid = { node, upid: text() };

export const taskRoutes: Route[] = [
  {
    method: 'GET',
    path: '/nodes/{node}/tasks',
    run: list,
    rules: {
      node,
      start: optional(integer(0)),
      limit: optional(integer(0)),
      since: optional(integer()),
      until: optional(integer()),
      source: optional(oneOf('archive', 'active', 'all')),
      vmid: optional(vmid),
      typefilter: optional(text()),
      userfilter: optional(text()),
      statusfilter: optional(format('pve-task-status-type-list')),
      errors: flag,
    },
  },
  { method: 'GET', path: '/nodes/{node}/tasks/{upid}/status', rules: upid, run: status },
  {
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/log',
    run: log,
    rules: { ...upid, start: optional(integer(0)), limit: optional(integer(0)), download: flag },
  },
  { method: 'DELETE', path: '/nodes/{node}/tasks/{upid}', rules: upid, run: stop },
];
