import { z } from 'zod';
import type { Guest } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { type Json, type Plan, stamp } from '../../src/contracts/plan.ts';
import type { RunRecord } from '../../src/contracts/records.ts';
import type { FileFacts, FilePath, FileVersion, FileVersions } from '../../src/contracts/shell.ts';
import { backupName } from './files-backups.ts';
import { bytesOf, shownPath, split, typedPath } from './files-paths.ts';
import { type Picked, pick } from './files-pick.ts';
import { dateTime } from './units.ts';

/** What can be brought back, and why the rest cannot. */

export interface Restorable {
  /** On the container's own node. */
  readonly version: FileVersion;
  readonly live?: FileVersion;
  /** Of a folder. */
  readonly weight?: Pick<FileFacts, 'entries' | 'bytes' | 'complete'>;
}

/** As a plan's argument: a name with braces must not be taken for one with holes. */
export function asked(path: FilePath): { readonly [name: string]: Json } {
  if ('path' in path && !path.path.includes('{')) return { path: path.path };
  return { pathBase64: bytesOf(path).toString('base64') };
}

/** Where to look when nobody knows what became of a restore: what its node wrote down, and the folder itself. */
export function lookByHand({ node, vmid, status }: Guest, path: FilePath, run: string): readonly string[] {
  const folder = shownPath(split(path)?.folder ?? path);
  // Only what no shell reads as anything else; of a stopped container the record says enough.
  const plain = status === 'running' && /^[\w./@:+-]+$/.test(folder);
  return [
    `ssh root@${node} cat /var/lib/bascule-node/restores/${vmid}-${run}.json`,
    ...(plain ? [`ssh root@${node} pct exec ${vmid} -- ls -la ${folder}`] : []),
  ];
}

/** A refusal of the node, told as that of this command. `missing`: what to try when something is not there. */
export async function refusedAs<T>(what: string, work: () => Promise<T>, missing?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const next = missing !== undefined && error.failure.kind === 'not-found' ? missing : error.failure.next;
    throw new Failed({ ...error.failure, what, next }, { cause: error });
  }
}

export async function restorable(
  guest: Guest,
  path: FilePath,
  from: string,
  what: string,
  context: PlanContext,
): Promise<Restorable> {
  const { nodes } = context;
  const picked = await pick(guest, path, from, what, context);
  if (picked.source === 'live')
    fail('bad-input', {
      what,
      why: 'live is what is there now',
      next: 'name an older version: file versions lists them',
    });
  if (picked.source === 'backup') refuseBackup(picked, guest, path, what, context);
  const own = await refusedAs(what, () => nodes.versions(guest.node, guest.vmid, path));
  const version =
    picked.source === 'replica'
      ? await sameHere(picked, own, guest, path, what, context)
      : (own.versions.find((each) => each.from === picked.from) ??
        (await notThere(picked.from, own, guest, path, what, context)));
  const live = own.versions.find((each) => each.from === 'live');
  const weight =
    version.type === 'directory'
      ? await refusedAs(what, () => nodes.stat(guest.node, guest.vmid, path, version.from))
      : undefined;
  return { version, ...(live ? { live } : {}), ...(weight ? { weight } : {}) };
}

/** The node says best whether the snapshot is not there or does not hold the file. */
async function notThere(
  from: string,
  own: FileVersions,
  guest: Guest,
  path: FilePath,
  what: string,
  { nodes, root }: PlanContext,
): Promise<never> {
  const led = own.troubles.find((trouble) => trouble.from === from);
  if (led)
    return fail('bad-input', {
      what,
      why: `${shownPath(path)} in ${from}: ${led.why}`,
      next: led.real ? `use the real path: path:${led.real}` : 'look at it inside the container',
    });
  const near = own.versions
    .map((each) => each.from)
    .filter((name) => name !== 'live' && name.toLowerCase().startsWith(from.toLowerCase().slice(0, 3)))
    .slice(0, 3);
  const next =
    near.length > 0
      ? `did you mean from:${near.join(' or from:')}?`
      : `${root}file versions vmid:${guest.vmid} path:${typedPath(path)} lists what there is`;
  const found = await nodes.stat(guest.node, guest.vmid, path, from).catch((error: unknown) => {
    if (!(error instanceof Failed)) throw error;
    throw new Failed(
      { ...error.failure, what, ...(error.failure.kind === 'not-found' ? { next } : {}) },
      { cause: error },
    );
  });
  return fail('changed', { what, why: `${found.path} came to be while it was looked for`, next: 'try again' });
}

