import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answered, type NodeWorld, OPEN_CONFIG, openNode } from './bascule-node/world.ts';

/** Each verb of the node's program against a make-believe container that keeps real files. */
let node: NodeWorld;
beforeEach(() => {
  node = openNode();
  node.guest(103, 'hostname: web\nrootfs: local-zfs:subvol-103-disk-0,size=8G\nunprivileged: 1\n');
  node.write(
    'root/etc/passwd',
    'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nolga:x:1000:1000:Olga:/home/olga:/bin/bash\n',
  );
  node.write('root/etc/shadow', 'root:*:1:0:99999:7:::\nwww-data:*:1:0:99999:7:::\nolga:$y$secret:1:0:99999:7:::\n');
  node.write('root/etc/group', 'root:x:0:\nsudo:x:27:olga\n');
});
afterEach(() => node.remove());

/** `ssh-ed25519 AAAA…` of a new key. */
function key(type: 'ed25519' | 'rsa' = 'ed25519', bits = 2048): string {
  const text = (value: string | Buffer): Buffer => {
    const body = Buffer.from(value as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, body]);
  };
  const pair = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519');
  const jwk = pair.publicKey.export({ format: 'jwk' });
  const number = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'base64url');
    return bytes[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
  };
  const blob =
    type === 'rsa'
      ? Buffer.concat([text('ssh-rsa'), text(number(jwk.e!)), text(number(jwk.n!))])
      : Buffer.concat([text('ssh-ed25519'), text(Buffer.from(jwk.x!, 'base64url'))]);
  return `ssh-${type} ${blob.toString('base64')}`;
}

const expectKind = (answered: Answered, kind: string): string => {
  expect(answered.answer.ok, JSON.stringify(answered.answer)).toBe(false);
  expect(answered.answer.error.kind).toBe(kind);
  return answered.answer.error.why;
};
const result = async (verb: string, args: object, mode = 'run') => {
  const { answer } = await node.ask(verb, args, mode);
  expect(answer.error).toBeUndefined();
  return answer.result;
};
const MARKER = 'bascule:run-1';
const LEASE = 'expiry-time="20261121T0000Z"'.replace('T', '');

describe('commands', () => {
  test('see none of the caller’s environment', async () => {
    await result('ct.users', { vmid: 103 });
    for (const { env } of node.calls()) expect(Object.keys(env).sort()).toEqual(['LANG', 'LC_ALL', 'PATH']);
  });

  test('run inside with a time limit of their own and without the node’s environment', async () => {
    await result('ct.users', { vmid: 103 });
    for (const { argv } of node.calls())
      expect(argv.slice(0, 8)).toEqual(['exec', '103', '--keep-env', '0', '--', 'timeout', '-k', '5']);
  });

  test('that say too much are ended', async () => {
    node.remove();
    node = openNode({ output: 1000 });
    node.guest(103, 'hostname: web\n');
    node.write('root/etc/passwd', 'x'.repeat(100_000));
    node.write('root/etc/shadow', '');
    node.write('root/etc/group', '');
    expect(expectKind(await node.ask('ct.users', { vmid: 103 }), 'refused')).toContain('printed too much');
  });

  test('that hang are ended with everything they started', async () => {
    node.remove();
    node = openNode({ wait: -9 });
    node.guest(103, 'hostname: web\n');
    writeFileSync(join(node.folder, 'pct'), '#!/bin/sh\nsleep 300 & echo $! > "$(dirname "$0")/pid"; wait\n', {
      mode: 0o755,
    });
    expect(expectKind(await node.ask('ct.users', { vmid: 103 }), 'refused')).toContain('took too long');
    const pid = Number(node.read('pid'));
    const state = (): string => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]![0]!;
      } catch {
        return 'gone';
      }
    };
    // An orphan that init has not collected yet is as dead as one that is gone.
    await expect.poll(state, { timeout: 5000 }).toMatch(/^(Z|X|gone)$/);
  });

  test('answer with escaped control characters only', async () => {
    node.write('root/etc/passwd', 'olga:x:1000:1000:\u001b[31mred\u202e\u0007:/home/olga:/bin/bash\n');
    const { users } = await result('ct.users', { vmid: 103 });
    expect(users[0].note).toBe('\\x1b[31mred\u202e\\x07');
  });
});

