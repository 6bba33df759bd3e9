import type { BackupJob, GuestDetail, Storage, StoredBackup } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { Failed, fail } from '../src/contracts/failure.ts';
import type { Guard, Plan, Risk } from '../src/contracts/plan.ts';
import { backupStep, guestLabel } from '../src/contracts/steps.ts';
import { guest, optional, storage } from './options.ts';
import { covers, jobsIfSeen, newestGood, takesBackups } from './parts/backups.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { percent, size, span } from './parts/units.ts';

/** A storage fuller than this takes no backup by our doing: a full one fails the jobs of everybody else as well. */
const FULL = 0.95;

interface Wanted {
  readonly vmid: string;
  readonly storage?: string;
}

export const backupRun = defineCommand({
  name: 'backup run',
  summary: 'Back a guest up now, while it runs, to the storage of its backup job',
  examples: ['backup run 103', 'backup run vmid:103 storage:backups'],
  options: { vmid: guest, storage: optional(storage, 'Storage to write to; default: that of its backup job') },
  positional: ['vmid'],
  action: 'backup.run',
  risk: 'routine',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      'It is locked for other changes until the backup is made; what runs goes on running',
      'No older backup is removed',
    ]),
  result: (plan, run) =>
    resultCard(`${intentText(plan, 'guest')} is backed up to ${intentText(plan, 'storage')}`, run, [
      `${intentText(plan, 'guest')} is unlocked again`,
    ]),
});

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view, everything } = context;
  const found = await view.findGuest(wanted.vmid);
  const label = guestLabel(found);
  const what = `${label} was not backed up`;
  const guards = [quorate(await view.membership(), what), await reachable(found, context, what), unlocked(found, what)];
  const [detail, storages, able, all] = await Promise.all([
    view.guestDetail(found),
    everything.storages(found.node),
    view.canSnapshot(found),
    jobsIfSeen(() => everything.backupJobs()),
  ]);
  const jobs = (all ?? []).filter((job) => covers(job, found));
  const store = pickStorage(wanted.storage ?? previousStorage(context), jobs, storages, found.node, what);
  guards.push(await idle(found.node, context, what));
  const last = newestGood(await previous(found.vmid, found.node, store, context));
  guards.push(...roomFor(store, last, found.node, what));
  return {
    command: 'backup run',
    version: 1,
    cluster: view.name,
    target: guestTarget(found, { identity: detail.mac, protected: detail.protection }),
    title: `Back up ${label} on ${found.node} to ${store.id}`,
    intent: { guest: label, node: found.node, storage: store.id },
    guards,
    observations: [
      { label: 'State', value: found.status },
      { label: 'Last backup', value: lastText(last, store, context) },
      { label: 'Free', value: store.free === undefined ? 'unknown' : `${size(store.free)} on ${store.id}` },
      { label: 'Job', value: jobs.length > 0 ? jobs.map(jobText).join(', ') : all ? 'in no job' : 'cannot be seen' },
      ...leftOut(detail),
    ],
    risks: [...suspended(detail, able)],
    steps: [backupStep(found, store.id, jobs.find((job) => job.storage === store.id)?.compress ?? 'zstd')],
    reserves: [],
    locks: [`guest/${view.name}/${found.vmid}`, `backup/${view.name}/${found.node}`],
  };
}

const previousStorage = ({ previous }: PlanContext): string | undefined =>
  typeof previous?.intent['storage'] === 'string' ? previous.intent['storage'] : undefined;

const jobText = (job: BackupJob): string => `${job.id} ${job.enabled ? job.schedule : 'DISABLED'}`;

