import { commandProblems } from '../oracles/discord-commands.ts';
import { type Call, type DiscordAnswer, invalidBody, type Route, refuse } from './discord-errors.ts';
import type { DiscordWorld, Json } from './discord-world.ts';

const GLOBAL = /^\/applications\/(\d+)\/commands$/;
const GUILD = /^\/applications\/(\d+)\/guilds\/(\d+)\/commands$/;
const ONE = /^\/applications\/(\d+)\/(?:guilds\/(\d+)\/)?commands\/(\d+)$/;

const shelf = ({ at }: Call): 'global' | 'guild' => (at[1] ? 'guild' : 'global');

function wrongPlace({ at }: Call, world: DiscordWorld): DiscordAnswer | undefined {
  if (at[0] !== world.applicationId)
    return refuse(403, 20012, 'You are not authorized to perform this action on this application');
  return at[1] && at[1] !== world.guildId ? refuse(403, 50001, 'Missing Access') : undefined;
}

function registered(command: Json, call: Call, world: DiscordWorld, id?: string): Json {
  const guild = shelf(call) === 'guild' ? { guild_id: world.guildId } : {};
  return {
    type: 1,
    default_member_permissions: null,
    nsfw: false,
    ...command,
    ...guild,
    id: id ?? world.newId(),
    application_id: world.applicationId,
    version: world.newId(),
  };
}

const list = (call: Call, world: DiscordWorld): DiscordAnswer =>
  wrongPlace(call, world) ?? { status: 200, json: world.commands[shelf(call)] };

/** Replaces all commands; equal names keep their id. */
function overwrite(call: Call, world: DiscordWorld): DiscordAnswer {
  const wrong = wrongPlace(call, world);
  if (wrong) return wrong;
  if (!Array.isArray(call.body)) return invalidBody([{ pointer: '', message: 'must be an array' }]);
  const commands = call.body as Json[];
  const problems = commands.flatMap((one, index) =>
    commandProblems(one).map(({ pointer, message }) => ({ pointer: `/${index}${pointer}`, message })),
  );
  const names = commands.map((one) => one.name);
  if (new Set(names).size < names.length)
    problems.push({ pointer: '', message: 'Application command names must be unique' });
  if (commands.length > 100) problems.push({ pointer: '', message: 'Maximum number of application commands reached' });
  if (problems.length > 0) return invalidBody(problems);
  const old = new Map(world.commands[shelf(call)].map((one) => [one.name, String(one.id)]));
  world.commands[shelf(call)] = commands.map((one) => registered(one, call, world, old.get(one.name)));
  world.changed();
  return { status: 200, json: world.commands[shelf(call)] };
}

function create(call: Call, world: DiscordWorld): DiscordAnswer {
  const wrong = wrongPlace(call, world);
  if (wrong) return wrong;
  const problems = commandProblems(call.body as Json);
  if (problems.length > 0) return invalidBody(problems);
  const others = world.commands[shelf(call)].filter((one) => one.name !== (call.body as Json).name);
  const fresh = registered(call.body as Json, call, world);
  world.commands[shelf(call)] = [...others, fresh];
  world.changed();
  return { status: 201, json: fresh };
}

function remove(call: Call, world: DiscordWorld): DiscordAnswer {
  const wrong = wrongPlace(call, world);
  if (wrong) return wrong;
  const before = world.commands[shelf(call)];
  const after = before.filter((one) => one.id !== call.at[2]);
  if (after.length === before.length) return refuse(404, 10063, 'Unknown application command');
  world.commands[shelf(call)] = after;
  world.changed();
  return { status: 204 };
}

export const commandRoutes: Route[] = [
  ...[GLOBAL, GUILD].flatMap((path): Route[] => [
    { operation: 'get-commands', method: 'GET', path, run: list },
    { operation: 'put-commands', method: 'PUT', path, run: overwrite },
    { operation: 'create-command', method: 'POST', path, run: create },
  ]),
  { operation: 'delete-command', method: 'DELETE', path: ONE, run: remove },
];
