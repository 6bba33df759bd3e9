import { type Call, type GuestType, MARKER, type PlannedStep, type Probe } from './plan.ts';

/** The Proxmox operations our plans are made of; which repeats are safe was measured (PROBES.md, table). */

/** One encoded path below /api2/json. */
export function apiPath(...segments: readonly (string | number)[]): string {
  return `/${segments.map((segment) => encodeURIComponent(String(segment))).join('/')}`;
}

const power = (node: string, type: GuestType, vmid: number, verb: string, params: Call['params'] = {}): Call => ({
  method: 'POST',
  path: apiPath('nodes', node, type, vmid, 'status', verb),
  params,
});

const running = (node: string, type: GuestType, vmid: number, want: boolean): Probe => ({
  kind: 'guest-running',
  node,
  type,
  vmid,
  want,
});

export interface GuestRef {
  readonly node: string;
  readonly type: GuestType;
  readonly vmid: number;
  readonly name: string;
}

/** `CT 103 robotoff` or `VM 200 win`. */
export function guestLabel(guest: Pick<GuestRef, 'type' | 'vmid' | 'name'>): string {
  return `${guest.type === 'lxc' ? 'CT' : 'VM'} ${guest.vmid} ${guest.name}`.trim();
}

/** Starts a guest and waits until it runs. With HA the call only files the wish, so the wait is what counts. */
export function startStep(
  guest: GuestRef,
  options: { readonly undo?: boolean; readonly seconds?: number } = {},
): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'start',
    says: `Starting ${guestLabel(guest)}`,
    call: power(node, type, vmid, 'start'),
    probe: running(node, type, vmid, true),
    repeat: 'refused',
    settle: { probe: running(node, type, vmid, true), seconds: options.seconds ?? 90 },
    ...(options.undo
      ? {
          undo: [
            {
              says: `Stopping ${guestLabel(guest)}`,
              call: power(node, type, vmid, 'stop'),
              probe: running(node, type, vmid, false),
              needsMarker: true,
            },
          ],
        }
      : {}),
  };
}

/** Cuts the power. Repeating is not safe: somebody may have started it again in between. */
export function stopStep(guest: GuestRef): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'stop',
    says: `Stopping ${guestLabel(guest)} hard`,
    call: power(node, type, vmid, 'stop'),
    probe: running(node, type, vmid, false),
    repeat: 'never',
    settle: { probe: running(node, type, vmid, false), seconds: 60 },
  };
}

/** Asks the guest to power off and waits; does not cut the power when it takes too long. `seconds`: how long the guest may take. */
export function shutdownStep(guest: GuestRef, seconds: number): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'shutdown',
    says: `Shutting ${guestLabel(guest)} down`,
    call: power(node, type, vmid, 'shutdown', { timeout: seconds, forceStop: 0 }),
    probe: running(node, type, vmid, false),
    repeat: 'never',
    settle: { probe: running(node, type, vmid, false), seconds: seconds + 30 },
  };
}

export function rebootStep(guest: GuestRef, seconds: number): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'reboot',
    says: `Rebooting ${guestLabel(guest)}`,
    call: power(node, type, vmid, 'reboot', { timeout: seconds }),
    probe: { kind: 'guest-task', node, type, vmid, task: type === 'lxc' ? 'vzreboot' : 'qmreboot' },
    repeat: 'never',
    settle: { probe: running(node, type, vmid, true), seconds: seconds + 60 },
  };
}

/**
 * Creates a CT under an explicit vmid, which is why Proxmox refuses a second one (PROBES.md 2). The undo clears
 * protection first and destroys only what carries our marker. A killed create leaves `lock: create`, which no
 * token can clear (PROBES.md 1): `byHand` names what to type on the node.
 */