/** The one named, or that of its job (an enabled one first), or the only one there is. */
function pickStorage(
  named: string | undefined,
  jobs: readonly BackupJob[],
  storages: readonly Storage[],
  node: string,
  what: string,
): Storage {
  const fitting = storages.filter(takesBackups);
  const choices = fitting.filter((each) => each.active).map((each) => `storage:${each.id}`);
  const next =
    choices.length > 0
      ? `choose one of ${choices.join(', ')}`
      : `no storage of ${node} takes backups now: look at its content types and at the token's Datastore.Audit`;
  if (fitting.length === 0) return fail('not-found', { what, why: `no storage of ${node} takes backups`, next });
  const wanted =
    named ??
    jobs.toSorted((a, b) => Number(b.enabled) - Number(a.enabled)).find((job) => job.storage !== undefined)?.storage ??
    (fitting.length === 1 ? fitting[0]!.id : undefined);
  if (wanted === undefined) {
    return fail('bad-input', { what, why: `no backup job names a storage for it, and ${node} has several`, next });
  }
  const store = storages.find((each) => each.id === wanted);
  if (!store) return fail('not-found', { what, why: `${node} has no storage ${wanted}`, next });
  if (!takesBackups(store)) {
    const why = `storage ${wanted} takes no backups (content: ${store.content.join(', ')})`;
    return fail('bad-input', { what, why, next });
  }
  if (!store.active) return fail('unavailable', { what, why: `storage ${wanted} does not answer on ${node}`, next });
  return store;
}

/** A second one would wait for hours for the lock of the node (FACTS 2.3). */
async function idle(node: string, { everything }: PlanContext, what: string): Promise<Guard> {
  const [running] = await everything.runningBackups(node);
  if (!running) return { code: `no-backup-on:${node}`, says: `no other backup runs on ${node}` };
  return fail('conflict', {
    what,
    why: `a backup ${running.vmid === undefined ? 'job' : `of ${running.vmid}`} runs on ${node}, and a node makes one at a time`,
    next: 'try again when it is over',
  });
}

/** Its backups on that storage; none that we may see is no reason to make none. */
async function previous(
  vmid: number,
  node: string,
  store: Storage,
  { everything }: PlanContext,
): Promise<readonly StoredBackup[]> {
  try {
    return (await everything.storedBackups(node, store.id)).filter((backup) => backup.vmid === vmid);
  } catch (error) {
    if (error instanceof Failed && error.failure.kind === 'no-privilege') return [];
    throw error;
  }
}

/** On PBS the same blocks are kept once, so the size of the last one says nothing of the next. */
function roomFor(store: Storage, last: StoredBackup | undefined, node: string, what: string): readonly Guard[] {
  const { id, free, total } = store;
  if (free === undefined || total === undefined || total === 0) return [];
  const next = 'make room there, or choose another storage';
  if (free < total * (1 - FULL)) {
    const why = `storage ${id} is ${percent(1 - free / total)} full, ${size(free)} are free`;
    return fail('conflict', { what, why, next });
  }
  if (last && store.type !== 'pbs' && free < last.size * 1.2) {
    const why = `its last backup has ${size(last.size)}, and ${size(free)} are free on ${id}`;
    return fail('conflict', { what, why, next });
  }
  return [{ code: `room:${node}/${id}`, says: `storage ${id} of ${node} answers and has room` }];
}

function lastText(last: StoredBackup | undefined, store: Storage, { clock }: PlanContext): string {
  if (!last) return `none on ${store.id} that we may see`;
  return `${span(clock.now() / 1000 - last.at)} ago on ${store.id}, ${size(last.size)}`;
}

/** Bind and device mounts are never in a backup (FACTS 2.4). */
function leftOut(detail: GuestDetail): Plan['observations'] {
  const binds = detail.volumes.filter((volume) => volume.storage === undefined && volume.volid.startsWith('/'));
  if (binds.length === 0) return [];
  return [{ label: 'Not in it', value: binds.map((volume) => `${volume.key} ${volume.volid}`).join(', ') }];
}

/** Without snapshots vzdump copies first and then suspends the container for the rest. A VM needs none. */
function suspended({ type, status }: GuestDetail, able: boolean): readonly Risk[] {
  if (type !== 'lxc' || able || status !== 'running') return [];
  return [
    {
      code: 'suspends',
      says: 'a disk of it cannot be snapshotted, so it stands still for the last part of the backup',
    },
  ];
}
