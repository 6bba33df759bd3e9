import type { Card } from '../src/contracts/card.ts';
import type { Membership } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { cluster } from './options.ts';
import { linkCut, spareNodes } from './parts/quorum.ts';
import { timeOfDay } from './parts/units.ts';

export const quorum = defineCommand({
  name: 'quorum',
  summary: 'Votes, who is missing, and how many more nodes may fail',
  examples: ['quorum', 'quorum off'],
  options: { cluster },
  positional: ['cluster'],
  action: 'quorum.show',
  risk: 'read',
  async answer(_options, context) {
    const membership = await context.view.membership();
    return card(membership, context);
  },
});

function card(membership: Membership, { view, sites, zone }: ReadContext): Card {
  const { quorate, present, expected, needed } = membership;
  const cut = linkCut(membership, sites);
  return {
    title: `${view.name}: ${quorate ? 'QUORATE' : 'NO QUORUM'} ${present}/${expected} votes, need ${needed}`,
    tone: toneOf(membership),
    lines: [
      `Asked ${membership.asked} ${timeOfDay(membership.at, zone)}`,
      ...trust(membership),
      ...whoIsUp(membership),
      `${spare(membership)}. ${qdevice(membership)}`,
      ...(cut ? [`Sites: ${cut.sides.map((side) => `${side.name} ${side.votes}`).join(', ')}`, cut.says] : []),
    ],
  };
}

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