/** A replica's snapshot is of use only where the container is: mostly the very same one is there too. */
async function sameHere(
  { node, from, path: within, volume }: Extract<Picked, { source: 'replica' }>,
  own: FileVersions,
  guest: Guest,
  path: FilePath,
  what: string,
  { nodes }: PlanContext,
): Promise<FileVersion> {
  const there = await refusedAs(what, () => nodes.versions(node, guest.vmid, within, volume));
  const meant = there.versions.find((each) => each.from === from);
  if (!meant)
    return fail('not-found', {
      what,
      why: `the replica on ${node} has no ${from} with this file`,
      next: 'file versions lists what there is',
    });
  const same = own.versions.find((each) => each.guid !== undefined && each.guid === meant.guid);
  if (same) return same;
  const dataset = `/${there.dataset}/.zfs/snapshot/${from}${shownPath(within)}`;
  // The node looked, so no part of this path is a link, and nobody changes a snapshot.
  const plain = meant.type === 'file' && /^[\w./@:+-]+$/.test(dataset);
  return fail('conflict', {
    what,
    why: `only the replica on ${node} has this version, and ${guest.node}, where the container is, cannot reach it; the API cannot roll a replica back`,
    next: plain
      ? `by hand: on ${node}, scp ${dataset} root@${guest.node}:/root/ ; then on ${guest.node}, pct push ${guest.vmid} /root/${dataset.slice(dataset.lastIndexOf('/') + 1)} ${shownPath(path)}.restored`
      : `by hand: copy it from ${node} to ${guest.node}, then pct push ${guest.vmid} puts it into the container`,
  });
}

/** The API only reads backups, and writes nothing into a container. */
function refuseBackup(
  { version }: Extract<Picked, { source: 'backup' }>,
  guest: Guest,
  path: FilePath,
  what: string,
  { zone, root }: PlanContext,
): never {
  const name = backupName({ volid: version.from });
  return fail('conflict', {
    what,
    why: 'a backup can be read through the API, but nothing there writes it into a container',
    next:
      `in the GUI: storage ${version.storage}, Backups, ${guest.vmid} of ${dateTime(version.taken * 1000, zone)}, File Restore, download it; copy it to ${guest.node} and, there, ` +
      `pct push ${guest.vmid} <file> ${shownPath(path)}.restored; ${root}file show vmid:${guest.vmid} path:${typedPath(path)} from:${name} shows a small one`,
  });
}

const restored = z.object({ restored: z.string(), kept: z.string().nullish(), undoUntil: z.number() });
export type Restored = z.output<typeof restored>;

const DAY = 86_400;

/**
 * The names that a restore gave, and until when it can be undone (epoch seconds). A run whose answer was lost and that
 * was found done has told none: they follow from the plan and the time of its approval, as the node makes them.
 */
export function restoredNames(plan: Plan, run: RunRecord): Restored | undefined {
  const told = run.steps.map((step) => restored.safeParse(step.result)).find((each) => each.success);
  if (told) return told.data;
  const { path, replaces, inPlace } = plan.intent;
  const ended = run.steps[0]?.endedAt ?? run.endedAt;
  if (run.approvedAt === undefined || ended === undefined) return undefined;
  const at = stamp(run.approvedAt);
  return {
    restored: inPlace ? String(path) : `${path}.restored-${at}`,
    kept: replaces ? `${path}.before-restore-${at}` : null,
    undoUntil: Math.floor(ended / 1000) + DAY,
  };
}
