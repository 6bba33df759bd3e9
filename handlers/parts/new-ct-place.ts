import type { Node, Storage, Template } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { Guard } from '../../src/contracts/plan.ts';
import { knownNode, online, roomOn } from './checks.ts';
import { replicates, targetNode } from './replication.ts';

/** Where a new container goes: node, template, storage, bridge and the node it is copied to. */

export interface Wish {
  readonly node?: string;
  readonly template?: string;
  readonly storage?: string;
  readonly disk?: number;
  readonly replicate?: boolean | string;
  /** Options that only the node's helper can carry out, for the refusal of a node without it. */
  readonly hands?: readonly string[];
}

export interface Place {
  readonly node: Node;
  readonly template: Template;
  readonly storage: Storage;
  /** GiB. */
  readonly disk: number;
  readonly bridge: string;
  readonly replicaOn?: string;
  readonly guards: readonly Guard[];
}

/** The node asked for; else the one planned before; else the one with most free memory where everything fits. */
export async function choosePlace(wish: Wish, context: PlanContext, what: string): Promise<Place> {
  const nodes = await context.view.nodes();
  if (wish.node !== undefined) return placeOn(knownNode(nodes, wish.node, what), nodes, wish, context, what);
  const before = context.previous?.target.node;
  const rank = (node: Node) => (node.name === before ? Number.POSITIVE_INFINITY : freeMemory(node));
  const candidates = nodes
    .filter((node) => node.online)
    .sort((a, b) => rank(b) - rank(a) || (a.name < b.name ? -1 : 1));
  const refusals: Refusal[] = [];
  for (const candidate of candidates) {
    try {
      return await placeOn(candidate, nodes, wish, context, what);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      refusals.push({ node: candidate.name, why: error.failure.why });
    }
  }
  return fail('conflict', {
    what,
    why: refusals.length > 0 ? `it fits no node\n${reasons(refusals).join('\n')}` : 'no node is online',
    next: 'change what does not fit, for example template:, storage:, disk: or replicate:no',
  });
}

interface Refusal {
  readonly node: string;
  readonly why: string;
}

/** One line per reason, with the nodes that share it. */
function reasons(refusals: readonly Refusal[]): readonly string[] {
  const groups = Map.groupBy(refusals, ({ node, why }) => why.replaceAll(node, '*'));
  return [...groups.values()].map(([first, ...rest]) => {
    const same = rest.length > 0 ? `; the same on ${rest.map(({ node }) => node).join(', ')}` : '';
    return `${first!.node}: ${first!.why}${same}`;
  });
}

function freeMemory(node: Node): number {
  return (node.memoryTotal ?? 0) - (node.memoryUsed ?? 0);
}

async function placeOn(
  node: Node,
  nodes: readonly Node[],
  wish: Wish,
  context: PlanContext,
  what: string,
): Promise<Place> {
  const { view, house } = context;
  const up = online(node, nodes, what);
  withHands(node, wish.hands ?? [], context, what);
  const [templates, storages, bridges] = await Promise.all([
    view.templates(node.name),
    view.storages(node.name),
    view.bridges(node.name),
  ]);
  const template = chooseTemplate(templates, wish.template ?? house.ct.template, node.name, context, what);
  const disk = wish.disk ?? house.ct.disk;
  const room = roomOn(storages, wish.storage ?? house.ct.storage, node.name, disk, what);
  const { bridge } = house.ct;
  if (!bridges.includes(bridge)) {
    fail('not-found', {
      what,
      why: `${node.name} has no bridge ${bridge}${bridges.length > 0 ? ` (it has ${bridges.join(', ')})` : ' that the bot may see'}`,
      next: 'choose another node, or correct the house rules; the token needs SDN.Use on the bridge',
    });
  }
  const replica = await chooseReplica(wish.replicate, { node, nodes, storages }, room.storage, context, what);
  return {
    node,
    template,
    storage: room.storage,
    disk,
    bridge,
    ...(replica ? { replicaOn: replica.name } : {}),
    guards: [
      up,
      { code: `template:${node.name}/${template.volid}`, says: `${template.name} is on ${node.name}` },
      ...room.guards,
      { code: `bridge:${node.name}/${bridge}`, says: `${node.name} has bridge ${bridge}` },
      ...(replica?.guards ?? []),
    ],
  };
}

function withHands(node: Node, hands: readonly string[], context: PlanContext, what: string): void {
  if (hands.length === 0 || context.nodes.has(node.name)) return;
  fail('unavailable', {
    what,
    why: `${hands.join(', ')} ${hands.length === 1 ? 'needs' : 'need'} SSH access to ${node.name}, which the bot has not: no API token may do that`,
    next: `choose another node, leave ${hands.length === 1 ? 'it' : 'them'} out, or give access: bascule setup node prints what ${node.name} needs`,
  });
}

/** The newest whose name, file or volume id begins as wanted; the one planned before while it is still there. */
function chooseTemplate(
  templates: readonly Template[],
  wanted: string,
  node: string,
  { previous }: PlanContext,
  what: string,
): Template {
  const fitting = templates.filter(
    (template) =>
      template.name.startsWith(wanted) ||
      template.volid === wanted ||
      (template.volid.split('/').at(-1) ?? '').startsWith(wanted),
  );
  const before = fitting.find((template) => template.volid === previous?.intent['template']);
  const chosen = before ?? fitting[0];
  if (chosen) return chosen;
  const names = templates.map((template) => template.name).slice(0, 5);
  return fail('not-found', {
    what,
    why: `${node} has no template that begins with ${wanted}`,
    next:
      names.length > 0
        ? `choose one of ${names.map((name) => `template:${name}`).join(', ')}, or download it there`
        : `download one to ${node} first: pveam download local ${wanted}…`,
  });
}

interface Source {
  readonly node: Node;
  readonly nodes: readonly Node[];
  readonly storages: readonly Storage[];
}

/** Which node gets the copies; undefined for none. */
async function chooseReplica(
  wish: boolean | string | undefined,
  source: Source,
  storage: Storage,
  { view, house }: PlanContext,
  what: string,
): Promise<{ readonly name: string; readonly guards: readonly Guard[] } | undefined> {
  const { node, nodes, storages } = source;
  const configured = house.ct.replicateTo;
  if (wish === false || (wish === undefined && configured.length === 0)) return undefined;
  const other = configured.find((name) => name.toLowerCase() !== node.name.toLowerCase());
  const wanted = typeof wish === 'string' ? wish : (other ?? noTarget(configured, node.name, what));
  const target = targetNode(nodes, wanted, node.name, what, 'replicate');
  const sides = [
    { node: node.name, storages },
    { node: target.name, storages: await view.storages(target.name) },
  ];
  const next = 'choose replicate:no, another node to replicate to, or a ZFS storage that both nodes have';
  return { name: target.name, guards: [target.guard, replicates(storage.id, sides, what, next)] };
}

function noTarget(configured: readonly string[], node: string, what: string): never {
  return fail('bad-input', {
    what,
    why:
      configured.length === 0
        ? 'the house rules name no node to replicate to'
        : `the house rules replicate only to ${node} itself`,
    next: 'name one: replicate:ovh3, or choose replicate:no',
  });
}
