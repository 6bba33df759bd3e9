import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Client, type ProxmoxEvent } from '../adapters/proxmox/client.ts';
import type { Trust } from '../adapters/proxmox/trust.ts';
import { Failed, type Failure, type FailureKind } from '../src/contracts/failure.ts';
import { json, type Recording, Replay, recording, recordings, recordingsAreHere, refusal } from './proxmox-replay.ts';

const secret = '6f1d4a52-7c1e-4d0e-9a55-0c7e1d2b3a4f';
const token = `bot@pve!chatops=${secret}`;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function replay(answer?: Replay['answer']): Promise<Replay & { url: string }> {
  const server = new Replay();
  open.push(server);
  if (answer) server.answer = answer;
  return Object.assign(server, { url: await server.listen() });
}

const short = { connect: 800, local: 800, read: 800, write: 800 };

function connect(servers: readonly { url: string }[], tls: Trust, onEvent?: (event: ProxmoxEvent) => void): Client {
  const client = new Client({ name: 'off', urls: servers.map(({ url }) => url), token, tls, timings: short, onEvent });
  open.push(client);
  return client;
}

const pinned = (...servers: readonly Replay[]): Trust => ({
  fingerprints: servers.map((server) => server.certificate.fingerprint),
});

const read = { says: 'the version', path: '/version', query: {} };
const write = { method: 'POST', path: '/nodes/ovh1/lxc', params: { vmid: 103, unprivileged: true } } as const;

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Failed)) throw new Error(`this did not fail as it should: ${String(outcome)}`);
  return outcome.failure;
}

/** An address where nobody listens. */
async function nobody(): Promise<{ url: string }> {
  const server = new Replay();
  const url = await server.listen();
  await server.close();
  return { url };
}

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

test('the token and clean forms are what is sent', async () => {
  const server = await replay(() => json({ data: null }));
  const client = connect([server], pinned(server));
  await client.send({ method: 'POST', path: '/nodes/ovh1/lxc', params: { a: true, b: false, c: 7, d: 'ä & =' } });
  await client.send({ method: 'DELETE', path: '/nodes/ovh1/lxc/103', params: { purge: 1 } });
  await client.get({ says: 'tasks', path: '/nodes/ovh1/tasks', query: { limit: 5 } });
  expect(server.heard.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
    { method: 'POST', path: '/api2/json/nodes/ovh1/lxc', body: 'a=1&b=0&c=7&d=%C3%A4+%26+%3D' },
    { method: 'DELETE', path: '/api2/json/nodes/ovh1/lxc/103?purge=1', body: '' },
    { method: 'GET', path: '/api2/json/nodes/ovh1/tasks?limit=5', body: '' },
  ]);
  for (const { headers } of server.heard) {
    expect(headers['authorization']).toBe(`PVEAPIToken=${token}`);
    expect(headers).not.toHaveProperty('transfer-encoding');
  }
  expect(server.heard[0]!.headers['content-length']).toBe('28');
});

test('each write has a connection of its own, reads share theirs', async () => {
  const server = await replay(() => json({ data: null }));
  const client = connect([server], pinned(server));
  for (let count = 0; count < 9; count++) await client.get(read);
  const forReads = server.connections;
  expect(forReads).toBeLessThan(9);
  for (let count = 0; count < 9; count++) await client.send(write);
  expect(server.connections - forReads).toBe(9);
});

test('a path that could climb out is never sent', async () => {
  const server = await replay();
  const client = connect([server], pinned(server));
  for (const path of ['/nodes/../access', '/a?b', '/a#b', 'nodes', '/a b', '/a\r\nx: y', '//evil'])
    expect(await failureOf(client.send({ ...write, path }))).toMatchObject({ kind: 'internal', sent: 'no' });
  expect(server.received).toBe('');
});

test.for([
  ['http://ovh1:8006', 'only https://'],
  ['https://root:pw@ovh1:8006', 'it holds a login'],
  ['https://ovh1:8006/api2/json', 'it must end after the port'],
  ['ovh1', 'not an URL'],
])('the address %s is refused', ([url, why]) => {
  const make = () => new Client({ name: 'off', urls: [url!], token, tls: {} });
  expect(make).toThrow(Failed);
  expect(make).toThrow(why!);
  expect(make).not.toThrow('pw@');
});

test('a malformed token is refused without repeating it', () => {
  const make = () => new Client({ name: 'off', urls: ['https://ovh1:8006'], token: 'hunter22secret', tls: {} });
  expect(make).toThrow(Failed);
  expect(make).not.toThrow('hunter22secret');
});

describe('certificates', () => {
  test('with another fingerprint end the connection before a byte of the request is sent', async () => {
    const server = await replay();
    const events: ProxmoxEvent[] = [];
    const client = connect([server], { fingerprints: ['ab'.repeat(32)] }, (event) => events.push(event));
    for (const failure of [await failureOf(client.get(read)), await failureOf(client.send(write))]) {
      expect(failure).toMatchObject({ kind: 'unavailable', sent: 'no' });
      expect(failure.why).toContain(server.certificate.fingerprint);
      expect(failure.why).toContain(Array(32).fill('AB').join(':'));
    }
    await expect.poll(() => server.connections).toBe(2);
    expect(server.received).toBe('');
    expect(events).toContainEqual({ kind: 'pin-mismatch', url: server.url, seen: server.certificate.fingerprint });
  });

  test('may be pinned in any spelling, one of several', async () => {
    const server = await replay(() => json({ data: 'yes' }));
    const hex = server.certificate.fingerprint.replaceAll(':', '').toLowerCase();
    for (const spelling of [hex, `SHA256:${hex}`, server.certificate.fingerprint])
      expect((await connect([server], { fingerprints: ['00'.repeat(32), spelling] }).get(read)).data).toBe('yes');
  });

  test('of an unknown authority are refused, also without a pin', async () => {
    const server = await replay();
    expect(await failureOf(connect([server], {}).send(write))).toMatchObject({ kind: 'unavailable', sent: 'no' });
    expect(server.received).toBe('');
  });

  test('are accepted under the given authority', async () => {
    const server = await replay(() => json({ data: 'yes' }));
    expect((await connect([server], { ca: server.certificate.cert }).get(read)).data).toBe('yes');
  });

  test('of another server are refused under the given authority', async () => {
    const [server, other] = [await replay(), await replay()];
    expect(await failureOf(connect([server], { ca: other.certificate.cert }).get(read))).toMatchObject({ sent: 'no' });
    expect(server.received).toBe('');
  });

  test('a text that is no fingerprint is refused at once', () => {
    expect(() => connect([{ url: 'https://ovh1:8006' }], { fingerprints: ['AA:BB'] })).toThrow(Failed);
  });
});

