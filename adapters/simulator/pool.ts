import { broken, type Call, may, needQuorum, needs, on, type Route } from './call.ts';
import { splitList } from './formats.ts';
import { resourceRow, visible } from './guest-rows.ts';
import type { Pool } from './state.ts';
import { flag, format, oneOf, optional, text } from './verify.ts';

const poolLock = (what: string) => `${what} failed: cfs-lock 'file-user_cfg' error: no quorum!`;

const head = (pool: Pool) => ({ poolid: pool.id, ...(pool.comment !== undefined && { comment: pool.comment }) });

/** Without a name: the pools one may see. With one: its members too. */
function list(call: Call): unknown[] {
  const wanted = call.params.poolid;
  if (wanted === undefined) {
    return [...call.state.pools.values()].filter((pool) => may(call, `/pool/${pool.id}`, 'Pool.Audit')).map(head);
  }
  const pool = call.state.pools.get(wanted);
  if (!pool) throw broken(`pool '${wanted}' does not exist`);
  const members = pool.vms.flatMap((vmid) => call.state.guests.get(vmid) ?? []).filter((guest) => visible(call, guest));
  return [
    {
      ...head(pool),
      members: members
        .filter((guest) => (call.params.type ?? guest.kind) === guest.kind)
        .map((guest) => withoutPool(resourceRow(call, guest))),
    },
  ];
}

const withoutPool = ({ pool: _pool, ...row }: Record<string, unknown>) => row;

function create(call: Call): null {
  const { poolid = '', comment } = call.params;
  if (call.state.pools.has(poolid)) throw broken(`create pool failed: pool '${poolid}' already exists`);
  needQuorum(call, poolLock('create pool'));
  call.state.pools.set(poolid, { id: poolid, comment, vms: [] });
  return null;
}

/** All or nothing: one guest that cannot be added spoils the list. A guest that does not exist is accepted. */
function update(call: Call): null {
  const pool = call.state.pools.get(call.params.poolid as string);
  if (!pool) throw broken(`update pools failed: pool '${call.params.poolid}' does not exist`);
  const vms = splitList(call.params.vms ?? '').map(Number);
  needQuorum(call, poolLock('update pools'));
  for (const vmid of vms) {
    const other = [...call.state.pools.values()].find((each) => each.vms.includes(vmid));
    if (on(call, 'delete')) {
      if (!pool.vms.includes(vmid)) throw broken(`update pools failed: VM ${vmid} is not a pool member`);
      continue;
    }
    if (!may(call, `/vms/${vmid}`, 'VM.Allocate') && !may(call, `/vms/${vmid}`, 'Permissions.Modify')) {
      throw broken(`update pools failed: 403 Permission check failed (/vms/${vmid}, Permissions.Modify|VM.Allocate)`);
    }
    if (other === pool) throw broken(`update pools failed: VM ${vmid} is already a pool member`);
    if (other && !on(call, 'allow-move'))
      throw broken(`update pools failed: VM ${vmid} belongs already to pool '${other.id}' and allow-move is not set`);
  }
  for (const each of call.state.pools.values()) each.vms = each.vms.filter((vmid) => !vms.includes(vmid));
  if (!on(call, 'delete')) pool.vms.push(...vms);
  if (call.params.comment !== undefined) pool.comment = call.params.comment;
  return null;
}

function remove(call: Call): null {
  const pool = call.state.pools.get(call.params.poolid as string);
  if (!pool) throw broken(`delete pool failed: pool '${call.params.poolid}' does not exist`);
  needQuorum(call, poolLock('delete pool'));
  if (pool.vms.length > 0)
    throw broken(`delete pool failed: pool '${pool.id}' is not empty (contains VM ${pool.vms[0]})`);
  call.state.pools.delete(pool.id);
  return null;
}

const poolid = format('pve-poolid');
const can = needs((params) => `/pool/${params.poolid}`, 'Pool.Allocate');

export const poolRoutes: Route[] = [
  {
    method: 'GET',
    path: '/pools',
    rules: { poolid: optional(poolid), type: optional(oneOf('qemu', 'lxc', 'storage')) },
    run: list,
  },
  { method: 'POST', path: '/pools', rules: { poolid, comment: optional(text()) }, may: can, run: create },
  {
    method: 'PUT',
    path: '/pools',
    may: can,
    run: update,
    rules: {
      poolid,
      comment: optional(text()),
      vms: optional(format('pve-vmid-list')),
      delete: flag,
      'allow-move': flag,
    },
  },
  { method: 'DELETE', path: '/pools', rules: { poolid }, may: can, run: remove },
];