describe('ct.users', () => {
  test('tells people, and whoever else has keys, with fingerprints as ssh-keygen prints them', async () => {
    const mine = key();
    const rsa = key('rsa');
    node.write(
      'root/home/olga/.ssh/authorized_keys',
      `# a comment\n\n${mine} olga@laptop\nfrom="10.0.0.0/8, 10.1.1.1",command="echo \\"a b\\"" ${rsa} with blanks\n${LEASE},restrict ${mine} ${MARKER} note\nnot a key\n`,
    );
    const { users } = await result('ct.users', { vmid: 103 });
    expect(users.map((user: { name: string }) => user.name)).toEqual(['olga']);
    const [olga] = users;
    expect(olga).toMatchObject({ uid: 1000, sudo: true, locked: false, ours: false, shell: '/bin/bash', troubles: [] });
    const printed = (line: string): string =>
      String(execFileSync('ssh-keygen', ['-lf', '-'], { input: line })).split(' ')[1]!;
    expect(olga.keys.map((found: { fingerprint?: string }) => found.fingerprint)).toEqual([
      printed(mine),
      printed(rsa),
      printed(mine),
      undefined,
    ]);
    expect(olga.keys.map((found: { ours: boolean }) => found.ours)).toEqual([false, false, true, false]);
    expect(olga.keys[1]).toMatchObject({
      line: 4,
      type: 'ssh-rsa',
      comment: 'with blanks',
      options: 'from="10.0.0.0/8, 10.1.1.1",command="echo \\"a b\\""',
    });
    expect(olga.keys[3]).toMatchObject({ line: 6, unreadable: 'not a key' });
    expect(JSON.stringify(users)).not.toContain('secret');
  });

  test('of a stopped container is a conflict, of one elsewhere not found', async () => {
    node.write('state', 'STOPPED\n');
    expect(expectKind(await node.ask('ct.users', { vmid: 103 }), 'conflict')).toBe('it is stopped');
    expect(expectKind(await node.ask('ct.users', { vmid: 104 }), 'not-found')).toBe('it is not on this node');
  });

  test('says so when a container cannot run what is needed', async () => {
    node.write('broken-cat', '');
    expect(expectKind(await node.ask('ct.users', { vmid: 103 }), 'unavailable')).toContain('has no cat');
  });
});

