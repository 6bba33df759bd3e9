import { defineCommand } from '../src/contracts/command.ts';

export const whoami = defineCommand({
  name: 'whoami',
  summary: 'Who the bot takes you for, your roles and what you may do',
  examples: ['whoami'],
  options: {},
  action: 'whoami',
  risk: 'read',
  private: true,
  needsCluster: false,
  async answer(_options, { asker, menu, clusters, root }) {
    const accounts = Object.entries(asker.accounts).map(([platform, id]) => `${platform} ${id}`);
    const commands = (risks: readonly string[]) =>
      menu.filter((entry) => risks.includes(entry.risk)).map((entry) => entry.name);
    const changes = commands(['routine', 'disruptive', 'destructive']);
    return {
      title: `You are ${asker.name}`,
      tone: 'plain',
      lines: asker.roles.length === 0 ? ['You have no role: an admin adds you under people: in the config'] : [],
      facts: [
        { label: 'Person', value: asker.id },
        { label: 'Roles', value: asker.roles.join(', ') || 'none' },
        { label: 'Accounts', value: accounts.join(', ') || 'only this one' },
        { label: 'Clusters', value: clusters.join(', ') || 'none' },
        { label: 'May look at', value: commands(['read']).join(', ') || 'nothing' },
        { label: 'May ask for', value: changes.join(', ') || 'no change' },
      ],
      footer: `${root}help for how`,
      private: true,
    };
  },
});
