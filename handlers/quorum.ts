import type { Card } from '../src/contracts/card.ts';
import type { Membership } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import type { QuorumFacts } from '../src/contracts/shell.ts';
import { cluster, optional, yesNo } from './options.ts';
import { attempt } from './parts/guests.ts';
import { linkCut, spareNodes } from './parts/quorum.ts';
import { timeOfDay } from './parts/units.ts';

export const quorum = defineCommand({
  name: 'quorum',
  summary: 'Votes, who is missing, and how many more nodes may fail',
  examples: ['quorum', 'quorum off', 'quorum details:yes'],
  options: { cluster, details: optional(yesNo('details', "With each node's votes and what is not known")) },
  positional: ['cluster'],
  action: 'quorum.show',
  risk: 'read',
  async answer({ details }, context) {
    const begun = beginEarly(context);
    const membership = await context.view.membership();
    return card(membership, await votesOf(membership, begun, context), details ?? false, context);
  },
});

/** How much longer than the API a node may take, milliseconds. */
const NODE_LIMIT = 500;

/** What corosync itself counts, as one node tells it. */
type Votes =
  | { readonly node: string; readonly facts: QuorumFacts }
  | { readonly failed: string }
  | { readonly kind: 'no-access' };

interface Begun {
  readonly node: string;
  readonly told: Promise<Votes>;
}

/** Never throws what a node says, since the API's answer counts without it. */
async function ask(node: string, { nodes }: ReadContext): Promise<Votes> {
  const facts = await attempt(() => nodes.quorumFacts(node));
  return 'failed' in facts ? { failed: `${node}: ${facts.failed}` } : { node, facts: facts.value };
}

/** While the API is asked, where the config names the nodes; nobody knows yet which are up. */
function beginEarly(context: ReadContext): Begun | undefined {
  const node = context.sites.flatMap(({ nodes }) => nodes).find((name) => context.nodes.has(name));
  return node === undefined ? undefined : { node, told: ask(node, context) };
}

/** A node that hangs must not keep the API's answer back. */
async function votesOf({ members }: Membership, begun: Begun | undefined, context: ReadContext): Promise<Votes> {
  const able = members.filter(({ name, online }) => online && context.nodes.has(name)).map(({ name }) => name);
  const node = able.find((name) => name === begun?.node) ?? able[0];
  if (node === undefined) return { kind: 'no-access' };
  const told = begun?.node === node ? begun.told : ask(node, context);
  const late = context.clock.wait(NODE_LIMIT).then((): Votes => ({ failed: `${node} did not answer in time` }));
  return Promise.race([told, late]);
}

function card(membership: Membership, votes: Votes, details: boolean, { view, sites, zone }: ReadContext): Card {
  const { quorate, present, expected, needed } = membership;
  const cut = linkCut(membership, sites);
  return {
    title: `${view.name}: ${quorate ? 'QUORATE' : 'NO QUORUM'} ${present}/${expected} votes, need ${needed}`,
    tone: 'facts' in votes && (votes.facts.blocked || !votes.facts.quorate) ? 'bad' : toneOf(membership),
    lines: [
      `Asked ${membership.asked} ${timeOfDay(membership.at, zone)}`,
      ...trust(membership),
      ...whoIsUp(membership),
      `${spare(membership)}. ${qdevice(membership)}`,
      ...counted(membership, votes),
      ...(cut ? [`Sites: ${cut.sides.map((side) => `${side.name} ${side.votes}`).join(', ')}`, cut.says] : []),
      ...(details ? lacking(votes) : []),
    ],
    ...(details && 'facts' in votes ? { table: membersTable(votes.facts) } : {}),
  };
}

