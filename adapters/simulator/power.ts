import { badParameters, broken, type Call, guestOf, label, needQuorum, on, onGuest, type Route } from './call.ts';
import type { Guest } from './state.ts';
import type { TaskRun } from './tasks.ts';
import { flag, format, integer, node, optional, type Rules, vmid } from './verify.ts';
import { haltGuest, sidOf, type World } from './world.ts';

/** Start, stop, shutdown and reboot of both kinds. */

type Verb = 'start' | 'stop' | 'shutdown' | 'reboot' | 'reset';
type PowerContext = Pick<Call, 'world' | 'tasks' | 'effects'> & { by: string };

const prefix = (kind: Guest['kind']) => (kind === 'lxc' ? 'vz' : 'qm');

function checkLock(guest: Guest, except?: string): void {
  if (guest.lock !== undefined && guest.lock !== except)
    throw new Error(`${label(guest.kind)} is locked (${guest.lock})`);
}

/** HA may have moved the configuration to a node that never got the disks. */
function checkDisks(world: World, guest: Guest): void {
  for (const [key, value] of Object.entries(guest.config)) {
    if (!/^(rootfs|mp\d+|scsi\d+|virtio\d+)$/.test(key) || String(value).startsWith('/')) continue;
    const volid = String(value).split(',')[0] ?? '';
    const there = world.volumes.some(
      (each) => each.volid === volid && (each.node === undefined || each.node === guest.node),
    );
    if (!there) throw new Error(`zfs error: cannot open 'rpool/data/${volid.split(':')[1]}': dataset does not exist`);
  }
}

/** What vzstart and qmstart do. A container's lock `mounted` does not stop it. */
export async function startGuest(context: PowerContext, guest: Guest, run: TaskRun): Promise<void> {
  checkLock(guest, guest.kind === 'lxc' ? 'mounted' : undefined);
  if (guest.template)
    throw new Error(
      guest.kind === 'lxc' ? `you can't start a CT if it's a template` : `you can't start a vm if it's a template`,
    );
  await run.pass(0.6, 'starting');
  checkDisks(context.world, guest);
  if (guest.startFails !== undefined) {
    run.log(guest.startFails);
    throw new Error(
      guest.kind === 'lxc' ? `startup for container '${guest.vmid}' failed` : 'start failed: QEMU exited with code 1',
    );
  }
  if (guest.running) return;
  guest.running = true;
  guest.pid = context.tasks.nextPid();
  guest.startedAt = context.world.clock.now();
  context.effects.add({
    kind: 'start',
    id: String(guest.vmid),
    node: guest.node,
    by: context.by,
    at: context.world.clock.now(),
    upid: run.upid,
  });
  await run.pass(0.2, 'started');
}

export const startContainer = (call: Call, guest: Guest, run: TaskRun): Promise<void> =>
  startGuest({ ...call, by: call.caller.full }, guest, run);

export async function stopGuest(
  context: PowerContext,
  guest: Guest,
  run: TaskRun,
  verb: 'stop' | 'shutdown',
): Promise<void> {
  checkLock(guest, guest.kind === 'lxc' ? 'mounted' : undefined);
  await run.pass(verb === 'stop' ? 0.4 : 0.8, 'stopping');
  if (!guest.running) return;
  haltGuest(guest);
  context.effects.add({
    kind: verb,
    id: String(guest.vmid),
    node: guest.node,
    by: context.by,
    at: context.world.clock.now(),
    upid: run.upid,
  });
}

async function rebootGuest(context: PowerContext, guest: Guest, run: TaskRun): Promise<void> {
  await run.pass(0.5, 'stopping');
  guest.running = true;
  guest.startedAt = context.world.clock.now();
  guest.pid = context.tasks.nextPid();
  context.effects.add({
    kind: 'reboot',
    id: String(guest.vmid),
    node: guest.node,
    by: context.by,
    at: context.world.clock.now(),
    upid: run.upid,
  });
  await run.pass(0.3, 'started');
}

