import { type HandsCall, type Verbs, verb } from './hands.ts';
import { sideOf } from './quorum.ts';

/** quorum.facts, as corosync-quorumtool -siH on this node says it. Node id 0 is the QDevice. */
function facts(_args: object, { hands }: HandsCall): object {
  const { world, node } = hands;
  const { qdevice } = world;
  const { expected, present, needed } = world.votes(node);
  const quorate = world.quorate(node);
  const side = sideOf(world.nodes.values(), node);
  const votes = side.reduce((total, each) => total + each.votes, 0);
  const cast = present > votes;
  return {
    quorate,
    expected,
    total: present,
    needed,
    blocked: !quorate,
    flags: [...(quorate ? ['Quorate'] : []), ...(qdevice ? ['Qdevice'] : [])],
    members: [
      ...side.map((each) => ({
        nodeid: each.nodeid,
        votes: each.votes,
        qdevice: qdevice ? `A,${cast ? 'V' : 'NV'},NMW` : null,
        name: each.ip,
        local: each.name === node,
        votesWhenUp: null,
      })),
      ...(qdevice
        ? [
            {
              nodeid: 0,
              votes: cast ? (qdevice.votes ?? 1) : 0,
              qdevice: null,
              name: 'Qdevice',
              local: false,
              votesWhenUp: cast ? null : (qdevice.votes ?? 1),
            },
          ]
        : []),
    ],
  };
}

export const quorumVerbs: Verbs = { 'quorum.facts': verb({ needs: {}, may: {}, run: facts }) };
