import type { Guest } from '../../src/contracts/cluster.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { FilePath } from '../../src/contracts/shell.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { backupName, backupVersion, pbsBackups } from './files-backups.ts';
import type { Version } from './files-fold.ts';
import { shownPath } from './files-paths.ts';
import { type Looking, onReplica } from './files-sources.ts';

/** Which version somebody means with `from:`. */
export type Picked =
  | { readonly source: 'live' | 'snapshot'; readonly node: string; readonly from: string; readonly path: FilePath }
  | {
      readonly source: 'replica';
      readonly node: string;
      readonly from: string;
      readonly path: FilePath;
      /** On a replica the path counts from its volume. */
      readonly volume: string;
    }
  | { readonly source: 'backup'; readonly version: Version };

const BACKUP = /^pbs:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Throws not-found for a backup that is not there; whether a snapshot is, its node says when it is asked. */
export async function pick(
  guest: Guest,
  path: FilePath,
  wanted: string,
  what: string,
  context: Looking,
): Promise<Picked> {
  if (wanted.toLowerCase() === 'live' || wanted.toLowerCase() === 'now')
    return { source: 'live', node: guest.node, from: 'live', path };
  if (BACKUP.test(wanted) || wanted.includes('/')) return pickBackup(guest, path, wanted, what, context);
  const [, before = '', after = ''] = /^([^:]+):(.+)$/.exec(wanted) ?? [];
  const node = before === '' ? undefined : await nodeNamed(before, context);
  if (node === undefined || node === guest.node)
    return { source: 'snapshot', node: guest.node, from: node === undefined ? wanted : after, path };
  const place = await onReplica(node, guest, path, what, context);
  return { source: 'replica', node, from: after, path: place.path, volume: place.name };
}

/** Snapshots of ZFS may have a colon in their names too. */
async function nodeNamed(name: string, { view }: Looking): Promise<string | undefined> {
  return (await view.nodes()).find((node) => node.name.toLowerCase() === name.toLowerCase())?.name;
}

async function pickBackup(
  guest: Guest,
  path: FilePath,
  wanted: string,
  what: string,
  context: Looking,
): Promise<Picked> {
  const all = await pbsBackups(guest, context);
  const fitting = all.filter((backup) => backup.volid === wanted || backupName(backup) === wanted);
  const [backup] = fitting;
  if (!backup)
    return fail('not-found', {
      what,
      why: `${guestLabel(guest)} has no such backup on PBS that we may see`,
      next: all[0] ? `the newest is from:${backupName(all[0])}` : `${context.root}file versions shows what there is`,
    });
  if (fitting.length > 1)
    return fail('conflict', {
      what,
      why: `${fitting.map(({ storage }) => storage).join(' and ')} both have a backup of that time`,
      next: `name one: ${fitting.map(({ volid }) => `from:${volid}`).join(' or ')}`,
    });
  const version = await backupVersion(guest, backup, path, context);
  if (version) return { source: 'backup', version };
  return fail('not-found', {
    what,
    why: `${backupName(backup)} does not hold ${shownPath(path)}`,
    next: `${context.root}file versions shows where it is`,
  });
}
