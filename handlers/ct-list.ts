import { defineCommand } from '../src/contracts/command.ts';
import { node, optional, tag } from './options.ts';
import { listGuests } from './parts/guests.ts';

export const ctList = defineCommand({
  name: 'ct list',
  summary: 'The containers you may see, where they are and whether they run',
  examples: ['ct list', 'ct list node:ovh1', 'ct list tag:prod'],
  options: { node: optional(node, 'Only containers on this node'), tag: optional(tag) },
  positional: ['node'],
  action: 'ct.list',
  risk: 'read',
  answer: (filter, context) => listGuests('lxc', filter, context),
});
