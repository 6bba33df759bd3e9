import { DateTime } from 'luxon';
import { z } from 'zod';
import { type AutomationContext, defineAutomation, type Offer } from '../../src/contracts/automation.ts';
import { GRANTS, type Grant, grantSchema, readShelf } from '../../src/contracts/books.ts';
import type { Guest } from '../../src/contracts/cluster.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { stamp } from '../../src/contracts/plan.ts';
import type { RequestState } from '../../src/contracts/records.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { more } from '../../src/contracts/visible.ts';
import { holds } from '../parts/drift.ts';
import { accessOf, jumpLines, jumpMarker } from '../parts/grants.ts';
import { type Finding, type FindingKind, finding, insideOf } from '../parts/reconcile.ts';
import { count } from '../parts/units.ts';

export const accessReconcile = defineAutomation({
  name: 'access-reconcile',
  summary: 'Looks every night who can really log in, and tells what is not in the book of grants',
  schedule: '40 3 * * *',
  budget: 50,
  run: (context) => run(context),
});

/** Ids of what was told and still stands. */
const memorySchema = z.strictObject({ known: z.array(z.string()) });

async function run(context: AutomationContext): Promise<void> {
  const memory = memorySchema.safeParse(await context.recall()).data ?? { known: [] };
  const { findings, skipped } = await lookEverywhere(context);
  const cleared = await clearEnded(findings, context);
  const standing = findings.filter((one) => !cleared.has(one.id));
  // What could not be looked at this time is neither news again nor forgotten.
  const kept = memory.known.filter((id) => skipped.has(Number(id.split('/')[0])));
  const news = standing.filter(({ id }) => !memory.known.includes(id));
  await context.remember({ known: [...new Set([...kept, ...standing.map(({ id }) => id)])] });
  if (news.length > 0) await tell(news, standing.length - news.length, context);
}

const OPEN: readonly RequestState[] = ['approved', 'running', 'undoing', 'in-doubt'];

interface Looked {
  readonly findings: readonly Finding[];
  /** Containers about which nothing can be concluded now: a run is at them, or they do not run. */
  readonly skipped: ReadonlySet<number>;
}

async function lookEverywhere(context: AutomationContext): Promise<Looked> {
  const { books, cluster, view } = context;
  const all = await readShelf(books, GRANTS, grantSchema);
  const grants = Map.groupBy(
    all.filter((grant) => grant.cluster === cluster),
    ({ vmid }) => vmid,
  );
  const busy = new Set((await context.requests(OPEN)).flatMap(({ plan }) => plan.locks));
  const guests = await view.guests();
  const findings: Finding[] = [];
  const skipped = new Set<number>();
  for (const guest of guests.filter(({ type }) => type === 'lxc')) {
    const own = grants.get(guest.vmid) ?? [];
    grants.delete(guest.vmid);
    if (busy.has(`guest/${cluster}/${guest.vmid}`)) skipped.add(guest.vmid);
    else findings.push(...(await ofGuest(guest, own, context, skipped)));
  }
  for (const [vmid, left] of grants) {
    // Missing rights look like a missing guest.
    const free = guests.some((guest) => guest.vmid === vmid) || (await view.vmidFree(vmid));
    for (const grant of left) {
      const says = `${vmid} ${grant.guest}, granted to ${grant.person}, ${free ? 'is gone' : 'cannot be seen'}`;
      findings.push(finding(free ? 'gone' : 'unseen', vmid, says, { grant }));
    }
  }
  return { findings, skipped };
}

async function ofGuest(
  guest: Guest,
  grants: readonly Grant[],
  context: AutomationContext,
  skipped: Set<number>,
): Promise<readonly Finding[]> {
  const { clock, nodes, view } = context;
  const { vmid, node } = guest;
  if (guest.status === 'unknown' || (grants.length === 0 && !nodes.has(node))) {
    skipped.add(vmid);
    return [];
  }
  try {
    const mac = grants.length > 0 ? (await view.guestDetail(guest)).mac : undefined;
    const others = grants.filter(({ identity }) => identity !== mac);
    const own = grants.filter(({ identity }) => identity === mac);
    const changed = others.map((grant) =>
      finding('gone', vmid, `${guestLabel(guest)} is not the container that was granted to ${grant.person}`, { grant }),
    );
    if (guest.status !== 'running') {
      skipped.add(vmid);
      return changed;
    }
    const inside = insideOf(vmid, await nodes.users(node, vmid), own, clock.now());
    return [...changed, ...inside, ...(await ofJumps(own, context))];
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    skipped.add(vmid);
    // Containers nobody was granted are not in our care; a node may forbid them.
    if (grants.length === 0) return [];
    return [finding('unseen', vmid, `${guestLabel(guest)} could not be looked at: ${error.failure.why}`)];
  }
}