describe('ct.user.ensure and ct.user.remove', () => {
  const alice = { vmid: 103, user: 'alice', sudo: true, marker: MARKER };

  test('make an account with no password, once, and a probe knows it for ours', async () => {
    expect(await result('ct.user.ensure', alice, 'probe')).toMatchObject({ state: 'absent' });
    expect(await result('ct.user.ensure', alice)).toMatchObject({ made: true, changed: true, sudo: true });
    expect(node.read('root/etc/passwd')).toMatch(/^alice:x:\d+:\d+:bascule=run-1:\/home\/alice:\/bin\/sh$/m);
    expect(node.calls().flatMap(({ argv }) => argv)).toContain('*');
    expect(node.read('root/etc/sudoers.d/bascule-alice')).toBe('alice ALL=(ALL:ALL) NOPASSWD: ALL\n');
    expect(statSync(node.inside('etc/sudoers.d/bascule-alice')).mode & 0o777).toBe(0o440);
    expect(await result('ct.user.ensure', alice)).toMatchObject({ made: false, changed: false });
    expect(await result('ct.user.ensure', { ...alice, marker: 'bascule:run-2' }, 'probe')).toMatchObject({
      state: 'already',
    });
  });

  test('take sudo away again', async () => {
    await result('ct.user.ensure', alice);
    expect(await result('ct.user.ensure', { ...alice, sudo: false }, 'probe')).toMatchObject({ state: 'partial' });
    expect(await result('ct.user.ensure', { ...alice, sudo: false })).toMatchObject({ changed: true, sudo: false });
    expect(existsSync(node.inside('etc/sudoers.d/bascule-alice'))).toBe(false);
  });

  test('give no sudo where the node does not allow it', async () => {
    node.allow({ ...OPEN_CONFIG, sudo: false });
    expect(expectKind(await node.ask('ct.user.ensure', alice), 'forbidden')).toContain('does not allow sudo');
    expect(node.read('root/etc/passwd')).not.toContain('alice');
  });

  test('leave accounts alone that somebody else made, unless adopted, and those of the system always', async () => {
    const olga = { ...alice, user: 'olga', sudo: false };
    expectKind(await node.ask('ct.user.ensure', olga), 'conflict');
    expectKind(await node.ask('ct.user.remove', { vmid: 103, user: 'olga', home: 'keep' }), 'conflict');
    expect(await result('ct.user.ensure', { ...olga, adopt: true })).toMatchObject({ made: false });
    for (const user of ['root', 'www-data']) {
      expectKind(await node.ask('ct.user.ensure', { ...olga, user, adopt: true }), 'forbidden');
      expectKind(await node.ask('ct.user.remove', { vmid: 103, user, home: 'remove', adopt: true }), 'forbidden');
    }
  });

  test('a dry run writes down every command and runs none that changes', async () => {
    const { would } = await result('ct.user.ensure', alice, 'dry-run');
    expect(would.map((step: { command: string[] }) => step.command.slice(0, 2))).toEqual([
      ['CT 103:', 'useradd'],
      ['CT 103:', 'rm'],
      ['CT 103:', 'dd'],
      ['CT 103:', 'chmod'],
      ['CT 103:', 'mv'],
    ]);
    expect(node.read('root/etc/passwd')).not.toContain('alice');
  });

  test('remove an account of ours with its sudo line, and removing it twice is no failure', async () => {
    await result('ct.user.ensure', alice);
    expect(await result('ct.user.remove', { vmid: 103, user: 'alice', home: 'remove' }, 'probe')).toMatchObject({
      state: 'absent',
    });
    expect(await result('ct.user.remove', { vmid: 103, user: 'alice', home: 'remove' })).toMatchObject({
      removed: true,
    });
    expect(node.read('root/etc/passwd')).not.toContain('alice');
    expect(existsSync(node.inside('etc/sudoers.d/bascule-alice'))).toBe(false);
    expect(await result('ct.user.remove', { vmid: 103, user: 'alice', home: 'remove' })).toMatchObject({
      changed: false,
    });
    expect(await result('ct.user.remove', { vmid: 103, user: 'alice', home: 'remove' }, 'probe')).toMatchObject({
      state: 'already',
    });
  });
});

