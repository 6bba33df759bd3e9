import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Failure } from '../src/contracts/failure.ts';
import { type Behaviour, type Call, complain, startShellServer, tell } from './shell-server.ts';
import { botKey, failureOf, openTo, probe, run } from './shell-world.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** What a request fails with when the node behaves like this. */
async function outcome(
  behaviour: Behaviour,
  request: typeof probe | typeof run = run,
  bytes = 10_000,
): Promise<Failure> {
  const server = await startShellServer({ authorized: botKey.public, behaviour });
  open.push(server);
  const { shell } = openTo(server);
  open.push(shell);
  return failureOf(shell.ask('ovh1', request(), { bytes }));
}

const doubt = { kind: 'in-doubt', sent: 'unknown' };
const fine = JSON.stringify({ v: 1, ok: true, id: 'r1', result: {} });

describe('an answer that is none leaves a doubt', () => {
  // biome-ignore format: this is a table
  const broken: readonly (readonly [string, string | Buffer, number])[] = [
    ['nothing',                    '',                                                      0],
    ['no JSON',                    'Welcome to ovh1!\n',                                    0],
    ['a login message before it',  `Welcome!\n${fine}`,                                     0],
    ['half of it',                 fine.slice(0, -3),                                       0],
    ['two of them',                `${fine}\n${fine}`,                                      0],
    ['a list',                     '[]',                                                    0],
    ['nothing said',               '{}',                                                    0],
    ['another version',            fine.replace('"v":1', '"v":2'),                          0],
    ['another request',            fine.replace('r1', 'r2'),                                0],
    ['no id',                      fine.replace('"id":"r1",', ''),                          0],
    ['no result',                  JSON.stringify({ v: 1, ok: true, id: 'r1' }),            0],
    ['good, with a bad code',      fine,                                                    3],
    ['bad, with a good code',      JSON.stringify(fault('conflict')),                       0],
    ['an unknown kind',            JSON.stringify(fault('odd')),                            3],
    ['no UTF-8',                   Buffer.from(fine.replace('{}', '"\u00ff"'), 'latin1'),   0],
    ['too deep',                   fine.replace('{}', `${'['.repeat(64)}${']'.repeat(64)}`), 0],
    ['very deep',                  '['.repeat(9_000),                                       0],
    ['a crash',                    '',                                                      255],
    ['the node\'s time limit',     '',                                                      124],
    ['the node\'s hard end',       '',                                                      137],
  ];
  test.each(broken)('%s', async (_, text, code) => {
    expect(await outcome((call) => tell(call, text, code))).toMatchObject(doubt);
  });

  test('a signal', async () => {
    const killed = (call: Call) => {
      (call.channel as unknown as { exit(signal: string): void }).exit('KILL');
      call.channel.end();
    };
    const failure = await outcome(killed);
    expect(failure).toMatchObject(doubt);
    expect(failure.why).toContain('SIGKILL');
  });

  test('but only where something may have been changed', async () => {
    const looked = await outcome((call) => tell(call, '', 255), probe);
    expect(looked).toMatchObject({ kind: 'unavailable', sent: 'unknown' });
  });
});

function fault(kind: string, why = 'because', id: string | undefined = 'r1') {
  return { v: 1, ok: false, id, error: { kind, what: 'nothing was done', why, next: 'do this' } };
}

describe('what the helper itself refuses', () => {
  test.each(['bad-input', 'not-found', 'forbidden', 'conflict', 'unavailable', 'refused', 'changed'])(
    '%s is told in its words, and certain',
    async (kind) => {
      expect(await outcome((call) => tell(call, JSON.stringify(fault(kind)), 5))).toEqual({
        kind,
        what: 'ovh1: nothing was done',
        why: 'because',
        next: 'do this',
        sent: 'refused',
      });
    },
  );

  test('a request it could not read has no id', async () => {
    const failure = await outcome((call) => tell(call, JSON.stringify(fault('bad-input', 'x', undefined)), 2));
    expect(failure).toMatchObject({ kind: 'bad-input', sent: 'refused' });
  });

  test.each(['in-doubt', 'internal'])('%s is a doubt', async (kind) => {
    expect(await outcome((call) => tell(call, JSON.stringify(fault(kind)), 9))).toMatchObject({
      ...doubt,
      next: 'do this',
    });
  });

  test('its words are made visible and cut', async () => {
    const nasty = `${'\u202e'.repeat(3)}<!channel>\n\u0007${'x'.repeat(3000)}`;
    const { why } = await outcome((call) => tell(call, JSON.stringify(fault('conflict', nasty)), 5));
    expect(why.length).toBeLessThanOrEqual(500);
    expect(why).toContain('\\u{202E}');
    expect(why).not.toMatch(/[\u0000-\u001f\u202e]/);
  });
});

