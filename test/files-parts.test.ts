import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textOf } from '../handlers/parts/files-backups.ts';
import { beginning, difference } from '../handlers/parts/files-diff.ts';
import { letters, onlyThere, shorten, type Version, versionOf } from '../handlers/parts/files-fold.ts';
import {
  bytesOf,
  isProtected,
  onVolume,
  pathOf,
  readPath,
  shownPath,
  split,
  typedPath,
} from '../handlers/parts/files-paths.ts';
import { Masker } from '../src/contracts/secrets.ts';
import type { FileVersion } from '../src/contracts/shell.ts';
import { cutWords } from '../src/words.ts';

/** The parts that versions of files are told with: paths, folding, letters, differences. */

const told = (from: string, more: Partial<FileVersion> = {}): FileVersion => ({
  from,
  class: from.startsWith('__replicate_') ? 'replication' : from === 'live' ? 'live' : 'manual',
  guid: from === 'live' ? '' : `guid-${from}`,
  taken: 1000,
  hidden: false,
  type: 'file',
  size: 10,
  mode: '0644',
  uid: 0,
  gid: 0,
  mtime: 500.25,
  identity: `id-${from}`,
  ...more,
});
const version = (name: string, more: Partial<Version> = {}): Version => ({
  ...versionOf(told(name), 'ovh1', false),
  ...more,
});
const backup = (name: string, size: number, mtime: number): Version => ({
  name,
  source: 'backup',
  node: 'ovh1',
  from: name,
  kind: 'backup',
  taken: 1,
  type: 'file',
  size,
  mtime,
});

describe('a path', () => {
  const problem = (text: string): string => (readPath(text) as { problem?: string }).problem ?? '';
  test.each([
    ['begin with /', 'etc/x'],
    ['. or ..', '/etc/../shadow'],
    ['. or ..', '/etc/./x'],
    ['. or ..', '/..'],
    ['//', '/etc//x'],
    ['line break', '/a\nb'],
    ['NUL', '/a\0b'],
    ['longer than 255', `/${'x'.repeat(256)}`],
    ['4004 bytes', `/${'x/'.repeat(2001)}y`],
    ['.zfs', '/.zfs/snapshot/s1/etc'],
    ['not base64', 'base64:!!'],
    ['. or ..', `base64:${Buffer.from('/a/../b').toString('base64')}`],
    ['begin with /', `base64:${Buffer.from('a').toString('base64')}`],
  ])('is refused with %s', (why, text) => {
    expect(problem(text)).toContain(why);
  });

  test('is bytes: what is no UTF-8 travels as base64 and is shown for what it is', () => {
    const bytes = Buffer.from([0x2f, 0x61, 0xff, 0x20, 0x62]);
    const read = readPath(`base64:${bytes.toString('base64')}`) as { value: Parameters<typeof bytesOf>[0] };
    expect(bytesOf(read.value).equals(bytes)).toBe(true);
    expect(shownPath(read.value)).toBe('/a\\xff b');
    expect(readPath('base64:L2V0Yw==')).toEqual({ value: { path: '/etc' } });
    expect(readPath('/etc/nginx/')).toEqual({ value: { path: '/etc/nginx' } });
    expect(readPath('/')).toEqual({ value: { path: '/' } });
    expect(shownPath({ path: '/a\u202Eb' })).toBe('/a\\u{202E}b');
  });

  test('typed again is the same path', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
      .map((text) => `/${text.replaceAll(/[/\0\r\n]/g, '_')}`);
    fc.assert(
      fc.property(name, (text) => {
        fc.pre(!('problem' in readPath(text)) && text.trim() === text);
        expect(cutWords(`path:${typedPath({ path: text })}`).named.get('path')).toBe(text);
      }),
    );
  });

  test('falls into folder and name', () => {
    expect(split({ path: '/etc/x' })).toEqual({ folder: { path: '/etc' }, name: Buffer.from('x') });
    expect(split({ path: '/etc' })).toEqual({ folder: { path: '/' }, name: Buffer.from('etc') });
    expect(split({ path: '/' })).toBeUndefined();
    expect(split(pathOf(Buffer.from('/é/ü')))).toEqual({ folder: { path: '/é' }, name: Buffer.from('ü') });
  });

  test('lies on the volume with the longest mount point that begins it', () => {
    const volume = (key: string, volid: string, mountpoint: string) => ({ key, volid, mountpoint, replicate: true });
    const volumes = [
      volume('rootfs', 'local-zfs:subvol-103-disk-0', '/'),
      volume('mp0', 'tank:basevol-100-disk-1/subvol-103-disk-1', '/srv/data/'),
      volume('mp1', '/host/dir', '/bind'),
    ];
    const at = (path: string) => {
      const found = onVolume(volumes, { path });
      return found && [found.name, shownPath(found.path)];
    };
    expect(at('/etc/x')).toEqual(['subvol-103-disk-0', '/etc/x']);
    expect(at('/srv/data/db/x')).toEqual(['subvol-103-disk-1', '/db/x']);
    expect(at('/srv/data')).toEqual(['subvol-103-disk-1', '/']);
    expect(at('/srv/database')).toEqual(['subvol-103-disk-0', '/srv/database']);
    expect(at('/bind/x')).toBeUndefined();
  });

  test.each([
    '/etc/shadow',
    '/etc/shadow-',
    '/etc/gshadow',
    '/etc/shadow.restored-20261121T003152Z',
    '/etc/shadow.before-restore-20261121T003152Z',
    '/etc/shadow.undone-20261121T003152Z.bak',
    '/etc/ssl/private/site.crt',
    '/etc/ssl/private',
    '/etc/letsencrypt/keys/0000_key',
    '/srv/app/tls.pem',
    '/srv/app/tls.key~',
    '/home/bob/.ssh/id_ed25519',
    '/home/bob/.ssh/work',
    '/root/id_rsa.old',
    '/etc/ssh/ssh_host_ed25519_key',
    '/root/.pgpass',
    '/root/.aws/credentials',
    '/etc/wireguard/wg0.conf',
    '/run/secrets/db',
  ])('%s says that it holds secrets', (path) => {
    expect(isProtected({ path })).toBe(true);
  });

  test.each([
    '/etc/passwd',
    '/etc/nginx/nginx.conf',
    '/home/bob/.ssh/authorized_keys',
    '/home/bob/.ssh/id_ed25519.pub',
    '/home/bob/.ssh/known_hosts',
    '/etc/ssl/certs/ca.crt',
    '/etc/shadow.d/readme',
    '/srv/keyboard.txt',
    '/srv/monkey',
    '/',
  ])('%s does not', (path) => {
    expect(isProtected({ path })).toBe(false);
  });
});

