import { schemaProblems, strayFields } from '../oracles/discord-api.ts';
import { EPHEMERAL, modalProblems } from '../oracles/discord-message.ts';
import { type Call, type DiscordAnswer, invalidBody, type Route, refuse } from './discord-errors.ts';
import { createMessage, editMessage, isMessage, shown } from './discord-posting.ts';
import { type DiscordMessage, type DiscordWorld, type Interaction, type Json, wireMessage } from './discord-world.ts';

export const DEADLINE = 3000;
const TOKEN_LIFE = 15 * 60_000;

const COMPONENT = 3;
const AUTOCOMPLETE = 4;
const MODAL_SUBMIT = 5;

const unknownInteraction = refuse(404, 10062, 'Unknown interaction');
const unknownWebhook = refuse(404, 10015, 'Unknown Webhook');
const unknownMessage = refuse(404, 10008, 'Unknown Message');

/** Callback types each interaction type may be answered with. */
function allowed(one: Interaction): number[] {
  if (one.type === AUTOCOMPLETE) return [8];
  if (one.type === COMPONENT) return [4, 5, 6, 7, 9];
  if (one.type === MODAL_SUBMIT) return one.sourceId ? [4, 5, 6, 7] : [4, 5];
  return [4, 5, 9];
}

function callback(call: Call, world: DiscordWorld): DiscordAnswer {
  const one = world.interactions.get(call.at[1]!);
  if (!one || one.id !== call.at[0]) return unknownInteraction;
  if (one.answered !== undefined) return refuse(400, 40060, 'Interaction has already been acknowledged.');
  if (world.clock.now() - one.at > DEADLINE) return unknownInteraction;
  const { type, data } = (call.body ?? {}) as { type?: number; data?: Json };
  if (!type || !allowed(one).includes(type))
    return invalidBody([{ pointer: '/type', message: `type ${type} cannot answer this interaction` }]);
  const refusal = answers[type]!(one, { ...call, body: data ?? {} }, world);
  if (refusal) return refusal;
  one.answered = type;
  one.answeredAt = world.clock.now();
  world.changed();
  if (call.query.get('with_response') !== 'true') return { status: 204 };
  const original = world.messages.find((message) => message.id === one.originalId);
  return {
    status: 200,
    json: {
      interaction: { id: one.id, type: one.type, response_message_id: one.originalId ?? null },
      resource: { type, ...(original && { message: wireMessage(original, world) }) },
    },
  };
}

type Answering = (one: Interaction, call: Call, world: DiscordWorld) => DiscordAnswer | undefined;

const hidden = (one: Interaction, flags: unknown) => ((Number(flags ?? 0) & EPHEMERAL) !== 0 ? one.userId : undefined);

const reply: Answering = (one, call, world) => {
  const { flags } = call.body as Json;
  const target = { channelId: one.channelId, interactionId: one.id, ephemeralTo: hidden(one, flags), webhook: true };
  const made = createMessage(world, 'IncomingWebhookInteractionRequest', call, target);
  if (!isMessage(made)) return made;
  one.originalId = made.id;
  return undefined;
};

const defer: Answering = (one, call, world) => {
  const flags = Number((call.body as Json).flags ?? 0);
  const message: DiscordMessage = {
    id: world.newId(),
    channelId: one.channelId,
    authorId: world.applicationId,
    content: '',
    embeds: [],
    components: [],
    flags: flags & EPHEMERAL,
    ephemeralTo: hidden(one, flags),
    attachments: [],
    interactionId: one.id,
    loading: true,
    pings: [],
    edits: [],
    createdAt: world.clock.now(),
    deleted: false,
  };
  world.messages.push(message);
  one.originalId = message.id;
  return undefined;
};

const source = (one: Interaction, world: DiscordWorld) =>
  world.messages.find((message) => message.id === one.sourceId && !message.deleted);

const deferUpdate: Answering = (one) => {
  one.originalId = one.sourceId;
  return undefined;
};

const updateSource: Answering = (one, call, world) => {
  const message = source(one, world);
  if (!message) return unknownMessage;
  one.originalId = message.id;
  const made = editMessage(world, 'IncomingWebhookUpdateForInteractionCallbackRequestPartial', call, message);
  return isMessage(made) ? undefined : made;
};

