import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openStage, ROOTFS, ran, STAGE_TIMEOUT, type Stage, sh, unfit, VMID } from './node/stage.ts';

/**
 * Files back from a snapshot, into a real unprivileged container, running and stopped, with the attacks of
 * RESTORE.md. Snapshots are btrfs's own, read-only, below `.zfs/snapshot`, as ZFS shows them.
 */
const SNAP = 'autohourly261121000007';
const snapshot = `${ROOTFS}/.zfs/snapshot/${SNAP}`;
/** What no attack may reach: files of the host that the container can name but not touch. */
const WATCHED = ['/etc', '/usr/local/sbin'];
/** Another container of the same id map: its files belong to the very ids that ours may use. */
const NEIGHBOUR = ROOTFS.replace('103', '104');

describe.skipIf(unfit() !== undefined)('files of a container', () => {
  let stage: Stage;
  let counter = 0;
  beforeAll(async () => {
    stage = await openStage();
    asRoot(
      `mkdir -p ${NEIGHBOUR}/etc; echo theirs > ${NEIGHBOUR}/etc/app.conf; chown -R 100000:100000 ${NEIGHBOUR}; chmod -R a+rX ${NEIGHBOUR}`,
    );
  }, STAGE_TIMEOUT);
  afterAll(() => stage?.close());

  const run = (): string => {
    counter += 1;
    return `restore-${counter}`;
  };
  const stamp = (): string => `20261121T${String(100_000 + counter).slice(0, 6)}Z`;
  const asRoot = (script: string): string => execFileSync('bash', ['-euc', script], { encoding: 'utf8' });
  /** What is planted in the snapshot is planted before the first question: from there on it is read-only. */
  const ask: Stage['ask'] = (...request) => {
    stage.seal(SNAP);
    return stage.ask(...request);
  };
  const restore = async (path: string, extra: object = {}, mode = 'run') => {
    const id = run();
    return ask(
      'file.restore',
      { vmid: VMID, run: id, path, from: SNAP, overwrite: true, stamp: stamp(), ...extra },
      mode,
      id,
    );
  };
  /** Everything of the host that matters, as one text. */
  const host = (): string =>
    asRoot(
      `find ${[...WATCHED, NEIGHBOUR].join(' ')} -xdev \\( -type f -printf '%p %m %u %g %s %T@\\n' -o -printf '%p %y %m %u %g %l\\n' \\) | sort; sha256sum /etc/passwd /etc/shadow`,
    );
  /** Owner, mode, times, ACL, extended attributes, capabilities, link counts, real size and content of a tree. */
  const portrait = (folder: string): string =>
    asRoot(
      `cd ${folder}; find . -printf '%P|%y|%m|%U|%G|%T@|%n|%l\\n' | sort; getfacl -Rpn . 2>/dev/null | grep -v '^# file'; getfattr -Rdh -m - . 2>/dev/null | sort; getcap -r . ; find . -type f -print0 | sort -z | xargs -0 -r sha256sum`,
    );

  /**
   * renameat2(RENAME_EXCHANGE) of two names, as the container's own root could: now in bursts, now with pauses in
   * which a restore comes far enough to be caught later. Resolves once it has begun; what it returns ends it.
   */
  const swapping = async (one: string, other: string): Promise<() => Promise<void>> => {
    const script =
      '$| = 1; while (1) { syscall 316, -100, $ARGV[0], -100, $ARGV[1], 2; print "." if !$n++; select undef, undef, undef, rand 0.05 if rand() < 0.5 }';
    const child = spawn('/usr/bin/perl', ['-e', script, one, other], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return () =>
      new Promise((resolve) => {
        child.on('exit', () => resolve());
        child.kill();
      });
  };

  beforeEach(() => {
    rmSync(`${ROOTFS}/etc/app`, { recursive: true, force: true });
    expect(stage.snapshot(SNAP)).toBe(snapshot);
    mkdirSync(`${snapshot}/etc/app/sub`, { recursive: true });
    asRoot(`
      printf 'old words\\n' > ${snapshot}/etc/app/app.conf
      chmod 640 ${snapshot}/etc/app/app.conf
      cp /usr/bin/true ${snapshot}/etc/app/sub/captrue
      truncate -s 50M ${snapshot}/etc/app/sub/sparse
      echo odd > ${snapshot}/etc/app/sub/"it's \\$(touch bascule-was-here)"
      echo odd > ${snapshot}/etc/app/sub/$'new\\nline'
      echo odd > ${snapshot}/etc/app/sub/-rf
      echo odd > ${snapshot}/etc/app/sub/$'\\xffbytes'
      ln -s /etc/shadow ${snapshot}/etc/app/sub/link
      mkfifo ${snapshot}/etc/app/sub/fifo
      echo hard > ${snapshot}/etc/app/sub/hard1; ln ${snapshot}/etc/app/sub/hard1 ${snapshot}/etc/app/sub/hard2
      setfattr -n user.note -v hello ${snapshot}/etc/app/app.conf
      find ${snapshot} -exec chown -h 100000:100000 {} +
      chown 100033:100033 ${snapshot}/etc/app/app.conf; chmod 4711 ${snapshot}/etc/app/sub/hard1
      lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- setcap cap_net_raw=ep ${snapshot}/etc/app/sub/captrue
      setfacl -m u:100034:rw ${snapshot}/etc/app/app.conf
      touch -hd '2020-01-02 03:04:05.678901' ${snapshot}/etc/app/app.conf ${snapshot}/etc/app/sub/*
      cp -a ${snapshot}/etc/app ${ROOTFS}/etc/app
      printf 'new words, longer\\n' > ${ROOTFS}/etc/app/app.conf`);
    rmSync('/bascule-was-here', { force: true });
  });

  test.each(['running', 'stopped'])(
    'come back into a %s container as they were: owner, mode, times, ACL, attributes, capabilities, links, holes, odd names',
    async (state) => {
      stage.container(state === 'running' ? 'start' : 'stop');
      const before = host();
      const versions = (await ask('file.versions', { vmid: VMID, path: '/etc/app/app.conf' })).result;
      expect(versions.versions.map((version: { from: string; size: number }) => [version.from, version.size])).toEqual([
        ['live', 18],
        [SNAP, 10],
      ]);
      expect(versions.versions[1]).toMatchObject({ type: 'file', mode: '0660', uid: 33, gid: 33 });

      const one = await restore('/etc/app/app.conf');
      expect(one.error).toBeUndefined();
      expect(readFileSync(`${ROOTFS}/etc/app/app.conf`, 'utf8')).toBe('old words\n');
      expect(readFileSync(`${ROOTFS}${one.result.kept}`, 'utf8')).toBe('new words, longer\n');
      expect(one.result.kept).toBe(`/etc/app/app.conf.before-restore-${stamp()}`);

      const tree = await restore('/etc/app');
      expect(tree.error).toBeUndefined();
      expect(portrait(`${ROOTFS}/etc/app`)).toBe(portrait(`${snapshot}/etc/app`));
      expect(Number(asRoot(`stat -c %b ${ROOTFS}/etc/app/sub/sparse`))).toBeLessThan(200);
      expect(existsSync('/bascule-was-here')).toBe(false);
      asRoot(`rm -rf ${ROOTFS}/etc/app.before-restore-*`);
      expect(host()).toBe(before);
    },
  );

  test.each(['running', 'stopped'])(
    'are put beside the present one unless told to overwrite, and can be taken back for a day (%s)',
    async (state) => {
      stage.container(state === 'running' ? 'start' : 'stop');
      const beside = await restore('/etc/app/app.conf', { overwrite: false });
      expect(beside.result).toMatchObject({ kept: null, restored: `/etc/app/app.conf.restored-${stamp()}` });
      expect(readFileSync(`${ROOTFS}${beside.result.restored}`, 'utf8')).toBe('old words\n');

      const over = await restore('/etc/app/app.conf');
      const id = `restore-${counter}`;
      const again = { vmid: VMID, run: id, path: '/etc/app/app.conf', from: SNAP, overwrite: true, stamp: stamp() };
      expect((await ask('file.restore', again, 'probe')).result).toMatchObject({ state: 'done' });
      expect((await ask('file.restore', again)).result).toMatchObject({
        changed: false,
        restored: over.result.restored,
      });
      const undone = await ask('file.undo', { vmid: VMID, run: id });
      expect(undone.result).toMatchObject({ changed: true, back: '/etc/app/app.conf' });
      expect(readFileSync(`${ROOTFS}/etc/app/app.conf`, 'utf8')).toBe('new words, longer\n');
      expect((await ask('file.undo', { vmid: VMID, run: id }, 'probe')).result).toMatchObject({ state: 'done' });
      expect((await ask('file.undo', { vmid: VMID, run: id })).result).toMatchObject({ changed: false });
    },
  );

  test('that were changed since are not undone', async () => {
    stage.container('start');
    await restore('/etc/app/app.conf');
    stage.inside('/bin/sh', '-c', 'echo edited >> /etc/app/app.conf');
    const undone = await ask('file.undo', { vmid: VMID, run: `restore-${counter}` });
    expect(undone.error).toMatchObject({ kind: 'changed' });
    expect(readFileSync(`${ROOTFS}/etc/app/app.conf`, 'utf8')).toBe('old words\nedited\n');
  });

  test('a dry run and a probe change nothing', async () => {
    const before = portrait(`${ROOTFS}/etc/app`);
    const dry = await restore('/etc/app', {}, 'dry-run');
    expect(dry.result.would.map((step: { command: string[] }) => step.command[1])).toEqual([
      'mkdir',
      'cp',
      'mv',
      'mv',
      'rmdir',
    ]);
    expect((await restore('/etc/app', {}, 'probe')).result.state).toBe('absent');
    expect(portrait(`${ROOTFS}/etc/app`)).toBe(before);
  });

  test.each([
    ['a path with ..', '/etc/app/../../../etc/shadow', 'bad-input'],
    ['a path into .zfs', '/.zfs/snapshot/x/etc', 'bad-input'],
    ['a line break in the path', '/etc/app\n/x', 'bad-input'],
    ['no such file', '/etc/app/none', 'not-found'],
    ['the whole volume', '/', 'refused'],
  ])('%s is refused', async (_, path, kind) => {
    stage.container('start');
    expect((await restore(path)).error.kind).toBe(kind);
  });

  test('no such snapshot, another one of its name, and a locked container are refused', async () => {
    expect((await restore('/etc/app/app.conf', { from: 'nosuch' })).error.kind).toBe('not-found');
    expect((await restore('/etc/app/app.conf', { guid: '1' })).error.kind).toBe('changed');
    const conf = `/etc/pve/lxc/${VMID}.conf`;
    const old = readFileSync(conf, 'utf8');
    writeFileSync(conf, `${old}lock: backup\n`);
    expect((await restore('/etc/app/app.conf')).error).toMatchObject({ kind: 'conflict' });
    writeFileSync(conf, old);
  });

  describe.each(['running', 'stopped'])('an attack from a %s container leaves the host untouched:', (state) => {
    let before: string;
    beforeEach(() => {
      stage.container(state === 'running' ? 'start' : 'stop');
      before = host();
    });
    const untouched = (): void => {
      asRoot(`rm -rf ${ROOTFS}/etc/app ${ROOTFS}/etc/*.before-restore-* ${ROOTFS}/etc/*.restored-*`);
      expect(host()).toBe(before);
    };

    test('a symbolic link as the parent is named with where it leads', async () => {
      asRoot(
        `rm -rf ${ROOTFS}/etc/app; ln -s /etc ${ROOTFS}/etc/app; chown -h 100000:100000 ${ROOTFS}/etc/app; echo evil > ${snapshot}/etc/app/passwd`,
      );
      const answer = await restore('/etc/app/passwd');
      expect(answer.error.kind).toBe('refused');
      expect(answer.error.why).toContain('symbolic link');
      expect(answer.error.next).toBe('use the real path: /etc/passwd');
      untouched();
    });

    test('a symbolic link as the last part is replaced, not followed', async () => {
      asRoot(`ln -sf /etc/bascule-victim ${ROOTFS}/etc/app/app.conf`);
      const answer = await restore('/etc/app/app.conf');
      expect(answer.result.restored).toBe('/etc/app/app.conf');
      expect(readFileSync(`${ROOTFS}/etc/app/app.conf`, 'utf8')).toBe('old words\n');
      untouched();
    });

    test('a symbolic link planted in the snapshot brings nothing of the host', async () => {
      asRoot(
        `ln -sfn /etc ${snapshot}/etc/planted; ln -sf /etc/shadow ${snapshot}/etc/app/app.conf; mkdir -p ${ROOTFS}/etc/planted`,
      );
      expect((await restore('/etc/planted/shadow')).error.kind).toBe('refused');
      const link = await restore('/etc/app/app.conf');
      expect(link.error).toBeUndefined();
      expect(asRoot(`readlink ${ROOTFS}/etc/app/app.conf`)).toBe('/etc/shadow\n');
      const shown = await ask('file.show', { vmid: VMID, path: '/etc/app/app.conf', from: SNAP });
      expect(shown.result).toMatchObject({ type: 'symlink', target: '/etc/shadow' });
      expect(shown.result.text).toBeUndefined();
      const through = await ask('file.show', { vmid: VMID, path: '/etc/planted/shadow', from: SNAP });
      expect(through.error.kind).toBe('refused');
      asRoot(`rm -rf ${ROOTFS}/etc/planted`);
      untouched();
    });

    test('a symbolic link into another container of the same ids leads nowhere', async () => {
      asRoot(
        `rm -rf ${ROOTFS}/etc/app; ln -s ${NEIGHBOUR}/etc ${ROOTFS}/etc/app; chown -h 100000:100000 ${ROOTFS}/etc/app; ln -s ${NEIGHBOUR}/etc ${snapshot}/etc/next`,
      );
      expect((await restore('/etc/app/app.conf')).error.kind).toBe('refused');
      const shown = await ask('file.show', { vmid: VMID, path: '/etc/next/app.conf', from: SNAP });
      expect(shown.error.kind).toBe('refused');
      untouched();
    });

    test('a folder swapped for a link while it is read, in 300 looks, shows nothing of the host', async () => {
      asRoot(
        `mkdir ${ROOTFS}/etc/race; echo inside > ${ROOTFS}/etc/race/hostname; echo inside > ${ROOTFS}/etc/hostname; chown -R 100000:100000 ${ROOTFS}/etc/race; ln -sfn /etc ${ROOTFS}/etc/race.link`,
      );
      const secret = readFileSync('/etc/hostname', 'utf8').trim();
      const stop = await swapping(`${ROOTFS}/etc/race`, `${ROOTFS}/etc/race.link`);
      const seen = { text: 0, refused: 0 };
      const look = { vmid: VMID, path: '/etc/race/hostname', from: 'live' };
      for (let tries = 0; tries < 300; tries += 1) {
        const text = JSON.stringify({ v: 1, id: 'look', verb: 'file.show', mode: 'run', args: look });
        const { stdout } = await ran('/usr/local/sbin/bascule-node', [], text);
        const answer = JSON.parse(stdout);
        if (answer.ok) expect([answer.result.text, secret === 'inside']).toEqual(['inside\n', false]);
        else expect(answer.error.kind).toBe('refused');
        seen[answer.ok ? 'text' : 'refused'] += 1;
      }
      await stop();
      console.log(`${state}: ${JSON.stringify(seen)}`);
      expect(Math.min(seen.text, seen.refused)).toBeGreaterThan(0);
      asRoot(`rm -rf ${ROOTFS}/etc/race ${ROOTFS}/etc/race.link ${ROOTFS}/etc/hostname`);
      untouched();
    });

    test('a FIFO and a device node hang nothing and open nothing', async () => {
      asRoot(
        `rm ${snapshot}/etc/app/app.conf; mkfifo ${snapshot}/etc/app/app.conf; mknod ${snapshot}/etc/app/disk b 1 1`,
      );
      expect((await ask('file.show', { vmid: VMID, path: '/etc/app/app.conf', from: SNAP })).result).toMatchObject({
        type: 'fifo',
      });
      expect((await ask('file.show', { vmid: VMID, path: '/etc/app/disk', from: SNAP })).result).toMatchObject({
        type: 'block-device',
      });
      expect((await ask('file.versions', { vmid: VMID, path: '/etc/app/app.conf' })).ok).toBe(true);
      expect((await restore('/etc/app/app.conf')).result.restored).toBe('/etc/app/app.conf');
      expect((await restore('/etc/app/disk')).ok).toBe(false);
      untouched();
    });

    test('a name that a shell would obey is only a name', async () => {
      const names = ["it's $(touch bascule-was-here)", '-rf', '--help', '`touch bascule-was-here`', '* ?', '"; id; "'];
      for (const name of names) writeFileSync(`${snapshot}/etc/app/${name}`, 'odd');
      for (const name of names) {
        expect((await restore(`/etc/app/${name}`)).error).toBeUndefined();
        expect(readFileSync(`${ROOTFS}/etc/app/${name}`, 'utf8')).toMatch(/^odd/);
      }
      const bytes = Buffer.from('/etc/app/sub/\xffbytes', 'latin1').toString('base64');
      expect((await restore('', { path: undefined, pathBase64: bytes })).error).toBeUndefined();
      expect(existsSync('/bascule-was-here')).toBe(false);
      untouched();
    });

    test('a hard link to a file outside the tree is only split', async () => {
      asRoot(`ln ${snapshot}/etc/app/app.conf ${snapshot}/etc/outside`);
      expect((await restore('/etc/app/app.conf')).error).toBeUndefined();
      expect(asRoot(`stat -c %h ${ROOTFS}/etc/app/app.conf`)).toBe('1\n');
      untouched();
    });

    test('a folder swapped for a link again and again, in 300 restores', async () => {
      mkdirSync(`${ROOTFS}/etc/race`, { recursive: true });
      mkdirSync(`${snapshot}/etc/race`, { recursive: true });
      writeFileSync(`${snapshot}/etc/race/bascule-victim`, 'evil');
      asRoot(`chown -R 100000:100000 ${ROOTFS}/etc/race ${snapshot}/etc/race; ln -sfn /etc ${ROOTFS}/etc/race.link`);
      const stop = await swapping(`${ROOTFS}/etc/race`, `${ROOTFS}/etc/race.link`);
      const helper = (id: string, tries: number): string =>
        JSON.stringify({
          v: 1,
          id,
          verb: 'file.restore',
          mode: 'run',
          args: {
            vmid: VMID,
            run: id,
            path: '/etc/race/bascule-victim',
            from: SNAP,
            overwrite: true,
            stamp: `20261121T${100_000 + tries}Z`,
          },
        });
      const ends = new Map<string, number>();
      for (let tries = 0; tries < 300; tries += 1) {
        const { stdout } = await ran('/usr/local/sbin/bascule-node', [], helper(`race-${state}-${tries}`, tries));
        const answer = JSON.parse(stdout);
        const end = answer.ok ? 'restored' : answer.error.kind;
        ends.set(end, (ends.get(end) ?? 0) + 1);
        expect(existsSync('/etc/bascule-victim')).toBe(false);
      }
      await stop();
      console.log(`${state}: ${JSON.stringify(Object.fromEntries(ends))}`);
      expect(existsSync('/etc/bascule-victim')).toBe(false);
      // Nor may who can write in the one folder reach another folder of the same container by it.
      expect(asRoot(`ls -A ${ROOTFS}/etc`)).not.toMatch(/bascule-victim|^[.]restore-/m);
      asRoot(`rm -rf ${ROOTFS}/etc/race ${ROOTFS}/etc/race.link`);
      untouched();
    });
  });

  test('a full volume changes nothing and says so', async () => {
    stage.container('start');
    // A small file system in the place of the folder stands for a quota.
    asRoot(
      `truncate -s 8M ${stage.folder}/small.img; mkfs.ext4 -q ${stage.folder}/small.img; mkdir -p ${ROOTFS}/srv ${snapshot}/srv; head -c 20M /dev/urandom > ${snapshot}/srv/big; chown -R 100000:100000 ${snapshot}/srv`,
    );
    stage.container('stop');
    asRoot(
      `mount -o loop ${stage.folder}/small.img ${ROOTFS}/srv; chown 100000:100000 ${ROOTFS}/srv; echo mine > ${ROOTFS}/srv/big; chown 100000:100000 ${ROOTFS}/srv/big`,
    );
    try {
      const answer = await restore('/srv/big');
      expect(answer.error).toMatchObject({ kind: 'conflict' });
      expect(answer.error.why).toContain('the volume is full');
      expect(readFileSync(`${ROOTFS}/srv/big`, 'utf8')).toBe('mine\n');
      expect(asRoot(`ls -A ${ROOTFS}/srv`).split('\n').filter(Boolean).sort()).toEqual(['big', 'lost+found']);
    } finally {
      sh('umount', `${ROOTFS}/srv`);
      asRoot(`rm -rf ${ROOTFS}/srv`);
    }
  });
});
