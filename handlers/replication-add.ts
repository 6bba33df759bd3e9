import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Plan } from '../src/contracts/plan.ts';
import { addReplicationStep, guestLabel } from '../src/contracts/steps.ts';
import { guest, optional, schedule, target } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable } from './parts/checks.ts';
import { freeJobId, mayReplicate, replicates, storagesToCopy, targetNode } from './parts/replication.ts';

interface Wanted {
  readonly vmid: string;
  readonly target: string;
  readonly schedule?: string;
}

export const replicationAdd = defineCommand({
  name: 'replication add',
  summary: 'Copy the disks of a guest to another node, again and again (ZFS)',
  examples: ['replication add 103 ovh3', 'replication add vmid:103 target:ovh3 schedule:*/15'],
  options: { vmid: guest, target, schedule: optional(schedule, 'How often; default: as the house rules say') },
  positional: ['vmid', 'target'],
  action: 'replication.add',
  risk: 'routine',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      `Job ${intentText(plan, 'job')}: ${plan.target.node} to ${intentText(plan, 'target')}, ${intentText(plan, 'schedule')}`,
      'The first run copies everything, later ones what changed',
    ]),
  result: (plan, run) =>
    resultCard(`Job ${intentText(plan, 'job')} copies ${plan.target.name} to ${intentText(plan, 'target')}`, run, [
      `Schedule ${intentText(plan, 'schedule')}; the first full copy starts at its next minute`,
    ]),
});

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view, everything, house } = context;
  const guest = await view.findGuest(wanted.vmid);
  const what = `${guestLabel(guest)} is not replicated to ${wanted.target}`;
  const membership = await view.membership();
  const guards = [quorate(membership, what), await reachable(guest, context, what)];
  const destination = targetNode(await view.nodes(), wanted.target, guest.node, what, 'target');
  const [detail, here, there, jobs] = await Promise.all([
    view.guestDetail(guest),
    view.storages(guest.node),
    view.storages(destination.name),
    everything.replicationJobs(),
  ]);
  const storages = storagesToCopy(detail, here, what);
  const sides = [
    { node: guest.node, storages: here },
    { node: destination.name, storages: there },
  ];
  const own = jobs.filter((job) => job.guest === guest.vmid);
  const twin = own.find((job) => job.target === destination.name);
  if (twin) {
    fail('conflict', {
      what,
      why: twin.removing ? `job ${twin.id} to it is being removed` : `job ${twin.id} already copies it there`,
      next: twin.removing ? 'try again in a minute' : 'one job per target is all there can be',
    });
  }
  const unknownRights = await mayReplicate(context, guest, what);
  const event = wanted.schedule ?? house.ct.replicateSchedule;
  const id = freeJobId(guest.vmid, own, context.reserved, view.name);
  return {
    command: 'replication add',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { identity: detail.mac, protected: detail.protection }),
    title: `Replicate ${guestLabel(guest)} from ${guest.node} to ${destination.name}`,
    intent: { job: id, source: guest.node, target: destination.name, schedule: event, storages },
    guards: [
      ...guards,
      destination.guard,
      ...storages.map((storage) =>
        replicates(storage, sides, what, 'move the disk to a ZFS storage that both nodes have'),
      ),
      { code: `replication-free:${id}`, says: `no job ${id} and none to ${destination.name} exists` },
    ],
    observations: [
      { label: 'Disks on', value: storages.join(' ') },
      { label: 'Other jobs', value: own.map((job) => `${job.id} to ${job.target}`).join(', ') || 'none' },
      ...(unknownRights ? [{ label: 'Token rights', value: `not checked: ${unknownRights}` }] : []),
    ],
    risks: [],
    steps: [addReplicationStep(id, destination.name, event, `Adding replication job ${id} to ${destination.name}`)],
    reserves: [`replication/${view.name}/${id}`],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}
