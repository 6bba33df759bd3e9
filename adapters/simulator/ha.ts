import { randomBytes } from 'node:crypto';
import { seconds } from './clock.ts';
import type { Effects } from './faults.ts';
import { startGuest, stopGuest } from './power.ts';
import type { Guest, HaResource, HaService, NodeState } from './state.ts';
import type { Tasks } from './tasks.ts';
import { haltGuest, sidOf, type World } from './world.ts';

/**
 * The HA manager, on a faster clock: every time constant of Proxmox is divided by `speed`. It fences a node that
 * is gone for 60 s, waits for its agent lock to run out (120 s), and starts its guests where they may run.
 */

const fenceDelayMs = 60_000;
const lockLifetimeMs = 120_000;
const watchdogMs = 60_000;
const bootMs = 60_000;
export const crmRoundMs = 10_000;

/** Locks that recovery takes away; others stay and block the start. */
const staleLocks = [
  'backup',
  'mounted',
  'migrate',
  'clone',
  'rollback',
  'snapshot',
  'snapshot-delete',
  'suspending',
  'suspended',
];

const uid = () => randomBytes(16).toString('base64').slice(0, 22);

export class HaManager {
  readonly #world: World;
  readonly #tasks: Tasks;
  readonly #effects: Effects;
  readonly #speed: number;
  readonly #busy = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #cutOffSince = new Map<string, number>();
  readonly #toBoot = new Set<string>();
  readonly #resetAt = new Map<string, number>();
  readonly #fenced = new Set<string>();

  constructor(world: World, tasks: Tasks, effects: Effects, speed: number) {
    this.#world = world;
    this.#tasks = tasks;
    this.#effects = effects;
    this.#speed = speed;
    world.onPowerUp.push((node) => {
      this.#toBoot.add(node.name);
      this.#cutOffSince.delete(node.name);
      this.#resetAt.delete(node.name);
    });
  }

  /** One round of the CRM and of every LRM. */
  round(): void {
    this.#bootGuests();
    this.#watchdogs();
    const quorate = this.#quorateNodes();
    if (quorate.length === 0) return;
    this.#manage(quorate);
  }

  #quorateNodes(): NodeState[] {
    return [...this.#world.nodes.values()]
      .filter((node) => node.powered && this.#world.quorate(node.name))
      .sort((a, b) => a.nodeid - b.nodeid);
  }

  /** A cut-off node whose LRM is active resets itself, and boots again if the power stays. */
  #watchdogs(): void {
    const now = this.#world.clock.now();
    for (const node of this.#world.nodes.values()) {
      const bootAt = this.#resetAt.get(node.name);
      if (bootAt !== undefined && now >= bootAt && !node.powered) this.#world.plug(node.name);
      if (!node.powered || this.#world.quorate(node.name) || !this.#hasServices(node.name)) {
        this.#cutOffSince.delete(node.name);
        continue;
      }
      const since = this.#cutOffSince.get(node.name) ?? now;
      this.#cutOffSince.set(node.name, since);
      if (now - since < watchdogMs / this.#speed) continue;
      this.#world.unplug(node.name);
      this.#resetAt.set(node.name, now + bootMs / this.#speed);
    }
  }

  #hasServices(node: string): boolean {
    const known = this.#world.viewFrom(node).ha.manager.services;
    return Object.values(known).some((service) => service.node === node && service.state !== 'stopped');
  }

  /** Guests with onboot that HA does not manage start with their node, once it is quorate. */
  #bootGuests(): void {
    for (const name of this.#toBoot) {
      if (!this.#world.quorate(name)) continue;
      this.#toBoot.delete(name);
      for (const guest of this.#world.state.guests.values()) {
        const wanted =
          guest.node === name &&
          Number(guest.config.onboot ?? 0) === 1 &&
          !this.#world.state.ha.resources.has(sidOf(guest));
        if (wanted && !guest.running && !guest.template) this.#power(guest, 'start', 'task started by node boot');
      }
    }
  }

