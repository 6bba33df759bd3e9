import type { GuestDetail } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Plan } from '../src/contracts/plan.ts';
import { createSnapshotStep, guestLabel } from '../src/contracts/steps.ts';
import { description, guest, newSnapshot, optional } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { notReserved, quorate, reachable, unlocked } from './parts/checks.ts';
import { ageOf, copiesOf, groundOf, littleRoom, overview, targetsOf } from './parts/snapshots.ts';

interface Wanted {
  readonly vmid: string;
  readonly snapshot: string;
  readonly description?: string;
}

export const snapshotCreate = defineCommand({
  name: 'snapshot create',
  summary: 'Keep the disks of a guest as they are now, to go back to',
  examples: ['snapshot create 103 before-upgrade', 'snapshot create vmid:103 snapshot:v2 description:"before v2"'],
  options: { vmid: guest, snapshot: newSnapshot, description: optional(description) },
  positional: ['vmid', 'snapshot'],
  action: 'snapshot.create',
  risk: 'routine',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      'Disks and configuration as they are at that moment, without memory: to the guest, going back is like a power cut',
      'It goes on running meanwhile; the snapshot is no backup, it lives on the same disks',
      ...(plan.intent['copies'] ? [`Replication carries it along: ${intentText(plan, 'copies')}`] : []),
    ]),
  result: (plan, run) =>
    resultCard(`Snapshot ${intentText(plan, 'snapshot')} of ${intentText(plan, 'guest')} is made`, run, [
      'It takes up what is changed or deleted from now on, until it is deleted',
    ]),
});

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view } = context;
  const { snapshot: name } = wanted;
  const found = await view.findGuest(wanted.vmid);
  const label = guestLabel(found);
  const what = `snapshot ${name} of ${label} was not made`;
  const guards = [quorate(await view.membership(), what), await reachable(found, context, what), unlocked(found, what)];
  const [detail, list, able] = await Promise.all([
    view.guestDetail(found),
    view.snapshots(found),
    view.canSnapshot(found),
  ]);
  const twin = list.all.find((each) => each.name === name);
  if (twin) {
    fail('conflict', {
      what,
      why: `the name is taken by one that is ${ageOf(twin, context)}`,
      next: 'choose another name, for example with the date in it',
    });
  }
  const reserve = `snapshot/${view.name}/${found.vmid}/${name}`;
  notReserved(context, reserve, `the snapshot name ${name}`, what, 'choose another name');
  if (!able) refuseUnable(detail, what);
  const [ground, copies] = [await groundOf(detail, context), await copiesOf(found, context)];
  return {
    command: 'snapshot create',
    version: 1,
    cluster: view.name,
    target: guestTarget(found, { identity: detail.mac, protected: detail.protection }),
    title: `Make snapshot ${name} of ${label} on ${found.node}`,
    intent: {
      guest: label,
      node: found.node,
      snapshot: name,
      description: wanted.description ?? '',
      copies: targetsOf(copies),
    },
    guards: [
      ...guards,
      { code: `snapshot-free:${name}`, says: `it has no snapshot ${name}` },
      { code: 'snapshot-possible', says: 'all its disks can be snapshotted' },
    ],
    observations: [
      { label: 'State', value: found.status },
      { label: 'Snapshots', value: overview(list, context) },
      { label: 'Free', value: ground.free },
    ],
    risks: littleRoom(ground),
    steps: [createSnapshotStep(found, name, wanted.description ?? '')],
    reserves: [reserve],
    locks: [`guest/${view.name}/${found.vmid}`],
  };
}

/** Bind mounts and disks on directories are the usual reasons; which one it is Proxmox does not say. */
function refuseUnable(detail: GuestDetail, what: string): never {
  const binds = detail.volumes.filter((volume) => volume.storage === undefined && volume.volid.startsWith('/'));
  const disks = detail.volumes.map((volume) => `${volume.key} ${volume.volid}`).join(', ');
  return fail('conflict', {
    what,
    why:
      binds.length > 0
        ? `${binds.map((volume) => volume.key).join(', ')} is a bind or device mount, and one disk that cannot be snapshotted spoils it for all`
        : `a disk of it is on a storage without snapshots (${disks}), and one that cannot spoils it for all`,
    next: 'take that disk off or move it to ZFS, Ceph or LVM-thin; a backup works all the same',
  });
}