describe('ct.keys.set', () => {
  const file = 'root/home/olga/.ssh/authorized_keys';
  const set = (lines: string[], mode = 'run', marker = MARKER) =>
    node.ask('ct.keys.set', { vmid: 103, user: 'olga', marker, lines }, mode);

  test('replaces only its own lines; foreign ones stay byte for byte', async () => {
    const foreign = `# mine\n  ${key()} bascule:run-1x \n\tbroken line\r\n${key()} olga, no newline`;
    node.write(file, foreign);
    const [first, second] = [key(), key()];
    expect((await set([`restrict,pty,${LEASE} ${first} ${MARKER}`])).answer.result).toMatchObject({
      changed: true,
      lines: 1,
    });
    expect(node.read(file)).toBe(`${foreign}\nrestrict,pty,${LEASE} ${first} ${MARKER}\n`);
    expect((await set([`${second} ${MARKER}`])).answer.result).toMatchObject({ changed: true, replaced: 1 });
    expect(node.read(file)).toBe(`${foreign}\n${second} ${MARKER}\n`);
    expect((await set([`${second} ${MARKER}`])).answer.result).toMatchObject({ changed: false });
    expect((await set([])).answer.result).toMatchObject({ changed: true, lines: 0 });
    expect(node.read(file)).toBe(`${foreign}\n`);
    expect(statSync(node.inside('home/olga/.ssh/authorized_keys')).mode & 0o777).toBe(0o600);
    expect(readdirSync(node.inside('home/olga/.ssh'))).toEqual(['authorized_keys']);
  });

  test('probes as absent, partial, done, and already when nothing is to be there', async () => {
    const [first, second] = [`${key()} ${MARKER}`, `${key()} ${MARKER}`];
    const state = async (lines: string[]) => (await set(lines, 'probe')).answer.result.state;
    expect(await state([first, second])).toBe('absent');
    expect(await state([])).toBe('already');
    await set([first]);
    expect(await state([first, second])).toBe('partial');
    await set([second, first]);
    expect(await state([first, second])).toBe('done');
    expect(await state([])).toBe('absent');
  });

  test('makes the folder when there is none', async () => {
    await node.ask('ct.user.ensure', { vmid: 103, user: 'alice', sudo: false, marker: MARKER });
    const line = `${key()} ${MARKER}`;
    await result('ct.keys.set', { vmid: 103, user: 'alice', marker: MARKER, lines: [line] });
    expect(node.read('root/home/alice/.ssh/authorized_keys')).toBe(`${line}\n`);
    expect(statSync(node.inside('home/alice/.ssh')).mode & 0o777).toBe(0o700);
  });

  test('takes over foreign lines where they stand, lets nobody else in, and gives them back byte for byte', async () => {
    const [mine, hers, other] = [key(), key(), key()];
    const foreign = `# by mkuser\n  ${mine}  olga@laptop \r\nfrom="10.0.0.0/8" ${mine} olga@office\n${hers}\n${other} olga's friend\n${mine}`;
    node.write(file, foreign);
    const adopt = (lines: string[], how = 'adopt', mode = 'run') =>
      node.ask('ct.keys.set', { vmid: 103, user: 'olga', marker: MARKER, lines, foreign: how }, mode);
    const lines = [`${mine} ${MARKER}`, `${hers} ${MARKER}`];
    const state = async (how: string) => (await adopt(lines, how, 'probe')).answer.result.state;
    expect([await state('adopt'), await state('release')]).toEqual(['absent', 'already']);
    expectKind(await adopt([...lines, `${key()} ${MARKER}`]), 'changed');
    expectKind(await adopt([`${LEASE} ${mine} ${MARKER}`]), 'bad-input');
    expect(node.read(file)).toBe(foreign);
    expect((await adopt(lines)).answer.result).toMatchObject({ changed: true, lines: 2 });
    expect(node.read(file)).toBe(
      `# by mkuser\n  ${mine} ${MARKER}  olga@laptop \r\nfrom="10.0.0.0/8" ${mine} olga@office\n${hers} ${MARKER}\n${other} olga's friend\n${mine} ${MARKER}`,
    );
    expect([await state('adopt'), await state('release')]).toEqual(['done', 'absent']);
    const { users } = await result('ct.users', { vmid: 103 });
    expect(users[0].keys.map((found: { ours: boolean }) => found.ours)).toEqual([true, false, true, false, true]);
    expect((await adopt(lines)).answer.result).toMatchObject({ changed: false });
    expect((await adopt(lines, 'release')).answer.result).toMatchObject({ changed: true });
    expect(node.read(file)).toBe(foreign);
    await adopt(lines);
    expect((await set([])).answer.result).toMatchObject({ changed: true, replaced: 3 });
    expect(node.read(file)).toBe(`# by mkuser\nfrom="10.0.0.0/8" ${mine} olga@office\n${other} olga's friend\n`);
  });

  test('writes and reads as the user, never as root', async () => {
    node.write(file, `${key()} foreign\n`);
    await set([`${key()} ${MARKER}`]);
    const touching = node
      .calls()
      .filter(({ argv }) => argv.some((word) => word.includes('authorized_keys')) && !argv.includes('stat'));
    expect(touching.length).toBeGreaterThan(3);
    for (const { argv } of touching) expect(argv.slice(9, 13)).toEqual(['runuser', '-u', 'olga', '--']);
  });

  test('does not follow a symbolic link in place of the file or its folder', async () => {
    symlinkSync('/etc/shadow', node.inside('home/olga/.ssh/authorized_keys'));
    expect(expectKind(await set([`${key()} ${MARKER}`]), 'refused')).toContain('is a symbolic link');
    expect(lstatSync(node.inside('home/olga/.ssh/authorized_keys')).isSymbolicLink()).toBe(true);
    await node.ask('ct.user.ensure', { vmid: 103, user: 'alice', sudo: false, marker: MARKER });
    symlinkSync('/root', node.inside('home/alice/.ssh'));
    const answered = await node.ask('ct.keys.set', {
      vmid: 103,
      user: 'alice',
      marker: MARKER,
      lines: [`${key()} ${MARKER}`],
    });
    expect(expectKind(answered, 'refused')).toContain('is a symbolic link');
    expect(readdirSync(node.inside('root'))).toEqual([]);
  });

  const good = key();
  const [type, base64] = good.split(' ') as [string, string];
  test.each([
    ['a command', `command="id" ${good} ${MARKER}`],
    ['an environment', `environment="LD_PRELOAD=x" ${good} ${MARKER}`],
    ['a tunnel', `tunnel="0" ${good} ${MARKER}`],
    ['an option after a good one', `restrict,command="id" ${good} ${MARKER}`],
    ['an option hidden behind quotes', `expiry-time="20260101Z",command="id\\"" ${good} ${MARKER}`],
    ['a local expiry', `expiry-time="202611210000" ${good} ${MARKER}`],
    ['an authority', `cert-authority ${good} ${MARKER}`],
    ['a name to forward to', `permitopen="db.internal:5432" ${good} ${MARKER}`],
    ['two lines in one', `${good} ${MARKER}\n${good} ${MARKER}`],
    ['another marker', `${good} bascule:run-2`],
    ['no marker', good],
    ['words after the marker', `${good} ${MARKER} and more`],
    ['a type that is weak', `ssh-dss ${base64} ${MARKER}`],
    ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${base64} ${MARKER}`],
    ['a type that is not the blob’s', `ssh-rsa ${base64} ${MARKER}`],
    ['a blob cut short', `${type} ${base64.slice(0, -8)} ${MARKER}`],
    [
      'a blob with more behind it',
      `${type} ${Buffer.concat([Buffer.from(base64, 'base64'), Buffer.from('more')]).toString('base64')} ${MARKER}`,
    ],
    ['base64 that is none', `${type} ${base64.replace(/A/g, '*')} ${MARKER}`],
    ['a short RSA key', `${key('rsa', 1024)} ${MARKER}`],
    ['a comment only', `# ${good} ${MARKER}`],
  ])('refuses a line with %s', async (_, line) => {
    expectKind(await set([line]), 'bad-input');
    expect(node.calls()).toEqual([]);
  });

  test('an RSA key of 2048 bits and every allowed option pass', async () => {
    const options = `restrict,pty,agent-forwarding,port-forwarding,X11-forwarding,no-user-rc,from="10.0.0.0/8,!10.1.1.1",permitopen="10.1.0.103:22",expiry-time="20261121000000Z"`;
    const line = `${options} ${key('rsa')} ${MARKER}`;
    expect((await set([line])).answer.result).toMatchObject({ changed: true });
    expect(node.read(file)).toBe(`${line}\n`);
  });
});

