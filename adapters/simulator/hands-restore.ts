import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmdirSync, type Stats } from 'node:fs';
import { copyTree, hostPath, look } from './disk-tree.ts';
import { type HandsCall, type Verbs, verb } from './hands.ts';
import { badInput, fault, visible } from './hands-answer.ts';
import * as field from './hands-fields.ts';
import { does, isRunning, mustNotBeLocked } from './hands-guest.ts';
import { mustLook, nextOf, realPathOf, type Seen, weigh } from './hands-looking.ts';
import { neededSnapshot, type Place, placeOf, toldPath, versionRoot, type Where } from './hands-places.ts';

/** file.restore, file.undo: copies and moves of real files. */

interface Restore extends Where {
  readonly run: string;
  readonly from: string;
  readonly overwrite: boolean;
  readonly stamp: string;
  readonly guid?: string;
}

/** What was done, as it is written down on the node. */
export interface RestoreRecord {
  readonly from: string;
  readonly overwrite: boolean;
  readonly stamp: string;
  readonly volume: string;
  readonly point: string;
  readonly target: string;
  readonly kept: boolean;
  readonly state: 'begun' | 'done' | 'undoing' | 'undone';
  /** Epoch seconds. */
  readonly at: number;
  readonly ino?: number;
  readonly ctime?: string;
}

interface Names {
  readonly parent: string;
  readonly name: string;
  readonly target: string;
  readonly temporary: string;
  readonly kept: string;
  readonly beside: string;
  readonly undone: string;
}

function namesOf(place: Place, { run, stamp }: { run: string; stamp: string }): Names {
  const cut = place.relative.lastIndexOf('/');
  const [parent, name] = [place.relative.slice(0, Math.max(cut, 0)), place.relative.slice(cut + 1)];
  if (name === '')
    fault(
      'refused',
      'nothing was restored',
      'a whole volume is not restored by its files',
      'name a file or a folder; a snapshot can be rolled back',
    );
  const folder = parent === '' ? '' : `${parent}/`;
  const token = createHash('sha256').update(`${run} ${stamp}`).digest('hex').slice(0, 8);
  if (`${name}.before-restore-${stamp}`.length > 255) badInput('the name is too long to keep another beside it');
  return {
    parent,
    name,
    target: place.relative,
    temporary: `${folder}.restore-${stamp}-${token}`,
    kept: `${folder}${name}.before-restore-${stamp}`,
    beside: `${folder}${name}.restored-${stamp}`,
    undone: `${folder}${name}.undone-${stamp}`,
  };
}

/** Is there something of this name now? */
function stands(place: Place, relative: string): Stats | undefined {
  const found = look(place.disk.live(), relative);
  if ('stat' in found) return found.stat;
  if ('missing' in found) return undefined;
  const why = `${visible(`${place.point}/${relative}`, 500)}: it goes through a symbolic link`;
  return fault('refused', 'nothing was done', why, nextOf(realPathOf(place, found.real)));
}

const keyOf = (args: { vmid: number; run: string }): string => `${args.vmid}-${args.run}`;
const recordOf = (args: { vmid: number; run: string }, { hands }: HandsCall) => hands.records.get(keyOf(args));

function restoreState(args: Restore, place: Place, names: Names, call: HandsCall): { state: string; evidence: string } {
  const record = recordOf(args, call);
  if (!record) return { state: 'absent', evidence: 'no restore of this run is recorded on this node' };
  if (record.target !== names.target || record.from !== args.from)
    return { state: 'unknown', evidence: `this run restored something else: ${visible(base64(record.target), 500)}` };
  const fresh = args.overwrite ? names.target : names.beside;
  if (record.state === 'done' && stands(place, fresh))
    return { state: 'done', evidence: `recorded as done; it stands as ${toldPath(place, fresh)}` };
  return { state: 'unknown', evidence: `recorded as ${record.state}, but it does not stand there any more` };
}

const base64 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64');

/** How commands name files: inside the container while it runs, in a sandbox while it is stopped. */
function hold(place: Place, from: string, call: HandsCall) {
  const running = isRunning(place.config!);
  const on = running ? `CT ${place.vmid}:` : 'sandbox:';
  const live = running ? `${place.point}/` : '/dst/';
  const root = place.disk.change();
  return {
    root,
    live,
    snapshot: running ? `${place.point}/.zfs/snapshot/${from}/` : '/src/',
    does: (argv: readonly string[], work: () => void) => does(call, on, argv, '', work),
    moves: (old: string, fresh: string) =>
      does(call, on, ['mv', '-T', '--no-clobber', '--', live + old, live + fresh], '', () =>
        renameSync(hostPath(root, old), hostPath(root, fresh)),
      ),
  };
}