/** Corosync's own count, which decides; the API's is put together from the configuration and who is online. */
function counted({ present, expected, needed }: Membership, votes: Votes): readonly string[] {
  if (!('facts' in votes)) return [];
  const { facts, node } = votes;
  const device = facts.members.find(({ nodeid }) => nodeid === 0);
  const standing = facts.members.find(({ local }) => local)?.qdevice;
  const differs = facts.total !== present || facts.expected !== expected || facts.needed !== needed;
  return [
    ...(facts.blocked || !facts.quorate
      ? [`ACTIVITY BLOCKED on ${node}: nothing that needs quorum is done there`]
      : []),
    [
      `Corosync on ${node}: ${facts.total}/${facts.expected} votes, need ${facts.needed}`,
      ...(device ? [`QDevice ${device.votes}${standing ? ` (${standingText(standing)})` : ''}`] : []),
      `flags ${facts.flags.join(' ') || 'none'}`,
      ...(differs ? ['this count decides'] : []),
    ].join('; '),
  ];
}

/** `A,V,NMW` in words. */
function standingText(flags: string): string {
  const all = flags.split(',');
  return [all.includes('A') ? 'alive' : 'NOT ALIVE', all.includes('V') ? 'votes' : 'DOES NOT VOTE'].join(', ');
}

function lacking(votes: Votes): readonly string[] {
  if ('facts' in votes) return [];
  if ('failed' in votes) return [`Corosync's own count is missing: ${votes.failed}`];
  return ["With SSH access to a node, corosync's own count, its flags and the QDevice's vote would be here"];
}

const membersTable = ({ members }: QuorumFacts): Card['table'] => ({
  columns: ['Node', 'Votes', 'QDevice'],
  rows: members.map(({ name, votes, qdevice, local }) => [
    local ? `${name} (asked)` : name,
    String(votes),
    qdevice ?? '-',
  ]),
});

function toneOf(membership: Membership): Card['tone'] {
  if (!membership.quorate) return 'bad';
  const alone = membership.members.length <= 1;
  const weak = !alone && spareNodes(membership) === 0;
  const lost = membership.cutOff.length > 0 || membership.members.some((member) => !member.online);
  return weak || lost || membership.qdevice?.connected === false ? 'warning' : 'good';
}

/** Whether the answer can be believed, and what follows when there is no quorum (FACTS 7). */
function trust(membership: Membership): readonly string[] {
  const lines: string[] = [];
  if (!membership.quorate) {
    lines.push(
      `${membership.asked} has no quorum: it is cut off, or nobody has it. No quorate node answered, so this is only its own view`,
      'Nothing can be started, changed or replicated; running guests go on, active HA nodes reset within 60 s',
    );
  }
  if (membership.cutOff.length > 0) {
    lines.push(`Cut off: ${membership.cutOff.join(' ')} (answers without quorum, what it says is frozen)`);
  }
  if (!membership.votesKnown) lines.push('Vote list unreadable: one vote per node assumed');
  return lines;
}

function whoIsUp(membership: Membership): readonly string[] {
  const name = (member: Membership['members'][number]) =>
    member.votes === 1 ? member.name : `${member.name} (${member.votes} votes)`;
  const up = membership.members.filter((member) => member.online).map(name);
  const down = membership.members.filter((member) => !member.online).map(name);
  return [`Up: ${up.join(' ') || 'none'}`, ...(down.length > 0 ? [`Down: ${down.join(' ')}`] : [])];
}

function spare(membership: Membership): string {
  if (membership.members.length <= 1) return 'Stand-alone host: no other node to lose';
  if (!membership.quorate)
    return `Missing: ${membership.needed - membership.present} of ${membership.needed} needed votes`;
  const nodes = spareNodes(membership);
  return nodes === 0 ? 'Spare: 0, the next node down stops the cluster' : `Spare: ${nodes} more may fail`;
}

function qdevice({ qdevice }: Membership): string {
  if (!qdevice) return 'QDevice: none';
  const votes = `${qdevice.votes} ${qdevice.votes === 1 ? 'vote' : 'votes'}`;
  return qdevice.connected ? `QDevice: ${qdevice.state}, ${votes}` : `QDevice: ${qdevice.state}, its ${votes} missing`;
}
