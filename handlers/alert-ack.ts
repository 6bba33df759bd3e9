import { defineCommand } from '../src/contracts/command.ts';
import { incident } from './options.ts';

export const alertAck = defineCommand({
  name: 'alert ack',
  summary: 'Acknowledge an incident: you look after it, nobody is reminded',
  examples: ['alert ack id:k3f9w'],
  options: { id: incident },
  positional: ['id'],
  action: 'alert.ack',
  risk: 'control',
  incident: 'id',
  needsCluster: false,
  async tell(_options, { hands, incident }) {
    await hands.acknowledge();
    return {
      title: `${incident.id} is yours`,
      tone: 'good',
      lines: ['Nobody is reminded of it any more; its card goes on telling how it stands'],
    };
  },
});
