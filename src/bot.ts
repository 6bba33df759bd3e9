import { Automations } from './automations.ts';
import { changedKeyNotice } from './changed-key.ts';
import type { Automation } from './contracts/automation.ts';
import type { Chat } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import type { Command, Option } from './contracts/command.ts';
import type { Github } from './contracts/github.ts';
import type { HouseRules } from './contracts/house.ts';
import type { PbsConnection } from './contracts/pbs.ts';
import type { Judge } from './contracts/policy.ts';
import type { ShellConnection } from './contracts/shell.ts';
import type { Store, StoredOffer } from './contracts/store.ts';
import type { News } from './contracts/watch.ts';
import { DeadMan } from './dead-man.ts';
import { FrontDesk } from './desk.ts';
import { elsewhere } from './elsewhere.ts';
import { Incidents } from './incidents/incidents.ts';
import { oldestBackup } from './incidents/known.ts';
import { LastCheck } from './last-check.ts';
import type { Log } from './log.ts';
import { metricsText } from './metrics.ts';
import { Notices } from './notices.ts';
import { Outbox } from './outbox.ts';
import type { Habit } from './parse.ts';
import { People } from './people.ts';
import { Planning, rootOf } from './planning.ts';
import { Poller } from './poller.ts';
import { makeRegistry } from './registry.ts';
import { Requests } from './requests.ts';
import { Runner } from './runner.ts';
import type { RunnerSide } from './runner-parts.ts';
import type { Config } from './settings.ts';
import { Telling } from './telling.ts';

/** How often deadlines are looked at, and how often a standby tries to lead, milliseconds. */
const TICK = 5000;
const STANDBY_TRY = 1000;
/** No platform repeats a delivery for longer than hours; how long they are remembered, and how often the old ones go. */
const DELIVERIES_KEPT = 7 * 24 * 3_600_000;
const FORGETS = 3_600_000;
/** How long resolved incidents are listed. */
const INCIDENTS_KEPT = 90 * 24 * 3_600_000;

export interface BotParts {
  readonly config: Config;
  readonly chats: readonly Chat[];
  readonly clusters: readonly ClusterConnection[];
  readonly store: Store;
  readonly judge: Judge;
  readonly commands: readonly Command[];
  readonly automations: readonly Automation[];
  readonly clusterOption: Option;
  readonly habit: Habit;
  readonly clock: Clock;
  readonly log: Log;
  readonly github: Github;
  /** SSH to the nodes, of the clusters that have it (`connectNodes` of adapters/shell). Closed with the bot. */
  readonly shells: readonly ShellConnection[];
  readonly houses: ReadonlyMap<string, HouseRules>;
  /** Closed with the bot. */
  readonly pbs?: readonly PbsConnection[];
  /** by hand: nothing is looked at until `poller.poll` is called (tests). */
  readonly polls?: 'always' | 'by hand';
  /** The journal is out of reach or another process leads: the process must end and be started again. */
  readonly onBroken: (error: unknown) => void;
}

/** The whole bot: waits until it leads, resumes what was under way, then opens the chats. */
export class Bot {
  readonly desk: FrontDesk;
  readonly requests: Requests;
  readonly last: LastCheck;
  readonly runner: Runner;
  readonly outbox: Outbox;
  readonly automations: Automations;
  readonly incidents: Incidents;
  readonly poller: Poller;
  readonly #parts: BotParts;
  readonly #telling: Telling;
  readonly #deadMan: DeadMan | undefined;
  readonly #stop = new AbortController();
  #ticking: Promise<void> = Promise.resolve();
  #leading = false;

