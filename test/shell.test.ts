import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { COMMAND, openShell, type ShellOptions } from '../adapters/shell/index.ts';
import {
  answer,
  type Behaviour,
  type Call,
  newKey,
  type ShellServer,
  type ShellServerOptions,
  startShellServer,
} from './shell-server.ts';
import { botKey, failureOf, type Opened, openTo, probe, run, turnedClock } from './shell-world.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function node(more: Partial<ShellServerOptions> = {}): Promise<ShellServer> {
  const server = await startShellServer({ authorized: botKey.public, ...more });
  open.push(server);
  return server;
}

function to(server: ShellServer, more: Partial<ShellOptions> = {}): Opened {
  const opened = openTo(server, more);
  open.push(opened.shell);
  return opened;
}

/** Calls wait until the test answers them. */
function holding(): { behaviour: Behaviour; held: Call[] } {
  const held: Call[] = [];
  return { held, behaviour: (call) => held.push(call) };
}

describe('requests and answers', () => {
  test('a request travels as one line of JSON, and the command line is the same whatever is asked', async () => {
    const server = await node();
    const { shell } = to(server);
    const hostile = { path: `'; touch /tmp/x; $(id) \`id\`\n"\\ \u202e\u0000 ünï`, list: ['--', '-rf', ''] };
    expect(await shell.ask('ovh1', run(hostile))).toEqual(hostile);
    const [call] = server.calls;
    expect(call!.original).toBe(COMMAND);
    expect(call!.original).toBe('env LC_ALL=C timeout -k 10 3600 sudo -n /usr/local/sbin/bascule-node');
    expect(call!.stdin.indexOf('\n')).toBe(call!.stdin.length - 1);
    expect(call!.request).toEqual({ v: 1, id: 'r1', verb: 'user.create', mode: 'run', args: hostile });
  });

  test('a long answer arrives whole, wherever it was cut into packets', async () => {
    const text = 'aé中😀'.repeat(60_000);
    const server = await node({ behaviour: (call) => answer(call, { text }) });
    expect(await to(server).shell.ask('ovh1', run())).toEqual({ text });
  });

  test('one connection serves all, at most four at once, and nobody is forgotten', async () => {
    const { behaviour, held } = holding();
    const server = await node({ behaviour });
    const { shell } = to(server);
    const answers = Promise.all(Array.from({ length: 40 }, (_, n) => shell.ask('ovh1', probe({ n }, `p${n}`))));
    for (let done = 0; done < 40; done += 1) {
      await vi.waitFor(() => expect(held.length).toBeGreaterThan(0));
      const call = held.shift()!;
      answer(call, call.request.args);
    }
    expect(await answers).toEqual(Array.from({ length: 40 }, (_, n) => ({ n })));
    expect(server.peak).toBe(4);
    expect(server.logins).toBe(1);
  });

  test('long work leaves one channel free for looking', async () => {
    const { behaviour, held } = holding();
    const server = await node({ behaviour });
    const { shell } = to(server);
    const work = Promise.all([1, 2, 3, 4, 5].map((n) => shell.ask('ovh1', run({}, `r${n}`))));
    await vi.waitFor(() => expect(held.length).toBe(3));
    const look = shell.ask('ovh1', probe({}, 'look'));
    await vi.waitFor(() => expect(held.length).toBe(4));
    expect(held.map((call) => call.request.id)).toEqual(['r1', 'r2', 'r3', 'look']);
    answer(held[3]!, 'seen');
    expect(await look).toBe('seen');
    for (let n = 0; n < 6; n += 1) {
      if (n === 3) continue;
      await vi.waitFor(() => expect(held.length).toBeGreaterThan(n));
      answer(held[n]!, n);
    }
    expect(await work).toHaveLength(5);
  });

  test('waiting for a channel has an end, and then nothing was sent', async () => {
    const { behaviour, held } = holding();
    const server = await node({ behaviour });
    const { shell, clock } = to(server);
    const work = [1, 2, 3].map((n) => shell.ask('ovh1', run({}, `r${n}`), { seconds: 600 }));
    await vi.waitFor(() => expect(held.length).toBe(3));
    const fourth = shell.ask('ovh1', run({}, 'r4'));
    clock.pass(60_000);
    expect(await failureOf(fourth)).toMatchObject({ kind: 'unavailable', sent: 'no' });
    for (const call of held) answer(call, 'done');
    expect(await Promise.all(work)).toEqual(['done', 'done', 'done']);
    expect(server.calls).toHaveLength(3);
  });

  test('what cannot be asked is refused before anything is sent', async () => {
    const server = await node();
    const { shell } = to(server);
    const refusals = await Promise.all([
      failureOf(shell.ask('ovh1', { ...run(), verb: 'rm -rf /' })),
      failureOf(shell.ask('ovh1', { ...run(), id: 'a\nb' })),
      failureOf(shell.ask('ovh1', run({ text: 'x'.repeat(256 * 1024) }))),
      failureOf(shell.ask('ovh1', run(), { seconds: 4000 })),
      failureOf(shell.ask('ovh1', run(), { seconds: Number.NaN })),
      failureOf(shell.ask('ovh1', run(), { bytes: 0 })),
    ]);
    for (const refusal of refusals) expect(refusal).toMatchObject({ kind: 'bad-input', sent: 'no' });
    expect(await failureOf(shell.ask('ovh9', run()))).toMatchObject({ kind: 'not-found', sent: 'no' });
    expect(await failureOf(shell.ask('constructor', run()))).toMatchObject({ kind: 'not-found' });
    expect([shell.has('ovh1'), shell.has('constructor'), shell.has('')]).toEqual([true, false, false]);
    expect(server.knocks).toBe(0);
  });
});

