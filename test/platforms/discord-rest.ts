import { commandRoutes } from './discord-command-routes.ts';
import { type DiscordAnswer, type Route, refuse } from './discord-errors.ts';
import { interactionRoutes } from './discord-interactions.ts';
import { messageRoutes } from './discord-messages.ts';
import { type DiscordWorld, type Json, wireChannel, wireMember, wireUser } from './discord-world.ts';
import { brokenAnswer } from './faults.ts';
import { type Answer, multipart, type Received } from './loopback.ts';

const application = (world: DiscordWorld): Json => ({
  id: world.applicationId,
  name: 'bascule',
  icon: null,
  description: '',
  bot_public: false,
  bot_require_code_grant: false,
  verify_key: '0'.repeat(64),
  flags: 0,
  bot: wireUser(world.members.get(world.applicationId)!, world),
});

const gateway = (world: DiscordWorld): DiscordAnswer => ({
  status: 200,
  json: {
    url: world.origin.replace('http', 'ws'),
    shards: 1,
    session_start_limit: { total: 1000, remaining: 999, reset_after: 14_400_000, max_concurrency: 1 },
  },
});

const roles = (world: DiscordWorld): Json[] =>
  [...world.roles.values()].map((role, position) => ({
    ...role,
    position,
    color: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    hoist: false,
    managed: false,
    mentionable: false,
    flags: 0,
  }));

export const guild = (world: DiscordWorld): Json => ({
  id: world.guildId,
  name: 'stand-in',
  icon: null,
  splash: null,
  banner: null,
  description: null,
  owner_id: world.guildId,
  afk_channel_id: null,
  afk_timeout: 300,
  verification_level: 0,
  default_message_notifications: 0,
  explicit_content_filter: 0,
  mfa_level: 0,
  nsfw_level: 0,
  nsfw: false,
  premium_tier: 0,
  premium_progress_bar_enabled: false,
  system_channel_id: null,
  system_channel_flags: 0,
  rules_channel_id: null,
  public_updates_channel_id: null,
  vanity_url_code: null,
  preferred_locale: 'en-US',
  features: [],
  emojis: [],
  stickers: [],
  roles: roles(world),
});

const inGuild = (world: DiscordWorld, id: string) => id === world.guildId;

const placeRoutes: Route[] = [
  { operation: 'get-gateway', method: 'GET', path: /^\/gateway\/bot$/, run: (_, world) => gateway(world) },
  {
    operation: 'get-application',
    method: 'GET',
    path: /^\/(?:oauth2\/)?applications\/@me$/,
    run: (_, world) => ({ status: 200, json: application(world) }),
  },
  {
    operation: 'get-me',
    method: 'GET',
    path: /^\/users\/(@me|\d+)$/,
    run: ({ at }, world) => {
      const member = world.members.get(at[0] === '@me' ? world.applicationId : at[0]!);
      return member ? { status: 200, json: wireUser(member, world) } : refuse(404, 10013, 'Unknown User');
    },
  },
  {
    operation: 'get-guild',
    method: 'GET',
    path: /^\/guilds\/(\d+)$/,
    run: ({ at }, world) =>
      inGuild(world, at[0]!) ? { status: 200, json: guild(world) } : refuse(404, 10004, 'Unknown Guild'),
  },
  {
    operation: 'get-roles',
    method: 'GET',
    path: /^\/guilds\/(\d+)\/roles$/,
    run: ({ at }, world) =>
      inGuild(world, at[0]!) ? { status: 200, json: roles(world) } : refuse(404, 10004, 'Unknown Guild'),
  },
  {
    operation: 'get-member',
    method: 'GET',
    path: /^\/guilds\/(\d+)\/members\/(\d+)$/,
    run: ({ at }, world) => {
      if (!inGuild(world, at[0]!)) return refuse(404, 10004, 'Unknown Guild');
      const member = world.members.get(at[1]!);
      return member ? { status: 200, json: wireMember(member, world) } : refuse(404, 10007, 'Unknown Member');
    },
  },
  {
    operation: 'list-members',
    method: 'GET',
    path: /^\/guilds\/(\d+)\/members$/,
    run: ({ at, query }, world) => {
      if (!inGuild(world, at[0]!)) return refuse(404, 10004, 'Unknown Guild');
      const after = BigInt(query.get('after') ?? '0');
      const found = [...world.members.values()].filter((one) => BigInt(one.id) > after);
      found.sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
      return {
        status: 200,
        json: found.slice(0, Number(query.get('limit') ?? 1)).map((one) => wireMember(one, world)),
      };
    },
  },
  {
    operation: 'get-channel',
    method: 'GET',
    path: /^\/channels\/(\d+)$/,
    run: ({ at }, world) => {
      const channel = world.channels.get(at[0]!);
      return channel ? { status: 200, json: wireChannel(channel, world) } : refuse(404, 10003, 'Unknown Channel');
    },
  },
  {
    operation: 'open-dm',
    method: 'POST',
    path: /^\/users\/@me\/channels$/,
    run: ({ body }, world) => {
      const to = String((body as Json).recipient_id);
      const member = world.members.get(to);
      if (!member) return refuse(400, 50035, 'Invalid Form Body');
      const name = `dm-${member.username}`;
      const old = [...world.channels.values()].find((one) => one.type === 1 && one.name === name);
      const channel = old ?? { id: world.newId(), name, type: 1 };
      world.channels.set(channel.id, channel);
      return {
        status: 200,
        json: { id: channel.id, type: 1, recipients: [wireUser(member, world)], last_message_id: null, flags: 0 },
      };
    },
  },
];

