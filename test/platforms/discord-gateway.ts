import { type WebSocket, WebSocketServer } from 'ws';
import { guild } from './discord-rest.ts';
import { type DiscordWorld, type Json, wireChannel, wireMember, wireUser } from './discord-world.ts';
import type { Loopback } from './loopback.ts';

/** A session outlives its connection, so that a missed event can be replayed. */
export interface Session {
  id: string;
  intents: number;
  seq: number;
  sent: { seq: number; type: string; data: Json }[];
  socket?: WebSocket;
  /** How often it came back with RESUME. */
  resumes: number;
}

export interface DiscordGateway {
  sessions: Session[];
  /** Sessions with an open connection. */
  live(): Session[];
  heartbeatMs: number;
  /** Privileged intents switched on in the developer portal; others close with 4014. */
  privileged: number;
  /** op 7: the client has to come back and resume. */
  reconnect(): void;
  /** op 9: with `resumable` false the session is gone and the client must identify again. */
  invalidate(resumable?: boolean): void;
  /** Closes the connections with a code such as 4000. */
  close(code: number): void;
  drop(): void;
  stop(): Promise<void>;
}

const PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15);
const GUILDS = 1;
const REPLAY = 1000;

export function discordGateway(world: DiscordWorld, loopback: Loopback): DiscordGateway {
  const server = new WebSocketServer({ noServer: true, maxPayload: 1024 * 1024 });
  const gateway: DiscordGateway = {
    sessions: [],
    live: () => gateway.sessions.filter(({ socket }) => socket?.readyState === 1),
    heartbeatMs: 41_250,
    privileged: 0,
    reconnect: () => toAll({ op: 7, d: null }),
    invalidate(resumable = false) {
      toAll({ op: 9, d: resumable });
      if (!resumable) gateway.sessions = [];
    },
    close(code) {
      for (const { socket } of gateway.live()) socket?.close(code);
    },
    drop() {
      for (const { socket } of gateway.live()) socket?.terminate();
    },
    async stop() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const toAll = (frame: Json) => {
    for (const { socket } of gateway.live()) socket?.send(JSON.stringify(frame));
  };

  const emit = (session: Session, type: string, data: Json) => {
    session.seq += 1;
    session.sent.push({ seq: session.seq, type, data });
    if (session.sent.length > REPLAY) session.sent.shift();
    send(session, session.seq, type, data);
  };
  const send = ({ socket }: Session, seq: number, type: string, data: Json) => {
    if (socket?.readyState === 1) socket.send(JSON.stringify({ op: 0, s: seq, t: type, d: data }));
  };

  // Every session of the shard gets every event it asked for: two bots with one token both see it.
  world.dispatch = (type, data, intent) => {
    const able = gateway.sessions.filter(({ intents }) => intent === undefined || (intents & intent) !== 0);
    for (const session of able) emit(session, type, data);
    return able.length;
  };

  const identify = (socket: WebSocket, data: Json): Session | undefined => {
    const intents = Number(data.intents ?? 0);
    if (data.token !== world.token) return closed(socket, 4004, 'Authentication failed.');
    if ((intents & PRIVILEGED & ~gateway.privileged) !== 0) return closed(socket, 4014, 'Disallowed intent(s).');
    const session: Session = {
      id: crypto.randomUUID().replaceAll('-', ''),
      intents,
      seq: 0,
      sent: [],
      socket,
      resumes: 0,
    };
    gateway.sessions.push(session);
    emit(session, 'READY', {
      v: 10,
      user: {
        ...wireUser(world.members.get(world.applicationId)!, world),
        verified: true,
        mfa_enabled: true,
        flags: 0,
        email: null,
      },
      guilds: [{ id: world.guildId, unavailable: true }],
      session_id: session.id,
      session_type: 'normal',
      resume_gateway_url: `${world.origin.replace('http', 'ws')}`,
      application: { id: world.applicationId, flags: 0 },
      shard: data.shard ?? [0, 1],
    });
    if ((intents & GUILDS) !== 0) emit(session, 'GUILD_CREATE', fullGuild(world));
    world.changed();
    return session;
  };

  const resume = (socket: WebSocket, data: Json): Session | undefined => {
    if (data.token !== world.token) return closed(socket, 4004, 'Authentication failed.');
    const session = gateway.sessions.find(({ id }) => id === data.session_id);
    const seq = Number(data.seq);
    if (!session) {
      socket.send(JSON.stringify({ op: 9, d: false }));
      return undefined;
    }
    if (seq > session.seq) return closed(socket, 4007, 'Invalid seq.');
    session.socket?.terminate();
    session.socket = socket;
    session.resumes += 1;
    for (const one of session.sent.filter((missed) => missed.seq > seq)) send(session, one.seq, one.type, one.data);
    emit(session, 'RESUMED', {});
    world.changed();
    return session;
  };

  const accept = (socket: WebSocket) => {
    let session: Session | undefined;
    const arrivals: number[] = [];
    socket.on('error', () => socket.terminate());
    socket.on('close', (code) => {
      // A client that closes with 1000 or 1001 ends its session; other codes keep it for a resume.
      if (session?.socket === socket && (code === 1000 || code === 1001))
        gateway.sessions = gateway.sessions.filter((one) => one !== session);
      world.changed();
    });
    socket.on('message', (data) => {
      const raw = String(data);
      const frame = parse(raw);
      if (!frame || Buffer.byteLength(raw) > 4096) return closed(socket, 4002, 'Error while decoding payload.');
      const now = world.clock.now();
      arrivals.push(now);
      if (arrivals.filter((at) => at > now - 60_000).length > 120) return closed(socket, 4008, 'Rate limited.');
      const body = (frame.d ?? {}) as Json;
      if (frame.op === 1) socket.send(JSON.stringify({ op: 11 }));
      else if (frame.op === 2) {
        if (session) return closed(socket, 4005, 'Already authenticated.');
        session = identify(socket, body);
      } else if (frame.op === 6) session = resume(socket, body);
      else if (!session) closed(socket, 4003, 'Not authenticated.');
      else if (![3, 4, 8].includes(Number(frame.op))) closed(socket, 4001, 'Unknown opcode.');
    });
    socket.send(JSON.stringify({ op: 10, d: { heartbeat_interval: gateway.heartbeatMs, _trace: [] } }));
  };

  loopback.server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://loopback');
    server.handleUpgrade(request, socket, head, (client) => {
      if (url.searchParams.get('v') === '10' && url.searchParams.get('encoding') === 'json') accept(client);
      else client.close(4012, 'Invalid API version.');
    });
  });
  return gateway;
}

function closed(socket: WebSocket, code: number, reason: string): undefined {
  socket.close(code, reason);
}

function parse(raw: string): Json | undefined {
  try {
    const value = JSON.parse(raw) as unknown;
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

const fullGuild = (world: DiscordWorld): Json => ({
  ...guild(world),
  unavailable: false,
  large: false,
  joined_at: '2024-01-01T00:00:00Z',
  member_count: world.members.size,
  members: [wireMember(world.members.get(world.applicationId)!, world)],
  channels: [...world.channels.values()].filter((one) => one.type === 0).map((one) => wireChannel(one, world)),
  threads: [...world.channels.values()].filter((one) => one.type === 11).map((one) => wireChannel(one, world)),
  presences: [],
  voice_states: [],
  stage_instances: [],
  guild_scheduled_events: [],
  soundboard_sounds: [],
});
