import { defineCommand } from '../src/contracts/command.ts';
import { option, optional } from './options.ts';
import { OPEN, stateText } from './parts/requests.ts';
import { count, span } from './parts/units.ts';

const MOST = 50;

export const approvalList = defineCommand({
  name: 'approval list',
  summary: 'Requests that wait for somebody, or still run',
  examples: ['approval list', 'approval list state:all'],
  options: {
    state: optional(
      option({
        summary: 'open (default), waiting, or all of the latest',
        example: 'state:waiting',
        choices: ['open', 'waiting', 'all'],
        read: (text) =>
          text === 'open' || text === 'waiting' || text === 'all'
            ? { value: text }
            : { problem: 'state is open, waiting or all' },
      }),
    ),
  },
  action: 'approval.list',
  risk: 'read',
  needsCluster: false,
  async answer({ state = 'open' }, { records, clock, root }) {
    const states = state === 'all' ? {} : { states: state === 'waiting' ? (['waiting'] as const) : OPEN };
    const requests = await records.requests({ ...states, limit: MOST });
    if (requests.length === 0) return { title: 'Nothing waits', tone: 'good' };
    const waiting = requests.filter((request) => request.state === 'waiting').length;
    return {
      title: `${count(requests.length, 'request')}, ${waiting} waiting for approval`,
      tone: requests.some((request) => request.state === 'in-doubt') ? 'bad' : waiting > 0 ? 'warning' : 'plain',
      table: {
        columns: ['Id', 'What', 'By', 'State', 'Asked'],
        rows: requests.map((request) => [
          request.id,
          request.plan.title,
          request.requester,
          stateText(request.state),
          `${span((clock.now() - request.createdAt) / 1000)} ago`,
        ]),
      },
      footer: `${root}approval show ${requests[0]!.id} for the plan; the buttons are on its card`,
    };
  },
});
