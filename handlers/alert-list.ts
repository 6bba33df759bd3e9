import { defineCommand } from '../src/contracts/command.ts';
import { type Incident, type Silence, silenceText } from '../src/contracts/incident.ts';
import { cluster, option, optional } from './options.ts';
import { count, dateTime } from './parts/units.ts';

const MOST = 50;

export const alertList = defineCommand({
  name: 'alert list',
  summary: 'Incidents that are open, and what is silenced',
  examples: ['alert list', 'alert list state:all'],
  options: {
    state: optional(
      option({
        summary: 'open (default), or all of the latest',
        example: 'state:all',
        choices: ['open', 'all'],
        read: (text) => (text === 'open' || text === 'all' ? { value: text } : { problem: 'state is open or all' }),
      }),
    ),
    cluster,
  },
  action: 'alert.list',
  risk: 'read',
  needsCluster: false,
  async answer({ state = 'open', cluster: named }, { alerts, clock, clusters, root, zone }) {
    const asked = named?.toLowerCase();
    const incidents = await alerts.list({
      ...(state === 'open' ? { states: ['open'] as const } : {}),
      ...(asked === undefined ? {} : { cluster: asked }),
      limit: MOST,
    });
    const of = clusters.filter((one) => asked === undefined || one === asked);
    const silences = (await Promise.all(of.map((one) => alerts.silences(one)))).flat();
    const open = incidents.filter((one) => one.state === 'open');
    const bad = open.some(({ severity }) => severity === 'critical' || severity === 'error');
    return {
      title: open.length === 0 ? 'Nothing is open' : `${count(open.length, 'incident')} open`,
      tone: bad ? 'bad' : open.length > 0 ? 'warning' : 'good',
      lines: silences.map((one) => silenceLine(one, zone)),
      ...(incidents.length > 0
        ? {
            table: {
              columns: ['Id', 'Cluster', 'Severity', 'What', 'Since', 'State'],
              rows: incidents.map((one) => [
                one.id,
                one.cluster,
                one.severity,
                firstLine(one),
                dateTime(one.openedAt, zone).slice(5, 16),
                stateOf(one, clock.now()),
              ]),
            },
            footer: `${root}alert show id:${incidents[0]!.id} tells more`,
          }
        : {}),
    };
  },
});

const firstLine = ({ news }: Incident): string =>
  (news.findLast(({ phase }) => phase !== 'note') ?? news.at(-1))?.text.split('\n')[0] ?? '';

function stateOf({ state, held, acknowledged, snoozed }: Incident, now: number): string {
  if (state === 'resolved') return 'resolved';
  if (held !== undefined) return held;
  if (snoozed && snoozed.until > now) return `snoozed by ${snoozed.by}`;
  return acknowledged ? `acknowledged by ${acknowledged.by}` : 'open';
}

function silenceLine(silence: Silence, zone: string): string {
  const { id, until, reason, by, cluster } = silence;
  const end = until === undefined ? 'for good' : `until ${dateTime(until, zone).slice(5, 16)}`;
  return `Silenced ${end} on ${cluster}: ${silenceText(silence)} by ${by}: ${reason} (${id})`;
}