  #manage(quorate: NodeState[]): void {
    const { state, clock } = this.#world;
    const { manager, resources } = state.ha;
    if (resources.size === 0 && Object.keys(manager.services).length === 0) return;
    const now = seconds(clock);
    if (!this.#masterAlive(quorate, now)) return;
    manager.timestamp = now;
    this.#watchNodes(quorate);
    for (const sid of Object.keys(manager.services)) if (!resources.has(sid)) delete manager.services[sid];
    for (const resource of resources.values()) this.#service(resource);
    for (const node of quorate) {
      const active = Object.values(manager.services).some((service) => service.node === node.name);
      manager.lrm[node.name] = { state: active ? 'active' : 'wait_for_agent_lock', mode: 'active', timestamp: now };
    }
  }

  /** A lost master is only replaced when its lock has run out. */
  #masterAlive(quorate: NodeState[], now: number): boolean {
    const { manager } = this.#world.state.ha;
    if (manager.master !== undefined && quorate.some((node) => node.name === manager.master)) return true;
    const idle = (now - (manager.timestamp ?? 0)) * 1000;
    if (manager.master !== undefined && idle < lockLifetimeMs / this.#speed) return false;
    manager.master = quorate[0]?.name;
    return true;
  }

  #watchNodes(quorate: NodeState[]): void {
    const { manager } = this.#world.state.ha;
    const now = this.#world.clock.now();
    for (const name of this.#world.nodes.keys()) {
      if (quorate.some((node) => node.name === name)) {
        manager.nodeStatus[name] = 'online';
        delete manager.unknownSince[name];
        continue;
      }
      if (manager.nodeStatus[name] === undefined) continue;
      manager.unknownSince[name] ??= now;
      if (manager.nodeStatus[name] === 'online') manager.nodeStatus[name] = 'unknown';
      const away = now - manager.unknownSince[name];
      const serving = Object.values(manager.services).some((service) => service.node === name);
      if (serving && away >= fenceDelayMs / this.#speed) this.#fence(name);
      else if (!serving && manager.nodeStatus[name] === 'fence') manager.nodeStatus[name] = 'unknown';
    }
  }

