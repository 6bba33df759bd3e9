import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { describe, expect, test, vi } from 'vitest';
import { answer, type Call, newKey, type ShellServerOptions } from './shell-server.ts';
import { botKey, failureOf, nodesAndShells, run } from './shell-world.ts';

const { open, node, to } = nodesAndShells();

const doubt = { kind: 'in-doubt', sent: 'unknown' };
const notSent = { kind: 'unavailable', sent: 'no' };

describe('through a jump host', () => {
  async function behind(more: Partial<ShellServerOptions> = {}, gateMore: Partial<ShellServerOptions> = {}) {
    const gate = await node({ user: 'jump', forwards: true, ...gateMore });
    const target = await node(more);
    const jump = { host: '127.0.0.1', port: gate.port, user: 'jump', hostKeys: [gate.hostKey] };
    return { gate, target, ...to(target, { jump }) };
  }

  test('one connection to it serves, and the node’s own key is still checked', async () => {
    const { shell, gate, target } = await behind();
    expect(await Promise.all([1, 2, 3].map((n) => shell.ask('ovh1', run({ n }, `r${n}`))))).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ]);
    expect([gate.logins, target.logins, gate.calls.length]).toEqual([1, 1, 0]);
  });

  test('another host key of the jump host stops before it', async () => {
    const gate = await node({ user: 'jump', forwards: true });
    const target = await node();
    const hostKeys = [`SHA256:${'A'.repeat(43)}`];
    const { shell } = to(target, { jump: { host: '127.0.0.1', port: gate.port, user: 'jump', hostKeys } });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure).toMatchObject(notSent);
    expect(failure.why).toContain(gate.hostKey);
    expect([gate.logins, target.knocks]).toEqual([0, 0]);
  });

  test('another host key behind it stops there', async () => {
    const gate = await node({ user: 'jump', forwards: true });
    const target = await node();
    const jump = { host: '127.0.0.1', port: gate.port, user: 'jump', hostKeys: [gate.hostKey] };
    const { shell } = to({ port: target.port, hostKey: gate.hostKey }, { jump });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure.why).toContain(target.hostKey);
    expect(target.logins).toBe(0);
  });

  test('one that forwards nothing is told as such', async () => {
    const { shell, target } = await behind({}, { forwards: false });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure).toMatchObject(notSent);
    expect(failure.why).toContain('jump host');
    expect(target.knocks).toBe(0);
  });

  test('that dies under a command leaves a doubt, and is dialled again', async () => {
    const held: Call[] = [];
    const { shell, gate } = await behind({
      behaviour: (call) => (held.length === 0 ? held.push(call) : answer(call, 'ok')),
    });
    const failure = failureOf(shell.ask('ovh1', run()));
    await vi.waitFor(() => expect(held).toHaveLength(1));
    gate.cut();
    expect(await failure).toMatchObject(doubt);
    expect(await shell.ask('ovh1', run())).toBe('ok');
    expect(gate.logins).toBe(2);
  });
});

describe('an agent', () => {
  /** An agent on a socket that holds these keys. */
  async function agent(...keys: readonly string[]): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'bascule-agent-'));
    const path = join(folder, 'agent');
    const parsed = keys.map((key) => ssh2.utils.parseKey(key) as ssh2.ParsedKey);
    const server = createServer((socket) => {
      const protocol = new ssh2.AgentProtocol(false);
      protocol.on('identities', (request) => protocol.getIdentitiesReply(request, [...parsed]));
      protocol.on('sign', (request, wanted, data, options) => {
        const key = parsed.find((one) => one.getPublicSSH().equals((wanted as ssh2.ParsedKey).getPublicSSH()));
        protocol.signReply(request, key!.sign(data, options.hash));
      });
      socket.pipe(protocol).pipe(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    open.push(() => {
      server.close();
      rmSync(folder, { recursive: true });
    });
    return path;
  }

  test('signs for us, and the key never comes here', async () => {
    const server = await node();
    const { shell } = to(server, { agent: await agent(newKey().private, botKey.private) });
    expect(await shell.ask('ovh1', run({ n: 1 }))).toEqual({ n: 1 });
  });

  test('that is not there is told as such', async () => {
    const server = await node();
    const failure = await failureOf(to(server, { agent: '/nowhere/agent' }).shell.ask('ovh1', run()));
    expect(failure).toMatchObject({ sent: 'no' });
  });

  test('without the right key lets nobody in', async () => {
    const server = await node();
    const { shell } = to(server, { agent: await agent(newKey().private) });
    expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject({ kind: 'no-privilege', sent: 'no' });
  });
});