describe('fail-over', () => {
  test('reads and writes go on where somebody listens, and stay there', async () => {
    const [dead, server] = [await nobody(), await replay(() => json({ data: 'yes' }))];
    const client = connect([dead, server], pinned(server));
    expect((await client.send(write)).data).toBe('yes');
    expect((await client.get(read)).url).toBe(server.url);
    expect(client.urls).toEqual([server.url, dead.url]);
  });

  test('without anybody listening a write has certainly not been sent', async () => {
    const failure = await failureOf(connect([await nobody(), await nobody()], {}).send(write));
    expect(failure).toMatchObject({ kind: 'unavailable', sent: 'no' });
    expect(failure.why).toContain('connection refused');
  });

  test('a write that lost its answer is never sent elsewhere', async () => {
    const [first, second] = [await replay(() => 'cut'), await replay(() => json({ data: 'yes' }))];
    const client = connect([first, second], pinned(first, second));
    expect(await failureOf(client.send(write))).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
    expect(first.heard).toHaveLength(1);
    expect(second.heard).toHaveLength(0);
  });

  test('a write that hangs is in doubt and not repeated', async () => {
    const server = await replay(() => 'hang');
    expect(await failureOf(connect([server], pinned(server)).send(write))).toMatchObject({ sent: 'unknown' });
    expect(server.heard).toHaveLength(1);
  });

  test('a read is asked again once when the connection is cut, then elsewhere', async () => {
    let cuts = 1;
    const server = await replay(() => (cuts-- > 0 ? 'cut' : json({ data: 'yes' })));
    expect((await connect([server], pinned(server)).get(read)).data).toBe('yes');
    expect(server.heard).toHaveLength(2);
    const [broken, good] = [await replay(() => 'cut'), await replay(() => json({ data: 'good' }))];
    expect((await connect([broken, good], pinned(broken, good)).get(read)).data).toBe('good');
    expect(broken.heard).toHaveLength(2);
  });

  test('a read that hangs is asked elsewhere', async () => {
    const [stuck, good] = [await replay(() => 'hang'), await replay(() => json({ data: 'good' }))];
    expect((await connect([stuck, good], pinned(stuck, good)).get(read)).data).toBe('good');
  });

  test('an entry node whose own daemon is down is left for another', async () => {
    const [down, good] = [
      await replay(() => refusal(595, 'Connection refused', '')),
      await replay(() => json({ data: 'good' })),
    ];
    expect((await connect([down, good], pinned(down, good)).get(read)).data).toBe('good');
  });

  test('a dead node behind a healthy entry is not asked for twice', async () => {
    const [entry, other] = [await replay(() => refusal(595, 'No route to host', '')), await replay()];
    const question = connect([entry, other], pinned(entry, other)).get({ ...read, path: '/nodes/ovh3/status' });
    expect(await failureOf(question)).toMatchObject({ kind: 'unavailable', status: 595 });
    expect(other.heard).toHaveLength(0);
  });

  test('a refusal is an answer: nobody else is asked', async () => {
    const [first, second] = [await replay(() => refusal(403, 'Permission check failed')), await replay()];
    expect(await failureOf(connect([first, second], pinned(first, second)).get(read))).toMatchObject({ status: 403 });
    expect(second.heard).toHaveLength(0);
  });

  test('one wrong certificate does not stop the other addresses', async () => {
    const [wrong, good] = [await replay(), await replay(() => json({ data: 'good' }))];
    expect((await connect([wrong, good], pinned(good)).send(write)).data).toBe('good');
    expect(wrong.received).toBe('');
  });
});

test('a server that accepts but never shakes hands has certainly not got a write', async () => {
  const server = createServer();
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  const { port } = server.address() as AddressInfo;
  const client = connect([{ url: `https://127.0.0.1:${port}` }], {});
  expect(await failureOf(client.send(write))).toMatchObject({ kind: 'unavailable', sent: 'no' });
});

test('a connection that we close ourselves fails what still waits', async () => {
  const server = await replay(() => 'hang');
  const client = connect([server], pinned(server));
  const question = failureOf(client.get(read));
  await expect.poll(() => server.heard.length).toBe(1);
  await client.close();
  expect(await question).toMatchObject({ kind: 'internal' });
  expect(client.closing.aborted).toBe(true);
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

test('a read after an error finds a fresh connection', async () => {
  let first = true;
  const server = await replay(() => {
    if (!first) return json({ data: 'yes' });
    first = false;
    return refusal(500, 'no');
  });
  const client = connect([server], pinned(server));
  await failureOf(client.get(read));
  expect((await client.get(read)).data).toBe('yes');
});
