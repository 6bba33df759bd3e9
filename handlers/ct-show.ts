import { defineCommand } from '../src/contracts/command.ts';
import { ct } from './options.ts';
import { showGuest } from './parts/guests.ts';

export const ctShow = defineCommand({
  name: 'ct show',
  summary: 'One container: state, size, addresses, disks, HA, replication, backup',
  examples: ['ct show 103'],
  options: { vmid: ct },
  positional: ['vmid'],
  action: 'ct.show',
  risk: 'read',
  private: true,
  answer: ({ vmid }, context) => showGuest('lxc', vmid, context),
});