  /** Two notices for each node: when fencing begins, and when its lock is had (FACTS 3.2). */
  #fence(node: string): void {
    const { manager } = this.#world.state.ha;
    if (manager.nodeStatus[node] === 'fence') return;
    manager.nodeStatus[node] = 'fence';
    this.#fenced.delete(node);
    this.#notice(node, `Trying to fence node '${node}' `, `Try to fence node '${node}'`);
  }

  #notice(node: string, title: string, status: string): void {
    const message = `The node '${node}' failed and needs manual intervention.\n\nStatus:    ${status}\n`;
    for (const tell of this.#world.onNotice)
      tell({ type: 'fencing', severity: 'error', title, message, fields: { hostname: node } });
  }

  #service(resource: HaResource): void {
    const { state } = this.#world;
    const vmid = Number(resource.sid.split(':')[1]);
    const guest = state.guests.get(vmid);
    if (!guest || resource.state === 'ignored') {
      delete state.ha.manager.services[resource.sid];
      return;
    }
    let service = state.ha.manager.services[resource.sid];
    if (!service) {
      service = { node: guest.node, state: this.#wants(resource) ? 'request_start' : 'request_stop', uid: uid() };
      state.ha.manager.services[resource.sid] = service;
    }
    const nodeStatus = state.ha.manager.nodeStatus[service.node];
    if (nodeStatus === 'fence') this.#recover(resource, service, guest);
    else if (nodeStatus === 'online' && !this.#busy.has(resource.sid)) this.#reconcile(resource, service, guest);
  }

  #wants(resource: HaResource): boolean {
    return resource.state === undefined || resource.state === 'started' || resource.state === 'enabled';
  }

  #reconcile(resource: HaResource, service: HaService, guest: Guest): void {
    if (service.state === 'error') {
      if (resource.state === 'disabled') service.state = 'stopped';
      return;
    }
    if (this.#wants(resource)) {
      service.state = 'started';
      if (guest.running) service.running = 1;
      else this.#power(guest, 'start', 'task started by HA resource agent', service, resource);
      return;
    }
    if (!guest.running) {
      service.state = 'stopped';
      delete service.running;
    } else {
      service.state = 'request_stop';
      this.#power(guest, 'stop', 'task started by HA resource agent', service, resource);
    }
  }

  /** The real start or stop, as root@pam. */
  #power(guest: Guest, verb: 'start' | 'stop', line: string, service?: HaService, resource?: HaResource): void {
    const sid = sidOf(guest);
    this.#busy.add(sid);
    const type = `${guest.kind === 'lxc' ? 'vz' : 'qm'}${verb}`;
    const context = { world: this.#world, tasks: this.#tasks, effects: this.#effects, by: 'root@pam' };
    this.#tasks.start({ node: guest.node, type, id: String(guest.vmid) }, async (run) => {
      run.log(line);
      try {
        if (verb === 'start') await startGuest(context, guest, run);
        else await stopGuest(context, guest, run, 'stop');
        this.#failures.delete(sid);
        if (service && verb === 'start') service.running = 1;
        if (service && verb === 'stop') {
          service.state = 'stopped';
          delete service.running;
        }
      } catch (error) {
        if (service && resource) this.#failed(service, resource, sid);
        throw error;
      } finally {
        this.#busy.delete(sid);
      }
    });
    if (service) {
      service.uid = uid();
      if (verb === 'start') delete service.running;
    }
  }

  #failed(service: HaService, resource: HaResource, sid: string): void {
    const failures = (this.#failures.get(sid) ?? 0) + 1;
    this.#failures.set(sid, failures);
    service.failedNodes = [...new Set([...(service.failedNodes ?? []), service.node])];
    if (failures > (resource.max_restart ?? 1)) service.state = 'error';
  }

  /** Only the configuration moves; nobody looks whether the new node has the disks. */
  #recover(resource: HaResource, service: HaService, guest: Guest): void {
    const { manager } = this.#world.state.ha;
    service.state = 'fence';
    this.#busy.delete(resource.sid);
    const away = this.#world.clock.now() - (manager.unknownSince[service.node] ?? 0);
    if (away < lockLifetimeMs / this.#speed) return;
    if (!this.#fenced.has(service.node)) {
      this.#fenced.add(service.node);
      const got = `fencing: acknowledged - got agent lock for node '${service.node}'`;
      this.#notice(service.node, `Successfully fenced node '${service.node}' `, got);
    }
    service.state = 'recovery';
    const target = this.#placeFor(resource, service.node);
    if (!target) return;
    guest.node = target;
    haltGuest(guest);
    if (guest.lock !== undefined && staleLocks.includes(guest.lock)) guest.lock = undefined;
    this.#effects.add({
      kind: 'ha.recover',
      id: resource.sid,
      node: target,
      by: 'root@pam',
      at: this.#world.clock.now(),
    });
    Object.assign(service, { node: target, state: this.#wants(resource) ? 'started' : 'request_stop', uid: uid() });
    delete service.running;
  }

  /** Highest priority first, then the node with the fewest services, then the name. */
  #placeFor(resource: HaResource, lost: string): string | undefined {
    const { state } = this.#world;
    const priorities = allowedNodes(this.#world, resource);
    const load = (name: string) =>
      Object.values(state.ha.manager.services).filter((service) => service.node === name).length;
    return this.#quorateNodes()
      .map((node) => node.name)
      .filter((name) => name !== lost && (!priorities.strict || priorities.nodes.has(name)))
      .sort(
        (a, b) =>
          (priorities.nodes.get(b) ?? -1) - (priorities.nodes.get(a) ?? -1) || load(a) - load(b) || (a < b ? -1 : 1),
      )[0];
  }
}

/** Where a resource may run, with priorities, from its rule (9) or group (8). */
export function allowedNodes(world: World, resource: HaResource): { nodes: Map<string, number>; strict: boolean } {
  const { rules, groups } = world.state.ha;
  const rule = [...rules.values()].find(
    (each) => each.type === 'node-affinity' && !each.disable && each.resources.split(',').includes(resource.sid),
  );
  const group = resource.group === undefined ? undefined : groups.get(resource.group);
  const text = rule?.nodes ?? group?.nodes ?? '';
  const nodes = text
    .split(',')
    .filter(Boolean)
    .map((each): [string, number] => {
      const [name = '', priority = '0'] = each.split(':');
      return [name, Number(priority)];
    });
  return { nodes: new Map(nodes), strict: Boolean(rule ? rule.strict : group?.restricted) };
}