export function createCtStep(node: string, vmid: number, name: string, params: Call['params']): PlannedStep<Call> {
  return {
    name: 'create',
    says: `Creating CT ${vmid} ${name} on ${node}`,
    call: { method: 'POST', path: apiPath('nodes', node, 'lxc'), params: { vmid, ...params } },
    probe: { kind: 'ct-created', node, vmid },
    repeat: 'refused',
    undo: [
      {
        says: `Clearing the protection of CT ${vmid}`,
        call: { method: 'PUT', path: apiPath('nodes', node, 'lxc', vmid, 'config'), params: { protection: 0 } },
        probe: { kind: 'guest-config', node, type: 'lxc', vmid, key: 'protection', value: '0' },
        needsMarker: true,
      },
      {
        says: `Destroying CT ${vmid}`,
        call: {
          method: 'DELETE',
          path: apiPath('nodes', node, 'lxc', vmid),
          params: { purge: 1, 'destroy-unreferenced-disks': 1 },
        },
        probe: { kind: 'guest-gone', node, type: 'lxc', vmid, identity: MARKER },
        needsMarker: true,
      },
    ],
    byHand: [
      `ssh root@${node} pct unlock ${vmid}`,
      `ssh root@${node} pct stop ${vmid}`,
      `ssh root@${node} pct set ${vmid} --protection 0`,
      `ssh root@${node} pct destroy ${vmid} --purge 1 --destroy-unreferenced-disks 1`,
    ],
  };
}

/** Destroys a CT. Repeating is not safe: the vmid may have been given to somebody else (PROBES.md, DELETE lxc). */
export function destroyStep(guest: GuestRef, identity: string): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'destroy',
    says: `Destroying ${guestLabel(guest)}`,
    call: {
      method: 'DELETE',
      path: apiPath('nodes', node, type, vmid),
      params: { purge: 1, 'destroy-unreferenced-disks': 1 },
    },
    probe: { kind: 'guest-gone', node, type, vmid, identity },
    repeat: 'never',
    byHand: [`ssh root@${node} pct config ${vmid}`],
  };
}

/** Adds a replication job; the id is the natural key (PROBES.md), the comment our marker. */
export function addReplicationStep(id: string, target: string, schedule: string, says: string): PlannedStep<Call> {
  return {
    name: 'replicate',
    says,
    call: {
      method: 'POST',
      path: '/cluster/replication',
      params: { id, type: 'local', target, schedule, comment: MARKER },
    },
    probe: { kind: 'replication-exists', id, target },
    repeat: 'refused',
    undo: [
      {
        says: `Removing replication job ${id}`,
        call: removeReplication(id),
        probe: { kind: 'replication-gone', id },
        needsMarker: false,
      },
    ],
  };
}

const removeReplication = (id: string): Call => ({
  method: 'DELETE',
  path: apiPath('cluster', 'replication', id),
  params: {},
});

/** Marks the job for removal; it is gone after the scheduler's next round (ODDITIES 72). */
export function removeReplicationStep(id: string): PlannedStep<Call> {
  return {
    name: 'remove',
    says: `Removing replication job ${id}`,
    call: removeReplication(id),
    probe: { kind: 'replication-gone', id },
    repeat: 'refused',
  };
}

/** Switches a replication job on or off. The value is absolute, so a repeat changes nothing. */
export function switchReplicationStep(id: string, disable: boolean): PlannedStep<Call> {
  return {
    name: disable ? 'disable' : 'enable',
    says: `${disable ? 'Disabling' : 'Enabling'} replication job ${id}`,
    call: { method: 'PUT', path: apiPath('cluster', 'replication', id), params: { disable: disable ? 1 : 0 } },
    probe: { kind: 'replication-disabled', id, want: disable },
    repeat: 'refused',
  };
}

/**
 * Asks the source node to copy now. It begins with the scheduler's next minute and is no task (FACTS 4.1); asked twice,
 * it still runs once (PROBES.md, POST schedule_now). `seconds`: how long beginning and copying may take.
 */
export function runReplicationStep(id: string, source: string, target: string, seconds: number): PlannedStep<Call> {
  const probe: Probe = { kind: 'replication-ran', node: source, id };
  return {
    name: 'replicate',
    says: `Copying ${id} from ${source} to ${target}`,
    call: { method: 'POST', path: apiPath('nodes', source, 'replication', id, 'schedule_now'), params: {} },
    probe,
    repeat: 'refused',
    settle: { probe, seconds },
  };
}

/**
 * Backs a guest up while it runs. A second call would make a second backup (PROBES.md, POST vzdump), and notes need a
 * storage. `remove: 0`: no older backup is pruned. A killed one leaves the lock, which no token can clear.
 */
