import { powerCommand } from './power.ts';

export const vmReboot = powerCommand('qemu', 'reboot');
