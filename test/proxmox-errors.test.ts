import { describe, expect, test } from 'vitest';
import type { Failure, FailureKind } from '../src/contracts/failure.ts';
import { connect, failureOf, pinned, read, replay, secret, write } from './proxmox-line.ts';
import {
  json,
  type Recording,
  type Replay,
  recording,
  recordings,
  recordingsAreHere,
  refusal,
} from './proxmox-replay.ts';

// biome-ignore format: this is a table
const expected: Readonly<Record<string, FailureKind>> = {
  after_migrate_new_node: 'not-found',    after_migrate_old_node: 'not-found',   clone_dup: 'conflict',
  cluster_nextid_bad: 'bad-input',        cluster_resources_badtype: 'bad-input', destroy_protected: 'conflict',
  destroy_running: 'conflict',            ha_add_badstate: 'bad-input',          ha_add_dup: 'conflict',
  ha_add_unknown: 'not-found',            ha_del_unknown: 'not-found',           ha_rules_404: 'refused',
  lc_create_dup: 'conflict',              lc_put_bad: 'bad-input',               lc_put_delete_bad: 'refused',
  lc_put_empty: 'refused',                lc_put_limited: 'no-privilege',        lc_put_mem: 'conflict',
  lc_put_noperm: 'no-privilege',          lc_resize_shrink: 'refused',           lc_start: 'conflict',
  lc_start_again: 'conflict',             lc_task_baduid: 'bad-input',           lc_task_noperm: 'no-privilege',
  lc_task_unknown: 'not-found',           lxc_config_missing: 'not-found',       lxc_create_badparams: 'bad-input',
  lxc_create_missing: 'bad-input',        lxc_create_noperm: 'no-privilege',     lxc_status_noperm: 'no-privilege',
  method_unknown: 'refused',              migrate: 'not-found',                  migrate_running_norestart: 'conflict',
  migrate_self: 'bad-input',              migrate_unknown: 'not-found',          nextid_taken: 'conflict',
  node_down_lxc: 'unavailable',           node_down_noperm: 'no-privilege',      node_down_status: 'unavailable',
  node_unknown: 'not-found',              noquorum_aclput: 'no-quorum',          noquorum_put: 'no-quorum',
  notif_test_target: 'refused',           path_unknown: 'refused',               post_json: 'bad-input',
  proxied_noperm: 'no-privilege',         pveproxy_remote_down: 'unavailable',   remote_hangs_596: 'unavailable',
  repl_bad_rate: 'bad-input',             repl_badsched: 'bad-input',            repl_create_dup: 'conflict',
  repl_create_same_target: 'conflict',    repl_create_self: 'refused',           repl_create_unknown_ct: 'not-found',
  repl_create_unknown_node: 'not-found',  repl_del_unknown: 'not-found',         repl_get_unknown: 'not-found',
  repl_noperm: 'no-privilege',            replication_create_badid: 'bad-input', snap_badname: 'bad-input',
  snap_current: 'conflict',               snap_limited: 'no-privilege',          snap_noperm: 'no-privilege',
  stop_stopped: 'conflict',               version_badtoken: 'no-privilege',      version_malformed_token: 'no-privilege',
  version_noauth: 'no-privilege',         version_unknown_token: 'no-privilege', vm_agent_noagent: 'refused',
  vm_create_bad: 'bad-input',             vm_destroy: 'not-found',               vm_noperm: 'no-privilege',
  vzdump_badmode: 'bad-input',            vzdump_lock_put: 'conflict',           vzdump_missing: 'bad-input',
  vzdump_noperm: 'no-privilege',          wrong_node: 'not-found',
  ha_group_create9: 'refused',            ha_groups: 'refused',                  ha_res_group9: 'refused',
  ha_rule_bad2: 'bad-input',              lxc_migrate_precond: 'not-found',      repl_create_perm9: 'no-privilege',
  repl_create_perm9_limited: 'no-privilege', repl_noperm9: 'no-privilege',
};

const errors = recordings().filter((one) => one.response?.status >= 400);

/** Sends what was recorded and gives back our failure. */
async function replayed(one: Recording): Promise<{ failure: Failure; server: Replay }> {
  const server = await replay(() => one.response);
  const client = connect([server], pinned(server));
  const [path] = one.request.path.replace('/api2/json', '').split('?');
  const { method } = one.request;
  const question =
    method === 'GET'
      ? client.get({ says: 'it', path: path!, query: one.request.params ?? {} })
      : client.send({ method: method as 'POST', path: path!, params: one.request.params ?? {} });
  return { failure: await failureOf(question), server };
}

