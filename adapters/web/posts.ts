import type { z } from 'zod';
import type { Actor, Desk } from '../../src/contracts/chat.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { type Refused, refused } from './answers.ts';
import type { Files } from './files.ts';
import type { Guard } from './guard.ts';
import type { GuideStep } from './guide.ts';
import type { Channel, PersonOfDemo } from './index.ts';
import type { PanelWatch } from './panel.ts';
import { LIMITS, render, short } from './render.ts';
import { Complete, Flip, FormOf, HomeOf, Press, PromptOf, Say } from './schema.ts';
import type { Streams } from './streams.ts';
import type { Log, Talk } from './talk.ts';

export interface Parts {
  readonly people: readonly PersonOfDemo[];
  readonly channels: readonly Channel[];
  readonly guide: readonly GuideStep[];
  readonly desk: Desk;
  readonly files: Files;
  readonly guard: Guard;
  readonly talk: Talk;
  readonly streams: Streams;
  readonly panel: PanelWatch | undefined;
  readonly log: Log;
}

export type Answer = { readonly status: number; readonly body: unknown };
export type Post = (body: unknown) => Promise<Answer | Refused>;

const CHOICES = 25;
const TAKEN: Answer = { status: 202, body: { taken: true } };

/** What the page may ask for, by path. */
export function createPosts(parts: Parts): ReadonlyMap<string, Post> {
  const { desk, talk, panel } = parts;
  /** Runs `act` with a checked body and, when it names them, an existing person and channel. */
  const taking =
    <T>(schema: z.ZodType<T>, act: (body: T, actor: Actor) => Promise<Answer | Refused> | Answer | Refused): Post =>
    async (raw) => {
      const parsed = schema.safeParse(raw);
      if (!parsed.success)
        return refused(400, 'body', parsed.error.issues[0]?.message ?? 'not understood', 'reload the page');
      const named = parsed.data as { person?: string; channel?: string };
      const person = parts.people.find(({ id }) => id === named.person);
      if (named.person !== undefined && !person) return nobody();
      if (named.channel !== undefined && !parts.channels.some(({ id }) => id === named.channel))
        return refused(404, 'channel', 'there is no such channel', 'reload the page');
      return act(parsed.data, { platform: 'web', id: person?.id ?? '', name: person?.name ?? '' });
    };
  const flips = new Map<string, Promise<Answer | Refused>>();

  return new Map<string, Post>([
    [
      '/api/say',
      taking(Say, (say, actor) => {
        talk.say(say, actor);
        return TAKEN;
      }),
    ],
    [
      '/api/press',
      taking(Press, (press, actor) => {
        talk.press(press, actor);
        return TAKEN;
      }),
    ],
    ['/api/form', taking(FormOf, ({ text }) => ({ status: 200, body: { form: desk.form(text) ?? null } }))],
    [
      '/api/prompt',
      taking(PromptOf, async ({ ref }) => ({ status: 200, body: { prompt: plain(await desk.prompt(ref)) ?? null } })),
    ],
    [
      '/api/complete',
      taking(Complete, async ({ channel, person: _, ...query }, actor) => {
        const place = { platform: 'web', channel } as const;
        const choices = await desk.complete({ ...query, actor, place, limit: CHOICES });
        const shown = choices
          .slice(0, CHOICES)
          .map(({ label, value }) => ({ label: short(label, LIMITS.title), value }));
        return { status: 200, body: { choices: shown } };
      }),
    ],
    [
      '/api/home',
      taking(HomeOf, async (_, actor) => ({ status: 200, body: { cards: (await desk.home(actor)).map(render) } })),
    ],
    [
      '/api/flip',
      taking(Flip, ({ id, switch: name, on }) => {
        if (!panel) return refused(404, 'panel', 'there is no panel', 'reload the page');
        const flip = flips.get(id) ?? flipOnce(panel, name, on, parts.log);
        flips.set(id, flip);
        for (const oldest of flips.keys()) {
          if (flips.size <= 1_000) break;
          flips.delete(oldest);
        }
        return flip;
      }),
    ],
  ]);
}

async function flipOnce(panel: PanelWatch, name: string, on: boolean, log: Log): Promise<Answer | Refused> {
  const { switches } = await panel.read();
  if (!switches.some(({ id }) => id === name))
    return refused(404, 'switch', 'there is no such switch', 'reload the page');
  try {
    await panel.flip(name, on);
    return { status: 200, body: { done: true } };
  } catch (error) {
    if (!(error instanceof Failed)) log.error({ err: error, switch: name }, 'a switch of the panel did not flip');
    const why = error instanceof Failed ? error.failure.why : 'it broke inside the demo';
    return { ...refused(409, 'flip', why, 'try again'), what: 'The switch did not flip' };
  }
}

/** Prompts hold names of guests: untrusted text. */
function plain(prompt: Awaited<ReturnType<Desk['prompt']>>): typeof prompt {
  if (!prompt) return undefined;
  const { title, label, hint } = prompt;
  return {
    title: short(title, LIMITS.title),
    label: short(label, LIMITS.title),
    ...(hint !== undefined && { hint: short(hint, LIMITS.title) }),
  };
}

export const nobody = (): Refused => refused(404, 'person', 'there is no such person', 'choose somebody from the list');
