import type { Disks } from './disks.ts';
import type {
  Effects,
  Faults,
  RequestFault,
  RequestMatch,
  ShellFault,
  ShellMatch,
  TaskFault,
  TaskMatch,
} from './faults.ts';
import type { SimulatedGithub } from './github.ts';
import { crmRoundMs, HaManager } from './ha.ts';
import type { Hands } from './hands.ts';
import { type Notice, noticeBody, sendNotice } from './notices.ts';
import { ReplicationScheduler } from './replication.ts';
import type { Listener, SeenRequest } from './server.ts';
import type { Simulation } from './simulation.ts';
import type { SeenCall, SshAddress, SshListener } from './ssh.ts';
import type { SshSide } from './ssh-side.ts';
import type { Guest } from './state.ts';
import type { Tasks } from './tasks.ts';
import type { Pve } from './types.ts';
import type { World } from './world.ts';

/** A running Proxmox world. */
export class Simulator {
  readonly pve: Pve;
  readonly world: World;
  readonly tasks: Tasks;
  readonly faults: Faults;
  readonly effects: Effects;
  /** Every request that came in, oldest first. */
  readonly requests: SeenRequest[];
  readonly fingerprint: string;
  /** The certificate, PEM. */
  readonly certificate: string;
  readonly #listeners: Map<string, Listener>;
  readonly #sim: Simulation;
  readonly #ha: HaManager;
  readonly #scheduler: ReplicationScheduler;
  readonly #rounds: (() => void)[] = [];
  /** The files of the containers. */
  readonly disks: Disks;
  readonly #ssh: SshSide | undefined;
  readonly #github: SimulatedGithub | undefined;
  #darkness: 'refuse' | 'hang' = 'refuse';

  constructor(parts: {
    sim: Simulation;
    listeners: Map<string, Listener>;
    requests: SeenRequest[];
    fingerprint: string;
    certificate: string;
    taskMs: number;
    speed: number;
    ssh?: SshSide;
    github?: SimulatedGithub;
  }) {
    this.#sim = parts.sim;
    this.#listeners = parts.listeners;
    this.pve = parts.sim.world.pve;
    this.world = parts.sim.world;
    this.tasks = parts.sim.tasks;
    this.faults = parts.sim.faults;
    this.effects = parts.sim.effects;
    this.requests = parts.requests;
    this.fingerprint = parts.fingerprint;
    this.certificate = parts.certificate;
    this.#ha = new HaManager(this.world, this.tasks, this.effects, parts.speed || 10);
    this.#scheduler = new ReplicationScheduler(this.world, { runMs: parts.taskMs });
    this.disks = parts.sim.disks;
    this.#ssh = parts.ssh;
    this.#github = parts.github;
    this.world.onPowerLoss.push((node) => this.#told(this.#goDark(node.name, this.#darkness)));
    this.world.onPowerUp.push((node) => this.#told(this.#comeBack(node.name)));
    if (parts.speed > 0) {
      this.#every(crmRoundMs / parts.speed, () => this.#ha.round());
      this.#every(60_000 / parts.speed, () => this.#scheduler.round());
    }
  }

  /** Nobody waits for what HA does to a listener; its failure (the port was taken meanwhile) is still said. */
  #told(work: Promise<void>): void {
    work.catch((error: unknown) => console.error('the simulator could not switch a listener:', error));
  }

  #every(ms: number, run: () => void): void {
    const index = this.#rounds.length;
    const again = () => {
      run();
      this.#rounds[index] = this.world.clock.after(ms, again);
    };
    this.#rounds.push(this.world.clock.after(ms, again));
  }

  /** One round of HA now. */
  haRound(): void {
    this.#ha.round();
  }

  /** One round of every node's replication scheduler now. */
  replicationRound(): void {
    this.#scheduler.round();
  }

  /** Base URL of a node's listener, `https://127.0.0.1:40001`. */
  url(node: string): string {
    return this.#listener(node).url;
  }

