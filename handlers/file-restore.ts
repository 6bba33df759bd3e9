import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { nodeStep, nodeUndo } from '../src/contracts/node-steps.ts';
import type { NodeCall, Plan, Risk } from '../src/contracts/plan.ts';
import type { RunRecord } from '../src/contracts/records.ts';
import type { FilePath, FileVersion } from '../src/contracts/shell.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { ct, from, optional, overwrite, path } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { isProtected, shownPath, split, typedPath } from './parts/files-paths.ts';
import { asked, lookByHand, type Restorable, refusedAs, restorable, restoredNames } from './parts/files-restore.ts';
import { containerOf } from './parts/files-sources.ts';
import { prodTag } from './parts/risks.ts';
import { count, dateTime, fileSize, span } from './parts/units.ts';

interface Wanted {
  readonly vmid: string;
  readonly path: FilePath;
  readonly from: string;
  readonly overwrite?: boolean;
}

export const fileRestore = defineCommand({
  name: 'file restore',
  summary: 'Bring a file or folder back from a snapshot, beside the one there now or in its place',
  examples: [
    'file restore vmid:103 path:/etc/nginx/nginx.conf from:autodaily261114020001',
    'file restore vmid:103 path:/etc/nginx from:before-upgrade overwrite:yes',
  ],
  options: { vmid: ct, path, from, overwrite: optional(overwrite) },
  positional: ['vmid', 'path', 'from'],
  action: 'file.restore',
  risk: 'routine',
  version: 1,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) =>
    previewCard(plan, [
      intentText(plan, 'where'),
      'It keeps owner, mode, times, ACLs and links; where there is no room for it, nothing changes',
      ...(plan.intent['replaces'] ? ['A service that has the old one open goes on with it until it is restarted'] : []),
      'Nothing is deleted, and file undo takes it back for 24 h',
    ]),
  result: (plan, run) =>
    resultCard(
      `${intentText(plan, 'path')} of ${intentText(plan, 'guest')} is back from ${intentText(plan, 'from')}`,
      run,
      [
        ...resultLines(plan, run),
        ...(plan.intent['replaces']
          ? ['A service that has the old one open goes on with it until it is restarted']
          : []),
      ],
    ),
});

/** The helper copies for at most half an hour and puts it in place after. */
const SECONDS = 2400;

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view, nodes } = context;
  const shown = shownPath(wanted.path);
  const what = `${shown} was not restored`;
  const guest = await containerOf(wanted.vmid, what, context);
  const label = guestLabel(guest);
  const guards = [quorate(await view.membership(), what), await reachable(guest, context, what), unlocked(guest, what)];
  const found = await restorable(guest, wanted.path, wanted.from, what, context);
  const { version, live } = found;
  // Where nothing is, nothing can be in the way: a deleted file comes back under its own name.
  const inPlace = wanted.overwrite ?? live === undefined;
  const replaces = inPlace && live !== undefined;
  if (replaces && version.identity === live.identity && version.type === 'file')
    fail('conflict', {
      what,
      why: `${shown} is unchanged since ${version.from}`,
      next: 'choose another version: file versions',
    });
  const here = { cluster: view.name, node: guest.node };
  const call: NodeCall = {
    ...here,
    verb: 'file.restore',
    args: {
      vmid: guest.vmid,
      run: '{run}',
      ...asked(wanted.path),
      from: version.from,
      guid: version.guid,
      overwrite: inPlace,
      stamp: '{stamp}',
    },
    seconds: SECONDS,
  };
  const detail = await view.guestDetail(guest);
  await refusedAs(what, () => nodes.dryRun(call), live ? undefined : folderGone(wanted.path));
  const undo: NodeCall = { ...here, verb: 'file.undo', args: { vmid: guest.vmid, run: '{run}' } };
  return {
    command: 'file restore',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { identity: detail.mac, protected: detail.protection }),
    title: `Restore ${shown} of ${label} from ${version.from}`,
    intent: {
      guest: label,
      node: guest.node,
      path: shown,
      from: version.from,
      guid: version.guid,
      type: version.type,
      inPlace,
      replaces,
      where: whereTo(shown, inPlace, replaces),
    },
    guards: [
      ...guards,
      { code: `snapshot:${version.from}@${version.guid}`, says: `snapshot ${version.from} is the one that was seen` },
      replaces || !inPlace
        ? { code: 'target-as-seen', says: `${shown} is as it was seen: ${live ? 'there' : 'not there'}` }
        : { code: 'target-free', says: `there is no ${shown} now` },
    ],
    observations: observed(found, guest.status, context),
    risks: risksOf(wanted.path, replaces, shown, prodTag(guest)),
    steps: [
      nodeStep(call, {
        name: 'restore',
        says: `Restoring ${shown} in ${label}`,
        byHand: lookByHand(guest, wanted.path, '{run}'),
        undo: [nodeUndo(undo, `Moving the restored ${shown} aside`)],
      }),
    ],
    reserves: [],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}

/** What it was in may be gone with it. */
function folderGone(path: FilePath): string | undefined {
  const above = split(path);
  return above && `if its folder is gone too, restore that: path:${typedPath(above.folder)}`;
}

function whereTo(shown: string, inPlace: boolean, replaces: boolean): string {
  if (!inPlace) return `Beside the one there now, as ${shown}.restored-<time of approval>`;
  if (!replaces) return `In its place: there is no ${shown} now`;
  return `IN PLACE; the one there now is kept as ${shown}.before-restore-<time of approval>`;
}

function risksOf(path: FilePath, replaces: boolean, shown: string, prod: readonly Risk[]): readonly Risk[] {
  return [
    ...(replaces ? [{ code: 'overwrites', says: `${shown} as it is now is replaced` }, ...prod] : []),
    ...(isProtected(path)
      ? [
          {
            code: 'protected-data',
            says: 'it holds passwords or keys: those of then work again, those made since may not',
          },
        ]
      : []),
  ];
}

function observed(
  { version, live, weight }: Restorable,
  status: string,
  { clock, zone }: PlanContext,
): Plan['observations'] {
  const taken = version.taken;
  return [
    { label: 'Version', value: `${dateTime(taken * 1000, zone)}, ${span(clock.now() / 1000 - taken)} old` },
    { label: 'It is', value: describe(version, weight) },
    { label: 'Owner', value: `uid ${version.uid}, gid ${version.gid}, mode ${version.mode}` },
    {
      label: 'Now',
      value: live ? `${describe(live)}, changed ${dateTime(live.mtime * 1000, zone)}` : 'not there',
    },
    {
      label: 'Container',
      value:
        status === 'running' ? 'running: copied inside it' : `${status}: copied on its node, shut off from the rest`,
    },
  ];
}

function describe({ type, size }: Pick<FileVersion, 'type' | 'size'>, weight?: Restorable['weight']): string {
  if (type !== 'directory') return type === 'file' ? `file, ${fileSize(size)}` : type;
  if (!weight) return 'folder';
  return `folder, ${weight.complete === false ? 'more than ' : ''}${count(weight.entries ?? 0, 'name')}, ${fileSize(weight.bytes ?? 0)}`;
}

function resultLines(plan: Plan, run: RunRecord): readonly string[] {
  const told = restoredNames(plan, run);
  if (!told) return [];
  const until = new Date(told.undoUntil * 1000).toISOString().slice(0, 16).replace('T', ' ');
  return [
    `It is at ${told.restored}`,
    ...(told.kept ? [`The one before is at ${told.kept}`] : []),
    `file undo run:${run.id} takes it back until ${until} UTC`,
  ];
}