/** HA only takes note of the wish: the task ends at once and the real one comes later, as root@pam. */
function askHa(call: Call, guest: Guest, wish: 'started' | 'stopped'): string {
  const verb = wish === 'started' ? 'start' : 'stop';
  return call.tasks.start(
    { node: call.node.name, type: `ha${verb}`, id: String(guest.vmid), caller: call.caller },
    async (run) => {
      run.log(`Requesting HA ${verb} for ${label(guest.kind)} ${guest.vmid}`);
      await run.pass(0.1);
      if (!call.world.quorate(call.node.name))
        throw new Error(`update resources config failed: cfs-lock 'domain-ha' error: no quorum!`);
      const resource = call.state.ha.resources.get(sidOf(guest));
      if (resource) resource.state = wish;
    },
  );
}

const haManaged = (call: Call, guest: Guest): boolean => {
  const resource = call.state.ha.resources.get(sidOf(guest));
  return resource !== undefined && resource.state !== 'ignored';
};

function work(call: Call, guest: Guest, verb: Verb): (run: TaskRun) => Promise<void> {
  const context: PowerContext = { ...call, by: call.caller.full };
  if (verb === 'start') return (run) => startGuest(context, guest, run);
  if (verb === 'stop' || verb === 'shutdown') return (run) => stopGuest(context, guest, run, verb);
  return (run) => rebootGuest(context, guest, run);
}

function checkSkipLock(call: Call): void {
  if (on(call, 'skiplock') && call.caller.full !== 'root@pam')
    throw badParameters({ skiplock: 'Only root may use this option.' });
}

function power(call: Call, kind: Guest['kind'], verb: Verb): string {
  checkSkipLock(call);
  const who = `${label(kind)} ${call.params.vmid}`;
  const guest = guestOf(call, kind);
  if (kind === 'lxc' && verb === 'start' && guest.running) throw broken(`${who} already running`);
  const mustRun = kind === 'lxc' ? verb !== 'start' : verb === 'reboot';
  if (mustRun && !guest.running) throw broken(kind === 'lxc' ? `${who} not running` : `VM ${guest.vmid} not running`);
  needQuorum(call);
  if (haManaged(call, guest)) {
    if (verb === 'start') return askHa(call, guest, 'started');
    if (verb === 'stop' || verb === 'shutdown') return askHa(call, guest, 'stopped');
  }
  if (kind === 'qemu' && verb === 'start' && guest.running) {
    return call.tasks.start(
      { node: call.node.name, type: 'qmstart', id: String(guest.vmid), caller: call.caller },
      async () => {
        throw new Error(`VM ${guest.vmid} already running`);
      },
    );
  }
  return call.tasks.start(
    { node: call.node.name, type: `${prefix(kind)}${verb}`, id: String(guest.vmid), caller: call.caller },
    work(call, guest, verb),
  );
}

const timeout = optional(integer(0));
const rules: Record<Guest['kind'], Partial<Record<Verb, Rules>>> = {
  lxc: {
    start: { debug: flag, skiplock: flag },
    stop: { skiplock: flag, 'overrule-shutdown': flag },
    shutdown: { timeout, forceStop: flag },
    reboot: { timeout },
  },
  qemu: {
    start: { skiplock: flag, timeout },
    stop: {
      skiplock: flag,
      timeout,
      keepActive: flag,
      migratedfrom: optional(format('pve-node')),
      'overrule-shutdown': flag,
    },
    shutdown: { skiplock: flag, timeout, keepActive: flag, forceStop: flag },
    reboot: { timeout },
    reset: { skiplock: flag },
  },
};

export const powerRoutes: Route[] = (['lxc', 'qemu'] as const).flatMap((kind) =>
  Object.entries(rules[kind]).map(
    ([verb, more]): Route => ({
      method: 'POST',
      path: `/nodes/{node}/${kind}/{vmid}/status/${verb}`,
      rules: { node, vmid, ...more },
      may: onGuest('VM.PowerMgmt'),
      run: (call) => power(call, kind, verb as Verb),
    }),
  ),
);
