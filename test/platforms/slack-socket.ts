import { type WebSocket, WebSocketServer } from 'ws';
import type { Loopback } from './loopback.ts';
import type { Delivery, Pending, Transport } from './slack-delivery.ts';
import { refused } from './slack-posting.ts';
import type { Json, SlackWorld } from './slack-world.ts';

/** One open Socket Mode connection. */
export interface Connection {
  id: number;
  socket: WebSocket;
  openedAt: number;
  /** Slack announced its end; with `refresh_requested` it gets no more events. */
  leaving?: DisconnectReason;
  delivered: number;
}

export type DisconnectReason = 'warning' | 'refresh_requested' | 'link_disabled';

export interface SlackSockets extends Transport {
  connections: Connection[];
  /** Addresses asked for so far with apps.connections.open. */
  opened: number;
  /** Whether an ack counts on another connection than the one that carried the envelope. */
  acceptAckAnywhere: boolean;
  /** What apps.connections.open answers. */
  open(): Json;
  /** Sends `disconnect` on one connection (the oldest) or on all, and closes after `graceMs` of real time. */
  refresh(options?: { reason?: DisconnectReason; all?: boolean; graceMs?: number }): Promise<void>;
  /** Cuts connections without a word. */
  drop(all?: boolean): void;
  stop(): Promise<void>;
}

const MAX_CONNECTIONS = 10;

export function slackSockets(world: SlackWorld, loopback: () => Loopback, delivery: () => Delivery): SlackSockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: 1024 * 1024 });
  const tickets = new Set<string>();
  const envelopes = new Map<string, { pending: Pending; via: number[] }>();
  let nextId = 0;
  let turn = 0;

  const sockets: SlackSockets = {
    connections: [],
    opened: 0,
    acceptAckAnywhere: false,
    open() {
      if (sockets.connections.length >= MAX_CONNECTIONS) return refused('too_many_websockets');
      const ticket = crypto.randomUUID();
      tickets.add(ticket);
      sockets.opened += 1;
      return { ok: true, url: `ws://127.0.0.1:${loopback().port}/link/?ticket=${ticket}&app_id=${world.appId}` };
    },
    send(pending, attempt, reason) {
      // Each event goes to exactly one of the open connections.
      const able = sockets.connections.filter(({ leaving }) => leaving === undefined || leaving === 'warning');
      const chosen = able[turn++ % Math.max(able.length, 1)];
      if (!chosen) return undefined;
      const seen = envelopes.get(pending.id) ?? { pending, via: [] };
      seen.via.push(chosen.id);
      envelopes.set(pending.id, seen);
      chosen.delivered += 1;
      const events = pending.kind === 'events_api';
      const retried = events || attempt > 0 ? { retry_attempt: attempt, retry_reason: reason ?? '' } : {};
      const envelope = {
        envelope_id: pending.id,
        type: pending.kind,
        accepts_response_payload: !events,
        payload: pending.payload,
        ...retried,
      };
      chosen.socket.send(JSON.stringify(envelope));
      return `socket ${chosen.id}`;
    },
    async refresh({ reason = 'refresh_requested', all = false, graceMs = 100 } = {}) {
      const leaving = all ? [...sockets.connections] : sockets.connections.filter((one) => !one.leaving).slice(0, 1);
      await Promise.all(leaving.map((one) => retire(one, reason, graceMs)));
    },
    drop(all = true) {
      for (const one of all ? [...sockets.connections] : sockets.connections.slice(0, 1)) one.socket.terminate();
    },
    async stop() {
      clearInterval(pings);
      const closed = sockets.connections.map(({ socket }) => new Promise((resolve) => socket.once('close', resolve)));
      for (const { socket } of sockets.connections) socket.close(1000);
      await Promise.race([Promise.all(closed), new Promise((resolve) => setTimeout(resolve, 200))]);
      for (const { socket } of sockets.connections) socket.terminate();
      server.close();
    },
  };

  const retire = (one: Connection, reason: DisconnectReason, graceMs: number) => {
    one.leaving = reason;
    one.socket.send(JSON.stringify({ type: 'disconnect', reason, debug_info: { host: 'applink-stand-in' } }));
    return new Promise<void>((resolve) => {
      one.socket.once('close', () => resolve());
      setTimeout(() => one.socket.close(1000), graceMs).unref();
      setTimeout(() => one.socket.terminate(), graceMs + 1000).unref();
    });
  };

  const take = (connection: Connection, raw: string) => {
    const message = parse(raw);
    const known = envelopes.get(String(message?.envelope_id));
    if (!message || !known) return void world.violations.push(`socket: unknown message ${raw.slice(0, 200)}`);
    const body = message.payload as Json | undefined;
    const events = known.pending.kind === 'events_api';
    if (events && body && Object.keys(body).length > 0)
      world.violations.push('socket: an ack of events_api must not carry a payload');
    const sameConnection = known.via.includes(connection.id);
    delivery().ack(known.pending, `socket ${connection.id}`, body, sameConnection || sockets.acceptAckAnywhere);
    if (known.pending.outcome?.status === 'ok') envelopes.delete(known.pending.id);
  };

  const accept = (socket: WebSocket) => {
    const connection: Connection = { id: ++nextId, socket, openedAt: world.clock.now(), delivered: 0 };
    socket.on('message', (data) => take(connection, String(data)));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      sockets.connections = sockets.connections.filter((one) => one !== connection);
      world.changed();
    });
    const debug_info = { host: 'applink-stand-in', build_number: 1, approximate_connection_time: 18060 };
    const connection_info = { app_id: world.appId };
    socket.send(
      JSON.stringify({ type: 'hello', num_connections: sockets.connections.length + 1, debug_info, connection_info }),
    );
    sockets.connections.push(connection);
    world.changed();
  };

  const pings = setInterval(() => {
    for (const { socket } of sockets.connections) socket.ping('Ping from stand-in');
  }, 5000);
  pings.unref();

  loopback().server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://loopback');
    // A ticket opens one connection once.
    if (url.pathname !== '/link/' || !tickets.delete(url.searchParams.get('ticket') ?? ''))
      return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    server.handleUpgrade(request, socket, head, accept);
  });
  return sockets;
}

function parse(raw: string): Json | undefined {
  try {
    const value = JSON.parse(raw) as unknown;
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}