function restore(args: Restore, call: HandsCall): object {
  const what = 'nothing was restored';
  const place = placeOf(args, call);
  const names = namesOf(place, args);
  mustNotBeLocked(place.config!, what, `CT ${args.vmid}`);
  if (args.from === 'live') badInput('from is live: there is nothing to restore');
  neededSnapshot(place, args.from, args.guid);
  const source = mustLook(place, versionRoot(place, args.from), args.from, place.relative, what);
  const old = stands(place, names.target);
  const parent = mustLook(place, place.disk.live(), 'live', names.parent, what);
  if (!parent.stat.isDirectory())
    fault('refused', what, `${toldPath(place, names.parent)} is not a folder now`, 'look at it inside the container');
  const keep = args.overwrite && old !== undefined;
  const fresh = args.overwrite ? names.target : names.beside;
  const before = restoreState(args, place, names, call);
  const told = (kept: boolean, changed: boolean) => ({
    vmid: args.vmid,
    from: args.from,
    restored: toldPath(place, fresh),
    kept: kept ? toldPath(place, names.kept) : null,
    changed,
    undoUntil: call.hands.now() + 86_400,
  });
  if (before.state === 'done') return told(keep, false);
  if (before.state !== 'absent')
    fault(
      'in-doubt',
      what,
      `this run has been here before: ${before.evidence}`,
      'look at it, then restore with a new run',
    );
  for (const name of [names.temporary, names.beside, names.kept])
    if (stands(place, name))
      fault('conflict', what, `${toldPath(place, name)} is there already`, 'try again with another time');
  mustFit(place, source, what, call);
  copyIn(args, place, names, source, fresh, keep, call);
  if (call.would) return {};
  const now = stands(place, fresh)!;
  call.hands.records.set(keyOf(args), {
    from: args.from,
    overwrite: args.overwrite,
    stamp: args.stamp,
    volume: place.disk.name,
    point: place.point,
    target: names.target,
    kept: keep,
    state: 'done',
    at: call.hands.now(),
    ino: now.ino,
    ctime: now.ctimeMs.toFixed(0),
  });
  call.hands.happened('file.restore', keyOf(args));
  return told(keep, true);
}

/** The copy is made in a folder of its own beside the target, so the target is not touched until it is whole. */
function copyIn(
  args: Restore,
  place: Place,
  names: Names,
  source: Seen,
  fresh: string,
  keep: boolean,
  call: HandsCall,
): void {
  const files = hold(place, args.from, call);
  const folder = files.live + names.temporary;
  files.does(['mkdir', '-m', '700', '--', folder], () => mkdirSync(hostPath(files.root, names.temporary), 0o700));
  const preserve = '--preserve=mode,ownership,timestamps,links,xattr';
  const copy = ['cp', '-dRx', preserve, '--reflink=auto', '--sparse=auto', '--', files.snapshot + names.target];
  files.does([...copy, `${folder}/`], () => {
    copyTree(source.root, source.relative, files.root, `${names.temporary}/${names.name}`);
  });
  if (keep) files.moves(names.target, names.kept);
  files.moves(`${names.temporary}/${names.name}`, fresh);
  files.does(['rmdir', '--', folder], () => rmdirSync(hostPath(files.root, names.temporary)));
}

/** Whether the storage has room for it, as the rest of the simulator counts. */
function mustFit(place: Place, source: Seen, what: string, { hands }: HandsCall): void {
  const storage = hands.world.state.storages.get(place.disk.volume.storage)!;
  const { stat } = source;
  const need = stat.isDirectory() ? weigh(source.root, source.relative).space : stat.blocks * 512;
  const free = storage.total - hands.world.used(hands.node, storage);
  if (need <= free) return;
  const why = `the volume is full: it takes ${need} bytes, ${free} are free`;
  fault('conflict', what, why, 'free some space and try again; nothing was changed');
}

interface Undo {
  readonly vmid: number;
  readonly run: string;
}

/** The restore a record tells of, as its own request would have named it. */
function recorded(args: Undo, call: HandsCall) {
  const record =
    recordOf(args, call) ??
    fault(
      'not-found',
      'nothing was undone',
      'no restore of this run is recorded on this node',
      'ask the node the container was on',
    );
  const place = placeOf({ vmid: args.vmid, path: `${record.point}/${record.target}` }, call);
  if (place.disk.name !== record.volume)
    fault('changed', 'nothing was undone', 'the path lies on another volume now', 'look at it inside the container');
  return { record, place, names: namesOf(place, { run: args.run, stamp: record.stamp }) };
}

function undoProbe(args: Undo, call: HandsCall): object {
  const { record } = recorded(args, call);
  const states = { undone: 'done', undoing: 'unknown', done: 'absent', begun: 'absent' };
  return { state: states[record.state], evidence: `recorded as ${record.state}` };
}

/** Nothing that changed since is touched, and nothing is deleted. */
function undo(args: Undo, call: HandsCall): object {
  const what = 'nothing was undone';
  const { record, place, names } = recorded(args, call);
  if (record.state === 'undone') return { vmid: args.vmid, changed: false, evidence: 'it was undone before' };
  if (record.state !== 'done')
    fault('in-doubt', what, `the restore is recorded as ${record.state}`, 'look at it inside the container');
  if (call.hands.now() - record.at > 86_400)
    fault('conflict', what, 'more than 24 hours have passed', 'move the files by hand');
  mustNotBeLocked(place.config!, what, `CT ${args.vmid}`);
  const fresh = record.overwrite ? names.target : names.beside;
  const now = stands(place, fresh);
  if (now?.ino !== record.ino || now?.ctimeMs.toFixed(0) !== record.ctime)
    fault('changed', what, `${toldPath(place, fresh)} was changed or moved since`, 'look at it inside the container');
  const files = hold(place, 'live', call);
  files.moves(fresh, names.undone);
  if (record.kept) files.moves(names.kept, names.target);
  if (!call.would) {
    call.hands.records.set(keyOf(args), { ...record, state: 'undone' });
    call.hands.happened('file.undo', keyOf(args));
  }
  return {
    vmid: args.vmid,
    changed: true,
    back: record.kept ? toldPath(place, names.target) : null,
    aside: toldPath(place, names.undone),
  };
}

const which = { vmid: field.vmid, run: field.id };

export const restoreVerbs: Verbs = {
  'file.restore': verb({
    needs: { ...which, from: field.version, overwrite: field.flag, stamp: field.stamp },
    may: { path: field.path, pathBase64: field.path64, guid: field.guid },
    changes: true,
    run: restore,
    probe: (args, call) => {
      const place = placeOf(args, call);
      return restoreState(args, place, namesOf(place, args), call);
    },
  }),
  'file.undo': verb({ needs: which, may: {}, changes: true, run: undo, probe: undoProbe }),
};
