import { type HandsCall, type Verbs, verb } from './hands.ts';
import { badInput, fault, oneLine } from './hands-answer.ts';
import * as field from './hands-fields.ts';
import { type GuestConfig, guestConfig, isRunning, localConfig, mustNotBeLocked, pct } from './hands-guest.ts';
import type { Task } from './tasks.ts';

/** ct.features, ct.unlock: what only root may change in a container's config. */

interface Features {
  readonly vmid: number;
  readonly nesting?: boolean;
  readonly keyctl?: boolean;
}

const featuresOf = (config: GuestConfig): Record<string, string> =>
  Object.fromEntries(
    (config.now.features ?? '')
      .split(',')
      .flatMap((part) => [/^([a-z][a-z_]{1,30})=([A-Za-z0-9;_-]{1,100})$/.exec(part) ?? []])
      .filter(([whole]) => whole !== undefined)
      .map(([, name, value]) => [name!, value!]),
  );

function wantedOf(args: Features): Record<string, string> {
  const wanted = Object.fromEntries(
    (['keyctl', 'nesting'] as const).flatMap((name) =>
      args[name] === undefined ? [] : [[name, args[name] ? '1' : '0']],
    ),
  );
  if (Object.keys(wanted).length === 0) badInput('neither nesting nor keyctl is given');
  return wanted;
}

const differing = (now: Record<string, string>, wanted: Record<string, string>): string[] =>
  Object.keys(wanted).filter((name) => (now[name] ?? '0') !== wanted[name]);

function featuresProbe(args: Features, call: HandsCall): object {
  const wanted = wantedOf(args);
  const config = guestConfig(call, args.vmid);
  const differ = differing(featuresOf(config), wanted);
  const evidence = `features: ${oneLine(config.now.features ?? '(none)')}`;
  if (differ.length === 0) return { state: 'already', evidence: `${evidence}; who set them is not recorded` };
  return { state: differ.length < Object.keys(wanted).length ? 'partial' : 'absent', evidence };
}

function features(args: Features, call: HandsCall): object {
  const { vmid } = args;
  const what = `the features of CT ${vmid} were not changed`;
  const wanted = wantedOf(args);
  const config = guestConfig(call, vmid);
  mustNotBeLocked(config, what, 'it');
  if (config.now.unprivileged !== '1' && Object.values(wanted).includes('1'))
    fault(
      'refused',
      what,
      'it is a privileged container, where nesting and keyctl would open the node',
      'use an unprivileged container',
    );
  const now = featuresOf(config);
  if (differing(now, wanted).length === 0)
    return { vmid, restart: false, changed: false, features: oneLine(config.now.features ?? '') };
  const all = { ...now, ...wanted };
  const text = Object.keys(all)
    .sort()
    .map((name) => `${name}=${all[name]}`)
    .join(',');
  pct(call, what, vmid, ['set', String(vmid), '--features', text], () => {
    config.guest.config.features = text;
    call.hands.happened('ct.features', vmid);
  });
  return { vmid, restart: isRunning(config), changed: true, features: text };
}

interface Unlock {
  readonly vmid: number;
  readonly marker: string;
  readonly upid?: string;
}

const makers = /^(?:vzcreate|vzrestore|vzclone|vzmigrate|qmrestore)$/;

/** Why a lock may be taken, as evidence; or the call ends. */
function rightToUnlock({ vmid, marker, upid }: Unlock, config: GuestConfig, call: HandsCall): string {
  const what = `CT ${vmid} was not unlocked`;
  const forbidden = (why: string, next: string) => fault('forbidden', what, why, next);
  const tasks = call.hands.tasks.of(call.hands.node);
  const making = (task: Task) => task.status === 'running' && makers.test(task.type) && task.id === String(vmid);
  if (tasks.some(making))
    fault('conflict', what, 'a task that makes it is still running', 'wait for that task, or stop it');
  if (config.description.split(/\s+/).includes(marker)) return `its description carries ${marker}`;
  const bare = Object.keys(config.now).join() === 'lock' && config.description === '' && config.sections.size === 0;
  if (!bare) forbidden(`its description does not carry ${marker}`, 'look at it; pct unlock on the node is for people');
  if (upid === undefined)
    return forbidden(
      'it holds nothing but the lock, so only the task that made it can tell whose it is',
      'give the task id (upid) of the create',
    );
  const [, , , , , type, id] = upid.split(':');
  if (type !== 'vzcreate' || id !== String(vmid))
    forbidden('the task given is not the making of this guest', 'give the task id of the create');
  if (!tasks.some((task) => task.upid === upid && task.status === 'stopped'))
    forbidden('the task given is unknown on this node, or still runs', 'ask the node that ran the create');
  return 'it holds nothing but the lock of the ended task given';
}

function unlockProbe({ vmid }: Unlock, call: HandsCall): object {
  const config = localConfig(call, vmid);
  if (!config) return { state: 'unknown', evidence: `guest ${vmid} is not on this node` };
  const { lock } = config.now;
  return lock
    ? { state: 'absent', evidence: `it is locked (${oneLine(lock)})` }
    : { state: 'already', evidence: 'it is not locked; who unlocked it is not recorded' };
}

function unlock(args: Unlock, call: HandsCall): object {
  const { vmid } = args;
  const what = `CT ${vmid} was not unlocked`;
  const config = guestConfig(call, vmid);
  const { lock } = config.now;
  if (!lock) return { vmid, changed: false, evidence: 'it is not locked' };
  if (lock !== 'create')
    fault(
      'forbidden',
      what,
      `its lock is ${oneLine(lock)}, not that of a create`,
      'pct unlock on the node is for people',
    );
  const evidence = rightToUnlock(args, config, call);
  pct(call, what, vmid, ['unlock', String(vmid)], () => {
    config.guest.lock = undefined;
    call.hands.happened('ct.unlock', vmid);
  });
  return { vmid, changed: true, evidence };
}

export const configVerbs: Verbs = {
  'ct.features': verb({
    needs: { vmid: field.vmid },
    may: { nesting: field.flag, keyctl: field.flag },
    changes: true,
    run: features,
    probe: featuresProbe,
  }),
  'ct.unlock': verb({
    needs: { vmid: field.vmid, marker: field.marker },
    may: { upid: field.upid },
    changes: true,
    run: unlock,
    probe: unlockProbe,
  }),
};
