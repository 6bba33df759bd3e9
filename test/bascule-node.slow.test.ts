import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeProgram, nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { hostileRequests } from './bascule-node/hostile.ts';
import { ALL_VERBS, type NodeWorld, OPEN_CONFIG, openNode } from './bascule-node/world.ts';

/** What the node's own program takes, refuses and tells, before any verb does anything. */
let node: NodeWorld;
beforeEach(() => {
  node = openNode();
});
afterEach(() => node.remove());

const hello = { v: 1, id: 'run-1', verb: 'hello', mode: 'run', args: {} };

describe('a request', () => {
  test('hello says who is there, with the SHA-256 that the set-up prints', async () => {
    const { code, answer } = await node.call(hello);
    expect(code).toBe(0);
    expect(answer).toMatchObject({ v: 1, id: 'run-1', ok: true });
    expect(answer.result.sha256).toBe(nodeProgramSha256());
    expect(answer.result.verbs).toEqual([...ALL_VERBS].sort());
    expect(answer.result.known).toEqual([...ALL_VERBS].sort());
    expect(answer.result.vmids).toEqual(['100-199']);
  });

  test('the README names every verb there is, and no other', async () => {
    const readme = readFileSync(new URL('../adapters/shell/node/README.md', import.meta.url), 'utf8');
    const named = [...readme.matchAll(/^### `([a-z.]+)`$/gm)].map((match) => match[1]);
    const { answer } = await node.call(hello);
    expect([...named].sort()).toEqual(answer.result.known);
  });

  test.each([
    ['nothing', ''],
    ['no JSON', 'rm -rf /'],
    ['a list', '[]'],
    ['two objects', '{"v":1}{"v":1}'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['a nesting without end', '['.repeat(100_000)],
    ['another version', { ...hello, v: 2 }],
    ['a version in quotes', { ...hello, v: '1' }],
    ['no id', { ...hello, id: undefined }],
    ['an id that would forge a line in syslog', { ...hello, id: 'x\noutcome=ok' }],
    ['an id that is a path', { ...hello, id: '../../etc/passwd' }],
    ['a verb that does not exist', { ...hello, verb: 'ct.destroy' }],
    ['a verb that is the name of a function', { ...hello, verb: 'main' }],
    ['a mode that does not exist', { ...hello, mode: 'force' }],
    ['args that are a list', { ...hello, args: [] }],
    ['no args', { ...hello, args: undefined }],
    ['a field nobody knows', { ...hello, sudo: true }],
    ['an argument nobody knows', { ...hello, args: { vmid: 103 } }],
    ['a vmid in quotes', { ...hello, verb: 'ct.users', args: { vmid: '103' } }],
    ['a vmid with a fraction', { ...hello, verb: 'ct.users', args: { vmid: 103.5 } }],
    ['a vmid below 100', { ...hello, verb: 'ct.users', args: { vmid: 0 } }],
    ['a vmid too large', { ...hello, verb: 'ct.users', args: { vmid: 1e15 } }],
    ['a vmid that is an object', { ...hello, verb: 'ct.users', args: { vmid: { toString: 103 } } }],
    ['no vmid', { ...hello, verb: 'ct.users', args: {} }],
    ['a probe of what changes nothing', { ...hello, mode: 'probe' }],
  ])('with %s is bad input, and runs nothing', async (_, request) => {
    const { code, answer, stderr } = await node.call(request);
    expect(answer.ok).toBe(false);
    expect(answer.error.kind).toBe('bad-input');
    expect(Object.keys(answer.error).sort()).toEqual(['kind', 'next', 'what', 'why']);
    expect(code).toBe(2);
    expect(stderr).toBe('');
    expect(node.calls()).toEqual([]);
  });

  test('larger than 256 KiB is refused without being read to its end', async () => {
    const { code, answer } = await node.call(`{"v":1,"id":"${'x'.repeat(5_000_000)}"}`);
    expect([code, answer.error.kind]).toEqual([2, 'bad-input']);
    expect(answer.error.why).toContain('larger than 262144 bytes');
  });

  test('that never ends is given up', async () => {
    const slow = openNode({ requestWait: 1 });
    const { spawn } = await import('node:child_process');
    const harness = new URL('./bascule-node/harness.pl', import.meta.url).pathname;
    const settings = JSON.stringify({ requestWait: 1, config: join(slow.folder, 'bascule-node.json') });
    const child = spawn('/usr/bin/perl', ['-T', harness, join(slow.folder, 'bascule-node'), settings]);
    child.stdin.write('{"v":1,');
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(2);
    expect(JSON.parse(out).error.why).toContain('did not end in time');
    slow.remove();
  });

  test('takes no arguments', async () => {
    const text = JSON.stringify(hello);
    writeFileSync(join(node.folder, 'request'), text);
    // Run as it is installed: sudoers allows no arguments, and the program itself takes none either.
    const ran = (() => {
      try {
        return execFileSync('/usr/bin/perl', ['-T', join(node.folder, 'bascule-node'), '--help'], { input: text });
      } catch (error) {
        return (error as { stdout: Buffer }).stdout;
      }
    })();
    expect(JSON.parse(String(ran)).error.why).toBe('it takes no arguments');
  });

  test('leaves one line in syslog, also when it is refused, with nothing of the request that was not checked', async () => {
    await node.call(hello);
    await node.call({ ...hello, verb: 'ct.users', args: { vmid: 999 } });
    await node.call('forged id=run-9 outcome=ok');
    expect(node.log().map((line) => line.replace(/ms=\d+/, 'ms=N'))).toEqual([
      'id=run-1 verb=hello mode=run vmid=- user=- outcome=ok ms=N',
      'id=run-1 verb=ct.users mode=run vmid=999 user=- outcome=forbidden ms=N',
      'id=- verb=- mode=- vmid=- user=- outcome=bad-input ms=N',
    ]);
  });
});

describe("the node's own config", () => {
  const why = async (request: object = hello): Promise<string> => {
    const { code, answer } = await node.call(request);
    expect([code, answer.error?.kind]).toEqual([4, 'forbidden']);
    return answer.error.why;
  };

  test('that is missing allows nothing', async () => {
    rmSync(join(node.folder, 'bascule-node.json'));
    expect(await why()).toContain('is missing');
  });

  test('that others may write is not obeyed', async () => {
    chmodSync(join(node.folder, 'bascule-node.json'), 0o666);
    expect(await why()).toContain('can be written by others than root');
    chmodSync(join(node.folder, 'bascule-node.json'), 0o664);
    expect(await why()).toContain('can be written by others than root');
  });

  test('that is a symbolic link is not followed', async () => {
    const file = join(node.folder, 'bascule-node.json');
    writeFileSync(`${file}.real`, JSON.stringify(OPEN_CONFIG));
    rmSync(file);
    symlinkSync(`${file}.real`, file);
    expect(await why()).toContain('cannot be read');
  });

  test('that is a folder is not obeyed', async () => {
    rmSync(join(node.folder, 'bascule-node.json'));
    mkdirSync(join(node.folder, 'bascule-node.json'), { mode: 0o755 });
    expect(await why()).toContain('is not a plain file');
  });

  test.each([
    ['no JSON', 'vmids: all', 'is not a JSON object'],
    ['a setting nobody knows', { ...OPEN_CONFIG, everything: true }, 'a setting nobody knows'],
    ['another version', { ...OPEN_CONFIG, v: 2 }, 'version 1'],
    ['no list of guests', { v: 1, verbs: [] }, 'no list named vmids'],
    ['no list of verbs', { v: 1, vmids: [] }, 'no list named verbs'],
    ['a verb nobody knows', { ...OPEN_CONFIG, verbs: ['hello', 'ct.destroy'] }, 'does not know: ct.destroy'],
    ['a range that is none', { ...OPEN_CONFIG, vmids: ['200-100'] }, 'a range in vmids'],
    ['a star for guests', { ...OPEN_CONFIG, vmids: ['*'] }, 'a range in vmids'],
    ['sudo in words', { ...OPEN_CONFIG, sudo: 'no' }, 'neither true nor false'],
    ['a jump account that is a path', { ...OPEN_CONFIG, jump: ['../root'] }, 'jump'],
  ])('with %s allows nothing', async (_, config, said) => {
    node.allow(config);
    expect(await why()).toContain(said);
  });

  test('limits guests and verbs on the side of the node', async () => {
    node.allow({ v: 1, vmids: [103, '110-112'], verbs: ['hello', 'zfs.snapshots'] });
    const ask = (verb: string, vmid: number) => node.ask(verb, { vmid });
    expect((await ask('zfs.snapshots', 104)).answer.error.why).toBe('this node does not allow guest 104');
    expect((await ask('zfs.snapshots', 113)).answer.error.kind).toBe('forbidden');
    expect((await ask('ct.users', 103)).answer.error.why).toBe('this node does not allow ct.users');
    expect((await ask('zfs.snapshots', 103)).answer.error.kind).not.toBe('forbidden');
    expect((await ask('zfs.snapshots', 111)).answer.error.kind).not.toBe('forbidden');
  });
});

test('hostile requests get an answer each, never reach a shell, and leave nothing behind', async () => {
  node.guest(103, 'hostname: x\nrootfs: local-zfs:subvol-103-disk-0\nunprivileged: 1\n');
  const requests = hostileRequests(4000, 1);
  const answers = await node.many(requests);
  expect(answers).toHaveLength(requests.length);
  for (const { code, answer } of answers) {
    expect([0, 2, 3, 4, 5, 6, 7, 8, 9], JSON.stringify(answer)).toContain(code);
    expect(answer.ok).toBe(code === 0);
  }
  // Many get past the checks, or there would be nothing to see.
  expect(answers.filter(({ code }) => code !== 2).length).toBeGreaterThan(50);
  expect(existsSync('/tmp/bascule-was-here')).toBe(false);
  for (const { argv } of node.calls()) expect(argv.join('\n')).not.toContain('bascule-was-here');
});

test('the program is the same bytes each time, and perl takes it in taint mode without a word', () => {
  const file = join(node.folder, 'bascule-node');
  expect(nodeProgram()).toBe(nodeProgram());
  expect(nodeProgram()).toMatch(/^#!\/usr\/bin\/perl -T\n/);
  const checked = execFileSync('/bin/sh', ['-c', 'perl -wTc "$0" 2>&1', file]);
  expect(String(checked).trim()).toBe(`${file} syntax OK`);
});

test('a value that no check let through cannot reach a command: perl itself refuses', () => {
  const script = `%ENV = (PATH => "/usr/bin"); my ($p) = $ARGV[0] =~ /(.*)/; require $p; my $t = substr(<STDIN>, 0); $main::PROGRAM{pct} = '/bin/true';
    my $r = eval { main::command('pct', ["x$t"]) }; print $r ? ($r->{code} // 'none') . $r->{err} : $@;`;
  const said = execFileSync('/usr/bin/perl', ['-T', '-e', script, join(node.folder, 'bascule-node')], {
    input: 'evil',
  });
  expect(String(said)).toContain('Insecure dependency in exec');
});