describe('a helper that never started', () => {
  const start = (text: string, code: number) => outcome((call) => complain(call, text, code));
  const sudo = 'sudo: /usr/local/sbin/bascule-node: command not found\n';

  test.each([
    ['missing', sudo, 1],
    ['with perl missing', 'sudo: unable to execute /usr/local/sbin/bascule-node: No such file or directory\n', 1],
    ['behind a warning', `sudo: unable to resolve host ovh1: Name or service not known\n${sudo}`, 1],
    ['without sudo', 'timeout: failed to run command ‘sudo’: No such file or directory\n', 127],
    ['without timeout', "env: 'timeout': No such file or directory\n", 127],
    ['without anything', 'sh: 1: env: not found\n', 127],
    ['under bash', 'bash: line 1: env: command not found\n', 127],
  ])('%s: it is certain, and setup is named', async (_, text, code) => {
    const failure = await start(text, code);
    expect(failure).toMatchObject({ kind: 'unavailable', sent: 'refused' });
    expect(failure.next).toContain('bascule setup node');
  });

  test.each([
    ['sudo: a password is required\n'],
    ['sudo: a terminal is required to read the password; either use the -S option\nsudo: a password is required\n'],
    ["Sorry, user bascule is not allowed to execute '/usr/local/sbin/bascule-node' as root on ovh1.\n"],
    ['bascule is not in the sudoers file.\nThis incident has been reported to the administrator.\n'],
    ['Sorry, user bascule may not run sudo on ovh1.\n'],
    ['sudo: sorry, you must have a tty to run sudo\n'],
  ])('sudo refused: %s', async (text) => {
    expect(await start(text, 1)).toMatchObject({ kind: 'no-privilege', sent: 'refused' });
  });

  test('sudo refused before the request was read, in the same packet as the channel: it is as certain', async () => {
    const server = await startShellServer({
      authorized: botKey.public,
      hasty: (channel) => {
        channel.stderr.write('sudo: a password is required\n');
        channel.exit(1);
        channel.end();
      },
    });
    open.push(server);
    const { shell } = openTo(server);
    open.push(shell);
    for (let tries = 0; tries < 20; tries += 1)
      expect(await failureOf(shell.ask('ovh1', run()))).toMatchObject({ kind: 'no-privilege', sent: 'refused' });
  });

  test('a warning of sudo alone proves nothing', async () => {
    expect(await start('sudo: unable to resolve host ovh1: Name or service not known\n', 1)).toMatchObject(doubt);
  });

  test('words of sudo behind an answer prove nothing', async () => {
    const both = (call: Call) => {
      call.channel.write('{"v":1');
      complain(call, sudo, 1);
    };
    expect(await outcome(both)).toMatchObject(doubt);
  });

  const recordings = new URL('../../shared/node/ssh/', import.meta.url);
  const recorded = existsSync(recordings);
  if (!recorded) console.log('recordings of OpenSSH and sudo are not there: skipped');
  test.skipIf(!recorded)('what sudo 1.9.13 was recorded to say is understood', async () => {
    for (const name of ['sudo-refused.txt', 'sudo-refused-shell.txt', 'sudo-regex-refused.txt']) {
      const text = readFileSync(new URL(name, recordings), 'utf8');
      const stderr = text.split('## stderr\n')[1]!.split('## sshd log')[0]!;
      expect(stderr, name).toContain('sudo');
      expect(await start(stderr, 1), name).toMatchObject({ kind: 'no-privilege', sent: 'refused' });
    }
  });
});

describe('too much', () => {
  const flood = (stream: (call: Call) => NodeJS.WritableStream) => (call: Call) => {
    const out = stream(call);
    const block = Buffer.alloc(64 * 1024, 'x');
    let hungUp = false;
    call.channel.on('close', () => {
      hungUp = true;
    });
    const pour = () => {
      if (hungUp) return;
      out.write(block);
      setImmediate(pour);
    };
    pour();
  };

  test('a flood of output is cut off, and the next request is served', async () => {
    let floods = true;
    const behaviour = flood((call) => call.channel);
    const server = await startShellServer({
      authorized: botKey.public,
      behaviour: (call) => (floods ? behaviour(call) : tell(call, fine, 0)),
    });
    open.push(server);
    const { shell } = openTo(server);
    open.push(shell);
    expect(await failureOf(shell.ask('ovh1', run(), { bytes: 1_000_000 }))).toMatchObject(doubt);
    floods = false;
    expect(await shell.ask('ovh1', run())).toEqual({});
    expect(server.logins).toBe(1);
  });

  test('a flood of complaints too', async () => {
    expect(await outcome(flood((call) => call.channel.stderr))).toMatchObject(doubt);
  });

  test('one byte more than allowed is too much, exactly as many is not', async () => {
    const exact = JSON.stringify({ v: 1, ok: true, id: 'r1', result: 'x'.repeat(500) });
    const server = await startShellServer({ authorized: botKey.public, behaviour: (call) => tell(call, exact, 0) });
    open.push(server);
    const { shell } = openTo(server);
    open.push(shell);
    expect(await shell.ask('ovh1', run(), { bytes: exact.length })).toHaveLength(500);
    expect(await failureOf(shell.ask('ovh1', run(), { bytes: exact.length - 1 }))).toMatchObject(doubt);
  });

  test('what is on standard error is shown in part only', async () => {
    const failure = await outcome((call) => complain(call, `\u001b[31m${'no '.repeat(2000)}`, 9));
    expect(failure.why.length).toBeLessThan(600);
    expect(failure.why).not.toContain('\u001b');
  });
});