const would = z.object({ would: z.array(z.unknown()) });

/** The way in is as the book says when writing it once more would change nothing. */
async function ofJumps(grants: readonly Grant[], { clock, nodes }: AutomationContext): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const grant of grants) {
    const { jump, vmid } = grant;
    if (!jump || !holds(grant, clock.now())) continue;
    const args = { user: jump.account, marker: jumpMarker(grant), lines: jumpLines(accessOf(grant, '')) };
    const answer = would.parse(await nodes.dryRun({ node: jump.node, verb: 'jump.keys.set', args }));
    if (answer.would.length > 0)
      findings.push(
        finding(
          'wrong',
          vmid,
          `${vmid} ${grant.user}: the way in through ${jump.node} is not as granted to ${grant.person}`,
          { grant },
        ),
      );
  }
  return findings;
}

/** Leases that are over: sshd has ended them; what is left of them goes, except the account, in which somebody may work. */
async function clearEnded(
  findings: readonly Finding[],
  { ask, clock }: AutomationContext,
): Promise<ReadonlySet<string>> {
  const cleared = new Set<string>();
  for (const { id, grant, kind, vmid } of findings) {
    if (!grant || kind === 'unseen' || holds(grant, clock.now())) continue;
    const { request } = await ask('ssh revoke', { person: grant.person, vmid: String(vmid), account: 'keep' });
    if (request) cleared.add(id);
  }
  return cleared;
}

const HEADS: Readonly<Record<FindingKind, string>> = {
  wrong: 'Not as granted',
  unknown: "The bot's mark, but in no book",
  lost: 'Granted, but not there',
  gone: 'Granted containers that are gone',
  ended: 'Leases that are over',
  foreign: "Not the bot's, never touched",
  unseen: 'Could not be looked at',
};
const SHOWN = 6;
const OFFERS = 3;

async function tell(news: readonly Finding[], known: number, context: AutomationContext): Promise<void> {
  const { clock, cluster, root, zone } = context;
  const kinds = (Object.keys(HEADS) as FindingKind[]).filter((kind) => news.some((one) => one.kind === kind));
  const alarming = news.some(({ kind }) => kind === 'wrong' || kind === 'unknown');
  const now = clock.now();
  await context.tell({
    key: `access-reconcile/${stamp(now)}`,
    card: {
      title: `ACCESS ${cluster}: ${count(news.length, 'new finding')}, ${DateTime.fromMillis(now, { zone }).toFormat('HH:mm')}`,
      tone: alarming ? 'bad' : 'warning',
      lines: kinds.flatMap((kind) => {
        const of = news.filter((one) => one.kind === kind);
        const lines = of.slice(0, SHOWN).map(({ says }) => says);
        return [`${HEADS[kind]}:`, ...lines, ...(of.length > SHOWN ? [more(of.length - SHOWN, 'line')] : [])];
      }),
      footer: `${known > 0 ? `${known} known ones still stand; ` : ''}${root}ssh who vmid:${news[0]!.vmid} shows a container whole`,
    },
    offers: offersOf(news),
  });
}

/** What is no more, or not as granted, can be revoked by whoever may. */
function offersOf(news: readonly Finding[]): readonly Offer[] {
  const revoke = new Map<string, Offer>();
  for (const { kind, grant, vmid } of news) {
    if (!grant || !['gone', 'ended', 'wrong'].includes(kind)) continue;
    const options = { person: grant.person, vmid: String(vmid) };
    revoke.set(`${grant.person} ${vmid}`, {
      label: `Revoke ${grant.person} on ${vmid}`,
      command: 'ssh revoke',
      options,
    });
  }
  return [...revoke.values()].slice(0, OFFERS);
}
