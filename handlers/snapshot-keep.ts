import type { Card } from '../src/contracts/card.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Guard, Plan, PlannedStep, Target } from '../src/contracts/plan.ts';
import type { RunRecord } from '../src/contracts/records.ts';
import { createSnapshotStep, deleteSnapshotStep, guestLabel } from '../src/contracts/steps.ts';
import { guest, optional } from './options.ts';
import { guestTarget, previewCard, resultCard } from './parts/cards.ts';
import { quorate } from './parts/checks.ts';
import { scheduledNote } from './parts/retention.ts';
import {
  classReserve,
  type GuestWork,
  itemsOf,
  nameReserve,
  type SnapshotWork,
  snapshotWork,
} from './parts/snapshot-work.ts';
import { count } from './parts/units.ts';

export const snapshotKeep = defineCommand({
  name: 'snapshot keep',
  summary: 'Make the scheduled snapshots that are due, and delete those past their time',
  examples: ['snapshot keep', 'snapshot keep 103'],
  options: { vmid: optional(guest, 'Only this guest; default: every guest that a rule names') },
  positional: ['vmid'],
  action: 'snapshot.keep',
  risk: 'routine',
  version: 1,
  plan: ({ vmid }, context) => plan(vmid, context),
  preview: (plan) => preview(plan),
  result: (plan, run) => result(plan, run),
});

const WHAT = 'no scheduled snapshot was made or deleted';

async function plan(wanted: string | undefined, context: PlanContext): Promise<Plan> {
  const { view, house, root } = context;
  if (house.snapshots.length === 0) {
    fail('not-found', {
      what: WHAT,
      why: 'the config has no rules for snapshots',
      next: `add some under house.snapshots, or make one by hand: ${root}snapshot create`,
    });
  }
  const quorum = quorate(await view.membership(), WHAT);
  const only = wanted === undefined ? undefined : await view.findGuest(wanted);
  const work = await snapshotWork(only ? [only] : await view.guests(), context);
  if (work.guests.length === 0) refuseIdle(work, only && guestLabel(only));
  const steps = work.guests.flatMap(stepsOf);
  const made = work.guests.reduce((sum, { make }) => sum + make.length, 0);
  return {
    command: 'snapshot keep',
    version: 1,
    cluster: view.name,
    target: await targetOf(only, context),
    title: `Scheduled snapshots: make ${made}, delete ${steps.length - made}`,
    intent: {
      items: work.guests.flatMap(itemsOf),
      table: work.guests.map(row),
    },
    guards: [quorum, ...online(work.guests), ...work.guests.flatMap(guardsOf)],
    observations: [
      ...(work.left.length > 0 ? [{ label: 'Left alone', value: shortened(work.left) }] : []),
      ...(work.later > 0 ? [{ label: 'Next plan', value: `${count(work.later, 'more guest')} with work to do` }] : []),
    ],
    risks: [],
    steps,
    reserves: work.guests.flatMap(({ guest, make, remove }) => [
      ...make.map(({ kind }) => classReserve(view.name, guest.vmid, kind)),
      ...[...make, ...remove].map(({ name }) => nameReserve(view.name, guest.vmid, name)),
    ]),
    locks: work.guests.map(({ guest }) => `guest/${view.name}/${guest.vmid}`),
  };
}

function refuseIdle({ left }: SnapshotWork, only: string | undefined): never {
  return fail('conflict', {
    what: WHAT,
    why:
      left.length > 0 ? `nothing can be done now:\n${shortened(left)}` : `nothing is due${only ? ` for ${only}` : ''}`,
    next: left.length > 0 ? 'look at what stands in the way' : 'nothing; snapshot list shows what is kept until when',
  });
}

async function targetOf(only: GuestWork['guest'] | undefined, { view }: PlanContext): Promise<Target> {
  if (!only) return { kind: 'cluster', id: view.name, name: view.name };
  const detail = await view.guestDetail(only);
  return guestTarget(only, { identity: detail.mac, protected: detail.protection });
}

/** First what is made, so that the newest of a class is there before an older one goes. */
function stepsOf({ guest, make, remove }: GuestWork): readonly PlannedStep[] {
  return [
    ...make.map(({ kind, name }) => {
      // Nobody wants it back because another one failed.
      const { undo: _, ...step } = createSnapshotStep(guest, name, scheduledNote(kind));
      return { ...step, name: `make-${guest.vmid}-${kind}`, alone: true as const };
    }),
    ...remove.map((snapshot) => ({
      ...deleteSnapshotStep(guest, snapshot.name, snapshot.at),
      name: `delete-${guest.vmid}-${snapshot.name}`,
      alone: true as const,
    })),
  ];
}

const online = (guests: readonly GuestWork[]): readonly Guard[] =>
  [...new Set(guests.map(({ guest }) => guest.node))].map((node) => ({
    code: `node-online:${node}`,
    says: `${node} is online`,
  }));

function guardsOf({ guest, make, remove }: GuestWork): readonly Guard[] {
  const label = guestLabel(guest);
  return [
    { code: `unlocked:${guest.vmid}`, says: `${label} is not locked` },
    ...make.map(({ name }) => ({
      code: `snapshot-free:${guest.vmid}/${name}`,
      says: `${label} has no snapshot ${name}`,
    })),
    ...remove.map(({ name, at }) => ({
      code: `snapshot:${guest.vmid}/${name}@${at}`,
      says: `snapshot ${name} of ${label} is the one that was seen`,
    })),
  ];
}

const row = ({ guest, make, remove }: GuestWork): readonly string[] => [
  guestLabel(guest),
  make.map(({ kind }) => kind).join(', ') || '-',
  remove.map(({ name }) => name.replace(/^bascule-/, '')).join(', ') || '-',
];

function shortened(left: SnapshotWork['left']): string {
  const lines = left.map(({ says }) => says);
  return lines.length > 6 ? [...lines.slice(0, 6), `and ${lines.length - 6} more`].join('\n') : lines.join('\n');
}

function preview(plan: Plan): Card {
  return {
    ...previewCard(plan, ['Only what this schedule itself made is deleted; one that fails stops no other']),
    table: { columns: ['Guest', 'Make', 'Delete'], rows: plan.intent['table'] as readonly (readonly string[])[] },
  };
}

function result(plan: Plan, run: RunRecord): Card {
  return {
    ...resultCard(plan.title.replace('make', 'made').replace('delete', 'deleted'), run),
    table: { columns: ['Guest', 'Made', 'Deleted'], rows: plan.intent['table'] as readonly (readonly string[])[] },
    ...(plan.observations.length > 0 ? { facts: plan.observations } : {}),
  };
}
