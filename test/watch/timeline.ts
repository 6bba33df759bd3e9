import type { News, Observation } from '../../src/contracts/watch.ts';
import { finalNews } from '../../src/replay.ts';
import { blankMemory, type WatchMemory, watch } from '../../src/watch/index.ts';

/** A small three-node cluster as its API tells it, poll by poll. Rules and times of FACTS.md 1; names as there. */

export const T0 = 1_795_000_000;

interface Node {
  /** Writes its stamp, answers, is seen by the others. */
  up: boolean;
  quorate: boolean;
  mode: string;
  state: string;
  stamp: number;
  idle: boolean;
  requested: boolean;
  /** Seconds its clock is ahead. */
  skew: number;
}

interface Service {
  node: string;
  crm: string;
  state: string;
  request: string;
  failed: string[];
  /** The node that it left for maintenance. */
  left?: string;
}

export class Timeline {
  at = T0;
  readonly observations: Observation[] = [];
  readonly nodes: Record<string, Node> = {};
  readonly services: Record<string, Service> = {};
  /** By vmid; not managed by HA when it has no service. */
  readonly guests: Record<number, { name: string; node: string; status: string; type: 'lxc' | 'qemu' }> = {};
  readonly jobs: Record<string, { guest: number; source: string; target: string; lastSync: number; every: number }> =
    {};
  readonly tasks: { node: string; type: string; id: string; user: string; starttime: number; status: string }[] = [];
  master: string;
  masterStamp = T0;
  /** The new master has not taken over yet. */
  masterless = false;
  armed = 'armed';
  /** PVE 8 has no fencing row and no watchdog word. */
  pve8 = false;
  via = 'ovh1';
  every = 10;

  constructor(names: readonly string[] = ['ovh1', 'ovh2', 'ovh3']) {
    this.master = names[0]!;
    for (const name of names)
      this.nodes[name] = {
        up: true,
        quorate: true,
        mode: 'active',
        state: 'online',
        stamp: T0,
        idle: false,
        requested: false,
        skew: 0,
      };
  }

  guest(vmid: number, name: string, node: string, { ha = true, vm = false, target = '' } = {}): this {
    this.guests[vmid] = { name, node, status: 'running', type: vm ? 'qemu' : 'lxc' };
    if (ha)
      this.services[`${vm ? 'vm' : 'ct'}:${vmid}`] = {
        node,
        crm: 'started',
        state: 'started',
        request: 'started',
        failed: [],
      };
    if (target) this.jobs[`${vmid}-0`] = { guest: vmid, source: node, target, lastSync: T0 - 200, every: 300 };
    return this;
  }

  node(name: string, change: Partial<Node>): this {
    Object.assign(this.nodes[name]!, change);
    return this;
  }

  service(sid: string, change: Partial<Service>): this {
    Object.assign(this.services[sid]!, change);
    const guest = this.guests[Number(sid.slice(3))];
    if (guest && change.node) guest.node = change.node;
    return this;
  }

  /** All services on that node. */
  on(node: string): string[] {
    return Object.keys(this.services).filter((sid) => this.services[sid]!.node === node);
  }

  task(type: string, node: string, vmid: number, user = 'root@pam', status = 'OK', starttime = this.at): this {
    this.tasks.push({ node, type, id: String(vmid), user, starttime, status });
    return this;
  }

  /** Polls until `t` seconds after the start, exclusive. */
  until(t: number): this {
    while (this.at < T0 + t) {
      this.tick();
      this.poll();
      this.at += this.every;
    }
    return this;
  }

  private tick(): void {
    for (const node of Object.values(this.nodes)) if (node.up && node.quorate) node.stamp = this.at - 3 + node.skew;
    const master = this.nodes[this.master]!;
    if (master.up && master.quorate && !this.masterless) this.masterStamp = this.at - 2;
    for (const job of Object.values(this.jobs))
      if (this.nodes[job.source]!.up && this.at - job.lastSync >= job.every) job.lastSync = this.at - 5;
  }

  poll(via = this.via): void {
    const since = this.at - T0;
    const node = this.nodes[via]!;
    if (!node.up) {
      this.see(via, '/cluster/ha/status/current', 0, undefined, 'connect EHOSTUNREACH');
      return;
    }
    if (since % 30 === 0) this.see(via, '/cluster/status', 200, this.status(via));
    this.see(via, '/cluster/ha/status/current', 200, this.current(via));
    if (since % 30 === 0) {
      this.see(via, '/cluster/ha/status/manager_status', 200, this.manager(via));
      this.see(via, '/cluster/resources', 200, this.resources());
    }
    if (since % 60 !== 0) return;
    for (const name of Object.keys(this.nodes)) this.replication(via, name);
    this.see(via, '/cluster/replication', 200, this.configured());
    this.see(via, '/cluster/tasks', 200, structuredClone(this.tasks));
  }

  see(via: string, endpoint: string, status: number, data: unknown, error?: string): void {
    const told = { ...(data === undefined ? {} : { data }), ...(error ? { error } : {}) };
    this.observations.push({ cluster: 'off', at: this.at, via, endpoint, status, ...told });
  }

