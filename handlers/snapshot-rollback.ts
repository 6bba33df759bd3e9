import type { Card, Fact } from '../src/contracts/card.ts';
import type { Guest, GuestDetail, HaService, Snapshot, Snapshots } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Guard, Plan, Risk } from '../src/contracts/plan.ts';
import type { RunRecord } from '../src/contracts/records.ts';
import { guestLabel, rollbackStep, startStep } from '../src/contracts/steps.ts';
import { guest, optional, snapshot, yesNo } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { attempt, backupText, describe } from './parts/guests.ts';
import { haServiceOf, prodTag } from './parts/risks.ts';
import { mayRollBack } from './parts/rollback-right.ts';
import {
  ageOf,
  busyText,
  type Copy,
  copiesOf,
  findSnapshot,
  type Ground,
  groundOf,
  overview,
} from './parts/snapshots.ts';
import { span } from './parts/units.ts';
import { namesOf, newerThan, type OnNode, onNode } from './parts/zfs.ts';

interface Wanted {
  readonly vmid: string;
  readonly snapshot: string;
  readonly start?: boolean;
}

export const snapshotRollback = defineCommand({
  name: 'snapshot rollback',
  summary: 'Put a guest back to a snapshot; all that was written since is lost',
  examples: ['snapshot rollback 103 before-upgrade', 'snapshot rollback vmid:103 snapshot:before-upgrade start:no'],
  options: {
    vmid: guest,
    snapshot,
    start: optional(yesNo('start', 'Start it afterwards; default: if it runs now')),
  },
  positional: ['vmid', 'snapshot'],
  action: 'snapshot.rollback',
  risk: 'destructive',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) => preview(plan),
  result: (plan, run) => result(plan, run),
});

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view } = context;
  const found = await view.findGuest(wanted.vmid);
  const label = guestLabel(found);
  const what = `${label} was not rolled back`;
  const guards = [quorate(await view.membership(), what), await reachable(found, context, what), unlocked(found, what)];
  const [detail, list, copies, service, backups, node] = await Promise.all([
    view.guestDetail(found),
    view.snapshots(found),
    copiesOf(found, context),
    haServiceOf(context, found),
    attempt(() => view.backups(found)),
    onNode(context.nodes, found),
  ]);
  const known = findSnapshot(list, wanted.snapshot, found, what, context);
  const ground = await groundOf(detail, context);
  const newest = onlyNewest(list, known.snapshot, ground, found, what, context);
  notBlocked(node, known.snapshot, found, what);
  const unknownRights = await mayRollBack(context, found, what);
  const afterwards = whatFollows(found, known.snapshot, wanted.start, what);
  const now = context.clock.now() / 1000;
  const busy = busyText(copies);
  return {
    command: 'snapshot rollback',
    version: 1,
    cluster: view.name,
    target: guestTarget(found, { identity: detail.mac, protected: detail.protection }),
    title: `Roll ${label} on ${found.node} back to snapshot ${wanted.snapshot}`,
    intent: { guest: label, node: found.node, snapshot: wanted.snapshot, at: known.snapshot.at, afterwards },
    guards: [...guards, known.guard, ...newest],
    observations: [
      { label: 'Age', value: ageOf(known.snapshot, context) },
      { label: 'Snapshots', value: overview(list, context) },
      { label: 'State', value: `${found.status}${found.uptime ? ` for ${span(found.uptime)}` : ''}` },
      { label: 'Newest backup', value: describe(backups, (all) => backupText(all, now)) },
      ...(busy ? [{ label: 'Replication', value: busy }] : []),
      ...looked(node, known.snapshot, found),
      ...(unknownRights ? [{ label: 'Token rights', value: `not checked: ${unknownRights}` }] : []),
    ],
    risks: [
      ...losses(known.snapshot, detail, context),
      ...(found.status === 'stopped' ? [] : [{ code: 'running', says: 'it runs, and is stopped hard first' }]),
      ...haRisk(service, found),
      ...basesLost(copies, known.snapshot, ground, node, context),
      ...prodTag(found),
    ],
    steps: [rollbackStep(found, wanted.snapshot), ...(afterwards === 'started' ? [startStep(found)] : [])],
    reserves: [],
    locks: [`guest/${view.name}/${found.vmid}`],
  };
}

/** FACTS 6: on ZFS every newer snapshot is in the way, and Proxmox takes only those of replication away itself. */
function onlyNewest(
  { all }: Snapshots,
  wanted: Snapshot,
  { zfs }: Ground,
  found: Guest,
  what: string,
  { root }: PlanContext,
): readonly Guard[] {
  const newer = all.slice(all.indexOf(wanted) + 1).map((each) => each.name);
  if (zfs !== true) return [];
  if (newer.length > 0) {
    fail('conflict', {
      what,
      why: `its disks are on ZFS, which goes back only to the newest snapshot, and ${wanted.name} has newer ones: ${shortened(newer)}`,
      next: `go back to ${newer.at(-1)}, or delete the newer ones first: ${root}snapshot delete vmid:${found.vmid} snapshot:${newer.at(-1)}`,
    });
  }
  return [{ code: `newest-snapshot:${wanted.name}`, says: `${wanted.name} is the newest that Proxmox knows of` }];
}

