import { defineCommand } from '../src/contracts/command.ts';
import { incident } from './options.ts';
import { dateTime } from './parts/units.ts';

const MOST = 30;

export const alertShow = defineCommand({
  name: 'alert show',
  summary: 'One incident: how it stands and all that was told of it',
  examples: ['alert show id:k3f9w'],
  options: { id: incident },
  positional: ['id'],
  action: 'alert.show',
  risk: 'read',
  needsCluster: false,
  async answer({ id }, { alerts, zone }) {
    const found = await alerts.get(id);
    const card = await alerts.card(found);
    const { held, news, reminders, kind, key } = found;
    const told = news.slice(-MOST).map((one) => {
      const at = one.endedAt ?? one.at ?? one.startedAt;
      const when = at === undefined ? '' : `${dateTime(at * 1000, zone).slice(5)}  `;
      return `${when}${one.text.split('\n').join(' / ')}`;
    });
    return {
      ...card,
      facts: [
        ...(card.facts ?? []),
        { label: 'Kind', value: `${kind}, ${key}` },
        ...(held === undefined ? [] : [{ label: 'Not told', value: held }]),
        ...(reminders > 0 ? [{ label: 'Reminders', value: String(reminders) }] : []),
      ],
      code: [told.join('\n')],
    };
  },
});
