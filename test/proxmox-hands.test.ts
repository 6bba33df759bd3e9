import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TaskMatch } from '../adapters/simulator/index.ts';
import type { ClusterConnection, ProbeAnswer, Trace } from '../src/contracts/cluster.ts';
import type { Effect, PlannedStep, Probe } from '../src/contracts/plan.ts';
import * as steps from '../src/contracts/steps.ts';
import { failureOf } from './proxmox-line.ts';
import { type Setting, setUp } from './proxmox-world.ts';

const run = '01JD3VABCD';
const params = {
  ostemplate: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
  rootfs: 'local-zfs:8',
  hostname: 'robo2',
  memory: 512,
  swap: 256,
  net0: 'name=eth0,bridge=vmbr0,ip=10.1.0.130/24,gw=10.1.0.254',
  unprivileged: true,
  protection: true,
  description: `made by bascule:${run}`,
};
const create = steps.createCtStep('ovh1', 130, 'robo2', params);
const created: Probe = create.probe;
const ofCreate: TaskMatch = { type: 'vzcreate', id: '130' };
const postLxc = { method: 'POST', path: '/nodes/ovh1/lxc' } as const;

describe.each(['8.4', '9.2'] as const)('hands on a cluster of %s', (pve) => {
  let world: Setting;
  let cluster: ClusterConnection;
  let trace: Trace;
  beforeEach(async () => {
    world = await setUp(pve);
    cluster = world.connect();
    trace = { run, intentAt: Date.now() };
  });
  afterEach(() => world.close());

  const probe = (wanted: Probe, more: Partial<Trace> = {}): Promise<ProbeAnswer> =>
    cluster.hands.probe(wanted, { ...trace, ...more });

  async function done(call: Effect) {
    const { upid } = await cluster.hands.send(call);
    if (upid === undefined) throw new Error('no task was started');
    return { upid, end: await cluster.hands.followTask(upid) };
  }

  /** Asks until the answer is another one: right after a call nothing may be visible yet. */
  async function probeUntil(wanted: Probe, not: readonly ProbeAnswer['state'][]): Promise<ProbeAnswer> {
    await expect.poll(async () => not.includes((await probe(wanted)).state)).toBe(false);
    return probe(wanted);
  }

  test('create a container, follow the task and read its log', async () => {
    const lines: string[] = [];
    const { upid } = await cluster.hands.send(create.call);
    const end = await cluster.hands.followTask(upid!, (line) => lines.push(line));
    expect(end).toMatchObject({ ok: true, exit: 'OK', warnings: 0, killed: false });
    expect(end.log.at(-1)).toBe('TASK OK');
    expect(lines).toEqual(end.log);
    expect(await probe(created, { upid })).toMatchObject({ state: 'done', upid });
    expect(await probe(created)).toMatchObject({ state: 'done', upid });
  });

  test('a task with warnings has succeeded', async () => {
    world.sim.onTask(ofCreate, { warnings: ['one', 'two'] });
    expect((await done(create.call)).end).toMatchObject({ ok: true, warnings: 2, exit: 'WARNINGS: 2' });
    expect((await probe(created)).state).toBe('done');
  });

  test('a task that fails says why, and leaves nothing', async () => {
    world.sim.dropTemplate(params.ostemplate);
    const { end } = await done(create.call);
    expect(end).toMatchObject({ ok: false, killed: false });
    expect(end.exit).toContain('does not exist');
    expect(await probe(created)).toMatchObject({ state: 'absent' });
  });

  test('nothing was sent, so nothing is there', async () => {
    expect(await probe(created)).toMatchObject({
      state: 'absent',
      evidence: 'there is no CT 130 on ovh1 and no task of ours made one',
    });
  });

  test('a create that lost its answer is found running, then done', async () => {
    world.sim.onTask(ofCreate, { delayMs: 150 });
    world.sim.loseAnswer(postLxc);
    expect(await failureOf(cluster.hands.send(create.call))).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
    const running = await probeUntil(created, ['absent', 'unknown']);
    expect(running).toMatchObject({ state: 'running' });
    expect((await cluster.hands.followTask(running.upid!)).ok).toBe(true);
    expect(await probe(created)).toMatchObject({ state: 'done', upid: running.upid });
    expect(world.sim.effects.count('create')).toBe(1);
  });

  test('a create killed under its lock is half made', async () => {
    world.sim.onTask(ofCreate, { kill: true, stage: 'locked' });
    const { end } = await done(create.call);
    expect(end).toMatchObject({ ok: false, killed: true });
    const seen = await probe(created);
    expect(seen).toMatchObject({ state: 'partial' });
    expect(seen.evidence).toContain('locked (create)');
    expect((await probe(create.undo![1]!.probe)).state).not.toBe('absent');
  });

  test('a create killed when all looks finished is half made as well', async () => {
    world.sim.onTask(ofCreate, { kill: true, stage: 'complete' });
    expect((await done(create.call)).end.killed).toBe(true);
    expect(await probe(created)).toMatchObject({ state: 'partial' });
  });

  test('a guest that another run made is not taken for ours', async () => {
    await done({ ...create.call, params: { vmid: 130, ...params, description: `bascule:${run}X` } });
    expect(await probe(created)).toMatchObject({ state: 'already' });
    expect(await probe(create.undo![1]!.probe)).toMatchObject({ state: 'already' });
  });

  test('a second create under the same vmid is refused', async () => {
    await done(create.call);
    expect(await failureOf(cluster.hands.send(create.call))).toMatchObject({ kind: 'conflict', sent: 'refused' });
    expect(world.sim.effects.count('create')).toBe(1);
  });

  test('an undo clears the protection first and then destroys', async () => {
    await done(create.call);
    const [unprotect, destroy] = create.undo!;
    expect(await failureOf(cluster.hands.send(destroy!.call))).toMatchObject({ kind: 'conflict' });
    expect(await probe(unprotect!.probe)).toMatchObject({ state: 'absent' });
    expect(await cluster.hands.send(unprotect!.call)).toEqual({});
    expect(await probe(unprotect!.probe)).toMatchObject({ state: 'already' });
    expect(await probe(destroy!.probe)).toMatchObject({ state: 'absent' });
    const { upid } = await done(destroy!.call);
    expect(await probe(destroy!.probe)).toMatchObject({ state: 'done', upid });
  });

  test('gone is told by MAC: a namesake is somebody else', async () => {
    const view = cluster.view();
    const { mac } = await view.guestDetail(await view.findGuest('120'));
    const gone = (identity: string): Probe => ({ kind: 'guest-gone', node: 'ovh4', type: 'lxc', vmid: 120, identity });
    expect(await probe(gone(mac!.toLowerCase()))).toMatchObject({ state: 'absent' });
    const other = await probe(gone('BC:24:11:00:00:01'));
    expect(other).toMatchObject({ state: 'already' });
    expect(other.evidence).toBe("somebody else's guest now has this vmid: CT 120 on ovh4 staging");
  });

  test('a guest that was there before is started by us or was already so', async () => {
    const step = steps.startStep({ node: 'ovh3', type: 'lxc', vmid: 115, name: 'matomo' });
    expect(await probe(step.probe)).toMatchObject({ state: 'absent', evidence: 'CT 115 on ovh3 is stopped' });
    const { upid } = await done(step.call);
    expect(await probe(step.probe, { upid })).toMatchObject({ state: 'done' });
    expect(await failureOf(cluster.hands.send(step.call))).toMatchObject({ kind: 'conflict', sent: 'refused' });
    const running = steps.startStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: 'staging' });
    expect(await probe(running.probe)).toMatchObject({ state: 'already', evidence: 'CT 120 on ovh4 is running' });
  });

  test.each([
    ['lxc', 'ovh4', 120, 'vzreboot'],
    ['qemu', 'ovh4', 200, 'qmreboot'],
  ] as const)('a reboot of a %s is known by its task alone', async (type, node, vmid, task) => {
    const step = steps.rebootStep({ node, type, vmid, name: '' }, 30);
    expect(await probe(step.probe)).toMatchObject({ state: 'absent' });
    const { upid, end } = await done(step.call);
    expect(end.ok).toBe(true);
    expect(upid).toContain(`:${task}:`);
    expect(await probe(step.probe)).toMatchObject({ state: 'done', upid });
    expect(await probe(step.settle!.probe)).toMatchObject({ state: 'done' });
  });

  test('a reboot long before ours is not ours', async () => {
    const step = steps.rebootStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: '' }, 30);
    await done(step.call);
    expect(await probe(step.probe, { intentAt: Date.now() + 600_000 })).toMatchObject({ state: 'absent' });
  });

  test.each([
    ['stop', steps.stopStep],
    ['shutdown', steps.shutdownStep],
  ] as const)('a %s is done when the guest is down', async (_, stepFor) => {
    const step = stepFor({ node: 'ovh4', type: 'lxc', vmid: 120, name: 'staging' }, 20);
    expect(await probe(step.probe)).toMatchObject({ state: 'absent' });
    const { upid } = await done(step.call);
    expect(await probe(step.probe, { upid })).toMatchObject({ state: 'done', evidence: 'CT 120 on ovh4 is stopped' });
  });

  test('with HA the task is over at once and the guest decides', async () => {
    const step = steps.stopStep({ node: 'ovh2', type: 'lxc', vmid: 103, name: 'robotoff' });
    const { upid, end } = await done(step.call);
    expect(upid).toContain(':hastop:');
    expect(end.ok).toBe(true);
    const { evidence } = await probe(step.probe, { upid });
    expect(evidence).toContain('HA state');
  });

  test('another node may have the guest by now', async () => {
    const wanted: Probe = { kind: 'guest-running', node: 'ovh1', type: 'lxc', vmid: 120, want: true };
    expect(await probe(wanted)).toMatchObject({ state: 'already', evidence: 'CT 120 on ovh4 is running' });
  });

  test('a guest that nobody has is not running', async () => {
    const wanted = (want: boolean): Probe => ({ kind: 'guest-running', node: 'ovh1', type: 'lxc', vmid: 999, want });
    expect(await probe(wanted(true))).toMatchObject({ state: 'absent', evidence: 'there is no guest 999' });
    expect(await probe(wanted(false))).toMatchObject({ state: 'already' });
  });

  test('on a dead node nothing can be told', async () => {
    await world.sim.unplug('ovh4');
    for (const step of [
      steps.startStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: '' }),
      steps.rebootStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: '' }, 30),
      steps.destroyStep({ node: 'ovh4', type: 'lxc', vmid: 120, name: '' }, 'BC:24:11:00:00:01'),
    ])
      expect(await probe(step.probe)).toMatchObject({ state: 'unknown' });
  });

  test('a replication job is known by its mark', async () => {
    const step = steps.addReplicationStep('101-0', 'ovh2', '*/5', '');
    const marked: PlannedStep['call'] = { ...step.call, params: { ...step.call.params, comment: `bascule:${run}` } };
    expect(await probe(step.probe)).toMatchObject({ state: 'absent' });
    expect(await cluster.hands.send(marked)).toEqual({});
    expect(await probe(step.probe)).toMatchObject({ state: 'done' });
    expect(await probe(step.probe, { run: 'another' })).toMatchObject({ state: 'already' });
    expect(await probe({ kind: 'replication-exists', id: '101-0', target: 'ovh3' })).toMatchObject({ state: 'absent' });
    expect(await failureOf(cluster.hands.send(marked))).toMatchObject({ kind: 'conflict', sent: 'refused' });
  });

  test('a replication job marked for removal counts as gone', async () => {
    const step = steps.removeReplicationStep('117-0');
    expect(await probe(step.probe)).toMatchObject({ state: 'absent' });
    await cluster.hands.send(step.call);
    expect(['done', 'already']).toContain((await probe(step.probe)).state);
    expect(await probe({ kind: 'replication-gone', id: '999-0' })).toMatchObject({ state: 'already' });
  });

  test('a replication job is switched off and on', async () => {
    for (const disable of [true, false]) {
      const step = steps.switchReplicationStep('117-0', disable);
      expect(await probe(step.probe)).toMatchObject({ state: 'absent' });
      await cluster.hands.send(step.call);
      expect(await probe(step.probe)).toMatchObject({ state: 'already' });
    }
  });

  test('a job hidden from the token is not called absent', async () => {
    cluster = world.connect({ token: 'nobody@pve!none' });
    const hidden = await probe({ kind: 'replication-exists', id: '117-0', target: 'ovh4' });
    expect(hidden).toMatchObject({ state: 'unknown' });
    expect(hidden.evidence).toContain('Permission check failed');
    expect(await probe(created)).toMatchObject({ state: 'unknown' });
  });

  test('what has no right to change is told the right that it lacks', async () => {
    const failure = await failureOf(
      world.connect({ token: 'bascule@pve!watch' }).hands.send(steps.removeReplicationStep('117-0').call),
    );
    expect(failure).toMatchObject({ kind: 'no-privilege', sent: 'refused' });
    expect(failure.next).toContain(pve === '8.4' ? "'Datastore.Allocate'" : "'VM.Replicate'");
  });

  test('a node without quorum changes nothing and says so', async () => {
    world.sim.partition(['ovh1'], ['ovh2', 'ovh3', 'ovh4']);
    cluster = world.connect({ nodes: ['ovh1'] });
    const stop = steps.stopStep({ node: 'ovh1', type: 'lxc', vmid: 101, name: '' });
    for (const call of [create.call, stop.call, steps.switchReplicationStep('117-0', true).call])
      expect(await failureOf(cluster.hands.send(call))).toMatchObject({ kind: 'no-quorum', sent: 'refused' });
  });

  test('a task survives that its node cannot be asked for a while', async () => {
    const { upid } = await cluster.hands.send(create.call);
    world.sim.failNext({ path: '/nodes/ovh1/tasks', times: 3 }, { status: 595, reason: 'No route to host', body: '' });
    world.sim.failNext(
      { path: '/nodes/ovh1/tasks' },
      { status: 400, reason: 'Parameter verification failed.', body: { data: null, errors: { upid: 'no such task' } } },
    );
    expect((await cluster.hands.followTask(upid!)).ok).toBe(true);
  });

  test('a task whose node stays away is in doubt after two minutes', async () => {
    const { upid } = await done(create.call);
    await world.sim.unplug('ovh1');
    expect(await failureOf(cluster.hands.followTask(upid))).toMatchObject({ kind: 'in-doubt', sent: 'unknown' });
    expect(world.clock.waited).toBeGreaterThanOrEqual(115_000);
    expect(world.clock.waited).toBeLessThan(130_000);
  });

  test('a task of another token is not ours to follow', async () => {
    const { upid } = await done(create.call);
    const stranger = world.connect({ token: 'nobody@pve!none' });
    expect(await failureOf(stranger.hands.followTask(upid))).toMatchObject({ kind: 'in-doubt', status: 403 });
    expect(await failureOf(stranger.hands.followTask('UPID:no'))).toMatchObject({ kind: 'internal', sent: 'unknown' });
  });

  test('a long log is kept at its end', async () => {
    const warnings = Array.from({ length: 700 }, (_, index) => `line ${index}`);
    world.sim.onTask(ofCreate, { warnings });
    const { upid, end } = await done(create.call);
    expect(end.log).toHaveLength(40);
    expect(end.log.at(-1)).toMatch(/^TASK WARNINGS/);
    const lines: string[] = [];
    await cluster.hands.followTask(upid, (line) => lines.push(line));
    expect(lines.length).toBeGreaterThan(700);
  });

  test('no failure ever holds the secret of the token', async () => {
    const secret = world.sim.token('bascule@pve!operate').split('=')[1]!;
    world.sim.failNext(postLxc, { status: 500, reason: `bad ${secret}` });
    expect(JSON.stringify(await failureOf(cluster.hands.send(create.call)))).not.toContain(secret);
    world.sim.withdrawToken('bascule@pve!operate');
    expect(JSON.stringify(await failureOf(cluster.view().guests()))).not.toContain(secret);
    expect(JSON.stringify(world.events)).not.toContain(secret);
  });
});
