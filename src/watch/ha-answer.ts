import { z } from 'zod';
import type { Observation } from '../contracts/watch.ts';
import { entries, flag, maybe, name, num, pathOf, rows, text } from './read.ts';

/** The answers that say what HA and the cluster believe, each with the quorum of the node that was asked. */

export interface LrmRow {
  readonly node: string;
  readonly mode?: string;
  /** Epoch seconds by the node's clock. */
  readonly timestamp?: number;
}

export interface ServiceRow {
  readonly sid: string;
  readonly node: string;
  /** Absent while queued. */
  readonly crm?: string;
  /** The display: `starting` until the LRM has confirmed it. */
  readonly state: string;
  /** What people asked for. */
  readonly request?: string;
}

/** `/cluster/ha/status/current`. */
export interface HaCurrent {
  readonly quorate?: boolean;
  readonly master?: {
    readonly node: string;
    readonly timestamp?: number;
    readonly idle: boolean;
    readonly old: boolean;
  };
  readonly armed?: string;
  readonly disarmMode?: string;
  readonly lrms: readonly LrmRow[];
  readonly services: readonly ServiceRow[];
}

/** `/cluster/ha/status/manager_status`. */
export interface HaManager {
  readonly quorate?: boolean;
  readonly timestamp?: number;
  readonly nodes: readonly (readonly [string, string])[];
  /** Nodes somebody asked into maintenance; undefined when the answer does not say. */
  readonly requested: readonly string[];
  readonly disarm?: { readonly mode?: string | undefined; readonly state?: string | undefined };
  readonly failed: readonly (readonly [string, readonly string[]])[];
  /** Services that left a node for its maintenance, and that node. */
  readonly evacuated: readonly (readonly [string, string])[];
  readonly lrms: readonly LrmRow[];
}

/** `/cluster/status`. */
export interface ClusterStatus {
  readonly quorate?: boolean;
  readonly nodes: readonly { readonly name: string; readonly online: boolean }[];
}

const row = z.looseObject({ type: name });
const masterRow = z.object({ node: name, status: text, timestamp: maybe(num) });
const fencingRow = z.object({ 'armed-state': maybe(name), resource_mode: maybe(name) });
const lrmRow = z.object({ node: name, status: maybe(text), timestamp: maybe(num) });
const serviceRow = z.object({
  sid: z.string().regex(/^(ct|vm):\d+$/),
  node: name,
  crm_state: maybe(name),
  state: name,
  request_state: maybe(name),
});

/** Several watchers read the same answer; it is read once. */
function once<T>(read: (data: unknown) => T): (data: unknown) => T {
  const known = new WeakMap<object, { readonly value: T }>();
  return (data) => {
    if (typeof data !== 'object' || data === null) return read(data);
    const kept = known.get(data) ?? { value: read(data) };
    known.set(data, kept);
    return kept.value;
  };
}

export const readCurrent = once(currentIn);
export const readManager = once(managerIn);
export const readClusterStatus = once(statusIn);

function currentIn(data: unknown): HaCurrent {
  const all = rows(row, data);
  const of = <S extends z.ZodType>(type: string, schema: S) =>
    rows(
      schema,
      all.filter((one) => one.type === type),
    );
  const quorum = of('quorum', z.object({ quorate: flag }))[0];
  const master = of('master', masterRow)[0];
  const fencing = of('fencing', fencingRow)[0];
  return {
    ...(quorum ? { quorate: quorum.quorate } : {}),
    ...(master ? { master: readMaster(master) } : {}),
    ...(fencing?.['armed-state'] ? { armed: fencing['armed-state'] } : {}),
    ...(fencing?.resource_mode ? { disarmMode: fencing.resource_mode } : {}),
    lrms: of('lrm', lrmRow).map(({ node, status, timestamp }) => lrm(node, modeIn(status), timestamp)),
    services: of('service', serviceRow).map(({ crm_state, request_state, ...kept }) => ({
      ...kept,
      ...(crm_state ? { crm: crm_state } : {}),
      ...(request_state ? { request: request_state } : {}),
    })),
  };
}

