import type { Guest } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { nodeStep } from '../src/contracts/node-steps.ts';
import { MARKER, type Plan } from '../src/contracts/plan.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { ct } from './options.ts';
import { guestTarget, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable } from './parts/checks.ts';
import { dateTime } from './parts/units.ts';

export const ctUnlock = defineCommand({
  name: 'ct unlock',
  summary: 'Take the lock that a killed create of the bot left on a container, so that it can be destroyed',
  examples: ['ct unlock 112'],
  options: { vmid: ct },
  positional: ['vmid'],
  action: 'ct.unlock',
  risk: 'disruptive',
  version: 1,
  plan: ({ vmid }, context) => plan(vmid, context),
  preview: (plan) =>
    previewCard(plan, [
      'Only the lock of a create that the bot itself began, and that has ended; the node looks again before it does it',
      'What the create left is half made: destroy it afterwards',
    ]),
  result: (plan, run) =>
    resultCard(`CT ${plan.target.id} is unlocked`, run, [
      `It is half made: ct destroy ${plan.target.id} confirm:${plan.target.id} removes it with its volume`,
    ]),
});

async function plan(wanted: string, context: PlanContext): Promise<Plan> {
  const { view, nodes } = context;
  const found = await view.findGuest(wanted, 'lxc');
  const label = guestLabel(found);
  const what = `${label} was not unlocked`;
  const guards = [quorate(await view.membership(), what), await reachable(found, context, what)];
  lockedByCreate(found, what);
  withAccess(found, context, what);
  const made = await makerOf(found, context, what);
  const call = {
    cluster: view.name,
    node: found.node,
    verb: 'ct.unlock',
    args: {
      vmid: found.vmid,
      marker: MARKER.replace('{run}', made.request.id),
      ...(made.upid === undefined ? {} : { upid: made.upid }),
    },
  };
  // The node looks for running tasks and at the evidence, and throws what it would refuse.
  await nodes.dryRun(call);
  return {
    command: 'ct unlock',
    version: 1,
    cluster: view.name,
    target: guestTarget(found),
    title: `Unlock ${label} on ${found.node}`,
    intent: { node: found.node, vmid: found.vmid, lock: 'create', run: made.request.id, upid: made.upid ?? null },
    guards: [
      ...guards,
      { code: 'locked:create', says: 'its lock is that of a create' },
      { code: `killed:${made.request.id}`, says: `run ${made.request.id} made it, and has ended` },
    ],
    observations: [
      { label: 'Made by', value: `run ${made.request.id} for ${made.request.requester}` },
      { label: 'When', value: dateTime(made.request.startedAt ?? made.request.createdAt, context.zone) },
      { label: 'How it ended', value: made.request.note || made.request.state },
      { label: 'Task', value: made.upid ?? 'not known: its answer was lost' },
    ],
    risks: [],
    steps: [
      nodeStep(call, {
        name: 'unlock',
        says: `Unlocking ${label}`,
        byHand: [`ssh root@${found.node} pct config ${found.vmid}`, `ssh root@${found.node} pct unlock ${found.vmid}`],
      }),
    ],
    reserves: [],
    locks: [`guest/${view.name}/${found.vmid}`],
  };
}

function lockedByCreate({ lock, node, vmid }: Guest, what: string): void {
  if (lock === 'create') return;
  fail('conflict', {
    what,
    why: lock ? `its lock is ${lock}, not that of a create` : 'it is not locked',
    next: lock ? `whoever is sure that nothing is at it any more: on ${node}, pct unlock ${vmid}` : 'nothing is needed',
  });
}

function withAccess({ node, vmid }: Guest, { nodes }: PlanContext, what: string): void {
  if (nodes.has(node)) return;
  fail('unavailable', {
    what,
    why: `no API token can take a lock, and ${node} has no SSH access`,
    next: `on ${node}, if no task is at it any more: pct unlock ${vmid}; bascule setup node prints what access needs`,
  });
}

interface Maker {
  readonly request: RequestRecord;
  readonly upid?: string;
}

/** The newest request that made this number and did not end well. */
async function makerOf(guest: Guest, { records, view, root }: PlanContext, what: string): Promise<Maker> {
  const requests = await records.requests({ states: ['failed', 'in-doubt', 'running', 'undoing'], limit: 500 });
  const own = requests.filter(
    ({ cluster, command, plan, startedAt }) =>
      cluster === view.name && command === 'ct create' && plan.target.vmid === guest.vmid && startedAt !== undefined,
  );
  const request = own.toSorted((a, b) => (b.startedAt ?? 0) - (a.startedAt ?? 0))[0];
  if (!request) {
    return fail('forbidden', {
      what,
      why: 'no create of the bot that you may see has left it so',
      next: `whoever made it looks at it: on ${guest.node}, pct config ${guest.vmid}`,
    });
  }
  if (request.state === 'running' || request.state === 'undoing')
    fail('conflict', { what, why: `run ${request.id} is still at it`, next: `${root}run show id:${request.id}` });
  if (request.state === 'in-doubt')
    fail('conflict', {
      what,
      why: `run ${request.id} is in doubt and holds it until somebody has looked`,
      next: `look at ${root}run show id:${request.id}; ${root}run cancel id:${request.id} closes it, then ask again`,
    });
  const { steps } = await records.run(request.id);
  const upid = steps.find(({ name }) => name === 'create')?.upid;
  return { request, ...(upid === undefined ? {} : { upid }) };
}