describe('jump.keys.set', () => {
  const jump = `restrict,port-forwarding,permitopen="10.1.0.103:22",${LEASE}`;
  const set = (lines: string[], mode = 'run', user = 'bascule-jump', marker = MARKER) =>
    node.ask('jump.keys.set', { user, marker, lines }, mode);
  beforeEach(() =>
    node.write('passwd', 'root:x:0:0:root:/root:/bin/bash\nbascule-jump:x:998:998::/nonexistent:/usr/sbin/nologin\n'),
  );

  test('keeps the lines of other grants, and probes', async () => {
    const [first, second] = [`${jump} ${key()} ${MARKER}`, `${jump} ${key()} bascule:run-2`];
    expect((await set([first], 'probe')).answer.result.state).toBe('absent');
    expect((await set([first])).answer.result).toMatchObject({ changed: true });
    expect((await set([second], 'run', 'bascule-jump', 'bascule:run-2')).answer.result).toMatchObject({
      changed: true,
    });
    expect(node.read('jump/bascule-jump')).toBe(`${first}\n${second}\n`);
    expect((await set([first], 'probe')).answer.result.state).toBe('done');
    expect((await set([])).answer.result).toMatchObject({ changed: true, replaced: 1 });
    expect(node.read('jump/bascule-jump')).toBe(`${second}\n`);
    expect(readdirSync(join(node.folder, 'jump'))).toEqual(['bascule-jump']);
    expect(statSync(join(node.folder, 'jump/bascule-jump')).mode & 0o777).toBe(0o644);
  });

  test.each([
    ['restrict', `port-forwarding,permitopen="10.1.0.103:22",${LEASE}`],
    ['permitopen', `restrict,port-forwarding,${LEASE}`],
    ['expiry-time', 'restrict,port-forwarding,permitopen="10.1.0.103:22"'],
  ])('refuses a line without %s', async (missing, options) => {
    expect(expectKind(await set([`${options} ${key()} ${MARKER}`]), 'bad-input')).toContain(`lacks ${missing}`);
  });

  test('refuses a terminal, an account that is not listed, and one that has a shell', async () => {
    const line = `${jump} ${key()} ${MARKER}`;
    expect(expectKind(await set([`pty,${line}`]), 'bad-input')).toContain('may not have pty');
    expectKind(await set([line], 'run', 'root'), 'forbidden');
    node.write('passwd', 'bascule-jump:x:998:998::/home/x:/bin/bash\n');
    expect(expectKind(await set([line]), 'forbidden')).toContain('can run commands');
  });

  test('does not write through a link planted in its folder', async () => {
    writeFileSync(join(node.folder, 'victim'), 'untouched');
    symlinkSync(join(node.folder, 'victim'), join(node.folder, 'jump/bascule-jump'));
    expectKind(await set([`${jump} ${key()} ${MARKER}`]), 'forbidden');
    expect(readFileSync(join(node.folder, 'victim'), 'utf8')).toBe('untouched');
  });
});

