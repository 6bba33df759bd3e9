import { timingSafeEqual } from 'node:crypto';
import type { Caller } from './call.ts';
import { seconds } from './clock.ts';
import type { Acl, ClusterState } from './state.ts';
import type { Clock } from './types.ts';

/** Paths that `GET /access/permissions` always looks at, besides those of the ACL. */
const wellKnownPaths = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms'];

const sameText = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};

/** Logins and privileges, as PVE::AccessControl computes them. */
export class Access {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From an Authorization header; undefined when it proves nothing. */
  login(state: ClusterState, header: string): Caller | undefined {
    const match = /^PVEAPIToken=([^\s:/!]+@[A-Za-z][A-Za-z0-9.\-_]+)!([A-Za-z][A-Za-z0-9.\-_]+)=(.+)$/.exec(header);
    if (!match) return undefined;
    const [, user = '', tokenid = '', secret = ''] = match;
    const token = state.tokens.get(`${user}!${tokenid}`);
    if (!token || !sameText(token.secret, secret) || !this.#alive(token.expire)) return undefined;
    const owner = state.users.get(user);
    if (!owner?.enable || !this.#alive(owner.expire)) return undefined;
    return { full: token.id, user, tokenid };
  }

  #alive(expire: number): boolean {
    return expire === 0 || expire > seconds(this.#clock);
  }

  has(state: ClusterState, caller: Caller, path: string, priv: string): boolean {
    return this.privileges(state, caller, path).has(priv);
  }

  /** Privilege to whether it propagates. */
  privileges(state: ClusterState, caller: Caller, path: string): Map<string, boolean> {
    const token = caller.tokenid === undefined ? undefined : state.tokens.get(caller.full);
    const owner = this.#of(state, caller.user, path);
    if (!token?.privsep) return owner;
    const own = this.#of(state, caller.full, path);
    return new Map(
      [...own].filter(([priv]) => owner.has(priv)).map(([priv, propagate]) => [priv, propagate && owner.get(priv)!]),
    );
  }

  /** Every path the caller can do something at: path to privileges. */
  all(state: ClusterState, caller: Caller): Map<string, Map<string, boolean>> {
    const paths = new Set([...wellKnownPaths, ...state.acl.map((entry) => entry.path)]);
    for (const pool of state.pools.values()) {
      paths.add(`/pool/${pool.id}`);
      for (const vmid of pool.vms) paths.add(`/vms/${vmid}`);
    }
    const found = [...paths].sort().map((path) => [path, this.privileges(state, caller, path)] as const);
    return new Map(found.filter(([, privs]) => privs.size > 0));
  }

  #of(state: ClusterState, ugid: string, path: string): Map<string, boolean> {
    const out = new Map<string, boolean>();
    const roles = ugid === 'root@pam' ? new Map([['Administrator', true]]) : this.#roles(state, ugid, path);
    for (const [role, propagate] of roles) {
      for (const priv of state.roles.get(role)?.privs ?? []) out.set(priv, (out.get(priv) ?? false) || propagate);
    }
    return out;
  }

  /** A guest in a pool has the pool's roles besides its own. */
  #roles(state: ClusterState, ugid: string, path: string): Map<string, boolean> {
    const roles = rolesAt(state.acl, ugid, path);
    if (roles.has('NoAccess')) return roles;
    const vmid = /^\/vms\/(\d+)$/.exec(path)?.[1];
    const pool = vmid && [...state.pools.values()].find((each) => each.vms.includes(Number(vmid)));
    if (!pool) return roles;
    const inherited = rolesAt(state.acl, ugid, `/pool/${pool.id}`);
    return inherited.has('NoAccess') ? inherited : new Map([...inherited, ...roles]);
  }
}

/** The deepest path with a usable entry decides; entries above count only when they propagate. */
function rolesAt(acl: Acl[], ugid: string, path: string): Map<string, boolean> {
  const mine = acl.filter((entry) => entry.ugid === ugid);
  let roles = new Map<string, boolean>();
  for (const prefix of prefixes(path)) {
    const here = mine.filter((entry) => entry.path === prefix && (prefix === path || entry.propagate));
    if (here.length > 0) roles = new Map(here.map((entry) => [entry.role, entry.propagate]));
  }
  return roles.has('NoAccess') ? new Map([['NoAccess', true]]) : roles;
}

function prefixes(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}
