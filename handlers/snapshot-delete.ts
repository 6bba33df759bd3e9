import type { Snapshot } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import type { Plan, Risk } from '../src/contracts/plan.ts';
import { deleteSnapshotStep, guestLabel } from '../src/contracts/steps.ts';
import { guest, snapshot } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { prodTag } from './parts/risks.ts';
import { ageOf, busyText, type Copy, copiesOf, findSnapshot, madeBy, overview, remark } from './parts/snapshots.ts';

export const snapshotDelete = defineCommand({
  name: 'snapshot delete',
  summary: 'Delete a snapshot of a guest; the guest itself stays as it is',
  examples: ['snapshot delete 103 before-upgrade'],
  options: { vmid: guest, snapshot },
  positional: ['vmid', 'snapshot'],
  action: 'snapshot.delete',
  risk: 'disruptive',
  version: 1,
  plan: ({ vmid, snapshot }, context) => plan(vmid, snapshot, context),
  preview: (plan) =>
    previewCard(plan, ['Files as they were then can no longer be had from it; the guest goes on as it is']),
  result: (plan, run) =>
    resultCard(`Snapshot ${intentText(plan, 'snapshot')} of ${intentText(plan, 'guest')} is deleted`, run),
});

async function plan(wanted: string, name: string, context: PlanContext): Promise<Plan> {
  const { view } = context;
  const found = await view.findGuest(wanted);
  const label = guestLabel(found);
  const what = `snapshot ${name} of ${label} was not deleted`;
  const guards = [quorate(await view.membership(), what), await reachable(found, context, what), unlocked(found, what)];
  const [detail, list, copies] = await Promise.all([
    view.guestDetail(found),
    view.snapshots(found),
    copiesOf(found, context),
  ]);
  const known = findSnapshot(list, name, found, what, context);
  const busy = busyText(copies);
  const written = remark(known.snapshot);
  return {
    command: 'snapshot delete',
    version: 1,
    cluster: view.name,
    target: guestTarget(found, { identity: detail.mac, protected: detail.protection }),
    title: `Delete snapshot ${name} of ${label} on ${found.node}`,
    intent: { guest: label, node: found.node, snapshot: name, at: known.snapshot.at },
    guards: [...guards, known.guard],
    observations: [
      { label: 'Age', value: ageOf(known.snapshot, context) },
      { label: 'Made by', value: madeBy(known.snapshot) },
      ...(written ? [{ label: 'Note', value: written }] : []),
      { label: 'All', value: overview(list, context) },
      ...(busy ? [{ label: 'Replication', value: busy }] : []),
    ],
    risks: [...somebodyElses(known.snapshot), ...replicated(copies), ...prodTag(found)],
    steps: [deleteSnapshotStep(found, name, known.snapshot.at)],
    reserves: [],
    locks: [`guest/${view.name}/${found.vmid}`],
  };
}

function somebodyElses(snapshot: Snapshot): readonly Risk[] {
  const by = madeBy(snapshot);
  if (by === 'bascule') return [];
  const says =
    by === 'hand'
      ? 'somebody made it by hand, and may count on it'
      : 'a schedule on the node made it, which deletes its own when they are old enough';
  return [{ code: 'not-made-here', says }];
}

/** A job without a snapshot of its own needs the others as its base, and Proxmox then refuses (FACTS 6). */
function replicated(copies: readonly Copy[]): readonly Risk[] {
  if (copies.length === 0) return [];
  const targets = [...new Set(copies.map(({ job }) => job.target))].join(', ');
  const fresh = copies.filter(({ state }) => state?.lastSync === 0).map(({ job }) => job.id);
  return [
    { code: 'replicated', says: `it goes from the copy on ${targets} too, at the next replication` },
    ...(fresh.length > 0
      ? [
          {
            code: 'replication-may-need-it',
            says: `${fresh.join(', ')} has no finished run here and may need it as its base: then Proxmox refuses and nothing changes`,
          },
        ]
      : []),
  ];
}