  /** All base URLs, in the order of the world's nodes. */
  get urls(): string[] {
    return [...this.#listeners.values()].map((each) => each.url);
  }

  get nodes(): string[] {
    return [...this.#listeners.keys()];
  }

  /** Token id to `id=secret`, ready for `PVEAPIToken=`. */
  get tokens(): Record<string, string> {
    return Object.fromEntries(
      [...this.world.state.tokens.values()].map((token) => [token.id, `${token.id}=${token.secret}`]),
    );
  }

  /** `id=secret` of one token, for example `bascule@pve!operate`. */
  token(id: string): string {
    const token = this.world.state.tokens.get(id);
    if (!token) throw new Error(`this world has no token ${id}`);
    return `${id}=${token.secret}`;
  }

  #listener(node: string): Listener {
    const listener = this.#listeners.get(node);
    if (!listener) throw new Error(`this world has no node ${node}`);
    return listener;
  }

  async #goDark(node: string, how: 'refuse' | 'hang'): Promise<void> {
    await Promise.all([this.#listener(node).goDark(how), this.#ssh?.of(node).goDark(how)]);
  }

  async #comeBack(node: string): Promise<void> {
    await Promise.all([this.#listener(node).comeBack(), this.#ssh?.of(node).comeBack()]);
  }

  #shell(): SshSide {
    if (!this.#ssh) throw new Error('this simulator was started without ssh');
    return this.#ssh;
  }

  /** The GitHub beside the cluster: `apiUrl`, `keys`, `setKeys`. */
  get github(): SimulatedGithub {
    if (!this.#github) throw new Error('this simulator was started without github');
    return this.#github;
  }

  /** Where a node's sshd is: host, port, fingerprint of its host key. */
  ssh(node: string): SshAddress {
    return this.#shell().address(node);
  }

  /** The private key that every node lets in, and as whom. */
  get sshKey(): string {
    return this.#shell().key;
  }

  readonly sshUser = 'bascule';

  /** Every request over SSH, oldest first. */
  get sshCalls(): SeenCall[] {
    return this.#shell().calls;
  }

  /** What the helper on a node is and what it allows: `config`, `sha256`, `helper`, `passwd`, `jumpKeys`, `log`. */
  hands(node: string): Hands {
    return this.#shell().of(node).hands;
  }

  /** From now on notifications go to that webhook: of fencing and of failed replication. */
  notifyTo(url: string, secret: string): void {
    this.world.onNotice.push((notice) => void this.notify(url, secret, notice));
  }

  /** Sends one; the answer's status, 0 for none. */
  notify(url: string, secret: string, notice: Notice): Promise<number> {
    const { cluster, clock } = this.world;
    return sendNotice(url, secret, noticeBody(cluster ?? '', notice, Math.floor(clock.now() / 1000)));
  }

  /** A node's sshd, to break: `changeHostKey`, `refuseSessions`, `cut`. */
  sshd(node: string): SshListener {
    return this.#shell().of(node);
  }

  /** The folder on this machine with a container's files as they are now, to look at and to change in a test. */
  files(vmid: number): string {
    return this.disks.root(this.#ct(vmid)).change();
  }

  /** The same of one snapshot of its root. */
  snapshotFiles(vmid: number, name: string): string {
    const disk = this.disks.root(this.#ct(vmid));
    const snapshot = disk.snapshot(name);
    if (!snapshot) throw new Error(`CT ${vmid} has no snapshot ${name}`);
    snapshot.folder = this.disks.copied(disk.version(snapshot));
    return snapshot.folder;
  }

  #ct(vmid: number): Guest {
    const guest = this.world.guest(vmid);
    if (!guest) throw new Error(`this world has no guest ${vmid}`);
    return guest;
  }

  /** The next matching request over SSH goes wrong. */
  onShell(match: ShellMatch, fault: ShellFault): void {
    this.faults.onShell(match, fault);
  }

  /** Pulls a node's plug: guests stop, tasks die, its address refuses connections or (`hang`) never answers. */
  async unplug(node: string, how: 'refuse' | 'hang' = 'refuse'): Promise<void> {
    this.#darkness = how;
    this.world.unplug(node);
    await this.#goDark(node, how);
  }

  async plug(node: string): Promise<void> {
    this.world.plug(node);
    await this.#comeBack(node);
  }

  /** Cuts the network between groups of nodes; every listener keeps answering. */
  partition(...groups: string[][]): void {
    this.world.partition(groups);
  }

  heal(): void {
    this.world.heal();
  }

  /** The listener goes dark although the node lives (its pveproxy is down or stuck); others get 595 or 596 for it. */
  async silence(node: string, how: 'refuse' | 'hang' = 'refuse'): Promise<void> {
    this.#sim.proxyTrouble.set(
      node,
      how === 'refuse'
        ? { status: 595, reason: 'Connection refused' }
        : { status: 596, reason: 'Connection timed out' },
    );
    await this.#goDark(node, how);
  }

  async unsilence(node: string): Promise<void> {
    this.#sim.proxyTrouble.delete(node);
    await this.#comeBack(node);
  }

  failNext(match: RequestMatch, answer: { status: number; reason: string; body?: unknown }): void {
    this.faults.onRequest(match, { kind: 'answer', ...answer });
  }

  /** The next matching request is executed and its connection closed without an answer. */
  loseAnswer(match: RequestMatch): void {
    this.faults.onRequest(match, { kind: 'lose-answer' });
  }

  /** The next matching request is never answered; with `execute` it is carried out all the same. */
  hang(match: RequestMatch, execute = false): void {
    this.faults.onRequest(match, { kind: 'hang', execute });
  }

  onRequest(match: RequestMatch, fault: RequestFault): void {
    this.faults.onRequest(match, fault);
  }

  /** Makes the next matching task slow, fail, warn or die: see TaskFault. */
  onTask(match: TaskMatch, fault: TaskFault): void {
    this.faults.onTask(match, fault);
  }

  killTask(upid: string): void {
    this.tasks.kill(upid);
  }

  /** Leaves `free` bytes on a node's storage. */
  fillStorage(node: string, storage: string, free = 0): void {
    this.world.fill(node, storage, free);
  }

  dropTemplate(volid: string, node?: string): void {
    this.world.dropVolume(volid, node);
  }

  expireToken(id: string): void {
    const token = this.world.state.tokens.get(id);
    if (!token) throw new Error(`this world has no token ${id}`);
    token.expire = 1;
  }

  withdrawToken(id: string): void {
    this.world.state.tokens.delete(id);
  }

  /** Takes away every grant of a user or token at a path. */
  revoke(ugid: string, path: string): void {
    this.world.state.acl = this.world.state.acl.filter((entry) => !(entry.ugid === ugid && entry.path === path));
  }

  grant(ugid: string, path: string, role: string, propagate = true): void {
    this.world.state.acl.push({ ugid, path, role, propagate });
  }

  setQdevice(connected: boolean): void {
    if (!this.world.qdevice) throw new Error('this world has no QDevice');
    this.world.qdevice.connected = connected;
    this.world.recount();
  }

  async close(): Promise<void> {
    for (const cancel of this.#rounds) cancel();
    this.#scheduler.stop();
    this.tasks.stop();
    await Promise.all([
      ...[...this.#listeners.values()].map((each) => each.close()),
      this.#ssh?.close(),
      this.#github?.close(),
    ]);
    this.disks.close();
  }
}