const ROUTES: Route[] = [...placeRoutes, ...commandRoutes, ...messageRoutes, ...interactionRoutes];

/** Answers everything under /api/v10. */
export async function rest(request: Received, world: DiscordWorld): Promise<Answer> {
  const path = decodeURIComponent(request.path).match(/^\/api\/v10(\/.*)$/)?.[1];
  if (!path) return { status: 404, json: { message: '404: Not Found', code: 0 } };
  const route = ROUTES.find((one) => one.method === request.method && one.path.test(path));
  const parsed = route ? await bodyOf(request) : { body: undefined, files: [] };
  const call = { operation: route?.operation ?? 'unknown', path, body: parsed.body, at: world.clock.now(), status: 0 };
  world.calls.push(call);
  const answer = await faulty(world, call.operation, () => {
    const found = answerOf(request, route, path, parsed, world);
    call.status = found.status;
    return found;
  });
  if ('status' in answer) call.status = answer.status;
  return answer;
}

function answerOf(
  request: Received,
  route: Route | undefined,
  path: string,
  parsed: { body: unknown; files: { name: string; content: string }[] },
  world: DiscordWorld,
): DiscordAnswer {
  if (!route) return refuse(404, 0, '404: Not Found');
  if (!route.open && request.headers.authorization !== `Bot ${world.token}`) return refuse(401, 0, '401: Unauthorized');
  if (parsed.body === MALFORMED) return refuse(400, 50109, 'The request body contains invalid JSON.');
  const at = route.path.exec(path)!.slice(1);
  return route.run({ at, query: request.query, ...parsed }, world);
}

async function faulty(world: DiscordWorld, operation: string, work: () => DiscordAnswer): Promise<Answer> {
  const fault = world.faults.take(operation);
  if (!fault || fault.kind === 'ok') return work();
  if (fault.kind === 'rate-limited') {
    const global = fault.global === true;
    return {
      status: 429,
      json: { message: 'You are being rate limited.', retry_after: fault.retryAfter, global },
      headers: {
        'retry-after': String(Math.ceil(fault.retryAfter)),
        'x-ratelimit-scope': global ? 'global' : 'user',
        ...(global && { 'x-ratelimit-global': 'true' }),
      },
    };
  }
  if (fault.kind === 'error') return refuse(400, 0, fault.error);
  if (fault.stored) work();
  return brokenAnswer(fault)!;
}

const MALFORMED = Symbol('not JSON');

/** JSON, or multipart with `payload_json` and files. */
async function bodyOf(request: Received): Promise<{ body: unknown; files: { name: string; content: string }[] }> {
  const files: { name: string; content: string }[] = [];
  let text = String(request.body);
  if (request.headers['content-type']?.startsWith('multipart/')) {
    const form = await multipart(request);
    text = String(form.get('payload_json') ?? '{}');
    for (const value of form.values())
      if (typeof value !== 'string') files.push({ name: value.name, content: await value.text() });
  }
  if (text === '') return { body: undefined, files };
  try {
    return { body: JSON.parse(text) as unknown, files };
  } catch {
    return { body: MALFORMED, files };
  }
}