describe('replicas', () => {
  test('tell what is nowhere else, and the newest state that replication brought', () => {
    const own = [told('live'), told('s2'), told('s1'), told('__replicate_103-0_9__')];
    const replica = {
      node: 'ovh3',
      versions: [told('live'), told('__replicate_103-0_9__'), told('__replicate_103-0_8__'), told('s2'), told('old')],
    };
    expect(onlyThere(own, [replica]).map(({ name, source }) => [name, source])).toEqual([
      ['ovh3:__replicate_103-0_9__', 'replica'],
      ['ovh3:__replicate_103-0_8__', 'replica'],
      ['ovh3:old', 'replica'],
    ]);
  });

  test('of one snapshot on two nodes count once; a namesake is another snapshot', () => {
    const on = (node: string, guid: string) => ({ node, versions: [told('live'), told('old', { guid })] });
    expect(onlyThere([], [on('ovh2', '7'), on('ovh3', '7'), on('ovh4', '8')]).map(({ name }) => name)).toEqual([
      'ovh2:old',
      'ovh4:old',
    ]);
  });

  test('without a snapshot are told by what stands there', () => {
    expect(onlyThere([], [{ node: 'ovh3', versions: [told('live')] }]).map(({ name }) => name)).toEqual(['ovh3:live']);
  });
});

