import { powerCommand } from './power.ts';

export const ctReboot = powerCommand('lxc', 'reboot');