/** Those made with zfs stop it, and Proxmox would tell only half way (FACTS 6). */
function notBlocked(node: OnNode, wanted: Snapshot, found: Guest, what: string): void {
  if (node.kind !== 'seen') return;
  const { blocking } = newerThan(node.zfs, wanted.name);
  if (blocking.length === 0) return;
  const last = blocking.at(-1)!;
  fail('conflict', {
    what,
    why: `zfs goes back only to the newest snapshot, and there are newer ones that Proxmox does not know of: ${namesOf(blocking)}`,
    next: `whoever made them deletes them on ${found.node}, if nobody needs them: zfs destroy ${last.dataset}@${last.name}`,
  });
}

const LOOKED = 'Newer on the node';

/** What was seen there, so that people know whether anybody looked. */
function looked(node: OnNode, wanted: Snapshot, { node: name }: Guest): readonly Fact[] {
  if (node.kind === 'failed') return [{ label: LOOKED, value: `not known, ${name} did not tell: ${node.why}` }];
  if (node.kind === 'none') return [];
  const { lost } = newerThan(node.zfs, wanted.name);
  return [{ label: LOOKED, value: lost.length > 0 ? `${namesOf(lost)}: removed with it` : 'nothing' }];
}

const shortened = (names: readonly string[]): string =>
  names.length > 5 ? `${names.slice(-5).join(', ')} and ${names.length - 5} more` : names.join(', ');

type Afterwards = 'started' | 'stopped' | 'memory';

function whatFollows(found: Guest, to: Snapshot, start: boolean | undefined, what: string): Afterwards {
  if (found.status === 'unknown') {
    fail('unavailable', { what, why: `${found.node} does not tell whether it runs`, next: 'try again in a minute' });
  }
  if (to.memory) {
    if (start !== false) return 'memory';
    fail('bad-input', {
      what,
      why: `${to.name} holds its memory, so Proxmox lets it run on from there`,
      next: 'leave start: out, and shut it down afterwards',
    });
  }
  return (start ?? found.status !== 'stopped') ? 'started' : 'stopped';
}

function losses(to: Snapshot, detail: GuestDetail, context: PlanContext): readonly Risk[] {
  const since = to.at > 0 ? `in the last ${span(context.clock.now() / 1000 - to.at)}` : 'since then';
  return [
    { code: 'loses-changes', says: `all that was written on it ${since} is lost, for good` },
    {
      code: 'configuration-back',
      says: 'its configuration goes back too: size, network, mount points; disks added since are no longer attached',
    },
    ...(detail.protection
      ? [
          {
            code: 'protection-no-help',
            says: 'its protection is on, but only guards against destroying, not against this',
          },
        ]
      : []),
  ];
}

function haRisk(service: HaService | undefined, found: Guest): readonly Risk[] {
  if (!service || found.status === 'stopped') return [];
  return [
    {
      code: 'ha-managed',
      says: 'HA sees it stop and starts it by itself; while it is locked that fails, and after too many tries HA gives up on it',
    },
  ];
}

/** ODDITIES 97: they are removed without a word, and with them what the next increment would have been based on. */
function basesLost(
  copies: readonly Copy[],
  to: Snapshot,
  { zfs }: Ground,
  node: OnNode,
  context: PlanContext,
): readonly Risk[] {
  const now = context.clock.now() / 1000;
  const lost = copies.filter(({ job, state }) =>
    node.kind === 'seen' ? isLost(node, to, job.id) : zfs !== false && (!state || state.lastSync >= to.at),
  );
  if (lost.length === 0) return [];
  const named = lost.map(({ job, state }) => {
    const age = state && state.lastSync > 0 ? `, ${span(now - state.lastSync)} old` : '';
    return `${job.id} to ${job.target}${age}`;
  });
  return [
    {
      code: 'replication-restarts',
      says: `newer snapshots of replication are removed (${named.join('; ')}): it starts again from an older base or copies all, and the copy then goes back as well`,
    },
  ];
}

/** `__replicate_103-0_1794747600__` is of the job 103-0. */
const isLost = ({ zfs }: Extract<OnNode, { readonly kind: 'seen' }>, to: Snapshot, job: string): boolean =>
  newerThan(zfs, to.name).lost.some(({ name }) => name.startsWith(`__replicate_${job}_`));

function preview(plan: Plan): Card {
  const seen = plan.observations.some(({ label, value }) => label === LOOKED && !value.startsWith('not known'));
  const after: Readonly<Record<string, string>> = {
    started: 'Rolls its disks and configuration back, then starts it and waits until it runs',
    stopped: 'Rolls its disks and configuration back, and leaves it stopped',
    memory: 'Rolls its disks, configuration and memory back; it runs on from that moment',
  };
  return previewCard(plan, [
    after[intentText(plan, 'afterwards')] ?? '',
    ...(seen ? [] : ['Newer snapshots that only the node shows can stop it; then nothing is changed']),
  ]);
}

function result(plan: Plan, run: RunRecord): Card {
  const name = intentText(plan, 'snapshot');
  const replicated = plan.risks.some((risk) => risk.code === 'replication-restarts');
  return resultCard(`${intentText(plan, 'guest')} is back at snapshot ${name}`, run, [
    intentText(plan, 'afterwards') === 'stopped' ? 'It is stopped' : 'It runs',
    ...(replicated ? [`Do not delete ${name} before the next replication: it may be its only base`] : []),
  ]);
}