describe('zfs.snapshots', () => {
  test('tells every snapshot by class, and which of them the GUI hides', async () => {
    node.guest(
      103,
      'rootfs: local-zfs:subvol-103-disk-0,size=8G\nmp0: tank:subvol-103-disk-1,mp=/srv\n\n[before_upgrade]\nrootfs: x\n',
    );
    node.write(
      'datasets',
      [
        'rpool/data\tfilesystem\t1\t2\tyes\t/rpool/data',
        'rpool/data/subvol-103-disk-0\tfilesystem\t11\t22\tyes\t/rpool/data/subvol-103-disk-0',
        'tank/subvol-103-disk-1\tfilesystem\t33\t44\tyes\t/tank/subvol-103-disk-1',
        'rpool/data/subvol-1031-disk-0\tfilesystem\t1\t1\tyes\t/x',
      ].join('\n'),
    );
    const row = (name: string, guid: string) =>
      `rpool/data/subvol-103-disk-0@${name}\t1654128007\t65536\t3121152\t${guid}\t0`;
    node.write(
      'snapshots',
      [
        row('autohourly220602000007', '18296906787995312180'),
        row('before_upgrade', '2'),
        row('__replicate_103-0_1654177504__', '3'),
        row('vzdump', '4'),
        row('autofoo220602000007', '5'),
        'rpool/data/subvol-999-disk-0@foreign\t1\t1\t1\t6\t0',
        'rpool/data/subvol-103-disk-0@bad name\t1\t1\t1\t7\t0',
      ].join('\n'),
    );
    const told = await result('zfs.snapshots', { vmid: 103 });
    expect(told.volumes.map((volume: { role: string; volume: string }) => [volume.volume, volume.role])).toEqual([
      ['subvol-103-disk-0', 'rootfs'],
      ['subvol-103-disk-1', 'mp0'],
    ]);
    expect(
      told.snapshots.map((one: { name: string; class: string; hidden: boolean }) => [one.name, one.class, one.hidden]),
    ).toEqual([
      ['autohourly220602000007', 'autosnap', true],
      ['before_upgrade', 'manual', false],
      ['__replicate_103-0_1654177504__', 'replication', true],
      ['vzdump', 'vzdump', true],
      ['autofoo220602000007', 'manual', true],
    ]);
    expect(told.snapshots[0].guid).toBe('18296906787995312180');
  });

  test('finds a replica whose guest lives on another node, and none where there is none', async () => {
    node.write('datasets', 'rpool/data/subvol-107-disk-0\tfilesystem\t1\t2\tyes\t/rpool/data/subvol-107-disk-0\n');
    node.write('snapshots', 'rpool/data/subvol-107-disk-0@__replicate_107-0_1__\t1\t1\t1\t6\t0\n');
    const told = await result('zfs.snapshots', { vmid: 107 });
    expect([told.here, told.snapshots.length, told.snapshots[0].hidden]).toEqual([false, 1, true]);
    expect(await result('zfs.snapshots', { vmid: 108 })).toMatchObject({ volumes: [], snapshots: [] });
  });

  test('is unavailable where zfs answers nothing', async () => {
    expect(expectKind(await node.ask('zfs.snapshots', { vmid: 103 }), 'unavailable')).toContain(
      'dataset does not exist',
    );
  });
});

