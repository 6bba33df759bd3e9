import { z } from 'zod';
import { type AutomationContext, defineAutomation } from '../../src/contracts/automation.ts';
import { type BookEntry, QUEUE } from '../../src/contracts/books.ts';
import type { Guest } from '../../src/contracts/cluster.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { RequestState } from '../../src/contracts/records.ts';
import { holds } from '../parts/drift.ts';
import { QUEUED_BY, type Queued, queuedSchema } from '../parts/queue.ts';

export const queuedGrants = defineAutomation({
  name: QUEUED_BY,
  summary: 'Carries out what was approved for containers that did not run, once they do',
  schedule: '*/2 * * * *',
  budget: 100,
  run: (context) => run(context),
});

const triedSchema = z.record(z.string(), z.strictObject({ run: z.string(), at: z.number() }));

/** After a refusal or a failed run. */
const AGAIN = 30 * 60_000;
const OPEN: readonly RequestState[] = ['waiting', 'approved', 'running', 'undoing', 'in-doubt'];

async function run(context: AutomationContext): Promise<void> {
  const { books, clock, cluster, view } = context;
  const entries = (await books.entries(QUEUE)).filter(
    ({ key, value }) => key.startsWith(`${cluster}/`) && value !== null,
  );
  if (entries.length === 0) return;
  const known = triedSchema.safeParse(await context.recall()).data ?? {};
  const tried = Object.fromEntries(
    Object.entries(known).filter(([key, { run }]) => entries.some((entry) => entry.key === key && entry.run === run)),
  );
  const guests = await view.guests();
  const busy = new Set((await context.requests(OPEN)).flatMap(({ plan }) => plan.locks));
  for (const entry of entries) {
    const queued = readQueued(entry);
    const guest = guests.find(({ vmid }) => vmid === queued.grant.vmid);
    const state = await stateOf(queued, guest, context);
    const before = tried[entry.key];
    if (state === 'waiting' || busy.has(`guest/${cluster}/${queued.grant.vmid}`)) continue;
    if (before && clock.now() - before.at < AGAIN) continue;
    tried[entry.key] = { run: entry.run, at: clock.now() };
    await context.remember(tried);
    await carryOut(entry, queued, state, context);
  }
}

function readQueued({ key, value }: BookEntry): Queued {
  const read = queuedSchema.safeParse(value);
  if (read.success) return read.data;
  return fail('internal', {
    what: 'What waits for containers to run was not looked at',
    why: `entry ${key} of the queue is not as this Bascule writes it`,
    next: 'an admin looks at the store; a newer Bascule may have written it',
  });
}

/** Why it can be carried out or dropped now; waiting: neither. */
type State = 'waiting' | 'runs' | 'lapsed' | 'gone';

async function stateOf({ kind, grant }: Queued, guest: Guest | undefined, context: AutomationContext): Promise<State> {
  if (kind === 'grant' && !holds(grant, context.clock.now())) return 'lapsed';
  if (guest?.type === 'qemu') return 'gone';
  // Missing rights look like a missing guest.
  if (!guest) return (await context.view.vmidFree(grant.vmid)) ? 'gone' : 'waiting';
  if (guest.status === 'unknown') return 'waiting';
  if ((await context.view.guestDetail(guest)).mac !== grant.identity) return 'gone';
  return guest.status === 'running' && context.nodes.has(guest.node) ? 'runs' : 'waiting';
}

const DROPPED: Readonly<Record<'lapsed' | 'gone', string>> = {
  lapsed: 'its lease ended before the container ran',
  gone: 'the container is gone',
};

async function carryOut(
  entry: BookEntry,
  queued: Queued,
  state: Exclude<State, 'waiting'>,
  context: AutomationContext,
) {
  const { kind, grant } = queued;
  const command = kind === 'grant' ? 'ssh grant' : 'ssh revoke';
  /** A failure of its own request is told by that request's card. */
  const tellBegun = (what: string) =>
    context.tell({
      key: `queued-grants/${entry.key}/${entry.run}`,
      card: {
        title: `Carried out now: ${what}`,
        tone: 'plain',
        lines: [
          'The container runs now',
          `Approved in run ${entry.run}; ${context.root}ssh who vmid:${grant.vmid} tells`,
        ],
      },
    });
  const { request, refused } = await context.ask(command, { person: grant.person, vmid: String(grant.vmid) });
  const moot = request?.plan.intent['moot'];
  const dropped = state === 'runs' ? moot : DROPPED[state];
  const place = `${grant.person} in CT ${grant.vmid} ${grant.guest}`;
  if (request && dropped === undefined)
    return tellBegun(`${kind === 'grant' ? 'access' : 'the end of access'} of ${place}`);
  await context.tell({
    key: `queued-grants/${entry.key}/${entry.run}`,
    card: {
      title: request
        ? `Not carried out: access of ${place}`
        : `Waits still: ${kind === 'grant' ? 'access' : 'the end of access'} of ${place}`,
      tone: 'warning',
      lines: [
        dropped === undefined ? 'The container runs now' : `Dropped: ${String(dropped)}`,
        ...(request ? [`Request ${request.id}`] : [`Refused: ${refused ?? ''}`]),
        `Approved in run ${entry.run}`,
      ],
    },
  });
}
