import { defineCommand } from '../src/contracts/command.ts';
import { vm } from './options.ts';
import { showGuest } from './parts/guests.ts';

export const vmShow = defineCommand({
  name: 'vm show',
  summary: 'One VM: state, size, addresses, disks, HA, replication, backup',
  examples: ['vm show 200'],
  options: { vmid: vm },
  positional: ['vmid'],
  action: 'vm.show',
  risk: 'read',
  private: true,
  answer: ({ vmid }, context) => showGuest('qemu', vmid, context),
});
