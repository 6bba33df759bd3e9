import { createServer, type Server, type Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { answer, type Call, newKey, startShellServer } from './shell-server.ts';
import { botKey, failureOf, nodesAndShells, type Opened, probe, run } from './shell-world.ts';

const { open, node, to } = nodesAndShells();

const doubt = { kind: 'in-doubt', sent: 'unknown' };
const notSent = { kind: 'unavailable', sent: 'no' };

describe('a connection that dies', () => {
  test('under a command leaves a doubt, and the next request gets a new connection', async () => {
    const server = await node({ behaviour: (call) => (call.request.id === 'r1' ? call.cut() : answer(call, 'again')) });
    const { shell } = to(server);
    expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject(doubt);
    expect(await shell.ask('ovh1', run({}, 'r2'))).toBe('again');
    expect(server.logins).toBe(2);
    expect(server.calls).toHaveLength(2);
  });

  test('under several commands leaves a doubt for each of them', async () => {
    const held: Call[] = [];
    const server = await node({ behaviour: (call) => held.push(call) });
    const { shell } = to(server);
    const failures = Promise.all(['r1', 'r2', 'r3'].map((id) => failureOf(shell.ask('ovh1', run({}, id)))));
    await vi.waitFor(() => expect(held).toHaveLength(3));
    server.cut();
    for (const failure of await failures) expect(failure).toMatchObject(doubt);
  });

  test('under a look leaves no doubt, only no answer', async () => {
    const server = await node({ behaviour: (call) => call.cut() });
    const { shell } = to(server);
    const unanswered = { kind: 'unavailable', sent: 'unknown' };
    expect(await failureOf(shell.ask('ovh1', probe()))).toMatchObject(unanswered);
    expect(await failureOf(shell.ask('ovh1', run(), { looks: true }))).toMatchObject(unanswered);
    expect(await failureOf(shell.hello('ovh1'))).toMatchObject(unanswered);
  });

  test('before the request was sent is replaced without a word', async () => {
    const server = await node({ cutFirst: 1 });
    const { shell } = to(server);
    expect(await shell.ask('ovh1', run({ n: 1 }))).toEqual({ n: 1 });
    expect(server.logins).toBe(2);
    expect(server.calls).toHaveLength(1);
  });

  test('twice before the request was sent: nothing was sent', async () => {
    const server = await node({ cutFirst: 2 });
    const { shell } = to(server);
    expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject(notSent);
    expect(server.calls).toHaveLength(0);
  });

  test('in the moment of the login: nothing was sent, and nothing else dies of it', async () => {
    const server = await node({ leaves: true });
    const { shell } = to(server);
    expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject(notSent);
    expect(server.calls).toHaveLength(0);
  });

  test('while nobody used it is made anew', async () => {
    const server = await node();
    const { shell, logged } = to(server);
    await shell.ask('ovh1', run());
    server.cut();
    await vi.waitFor(() => expect(logged.some(({ text }) => text === 'the connection was lost')).toBe(true));
    expect(await shell.ask('ovh1', run({ n: 2 }))).toEqual({ n: 2 });
  });

  test('without a packet is noticed by its silence', async () => {
    const held: Call[] = [];
    const server = await node({ behaviour: (call) => held.push(call) });
    const { shell } = to(server, { timings: { keepalive: 20 } });
    const failure = failureOf(shell.ask('ovh1', run()));
    await vi.waitFor(() => expect(held).toHaveLength(1));
    server.freeze();
    expect(await failure).toMatchObject(doubt);
  });

  test('because we go leaves a doubt, and nothing waits on', async () => {
    const held: Call[] = [];
    const server = await node({ behaviour: (call) => held.push(call) });
    const { shell } = to(server);
    const running = ['r1', 'r2', 'r3'].map((id) => failureOf(shell.ask('ovh1', run({}, id))));
    await vi.waitFor(() => expect(held).toHaveLength(3));
    const waiting = failureOf(shell.ask('ovh1', run({}, 'r4')));
    await shell.close();
    for (const failure of await Promise.all(running)) expect(failure).toMatchObject(doubt);
    expect(await waiting).toMatchObject({ sent: 'no' });
    expect(await failureOf(shell.ask('ovh1', run({}, 'r5')))).toMatchObject({ sent: 'no' });
    expect(server.calls).toHaveLength(3);
  });
});

describe('an answer that does not come', () => {
  test('in time leaves a doubt; the channel is closed and another request is served', async () => {
    const held: Call[] = [];
    const server = await node({
      behaviour: (call) => (call.request.id === 'r1' ? held.push(call) : answer(call, 'ok')),
    });
    const { shell, clock } = to(server);
    const failure = failureOf(shell.ask('ovh1', run(), { seconds: 30 }));
    await vi.waitFor(() => expect(held).toHaveLength(1));
    const hungUp = new Promise((resolve) => held[0]!.channel.once('close', resolve));
    clock.pass(29_999);
    expect(await shell.ask('ovh1', run({}, 'r2'))).toBe('ok');
    clock.pass(1);
    expect(await failure).toMatchObject(doubt);
    await hungUp;
    expect(await shell.ask('ovh1', run({}, 'r3'))).toBe('ok');
    expect(server.logins).toBe(1);
  });

  test('after its time is nobody’s answer', async () => {
    const held: Call[] = [];
    const server = await node({ behaviour: (call) => (held.length === 0 ? held.push(call) : answer(call, 'mine')) });
    const { shell, clock } = to(server);
    const failure = failureOf(shell.ask('ovh1', run(), { seconds: 1 }));
    await vi.waitFor(() => expect(held).toHaveLength(1));
    clock.pass(1000);
    expect(await failure).toMatchObject(doubt);
    answer(held[0]!, 'late');
    expect(await shell.ask('ovh1', run())).toBe('mine');
  });

  test('because no channel is opened: nothing was sent', async () => {
    const server = await node();
    const { shell, clock } = to(server);
    await shell.ask('ovh1', run());
    server.freeze();
    const failure = failureOf(shell.ask('ovh1', run()));
    await vi.waitFor(() => expect(clock.pending()).toContain(15_000));
    clock.pass(15_000);
    expect(await failure).toMatchObject(notSent);
    const closed = shell.close();
    await vi.waitFor(() => expect(clock.pending()).toContain(1000));
    clock.pass(1000);
    await closed;
  });
});

describe('refused channels', () => {
  /** Lets the pauses between two tries pass, as they come. */
  async function letPausesPass(clock: Opened['clock'], until: Promise<unknown>): Promise<number[]> {
    const pauses: number[] = [];
    let over = false;
    const end = () => {
      over = true;
    };
    until.then(end, end);
    while (!over) {
      const [next] = clock.pending();
      if (next !== undefined && next <= 1000) {
        pauses.push(next);
        clock.pass(next);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return pauses;
  }

  test('are asked for again, a little later each time', async () => {
    const server = await node({ refuseFirst: 3 });
    const { shell, clock } = to(server);
    const asked = shell.ask('ovh1', run({ n: 1 }));
    expect(await letPausesPass(clock, asked)).toEqual([50, 100, 200]);
    expect(await asked).toEqual({ n: 1 });
    expect(server.refusals).toBe(3);
    expect(server.logins).toBe(1);
  });

  test('for ten seconds: then nothing was sent', async () => {
    const server = await node({ sessions: 0 });
    const { shell, clock } = to(server);
    const failure = failureOf(shell.ask('ovh1', run()));
    const pauses = await letPausesPass(clock, failure);
    expect(await failure).toMatchObject(notSent);
    expect(pauses.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(10_000);
    expect(server.calls).toHaveLength(0);
  });

  test('of a node with few sessions lose no request', async () => {
    const server = await node({ sessions: 2 });
    const { shell, clock } = to(server, { timings: { refused: 1e9, queue: 1e9 } });
    const asked = Promise.all(Array.from({ length: 30 }, (_, n) => shell.ask('ovh1', probe({ n }, `p${n}`))));
    await letPausesPass(clock, asked);
    expect(await asked).toEqual(Array.from({ length: 30 }, (_, n) => ({ n })));
    expect(server.calls).toHaveLength(30);
    expect(server.peak).toBeLessThanOrEqual(2);
  });
});

describe('a host key that is not the pinned one', () => {
  test('stops everything before anything of ours is shown, with both fingerprints', async () => {
    const server = await node();
    const pinned = `SHA256:${'A'.repeat(43)}`;
    const { shell, logged } = to({ port: server.port, hostKey: pinned });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure).toMatchObject(notSent);
    expect(failure.why).toContain(pinned);
    expect(failure.why).toContain(server.hostKey);
    expect(failure.next).toContain('ssh-keygen -lf');
    expect(logged.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect([server.knocks, server.logins]).toEqual([1, 0]);
  });

  test('is noticed when the connection is made anew, and trusted again when the old key is back', async () => {
    const hostKey = newKey().private;
    const first = await node({ hostKey });
    const { port } = first;
    const { shell } = to(first);
    await shell.ask('ovh1', run());
    await first.close();
    const stranger = await node({ port });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure).toMatchObject(notSent);
    expect(failure.why).toContain(stranger.hostKey);
    expect(stranger.logins).toBe(0);
    await stranger.close();
    await node({ port, hostKey });
    expect(await shell.ask('ovh1', run({ n: 3 }))).toEqual({ n: 3 });
  });

  test('one of several pinned keys is enough', async () => {
    const server = await node();
    const hostKeys = [`SHA256:${'A'.repeat(43)}`, server.hostKey];
    const { shell } = to(server, { nodes: { ovh1: { host: '127.0.0.1', port: server.port, hostKeys } } });
    expect(await shell.ask('ovh1', run({ n: 1 }))).toEqual({ n: 1 });
  });
});

describe('no SSH there', () => {
  async function listener(onSocket: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onSocket(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return (server.address() as { port: number }).port;
  }
  const at = (port: number) => to({ port, hostKey: `SHA256:${'A'.repeat(43)}` });

  test('nothing listens', async () => {
    const server = await startShellServer({ authorized: botKey.public });
    await server.close();
    const failure = await failureOf(to(server).shell.ask('ovh1', run()));
    expect(failure).toMatchObject(notSent);
    expect(failure.why).toContain('connection refused');
  });

  test('something silent is given up in time, once for all who wait', async () => {
    let knocks = 0;
    const { shell, clock } = at(
      await listener(() => {
        knocks += 1;
      }),
    );
    const failures = Promise.all(['r1', 'r2', 'r3'].map((id) => failureOf(shell.ask('ovh1', run({}, id)))));
    await vi.waitFor(() => expect(knocks).toBe(1));
    clock.pass(10_000);
    for (const failure of await failures) expect(failure).toMatchObject(notSent);
    expect(knocks).toBe(1);
  });

  test('a web server', async () => {
    const { shell } = at(await listener((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject(notSent);
  });

  test('garbage, and too much of it', async () => {
    const { shell } = at(await listener((socket) => socket.write(Buffer.alloc(1 << 20, 0xff))));
    const failure = failureOf(shell.ask('ovh1', run()));
    expect(await failure).toMatchObject(notSent);
  });

  test('giving up on close waits for nobody', async () => {
    let knocks = 0;
    const { shell } = at(
      await listener(() => {
        knocks += 1;
      }),
    );
    const failure = failureOf(shell.ask('ovh1', run()));
    await vi.waitFor(() => expect(knocks).toBe(1));
    await shell.close();
    expect(await failure).toMatchObject({ sent: 'no' });
  });
});