const complete: Answering = (one, call, world) => {
  const problems = schemaProblems('ApplicationCommandAutocompleteCallbackRequest', { type: 8, data: call.body });
  const choices = (call.body as { choices?: Json[] }).choices ?? [];
  if (choices.length > 25) problems.push({ pointer: '/data/choices', message: 'Must be 25 or fewer in length.' });
  if (problems.length > 0) return invalidBody(problems);
  one.choices = choices;
  world.changed();
  return undefined;
};

const modal: Answering = (one, call, world) => {
  const body = call.body as Json;
  const problems = [...schemaProblems('ModalInteractionCallbackRequestData', body), ...modalProblems(body)];
  if (problems.length > 0) return invalidBody(problems);
  for (const stray of strayFields('ModalInteractionCallbackRequestData', body))
    world.violations.push(`modal: Discord ignores ${stray}`);
  one.modal = body;
  world.changed();
  return undefined;
};

const answers: Record<number, Answering> = {
  4: reply,
  5: defer,
  6: deferUpdate,
  7: updateSource,
  8: complete,
  9: modal,
};

/** The interaction behind a webhook token: only after the first answer, and for 15 minutes. */
function webhook(call: Call, world: DiscordWorld): Interaction | DiscordAnswer {
  const one = world.interactions.get(call.at[1]!);
  if (!one || call.at[0] !== world.applicationId) return unknownWebhook;
  if (world.clock.now() - one.at > TOKEN_LIFE) return refuse(401, 50027, 'Invalid Webhook Token');
  return one.answered === undefined ? unknownWebhook : one;
}

const isAnswer = (value: Interaction | DiscordAnswer): value is DiscordAnswer => 'status' in value;

function target(call: Call, world: DiscordWorld): DiscordMessage | DiscordAnswer {
  const one = webhook(call, world);
  if (isAnswer(one)) return one;
  const wanted = call.at[2] === '@original' ? one.originalId : call.at[2];
  if (![one.originalId, ...one.followUps].includes(wanted)) return unknownMessage;
  return world.messages.find((message) => message.id === wanted && !message.deleted) ?? unknownMessage;
}

function patch(call: Call, world: DiscordWorld): DiscordAnswer {
  const message = target(call, world);
  return isMessage(message)
    ? shown(world, editMessage(world, 'IncomingWebhookUpdateRequestPartial', call, message))
    : message;
}

function remove(call: Call, world: DiscordWorld): DiscordAnswer {
  const message = target(call, world);
  if (!isMessage(message)) return message;
  message.deleted = true;
  world.changed();
  return { status: 204 };
}

function followUp(call: Call, world: DiscordWorld): DiscordAnswer {
  const one = webhook(call, world);
  if (isAnswer(one)) return one;
  const original = world.messages.find((message) => message.id === one.originalId);
  // Right after a deferral the first follow-up edits the loading message (receiving-and-responding.mdx).
  if (original?.loading) return shown(world, editMessage(world, 'IncomingWebhookUpdateRequestPartial', call, original));
  const flags = (call.body as Json | undefined)?.flags;
  const place = { channelId: one.channelId, interactionId: one.id, ephemeralTo: hidden(one, flags), webhook: true };
  const made = createMessage(world, 'IncomingWebhookRequestPartial', call, place);
  if (isMessage(made)) one.followUps.push(made.id);
  return shown(world, made);
}

const HOOK = /^\/webhooks\/(\d+)\/([\w.-]+)$/;
const HOOKED = /^\/webhooks\/(\d+)\/([\w.-]+)\/messages\/(@original|\d+)$/;

export const interactionRoutes: Route[] = [
  {
    operation: 'callback',
    method: 'POST',
    path: /^\/interactions\/(\d+)\/([\w.-]+)\/callback$/,
    open: true,
    run: callback,
  },
  { operation: 'follow-up', method: 'POST', path: HOOK, open: true, run: followUp },
  {
    operation: 'get-original',
    method: 'GET',
    path: HOOKED,
    open: true,
    run: (call, world) => shown(world, target(call, world)),
  },
  { operation: 'edit-original', method: 'PATCH', path: HOOKED, open: true, run: patch },
  { operation: 'delete-original', method: 'DELETE', path: HOOKED, open: true, run: remove },
];
