import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NodeWorld, openNode } from './bascule-node/world.ts';
import { newKey } from './shell-server.ts';

/** Key files and homes as they are found in containers that somebody else made. */
let node: NodeWorld;
beforeEach(() => {
  node = openNode();
  node.guest(103, 'hostname: web\nunprivileged: 1\n');
  node.write('root/etc/passwd', 'olga:x:1000:1000:Olga:/home/olga:/bin/bash\ngone:x:1001:1001::/home/gone:/bin/bash\n');
  node.write('root/etc/shadow', 'olga:*:1:0:99999:7:::\ngone:*:1:0:99999:7:::\n');
  node.write('root/etc/group', 'sudo:x:27:\n');
});
afterEach(() => node.remove());

const MARKER = 'bascule:run-1';
const file = 'root/home/olga/.ssh/authorized_keys';
const key = () => newKey().public.split(' ').slice(0, 2).join(' ');
const set = async (lines: readonly string[], user = 'olga', mode = 'run') =>
  (await node.ask('ct.keys.set', { vmid: 103, user, marker: MARKER, lines }, mode)).answer;
const olga = async () => (await node.ask('ct.users', { vmid: 103 })).answer.result.users[0];

describe('a key file', () => {
  test('of DOS lines: our line is known and replaced, foreign ones stay byte for byte and are told right', async () => {
    const [foreign, old, fresh] = [key(), key(), key()];
    node.write(file, `# by hand\r\n${foreign} laptop\r\n${old} ${MARKER}\r\n`);
    const told = (await olga()).keys;
    expect(told.map((one: { ours: boolean; comment: string }) => [one.ours, one.comment])).toEqual([
      [false, 'laptop'],
      [true, MARKER],
    ]);
    const printed = execFileSync('ssh-keygen', ['-lf', '-'], { input: `${foreign}\n`, encoding: 'utf8' });
    expect(told[0].fingerprint).toBe(printed.split(' ')[1]);
    expect((await set([`${fresh} ${MARKER}`])).result).toMatchObject({ changed: true, replaced: 1, troubles: [] });
    expect(node.read(file)).toBe(`# by hand\r\n${foreign} laptop\r\n${fresh} ${MARKER}\n`);
  });

  test('without a line break at its end gets one before our line, and only then', async () => {
    const [foreign, ours] = [key(), key()];
    node.write(file, `${foreign} laptop`);
    expect((await set([])).result).toMatchObject({ changed: false });
    expect(node.read(file)).toBe(`${foreign} laptop`);
    await set([`${ours} ${MARKER}`]);
    expect(node.read(file)).toBe(`${foreign} laptop\n${ours} ${MARKER}\n`);
  });

  test('larger than 256 KiB is told as that, and neither read to its end nor written', async () => {
    const huge = `# ${'x'.repeat(300_000)}\n`;
    node.write(file, huge);
    expect((await olga()).troubles).toEqual(['/home/olga/.ssh/authorized_keys: it is larger than 262144 bytes']);
    const { error } = await set([`${key()} ${MARKER}`]);
    expect([error.kind, error.why]).toEqual(['refused', expect.stringContaining('larger than 262144 bytes')]);
    expect(node.read(file)).toBe(huge);
  });

  test.each(['chmod', 'mv'])(
    'whose writing fails at %s stays as it was, and nothing is left beside it',
    async (program) => {
      const foreign = `${key()} laptop\n`;
      node.write(file, foreign);
      node.write(`broken-${program}`, '');
      expect((await set([`${key()} ${MARKER}`])).ok).toBe(false);
      expect(node.read(file)).toBe(foreign);
      expect(readdirSync(node.inside('home/olga/.ssh'))).toEqual(['authorized_keys']);
    },
  );

  test('that is a folder is refused', async () => {
    mkdirSync(node.inside('home/olga/.ssh/authorized_keys'));
    expect((await set([`${key()} ${MARKER}`])).error).toMatchObject({ kind: 'refused' });
    expect((await olga()).troubles[0]).toBe('/home/olga/.ssh/authorized_keys is a directory');
  });
});

describe('a home', () => {
  test('that is missing is named, and there is nothing to take away in it', async () => {
    const { error } = await set([`${key()} ${MARKER}`], 'gone');
    expect(error).toMatchObject({ kind: 'refused', why: 'its home folder /home/gone is missing' });
    expect((await set([], 'gone')).result).toMatchObject({
      changed: false,
      troubles: ['its home folder /home/gone is missing'],
    });
    expect((await set([], 'gone', 'probe')).result.state).toBe('already');
    const { users } = (await node.ask('ct.users', { vmid: 103 })).answer.result;
    expect(users[1]).toMatchObject({ name: 'gone', troubles: ['its home folder /home/gone is missing'] });
  });

  test.each([
    ['home/olga', 0o775, '/home/olga can be written by others (mode 0775), so sshd takes no key'],
    ['home/olga/.ssh', 0o707, '/home/olga/.ssh can be written by others (mode 0707), so sshd takes no key'],
  ])('in which sshd trusts no key for the mode of %s: it is said, before and after', async (folder, mode, trouble) => {
    chmodSync(node.inside(folder), mode);
    expect((await olga()).troubles).toEqual([trouble]);
    expect((await set([`${key()} ${MARKER}`])).result).toMatchObject({ changed: true, troubles: [trouble] });
    chmodSync(node.inside(folder), 0o755);
    expect((await olga()).troubles).toEqual([]);
  });

  test('in which sshd trusts no key for the mode of the file: it is said until ours stands in its place', async () => {
    node.write(file, `${key()} laptop\n`);
    chmodSync(node.inside('home/olga/.ssh/authorized_keys'), 0o664);
    const trouble = '/home/olga/.ssh/authorized_keys can be written by others (mode 0664), so sshd takes no key';
    expect((await olga()).troubles).toEqual([trouble]);
    expect((await set([])).result).toMatchObject({ changed: false, troubles: [trouble] });
    expect((await set([`${key()} ${MARKER}`])).result).toMatchObject({ changed: true, troubles: [] });
    expect((await olga()).troubles).toEqual([]);
  });

  test('whose .ssh is a link is told and not written through', async () => {
    rmSync(node.inside('home/olga/.ssh'), { recursive: true });
    mkdirSync(join(node.folder, 'elsewhere'));
    symlinkSync(join(node.folder, 'elsewhere'), node.inside('home/olga/.ssh'));
    writeFileSync(join(node.folder, 'elsewhere/authorized_keys'), `${key()} laptop\n`);
    expect((await olga()).troubles).toEqual(['/home/olga/.ssh is a symbolic link']);
    expect((await set([`${key()} ${MARKER}`])).error).toMatchObject({
      kind: 'refused',
      why: '/home/olga/.ssh is a symbolic link',
    });
    expect(readdirSync(join(node.folder, 'elsewhere'))).toEqual(['authorized_keys']);
  });
});

test('the account that is nobody belongs to the system, adopted or not', async () => {
  node.write('root/etc/passwd', 'nobody:x:65534:65534::/:/usr/sbin/nologin\n');
  const ask = { vmid: 103, user: 'nobody', sudo: false, marker: MARKER, adopt: true };
  expect((await node.ask('ct.user.ensure', ask)).answer.error).toMatchObject({ kind: 'forbidden' });
});
