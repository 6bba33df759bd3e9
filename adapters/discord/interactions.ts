import {
  type APIInteraction,
  type APIMessageComponentInteraction,
  type APIModalSubmitInteraction,
  InteractionResponseType,
  InteractionType,
} from 'discord.js';
import type { Card } from '../../src/contracts/card.ts';
import type { Actor, Choice, Desk, MenuEntry, Place } from '../../src/contracts/chat.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import { visible } from '../../src/contracts/visible.ts';
import { actorOf, isSlash, placeOf, typedIn, wordsOf } from './arrivals.ts';
import { type Calls, EPHEMERAL } from './calls.ts';
import { finder } from './commands.ts';
import { ALREADY_ACKNOWLEDGED, codeOf } from './failures.ts';
import { CHOICE_MAX, COMMAND_CHOICES_MAX } from './limits.ts';
import { plain } from './markdown.ts';
import type { Poster } from './posts.ts';
import { body, form, refOf } from './render.ts';
import { asides, type Deferral, repliesTo } from './replies.ts';

/** Discord gives up on a first answer after 3 s; what we wait for before it must come sooner. */
const ANSWER_WITHIN_MS = 2000;

export interface Counter {
  readonly desk: Desk;
  readonly calls: Calls;
  readonly post: Poster;
  readonly guildId: string;
  readonly clock: Clock;
  readonly warn: (what: string, error: unknown) => void;
}

interface Arrived {
  readonly actor: Actor;
  readonly place: Place;
}

const WRONG_SERVER: Card = {
  title: 'Nothing was done',
  tone: 'bad',
  lines: ['This bot serves another Discord server', 'Next: use it in the server named in its config'],
};

/** Handles one interaction of the gateway to its end; resolves always. */
export function interactionHandler(counter: Counter): (interaction: APIInteraction) => Promise<void> {
  const find = finder(counter.desk.menu);
  return async (interaction) => {
    try {
      await handle(counter, find, interaction);
    } catch (error) {
      counter.warn(`an interaction of type ${interaction.type} was not answered`, error);
    }
  };
}

type Find = (root: string, verb?: string) => MenuEntry | undefined;

async function handle(counter: Counter, find: Find, interaction: APIInteraction): Promise<void> {
  const actor = actorOf(interaction);
  const place = placeOf(interaction);
  if (!actor || !place) return;
  if (interaction.guild_id !== counter.guildId) return await elsewhere(counter, interaction);
  const who = { actor, place };
  switch (interaction.type) {
    case InteractionType.ApplicationCommand:
      return await command(counter, find, interaction, who);
    case InteractionType.ApplicationCommandAutocomplete:
      return await complete(counter, find, interaction, who);
    case InteractionType.MessageComponent:
      return await press(counter, interaction, who);
    case InteractionType.ModalSubmit:
      return await submit(counter, interaction, who);
  }
}

/** Roles and channels are those of one server; somebody may still have invited the bot into another. */
async function elsewhere({ calls }: Counter, interaction: APIInteraction): Promise<void> {
  if (interaction.type === InteractionType.ApplicationCommandAutocomplete) {
    const type = InteractionResponseType.ApplicationCommandAutocompleteResult;
    await calls.answer(interaction, { type, data: { choices: [] } });
    return;
  }
  const type = InteractionResponseType.ChannelMessageWithSource;
  await calls.answer(interaction, { type, data: { ...body(WRONG_SERVER), flags: EPHEMERAL } });
}

async function command(counter: Counter, find: Find, interaction: APIInteraction, who: Arrived): Promise<void> {
  if (!isSlash(interaction)) return;
  const words = wordsOf(interaction);
  const entry = find(words.root, words.verb);
  // A command we no longer have is refused by the core; the refusal is for the asker alone.
  const deferral = await deferred(counter, interaction, entry?.private ?? true);
  const { calls, post, warn, desk } = counter;
  const reply = repliesTo({ to: interaction, place: who.place, deferral, calls, post, warn });
  const name = entry?.name ?? [words.root, words.verb].filter(Boolean).join(' ');
  await desk.command({ ...who, delivery: interaction.id, input: { command: name, options: words.options }, reply });
}

/** Acknowledges before anything else is done. When that fails the person was told so, and the command must not run. */
async function deferred({ calls }: Counter, to: APIInteraction, isPrivate: boolean): Promise<Deferral> {
  const type = InteractionResponseType.DeferredChannelMessageWithSource;
  const data = isPrivate ? { flags: EPHEMERAL } : {};
  const message = await acknowledged(calls.answer(to, { type, data }, true));
  return { private: isPrivate, ...(message && { message: message.id }) };
}