export function backupStep(guest: GuestRef, storage: string, compress: string): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'backup',
    says: `Backing up ${guestLabel(guest)} to ${storage}`,
    call: {
      method: 'POST',
      path: apiPath('nodes', node, 'vzdump'),
      params: { vmid, storage, mode: 'snapshot', compress, remove: 0, 'notes-template': `{{guestname}} ${MARKER}` },
    },
    probe: { kind: 'backup-made', node, type, vmid, storage },
    repeat: 'never',
    byHand: [
      `ssh root@${node} pvesm list ${storage} --vmid ${vmid}`,
      `ssh root@${node} ${type === 'lxc' ? 'pct' : 'qm'} unlock ${vmid}`,
    ],
  };
}

const snapshotPath = ({ node, type, vmid }: GuestRef, ...rest: readonly string[]): string =>
  apiPath('nodes', node, type, vmid, 'snapshot', ...rest);

const deleteSnapshot = (guest: GuestRef, snapshot: string): Call => ({
  method: 'DELETE',
  path: snapshotPath(guest, snapshot),
  params: {},
});

const snapshotGone = ({ node, type, vmid }: GuestRef, snapshot: string, identity: string): Probe => ({
  kind: 'snapshot-gone',
  node,
  type,
  vmid,
  snapshot,
  identity,
});

/**
 * Makes a snapshot of the disks, without memory. A second one of the name fails in its task (PROBES.md, POST
 * snapshot). A killed one leaves the lock and a half-made entry, which no token can clear (PROBES.md 3).
 */
export function createSnapshotStep(guest: GuestRef, snapshot: string, description: string): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  return {
    name: 'snapshot',
    says: `Making snapshot ${snapshot} of ${guestLabel(guest)}`,
    call: {
      method: 'POST',
      path: snapshotPath(guest),
      params: { snapname: snapshot, description: description === '' ? MARKER : `${description}\n${MARKER}` },
    },
    probe: { kind: 'snapshot-exists', node, type, vmid, snapshot },
    repeat: 'refused',
    undo: [
      {
        says: `Deleting snapshot ${snapshot} of ${guestLabel(guest)}`,
        call: deleteSnapshot(guest, snapshot),
        probe: snapshotGone(guest, snapshot, MARKER),
        needsMarker: true,
      },
    ],
    byHand: cutOffSnapshot(guest, snapshot),
  };
}

/** Without force the delete of a half-made one fails and leaves another lock (PROBES.md 3). */
function cutOffSnapshot({ node, type, vmid }: GuestRef, snapshot: string): readonly string[] {
  const tool = type === 'lxc' ? 'pct' : 'qm';
  return [
    `ssh root@${node} ${tool} listsnapshot ${vmid}`,
    `ssh root@${node} ${tool} unlock ${vmid}`,
    `ssh root@${node} ${tool} delsnapshot ${vmid} ${snapshot} --force 1`,
  ];
}

/** Deletes the snapshot of that name and time. A repeat would delete a namesake made since (PROBES.md, DELETE snapshot). */
export function deleteSnapshotStep(guest: GuestRef, snapshot: string, at: number): PlannedStep<Call> {
  return {
    name: 'delete',
    says: `Deleting snapshot ${snapshot} of ${guestLabel(guest)}`,
    call: deleteSnapshot(guest, snapshot),
    probe: snapshotGone(guest, snapshot, `at ${at}`),
    repeat: 'never',
    byHand: cutOffSnapshot(guest, snapshot),
  };
}

/**
 * Rolls disks and configuration back; stops a running guest hard first and leaves it stopped, unless the snapshot
 * holds its memory. `start` of the call would be a task of its own that nobody is told of, so starting is a step.
 * Nothing but its task tells that it was done, and a repeat would lose what was written since.
 */
export function rollbackStep(guest: GuestRef, snapshot: string): PlannedStep<Call> {
  const { node, type, vmid } = guest;
  const tool = type === 'lxc' ? 'pct' : 'qm';
  return {
    name: 'rollback',
    says: `Rolling ${guestLabel(guest)} back to ${snapshot}`,
    call: { method: 'POST', path: snapshotPath(guest, snapshot, 'rollback'), params: {} },
    probe: { kind: 'snapshot-rolled-back', node, type, vmid, snapshot },
    repeat: 'never',
    byHand: [`ssh root@${node} ${tool} unlock ${vmid}`, `ssh root@${node} ${tool} rollback ${vmid} ${snapshot}`],
  };
}