  constructor(parts: BotParts) {
    this.#parts = parts;
    const { config, chats, store, judge, clock, log } = parts;
    const clusters = new Map(parts.clusters.map((connection) => [connection.name, connection]));
    const registry = makeRegistry(parts.commands, [...clusters.keys()], parts.clusterOption);
    const people = new People(config, chats);
    const limit = config.undelivered * 1000;
    this.outbox = new Outbox({ store, chats, clock, log, limit, elsewhere: elsewhere(config) });
    const { github, houses } = parts;
    const shells = new Map(parts.shells.map((connection) => [connection.cluster, connection]));
    const looking = { config, store, judge, clusters, shells, houses, github, people, clock };
    const planning = new Planning(looking);
    const telling = new Telling({ config, store, people, registry, planning, outbox: this.outbox, clock, log });
    this.#telling = telling;
    this.requests = new Requests({ config, store, people, planning, telling, clock });
    this.last = new LastCheck({ store, people, registry, planning, requests: this.requests, clock, log });
    const side: RunnerSide = {
      lastCheck: (request) => this.last.check(request),
      changed: (id, line) => telling.changed(id, line),
      stepEnded: (request, step, lines) => telling.stepEnded(request, step, lines),
    };
    this.runner = new Runner({ store, clusters, shells, clock, log, side, onBroken: parts.onBroken });
    this.requests.onApproved = () => void this.runner.wake();
    const { requests } = this;
    const { automations, habit, onBroken } = parts;
    const notices = new Notices({ config, store, outbox: this.outbox, clock });
    for (const connection of parts.shells)
      connection.onChangedKey?.((changed) => {
        notices.tell(connection.cluster, changedKeyNotice(changed)).catch(onBroken);
      });
    const { outbox } = this;
    const incidents = new Incidents({
      config,
      store,
      outbox,
      clock,
      log,
      known: (command) => registry.commands.has(command),
      nameOf: (id) => people.nameOf(id),
      rootOf: (place) => rootOf(place, config),
      marks: (cluster, vmid) => this.poller.guest(cluster, vmid),
      vitals: (cluster) => ({ ...oldestBackup(this.poller.memory(cluster)), ...this.poller.vitals(cluster) }),
    });
    this.incidents = incidents;
    const pbs = new Map((parts.pbs ?? []).map((connection) => [connection.name, connection]));
    const onNews = (cluster: string, news: readonly News[]) => incidents.take(cluster, news);
    this.poller = new Poller({ config, clusters, pbs, store, clock, log, onNews, onBroken });
    const leading = () => this.#leading;
    const looks = () => this.#looks();
    this.#deadMan = config.deadMan && new DeadMan({ ...config.deadMan, clock, log, leading, looks });
    const working = { ...looking, registry, planning, requests, notices, incidents, log };
    const stands = async (offer: StoredOffer) => (await incidents.stands(offer)) || notices.stands(offer);
    this.desk = new FrontDesk({ ...working, notices: { stands }, habit });
    this.automations = new Automations({ ...working, automations, onBroken });
  }

  get leading(): boolean {
    return this.#leading;
  }

  /** For `/metrics`. */
  metrics(): Promise<string> {
    const { store, clock } = this.#parts;
    return metricsText({ store, outbox: this.outbox, clock, leading: () => this.#leading, watch: this.poller });
  }

  #looks(): number | undefined {
    const counts = [...this.poller.counts().values()];
    return counts.length === 0 ? undefined : counts.reduce((sum, { looks }) => sum + looks, 0);
  }

  /** Resolves once this process leads and every chat is connected. A standby waits here. */
  async start(): Promise<void> {
    const { store, clock, log, chats, onBroken } = this.#parts;
    while (!(await store.lead((why) => onBroken(new Error(`this process no longer leads: ${why}`))))) {
      log.debug({}, 'another process leads; standing by');
      await clock.wait(STANDBY_TRY, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
    }
    this.#leading = true;
    for (const chat of chats) await chat.start(this.desk);
    await this.#telling.redraw();
    await this.outbox.resume();
    await this.incidents.resume();
    await this.requests.expire();
    await this.requests.recount();
    await this.runner.wake();
    this.#ticking = this.#tick();
    if (this.#parts.polls !== 'by hand') this.poller.start();
    this.#deadMan?.start();
  }

  async #tick(): Promise<void> {
    const { clock, onBroken, store } = this.#parts;
    let forgot = Number.NEGATIVE_INFINITY;
    while (!this.#stop.signal.aborted) {
      try {
        await this.requests.expire();
        await this.requests.recount();
        await this.runner.wake();
        this.automations.tick();
        await this.incidents.tick();
        if (clock.now() - forgot >= FORGETS) {
          forgot = clock.now();
          await store.forgetDeliveries(forgot - DELIVERIES_KEPT);
          await store.forgetIncidents(forgot - INCIDENTS_KEPT);
        }
      } catch (error) {
        onBroken(error);
        return;
      }
      await clock.wait(TICK, this.#stop.signal);
    }
  }

  /** No new requests; runs stop between looks and resume at the next start. */
  async stop(): Promise<void> {
    const { chats, clusters, shells, pbs, store } = this.#parts;
    this.#stop.abort();
    await this.#deadMan?.stop();
    await this.poller.stop();
    await this.automations.stop();
    await this.runner.stop();
    await this.#ticking;
    await this.incidents.settled();
    this.outbox.stop();
    await this.outbox.settled();
    await Promise.allSettled([...chats.map((chat) => chat.stop()), this.#parts.github.close()]);
    await Promise.allSettled([...clusters, ...shells, ...(pbs ?? [])].map((connection) => connection.close()));
    await store.close();
    this.#leading = false;
  }
}
