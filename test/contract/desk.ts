import type { Card, Prompt } from '../../src/contracts/card.ts';
import type { Actor, Ask, Choice, Click, CompletionQuery, Desk, Form, MenuEntry } from '../../src/contracts/chat.ts';

/** A Desk that answers from a script and remembers what it was asked. */
export interface ScriptedDesk extends Desk {
  /** Every command delivered, repeats included. */
  readonly asks: Ask[];
  /** Every click delivered, repeats included. */
  readonly clicks: Click[];
  /** Each delivery once, as the core handles them: `ct create hostname:a node:b`. */
  readonly handled: string[];
  readonly completions: CompletionQuery[];
  /** Answers by command, for example `ct list`; unscripted commands get an echo. */
  readonly answers: Map<string, Card>;
  /** Answers to clicks by ref, told only to the person who clicked. */
  readonly clickAnswers: Map<string, Card>;
  readonly prompts: Map<string, Prompt>;
  homeCards: Card[];
}

const option = (name: string, required = false, completes = false, choices?: readonly string[]) => ({
  name,
  summary: `The ${name} to use`,
  required,
  completes,
  ...(choices && { choices }),
});

const entry = (name: string, options: MenuEntry['options'] = [], isPrivate = false, risk = 'read'): MenuEntry => ({
  name,
  summary: `What ${name} does`,
  examples: [name],
  private: isPrivate,
  risk,
  options,
});

export const menu: readonly MenuEntry[] = [
  entry('whoami', [], true),
  entry('quorum', [option('cluster', false, true)]),
  entry('ct list', [option('node', false, true)]),
  entry('ct show', [option('vmid', true, true)]),
  entry(
    'ct create',
    [option('hostname', true), option('node', true, true), option('start', false, false, ['yes', 'no'])],
    false,
    'routine',
  ),
];

export const NODES = ['ovh1', 'ovh2', 'ovh3', 'ovh4'];

/** A command as one text, however the platform took it apart. */
export function spoken(input: Ask['input']): string {
  if ('text' in input) return input.text;
  return [input.command, ...Object.entries(input.options).map(([name, value]) => `${name}:${value}`)].join(' ');
}

const entryOf = (text: string) => menu.find((one) => text === one.name || text.startsWith(`${one.name} `)) ?? undefined;

function formFor(text: string): Form | undefined {
  const found = entryOf(text.trim());
  if (!found) return undefined;
  const typed = new Map(
    text
      .slice(found.name.length)
      .split(/\s+/)
      .filter((word) => word.includes(':'))
      .map((word) => [word.slice(0, word.indexOf(':')), word.slice(word.indexOf(':') + 1)]),
  );
  if (found.options.every((one) => !one.required || typed.has(one.name))) return undefined;
  const fields = found.options.map((one) => ({ ...one, value: typed.get(one.name) }));
  return { command: found.name, title: found.summary, fields };
}

export function scriptedDesk(): ScriptedDesk {
  const seen = new Set<string>();
  const desk: ScriptedDesk = {
    menu,
    asks: [],
    clicks: [],
    handled: [],
    completions: [],
    answers: new Map(),
    clickAnswers: new Map(),
    prompts: new Map(),
    homeCards: [{ title: 'What you may do', tone: 'plain', lines: ['ct list'] }],
    async command(ask) {
      desk.asks.push(ask);
      if (seen.has(ask.delivery)) return;
      seen.add(ask.delivery);
      const text = spoken(ask.input);
      desk.handled.push(text);
      const name = entryOf(text)?.name ?? text;
      const echo: Card = { title: `echo ${text}`, tone: 'good', private: entryOf(text)?.private === true };
      await ask.reply(desk.answers.get(name) ?? echo, `answer-${ask.delivery}`);
    },
    async click(click) {
      desk.clicks.push(click);
      if (seen.has(click.delivery)) return;
      seen.add(click.delivery);
      const answer = desk.clickAnswers.get(click.ref);
      if (answer) await click.reply(answer);
    },
    prompt: async (ref) => desk.prompts.get(ref),
    form: formFor,
    async complete(query): Promise<readonly Choice[]> {
      desk.completions.push(query);
      const values = query.option === 'node' ? NODES : [];
      return values
        .filter((value) => value.includes(query.typed))
        .slice(0, query.limit)
        .map((value) => ({ label: `${value}, ${query.command}`, value }));
    },
    home: async (_: Actor) => desk.homeCards,
  };
  return desk;
}
