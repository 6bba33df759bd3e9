import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Client, type ProxmoxEvent } from '../adapters/proxmox/client.ts';
import { Failed } from '../src/contracts/failure.ts';
import { connect, failureOf, nobody, open, pinned, read, replay, token, write } from './proxmox-line.ts';
import { json, refusal } from './proxmox-replay.ts';

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
