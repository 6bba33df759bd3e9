import { defineCommand } from '../src/contracts/command.ts';
import type { Severity } from '../src/contracts/watch.ts';
import { option, optional } from './options.ts';
import { count, dateTime } from './parts/units.ts';

const SEVERITIES = ['notice', 'warning', 'error', 'critical'] as const satisfies readonly Severity[];

export const alertTest = defineCommand({
  name: 'alert test',
  summary: 'Post a test alert wherever a real one would go',
  examples: ['alert test', 'alert test severity:critical'],
  options: {
    severity: optional(
      option<(typeof SEVERITIES)[number]>({
        summary: 'As grave as this; default: warning',
        example: 'severity:critical',
        choices: SEVERITIES,
        read: (text) => {
          const value = SEVERITIES.find((one) => one === text.toLowerCase());
          return value ? { value } : { problem: `severity is ${SEVERITIES.join(', ')}` };
        },
      }),
    ),
  },
  action: 'alert.test',
  risk: 'control',
  async tell({ severity = 'warning' }, { cluster, test, zone }) {
    const sent = await test(severity);
    const told = sent.filter(({ quietUntil }) => quietUntil === undefined);
    return {
      title: told.length === 0 ? 'The test alert went nowhere' : `Test alert sent to ${count(told.length, 'place')}`,
      tone: told.length === 0 ? 'warning' : 'good',
      lines:
        sent.length === 0
          ? [`Nothing in alerts: of ${cluster} takes ${severity}; see the config`]
          : sent.map(({ place, quietUntil }) =>
              quietUntil === undefined
                ? place
                : `${place}: quiet hours until ${dateTime(quietUntil, zone).slice(5, 16)}`,
            ),
      private: true,
    };
  },
});
