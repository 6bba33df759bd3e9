import type { Backup, GuestDetail, ReplicationJob } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { Plan, Risk } from '../src/contracts/plan.ts';
import { destroyStep, guestLabel } from '../src/contracts/steps.ts';
import { confirm, ct } from './options.ts';
import { guestTarget, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { attempt, backupText, describe, newestOf } from './parts/guests.ts';
import { haServiceOf, prodTag } from './parts/risks.ts';
import { span } from './parts/units.ts';

export const ctDestroy = defineCommand({
  name: 'ct destroy',
  summary: 'Destroy a stopped container with its disks, for good',
  examples: ['ct destroy 103 confirm:103'],
  options: { vmid: ct, confirm },
  positional: ['vmid'],
  action: 'ct.destroy',
  risk: 'destructive',
  version: 1,
  plan: ({ vmid, confirm }, context) => plan(vmid, confirm, context),
  preview: (plan) => previewCard(plan, ['Its disks are deleted; only a backup brings it back']),
  result: (plan, run) =>
    resultCard(`CT ${plan.target.id} ${plan.target.name} is destroyed`, run, [`${plan.target.id} is free again`]),
});

async function plan(wanted: string, typed: number, context: PlanContext): Promise<Plan> {
  const { view } = context;
  const guest = await view.findGuest(wanted, 'lxc');
  const label = guestLabel(guest);
  const what = `${label} was not destroyed`;
  if (typed !== guest.vmid) {
    fail('bad-input', {
      what,
      why: `confirm:${typed} is not its number`,
      next: `type its number again: confirm:${guest.vmid}`,
    });
  }
  const guards = [quorate(await view.membership(), what), await reachable(guest, context, what), unlocked(guest, what)];
  const detail = await view.guestDetail(guest);
  refuseAlive(detail, context, what);
  const [service, jobs, backups] = await Promise.all([
    haServiceOf(context, guest),
    view.replicationJobs(),
    attempt(() => view.backups(guest)),
  ]);
  const own = jobs.filter((job) => job.guest === guest.vmid);
  const now = context.clock.now() / 1000;
  const identity = detail.mac ?? '';
  return {
    command: 'ct destroy',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { identity, protected: detail.protection }),
    title: `Destroy ${label} on ${guest.node}`,
    intent: {
      node: guest.node,
      vmid: guest.vmid,
      volumes: detail.volumes.map((volume) => volume.volid).sort(),
      purges: own.map((job) => job.id).sort(),
    },
    guards: [
      ...guards,
      { code: 'guest:stopped', says: 'it is stopped' },
      { code: 'unprotected', says: 'its protection is off' },
    ],
    observations: [
      {
        label: 'Disks',
        value:
          detail.volumes.map((volume) => `${volume.volid}${volume.size ? ` (${volume.size})` : ''}`).join(', ') ||
          'none',
      },
      // Where there is none, the risk says so already.
      ...('value' in backups && backups.value.length === 0
        ? []
        : [{ label: 'Newest backup', value: describe(backups, (all) => backupText(all, now)) }]),
      { label: 'Network card', value: detail.mac ?? 'none' },
    ],
    risks: [
      ...(service ? [{ code: 'ha-managed', says: 'HA manages it: it is removed from HA as well' }] : []),
      ...replicated(own),
      ...noBackup('value' in backups ? backups.value : undefined, now),
      ...prodTag(guest),
    ],
    steps: [destroyStep(guest, identity)],
    reserves: [],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}

function refuseAlive(detail: GuestDetail, { root }: PlanContext, what: string): void {
  if (detail.status !== 'stopped') {
    fail('conflict', {
      what,
      why: `it is ${detail.status}`,
      next: `shut it down first: ${root}ct shutdown ${detail.vmid}`,
    });
  }
  if (detail.protection) {
    fail('conflict', {
      what,
      why: 'its protection is on',
      next: `whoever is sure takes it off on ${detail.node}: pct set ${detail.vmid} --protection 0`,
    });
  }
}

function replicated(jobs: readonly ReplicationJob[]): readonly Risk[] {
  if (jobs.length === 0) return [];
  const named = jobs.map((job) => `${job.id} to ${job.target}`).join(', ');
  return [{ code: 'replicated', says: `its replication is removed with it (${named}): the copies go too` }];
}

/** Nightly backups with two hours of grace. */
const RECENT_SECONDS = 26 * 3600;

/** `undefined`: the backups could not be read. */
function noBackup(backups: readonly Backup[] | undefined, now: number): readonly Risk[] {
  const newest = backups && newestOf(backups);
  if (newest && now - newest.at <= RECENT_SECONDS) return [];
  const says = newest
    ? `the newest backup is ${span(now - newest.at)} old`
    : backups
      ? 'NO backup that we may see'
      : 'whether there is a backup cannot be read';
  return [{ code: 'no-recent-backup', says }];
}
