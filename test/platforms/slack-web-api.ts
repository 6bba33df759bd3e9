import { brokenAnswer } from './faults.ts';
import { type Answer, multipart, type Received } from './loopback.ts';
import { filesMethods, receiveUpload } from './slack-files.ts';
import { messageMethods } from './slack-message-methods.ts';
import { refused, useResponseUrl } from './slack-posting.ts';
import { viewMethods } from './slack-view-methods.ts';
import { granted, type Json, type SlackWorld } from './slack-world.ts';

/** One Web API method: parsed arguments in, the JSON answer out. */
export type Method = (args: Json, world: SlackWorld) => Json;

/** Calls per minute of each tier (limits.json slack.071); chat.postMessage counts 1/s/channel with bursts. */
const TIERS: Record<string, number> = {
  'usergroups.users.list': 20,
  'usergroups.list': 20,
  'users.info': 100,
  'conversations.history': 50,
  'conversations.replies': 50,
  'chat.update': 50,
  'chat.postEphemeral': 100,
  'chat.postMessage': 60,
  'views.open': 100,
  'views.update': 100,
  'views.publish': 100,
};

const READ = ['channels:history', 'groups:history', 'im:history', 'mpim:history'];

/** Scopes of which a method needs one. */
const SCOPES: Record<string, string[]> = {
  'chat.postMessage': ['chat:write'],
  'chat.postEphemeral': ['chat:write'],
  'chat.update': ['chat:write'],
  'chat.delete': ['chat:write'],
  'conversations.history': READ,
  'conversations.replies': READ,
  'conversations.open': ['im:write', 'mpim:write'],
  'users.info': ['users:read'],
  'usergroups.users.list': ['usergroups:read'],
  'usergroups.list': ['usergroups:read'],
  'files.getUploadURLExternal': ['files:write'],
  'files.completeUploadExternal': ['files:write'],
};

const people: Record<string, Method> = {
  'api.test': (args) => ({ ok: true, args }),
  'auth.test': (_, world) => ({
    ok: true,
    url: 'https://stand-in.slack.com/',
    team: 'Stand-in',
    user: 'bascule',
    team_id: world.teamId,
    user_id: world.botUser,
    bot_id: world.botId,
    is_enterprise_install: false,
  }),
  'users.info': (args, world) => {
    const user = world.users.get(String(args.user));
    if (!user) return refused('user_not_found');
    const email = granted(world, 'users:read.email') ? { email: user.email } : {};
    const profile = { real_name: user.name, display_name: user.name, ...email };
    return {
      ok: true,
      user: { id: user.id, team_id: world.teamId, name: user.name, deleted: user.deleted, tz: user.tz, profile },
    };
  },
  'usergroups.users.list': (args, world) => {
    if (!world.planHasGroups) return refused('plan_upgrade_required');
    const group = world.groups.get(String(args.usergroup));
    return group ? { ok: true, users: [...group] } : refused('no_such_subteam');
  },
  'usergroups.list': (_, world) => {
    if (!world.planHasGroups) return refused('plan_upgrade_required');
    const usergroups = [...world.groups].map(([id, users]) => ({
      id,
      handle: id.toLowerCase(),
      name: id,
      users: [...users],
    }));
    return { ok: true, usergroups };
  },
};

const METHODS: Record<string, Method> = { ...people, ...messageMethods, ...viewMethods, ...filesMethods };

/** Answers everything under /api/, /response/ and /upload/. `openSocket` makes a Socket Mode address. */
export async function webApi(request: Received, world: SlackWorld, openSocket: () => Json): Promise<Answer> {
  const [, area, name = ''] = request.path.match(/^\/(\w+)\/(.+)$/) ?? [];
  if (request.method !== 'POST' && !(area === 'api' && request.method === 'GET'))
    return { status: 405, text: 'method' };
  if (area === 'response')
    return faulty(world, 'response_url', () => useResponseUrl(world, name, String(request.body)));
  if (area === 'upload') return faulty(world, 'upload', async () => receiveUpload(request, name, world));
  if (area !== 'api') return { status: 404, text: 'not found' };
  const args = await argumentsOf(request);
  const token = bearer(request, args);
  const call: SlackWorld['calls'][number] = { method: name, args, at: world.clock.now() };
  world.calls.push(call);
  return faulty(world, name, () => {
    const json = judge(name, args, token, world, openSocket);
    call.answer = json.ok === true ? 'ok' : String(json.error);
    if (json.error === 'ratelimited') return { status: 429, json, headers: { 'retry-after': '30' } };
    return { status: 200, json };
  });
}

function judge(name: string, args: Json, token: string, world: SlackWorld, openSocket: () => Json): Json {
  if (token === '') return refused('not_authed');
  if (name === 'apps.connections.open') {
    if (token === world.botToken) return refused('not_allowed_token_type');
    return token === world.appToken ? openSocket() : refused('invalid_auth');
  }
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (!method) return refused('unknown_method');
  if (token === world.appToken) return refused('not_allowed_token_type');
  if (token !== world.botToken) return refused('invalid_auth');
  if (world.enforceTiers && overTier(name, args, world)) return refused('ratelimited');
  const needed = SCOPES[name] ?? [];
  if (needed.length > 0 && !needed.some((scope) => granted(world, scope)))
    return { ...refused('missing_scope'), needed: needed.join(','), provided: [...world.scopes].join(',') };
  return method(args, world);
}

/** More calls in the last minute than the tier allows; the call itself is already counted. */
function overTier(name: string, args: Json, world: SlackWorld): boolean {
  const from = world.clock.now() - 60_000;
  const perChannel = name === 'chat.postMessage';
  const recent = world.calls.filter(
    (one) => one.method === name && one.at > from && (!perChannel || one.args.channel === args.channel),
  );
  return recent.length > (TIERS[name] ?? Number.POSITIVE_INFINITY);
}

/** Applies a queued failure around the work: before it, or after it with the answer lost. */
async function faulty(world: SlackWorld, name: string, work: () => Answer | Promise<Answer>): Promise<Answer> {
  const fault = world.faults.take(name);
  if (!fault || fault.kind === 'ok') return await work();
  if (fault.kind === 'rate-limited')
    return { status: 429, json: refused('ratelimited'), headers: { 'retry-after': String(fault.retryAfter) } };
  if (fault.kind === 'error') return { status: 200, json: refused(fault.error) };
  if (fault.stored) await work();
  return brokenAnswer(fault)!;
}

const bearer = (request: Received, args: Json): string =>
  /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? String(args.token ?? '');

/** Form bodies carry JSON inside strings; only the fields that Slack documents as structures are decoded. */
const STRUCTURES = new Set(['blocks', 'metadata', 'view', 'files', 'attachments', 'user_ids']);

async function argumentsOf(request: Received): Promise<Json> {
  const type = request.headers['content-type'] ?? '';
  const query = Object.fromEntries(request.query);
  if (type.startsWith('application/json')) return { ...query, ...(JSON.parse(String(request.body) || '{}') as Json) };
  const form = type.startsWith('multipart/') ? await multipart(request) : new URLSearchParams(String(request.body));
  const args: Json = query;
  for (const [key, value] of form as Iterable<[string, unknown]>)
    args[key] = STRUCTURES.has(key) && typeof value === 'string' ? decoded(value) : value;
  return args;
}

/** An undecodable structure stays a string, so that the method itself refuses it. */
function decoded(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
