import { createHash } from 'node:crypto';
import { type AutomationContext, defineAutomation } from '../../src/contracts/automation.ts';
import type { RequestState } from '../../src/contracts/records.ts';
import { type LeftAlone, type SnapshotWork, snapshotWork } from '../parts/snapshot-work.ts';

export const snapshots = defineAutomation({
  name: 'snapshots',
  summary: 'Makes the scheduled snapshots that are due, and deletes those past their time',
  schedule: '7 * * * *',
  budget: 24 * 12,
  run: (context) => run(context),
});

/** Plans in one round; each holds a few guests, so that one which fails or waits does not hold up all. */
const MOST_PLANS = 12;
const OPEN: readonly RequestState[] = ['waiting', 'approved', 'running', 'undoing', 'in-doubt'];

/** These have their guests; in doubt, until somebody has looked. */
const HOLD: readonly RequestState[] = ['running', 'undoing', 'in-doubt'];

async function run(context: AutomationContext): Promise<void> {
  const { house, view, ask } = context;
  if (house.snapshots.length === 0) return;
  const open = await context.requests(OPEN);
  const held = open.filter(({ state }) => HOLD.includes(state)).flatMap(({ plan }) => plan.locks);
  const reserved = new Set([...open.flatMap(({ plan }) => plan.reserves), ...held.map((lock) => `lock:${lock}`)]);
  const left: LeftAlone[] = [];
  const guests = await view.guests();
  for (let plans = 0; plans < MOST_PLANS; plans += 1) {
    const work: SnapshotWork = await snapshotWork(guests, { ...context, everything: view, reserved });
    if (plans === 0) left.push(...work.left);
    if (work.guests.length === 0) break;
    // The view remembers what it saw first, so what was asked for just now is known by its reserves alone.
    const { request } = await ask('snapshot keep', {});
    if (!request) break;
    for (const name of request.plan.reserves) reserved.add(name);
  }
  await tellLasting(left, context);
}

/** Once for the same guests and reasons: a rule that cannot be kept must not stay unknown until a snapshot is missed. */
async function tellLasting(left: readonly LeftAlone[], { cluster, root, tell }: AutomationContext): Promise<void> {
  const lines = left.filter(({ lasting }) => lasting).map(({ says }) => says);
  if (lines.length === 0) return;
  const mark = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
  await tell({
    key: `snapshots/left/${mark}`,
    card: {
      title: `${cluster}: scheduled snapshots that cannot be kept as the rules say`,
      tone: 'warning',
      lines: lines.slice(0, 15),
      footer: `${lines.length > 15 ? `and ${lines.length - 15} more; ` : ''}${root}snapshot list shows what a guest has`,
    },
  });
}
