import type { Card } from '../src/contracts/card.ts';
import type { Snapshot, Snapshots } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { guest } from './options.ts';
import { attempt } from './parts/guests.ts';
import { ageOf, groundOf, madeBy, remark } from './parts/snapshots.ts';
import { count } from './parts/units.ts';

export const snapshotList = defineCommand({
  name: 'snapshot list',
  summary: 'Snapshots of a guest: how old, who made them, which can be gone back to',
  examples: ['snapshot list 103'],
  options: { vmid: guest },
  positional: ['vmid'],
  action: 'snapshot.list',
  risk: 'read',
  answer: ({ vmid }, context) => answer(vmid, context),
});

const HIDDEN =
  'Proxmox lists only its own: those of replication, and made with zfs or rbd on the node, need access to the node, which there is not yet';

async function answer(wanted: string, context: ReadContext): Promise<Card> {
  const { view, root } = context;
  const found = await view.findGuest(wanted);
  const list = await view.snapshots(found);
  const label = guestLabel(found);
  if (list.all.length === 0) {
    return {
      title: `${label}: no snapshots`,
      tone: 'plain',
      lines: [`${root}snapshot create vmid:${found.vmid} snapshot:before-upgrade makes one`],
      footer: HIDDEN,
    };
  }
  const halves = list.all.filter((each) => !each.usable).length;
  const detail = await attempt(() => view.guestDetail(found));
  const zfs = 'value' in detail ? (await groundOf(detail.value, context)).zfs : 'unknown';
  return {
    title: `${label}: ${count(list.all.length, 'snapshot')}${halves > 0 ? `, ${halves} not usable` : ''}`,
    tone: halves > 0 ? 'warning' : 'plain',
    facts: [
      ...(list.base ? [{ label: 'Goes on from', value: list.base }] : []),
      { label: 'Rollback', value: reach(list, zfs) },
    ],
    table: {
      columns: ['Name', 'Age', 'Made by', 'Note'],
      rows: list.all.toReversed().map((each) => [each.name, ageOf(each, context), madeBy(each), note(each)]),
    },
    footer: HIDDEN,
  };
}

function reach({ all }: Snapshots, zfs: boolean | 'unknown'): string {
  const newest = all.at(-1)?.name ?? '';
  if (zfs === 'unknown') return `if its disks are on ZFS, only to ${newest}`;
  return zfs ? `only to ${newest}: its disks are on ZFS` : 'to any of them';
}

function note(snapshot: Snapshot): string {
  return [
    ...(snapshot.usable ? [] : ['NOT USABLE: half made or deleted']),
    ...(snapshot.memory ? ['with memory'] : []),
    ...(remark(snapshot) ? [remark(snapshot)] : []),
  ].join('; ');
}
