import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeProgramSha256 } from '../../adapters/shell/node/program.ts';
import { nodeSetup } from '../../adapters/shell/setup.ts';
import { openStage, ROOTFS, ran, STAGE_TIMEOUT, type Stage, sh, unfit, VERBS, VMID } from './node/stage.ts';

/** The helper as a site would have it: the printed script, OpenSSH, sudo and an unprivileged LXC container. */
const MARKER = 'bascule:run-1';

/** `YYYYMMDDHHMMSSZ`, as sshd reads an expiry. */
const utc = (seconds: number): string =>
  `${new Date(Date.now() + seconds * 1000).toISOString().replace(/[-:T]|\.\d+Z$/g, '')}Z`;

describe.skipIf(unfit() !== undefined)('the helper on a node', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  }, STAGE_TIMEOUT);
  afterAll(() => stage?.close());
  const publicKey = (name: string): string => {
    const file = join(stage.folder, name);
    rmSync(file, { force: true });
    sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file);
    return readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  };

  describe('is reached', () => {
    test('by the forced command and sudo, whatever command the key asks for', async () => {
      const hello = await stage.ask('hello', {});
      expect(hello).toMatchObject({ ok: true, id: 'run-1' });
      expect(hello.result.sha256).toBe(nodeProgramSha256());
      expect(hello.result.known).toEqual([...VERBS].sort());
    });

    test('with a request of nearly 256 KiB, whose bytes arrive as they were sent', async () => {
      const lines = Array.from({ length: 15 }, () => `ssh-ed25519 ${'A'.repeat(16_000)} x`);
      const answer = await stage.ask('ct.keys.set', { vmid: VMID, user: 'alice', marker: MARKER, lines });
      expect(answer.error.why).toContain('lines[0]');
    });

    test('without a terminal, a shell, a forward, or a file', async () => {
      const { stdout } = await stage.ssh(['-tt', 'bascule@127.0.0.1'], '{}');
      expect(stdout).not.toMatch(/[$#] $/);
      const forward = await stage.ssh(['-W', '127.0.0.1:22', 'bascule@127.0.0.1']);
      expect([forward.code, forward.stderr]).toEqual([255, expect.stringContaining('administratively prohibited')]);
      const copied = await ran('scp', [
        '-F',
        'none',
        '-P',
        String(stage.port),
        '-o',
        `UserKnownHostsFile=${join(stage.folder, 'known_hosts')}`,
        '-i',
        join(stage.folder, 'bot'),
        'bascule@127.0.0.1:/etc/passwd',
        join(stage.folder, 'stolen'),
      ]);
      expect(copied.code).not.toBe(0);
    });

    test('as root never, and with another key never', async () => {
      publicKey('other');
      const root = await stage.ssh(['root@127.0.0.1', 'id']);
      expect([root.code, root.stdout]).toEqual([255, '']);
      const other = await ran('ssh', [
        '-F',
        'none',
        '-p',
        String(stage.port),
        '-o',
        `UserKnownHostsFile=${join(stage.folder, 'known_hosts')}`,
        '-o',
        'BatchMode=yes',
        '-o',
        'IdentitiesOnly=yes',
        '-i',
        join(stage.folder, 'other'),
        'bascule@127.0.0.1',
      ]);
      expect(other.stderr).toContain('Permission denied');
    });

    test('by sudo without arguments only', async () => {
      const as = (...argv: string[]) => ran('runuser', ['-u', 'bascule', '--', 'sudo', '-n', ...argv], '{}');
      expect(JSON.parse((await as('/usr/local/sbin/bascule-node')).stdout).error.kind).toBe('bad-input');
      for (const argv of [
        ['/usr/local/sbin/bascule-node', '--help'],
        ['id'],
        ['perl', '/usr/local/sbin/bascule-node'],
        ['-u', 'nobody', '/usr/local/sbin/bascule-node'],
        ['PERL5LIB=/tmp', '/usr/local/sbin/bascule-node'],
      ]) {
        const refused = await as(...argv);
        expect([refused.code, refused.stdout], argv.join(' ')).toEqual([1, '']);
      }
    });

    test('with nothing in its config that others could have written', async () => {
      sh('chmod', '666', '/etc/bascule-node.json');
      expect((await stage.ask('hello', {})).error).toMatchObject({ kind: 'forbidden' });
      sh('chmod', '644', '/etc/bascule-node.json');
      sh('chown', 'bascule', '/etc/bascule-node.json');
      expect((await stage.ask('hello', {})).error.why).toContain('does not belong to root');
      sh('chown', 'root', '/etc/bascule-node.json');
      expect((await stage.ask('hello', {})).ok).toBe(true);
    });
  });

  test.skipIf(existsSync('/dev/log'))('each call leaves its line in syslog', async () => {
    const listen =
      'use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0); bind($s, pack_sockaddr_un("/dev/log")) or die; chmod 0666, "/dev/log"; $| = 1; print "ready\\n"; while (defined recv $s, my $m, 9000, 0) { print "$m\\n" }';
    const listener = spawn('/usr/bin/perl', ['-e', listen]);
    let heard = '';
    listener.stdout.on('data', (text) => {
      heard += text;
    });
    try {
      await expect.poll(() => heard).toContain('ready');
      await stage.ask('ct.users', { vmid: 990_200 }, 'run', 'run-77');
      await expect
        .poll(() => heard)
        .toMatch(/bascule-node\[\d+\]: id=run-77 verb=ct\.users mode=run vmid=990200 user=- outcome=forbidden ms=\d+/);
    } finally {
      listener.kill();
      rmSync('/dev/log', { force: true });
    }
  });

  test('the set-up script run again changes nothing, and mends what was altered', async () => {
    const again = await ran('sh', [join(stage.folder, 'setup.sh')]);
    expect([again.code, again.stdout]).toEqual([0, 'nothing to change\n']);
    writeFileSync('/usr/local/sbin/bascule-node', '#!/bin/sh\n');
    writeFileSync('/etc/bascule-node.json', '{"v":1,"vmids":[990103],"verbs":["hello"]}');
    expect((await ran('sh', [join(stage.folder, 'setup.sh')])).stdout).toBe('wrote /usr/local/sbin/bascule-node\n');
    expect((await stage.ask('hello', {})).result).toMatchObject({ sha256: nodeProgramSha256(), verbs: ['hello'] });
    rmSync('/etc/bascule-node.json');
    await ran('sh', [join(stage.folder, 'setup.sh')]);
    expect((await stage.ask('hello', {})).result.verbs).toEqual([...VERBS].sort());
  });

  test('the Ansible role does what the script does, and finds nothing left to change after it', async () => {
    const setup = nodeSetup({
      publicKey: readFileSync(join(stage.folder, 'bot.pub'), 'utf8'),
      jump: 'bascule-jump',
      vmids: ['990100-990199'],
      verbs: VERBS,
      sudo: true,
    });
    for (const [path, text] of Object.entries(setup.ansible)) {
      const file = join(stage.folder, 'roles/bascule', path);
      sh('mkdir', '-p', join(file, '..'));
      writeFileSync(file, text);
    }
    writeFileSync(join(stage.folder, 'play.yml'), '- hosts: all\n  roles: [bascule]\n');
    const played = await ran('ansible-playbook', ['-i', 'localhost,', '-c', 'local', join(stage.folder, 'play.yml')]);
    expect(played.code, played.stdout + played.stderr).toBe(0);
    expect(played.stdout).toMatch(/changed=0 .*failed=0/);
  });

  test('perlcritic finds nothing at severity 4, and warnings none', async () => {
    expect(await ran('perlcritic', ['--quiet', '--severity', '4', '/usr/local/sbin/bascule-node'])).toMatchObject({
      code: 0,
      stdout: '',
    });
    const sandbox = new URL('../../adapters/shell/node/parts/sandbox.pl', import.meta.url).pathname;
    const program = ['--program-extensions', '.pl'];
    expect(await ran('perlcritic', ['--quiet', '--severity', '4', ...program, sandbox])).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect((await ran('perl', ['-wTc', '/usr/local/sbin/bascule-node'])).stderr.trim()).toBe(
      '/usr/local/sbin/bascule-node syntax OK',
    );
  });

  describe('people in a real container', () => {
    const login = (name: string, key: string, ...command: string[]) => {
      const proxy = `lxc-attach -n ${VMID} --clear-env -- /usr/sbin/sshd -i -f /etc/sshd_config`;
      return ran('ssh', [
        '-F',
        'none',
        '-o',
        `ProxyCommand=${proxy}`,
        '-o',
        'StrictHostKeyChecking=no',
        '-o',
        'UserKnownHostsFile=/dev/null',
        '-o',
        'BatchMode=yes',
        '-o',
        'IdentitiesOnly=yes',
        '-o',
        'LogLevel=ERROR',
        '-i',
        join(stage.folder, key),
        `${name}@ct`,
        ...command,
      ]);
    };
    beforeAll(() => {
      sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(stage.folder, 'ct'));
      writeFileSync(`${ROOTFS}/etc/ct_host`, readFileSync(join(stage.folder, 'ct')), { mode: 0o600 });
      writeFileSync(`${ROOTFS}/etc/sshd_config`, 'HostKey /etc/ct_host\nUsePAM no\n');
      sh('chown', '100000:100000', `${ROOTFS}/etc/ct_host`);
    });

    test('an account with a lease lets its key in, until sshd itself ends the lease', async () => {
      const key = publicKey('alice');
      const made = await stage.ask('ct.user.ensure', { vmid: VMID, user: 'alice', sudo: true, marker: MARKER });
      expect(made.error).toBeUndefined();
      expect(sh('stat', '-c', '%a %u', `${ROOTFS}/etc/sudoers.d/bascule-alice`).trim()).toBe('440 100000');
      // Long enough for a login even on a busy machine; nothing is touched from here on.
      const line = `restrict,pty,expiry-time="${utc(8)}" ${key} ${MARKER}`;
      const set = await stage.ask('ct.keys.set', { vmid: VMID, user: 'alice', marker: MARKER, lines: [line] });
      expect(set.result).toMatchObject({ changed: true, troubles: [] });
      expect(sh('stat', '-c', '%a %u %n', `${ROOTFS}/home/alice/.ssh/authorized_keys`)).toMatch(/^600 10100[01] /);
      expect(await login('alice', 'alice', 'id', '-un')).toMatchObject({ code: 0, stdout: 'alice\n' });
      const refused = async () => (await login('alice', 'alice', 'id')).stderr;
      await expect.poll(refused, { timeout: 30_000, interval: 500 }).toContain('Permission denied');
      expect(readFileSync(`${ROOTFS}/home/alice/.ssh/authorized_keys`, 'utf8')).toBe(`${line}\n`);
    });

    test('whose home others may write are let in by no key, as it was told', async () => {
      const lines = [`${publicKey('alice')} ${MARKER}`];
      const set = () => stage.ask('ct.keys.set', { vmid: VMID, user: 'alice', marker: MARKER, lines });
      sh('chmod', '777', `${ROOTFS}/home/alice`);
      const trouble = '/home/alice can be written by others (mode 0777), so sshd takes no key';
      expect((await set()).result.troubles).toEqual([trouble]);
      expect((await login('alice', 'alice', 'id')).stderr).toContain('Permission denied');
      sh('chmod', '755', `${ROOTFS}/home/alice`);
      expect((await set()).result).toMatchObject({ changed: false, troubles: [] });
      expect((await login('alice', 'alice', 'id')).code).toBe(0);
      const folder = `${ROOTFS}/home/alice/.ssh`;
      const mine = Number(sh('stat', '-c', '%u', folder));
      sh('chown', '-R', '100033', folder);
      expect((await stage.ask('ct.users', { vmid: VMID })).result.users[0].troubles).toContain(
        '/home/alice/.ssh belongs to uid 33, so sshd takes no key',
      );
      expect((await login('alice', 'alice', 'id')).stderr).toContain('Permission denied');
      sh('chown', '-R', String(mine), folder);
    });

    test('whose key file cannot be changed keep it as it is, and nothing is left beside it', async () => {
      const file = `${ROOTFS}/home/alice/.ssh/authorized_keys`;
      const before = readFileSync(file, 'utf8');
      sh('chattr', '+i', file);
      try {
        const set = await stage.ask('ct.keys.set', { vmid: VMID, user: 'alice', marker: MARKER, lines: [] });
        expect(set.error).toMatchObject({ kind: 'refused' });
        expect(set.error.why).toContain('Operation not permitted');
        expect(readFileSync(file, 'utf8')).toBe(before);
        expect(sh('ls', '-A', `${ROOTFS}/home/alice/.ssh`)).toBe('authorized_keys\n');
      } finally {
        sh('chattr', '-i', file);
      }
    });

    test('are told with their keys, their sudo and what is not ours', async () => {
      writeFileSync(`${ROOTFS}/home/alice/.ssh/authorized_keys`, `${publicKey('foreign')} hand made\n`);
      const { users } = (await stage.ask('ct.users', { vmid: VMID })).result;
      expect(users).toHaveLength(1);
      expect(users[0]).toMatchObject({ name: 'alice', locked: true, sudo: true, ours: true });
      expect(users[0].keys[0]).toMatchObject({ ours: false, comment: 'hand made' });
      expect(users[0].keys[0].fingerprint).toBe(
        sh('ssh-keygen', '-lf', join(stage.folder, 'foreign.pub')).split(' ')[1],
      );
    });

    test('who turn their key file into a link to the shadow file read and write nothing through it', async () => {
      const shadow = readFileSync(`${ROOTFS}/etc/shadow`, 'utf8');
      sh(
        'sh',
        '-c',
        `rm ${ROOTFS}/home/alice/.ssh/authorized_keys; ln -s /etc/shadow ${ROOTFS}/home/alice/.ssh/authorized_keys`,
      );
      const { users } = (await stage.ask('ct.users', { vmid: VMID })).result;
      expect(users[0].keys).toEqual([]);
      expect(users[0].troubles).toEqual([
        '/home/alice/.ssh/authorized_keys is a symbolic link',
        expect.stringContaining('Permission denied'),
      ]);
      const set = await stage.ask('ct.keys.set', {
        vmid: VMID,
        user: 'alice',
        marker: MARKER,
        lines: [`${publicKey('x')} ${MARKER}`],
      });
      expect(set.error).toMatchObject({ kind: 'refused' });
      expect(readFileSync(`${ROOTFS}/etc/shadow`, 'utf8')).toBe(shadow);
    });

    test('who leave are gone with their processes, their sudo and their home', async () => {
      stage.inside('runuser', '-u', 'alice', '--', '/bin/sh', '-c', 'sleep 1000 >/dev/null 2>&1 &');
      const gone = await stage.ask('ct.user.remove', { vmid: VMID, user: 'alice', home: 'remove' });
      expect(gone.error).toBeUndefined();
      expect(sh('ls', '-A', `${ROOTFS}/home`, `${ROOTFS}/etc/sudoers.d`)).not.toContain('alice');
      expect((await stage.ask('ct.users', { vmid: VMID })).result.users).toEqual([]);
      expect(stage.inside('ps', '-eo', 'args')).not.toContain('sleep 1000');
    });

    test('get a script run once, whose words come back', async () => {
      const script = '#!/bin/bash\necho "I am $(id -un)"; cat /proc/self/uid_map; env | sort; exit 4\n';
      const done = await stage.ask('ct.script', { vmid: VMID, run: 'post-1', script });
      expect(done.result.exit).toBe(4);
      expect(done.result.stdout.text).toMatch(/^I am root\n\s+0\s+100000\s+65536\n/);
      expect(done.result.stdout.text).not.toMatch(/SUDO|SSH/);
      expect((await stage.ask('ct.script', { vmid: VMID, run: 'post-1', script })).error.kind).toBe('conflict');
    });

    describe('jump through the node', () => {
      let key: string;
      let port: number;
      let server: Server;
      beforeAll(async () => {
        key = publicKey('jumper');
        // The container has no network: who reaches this port reaches its sshd.
        server = createServer((socket) => {
          const argv = ['-n', String(VMID), '--clear-env', '--', '/usr/sbin/sshd', '-i', '-f', '/etc/sshd_config'];
          const sshd = spawn('lxc-attach', argv, { stdio: ['pipe', 'pipe', 'ignore'] });
          sshd.stdin.on('error', () => undefined); // who leaves first is no failure
          socket.on('error', () => sshd.kill()).on('close', () => sshd.kill());
          socket.pipe(sshd.stdin);
          sshd.stdout.pipe(socket);
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        ({ port } = server.address() as AddressInfo);
      });
      afterAll(() => server.close());

      const grant = async (seconds: number): Promise<void> => {
        const line = `restrict,port-forwarding,permitopen="127.0.0.1:${port}",expiry-time="${utc(seconds)}" ${key} ${MARKER}`;
        const set = await stage.ask('jump.keys.set', { user: 'bascule-jump', marker: MARKER, lines: [line] });
        expect(set.result).toMatchObject({ changed: true });
      };
      const options = (name: string): string[] => [
        ...['-F', 'none', '-o', `UserKnownHostsFile=${join(stage.folder, 'known_hosts')}`],
        ...['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', join(stage.folder, name)],
      ];
      const jump = (...argv: string[]) =>
        ran('ssh', [...options('jumper'), '-p', String(stage.port), ...argv, 'bascule-jump@127.0.0.1']);

      test('into the container, with the stanza a person is given, and out again when the lease ends', async () => {
        const alice = await stage.ask('ct.user.ensure', { vmid: VMID, user: 'alice', sudo: false, marker: MARKER });
        expect(alice.error).toBeUndefined();
        const lines = [`restrict,pty ${key} ${MARKER}`];
        await stage.ask('ct.keys.set', { vmid: VMID, user: 'alice', marker: MARKER, lines });
        await grant(10);
        const common = `UserKnownHostsFile ${join(stage.folder, 'known_hosts')}\n  IdentityFile ${join(stage.folder, 'jumper')}\n  IdentitiesOnly yes\n  BatchMode yes\n`;
        const config = join(stage.folder, 'ssh_config');
        const stanza = `Host ct\n  HostName 127.0.0.1\n  Port ${port}\n  User alice\n  ProxyJump bascule-jump@node\n  StrictHostKeyChecking accept-new\n  ${common}`;
        writeFileSync(config, `${stanza}Host node\n  HostName 127.0.0.1\n  Port ${stage.port}\n  ${common}`);
        const inside = () => ran('ssh', ['-F', config, 'ct', 'id', '-un']);
        expect(await inside()).toMatchObject({ code: 0, stdout: 'alice\n' });
        // Her key in the container has no end: what ends is the way to it.
        await expect.poll(async () => (await inside()).code, { timeout: 30_000, interval: 500 }).toBe(255);
        expect((await login('alice', 'jumper', 'id', '-un')).stdout).toBe('alice\n');
        expect((await jump('-N')).stderr).toContain('Permission denied');
      });

      test('to where their line lets them and nowhere else, with no shell, file, listener or agent', async () => {
        await grant(3600);
        const out = await jump('-W', `127.0.0.1:${port}`);
        expect(out.stdout).toMatch(/^SSH-2.0-/);
        for (const elsewhere of ['127.0.0.1:22', `127.0.0.1:${stage.port}`, `localhost:${port}`, '[::1]:22'])
          expect((await jump('-W', elsewhere)).stderr, elsewhere).toContain('administratively prohibited');
        const command = await ran('ssh', [
          ...[...options('jumper'), '-p', String(stage.port)],
          ...['bascule-jump@127.0.0.1', 'id'],
        ]);
        expect([command.code, command.stdout.includes('uid=')]).toEqual([1, false]);
        const listener = await jump('-o', 'ExitOnForwardFailure=yes', '-N', '-R', '127.0.0.1:0:127.0.0.1:22');
        expect([listener.code, listener.stderr]).toEqual([255, expect.stringContaining('forwarding failed')]);
        const copied = await ran('sftp', [
          ...options('jumper'),
          ...['-P', String(stage.port), '-b', '/dev/null', 'bascule-jump@127.0.0.1'],
        ]);
        expect(copied.code).not.toBe(0);
      });

      test('until the line is taken away, which sshd hears at the next login', async () => {
        await stage.ask('jump.keys.set', { user: 'bascule-jump', marker: MARKER, lines: [] });
        expect((await jump('-W', `127.0.0.1:${port}`)).stderr).toContain('Permission denied');
      });
    });
  });
});
