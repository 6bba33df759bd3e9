import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import ssh2 from 'ssh2';
import { Agent, fetch } from 'undici';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { examineNode } from '../adapters/shell/doctor.ts';
import { openShell, type Shell } from '../adapters/shell/index.ts';
import { nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { type Simulator, startSimulator } from '../adapters/simulator/index.ts';
import { systemClock } from '../src/clock.ts';
import { newKey } from './shell-server.ts';
import { failureOf } from './shell-world.ts';

/** The simulated nodes over real SSH, asked by the bot's own connection pool. */
let simulator: Simulator;
let shell: Shell;
const opened: Shell[] = [];

const open = (from: Simulator, sha256 = nodeProgramSha256()): Shell => {
  const nodes = Object.fromEntries(
    from.nodes.map((node) => {
      const { host, port, hostKey } = from.ssh(node);
      return [node, { host, port, hostKeys: [hostKey] }];
    }),
  );
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const made = openShell({
    nodes,
    user: from.sshUser,
    key: from.sshKey,
    sha256,
    clock: systemClock,
    log,
  });
  opened.push(made);
  return made;
};

beforeEach(async () => {
  simulator = await startSimulator({ pve: '9.2', taskMs: 10, speed: 0, ssh: { programSha256: nodeProgramSha256() } });
  shell = open(simulator);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  await simulator.close();
});

const key = () => newKey().public.trim().split(' ').slice(0, 2).join(' ');
const marker = 'bascule:run-1';
// biome-ignore lint/suspicious/noExplicitAny: the answer's shape is what the tests are about
const ask = (verb: string, args: object, mode: 'run' | 'probe' | 'dry-run' = 'run', node = 'ovh2'): Promise<any> =>
  shell.ask(node, { verb, mode, id: 'run-1', args: args as never });

describe('a node', () => {
  test('says hello, and what it is', async () => {
    expect(await shell.hello('ovh1')).toMatchObject({
      sha256: nodeProgramSha256(),
      verbs: expect.arrayContaining(['ct.users', 'jump.keys.set']),
      jump: ['bascule-jump'],
    });
  });

  test('writes nothing to disk until somebody looks, and takes it all away at the end', async () => {
    await shell.hello('ovh1');
    expect(simulator.disks.folder).toBeUndefined();
    await ask('ct.users', { vmid: 103 });
    const folder = simulator.disks.folder!;
    expect(readdirSync(folder)).toHaveLength(1);
    await simulator.close();
    expect(existsSync(folder)).toBe(false);
  });

  test('goes dark with its plug, and comes back on the same port', async () => {
    await shell.hello('ovh2');
    const { port } = simulator.ssh('ovh2');
    await simulator.unplug('ovh2');
    expect((await failureOf(ask('ct.users', { vmid: 103 }))).kind).toBe('unavailable');
    await simulator.plug('ovh2');
    expect(simulator.ssh('ovh2').port).toBe(port);
    expect((await shell.hello('ovh2')).version).toBe('1.0.0');
  });

  test('lets in nobody with another key, and gives no shell, terminal, subsystem or forwarding', async () => {
    const { host, port } = simulator.ssh('ovh1');
    const connect = (privateKey: string) =>
      new Promise<ssh2.Client>((resolve, reject) => {
        const client = new ssh2.Client();
        client.on('ready', () => resolve(client)).on('error', reject);
        client.connect({ host, port, username: 'bascule', privateKey });
      });
    await expect(connect(newKey().private)).rejects.toThrow(/authentication/);
    const client = await connect(simulator.sshKey);
    const tried = (work: (done: (error?: Error) => void) => void) =>
      new Promise((resolve) => work((error) => resolve(error !== undefined)));
    expect(await tried((done) => client.shell((error) => done(error)))).toBe(true);
    expect(await tried((done) => client.exec('id', { pty: true }, (error) => done(error)))).toBe(true);
    expect(await tried((done) => client.sftp((error) => done(error)))).toBe(true);
    expect(await tried((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', port, (error) => done(error)))).toBe(
      true,
    );
    client.end();
  });

  test('is as the set-up made it, and the doctor finds what is not', async () => {
    const expected = { account: 'bascule', jump: 'bascule-jump', sudo: true };
    const wrong = async () => (await examineNode('ovh1', shell, expected)).filter(({ state }) => state !== 'ok');
    expect(await wrong()).toEqual([]);
    simulator.hands('ovh1').setup.files['sudoers'] = 'writable';
    simulator.hands('ovh1').setup.permitRootLogin = 'yes';
    expect((await wrong()).map(({ about }) => about)).toEqual(['node ovh1: sudoers', 'node ovh1: root login']);
  });

  test('answers the forced command whatever is asked for', async () => {
    await shell.hello('ovh1');
    expect(simulator.sshCalls[0]).toMatchObject({ node: 'ovh1', request: { verb: 'hello' }, code: 0 });
    expect(simulator.sshCalls[0]!.original).toContain('sudo -n');
    expect(simulator.hands('ovh1').log).toEqual([{ id: 'hello', verb: 'hello', mode: 'run', outcome: 'ok' }]);
  });
});

describe('accounts and keys', () => {
  const alice = { vmid: 103, user: 'alice', marker, sudo: true };

  test('are made, told, and taken away again', async () => {
    expect(await ask('ct.user.ensure', alice, 'probe')).toMatchObject({ state: 'absent' });
    expect(await ask('ct.user.ensure', alice)).toMatchObject({ made: true, changed: true });
    expect(await ask('ct.user.ensure', alice, 'probe')).toMatchObject({ state: 'done' });
    const line = `restrict,pty,expiry-time="20991231235959Z" ${key()} ${marker}`;
    expect(await ask('ct.keys.set', { vmid: 103, user: 'alice', marker, lines: [line] })).toMatchObject({ lines: 1 });
    const { users } = await ask('ct.users', { vmid: 103 });
    const told = users.find((user: { name: string }) => user.name === 'alice');
    expect(told).toMatchObject({ ours: true, sudo: true, locked: true, keys: [{ marker, ours: true }] });
    expect(simulator.effects.count('ct.keys.set', '103/alice')).toBe(1);
    await ask('ct.user.remove', { vmid: 103, user: 'alice', home: 'remove' });
    expect(await ask('ct.user.remove', { vmid: 103, user: 'alice', home: 'remove' }, 'probe')).toMatchObject({
      state: 'already',
    });
  });

  test('of a jump account are kept on the node', async () => {
    const line = `restrict,port-forwarding,permitopen="10.1.0.103:22",expiry-time="20991231Z" ${key()} ${marker}`;
    await ask('jump.keys.set', { user: 'bascule-jump', marker, lines: [line] });
    expect(simulator.hands('ovh2').jumpKeys.get('bascule-jump')).toBe(`${line}\n`);
    expect(simulator.hands('ovh1').jumpKeys.get('bascule-jump')).toBeUndefined();
  });

  test('are refused where the guest is stopped, elsewhere, or not allowed', async () => {
    expect(await failureOf(ask('ct.users', { vmid: 115 }, 'run', 'ovh3'))).toMatchObject({ kind: 'conflict' });
    expect(await failureOf(ask('ct.users', { vmid: 103 }, 'run', 'ovh1'))).toMatchObject({ kind: 'not-found' });
    simulator.hands('ovh2').config!.vmids = ['104-110'];
    expect(await failureOf(ask('ct.users', { vmid: 103 }))).toMatchObject({ kind: 'forbidden' });
    simulator.hands('ovh2').config = undefined;
    expect((await failureOf(ask('ct.users', { vmid: 104 }))).why).toContain('is missing');
  });
});

describe('files', () => {
  const conf = { vmid: 103, path: '/etc/nginx/nginx.conf' };
  // biome-ignore lint/suspicious/noExplicitAny: the answer's shape is what the tests are about
  const versions = async (vmid = 103): Promise<any[]> => (await ask('file.versions', { ...conf, vmid })).versions;
  const api = async (method: string, path: string, body = '') => {
    const agent = new Agent({ connect: { rejectUnauthorized: false } });
    const answer = await fetch(`${simulator.url('ovh2')}/api2/json${path}`, {
      method,
      dispatcher: agent,
      headers: {
        authorization: `PVEAPIToken=${simulator.token('root@pam!root')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      ...(body ? { body } : {}),
    });
    const { data } = (await answer.json()) as { data: string };
    await vi.waitFor(() => expect(simulator.tasks.find(data)?.exitstatus).toBe('OK'));
    await agent.close();
  };

  test('of a snapshot made by the API stay what they were', async () => {
    writeFileSync(`${simulator.files(103)}/etc/nginx/nginx.conf`, 'changed by hand\n');
    await api('POST', '/nodes/ovh2/lxc/103/snapshot', 'snapname=before');
    writeFileSync(`${simulator.files(103)}/etc/nginx/nginx.conf`, 'and again\n');
    const told = await versions();
    expect(told.map(({ from }) => from)).toEqual(expect.arrayContaining(['live', 'before']));
    expect((await ask('file.show', { ...conf, from: 'before' })).text).toBe('changed by hand\n');
    await api('POST', '/nodes/ovh2/lxc/103/snapshot/before/rollback');
    expect((await ask('file.show', { ...conf, from: 'live' })).text).toBe('changed by hand\n');
    await api('DELETE', '/nodes/ovh2/lxc/103/snapshot/before');
    expect((await versions()).map(({ from }) => from)).not.toContain('before');
  });

  test('have a history that is worth looking at', async () => {
    const now = Math.floor(Date.now() / 1000);
    simulator.world.guest(103)!.onDisk = [48, 24, 1].map((hours) => ({
      name: `autodaily26112000000${hours}`,
      at: now - hours * 3600,
    }));
    const told = await versions();
    expect(new Set(told.map(({ sha256 }) => sha256)).size).toBe(3);
    expect(told.every(({ from, hidden }) => from === 'live' || hidden)).toBe(true);
    expect((await ask('file.versions', { vmid: 103, path: '/srv/app/routes.json' })).absent).toBeGreaterThan(0);
  });

  test('reach a replica with the next run of its job, and not before', async () => {
    const replica = async () => {
      const where = { ...conf, from: 'live', volume: 'subvol-103-disk-0' };
      return (await ask('file.show', where, 'run', 'ovh3')).text;
    };
    const before = await replica();
    writeFileSync(`${simulator.files(103)}/etc/nginx/nginx.conf`, 'new\n');
    expect(await replica()).toBe(before);
    simulator.world.node('ovh2').replication.get('103-0')!.lastTry = 0;
    simulator.replicationRound();
    await vi.waitFor(async () => expect(await replica()).toBe('new\n'));
    const { here, snapshots } = await ask('zfs.snapshots', { vmid: 103 }, 'run', 'ovh3');
    const source = await ask('zfs.snapshots', { vmid: 103 });
    expect(here).toBe(false);
    expect(snapshots.map(({ guid }: { guid: string }) => guid)).toEqual(
      source.snapshots.map(({ guid }: { guid: string }) => guid),
    );
  });

  test('are restored in a full volume not at all', async () => {
    await api('POST', '/nodes/ovh2/lxc/103/snapshot', 'snapname=before');
    simulator.fillStorage('ovh2', 'local-zfs');
    const args = { ...conf, run: 'run-1', from: 'before', overwrite: true, stamp: '20261121T003152Z' };
    expect(await failureOf(ask('file.restore', args))).toMatchObject({ kind: 'conflict' });
    expect(readdirSync(`${simulator.files(103)}/etc/nginx`)).toEqual([
      'nginx.conf',
      'sites-available',
      'sites-enabled',
    ]);
    simulator.world.drain('ovh2', 'local-zfs');
    expect(await ask('file.restore', args)).toMatchObject({ kept: expect.stringContaining('before-restore') });
  });
});

describe('what can go wrong', () => {
  const ensure = { vmid: 103, user: 'alice', marker, sudo: false };

  test('an answer lost after the work leaves a doubt, and the work', async () => {
    simulator.onShell({ verb: 'ct.user.ensure', mode: 'run' }, { kind: 'lose-answer' });
    expect(await failureOf(ask('ct.user.ensure', ensure))).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
    expect(await ask('ct.user.ensure', ensure, 'probe')).toMatchObject({ state: 'done' });
  });

  test('a connection lost before the work leaves the same doubt, and nothing', async () => {
    simulator.onShell({ verb: 'ct.user.ensure' }, { kind: 'drop' });
    expect(await failureOf(ask('ct.user.ensure', ensure))).toMatchObject({ kind: 'in-doubt' });
    expect(await ask('ct.user.ensure', ensure, 'probe')).toMatchObject({ state: 'absent' });
  });

  test('a helper can fail as it likes, be missing, altered, or forbidden by sudo', async () => {
    const failure = { kind: 'in-doubt', what: 'x', why: 'y', next: 'z' };
    simulator.onShell({ verb: 'ct.users' }, { kind: 'fail', failure });
    expect((await failureOf(ask('ct.users', { vmid: 103 }))).kind).toBe('in-doubt');
    const hands = simulator.hands('ovh1');
    hands.helper = 'missing';
    expect((await failureOf(shell.hello('ovh1'))).why).toContain('cannot be started');
    hands.helper = 'no-sudo';
    expect((await failureOf(shell.hello('ovh1'))).kind).toBe('no-privilege');
    hands.helper = 'there';
    hands.sha256 = '0'.repeat(64);
    expect((await failureOf(ask('ct.users', { vmid: 102 }, 'run', 'ovh1'))).why).toContain('is not the expected one');
  });

  test('another host key than the pinned one stops everything', async () => {
    await shell.hello('ovh1');
    const before = simulator.ssh('ovh1').hostKey;
    simulator.sshd('ovh1').changeHostKey();
    expect(simulator.ssh('ovh1').hostKey).not.toBe(before);
    expect((await failureOf(shell.hello('ovh1'))).why).toContain('another host key');
  });

  test('refused sessions are asked for again', async () => {
    await shell.hello('ovh1');
    simulator.sshd('ovh1').refuseSessions(2);
    expect((await shell.hello('ovh1')).version).toBe('1.0.0');
  });

  test('a post-install script is told, not run, and only once', async () => {
    const args = { vmid: 103, run: 'run-1', script: `#!/bin/sh\necho done; touch ${tmpdir()}/bascule-ran; exit 3\n` };
    expect(await ask('ct.script', args)).toMatchObject({ exit: 3, stdout: { text: 'done\n' } });
    expect(existsSync(`${tmpdir()}/bascule-ran`)).toBe(false);
    expect(await ask('ct.script', args, 'probe')).toMatchObject({ state: 'partial' });
    expect((await failureOf(ask('ct.script', args))).kind).toBe('conflict');
  });
});
