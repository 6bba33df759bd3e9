import type { Config } from './config.ts';
import type { Chat } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection } from './contracts/cluster.ts';
import type { Command, Option } from './contracts/command.ts';
import type { Judge } from './contracts/policy.ts';
import type { Store } from './contracts/store.ts';
import { FrontDesk } from './desk.ts';
import type { Log } from './log.ts';
import { Outbox } from './outbox.ts';
import type { Habit } from './parse.ts';
import { People } from './people.ts';
import { makeRegistry } from './registry.ts';
import { Requests } from './requests.ts';
import { Runner } from './runner.ts';

/** How often deadlines are looked at, and how often a standby tries to lead, milliseconds. */
const TICK = 5000;
const STANDBY_TRY = 1000;

export interface BotParts {
  readonly config: Config;
  readonly chats: readonly Chat[];
  readonly clusters: readonly ClusterConnection[];
  readonly store: Store;
  readonly judge: Judge;
  readonly commands: readonly Command[];
  readonly clusterOption: Option;
  readonly habit: Habit;
  readonly clock: Clock;
  readonly log: Log;
  /** The journal is out of reach or another process leads: the process must end and be started again. */
  readonly onBroken: (error: unknown) => void;
}

/** The whole bot: waits until it leads, resumes what was under way, then opens the chats. */
export class Bot {
  readonly desk: FrontDesk;
  readonly requests: Requests;
  readonly runner: Runner;
  readonly outbox: Outbox;
  readonly #parts: BotParts;
  readonly #stop = new AbortController();
  #ticking: Promise<void> = Promise.resolve();
  #leading = false;

  constructor(parts: BotParts) {
    this.#parts = parts;
    const { config, chats, store, judge, clock, log } = parts;
    const clusters = new Map(parts.clusters.map((connection) => [connection.name, connection]));
    const registry = makeRegistry(parts.commands, [...clusters.keys()], parts.clusterOption);
    const people = new People(config, chats);
    this.outbox = new Outbox({ store, chats, clock, log });
    const shared = { config, store, judge, people, registry, clusters, outbox: this.outbox, clock, log };
    this.requests = new Requests(shared);
    this.runner = new Runner({ store, clusters, clock, log, side: this.requests, onBroken: parts.onBroken });
    this.requests.onApproved = () => void this.runner.wake();
    this.desk = new FrontDesk({ ...shared, requests: this.requests, habit: parts.habit });
  }

  get leading(): boolean {
    return this.#leading;
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
    await this.outbox.resume();
    await this.requests.resume();
    await this.runner.wake();
    this.#ticking = this.#tick();
  }

  async #tick(): Promise<void> {
    const { clock, onBroken } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        await this.requests.expire();
        await this.runner.wake();
      } catch (error) {
        onBroken(error);
        return;
      }
      await clock.wait(TICK, this.#stop.signal);
    }
  }

  /** No new requests; runs stop between looks and resume at the next start. */
  async stop(): Promise<void> {
    const { chats, clusters, store } = this.#parts;
    this.#stop.abort();
    await this.runner.stop();
    await this.#ticking;
    this.outbox.stop();
    await this.outbox.settled();
    await Promise.allSettled(chats.map((chat) => chat.stop()));
    await Promise.allSettled(clusters.map((connection) => connection.close()));
    await store.close();
    this.#leading = false;
  }
}