describe('ct.features', () => {
  const docker = { vmid: 103, nesting: true, keyctl: true };
  test('sets what no token may, keeps the rest, and probes', async () => {
    node.guest(103, 'features: fuse=1,mount=nfs;cifs\nunprivileged: 1\n');
    expect(await result('ct.features', docker, 'probe')).toMatchObject({ state: 'absent' });
    expect(await result('ct.features', docker)).toMatchObject({
      changed: true,
      restart: true,
      features: 'fuse=1,keyctl=1,mount=nfs;cifs,nesting=1',
    });
    expect(await result('ct.features', docker, 'probe')).toMatchObject({ state: 'already' });
    expect(await result('ct.features', docker)).toMatchObject({ changed: false });
    expect(await result('ct.features', { vmid: 103, nesting: true, keyctl: false }, 'probe')).toMatchObject({
      state: 'partial',
    });
    expect(node.calls()).toHaveLength(1);
  });

  test('refuses privileged and locked containers, and a request for nothing', async () => {
    node.guest(103, 'hostname: x\n');
    expect(expectKind(await node.ask('ct.features', docker), 'refused')).toContain('privileged');
    node.guest(103, 'unprivileged: 1\nlock: backup\n');
    expect(expectKind(await node.ask('ct.features', docker), 'conflict')).toContain('locked (backup)');
    expectKind(await node.ask('ct.features', { vmid: 103 }), 'bad-input');
    expect(node.calls()).toEqual([]);
  });
});