  status(via: string) {
    const asked = this.nodes[via]!;
    return [
      { type: 'cluster', id: 'cluster', name: 'off', nodes: 3, version: 9, quorate: asked.quorate ? 1 : 0 },
      ...Object.entries(this.nodes).map(([name, node]) => ({
        type: 'node',
        id: `node/${name}`,
        name,
        online: name === via || (node.up && node.quorate && asked.quorate) ? 1 : 0,
      })),
    ];
  }

  current(via: string) {
    const { quorate } = this.nodes[via]!;
    const age = (stamp: number) => this.at - stamp;
    return [
      { id: 'quorum', type: 'quorum', node: via, quorate: quorate ? 1 : 0, status: quorate ? 'OK' : 'No quorum!' },
      {
        id: 'master',
        type: 'master',
        node: this.master,
        timestamp: this.masterStamp,
        status: `${this.master} (${age(this.masterStamp) > 30 ? 'old timestamp - dead?' : 'active'}, Thu)`,
      },
      ...(this.pve8 ? [] : [{ id: 'fencing', type: 'fencing', node: via, 'armed-state': this.armed, status: '' }]),
      ...Object.entries(this.nodes).map(([name, { stamp, mode, idle }]) => ({
        id: `lrm:${name}`,
        type: 'lrm',
        node: name,
        timestamp: stamp,
        status: `${name} (${this.lrmText(age(stamp), mode, idle)}${this.pve8 ? '' : ', watchdog active'}, Thu Nov 19)`,
      })),
      ...Object.entries(this.services).map(([sid, { node, crm, state, request }]) => ({
        id: `service:${sid}`,
        type: 'service',
        sid,
        node,
        crm_state: crm,
        state,
        request_state: request,
      })),
    ];
  }

  private lrmText(age: number, mode: string, idle: boolean): string {
    if (mode === 'maintenance' || mode === 'disarm') return `${mode} mode`;
    if (age > 30) return 'old timestamp - dead?';
    if (mode !== 'active') return `${mode} mode`;
    return idle ? 'idle' : 'active';
  }

  manager(via: string) {
    const of = <T>(pick: (node: Node) => T) =>
      Object.fromEntries(Object.entries(this.nodes).map(([name, node]) => [name, pick(node)]));
    return {
      quorum: { node: via, quorate: this.nodes[via]!.quorate ? '1' : '' },
      manager_status: {
        master_node: this.master,
        timestamp: this.masterStamp,
        node_status: of(({ state }) => state),
        ...(Object.values(this.nodes).some(({ requested }) => requested)
          ? { node_request: of(({ requested }) => (requested ? { maintenance: 1 } : {})) }
          : {}),
        service_status: Object.fromEntries(
          Object.entries(this.services).map(([sid, { node, crm, failed, left }]) => [
            sid,
            {
              node,
              state: crm,
              uid: 'x',
              ...(left && left !== node ? { maintenance_node: left } : {}),
              ...(failed.length ? { failed_nodes: failed } : {}),
            },
          ]),
        ),
      },
      lrm_status: of(({ mode, stamp }) => ({ mode, state: 'active', timestamp: stamp, results: {} })),
    };
  }

  resources() {
    return Object.entries(this.guests).map(([vmid, { name, node, status, type }]) => ({
      id: `${type}/${vmid}`,
      vmid: Number(vmid),
      type,
      node,
      name,
      status,
    }));
  }

  private replication(via: string, name: string): void {
    if (!this.nodes[name]!.up) {
      this.see(via, `/nodes/${name}/replication`, 595, undefined, 'No route to host');
      return;
    }
    const rows = Object.entries(this.jobs)
      .filter(([, { source }]) => source === name)
      .map(([id, { lastSync, every: _every, ...job }]) => ({
        id,
        type: 'local',
        ...job,
        last_sync: lastSync,
        fail_count: 0,
      }));
    this.see(via, `/nodes/${name}/replication`, 200, rows);
  }

  private configured() {
    return Object.entries(this.jobs).map(([id, { guest, source, target }]) => ({ id, guest, source, target }));
  }
}

/** Everything said of nodes, HA and quorum after these answers. */
export function told(observations: readonly Observation[], between = (memory: WatchMemory) => memory): News[] {
  let memory = blankMemory('off');
  const news: News[] = [];
  for (const observation of observations) {
    const seen = watch(between(memory), observation);
    memory = seen.memory;
    news.push(...seen.news.filter(isOurs));
  }
  return news;
}

/** Of nodes, HA and quorum; the other families have tests of their own. */
const isOurs = ({ kind }: News) => !/^(backup|replication|storage|guest|cluster|zfs|ceph)-/.test(kind);

/** `ha-failover 103 ovh2→ovh3`, sorted, in its final form; the words are other tests' matter. */
export function gist(news: readonly News[]): string[] {
  return finalNews(news)
    .map(({ kind, guest, from, to, node }) =>
      [kind, guest?.vmid ?? node ?? '', from || to ? `${from}→${to}` : ''].join(' ').trim(),
    )
    .sort();
}