function readMaster({ node, status, timestamp }: z.output<typeof masterRow>): NonNullable<HaCurrent['master']> {
  const words = /\(([^,)]*)/.exec(status)?.[1] ?? '';
  return {
    node,
    ...(timestamp === undefined ? {} : { timestamp }),
    idle: words === 'idle',
    old: words.startsWith('old timestamp'),
  };
}

/** `ovh2 (restart mode, watchdog standby, …)` → `restart`; a dead one's text hides its mode (FACTS 1.5). */
function modeIn(status: string | undefined): string | undefined {
  const words = /\(([^,)]*)/.exec(status ?? '')?.[1]?.trim();
  if (!words || /^(old timestamp|unable to read|detected time)/.test(words)) return undefined;
  return words.endsWith(' mode') ? words.slice(0, -' mode'.length) : 'active';
}

function lrm(node: string, mode: string | undefined, timestamp: number | undefined): LrmRow {
  return { node, ...(mode ? { mode } : {}), ...(timestamp === undefined ? {} : { timestamp }) };
}

const managerAnswer = z.object({
  manager_status: z.object({
    timestamp: maybe(num),
    node_status: z.unknown().optional(),
    node_request: z.unknown().optional(),
    service_status: z.unknown().optional(),
    disarm: maybe(z.object({ mode: maybe(name), state: maybe(name) })),
  }),
  lrm_status: z.unknown().optional(),
  quorum: maybe(z.object({ quorate: maybe(flag) })),
});

function managerIn(data: unknown): HaManager | undefined {
  const read = managerAnswer.safeParse(data);
  if (!read.success) return undefined;
  const { manager_status: manager, quorum, lrm_status } = read.data;
  const lrmStatus = z.object({ mode: maybe(name), timestamp: maybe(num) });
  return {
    ...(quorum?.quorate === undefined ? {} : { quorate: quorum.quorate }),
    ...(manager.timestamp === undefined ? {} : { timestamp: manager.timestamp }),
    nodes: entries(name, manager.node_status),
    requested: entries(z.object({ maintenance: maybe(flag) }), manager.node_request)
      .filter(([, asked]) => asked.maintenance === true)
      .map(([node]) => node),
    ...(manager.disarm ? { disarm: manager.disarm } : {}),
    failed: entries(z.object({ failed_nodes: z.array(name) }), manager.service_status).map(
      ([sid, { failed_nodes }]) => [sid, failed_nodes] as const,
    ),
    evacuated: entries(z.object({ maintenance_node: name, node: name }), manager.service_status)
      .filter(([, service]) => service.node !== service.maintenance_node)
      .map(([sid, { maintenance_node }]) => [sid, maintenance_node] as const),
    lrms: entries(lrmStatus, lrm_status).map(([node, { mode, timestamp }]) => lrm(node, mode, timestamp)),
  };
}

function statusIn(data: unknown): ClusterStatus {
  const all = rows(row, data);
  const cluster = all.find((one) => one.type === 'cluster');
  const quorate = cluster ? flag.safeParse(cluster.quorate) : undefined;
  const nodes = rows(
    z.object({ name, online: flag }),
    all.filter((one) => one.type === 'node'),
  );
  // A host that stands alone has no cluster row (ODDITIES 13).
  const alone = !cluster && nodes.length === 1 && all.length === 1;
  return { ...(quorate?.success ? { quorate: quorate.data } : alone ? { quorate: true } : {}), nodes };
}

/** What the answer says of the quorum of the node that was asked; undefined: nothing. */
export function quorumSaid({ endpoint, status, data }: Observation): boolean | undefined {
  if (status !== 200) return undefined;
  switch (pathOf(endpoint)) {
    case '/cluster/status':
      return readClusterStatus(data).quorate;
    case '/cluster/ha/status/current':
      return readCurrent(data).quorate;
    case '/cluster/ha/status/manager_status':
      return readManager(data)?.quorate;
    default:
      return undefined;
  }
}

const taskRow = z.object({
  node: name,
  type: name,
  id: z.union([z.string(), z.number().transform(String)]).catch(''),
  user: text.catch(''),
  starttime: num,
  endtime: maybe(num),
  status: maybe(text),
});
export type Task = z.output<typeof taskRow>;

/** `/cluster/tasks`. */
export function readTasks(data: unknown): Task[] {
  return rows(taskRow, data);
}
