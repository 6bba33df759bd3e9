import type { Access } from './access.ts';
import type { Disks } from './disks.ts';
import type { Effects, Faults } from './faults.ts';
import type { ClusterState, Guest, NodeState } from './state.ts';
import type { Tasks } from './tasks.ts';
import type { Pve } from './types.ts';
import type { Rules } from './verify.ts';
import type { World } from './world.ts';

/** An answer that is not 200, in Proxmox's shape. */
export class ApiError extends Error {
  readonly status: number;
  readonly errors: Record<string, string> | undefined;
  /** No JSON body: 401 and 595…599. */
  readonly bare: boolean;

  constructor(status: number, message: string, more: { errors?: Record<string, string>; bare?: boolean } = {}) {
    super(message);
    this.status = status;
    this.errors = more.errors;
    this.bare = more.bare ?? false;
  }
}

export const broken = (message: string): ApiError => new ApiError(500, message);
export const badParameters = (errors: Record<string, string>): ApiError =>
  new ApiError(400, 'Parameter verification failed.', { errors });
export const forbidden = (what?: string): ApiError =>
  new ApiError(403, what === undefined ? 'Permission check failed' : `Permission check failed (${what})`);

/** Who calls: `root@pam!rt` acts as `root@pam`. */
export interface Caller {
  /** With the token, as in UPIDs. */
  full: string;
  user: string;
  tokenid?: string;
}

export interface Call {
  world: World;
  tasks: Tasks;
  access: Access;
  faults: Faults;
  effects: Effects;
  disks: Disks;
  /** The node whose listener was asked. */
  entry: string;
  /** The node that does the work: the one named in the path, else the entry. */
  node: NodeState;
  /** /etc/pve as the working node has it. */
  state: ClusterState;
  caller: Caller;
  params: Record<string, string>;
}

/** A list or object, or a body with more than `data` (task lists carry `total`). */
export class Paged {
  readonly data: unknown[];
  readonly total: number;
  constructor(data: unknown[], total: number) {
    this.data = data;
    this.total = total;
  }
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/nodes/{node}/lxc/{vmid}/config` */
  path: string;
  only?: Pve;
  /** Parameters, those of the path included. */
  rules: Rules;
  /** Checked before proxying and before the parameters, as Proxmox does. */
  may?: (call: Call) => void;
  /** Answers without any login. */
  open?: boolean;
  run: (call: Call) => unknown;
}

/** Throws 403 unless the caller has every privilege on the path. */
export function need(call: Call, path: string, ...privs: string[]): void {
  for (const priv of privs) {
    if (!call.access.has(call.state, call.caller, path, priv)) throw forbidden(`${path}, ${priv}`);
  }
}

export function needAny(call: Call, path: string, ...privs: string[]): void {
  if (!privs.some((priv) => call.access.has(call.state, call.caller, path, priv)))
    throw forbidden(`${path}, ${privs.join('|')}`);
}

export const may = (call: Call, path: string, priv: string): boolean =>
  call.access.has(call.state, call.caller, path, priv);

export const needs =
  (path: (params: Record<string, string>) => string, ...privs: string[]) =>
  (call: Call): void =>
    need(call, path(call.params), ...privs);

export const audit = needs(() => '/', 'Sys.Audit');
export const onGuest = (...privs: string[]) => needs((params) => `/vms/${params.vmid}`, ...privs);

/** Writes need quorum; what the failure looks like depends on what was written (FACTS §7). */
export function needQuorum(call: Call, complaint = 'cluster not ready - no quorum?'): void {
  if (!call.world.quorate(call.node.name)) throw broken(complaint);
}

/** The guest as configured on the working node, or Proxmox's complaint about the missing file. */
export function guestOf(call: Call, kind: Guest['kind']): Guest {
  const vmid = Number(call.params.vmid);
  const guest = call.state.guests.get(vmid);
  if (!guest || guest.node !== call.node.name || guest.kind !== kind)
    throw broken(missingConfig(call.node.name, kind, vmid));
  return guest;
}

export const missingConfig = (node: string, kind: Guest['kind'], vmid: number): string =>
  `Configuration file 'nodes/${node}/${kind === 'lxc' ? 'lxc' : 'qemu-server'}/${vmid}.conf' does not exist`;

export const label = (kind: Guest['kind']): 'CT' | 'VM' => (kind === 'lxc' ? 'CT' : 'VM');

export const has = (call: Call, name: string): boolean => Object.hasOwn(call.params, name);
export const on = (call: Call, name: string): boolean => call.params[name] === '1';
