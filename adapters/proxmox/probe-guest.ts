import type { ProbeAnswer } from '../../src/contracts/cluster.ts';
import { fillHoles, MARKER, type Probe } from '../../src/contracts/plan.ts';
import { guestWord } from './calls.ts';
import type { Asker } from './client.ts';
import { type Config, hasMarker, macOf } from './guest-config.ts';
import { statusOf } from './guests.ts';
import {
  answer,
  configOf,
  type OurTask,
  ourTask,
  type Spot,
  statusAt,
  type Timed,
  unlessSilent,
  vmidTaken,
  whereIs,
  wherever,
} from './probe-look.ts';
import { succeeded, wasKilled } from './tasks.ts';

type Asked<K extends Probe['kind']> = Extract<Probe, { readonly kind: K }>;

const label = (spot: Spot) => `${guestWord(spot.type, spot.vmid)} on ${spot.node}`;
const ended = (task: OurTask) => `task ${task.upid} ended: ${task.exit}`;

/**
 * Done only with marker and a task that ended OK: a create killed late looks finished (PROBES.md 1). The marker is
 * not there before the volume is, and without the lock the task may still run.
 */
export async function ctCreated(client: Asker, wanted: Asked<'ct-created'>, trace: Timed): Promise<ProbeAnswer> {
  const spot: Spot = { ...wanted, type: 'lxc' };
  // The task first: a config read before it could be the one of a moment earlier.
  const task = await ourTask(client, spot, ['vzcreate'], trace);
  if (task?.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  const config = await configOf(client, spot);
  return config ? createdHere(spot, config, task, trace) : notCreatedHere(client, spot, task, trace);
}

function createdHere(spot: Spot, config: Config, task: OurTask | undefined, trace: Timed): ProbeAnswer {
  const name = label(spot);
  const ours = hasMarker(config['description'], fillHoles(MARKER, trace));
  if (config['lock'] === 'create') {
    if (task) return answer('partial', `${name} is locked (create) and ${ended(task)}`, task.upid);
    return answer('unknown', `${name} is locked (create), and no task of ours is to be found`);
  }
  if (!ours) return answer('already', `${name} exists without our mark`, task?.upid);
  if (!task) return answer('unknown', `${name} carries our mark, but no task of ours tells whether it was finished`);
  if (succeeded(task.exit)) return answer('done', `${name} carries our mark and ${ended(task)}`, task.upid);
  return answer('partial', `${name} carries our mark, but ${ended(task)}`, task.upid);
}

async function notCreatedHere(
  client: Asker,
  spot: Spot,
  task: OurTask | undefined,
  trace: Timed,
): Promise<ProbeAnswer> {
  const none = `there is no ${label(spot)}`;
  const elsewhere = await whereIs(client, spot.vmid);
  if (elsewhere && (elsewhere.node !== spot.node || elsewhere.type !== spot.type)) {
    const config = await configOf(client, elsewhere);
    const ours = hasMarker(config?.['description'], fillHoles(MARKER, trace));
    if (ours && task && succeeded(task.exit))
      return answer('done', `${label(elsewhere)} carries our mark; it was moved there`, task.upid);
    return answer(ours ? 'unknown' : 'already', `${label(elsewhere)} has this vmid`, task?.upid);
  }
  if (!task) return answer('absent', `${none} and no task of ours made one`);
  // An ordinary failure cleans up after itself; a killed one, or one that ended OK, does not just vanish.
  if (succeeded(task.exit) || wasKilled(task.exit))
    return answer('unknown', `${none}, yet ${ended(task)}: somebody has removed it`, task.upid);
  return answer('absent', `${none} and ${ended(task)}`, task.upid);
}

// biome-ignore format: this is a table
const powerTasks = {
  lxc:  { on: ['vzstart', 'vzreboot', 'hastart'], off: ['vzstop', 'vzshutdown', 'hastop'] },
  qemu: { on: ['qmstart', 'qmreboot', 'qmreset', 'hastart'], off: ['qmstop', 'qmshutdown', 'hastop'] },
} as const;

/**
 * With HA the call only files the wish and its task is OK at once; what counts is the guest itself, which may come
 * up on another node (ODDITIES 56).
 */
export async function guestRunning(client: Asker, wanted: Asked<'guest-running'>, trace: Timed): Promise<ProbeAnswer> {
  const types = powerTasks[wanted.type][wanted.want ? 'on' : 'off'];
  // Its node may be dead and the guest, thanks to HA, elsewhere: then the guest alone tells.
  const task = await unlessSilent(ourTask(client, wanted, types, trace));
  if (task?.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  const found = await wherever(client, wanted, statusAt);
  if (found?.spot.type !== wanted.type) return noGuest(client, wanted, wanted.want ? 'absent' : 'already');
  const { spot, seen: status } = found;
  const state = statusOf(status.status, status.qmpstatus);
  const ha = status.ha?.managed ? `, HA state ${status.ha.state ?? 'unknown'}` : '';
  const evidence = `${label(spot)} is ${state}${ha}${task && !succeeded(task.exit) ? `; ${ended(task)}` : ''}`;
  if (state === 'unknown') return answer('unknown', evidence, task?.upid);
  if ((state !== 'stopped') !== wanted.want) return answer('absent', evidence, task?.upid);
  return answer(task && succeeded(task.exit) ? 'done' : 'already', evidence, task?.upid);
}

/** Absence is only said of a vmid that nobody has: a guest may be hidden from our token. */
async function noGuest(client: Asker, spot: Spot, state: ProbeAnswer['state']): Promise<ProbeAnswer> {
  if (await vmidTaken(client, spot.vmid))
    return answer('unknown', `${label(spot)} is not there, but some guest has vmid ${spot.vmid}`);
  return answer(state, `there is no guest ${spot.vmid}`);
}

/** A reboot leaves no state behind: only the task tells. */
export async function guestTask(client: Asker, wanted: Asked<'guest-task'>, trace: Timed): Promise<ProbeAnswer> {
  const task = await ourTask(client, wanted, [wanted.task], trace);
  if (!task) return answer('absent', `no ${wanted.task} task of ours for ${label(wanted)}`);
  if (task.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  if (succeeded(task.exit)) return answer('done', ended(task), task.upid);
  return answer(wasKilled(task.exit) ? 'unknown' : 'absent', ended(task), task.upid);
}

/**
 * `identity`: MAC of net0, or the marker for an undo. Gone is gone, whoever did it; `already` is said only of a
 * namesake under the same vmid, which is somebody else's.
 */
export async function guestGone(client: Asker, wanted: Asked<'guest-gone'>, trace: Timed): Promise<ProbeAnswer> {
  const destroy = wanted.type === 'lxc' ? 'vzdestroy' : 'qmdestroy';
  const task = await ourTask(client, wanted, [destroy], trace);
  if (task?.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  const found = await wherever(client, wanted, configOf);
  if (!found) {
    const gone = await noGuest(client, wanted, 'done');
    return task ? answer(gone.state, `${gone.evidence}; ${ended(task)}`, task.upid) : gone;
  }
  const { spot, seen: config } = found;
  if (isSame(config, wanted.identity, trace))
    return answer(
      task && wasKilled(task.exit) ? 'partial' : 'absent',
      `${label(spot)} is still there${task ? `; ${ended(task)}` : ''}`,
      task?.upid,
    );
  const lock = config['lock'];
  // Half made or half destroyed, neither mark nor network card may be left to know it by.
  if (lock === 'create' || lock === 'destroyed')
    return answer(
      task ? 'partial' : 'unknown',
      `${label(spot)} is locked (${lock}) and cannot be told apart`,
      task?.upid,
    );
  return answer(
    'already',
    `somebody else's guest now has this vmid: ${label(spot)} ${config['hostname'] ?? config['name'] ?? ''}`.trim(),
    task?.upid,
  );
}

function isSame(config: Config, identity: string, trace: Timed): boolean {
  if (identity.includes('{run}')) return hasMarker(config['description'], fillHoles(identity, trace));
  if (identity.startsWith('bascule:')) return hasMarker(config['description'], identity);
  return (macOf(config) ?? '').toUpperCase() === identity.toUpperCase();
}

/** The value itself is the only trace of a change: who made it is not recorded. */
export async function guestConfig(client: Asker, wanted: Asked<'guest-config'>): Promise<ProbeAnswer> {
  const found = await wherever(client, wanted, configOf);
  if (!found) return noGuest(client, wanted, 'absent');
  // Keys appear only when set (ODDITIES 7); every one we switch is off by default.
  const value = found.seen[wanted.key] ?? (wanted.value === '0' ? '0' : '');
  const evidence = `${label(found.spot)} has ${wanted.key}: ${value || '(not set)'}`;
  return answer(value === wanted.value ? 'already' : 'absent', evidence);
}
