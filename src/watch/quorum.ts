import { z } from 'zod';
import type { News, Observation, Watcher } from '../contracts/watch.ts';
import { quorumSaid, readClusterStatus } from './ha-answer.ts';
import { span } from './ha-memory.ts';
import { name, num, pathOf, rows } from './read.ts';

/** Whether the cluster may act at all. One node that is cut off is that node's trouble, not the cluster's. */

/** Nobody has said otherwise for so long, though too few were asked to be sure. */
const ALONE = 25;

export interface QuorumMemory {
  /** Names of all members, online or not. */
  members: string[];
  /** Since when nobody said that there is quorum, and who said that there is none. */
  since?: number;
  said: string[];
  lost?: { startedAt: number };
  qdevice?: { state: 'connected' | 'lost'; bad: number; host?: string; since: number };
  votes?: { expected: Record<string, number>; unlike: boolean };
}

type Say = (news: Omit<News, 'cluster'>) => void;

export const quorumWatcher: Watcher<QuorumMemory> = {
  name: 'quorum',
  blank: { members: [], said: [] },
  frozen: true,
  wants: (endpoint) => /^\/cluster\/(status|ha\/status\/.*|config\/(nodes|qdevice))$/.test(pathOf(endpoint)),
  see(before, observation, world) {
    if (observation.status !== 200) return { memory: before, news: [] };
    const memory = structuredClone(before);
    const news: News[] = [];
    const say: Say = (told) => news.push({ cluster: world.cluster, ...told });
    const path = pathOf(observation.endpoint);
    const frozen = memory.said.includes(observation.via);
    if (path === '/cluster/status') seeMembers(memory, observation);
    if (path === '/cluster/config/qdevice' && !frozen) seeQdevice(memory, observation, say);
    else if (path === '/cluster/config/nodes' && !frozen) seeVotes(memory, observation, say);
    else seeQuorum(memory, observation, say);
    return { memory, news };
  },
};

function seeMembers(memory: QuorumMemory, { data }: Observation): void {
  const members = readClusterStatus(data).nodes.map((node) => node.name);
  if (members.length > 0) memory.members = members.sort();
}

function seeQuorum(memory: QuorumMemory, observation: Observation, say: Say): void {
  const { at, via } = observation;
  const quorate = quorumSaid(observation);
  if (quorate === true) {
    const { lost } = memory;
    delete memory.since;
    delete memory.lost;
    memory.said = [];
    if (lost)
      say({
        kind: 'quorum-restored',
        severity: 'info',
        incident: 'quorum',
        phase: 'ends',
        at,
        startedAt: lost.startedAt,
        endedAt: at,
        text: `Quorum is back after ${span(at - lost.startedAt)}, says ${via}`,
        facts: { asked: [via] },
      });
    return;
  }
  if (quorate !== false) return;
  memory.since ??= at;
  if (!memory.said.includes(via)) memory.said = [...memory.said, via].sort();
  const members = memory.said.filter((node) => memory.members.includes(node));
  const most = members.length > memory.members.length / 2;
  if (memory.lost || (!most && at - memory.since < ALONE)) return;
  memory.lost = { startedAt: memory.since };
  say({
    kind: 'quorum-lost',
    severity: 'critical',
    incident: 'quorum',
    phase: 'opens',
    at,
    startedAt: memory.since,
    text: [
      `QUORUM LOST, say ${memory.said.join(', ')}${most ? '' : '; no other node answered'}`,
      'Nothing can be started, moved or changed. Nodes with active HA services reset themselves within 60 s',
    ].join('\n'),
    facts: { asked: memory.said, ...(memory.members.length ? { members: memory.members } : {}) },
  });
}

const qdeviceAnswer = z.looseObject({ State: name, 'QNetd host': z.string().optional().catch(undefined) });

/** Twice in a row before it is news: it reconnects by itself. */
function seeQdevice(memory: QuorumMemory, { data, at }: Observation, say: Say): void {
  const read = qdeviceAnswer.safeParse(data);
  const none = typeof data === 'object' && data !== null && !Array.isArray(data) && Object.keys(data).length === 0;
  if (!read.success && !none) return;
  const known = memory.qdevice;
  const connected = read.success && /^connected$/i.test(read.data.State.trim());
  const host = read.data?.['QNetd host'] ?? known?.host;
  const facts = { state: read.data?.State ?? 'not configured', ...(host ? { host } : {}) };
  if (connected) {
    memory.qdevice = { state: 'connected', bad: 0, since: at, ...(host ? { host } : {}) };
    if (known?.state === 'lost')
      say({
        kind: 'qdevice-back',
        severity: 'info',
        incident: 'quorum/qdevice',
        phase: 'ends',
        at,
        startedAt: known.since,
        endedAt: at,
        text: `QDevice ${host ?? ''} is back after ${span(at - known.since)}: its vote counts again`.replace('  ', ' '),
        facts,
      });
    return;
  }
  if (none && !known) return;
  const bad = (known?.bad ?? 0) + 1;
  const since = known && known.bad > 0 ? known.since : at;
  memory.qdevice = { state: known?.state ?? 'connected', bad, since, ...(host ? { host } : {}) };
  if (bad < 2 || known?.state === 'lost') return;
  if (none) delete memory.qdevice;
  else memory.qdevice.state = 'lost';
  say({
    kind: 'qdevice-lost',
    severity: none ? 'notice' : 'warning',
    incident: 'quorum/qdevice',
    phase: none ? 'note' : 'opens',
    at,
    startedAt: since,
    text: none
      ? 'QDevice is no longer configured: its vote is gone'
      : `QDevice ${host ?? ''} lost (${facts.state}): its vote does not count`.replace('  ', ' '),
    facts,
  });
}

const voteRow = z.object({ name, quorum_votes: num });

/** Votes that were changed; nodes that come and go are no news of ours. */
function seeVotes(memory: QuorumMemory, { data, at }: Observation, say: Say): void {
  const found = rows(voteRow, data);
  if (found.length === 0) return;
  const now = Object.fromEntries(found.map((row) => [row.name, row.quorum_votes]));
  const expected = Object.fromEntries(
    Object.entries(now).map(([node, votes]) => [node, memory.votes?.expected[node] ?? votes]),
  );
  const changed = Object.keys(now).filter((node) => now[node] !== expected[node]);
  const unlike = changed.length > 0;
  const before = memory.votes?.unlike ?? false;
  memory.votes = { expected, unlike };
  if (unlike === before) return;
  say({
    kind: unlike ? 'votes-unexpected' : 'votes-expected',
    severity: unlike ? 'warning' : 'info',
    incident: 'quorum/votes',
    phase: unlike ? 'opens' : 'ends',
    at,
    text: unlike
      ? `Votes changed: ${changed.map((node) => `${node} ${expected[node]} → ${now[node]}`).join(', ')}`
      : 'Every node has its votes again',
    facts: { votes: now, expected },
  });
}
