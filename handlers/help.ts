import type { Card } from '../src/contracts/card.ts';
import type { MenuEntry, MenuOption } from '../src/contracts/chat.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { option, optional } from './options.ts';

export const help = defineCommand({
  name: 'help',
  summary: 'What you may ask for, and how',
  examples: ['help', 'help ct', 'help ct create'],
  options: {
    command: optional(
      option({
        summary: 'A command, or its first word',
        example: 'command:"ct create"',
        completes: 'command',
        read: (text) => ({ value: text }),
      }),
    ),
  },
  positional: ['command'],
  action: 'help',
  risk: 'read',
  private: true,
  needsCluster: false,
  async answer({ command }, context) {
    const wanted = (command ?? '').toLowerCase().replace(/\s+/g, ' ').trim();
    if (wanted === '') return overview(context);
    const exact = context.menu.find((entry) => entry.name === wanted);
    const same = context.menu.filter((entry) => nounOf(entry) === wanted);
    if (exact && same.length <= 1) return details(exact, context);
    if (same.length > 0) return noun(wanted, same, context);
    return fail('not-found', {
      what: `no help for ${wanted.slice(0, 60)}`,
      why: 'there is no such command that you may run',
      next: `${context.root}help shows all of them`,
    });
  },
});

const nounOf = (entry: MenuEntry): string => entry.name.split(' ')[0]!;

function overview({ menu, root, asker }: ReadContext): Card {
  const nouns = new Map<string, string[]>();
  for (const entry of menu) {
    const [first, ...rest] = entry.name.split(' ');
    const verbs = nouns.get(first!) ?? [];
    nouns.set(first!, rest.length > 0 ? [...verbs, rest.join(' ')] : verbs);
  }
  const summaries = new Map(menu.map((entry) => [entry.name, entry.summary]));
  return {
    title: `What ${asker.name} may ask for`,
    tone: 'plain',
    lines: menu.length === 0 ? ['Nothing yet: an admin has to give you a role'] : [],
    facts: [...nouns].map(([word, verbs]) => ({
      label: word,
      value: verbs.length > 0 ? verbs.join(', ') : (summaries.get(word) ?? ''),
    })),
    footer: `${root}help ct for more about one word`,
    private: true,
  };
}

function noun(word: string, entries: readonly MenuEntry[], { root }: ReadContext): Card {
  return {
    title: `${root}${word} …`,
    tone: 'plain',
    facts: entries.map((entry) => ({ label: entry.name, value: `${entry.summary}${harm(entry.risk)}` })),
    footer: `${root}help ${entries[0]!.name} for its options`,
    private: true,
  };
}

/** Only what can hurt is marked. */
function harm(risk: string): string {
  return risk === 'disruptive' || risk === 'destructive' ? ` (${risk})` : '';
}

function details(entry: MenuEntry, { root }: ReadContext): Card {
  return {
    title: `${root}${entry.name}`,
    tone: 'plain',
    lines: [entry.summary, RISKS[entry.risk] ?? `Risk: ${entry.risk}`],
    facts: entry.options.map((each) => ({ label: each.name, value: optionText(each) })),
    code: entry.examples.map((example) => `${root}${example}`),
    private: true,
  };
}

const RISKS: Readonly<Record<string, string>> = {
  read: 'Looks only',
  routine: 'Routine: shows its plan before anything changes',
  disruptive: 'Disruptive: shows its plan, and policy says who has to approve it',
  destructive: 'Destructive: shows its plan, and policy says who has to approve it',
  control: 'Changes only requests, never a cluster',
};

function optionText(option: MenuOption): string {
  const choices = option.choices ? ` (${option.choices.join(' or ')})` : '';
  return `${option.summary}${choices}${option.required ? ', required' : ''}`;
}