describe('options that cannot be right', () => {
  const good = {
    nodes: { ovh1: { host: '10.0.0.1', hostKeys: [`SHA256:${'a'.repeat(43)}`] } },
    user: 'bascule',
    key: botKey.private,
    clock: turnedClock(),
    log: { info() {}, warn() {}, error() {} },
  };
  const withHost = (host: object) => ({ ...good, nodes: { ovh1: { ...good.nodes.ovh1, ...host } } });
  test.each([
    ['no pinned host key', withHost({ hostKeys: [] })],
    ['a host key that is no fingerprint', withHost({ hostKeys: ['ssh-ed25519 AAAA'] })],
    ['an MD5 fingerprint', withHost({ hostKeys: [`MD5:${'aa:'.repeat(16)}`] })],
    ['an address that is an option', withHost({ host: '-oProxyCommand=id' })],
    ['a port out of range', withHost({ port: 70_000 })],
    ['a user with a blank', { ...good, user: 'ba scule' }],
    ['neither key nor agent', { ...good, key: undefined }],
    ['key and agent', { ...good, agent: '/run/agent' }],
    ['a path where the key should be', { ...good, key: '/etc/bascule/id_ed25519' }],
    ['a sum that is none', { ...good, sha256: 'abc' }],
    ['a jump host without key', { ...good, jump: { host: 'gate', user: 'jump', hostKeys: [] } }],
  ])('%s', async (_, options) => {
    const failure = await failureOf((async () => openShell(options))());
    expect(failure.kind).toBe('bad-input');
    expect(JSON.stringify(failure)).not.toContain('PRIVATE');
  });

  test('a key that cannot be read is told without showing it', async () => {
    const server = await node();
    const { shell } = to(server, { key: botKey.private.replace(/\n.{8}/, '\nAAAAAAAA') });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure).toMatchObject({ kind: 'bad-input', sent: 'no' });
    expect(JSON.stringify(failure)).not.toContain(botKey.private.slice(60, 90));
  });
});

describe('the helper on the node', () => {
  const sum = 'a'.repeat(64);
  const says = (sha256: string): Behaviour => {
    return (call) => answer(call, call.request.verb === 'hello' ? { version: '1.0.0', sha256 } : 'done');
  };

  test('says what it is', async () => {
    const server = await node({ behaviour: says(sum) });
    expect(await to(server).shell.hello('ovh1')).toMatchObject({ version: '1.0.0', sha256: sum, verbs: [] });
  });

  test('is looked at once for each connection, before the first request', async () => {
    const server = await node({ behaviour: says(sum) });
    const { shell } = to(server, { sha256: sum });
    await Promise.all([1, 2, 3, 4, 5, 6].map((n) => shell.ask('ovh1', run({}, `r${n}`))));
    const verbs = () => server.calls.map((call) => call.request.verb);
    expect(verbs().filter((verb) => verb === 'hello')).toHaveLength(1);
    expect(verbs()[0]).toBe('hello');
    server.cut();
    expect(await shell.ask('ovh1', run())).toBe('done');
    expect(verbs().filter((verb) => verb === 'hello')).toHaveLength(2);
  });

  test('altered, it gets no request until it is the expected one again', async () => {
    let sha256 = 'b'.repeat(64);
    const server = await node({ behaviour: (call) => says(sha256)(call) });
    const { shell } = to(server, { sha256: sum });
    const failure = await failureOf(shell.ask('ovh1', run()));
    expect(failure).toMatchObject({ kind: 'unavailable', sent: 'no' });
    expect(failure.why).toContain(sum);
    expect(failure.why).toContain(sha256);
    expect(failure.next).toContain('bascule setup node');
    expect((await shell.hello('ovh1')).sha256).toBe(sha256);
    sha256 = sum;
    expect(await shell.ask('ovh1', run())).toBe('done');
  });

  test('that does not say what it is gets no request', async () => {
    const server = await node({ behaviour: (call) => answer(call, { version: 1 }) });
    const { shell } = to(server, { sha256: sum });
    expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject({ kind: 'unavailable', sent: 'no' });
    expect(server.calls.map((call) => call.request.verb)).toEqual(['hello']);
  });
});

test('all of it works without the native parts of ssh2', () => {
  const noNative = 'data:text/javascript,process.dlopen = () => { throw new Error("no native parts here"); };';
  const script = `
    import { startShellServer } from './test/shell-server.ts';
    import { openTo, botKey, run } from './test/shell-world.ts';
    const server = await startShellServer({ authorized: botKey.public });
    const { shell } = openTo(server);
    console.log(JSON.stringify(await shell.ask('ovh1', run({ n: 1 }))));
    await shell.close();
    await server.close();`;
  const args = ['--import', noNative, '--input-type=module', '-e', script];
  const root = new URL('..', import.meta.url).pathname;
  expect(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }).trim()).toBe('{"n":1}');
});

describe('who we are', () => {
  test('a key the node does not know is told as such, and that the reason is in its log', async () => {
    const server = await node({ authorized: newKey().public });
    const failure = await failureOf(to(server).shell.ask('ovh1', run()));
    expect(failure).toMatchObject({ kind: 'no-privilege', sent: 'no' });
    expect(failure.next).toContain('journalctl');
  });
});
