import { broken, type Call, may, need, needQuorum, type Route } from './call.ts';
import { splitList } from './formats.ts';
import type { Token, User } from './state.ts';
import { flag, format, integer, optional, text } from './verify.ts';

const privsOf = (privs: Map<string, boolean>) =>
  Object.fromEntries([...privs].map(([priv, propagate]) => [priv, propagate ? 1 : 0]));

/** One's own rights; a path asked for is answered even when nothing is allowed there. */
function permissions(call: Call): unknown {
  const path = call.params.path;
  if (path !== undefined) {
    const privs = call.access.privileges(call.state, call.caller, path);
    return { [path]: privsOf(privs) };
  }
  return Object.fromEntries(
    [...call.access.all(call.state, call.caller)].map(([each, privs]) => [each, privsOf(privs)]),
  );
}

const modifies = (call: Call) => may(call, '/access', 'Sys.Modify') || may(call, '/access', 'Permissions.Modify');

const acl = (call: Call) =>
  modifies(call)
    ? call.state.acl.map(({ path, role, ugid, propagate }) => ({
        path,
        roleid: role,
        ugid,
        propagate: propagate ? 1 : 0,
        type: ugid.includes('!') ? 'token' : 'user',
      }))
    : [];

function updateAcl(call: Call): null {
  const { path = '', roles = '', users = '', tokens = '', delete: removing } = call.params;
  needQuorum(call, `ACL update failed: cfs-lock 'file-user_cfg' error: no quorum!`);
  const ugids = [...splitList(users), ...splitList(tokens)];
  for (const role of splitList(roles)) {
    if (!call.state.roles.has(role)) throw broken(`ACL update failed: role '${role}' does not exist`);
    for (const ugid of ugids) {
      call.state.acl = call.state.acl.filter(
        (each) => !(each.path === path && each.role === role && each.ugid === ugid),
      );
      if (removing !== '1') call.state.acl.push({ path, role, ugid, propagate: call.params.propagate !== '0' });
    }
  }
  return null;
}

const roles = (call: Call) =>
  [...call.state.roles].map(([roleid, role]) => ({
    roleid,
    privs: role.privs.join(','),
    special: role.special ? 1 : 0,
  }));

function role(call: Call): unknown {
  const found = call.state.roles.get(call.params.roleid as string);
  if (!found) throw broken(`role '${call.params.roleid}' does not exist`);
  return Object.fromEntries(found.privs.map((priv) => [priv, 1]));
}

const userRow = (user: User) => ({
  userid: user.userid,
  enable: user.enable ? 1 : 0,
  expire: user.expire,
  'realm-type': user.userid.endsWith('@pam') ? 'pam' : 'pve',
  ...(user.comment !== undefined && { comment: user.comment }),
});

const users = (call: Call) =>
  [...call.state.users.values()]
    .filter(
      (user) =>
        user.userid === call.caller.user ||
        may(call, '/access/groups', 'User.Modify') ||
        may(call, '/access/groups', 'Sys.Audit'),
    )
    .map(userRow);

function userOf(call: Call): User {
  const user = call.state.users.get(call.params.userid as string);
  if (!user) throw broken(`no such user ('${call.params.userid}')`);
  return user;
}

function updateUser(call: Call): null {
  needQuorum(call, `update user failed: cfs-lock 'file-user_cfg' error: no quorum!`);
  const user = userOf(call);
  if (call.params.enable !== undefined) user.enable = call.params.enable === '1';
  if (call.params.expire !== undefined) user.expire = Number(call.params.expire);
  if (call.params.comment !== undefined) user.comment = call.params.comment;
  return null;
}

const tokenInfo = (token: Token) => ({
  expire: token.expire,
  privsep: token.privsep ? 1 : 0,
  ...(token.comment !== undefined && { comment: token.comment }),
});

function tokenOf(call: Call): Token {
  const token = call.state.tokens.get(`${call.params.userid}!${call.params.tokenid}`);
  if (!token) throw broken(`no such token '${call.params.tokenid}' for user '${call.params.userid}'`);
  return token;
}

const tokens = (call: Call) =>
  [...call.state.tokens.values()]
    .filter((token) => token.user === userOf(call).userid)
    .map((token) => ({ tokenid: token.tokenid, ...tokenInfo(token) }));

function updateToken(call: Call): unknown {
  needQuorum(call, `updating token info failed: cfs-lock 'file-user_cfg' error: no quorum!`);
  const token = tokenOf(call);
  if (call.params.expire !== undefined) token.expire = Number(call.params.expire);
  if (call.params.privsep !== undefined) token.privsep = call.params.privsep === '1';
  if (call.params.comment !== undefined) token.comment = call.params.comment;
  return { ...tokenInfo(token), ...(call.params.expire !== undefined && { expire: call.params.expire }) };
}

const selfOrModify = (call: Call) => {
  if (call.params.userid !== call.caller.user) need(call, '/access/groups', 'User.Modify');
};

const userid = format('pve-userid', { maxLength: 64 });
const tokenid = text({ pattern: /^[A-Za-z][A-Za-z0-9.\-_]+$/ });
const comment = optional(text());
const expire = optional(integer(0));

export const accessRoutes: Route[] = [
  {
    method: 'GET',
    path: '/access/permissions',
    run: permissions,
    rules: {
      path: optional(text()),
      userid: optional(text({ pattern: /^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+(?:![A-Za-z][A-Za-z0-9.\-_]+)?$/ })),
    },
  },
  { method: 'GET', path: '/access/acl', rules: {}, run: acl },
  {
    method: 'PUT',
    path: '/access/acl',
    run: updateAcl,
    may: (call) => need(call, call.params.path ?? '/', 'Permissions.Modify'),
    rules: {
      path: text(),
      roles: format('pve-roleid-list'),
      users: optional(format('pve-userid-list')),
      groups: optional(format('pve-groupid-list')),
      tokens: optional(format('pve-tokenid-list')),
      propagate: flag,
      delete: flag,
    },
  },
  { method: 'GET', path: '/access/roles', rules: {}, run: roles },
  { method: 'GET', path: '/access/roles/{roleid}', rules: { roleid: format('pve-roleid') }, run: role },
  {
    method: 'GET',
    path: '/access/domains',
    rules: {},
    open: true,
    run: () => [
      { realm: 'pam', type: 'pam', comment: 'Linux PAM standard authentication' },
      { realm: 'pve', type: 'pve', comment: 'Proxmox VE authentication server' },
    ],
  },
  { method: 'GET', path: '/access/users', rules: { enabled: flag, full: flag }, run: users },
  {
    method: 'PUT',
    path: '/access/users/{userid}',
    rules: { userid, enable: flag, expire, comment: optional(text({ maxLength: 2048 })) },
    run: updateUser,
    may: (call) => need(call, '/access/groups', 'User.Modify'),
  },
  { method: 'GET', path: '/access/users/{userid}/token', rules: { userid }, run: tokens, may: selfOrModify },
  {
    method: 'GET',
    path: '/access/users/{userid}/token/{tokenid}',
    rules: { userid, tokenid },
    run: (call) => tokenInfo(tokenOf(call)),
    may: selfOrModify,
  },
  {
    method: 'PUT',
    path: '/access/users/{userid}/token/{tokenid}',
    rules: { userid, tokenid, expire, privsep: flag, comment },
    run: updateToken,
    may: selfOrModify,
  },
];
