import type { Card } from '../src/contracts/card.ts';
import { type ControlContext, defineCommand } from '../src/contracts/command.ts';
import { request } from './options.ts';
import { stateText } from './parts/requests.ts';

export const runCancel = defineCommand({
  name: 'run cancel',
  summary: 'Withdraw a request, stop a run and undo it, or close one in doubt',
  examples: ['run cancel id:2sjvpvxb'],
  options: { id: request },
  positional: ['id'],
  action: 'run.cancel',
  risk: 'control',
  request: 'id',
  needsCluster: false,
  async act({ id }, context) {
    const found = await context.records.request(id);
    const outcome = await context.cancel(found.id);
    return OUTCOMES[outcome](`${found.plan.title}`, stateText(found.state), context);
  },
});

type Outcome = Awaited<ReturnType<ControlContext['cancel']>>;

const OUTCOMES: Readonly<Record<Outcome, (title: string, state: string, context: ControlContext) => Card>> = {
  withdrawn: (title) => ({ title: `Withdrawn: ${title}`, tone: 'plain', lines: ['Nothing was changed'] }),
  stopping: (title) => ({
    title: `Stopping: ${title}`,
    tone: 'busy',
    lines: ['The step that runs now ends first, then what was done is undone; the card tells how it ends'],
  }),
  closed: (title) => ({
    title: `Closed: ${title}`,
    tone: 'warning',
    lines: [
      'Nothing is repeated or undone any more; what it left is yours to clear',
      'Its guest is free for other requests',
    ],
  }),
  'already-over': (title, state, { root }) => ({
    title: `Already over: ${title}`,
    tone: 'warning',
    lines: [`It is ${state}; there is nothing to cancel`, `${root}approval list shows what is open`],
    private: true,
  }),
};
