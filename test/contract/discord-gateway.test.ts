import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { createDiscord, type DiscordEvent } from '../../adapters/discord/index.ts';
import { startDiscord } from '../platforms/discord.ts';
import { menu, scriptedDesk } from './desk.ts';
import { failureOf, openRoom, registered } from './discord-room.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server() {
  const discord = await startDiscord();
  cleanups.push(() => discord.stop());
  return discord;
}

function bot(options: { botToken: string; guildId: string; apiUrl: string }) {
  const events: DiscordEvent[] = [];
  const chat = createDiscord({ ...options, log: (event) => events.push(event) });
  cleanups.push(() => chat.stop());
  return { chat, events };
}

describe('connecting to Discord', () => {
  test('a wrong token is told in words, and never repeated', async () => {
    const { guildId, apiUrl } = await server();
    const { chat, events } = bot({ botToken: 'MTIz.hidden.hidden', guildId, apiUrl });
    const failed = await failureOf(chat.start(scriptedDesk()));
    expect(failed).toMatchObject({ kind: 'refused', why: 'Discord does not know this bot token' });
    expect(JSON.stringify([failed, events])).not.toContain('hidden');
  });

  test('a server the bot is not in is told with the link that invites it', async () => {
    const { token: botToken, apiUrl, applicationId } = await server();
    const { chat } = bot({ botToken, guildId: '100000000000000001', apiUrl });
    const failed = await failureOf(chat.start(scriptedDesk()));
    expect(failed).toMatchObject({ kind: 'not-found', why: expect.stringContaining('100000000000000001') });
    expect(failed.next).toContain(`client_id=${applicationId}`);
    expect(failed.next).toContain('permissions=309237730304');
  });

  test('Discord being down fails the start, and a later start of the same bot works', async () => {
    const discord = await server();
    registered(discord, menu);
    const down = { kind: 'http', status: 503, stored: false } as const;
    discord.failNext('get-gateway', down, down, down, down);
    const { chat } = bot({ botToken: discord.token, guildId: discord.guildId, apiUrl: discord.apiUrl });
    const desk = scriptedDesk();
    expect(await failureOf(chat.start(desk))).toMatchObject({ kind: 'unavailable', status: 503 });
    await chat.start(desk);
    discord.user('alice').uses('ct list');
    await discord.shows('ops', 'echo ct list');
    expect(discord.calls('callback')).toHaveLength(1);
  });

  test('nobody listening at the address is told as such', async () => {
    const { chat } = bot({ botToken: 'MTIz.a.b', guildId: '100000000000000001', apiUrl: 'http://127.0.0.1:9/api' });
    const failed = await failureOf(chat.start(scriptedDesk()));
    expect(failed).toMatchObject({ kind: 'unavailable', sent: 'no', why: expect.stringContaining('ECONNREFUSED') });
  });

  test.each([
    [4014, 'disallows intents'],
    [4004, 'does not know this bot token'],
    [4013, 'code 4013'],
  ])('a gateway that closes with %i fails the start: it %s', async (code, words) => {
    const gateway = await tinyGateway((socket) => socket.close(code));
    const { chat } = bot({ botToken: 'MTIz.a.b', guildId: GUILD, apiUrl: gateway.apiUrl });
    const failed = await failureOf(chat.start(scriptedDesk()));
    expect(failed).toMatchObject({ kind: 'refused', why: expect.stringContaining(words) });
  });
});

describe('a connection that breaks', () => {
  test.each([
    ['is refreshed by Discord (op 7)', 'reconnect'],
    ['is closed with 4000', 'close'],
    ['drops', 'drop'],
  ] as const)('resumes when it %s, and what came meanwhile is answered once', async (_, how) => {
    const room = await openRoom();
    cleanups.push(room.close);
    const { gateway } = room.discord;
    if (how === 'reconnect') gateway.reconnect();
    else if (how === 'close') gateway.close(4000);
    else gateway.drop();
    await room.discord.waitFor(() => gateway.live().length === 0, 'a cut');
    const commands = Array.from({ length: 5 }, () => room.discord.user('alice').uses('ct list'));
    for (const one of commands) expect(await one.acked()).toMatchObject({ status: 'ok', type: 5 });
    await room.discord.waitFor(() => room.desk.handled.length === 5);
    expect(gateway.sessions.map((session) => session.resumes)).toEqual([1]);
  });

  test('identifies anew when Discord forgot the session (op 9)', async () => {
    const room = await openRoom();
    cleanups.push(room.close);
    room.discord.gateway.invalidate(false);
    await room.discord.waitFor(() => room.discord.gateway.live().length === 1, 'a new session');
    room.discord.user('alice').uses('ct list');
    await room.discord.shows('ops', 'echo ct list');
  });

  test('comes back after an outage of the whole gateway without an unhandled error', async () => {
    const gateway = await tinyGateway(ready);
    const { chat, events } = bot({ botToken: 'MTIz.a.b', guildId: GUILD, apiUrl: gateway.apiUrl });
    await chat.start(scriptedDesk());
    await gateway.down();
    await until(() => events.some((event) => event.says.includes('is cut')));
    await gateway.up();
    await until(() => events.some((event) => event.says.includes('a new session')));
    expect(events.map((event) => event.level)).toEqual(['warn', 'info']);
  });
});

test('a bot can be stopped while Discord is away', async () => {
  const gateway = await tinyGateway(ready);
  const { chat, events } = bot({ botToken: 'MTIz.a.b', guildId: GUILD, apiUrl: gateway.apiUrl });
  await chat.start(scriptedDesk());
  await gateway.down();
  await until(() => events.some((event) => event.says.includes('is cut')));
  await chat.stop();
  await gateway.up();
});

const GUILD = '100000000000000002';

/** HTTP and gateway on one port that can be taken down and up again; `identified` decides what follows IDENTIFY. */
async function tinyGateway(identified: (socket: WebSocket, url: string) => void) {
  let http: Server;
  let sockets: WebSocketServer;
  let port = 0;
  const start_limit = { total: 1000, remaining: 999, reset_after: 1, max_concurrency: 1 };
  async function up() {
    http = createServer((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ url: `ws://127.0.0.1:${port}`, shards: 1, session_start_limit: start_limit }));
    });
    sockets = new WebSocketServer({ server: http });
    sockets.on('connection', (socket) => {
      socket.send(JSON.stringify({ op: 10, d: { heartbeat_interval: 41_250 } }));
      socket.on('message', (data) => {
        const { op } = JSON.parse(String(data)) as { op: number };
        if (op === 2) identified(socket, `ws://127.0.0.1:${port}`);
        if (op === 6) socket.send(JSON.stringify({ op: 9, d: false }));
      });
    });
    await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
    port = (http.address() as AddressInfo).port;
  }
  async function down() {
    for (const client of sockets.clients) client.terminate();
    http.closeAllConnections();
    sockets.close();
    await new Promise((resolve) => http.close(resolve));
  }
  await up();
  cleanups.push(down);
  return { apiUrl: `http://127.0.0.1:${port}/api`, up, down };
}

function ready(socket: WebSocket, url: string): void {
  const d = {
    v: 10,
    user: { id: '100000000000000003', username: 'bascule' },
    guilds: [{ id: GUILD, unavailable: true }],
    session_id: 's',
    resume_gateway_url: url,
    application: { id: '100000000000000003', flags: 0 },
  };
  socket.send(JSON.stringify({ op: 0, s: 1, t: 'READY', d }));
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { timeout: 15_000, interval: 20 }).toBe(true);
}
