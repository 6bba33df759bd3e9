import type { Card, Fact } from '../src/contracts/card.ts';
import type { BackupJob, ClusterView, Guest, Storage, StoredBackup } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { guest, optional } from './options.ts';
import { covers, isGood, jobsIfSeen, newestGood, takesBackups, tooOld } from './parts/backups.ts';
import { attempt } from './parts/guests.ts';
import { count, dateTime, size, span } from './parts/units.ts';

export const backupList = defineCommand({
  name: 'backup list',
  summary: 'The last good backup of every guest, oldest first, and guests that no job backs up',
  examples: ['backup list', 'backup list 103'],
  options: { vmid: optional(guest, 'All backups of this guest') },
  positional: ['vmid'],
  action: 'backup.list',
  risk: 'read',
  async answer({ vmid }, context) {
    const look = await lookAt(context);
    return vmid === undefined ? everyGuest(look, context) : oneGuest(await context.view.findGuest(vmid), look, context);
  },
});

interface Look {
  readonly backups: readonly StoredBackup[];
  /** Undefined: we may not see the jobs. */
  readonly jobs: readonly BackupJob[] | undefined;
  /** Storages that could not be read, with the reason. */
  readonly unread: readonly string[];
}

interface Place {
  readonly node: string;
  readonly storage: Storage;
}

async function lookAt({ view }: ReadContext): Promise<Look> {
  const unread: string[] = [];
  const places = await placesOf(view, unread);
  const lists = await Promise.all(
    [...places].map(async ([name, { node, storage }]) => {
      const list = storage.active
        ? await attempt(() => view.storedBackups(node, storage.id))
        : { failed: 'it does not answer' };
      if ('value' in list) return list.value;
      unread.push(`${name}: ${list.failed}`);
      return [];
    }),
  );
  return { backups: lists.flat(), jobs: await jobsIfSeen(() => view.backupJobs()), unread };
}

/** A shared storage is asked once, through a node where it is active. */
async function placesOf(view: ClusterView, unread: string[]): Promise<ReadonlyMap<string, Place>> {
  const up = (await view.nodes()).filter((node) => node.online);
  const stores = await Promise.all(up.map((node) => attempt(() => view.storages(node.name))));
  const places = new Map<string, Place>();
  for (const [index, store] of stores.entries()) {
    const node = up[index]!.name;
    if ('failed' in store) unread.push(`storages of ${node}: ${store.failed}`);
    else {
      for (const storage of store.value.filter(takesBackups)) {
        const name = storage.shared ? storage.id : `${storage.id} of ${node}`;
        if (!places.get(name)?.storage.active) places.set(name, { node, storage });
      }
    }
  }
  return places;
}

interface Row {
  readonly guest: Guest;
  readonly last: StoredBackup | undefined;
  readonly job: string;
  readonly overdue: boolean;
  readonly uncovered: boolean;
}

function rowOf(guest: Guest, { backups, jobs }: Look, now: number): Row {
  const last = newestGood(backups.filter((backup) => backup.vmid === guest.vmid));
  const mine = jobs?.filter((job) => covers(job, guest)) ?? [];
  return {
    guest,
    last,
    job: jobs ? jobText(mine) : 'cannot be seen',
    overdue: !last || now - last.at > tooOld(mine),
    uncovered: jobs !== undefined && !mine.some((job) => job.enabled),
  };
}

function jobText(jobs: readonly BackupJob[]): string {
  if (jobs.length === 0) return 'IN NO JOB';
  const enabled = jobs.filter((job) => job.enabled);
  return enabled.length > 0
    ? enabled.map((job) => job.id).join(', ')
    : `ONLY DISABLED: ${jobs.map((job) => job.id).join(', ')}`;
}

async function everyGuest(look: Look, context: ReadContext): Promise<Card> {
  const { view, clock, root } = context;
  const now = clock.now() / 1000;
  const rows = (await view.guests())
    .map((guest) => rowOf(guest, look, now))
    .sort((a, b) => Number(b.overdue) - Number(a.overdue) || (a.last?.at ?? 0) - (b.last?.at ?? 0));
  if (rows.length === 0) return { title: `${view.name}: no guest that you may see`, tone: 'plain' };
  const overdue = rows.filter((row) => row.overdue).length;
  const uncovered = rows.filter((row) => row.uncovered).length;
  const bad = [
    ...(overdue > 0 ? [`${overdue} overdue`] : []),
    ...(uncovered > 0 ? [`${uncovered} without a job`] : []),
    ...(look.unread.length > 0 ? [`${count(look.unread.length, 'storage')} not read`] : []),
  ];
  return {
    title: `${view.name}: backups of ${count(rows.length, 'guest')}, ${bad.length > 0 ? bad.join(', ') : 'all recent'}`,
    tone: bad.length > 0 ? 'warning' : 'good',
    facts: unreadFacts(look),
    table: {
      columns: ['Guest', 'Last good', 'Size', 'Storage', 'Job', 'Note'],
      rows: rows.map(({ guest, last, job, overdue }) => [
        `${guest.vmid} ${guest.name}`,
        last ? `${span(now - last.at)} ago` : 'none',
        last ? size(last.size) : '',
        last?.storage ?? '',
        job,
        [...(overdue ? ['OVERDUE'] : []), ...(last?.protected ? ['protected'] : [])].join(', '),
      ]),
    },
    footer: `${root}backup run vmid:${rows[0]!.guest.vmid} makes one now; backups of guests that our token may not back up are not seen`,
  };
}

async function oneGuest(guest: Guest, look: Look, context: ReadContext): Promise<Card> {
  const { clock, zone, root } = context;
  const now = clock.now() / 1000;
  const mine = look.backups.filter((backup) => backup.vmid === guest.vmid).toSorted((a, b) => b.at - a.at);
  const { last, job, overdue, uncovered } = rowOf(guest, look, now);
  const facts: readonly Fact[] = [
    { label: 'Last good', value: last ? `${span(now - last.at)} ago on ${last.storage}` : 'none that we may see' },
    { label: 'Job', value: job },
    ...unreadFacts(look),
  ];
  return {
    title: `${guestLabel(guest)}: ${count(mine.length, 'backup')}${overdue ? ', OVERDUE' : ''}`,
    tone: overdue || uncovered || look.unread.length > 0 ? 'warning' : 'good',
    facts,
    ...(mine.length === 0
      ? {}
      : {
          table: {
            columns: ['When', 'Age', 'Size', 'Storage', 'Note'],
            rows: mine.map((backup) => [
              dateTime(backup.at * 1000, zone).slice(0, 16),
              span(now - backup.at),
              size(backup.size),
              backup.storage,
              noteOf(backup),
            ]),
          },
        }),
    footer: `${root}backup run vmid:${guest.vmid} makes one now`,
  };
}

const noteOf = (backup: StoredBackup): string =>
  [
    ...(isGood(backup) ? [] : ['BROKEN: its verify failed']),
    ...(backup.verified === 'ok' ? ['verified'] : []),
    ...(backup.protected ? ['protected'] : []),
  ].join(', ');

const unreadFacts = ({ unread }: Look): readonly Fact[] =>
  unread.length > 0 ? [{ label: 'Not read', value: unread.join('; ') }] : [];
