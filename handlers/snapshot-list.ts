import type { Card, Fact } from '../src/contracts/card.ts';
import type { Snapshot, Snapshots } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { guest } from './options.ts';
import { attempt } from './parts/guests.ts';
import { CLASSES, type Keep, keepOf, keptUntil, scheduledAs } from './parts/retention.ts';
import { ageOf, groundOf, madeBy, remark } from './parts/snapshots.ts';
import { count, dateTime, size, span } from './parts/units.ts';
import {
  type Hidden,
  held,
  hiddenOf,
  hiddenText,
  kindText,
  namesOf,
  newerThan,
  type OnNode,
  onNode,
} from './parts/zfs.ts';

export const snapshotList = defineCommand({
  name: 'snapshot list',
  summary: 'Snapshots of a guest: how old, who made them, until when they are kept, which can be gone back to',
  examples: ['snapshot list 103'],
  options: { vmid: guest },
  positional: ['vmid'],
  action: 'snapshot.list',
  risk: 'read',
  answer: ({ vmid }, context) => answer(vmid, context),
});

const LACKING =
  'Proxmox lists only its own; with SSH access to the node those of replication, those made with zfs and the space each holds would be here too';

/** Everything about one guest's snapshots, as far as anybody tells. */
interface Look {
  readonly list: Snapshots;
  readonly node: OnNode;
  readonly keep: Keep | undefined;
  readonly zfs: boolean | 'unknown';
}

async function answer(wanted: string, context: ReadContext): Promise<Card> {
  const { view, root, house, nodes } = context;
  const found = await view.findGuest(wanted);
  const [list, node, detail] = await Promise.all([
    view.snapshots(found),
    onNode(nodes, found),
    attempt(() => view.guestDetail(found)),
  ]);
  const zfs = 'value' in detail ? (await groundOf(detail.value, context)).zfs : 'unknown';
  const look: Look = { list, node, keep: keepOf(found, house.snapshots), zfs };
  const hidden = node.kind === 'seen' ? hiddenOf(node.zfs) : [];
  const label = guestLabel(found);
  const footer = nodes.has(found.node) ? {} : { footer: LACKING };
  if (list.all.length + hidden.length === 0) {
    return {
      title: `${label}: no snapshots`,
      tone: 'plain',
      lines: [`${root}snapshot create vmid:${found.vmid} snapshot:before-upgrade makes one`],
      facts: [...schedule(look), ...unread(node)],
      ...footer,
    };
  }
  const halves = list.all.filter((each) => !each.usable).length;
  return {
    title: titleOf(label, list, hidden, halves),
    tone: halves > 0 ? 'warning' : 'plain',
    facts: [
      ...(list.base ? [{ label: 'Goes on from', value: list.base }] : []),
      ...reach(look),
      ...schedule(look),
      ...(hidden.length > 0 ? [{ label: 'Hidden from Proxmox', value: hiddenText(hidden) }] : []),
      ...unread(node),
    ],
    table: tableOf(look, hidden, context),
    ...footer,
  };
}

function titleOf(label: string, { all }: Snapshots, hidden: readonly Hidden[], halves: number): string {
  return [
    `${label}: ${count(all.length, 'snapshot')}`,
    ...(hidden.length > 0 ? [`${hidden.length} hidden`] : []),
    ...(halves > 0 ? [`${halves} not usable`] : []),
  ].join(', ');
}

function reach({ list: { all }, zfs, node }: Look): readonly Fact[] {
  const newest = all.at(-1)?.name;
  if (newest === undefined) return [];
  const says = (value: string): readonly Fact[] => [{ label: 'Rollback', value }];
  if (zfs === 'unknown') return says(`if its disks are on ZFS, only to ${newest}`);
  if (!zfs) return says('to any of them');
  const way = node.kind === 'seen' ? blockedBy(node, newest) : '';
  return says(`only to ${newest}: its disks are on ZFS${way}`);
}

function blockedBy({ zfs }: Extract<OnNode, { readonly kind: 'seen' }>, newest: string): string {
  const { blocking } = newerThan(zfs, newest);
  return blocking.length > 0 ? `; now not even that, Proxmox does not know of newer ones: ${namesOf(blocking)}` : '';
}

/** `hourly 1 d 12 h, daily 5 d` */
function schedule({ keep }: Look): readonly Fact[] {
  if (!keep) return [];
  const kept = CLASSES.flatMap((kind) => (keep[kind] === undefined ? [] : [`${kind} ${span(keep[kind])}`]));
  return [{ label: 'Schedule keeps', value: kept.join(', ') }];
}

const unread = (node: OnNode): readonly Fact[] =>
  node.kind === 'failed' ? [{ label: 'On the node', value: `cannot be read: ${node.why}` }] : [];

/** Newest first, what Proxmox hides among what it shows. */
function tableOf({ list, node, keep }: Look, hidden: readonly Hidden[], context: ReadContext): Card['table'] {
  const zfs = node.kind === 'seen' ? node.zfs : undefined;
  const kept = list.all.some((each) => scheduledAs(each));
  const shown = list.all.map((each, index) => ({
    // One without a time stands where Proxmox lists it.
    at: Math.max(...list.all.slice(0, index + 1).map(({ at }) => at)),
    row: [
      each.name,
      ageOf(each, context),
      makerOf(each),
      ...(kept ? [keptText(each, keep, context.zone)] : []),
      ...(zfs ? [size(held(zfs, each.name))] : []),
      note(each),
    ],
  }));
  const others = hidden.map((each) => ({
    at: each.taken,
    row: [
      each.name,
      `${span(context.clock.now() / 1000 - each.taken)} old`,
      kindText(each.kind),
      ...(kept ? [''] : []),
      ...(zfs ? [size(each.used)] : []),
      `HIDDEN; ${each.roles.join(', ')}`,
    ],
  }));
  return {
    columns: ['Name', 'Age', 'Made by', ...(kept ? ['Kept until'] : []), ...(zfs ? ['Holds'] : []), 'Note'],
    rows: [...others.toReversed(), ...shown]
      .sort((a, b) => a.at - b.at)
      .toReversed()
      .map(({ row }) => row),
  };
}

function makerOf(snapshot: Snapshot): string {
  const kind = scheduledAs(snapshot);
  return kind ? `schedule, ${kind}` : madeBy(snapshot);
}

function keptText(snapshot: Snapshot, keep: Keep | undefined, zone: string): string {
  if (!scheduledAs(snapshot)) return '';
  const until = keptUntil(snapshot, keep);
  return until === undefined ? 'no rule any more' : dateTime(until * 1000, zone).slice(0, 16);
}

function note(snapshot: Snapshot): string {
  return [
    ...(snapshot.usable ? [] : ['NOT USABLE: half made or deleted']),
    ...(snapshot.memory ? ['with memory'] : []),
    ...(remark(snapshot) && !scheduledAs(snapshot) ? [remark(snapshot)] : []),
  ].join('; ');
}
