import type { MenuEntry } from '../../src/contracts/chat.ts';

/** One thing a newcomer may try. The page ticks it off when `done` happens. */
export interface GuideStep {
  readonly title: string;
  readonly about: string;
  /** Put into the input line when the step is chosen. */
  readonly fill?: string;
  /** Become this person when the step is chosen. */
  readonly person?: string;
  /** said: a command that starts with `text`. clicked: any button. flipped: any switch of the panel. */
  readonly done: { readonly said: string } | { readonly clicked: true } | { readonly flipped: true };
}

/** The walk of the demo, for those of its commands that exist. */
export function defaultGuide(
  menu: readonly MenuEntry[],
  people: readonly { readonly id: string; readonly name: string }[],
  hasPanel: boolean,
): readonly GuideStep[] {
  const create = menu.find((entry) => entry.name === 'ct create');
  const quorum = menu.find((entry) => entry.name === 'quorum');
  const [asker, other] = people;
  const steps: GuideStep[] = [];
  // The names in examples are those of real guests as often as not; this one is free in any new world.
  const example = create?.examples[0]?.replace(/\bhostname:\S+/, 'hostname:hello');
  if (example) {
    steps.push({
      title: 'Create a container',
      about: 'You see the whole plan before anything happens.',
      fill: example,
      ...(asker && { person: asker.id }),
      done: { said: 'ct create' },
    });
    steps.push({
      title: other ? `Approve it as ${other.name}` : 'Approve it',
      about: 'The card says what is missing; nobody approves their own request.',
      ...(other && { person: other.id }),
      done: { clicked: true },
    });
  }
  if (quorum) {
    steps.push({
      title: 'Ask for quorum',
      about: 'How many nodes may still fail?',
      fill: 'quorum',
      done: said('quorum'),
    });
    if (hasPanel) {
      steps.push({ title: 'Pull a plug', about: 'Switch a node off in the panel.', done: { flipped: true } });
      steps.push({ title: 'Ask again', about: 'See what the others noticed.', fill: 'quorum', done: said('quorum') });
    }
  }
  return steps;
}

const said = (text: string): GuideStep['done'] => ({ said: text });