describe.skipIf(!recordingsAreHere)('every recorded refusal of Proxmox', () => {
  test('is in the table of this test', () => {
    expect(errors.length).toBeGreaterThan(80);
    expect([...new Set(errors.map(({ name }) => name))].sort()).toEqual(Object.keys(expected).sort());
  });

  test.for(errors)('$version $name', async (one) => {
    const { failure } = await replayed(one);
    const gone = one.response.status >= 595;
    expect(failure).toMatchObject({ kind: expected[one.name], status: one.response.status });
    expect(failure.sent).toBe(gone ? 'unknown' : 'refused');
    expect(JSON.stringify(failure)).not.toContain(secret);
    for (const line of [failure.what, failure.why, failure.next]) {
      expect(line.trim()).not.toBe('');
      expect(line).not.toContain('\n');
    }
  });

  test('with wrong parameters tells each of them', async () => {
    const { failure } = await replayed(recording('8.4', 'lxc_create_badparams'));
    expect(failure.parameters).toEqual({
      bogus: 'property is not defined in schema and the schema does not allow additional properties',
      cores: 'value must have a maximum value of 8192',
      hostname: 'invalid format - value does not look like a valid DNS name',
      memory: "type check ('integer') failed - got 'abc'",
      net0: 'invalid format - format error; net0.ip: invalid format - value does not look like a valid ipv4 network configuration',
      vmid: 'invalid format - value does not look like a valid VM ID',
    });
    expect(failure.why).toContain('cores: value must have a maximum value of 8192');
  });

  test.for([
    [
      '8.4',
      'repl_noperm',
      "pveum role add Bascule-DatastoreAllocate --privs 'Datastore.Allocate' && pveum acl modify /storage --roles Bascule-DatastoreAllocate --users 'bot@pve' --tokens 'bot@pve!chatops'",
    ],
    [
      '9.2',
      'repl_create_perm9',
      "pveum role add Bascule-VMReplicate --privs 'VM.Replicate' && pveum acl modify /vms/100 --roles Bascule-VMReplicate --users 'bot@pve' --tokens 'bot@pve!chatops'",
    ],
  ] as const)('for a missing right prints the line that grants it (%s %s)', async ([version, name, line]) => {
    const { failure } = await replayed(recording(version, name));
    expect(failure.next).toBe(`on a node, as root: ${line}`);
    expect(failure.why).toBe(recording(version, name).response.reason);
  });

  test('of a token names the token and never its secret', async () => {
    const { failure } = await replayed(recording('8.4', 'version_badtoken'));
    expect(failure.why).toBe('Proxmox does not accept the token bot@pve!chatops: Authentication failed!');
  });

  test('for a dead node names that node', async () => {
    const { failure } = await replayed(recording('8.4', 'node_down_status'));
    expect(failure.why).toBe('pve3 cannot be reached (595 No route to host)');
  });

  test.for(['node_down_status', 'pveproxy_remote_down', 'remote_hangs_596'])(
    'leaves a write in doubt: %s',
    async (name) => {
      const server = await replay(() => recording('8.4', name).response);
      expect(await failureOf(connect([server], pinned(server)).send(write))).toMatchObject({
        kind: 'in-doubt',
        sent: 'unknown',
        status: recording('8.4', name).response.status,
      });
    },
  );
});

test.for([
  'cluster not ready - no quorum?',
  "cfs-lock 'file-replication_cfg' error: no quorum!",
  "update resources config failed: cfs-lock 'domain-ha' error: no quorum!",
  "unable to open file '/etc/pve/nodes/pve1/lxc/110.conf.tmp.6351' - Permission denied",
])('a node without quorum is recognised: %s', async (reason) => {
  const server = await replay(() => refusal(500, reason));
  expect(await failureOf(connect([server], pinned(server)).send(write))).toMatchObject({
    kind: 'no-quorum',
    sent: 'refused',
  });
});

test('before 8.4 there is only the reason phrase', async () => {
  const server = await replay(() => refusal(500, "CT 103 already exists on node 'ovh1'", ''));
  const failure = await failureOf(connect([server], pinned(server)).send(write));
  expect(failure).toMatchObject({ kind: 'conflict', why: "CT 103 already exists on node 'ovh1'" });
});

test('a message in UTF-8 comes through the status line unharmed', async () => {
  const server = await replay(() => refusal(500, 'Störung im Gefüge', ''));
  expect((await failureOf(connect([server], pinned(server)).get(read))).why).toBe('Störung im Gefüge');
});

test('a refusal that repeats a secret is shown without it', async () => {
  const reason = `odd password hunter22 and ${secret}`;
  const server = await replay(() => refusal(500, reason));
  const call = { ...write, params: { ...write.params, password: 'hunter22' } };
  expect((await failureOf(connect([server], pinned(server)).send(call))).why).toBe('odd password *** and ***');
});

test('a right missing inside a 500 is a missing right', async () => {
  const server = await replay(() =>
    refusal(500, 'update pools failed: 403 Permission check failed (/vms/150, Permissions.Modify|VM.Allocate)'),
  );
  expect((await failureOf(connect([server], pinned(server)).send(write))).kind).toBe('no-privilege');
});

test('what only root may do is told as such', async () => {
  const server = await replay(() => refusal(500, 'Only root may use this option.'));
  expect((await failureOf(connect([server], pinned(server)).send(write))).kind).toBe('no-privilege');
});

test('a login page in front of the API is not an answer', async () => {
  const server = await replay(() => json('<html>Sign in</html>'));
  const client = connect([server], pinned(server));
  expect(await failureOf(client.get(read))).toMatchObject({ kind: 'refused' });
  expect(await failureOf(client.send(write))).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
});

test.for(['/x; reboot', '/$(reboot)', '/`reboot`', "/' && reboot"])(
  'a right named %s is not put into a command for root',
  async (path) => {
    const server = await replay(() => refusal(403, `Permission check failed (${path}, VM.Audit)`));
    const failure = await failureOf(connect([server], pinned(server)).get(read));
    expect(failure.kind).toBe('no-privilege');
    expect(failure.next).not.toContain('reboot');
  },
);