/** discord.js repeats a call that got a 5xx although it worked; the second try is then told so. */
async function acknowledged<T>(answer: Promise<T>): Promise<T | undefined> {
  return await answer.catch((error: unknown) => {
    if (codeOf(error) === ALREADY_ACKNOWLEDGED) return undefined;
    throw error;
  });
}

async function complete(counter: Counter, find: Find, interaction: APIInteraction, who: Arrived): Promise<void> {
  if (!isSlash(interaction)) return;
  const { root, verb, options, focused } = wordsOf(interaction);
  const entry = find(root, verb);
  const found = entry && focused ? await choices(counter, entry, focused, options, who) : [];
  const type = InteractionResponseType.ApplicationCommandAutocompleteResult;
  await counter.calls.answer(interaction, { type, data: { choices: found.flatMap(shownChoice) } });
}

/** Completion must never hold up typing: too late or failed is an empty list. */
async function choices(
  { desk, clock, warn }: Counter,
  entry: MenuEntry,
  focused: { readonly name: string; readonly value: string },
  options: Readonly<Record<string, string>>,
  who: Arrived,
): Promise<readonly Choice[]> {
  const option = entry.options.find((one) => one.name === focused.name);
  if (option && !option.completes) return near(option.choices ?? [], focused.value);
  const query = { ...who, command: entry.name, option: focused.name, typed: focused.value, options };
  const asked = desk.complete({ ...query, limit: COMMAND_CHOICES_MAX }).catch((error: unknown) => {
    warn('completion failed', error);
    return [];
  });
  const found = (await within(asked, clock)) ?? [];
  return found.slice(0, COMMAND_CHOICES_MAX);
}

function near(values: readonly string[], typed: string): Choice[] {
  const fits = values.filter((value) => value.toLowerCase().includes(typed.toLowerCase()));
  return fits.slice(0, COMMAND_CHOICES_MAX).map((value) => ({ label: value, value }));
}

/** A value cannot be cut without becoming another one, so a too long one is not offered. */
function shownChoice({ label, value }: Choice): { name: string; value: string }[] {
  if (value === '' || value.length > CHOICE_MAX) return [];
  return [{ name: plain(label, CHOICE_MAX) || plain(value, CHOICE_MAX) || visible(value), value }];
}

/** What `promise` brings, or undefined when it takes longer than Discord waits for us. */
async function within<T>(promise: Promise<T>, clock: Clock): Promise<T | undefined> {
  const answered = new AbortController();
  const late = clock.wait(ANSWER_WITHIN_MS, answered.signal).then(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    answered.abort();
  }
}

/** A form must be the very first answer to a click, so the Desk has to say quickly whether there is one. */
async function press(counter: Counter, interaction: APIMessageComponentInteraction, who: Arrived): Promise<void> {
  const ref = refOf(interaction.data.custom_id);
  if (!ref) return await noted(counter, interaction);
  const prompting = counter.desk.prompt(ref).then((prompt) => ({ prompt }));
  const told = await within(prompting, counter.clock);
  if (told?.prompt) {
    const data = form(ref, told.prompt);
    await acknowledged(counter.calls.answer(interaction, { type: InteractionResponseType.Modal, data }));
    return;
  }
  await noted(counter, interaction);
  const { prompt } = told ?? (await prompting);
  const reply = asides(interaction, counter.calls);
  if (prompt) {
    await reply({ title: 'Nothing was done', tone: 'warning', lines: ['The form took too long', 'Next: press again'] });
    return;
  }
  await counter.desk.click({ ...who, delivery: interaction.id, ref, reply });
}

async function noted({ calls }: Counter, interaction: APIInteraction): Promise<void> {
  await acknowledged(calls.answer(interaction, { type: InteractionResponseType.DeferredMessageUpdate }));
}

async function submit(counter: Counter, interaction: APIModalSubmitInteraction, who: Arrived): Promise<void> {
  const ref = refOf(interaction.data.custom_id);
  const typed = typedIn(interaction);
  // Without a message there is nothing a form could update; its answer is then a message of its own.
  if (interaction.message) await noted(counter, interaction);
  else await deferred(counter, interaction, true);
  if (!ref || typed === undefined) return;
  const reply = asides(interaction, counter.calls);
  await counter.desk.click({ ...who, delivery: interaction.id, ref, typed, reply });
}
