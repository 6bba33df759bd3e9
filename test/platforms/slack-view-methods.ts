import { createHash } from 'node:crypto';
import { checkView, problemLines } from '../oracles/slack-blocks.ts';
import { refused } from './slack-posting.ts';
import type { Json, SlackView, SlackWorld } from './slack-world.ts';

type Method = (args: Json, world: SlackWorld) => Json;

const MAX_STACK = 3;
const TRIGGER_LIFE = 3000;

const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** The view as Slack sends it back and puts it into payloads. */
export function wireView(view: SlackView, world: SlackWorld, state: Json = {}): Json {
  return {
    private_metadata: '',
    callback_id: '',
    ...view.body,
    id: view.id,
    team_id: world.teamId,
    app_id: world.appId,
    bot_id: world.botId,
    hash: view.hash,
    root_view_id: view.rootId,
    previous_view_id: view.previousId ?? null,
    state: { values: state },
  };
}

export function viewRefusal(view: unknown): Json | undefined {
  if (typeof view !== 'object' || view === null) return refused('invalid_arguments', ['view must be an object']);
  const { problems } = checkView(view);
  return problems.length > 0 ? refused('invalid_arguments', problemLines(problems)) : undefined;
}

/** Blocks without an id get one from Slack, and payloads carry it. */
function named(body: Json, world: SlackWorld): Json {
  const blocks = (body.blocks as Json[]).map((block) => ({ block_id: world.newId('b'), ...block }));
  return { ...body, blocks };
}

export function addView(world: SlackWorld, body: Json, user: string, previous?: SlackView): SlackView {
  const id = world.newId('V');
  const view: SlackView = {
    id,
    hash: hashOf([body, id]),
    body: named(body, world),
    user,
    rootId: previous?.rootId ?? id,
    previousId: previous?.id,
    closed: false,
  };
  world.views.set(id, view);
  world.changed();
  return view;
}

export function replaceView(world: SlackWorld, view: SlackView, body: Json): void {
  view.body = named(body, world);
  view.hash = hashOf([body, view.hash]);
  world.changed();
}

/** A trigger works once and for three seconds. */
function useTrigger(args: Json, world: SlackWorld) {
  const trigger = world.triggers.get(String(args.trigger_id));
  if (!trigger) return { refusal: refused('invalid_trigger_id') };
  if (trigger.used) return { refusal: refused('exchanged_trigger_id') };
  if (world.clock.now() - trigger.at > TRIGGER_LIFE) return { refusal: refused('expired_trigger_id') };
  return { trigger };
}

const open =
  (push: boolean): Method =>
  (args, world) => {
    const bad = viewRefusal(args.view);
    if (bad) return bad;
    if ((args.view as Json).type !== 'modal') return refused('invalid_arguments', ['only modals can be opened']);
    const { trigger, refusal } = useTrigger(args, world);
    if (!trigger) return refusal;
    const previous = push ? world.views.get(trigger.fromView ?? '') : undefined;
    if (push && !previous) return refused('not_found');
    const depth = [...world.views.values()].filter((one) => one.rootId === previous?.rootId && !one.closed).length;
    if (push && depth >= MAX_STACK) return refused('push_limit_reached');
    trigger.used = true;
    const view = addView(world, args.view as Json, trigger.user, previous);
    trigger.opened.push(view.id);
    world.changed();
    return { ok: true, view: wireView(view, world) };
  };

const update: Method = (args, world) => {
  const byExternal = [...world.views.values()].find(
    (one) => args.external_id && one.body.external_id === args.external_id,
  );
  const view = world.views.get(String(args.view_id)) ?? byExternal;
  if (!view || view.closed) return refused('not_found');
  if (args.hash !== undefined && args.hash !== view.hash) return refused('hash_conflict');
  const bad = viewRefusal(args.view);
  if (bad) return bad;
  replaceView(world, view, args.view as Json);
  return { ok: true, view: wireView(view, world) };
};

const publish: Method = (args, world) => {
  const user = String(args.user_id);
  if (!world.users.has(user)) return refused('user_not_found');
  const bad = viewRefusal(args.view);
  if (bad) return bad;
  if ((args.view as Json).type !== 'home') return refused('invalid_arguments', ['only a home view can be published']);
  const old = world.homes.get(user);
  if (args.hash !== undefined && args.hash !== old?.hash) return refused('hash_conflict');
  const view = addView(world, args.view as Json, user);
  world.homes.set(user, view);
  world.changed();
  return { ok: true, view: wireView(view, world) };
};

export const viewMethods: Record<string, Method> = {
  'views.open': open(false),
  'views.push': open(true),
  'views.update': update,
  'views.publish': publish,
};
