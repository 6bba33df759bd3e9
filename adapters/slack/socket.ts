import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as delay } from 'node:timers/promises';
import type { App, Receiver, ReceiverEvent } from '@slack/bolt';
import { ping, WebSocket } from 'undici';
import { type Log, reasonOf } from './log.ts';
import { onceOnly } from './once.ts';

/**
 * Socket Mode that loses nothing when Slack refreshes a connection. Bolt's own receiver keeps one connection, is
 * deaf for five seconds after every `disconnect` and drops the acks of what it was handling (PLATFORMS.md §1).
 * Here two connections stand at all times: when one is told to leave, its replacement is opened at once while the
 * other carries on, the leaving one stays until Slack closes it, and each ack goes out on the socket its envelope
 * came from.
 */
export interface SocketOptions {
  /** Asks Slack for the address of a new connection (apps.connections.open). */
  readonly address: () => Promise<string>;
  readonly log: Log;
  readonly now: () => number;
  /** How long a connection may be silent, pings included, before it counts as dead. */
  readonly silenceMs?: number;
}

interface Link {
  readonly socket: WebSocket;
  /** Slack announced the end of this connection; it still carries acks. */
  leaving: boolean;
  heardAt: number;
}

const WANTED = 2;
const HELLO_WITHIN_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export function socketReceiver(options: SocketOptions): Receiver {
  const { log, now, silenceMs = 30_000 } = options;
  const links = new Set<Link>();
  const end = new AbortController();
  const once = onceOnly(now);
  let app: App | undefined;
  let opening = 0;
  let failures = 0;
  let watch: NodeJS.Timeout | undefined;
  let stagger: NodeJS.Timeout | undefined;

  const standing = () => [...links].filter((link) => !link.leaving).length;

  /** Opens connections until enough stand. Called whenever one is leaving, gone or failed to open. */
  const keep = () => {
    while (!end.signal.aborted && standing() + opening < WANTED) void replace();
  };

  const replace = async () => {
    opening++;
    try {
      await connect();
      failures = 0;
    } catch (error) {
      if (end.signal.aborted) return;
      failures++;
      log({ level: 'warn', says: 'Socket Mode connection failed', reason: reasonOf(error), failures });
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10), LONGEST_PAUSE_MS);
      await delay(pause * (0.75 + Math.random() / 2), undefined, { signal: end.signal, ref: false }).catch(
        () => undefined,
      );
    } finally {
      opening--;
    }
    keep();
  };

  /** One connection that has said hello. */
  const connect = async () => {
    const address = await options.address();
    end.signal.throwIfAborted();
    const socket = new WebSocket(address);
    const link: Link = { socket, leaving: false, heardAt: performance.now() };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error('no hello')), HELLO_WITHIN_MS);
    const stopped = () => reject(new Error('stopped'));
    end.signal.addEventListener('abort', stopped);
    socket.addEventListener('error', () => reject(new Error('the connection broke')));
    socket.addEventListener('close', () => {
      reject(new Error('closed before hello'));
      if (links.delete(link)) keep();
    });
    socket.addEventListener('message', ({ data }) => {
      link.heardAt = performance.now();
      const message = parsed(String(data));
      if (message?.type === 'hello') {
        links.add(link);
        resolve();
        spread(message);
      } else if (message?.type === 'disconnect') leave(link, String(message.reason));
      else if (typeof message?.envelope_id === 'string') void take(link, message.envelope_id, message);
    });
    try {
      await promise;
    } catch (error) {
      socket.close();
      throw error;
    } finally {
      clearTimeout(late);
      end.signal.removeEventListener('abort', stopped);
    }
  };

  const leave = (link: Link, reason: string) => {
    link.leaving = true;
    if (reason === 'link_disabled') log({ level: 'error', says: 'Socket Mode was switched off in the app settings' });
    keep();
  };

  /**
   * Slack lets a connection live for about the time it says in its hello. Two that were opened together would also
   * be refreshed together, so once, at half that time, a third is opened: from then on their ends never coincide.
   */
  const spread = (hello: Record<string, unknown>) => {
    const { approximate_connection_time: seconds } = (hello.debug_info ?? {}) as Record<string, unknown>;
    if (stagger || typeof seconds !== 'number' || !(seconds > 0) || end.signal.aborted) return;
    stagger = setTimeout(
      () =>
        void connect().catch((error: unknown) => {
          log({ level: 'warn', says: 'Socket Mode connection failed', reason: reasonOf(error) });
        }),
      Math.min(seconds * 500, 2 ** 31 - 1),
    );
    stagger.unref();
  };

  const take = async (link: Link, envelope: string, message: Record<string, unknown>) => {
    const body = (message.payload ?? {}) as ReceiverEvent['body'];
    const ack = async (answer?: unknown) => {
      const payload = typeof answer === 'string' ? { text: answer } : answer;
      const text = JSON.stringify({ envelope_id: envelope, ...(payload ? { payload } : {}) });
      // A socket that is gone cannot take its ack; another one may.
      const way = link.socket.readyState === WebSocket.OPEN ? link : [...links].find((one) => !one.leaving);
      if (!way) return log({ level: 'warn', says: 'an acknowledgement found no open connection' });
      way.socket.send(text);
    };
    const retry = message.retry_attempt;
    const event: ReceiverEvent = {
      body,
      ack,
      ...(typeof retry === 'number' && retry > 0 ? { retryNum: retry, retryReason: String(message.retry_reason) } : {}),
    };
    try {
      await once(event, (first) => app?.processEvent(first) ?? Promise.resolve());
    } catch (error) {
      log({ level: 'error', says: 'a delivery of Slack was not handled', reason: reasonOf(error) });
    }
  };

  /** Pings tell a dead connection from a quiet one; the pings of Slack count as well. */
  const heard = (message: unknown) => {
    const { websocket } = message as { websocket: WebSocket };
    for (const link of links) if (link.socket === websocket) link.heardAt = performance.now();
  };
  const check = () => {
    for (const link of links) {
      if (performance.now() - link.heardAt > silenceMs) {
        log({ level: 'warn', says: 'a Socket Mode connection went silent' });
        links.delete(link);
        link.socket.close();
      } else ping(link.socket);
    }
    keep();
  };

  return {
    init(bolt) {
      app = bolt;
    },
    /** Resolves once both connections stand; fails when the first cannot be opened. */
    async start() {
      for (const channel of HEARD) subscribe(channel, heard);
      await connect();
      opening++;
      await connect().catch((error: unknown) =>
        log({ level: 'warn', says: 'second connection failed', reason: reasonOf(error) }),
      );
      opening--;
      keep();
      watch = setInterval(check, silenceMs / 3);
      watch.unref();
    },
    async stop() {
      end.abort();
      clearInterval(watch);
      clearTimeout(stagger);
      for (const channel of HEARD) unsubscribe(channel, heard);
      await Promise.all([...links].map(closed));
      links.clear();
    },
  };
}

const HEARD = ['undici:websocket:ping', 'undici:websocket:pong'];

/** Closes and waits, but not for a peer that never answers. */
function closed({ socket }: Link): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 1000);
    socket.addEventListener('close', () => {
      clearTimeout(late);
      resolve();
    });
    socket.close();
  });
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