describe('letters', () => {
  const marks = (...versions: Version[]) => letters(versions).join(' ');

  test('are the same for the same text, by hash or by being the very same file', () => {
    expect(
      marks(
        version('live', { sha256: 'x', identity: '1' }),
        version('a', { sha256: 'x', identity: '2' }),
        version('b', { sha256: 'y', identity: '3' }),
        version('c', { identity: '3' }),
        version('d', { identity: '9' }),
        version('e', { sha256: 'x', identity: '9' }),
      ),
    ).toBe('A A B B A A');
  });

  test('of backups are a guess by size and time, and said to be one', () => {
    const live = version('live', { size: 10, mtime: 500.9, sha256: 'x' });
    const old = version('a', { size: 8, mtime: 400, sha256: 'y' });
    const at = (size: number, mtime: number) => backup(`pbs:${size}`, size, mtime);
    expect(marks(live, at(10, 500), old, at(8, 400), at(8, 401), at(9, 400))).toBe('A A? B B? C? D?');
    expect(marks(at(1, 1), at(1, 1), at(2, 1))).toBe('A? A? B?');
  });

  test('are not given to folders and what nobody looked at', () => {
    const folder = version('live', { type: 'directory' });
    expect(letters([folder, version('s', { type: 'unread' }), version('a')])).toEqual(['', '', 'A']);
  });

  test('go on after Z', () => {
    const many = Array.from({ length: 54 }, (_, at) => version(`s${at}`, { identity: String(at) }));
    expect(letters(many).filter((_, at) => [25, 26, 51, 52].includes(at))).toEqual(['Z', 'AA', 'AZ', 'BA']);
  });
});

describe('a long list', () => {
  test('loses first what is like its neighbours, and keeps both ends of every stretch', () => {
    const marks = [...'AAAAABBBC'];
    expect(shorten(marks, 6)).toEqual({ kept: [0, 1, 4, 5, 7, 8], alike: 3 });
    expect(shorten(marks, 100)).toEqual({ kept: [0, 1, 2, 3, 4, 5, 6, 7, 8], alike: 0 });
    expect(shorten([...'ABCDEF'], 3)).toEqual({ kept: [0, 1, 2], alike: 0 });
    expect(shorten(['', '', '', ''], 2)).toEqual({ kept: [0, 1], alike: 0 });
  });

  test('is never longer than asked, and what is left out is counted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('A', 'B', ''), { maxLength: 60 }),
        fc.integer({ min: 2, max: 30 }),
        (marks, most) => {
          const { kept, alike } = shorten(marks, most);
          expect(kept.length).toBeLessThanOrEqual(most);
          expect(kept.length + alike).toBeLessThanOrEqual(marks.length);
          expect(kept).toEqual([...kept].sort((a, b) => a - b));
          if (marks.length > 0) expect(kept[0]).toBe(0);
        },
      ),
    );
  });
});

describe('a difference', () => {
  test('is unified and counted', () => {
    expect(difference('a\nb\nc\n', 'a\nB\nc\nd\n')).toEqual({
      text: '@@ -1,3 +1,4 @@\n a\n-b\n+B\n c\n+d',
      added: 2,
      removed: 1,
      more: 0,
    });
  });

  test('is bounded in lines and in width, and given up where it is too much', () => {
    const old = Array.from({ length: 300 }, (_, at) => `old ${at}`).join('\n');
    const now = Array.from({ length: 300 }, (_, at) => `new ${at}`).join('\n');
    const found = difference(old, now)!;
    expect([found.text.split('\n').length, found.added, found.more > 500]).toEqual([80, 300, true]);
    expect(difference('x\n', 'y'.repeat(5000))!.text.length).toBeLessThan(700);
    const lines = (word: string) => Array.from({ length: 3000 }, (_, at) => `${word} ${at}`).join('\n');
    expect(difference(lines('a'), lines('b'))).toBeUndefined();
  });

  test('of masked texts shows that a secret changed and not what it was', () => {
    const masker = new Masker();
    const found = difference(masker.mask('a=1\npassword=old1\n'), masker.mask('a=1\npassword=new2\n'))!;
    expect(found.text).toBe('@@ -1,2 +1,2 @@\n a=1\n-password=***secret-1***\n+password=***secret-2***');
    expect(difference(masker.mask('password=old1\n'), masker.mask('password=old1\n'))!.added).toBe(0);
  });

  test('a beginning has as many lines as a card bears', () => {
    expect(beginning('a\nb\n')).toEqual({ text: 'a\nb', more: 0 });
    expect(beginning('x\n'.repeat(100)).more).toBe(60);
  });
});

test('bytes out of a backup are text or not, and a letter cut in two is no sign of binary', () => {
  expect(textOf(Buffer.from('grüße'), true)).toBe('grüße');
  expect(textOf(Buffer.from('ü').subarray(0, 1), false)).toBe('');
  expect(textOf(Buffer.from('ü').subarray(0, 1), true)).toBeUndefined();
  expect(textOf(Buffer.from([0x61, 0]), true)).toBeUndefined();
});
