import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import type { Clock } from '../../src/contracts/clock.ts';
import type { ChangedKey } from '../../src/contracts/shell.ts';
import type { Alarms } from './alarms.ts';
import { addressOf, dial, type Host, type Link, type Login } from './dial.ts';
import { NoConnection, words } from './failures.ts';

/** Milliseconds. */
export interface Timings {
  /** Until logged in on one machine. */
  readonly connect: number;
  readonly keepalive: number;
  /** Until an asked-for channel is open. */
  readonly open: number;
  /** As long as refused channels are asked for again. */
  readonly refused: number;
  /** In the queue for one of the four channels. */
  readonly queue: number;
}

export const usualTimings: Timings = {
  connect: 10_000,
  keepalive: 10_000,
  open: 15_000,
  refused: 10_000,
  queue: 60_000,
};

/** Structured log as pino writes it. */
export interface ShellLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface LineOptions {
  readonly name: string;
  readonly host: Host;
  readonly login: Login;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: ShellLog;
  readonly timings: Timings;
  readonly onChangedKey?: (changed: ChangedKey) => void;
  /** Opens the stream to dial through, instead of a socket of its own. */
  readonly through?: () => Promise<Duplex>;
}

/** RFC 4254 5.1: what sshd says when its sessions are all taken, and what others say for the same. */
const CONNECT_FAILED = 2;
const RESOURCE_SHORTAGE = 4;

/**
 * One persistent connection to one machine. It is made when first needed and again when it was lost; while it is
 * being made, all wait for the same one.
 */
export class Line {
  readonly #options: LineOptions;
  readonly #closing = new AbortController();
  #connecting: Promise<Link> | undefined;
  #live: Link | undefined;
  #generation = 0;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Another number for each connection that was made. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Opens a channel. A refused one is asked for again where that helps (sshd frees a session late), and one
   * connection that turns out to be dead is replaced: nothing was sent on it yet. Throws NoConnection.
   */
  async channel<C extends Duplex>(opener: Opener<C>): Promise<C> {
    const { clock, timings, name } = this.#options;
    const until = clock.now() + timings.refused;
    let replaced = false;
    for (let pause = 50; ; ) {
      const link = this.#live ?? (await this.#link());
      const refusal = await this.#open(link.client, opener);
      if (!(refusal instanceof Refusal)) return refusal;
      const { reason, message } = refusal;
      const busy = reason === CONNECT_FAILED || reason === RESOURCE_SHORTAGE;
      if (busy && opener.patient && clock.now() + pause <= until) {
        await clock.wait(pause, this.#closing.signal);
        pause = Math.min(pause * 2, 1000);
      } else if (this.#isDead(link, message) && !replaced) {
        replaced = true;
        this.#forget(link);
      } else {
        const why = words(message.replace('(SSH) Channel open failure: ', '')) || 'refused';
        throw new NoConnection(
          'unavailable',
          `${name} opens no channel: ${why}`,
          'look at the sshd log and load there',
          refusal,
        );
      }
    }
  }

  /** Ends the connection; what is under way on it dies. */
  async close(): Promise<void> {
    this.#closing.abort();
    const link = this.#live;
    if (!link) return;
    const gone = new Promise<void>((resolve) => link.client.once('close', () => resolve()));
    const waited = new AbortController();
    link.client.end();
    await Promise.race([gone, this.#options.clock.wait(1000, waited.signal)]);
    waited.abort();
    link.drop();
  }

  #link(): Promise<Link> {
    if (this.#closing.signal.aborted) return Promise.reject(closed());
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Link> {
    const { name, host, login, clock, log, timings, through } = this.#options;
    const stream = await through?.();
    const link = await dial(host, login, {
      clock,
      connect: timings.connect,
      keepalive: timings.keepalive,
      through: stream,
      signal: this.#closing.signal,
      onChangedKey: (expected, seen) => {
        log.error({ node: name, expected, seen }, 'the host key is not the pinned one');
        this.#options.onChangedKey?.({ node: name, expected, seen });
      },
    });
    if (this.#closing.signal.aborted) {
      link.drop();
      throw closed();
    }
    this.#live = link;
    this.#generation += 1;
    link.client.once('close', () => {
      // Nothing is wrong yet: it is made again when it is needed, and whoever was waiting is told.
      if (!this.#closing.signal.aborted) log.info({ node: name }, 'the connection was lost');
      this.#forget(link);
    });
    log.info({ node: name, address: addressOf(host) }, 'connected');
    return link;
  }

  /** `close` comes before the answers of its channels; a connection that can no longer be written to only throws. */
  #isDead(link: Link, message: string): boolean {
    return this.#live !== link || message === 'Not connected';
  }

  #forget(link: Link): void {
    if (this.#live !== link) return;
    this.#live = undefined;
    link.drop();
  }

  /** One try. Throws NoConnection when it takes too long. */
  async #open<C extends Duplex>(connection: Client, opener: Opener<C>): Promise<C | Refusal> {
    const { alarms, timings, name } = this.#options;
    const { promise: opened, resolve } = Promise.withResolvers<C | Refusal | 'late'>();
    let abandoned = false;
    const done = (error: (Error & { reason?: unknown }) | undefined, channel: C) => {
      if (error) resolve(new Refusal(error));
      else if (abandoned) channel.destroy();
      else resolve(channel);
    };
    try {
      opener.open(connection, done);
    } catch (error) {
      return new Refusal(error as Error); // ssh2 throws when the connection is no longer writable
    }
    const cancel = alarms.set(timings.open, () => resolve('late'));
    const first = await opened;
    cancel();
    if (first !== 'late') return first;
    abandoned = true;
    throw new NoConnection('unavailable', `${name} opens no channel in time`, 'look at the load of that machine');
  }
}

/** No channel. `reason` is RFC 4254's number when the other side refused, anything else when the connection broke. */
class Refusal {
  readonly reason: unknown;
  readonly message: string;
  constructor(error: Error & { reason?: unknown }) {
    this.reason = error.reason;
    this.message = error.message;
  }
}

const closed = () => new NoConnection('internal', 'the connection to the nodes was closed', 'ask again later');

export interface Opener<C extends Duplex> {
  /** Refused for want of sessions, it is worth asking again. */
  readonly patient: boolean;
  open(connection: Client, done: (error: Error | undefined, channel: C) => void): void;
}

/** Starts a command on a session channel. */
export const exec = (command: string): Opener<ClientChannel> => ({
  patient: true,
  open: (connection, done) => {
    connection.exec(command, done);
  },
});

/** A stream to another machine, through this one. */
export const forward = ({ host, port = 22 }: Host): Opener<Duplex> => ({
  patient: false,
  open: (connection, done) => {
    connection.forwardOut('127.0.0.1', 0, host, port, done);
  },
});
