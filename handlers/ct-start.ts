import { powerCommand } from './power.ts';

export const ctStart = powerCommand('lxc', 'start');
