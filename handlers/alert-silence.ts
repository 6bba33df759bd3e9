import { createHash } from 'node:crypto';
import { defineCommand, type PlanContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { SILENCES, silencesOf, silenceText } from '../src/contracts/incident.ts';
import { bookStep } from '../src/contracts/node-steps.ts';
import { canonical, type Json, type Plan } from '../src/contracts/plan.ts';
import { guest, kind, node, optional, reason, silenceFor } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { span } from './parts/units.ts';

/** Before a maintenance. It changes no cluster: only what is told, and only for as long as it holds. */
export const alertSilence = defineCommand({
  name: 'alert silence',
  summary: 'Tell nothing of a node, a guest or a kind of incident, before a maintenance',
  examples: [
    'alert silence node:ovh2 for:4h reason:"new RAM"',
    'alert silence vmid:117 kind:backup-not-covered reason:"scratch"',
  ],
  options: {
    node: optional(node),
    vmid: optional(guest),
    kind: optional(kind),
    for: optional(silenceFor),
    reason: optional(reason),
  },
  action: 'alert.silence',
  risk: 'routine',
  version: 1,
  plan: (options, context) => plan(options, context),
  preview: (plan) =>
    previewCard(plan, [
      plan.intent['seconds'] === null
        ? 'It has no end: it stands in every daily digest until somebody ends it'
        : 'What is still open when it ends is told then',
      'Incidents are watched and listed all the same',
    ]),
  result: (plan, run) =>
    resultCard(`Silent about ${intentText(plan, 'what')}`, run, [
      `${intentText(plan, 'id')} ends it before its time: alert unsilence id:${intentText(plan, 'id')}`,
    ]),
});

interface Wanted {
  readonly node: string | undefined;
  readonly vmid: string | undefined;
  readonly kind: string | undefined;
  readonly for: number | undefined;
  readonly reason: string | undefined;
}

const WHAT = 'nothing was silenced';

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { asker, books, clock, view } = context;
  const { node: wantedNode, vmid, kind, for: seconds, reason = '' } = wanted;
  if (wantedNode === undefined && vmid === undefined && kind === undefined)
    fail('bad-input', { what: WHAT, why: 'it must say what about', next: 'add node:, vmid: or kind:' });
  if (seconds === undefined && reason === '')
    fail('bad-input', { what: WHAT, why: 'without an end it needs a reason', next: 'add for:4h, or reason:"…"' });
  const found = vmid === undefined ? undefined : await view.findGuest(vmid);
  const nodes = wantedNode === undefined ? [] : await view.nodes();
  const node = nodes.find(({ name }) => name.toLowerCase() === wantedNode?.toLowerCase())?.name;
  if (wantedNode !== undefined && node === undefined)
    fail('not-found', {
      what: WHAT,
      why: `there is no node ${wantedNode}`,
      next: `its nodes: ${nodes.map(({ name }) => name).join(', ')}`,
    });
  const about = {
    ...(node === undefined ? {} : { node }),
    ...(found === undefined ? {} : { vmid: found.vmid }),
    ...(kind === undefined ? {} : { kind }),
  };
  const id = idOf({ cluster: view.name, ...about, seconds: seconds ?? null });
  const holds = (await silencesOf(books, view.name, clock.now())).find((one) => one.id === id);
  const before = await books.entry(SILENCES, id);
  if (holds)
    fail('conflict', {
      what: WHAT,
      why: `that is silent already (${id}, by ${holds.by})`,
      next: `alert unsilence id:${id}`,
    });
  const what = silenceText(about as Parameters<typeof silenceText>[0]);
  const value: Json = {
    id,
    cluster: view.name,
    ...about,
    ...(seconds === undefined ? {} : { until: `{until:${seconds}}` }),
    reason: reason.replace(/[{}]/g, ''),
    by: asker.id,
  };
  return {
    command: 'alert silence',
    version: 1,
    cluster: view.name,
    target: { kind: 'cluster', id: view.name, name: view.name },
    title: `Silence ${what} on ${view.name}, ${seconds === undefined ? 'for good' : `for ${span(seconds)}`}`,
    intent: { id, what, seconds: seconds ?? null, reason },
    guards: [],
    observations: reason === '' ? [] : [{ label: 'Reason', value: reason }],
    risks: seconds === undefined ? [{ code: 'no-end', says: 'It has no end' }] : [],
    steps: [
      bookStep({ shelf: SILENCES, key: id, value }, before?.value ?? null, {
        name: 'silence',
        says: 'Noting the silence',
      }),
    ],
    reserves: [],
    locks: [`silence/${id}`],
  };
}

/** The same for the same wish, so that planning again makes the same plan. */
function idOf(wish: Json): string {
  const alphabet = '23456789abcdefghjkmnpqrstvwxyz';
  const bytes = createHash('sha256').update(canonical(wish)).digest().subarray(0, 6);
  return `s${[...bytes].map((byte) => alphabet[byte % alphabet.length]).join('')}`;
}
