import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { nodeStep } from '../src/contracts/node-steps.ts';
import { isNodeCall, type NodeCall, type Plan } from '../src/contracts/plan.ts';
import type { RunRecord } from '../src/contracts/records.ts';
import type { FilePath } from '../src/contracts/shell.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { option } from './options.ts';
import { guestTarget, intentText, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { lookByHand, refusedAs, restoredNames } from './parts/files-restore.ts';
import { dateTime } from './parts/units.ts';

const run = option<string>({
  summary: 'Run of the restore, as its card shows it',
  example: 'run:2sjvpvxb',
  completes: 'request',
  read: (text) =>
    /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/.test(text)
      ? { value: text }
      : { problem: `"${text.slice(0, 40).replaceAll(/[^\x20-\x7e]/g, '?')}" is not the id of a run` },
});

export const fileUndo = defineCommand({
  name: 'file undo',
  summary: 'Take a restore back within 24 h: what was restored goes aside, the old one comes back',
  examples: ['file undo run:2sjvpvxb'],
  options: { run },
  positional: ['run'],
  action: 'file.undo',
  risk: 'routine',
  version: 1,
  plan: (wanted, context) => plan(wanted.run, context),
  preview: (plan) =>
    previewCard(plan, [
      `${intentText(plan, 'restored')} becomes ${intentText(plan, 'path')}.undone-<time of the restore>`,
      ...(plan.intent['kept'] ? [`${intentText(plan, 'kept')} becomes ${intentText(plan, 'path')} again`] : []),
      'Nothing is deleted; it is refused when the restored one was changed since',
    ]),
  result: (plan, done) =>
    resultCard(
      `The restore of ${intentText(plan, 'path')} in ${intentText(plan, 'guest')} is undone`,
      done,
      moved(done),
    ),
});

async function plan(wanted: string, context: PlanContext): Promise<Plan> {
  const { view, nodes, records, clock, zone } = context;
  const what = `the restore ${wanted} was not undone`;
  const request = await records.request(wanted);
  const call = request.plan.steps[0]?.call;
  if (request.command !== 'file restore' || call === undefined || !isNodeCall(call))
    return fail('bad-input', {
      what,
      why: `request ${request.id} is a ${request.command}, not a file restore`,
      next: 'the card of a restore shows the id of its run',
    });
  if (request.cluster !== view.name)
    return fail('bad-input', {
      what,
      why: `it was on cluster ${request.cluster}`,
      next: `add cluster:${request.cluster}`,
    });
  const done = await records.run(request.id);
  const names = restoredNames(request.plan, done);
  if (request.state === 'in-doubt')
    return fail('conflict', {
      what,
      why: 'that restore is in doubt and holds the container until somebody has looked',
      next: `${context.root}run cancel id:${request.id} closes it; then undo it, if it was done`,
    });
  // In doubt and closed by a person: its node knows whether there is something to take back.
  const closed = request.state === 'failed' && done.steps[0]?.state === 'in-doubt';
  if ((request.state !== 'done' && !closed) || !names)
    return fail('conflict', {
      what,
      why: `that restore is ${request.state}, so there is nothing to take back`,
      next: `${context.root}run show id:${request.id} tells what became of it`,
    });
  const byHand = `move the files by hand: ${names.restored}${names.kept ? ` and ${names.kept}` : ''}`;
  if (clock.now() / 1000 >= names.undoUntil)
    return fail('conflict', {
      what,
      why: `it could be undone until ${dateTime(names.undoUntil * 1000, zone)}`,
      next: byHand,
    });
  const guest = await view.findGuest(String(call.args['vmid']), 'lxc');
  const label = guestLabel(guest);
  const detail = await view.guestDetail(guest);
  if (detail.mac !== request.plan.target.identity)
    return fail('conflict', {
      what,
      why: `${label} is another container than the one of then`,
      next: 'look at what it is now',
    });
  if (guest.node !== call.node)
    return fail('conflict', {
      what,
      why: `${label} was moved from ${call.node} to ${guest.node} since, and only ${call.node} knows what was done`,
      next: byHand,
    });
  const guards = [quorate(await view.membership(), what), await reachable(guest, context, what), unlocked(guest, what)];
  const undo: NodeCall = {
    cluster: view.name,
    node: guest.node,
    verb: 'file.undo',
    args: { vmid: guest.vmid, run: request.id },
  };
  const would = await refusedAs(what, () => nodes.dryRun(undo));
  if (nothingToDo(would)) fail('conflict', { what, why: 'it was undone before', next: 'nothing needs to be done' });
  return {
    command: 'file undo',
    version: 1,
    cluster: view.name,
    target: guestTarget(guest, { identity: detail.mac, protected: detail.protection }),
    title: `Undo the restore of ${String(request.plan.intent['path'])} in ${label}`,
    intent: {
      guest: label,
      node: guest.node,
      run: request.id,
      path: String(request.plan.intent['path']),
      restored: names.restored,
      kept: names.kept ?? null,
    },
    guards: [...guards, { code: `restore:${request.id}`, says: 'what was restored is untouched since' }],
    observations: [
      { label: 'Restored', value: dateTime((request.endedAt ?? request.createdAt) * 1, zone) },
      { label: 'From', value: String(request.plan.intent['from']) },
    ],
    risks: [],
    steps: [
      nodeStep(undo, {
        name: 'undo',
        says: `Taking the restore of ${request.id} back in ${label}`,
        byHand: lookByHand(guest, pathIn(call.args), request.id),
      }),
    ],
    reserves: [],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}

const pathIn = ({ path, pathBase64 }: NodeCall['args']): FilePath =>
  typeof path === 'string' ? { path } : { pathBase64: String(pathBase64) };

/** The node would run no command at all. */
function nothingToDo(answer: unknown): boolean {
  const would = (answer as { readonly would?: unknown } | null)?.would;
  return Array.isArray(would) && would.length === 0;
}

function moved(done: RunRecord): readonly string[] {
  const told = done.steps[0]?.result as { readonly back?: unknown; readonly aside?: unknown } | undefined;
  return [
    ...(typeof told?.aside === 'string' ? [`What was restored is ${told.aside} now`] : []),
    ...(typeof told?.back === 'string' ? [`${told.back} is the one from before again`] : []),
  ];
}