describe('ct.unlock', () => {
  const upid = 'UPID:ovh1:00FFFFFF:00000001:5F00000A:vzcreate:103:bot@pve!chatops:';
  const unlock = (extra: object = {}, mode = 'run') =>
    node.ask('ct.unlock', { vmid: 103, marker: MARKER, ...extra }, mode);
  const lockedWith = (text: string) => node.guest(103, text);
  const ended = (id = upid) => {
    mkdirSync(join(node.folder, 'tasks/A'), { recursive: true });
    writeFileSync(join(node.folder, 'tasks/A', id), 'TASK ERROR: received interrupt\n');
  };

  test('takes the lock of a create that carries our marker', async () => {
    lockedWith('#bascule%3Arun-1 made for olga\nhostname: x\nlock: create\n');
    expect((await unlock({}, 'probe')).answer.result.state).toBe('absent');
    expect((await unlock()).answer.result).toMatchObject({
      changed: true,
      evidence: `its description carries ${MARKER}`,
    });
    expect(node.read('guests/103.conf')).not.toContain('lock');
    expect((await unlock({}, 'probe')).answer.result.state).toBe('already');
    expect((await unlock()).answer.result).toMatchObject({ changed: false });
  });

  test('takes a bare lock only with the ended task that left it', async () => {
    lockedWith('lock: create\n');
    expect(expectKind(await unlock(), 'forbidden')).toContain('only the task');
    expect(expectKind(await unlock({ upid }), 'forbidden')).toContain('unknown on this node');
    expect(expectKind(await unlock({ upid: upid.replace(':103:', ':104:') }), 'forbidden')).toContain(
      'not the making of this guest',
    );
    ended();
    expect((await unlock({ upid })).answer.result).toMatchObject({ changed: true });
  });

  test('leaves a create alone that still runs', async () => {
    lockedWith('#bascule%3Arun-1\nlock: create\n');
    const start = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')[19]!;
    const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
    const live = `UPID:ovh1:${hex(process.pid)}:${hex(Number(start))}:5F00000A:vzcreate:103:bot@pve!chatops:`;
    writeFileSync(join(node.folder, 'tasks/active'), `${live} 0\n`);
    expect(expectKind(await unlock(), 'conflict')).toContain('still running');
    writeFileSync(join(node.folder, 'tasks/active'), `${live.replace(hex(Number(start)), '00000001')} 0\n`);
    expect((await unlock()).answer.result).toMatchObject({ changed: true });
  });

  test.each([
    ['another marker', '#bascule%3Arun-2\nhostname: x\nlock: create\n'],
    ['our marker as the beginning of another', '#bascule%3Arun-12\nhostname: x\nlock: create\n'],
    ['no marker and a finished config', 'hostname: x\nlock: create\n'],
    ['another lock', '#bascule%3Arun-1\nlock: backup\n'],
  ])('refuses a guest with %s', async (_, config) => {
    lockedWith(config);
    ended();
    expectKind(await unlock({ upid }), 'forbidden');
    expect(node.calls()).toEqual([]);
  });
});

describe('ct.script', () => {
  const script = { vmid: 103, run: 'run-1', script: '#!/bin/sh\necho done; echo oops >&2; exit 3\n' };

  test('runs at most once per run, keeps its end, and hands back its output', async () => {
    expect(await result('ct.script', script, 'probe')).toMatchObject({ state: 'absent' });
    const ran = await result('ct.script', script);
    expect(ran).toMatchObject({ exit: 3, stdout: { text: 'done\n', cut: false } });
    expect(await result('ct.script', script, 'probe')).toMatchObject({ state: 'partial' });
    expect(expectKind(await node.ask('ct.script', script), 'conflict')).toContain('begun before');
  });

  test('that was begun and has no end is unknown, for a person to look at', async () => {
    mkdirSync(node.inside('var/lib/bascule/scripts/run-1'), { recursive: true });
    expect(await result('ct.script', script, 'probe')).toMatchObject({ state: 'unknown' });
    expectKind(await node.ask('ct.script', script), 'conflict');
  });

  test('gives the end of a long output', async () => {
    const long = await result('ct.script', { ...script, script: '#!/bin/sh\nseq 1 20000\n' });
    expect(long.exit).toBe(0);
    expect(long.stdout.cut).toBe(true);
    expect(long.stdout.text.endsWith('19999\n20000\n')).toBe(true);
    expect(await result('ct.script', script, 'probe')).toMatchObject({ state: 'done' });
  });

  test('is limited to known scripts where the node says so', async () => {
    node.allow({ ...OPEN_CONFIG, scripts: ['0'.repeat(64)] });
    expectKind(await node.ask('ct.script', script), 'forbidden');
    expect(node.calls()).toEqual([]);
  });
});
