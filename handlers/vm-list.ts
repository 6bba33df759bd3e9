import { defineCommand } from '../src/contracts/command.ts';
import { node, optional, tag } from './options.ts';
import { listGuests } from './parts/guests.ts';

export const vmList = defineCommand({
  name: 'vm list',
  summary: 'The VMs you may see, where they are and whether they run',
  examples: ['vm list', 'vm list node:ovh1', 'vm list tag:prod'],
  options: { node: optional(node, 'Only VMs on this node'), tag: optional(tag) },
  positional: ['node'],
  action: 'vm.list',
  risk: 'read',
  answer: (filter, context) => listGuests('qemu', filter, context),
});
